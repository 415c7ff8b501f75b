#!/usr/bin/env bash
# Guess: timm and torchvision give the classes of a folder of images the same numbers.
# What happens: torchvision 0.29.1 sorts the names of the classes as text: 1, 10, 2. timm 1.0.31 sorts the numbers in them
#   as numbers: 1, 2, 10. A network that was trained with the one is tested with the other on exchanged classes.
# What to do: write the names of the classes beside the weights, and compare them; or name folders 01, 02, 10.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 timm==1.0.31 \
  pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from pathlib import Path

import timm
import torchvision
from PIL import Image
from timm.data import create_dataset
from torchvision.datasets import ImageFolder

print("timm", timm.__version__, "torchvision", torchvision.__version__)


def orders(*names):
    root = Path("-".join(names))
    for name in names:
        (root / name).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name / "a.png")
    found = {"torchvision": ImageFolder(root).class_to_idx, "timm": create_dataset("", str(root)).reader.class_to_idx}
    return {library: sorted(numbers, key=numbers.get) for library, numbers in found.items()}


for names in (("1", "2", "10"), ("01", "02", "10"), ("cat", "dog", "fox")):
    print(names, orders(*names))
assert orders("1", "2", "10") == {"torchvision": ["1", "10", "2"], "timm": ["1", "2", "10"]}
assert orders("01", "02", "10") == {"torchvision": ["01", "02", "10"], "timm": ["01", "02", "10"]}
PYTHON
