#!/usr/bin/env bash
# Guess: torchinfo's "mult-adds" of a network are the multiplications of one image, whatever the batch; a linear layer over
#   seven positions has seven times those of one.
# What happens: torchinfo 1.8.0 counts the whole batch, so eight images cost eight times one. But a linear layer counts once,
#   however many positions it goes over. Biases count as multiplications.
# What to do: give a batch of 1, and count layers over sequences by hand.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchinfo==1.8.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from torch import nn
from torchinfo import summary

print("torchinfo", version("torchinfo"), "torch", torch.__version__)


def mult_adds(layer, *shapes):
    return summary(layer, input_data=[torch.rand(shape) for shape in shapes], verbose=0).total_mult_adds


convolution = nn.Conv2d(3, 8, 3, padding=1, bias=False)
of_image = 3 * 9 * 8 * 32 * 32
for images in (1, 8):
    found = mult_adds(convolution, (images, 3, 32, 32))
    print(f"convolution, {images} images: {found:,}; of one image by hand {of_image:,}")
    assert found == images * of_image
linear = nn.Linear(16, 32, bias=False)
for positions in (1, 7):
    found = mult_adds(linear, (1, positions, 16))
    print(f"linear layer, {positions} positions: {found}; by hand {positions * 16 * 32}")
    assert found == 16 * 32
assert mult_adds(nn.Linear(16, 32), (1, 16)) == 16 * 32 + 32
PYTHON
