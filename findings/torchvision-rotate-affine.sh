#!/usr/bin/env bash
# Guess: rotate(image, 90) and affine(image, angle=90, ...) turn a picture to the same side.
# What happens: in torchvision 0.29.1 the one turns it counter-clockwise and the other clockwise.
# What to do: change the sign of the angle of one of them. A random angle from -d to d is the same for both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchvision
from torchvision.transforms.v2 import functional

print("torchvision", torchvision.__version__, "torch", torch.__version__)
image = torch.zeros(1, 5, 5)
image[0, 0, 2] = 1.0  # a point in the middle of the upper edge


def place(picture):
    (found,) = (picture[0] > 0.5).nonzero().tolist()
    return {(2, 0): "left", (2, 4): "right"}[tuple(found)]


rotated = place(functional.rotate(image, 90))
moved = place(functional.affine(image, angle=90, translate=[0, 0], scale=1.0, shear=[0.0, 0.0]))
print("a point above goes by rotate to the", rotated, "and by affine to the", moved)
assert (rotated, moved) == ("left", "right")
PYTHON
