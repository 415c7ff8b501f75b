#!/usr/bin/env bash
# Guess: v2.RandomErasing(value="random") fills its patch with noise over the range of the image, for
#   bytes 0 to 255.
# What happens: in torchvision 0.29.1 the noise is standard normal, whatever the type. On bytes it is
#   cut to whole numbers, and what is negative starts again from 255: two thirds of the values are 0,
#   a seventh 1, a seventh 255, and nothing lies between 5 and 250. No word is said.
# What to do: erase after v2.ToDtype(torch.float32, scale=True), and after the normalization if the
#   noise is to be about as strong as the image.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchvision
from torchvision.transforms import v2

print("torchvision", torchvision.__version__, "torch", torch.__version__)
gray = torch.full((3, 64, 64), 128, dtype=torch.uint8)
erase = v2.RandomErasing(p=1, value="random", scale=(0.5, 0.5), ratio=(1, 1))
torch.manual_seed(0)
erased = erase(gray)
patch = erased[erased != 128]
values, counts = patch.unique(return_counts=True)
for value, count in zip(values.tolist(), counts.tolist()):
    print(f"{value:3}: {count / len(patch):.1%} of the patch")
assert erased.dtype == torch.uint8 and len(patch) > 5_000
assert ((values < 6) | (values > 250)).all()
assert 0.6 < (patch == 0).float().mean() < 0.75
PYTHON
