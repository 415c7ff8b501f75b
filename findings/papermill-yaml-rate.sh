#!/usr/bin/env bash
# Guess: a learning rate of 1e-3 is the number 0.001 to a notebook, whether papermill gets it by -p on
#   the command line or from a file of parameters (-f).
# What happens: papermill 2.7.0 hands over the number from -p, and the text '1e-3' from -f and -y. It
#   reads these as YAML 1.1, where an exponent needs a point before it and a sign after it; 1.0e-3 is
#   a number in either. The notebook runs: text can be printed, compared and put into a record.
# What to do: write 0.001 or 1.0e-3, and check the types of parameters in the notebook.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check papermill==2.7.0 ipykernel==7.4.0 \
  PyYAML==6.0.4
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

print("papermill", version("papermill"), "PyYAML", version("PyYAML"))
cells = [
    new_code_cell("rate = 0.1", metadata={"tags": ["parameters"]}),
    new_code_cell("print(type(rate).__name__, rate)"),
]
kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": kernel}), "a.ipynb")

def printed(*options):
    """What the notebook prints of its parameter."""
    command = [sys.executable, "-m", "papermill", "a.ipynb", "b.ipynb", *options]
    subprocess.run(command, check=True, capture_output=True)
    *_, last = nbformat.read("b.ipynb", 4).cells
    return last.outputs[0].text.strip()

found = {}
for text in ("1e-3", "1.0e-3", "0.001"):
    Path("parameters.yaml").write_text(f"rate: {text}\n")
    found[text] = printed("-p", "rate", text), printed("-f", "parameters.yaml")
    print(f"{text}: {found[text][0]} by -p, {found[text][1]} by -f")
assert found == {
    "1e-3": ("float 0.001", "str 1e-3"),
    "1.0e-3": ("float 0.001", "float 0.001"),
    "0.001": ("float 0.001", "float 0.001"),
}
PYTHON
