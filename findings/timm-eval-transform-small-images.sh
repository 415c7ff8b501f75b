#!/usr/bin/env bash
# Guess: timm's transform for the evaluation of images of 32x32, create_transform(32), leaves an image
#   that has 32x32 pixels already as it is, but for the normalization.
# What happens: timm 1.0.31 means to keep the middle 7/8 of the side, ImageNet's habit (crop_pct
#   0.875), at any size: a CIFAR-10 image is enlarged to 36 pixels, smoothed by that, and loses 2 of
#   the 36 at each side. The network is tested on blurred images without their borders, and nothing says so.
# What to do: create_transform(32, crop_pct=1.0).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 pillow==13.0.0 timm==1.0.31
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from PIL import Image
from timm.data import create_transform

print("timm", version("timm"), "torchvision", version("torchvision"))
steps = 8 * np.arange(32, dtype=np.uint8)  # from column to column, 8 of 255 brighter
image = Image.fromarray(np.broadcast_to(steps[None, :, None], (32, 32, 3)).copy())
plain = {"mean": (0, 0, 0), "std": (1, 1, 1)}
rows = {}
for name, options in {"as it is": {}, "crop_pct=1.0": {"crop_pct": 1.0}}.items():
    transform = create_transform(32, **plain, **options)
    row = (255 * transform(image)[0, 16]).round().int().tolist()
    rows[name] = row
    print(f"{name}: {transform.transforms[0]}")
    print(f"  a row of the image begins {row[:4]} and ends {row[-4:]}")
assert rows["crop_pct=1.0"] == steps.tolist()
assert rows["as it is"][0] > 8 and rows["as it is"][-1] < 240
assert "size=36" in str(create_transform(32).transforms[0])
PYTHON
