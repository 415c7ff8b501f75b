#!/usr/bin/env bash
# Guess: Where the middle does not fall between two pixels, a center crop always starts on the
#   same side, as Keras (which says so) and albumentations have it.
# What happens: torchvision 0.29.1 rounds half of the margin to the even number: of 29 pixels a
#   crop of 24 starts at 2 (of a margin of 2.5), of 31 pixels at 4 (of 3.5). Keras 3.15.1 and
#   albumentations 2.0.8 start at 2 and 3. Of two preprocessings of one network one is a pixel
#   off, at every fourth size. timm, which uses torchvision's, does so too.
# What to do: sizes whose difference is even, as 256 and 224.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  keras==3.15.1 jax==0.10.2 albumentations==2.0.8 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import albumentations
import keras
import numpy as np
import torch
from torchvision.transforms import v2

print(*(f"{name} {version(name)}" for name in ("torchvision", "keras", "albumentations")))

for side, expected in ((29, 2), (31, 4), (33, 4), (32, 4)):
    rows = np.tile(np.arange(side, dtype=np.float32)[:, None, None], (1, side, 3))
    starts = {
        "torchvision": v2.CenterCrop(24)(torch.from_numpy(rows).permute(2, 0, 1))[0, 0, 0].item(),
        "keras": float(np.asarray(keras.layers.CenterCrop(24, 24)(rows[None]))[0, 0, 0, 0]),
        "albumentations": float(albumentations.CenterCrop(24, 24)(image=rows)["image"][0, 0, 0]),
    }
    print(f"24 of {side} pixels, first row: {starts}")
    assert starts["torchvision"] == expected
    assert starts["keras"] == starts["albumentations"] == (side - 24) // 2
PYTHON
