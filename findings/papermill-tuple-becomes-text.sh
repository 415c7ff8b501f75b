#!/usr/bin/env bash
# Guess: A tuple of numbers given to execute_notebook arrives in the notebook as a sequence of
#   numbers, as a list does.
# What happens: papermill 2.7.0 writes a tuple as text: SEEDS = "(0, 1)". A loop over it runs six
#   times, over the characters, and within a dict likewise. A list arrives as a list. Nothing is
#   said of it.
# What to do: give lists.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check papermill==2.7.0 nbformat==5.11.1 \
  ipykernel==7.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
from importlib.metadata import version

import nbformat
import papermill

logging.disable(logging.WARNING)
print("papermill", version("papermill"))

cell = nbformat.v4.new_code_cell("SEEDS = (0,)")
cell.metadata["tags"] = ["parameters"]
book = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell("print(len(SEEDS))")])
book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
nbformat.write(book, "book.ipynb")


def run(seeds):
    """What stands in the notebook, and how many seeds its next cell counts."""
    done = papermill.execute_notebook(
        "book.ipynb", "done.ipynb", {"SEEDS": seeds}, progress_bar=False
    )
    injected, counting = done.cells[1:3]
    return injected.source.splitlines()[-1], int(counting.outputs[0].text)


for seeds in ([0, 1], (0, 1)):
    print(repr(seeds), "->", *run(seeds))
assert run([0, 1]) == ("SEEDS = [0, 1]", 2)
assert run((0, 1)) == ('SEEDS = "(0, 1)"', 6)
PYTHON
