#!/usr/bin/env bash
# Guess: glue("accuracy", value) puts the number into the text, and {glue:text} with :.2f rounds
#   it, also where the value is a NumPy float.
# What happens: since NumPy 2 the repr of such a number is np.float64(0.83512), and myst-nb 1.4.0
#   takes the text from the repr. Without a format the page says "np.float64(0.83512)". With a
#   format the number is missing from the sentence; the build ends with exit status 0 and a
#   warning. Every accuracy that comes out of .mean() is such a number.
# What to do: glue float(value), and build with -W so that the warning stops the build.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check myst-nb==1.4.0 sphinx==7.4.7 \
  numpy==2.4.6 ipykernel==7.4.0
cd "$folder"
export PATH="$folder/venv/bin:$PATH"
"$folder/venv/bin/python" - <<'PYTHON'
import importlib.metadata as metadata, pathlib, subprocess, sys

print(*(f"{name} {metadata.version(name)}" for name in ("myst-nb", "sphinx", "numpy")))
pathlib.Path("conf.py").write_text("extensions = ['myst_nb']\n")
pathlib.Path("index.md").write_text("""---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---
# Results
```{code-cell}
import numpy as np
from myst_nb import glue
accuracy = np.array([0.83512]).mean()
glue("accuracy", accuracy, display=False)
glue("plain", float(accuracy), display=False)
```
Whole {glue}`accuracy` end. Rounded {glue:text}`accuracy:.2f` end. Plain {glue:text}`plain:.2f` end.
""")
built = subprocess.run([sys.executable, "-m", "sphinx", "-b", "text", ".", "out"],
                       capture_output=True, text=True)
page = " ".join(pathlib.Path("out/index.txt").read_text().split())
print("exit status", built.returncode)
print(page[page.index("Whole"):])
print(*(line for line in built.stderr.splitlines() if "mystnb.glue" in line), sep="\n")
assert built.returncode == 0
assert "Whole np.float64(0.83512) end. Rounded end. Plain 0.84 end." in page
PYTHON
