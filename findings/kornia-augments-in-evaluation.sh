#!/usr/bin/env bash
# Guess: An augmentation of kornia, a module that is made to stand in a network, does nothing
#   after eval(), like Dropout.
# What happens: kornia 0.9.0 goes on: in evaluation half of the images are mirrored and noise is
#   added, so predictions of a network with augmentations in it change from call to call.
# What to do: leave the augmentations out of the network, or out of what evaluates.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check kornia==0.9.0 torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import kornia
import torch
from torch import nn

print("kornia", kornia.__version__, "torch", torch.__version__)

torch.manual_seed(0)
images = torch.rand(200, 1, 4, 4)
for augmentation in (
    kornia.augmentation.RandomHorizontalFlip(p=0.5),
    kornia.augmentation.RandomGaussianNoise(std=0.1, p=0.5),
):
    network = nn.Sequential(augmentation, nn.Dropout(0.5), nn.Flatten()).eval()
    changed = (network(images) != images.flatten(1)).any(dim=1).sum().item()
    print(f"{type(augmentation).__name__}: {changed} of 200 images changed in evaluation")
    assert not augmentation.training and 70 < changed < 130
PYTHON
