#!/usr/bin/env bash
# Guess: the similarity (SSIM) of two images of 512x512 is the same by piq, torchmetrics and pytorch_msssim, with the
#   same window and range.
# What happens: piq 0.8.0 makes images whose smaller side is 384 or more smaller first, here to half, as the authors
#   of SSIM suggest and the others do not: noise is averaged away, and the same pair has 0.30 by the one and 0.09 by
#   the others.
# What to do: downsample=False to compare with others' numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 piq==0.8.0 \
  pytorch-msssim==1.0.0 torchmetrics==1.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import piq
import pytorch_msssim
import torch
from torchmetrics.image import StructuralSimilarityIndexMeasure

print(*(f"{package} {version(package)}" for package in ("piq", "pytorch-msssim", "torchmetrics", "torch")))


def similarities(side):
    slope = torch.linspace(0, 1, side)
    image = (slope[:, None] + slope[None])[None, None] / 2
    noise = torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0))
    noisy = (image + 0.1 * noise).clamp(0, 1)
    found = {
        "piq": piq.ssim(image, noisy, data_range=1.0),
        "piq, downsample=False": piq.ssim(image, noisy, data_range=1.0, downsample=False),
        "pytorch-msssim": pytorch_msssim.ssim(image, noisy, data_range=1.0),
        "torchmetrics": StructuralSimilarityIndexMeasure(data_range=1.0)(image, noisy),
    }
    return {name: value.item() for name, value in found.items()}


for side in (256, 512):
    found = similarities(side)
    print(f"{side}x{side}:", {name: round(value, 4) for name, value in found.items()})
    others = [value for name, value in found.items() if name != "piq"]
    assert max(others) - min(others) < 0.01
    assert (found["piq"] - max(others) > 0.1) == (side == 512)
PYTHON
