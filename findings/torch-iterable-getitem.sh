#!/usr/bin/env bash
# Guess: an IterableDataset, which has no positions, has no __getitem__, so that hasattr tells it from a
#   map-style data set; and what takes parts of a data set by position (Subset, random_split) refuses it.
# What happens: torch 2.14.1's IterableDataset inherits a __getitem__ that does nothing but raise. With a
#   __len__ it passes for a map-style one: random_split divides it, each part says its length, and only the
#   first item that is asked for raises NotImplementedError.
# What to do: ask for isinstance(data, IterableDataset) before anything else.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.utils.data import IterableDataset, random_split


class Stream(IterableDataset):
    def __len__(self):
        return 5

    def __iter__(self):
        return iter(range(5))


print("torch", torch.__version__)
stream = Stream()
print("has __getitem__ and __len__:", hasattr(stream, "__getitem__"), hasattr(stream, "__len__"))
assert hasattr(stream, "__getitem__") and list(stream) == [0, 1, 2, 3, 4]
train, validation = random_split(stream, [3, 2])
print("random_split gives parts of", len(train), "and", len(validation))
assert (len(train), len(validation)) == (3, 2)
try:
    train[0]
except NotImplementedError as error:
    print(f"the first item: {type(error).__name__}: {error}")
else:
    raise SystemExit("an item by its position: the behavior has changed")
PYTHON
