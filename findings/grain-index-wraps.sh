#!/usr/bin/env bash
# Guess: data[len(data)] of a MapDataset raises IndexError, as of every sequence.
# What happens: grain 0.2.18 begins again: of three items number 3 is the first, or after shuffle
#   the first of another order, and number 100 the second of the 34th round. An index that is off
#   by one, or a split that ends too far, takes images twice without a word.
# What to do: compare the index with len(data).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check grain==0.2.18 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
from importlib.metadata import version

logging.disable(logging.WARNING)

import grain

print("grain", version("grain"))

data = grain.MapDataset.source(["a", "b", "c"])
print("of three items, item 3 is", repr(data[3]), "and item 100", repr(data[100]))
assert len(data) == 3 and data[3] == "a" and data[100] == "b"
shuffled = data.shuffle(seed=0)
first, second = ([shuffled[index] for index in range(3 * start, 3 * start + 3)] for start in (0, 1))
print("shuffled: items 0 to 2 are", *first, "and items 3 to 5", *second)
assert sorted(first) == sorted(second) == ["a", "b", "c"]
PYTHON
