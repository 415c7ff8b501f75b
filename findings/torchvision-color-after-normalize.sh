#!/usr/bin/env bash
# Guess: ColorJitter(brightness=(f, f)) after Normalize multiplies what it is given by f, whatever
#   its range.
# What happens: torchvision 0.29.1 takes every float tensor for one on [0, 1] and clips the result
#   to it: all that Normalize made negative becomes 0, and all above 1 becomes 1. Of evenly spread
#   values on [-2, 2] less than a quarter are left. Contrast, saturation and GaussianNoise clip
#   alike. (A factor of exactly 1 changes nothing.)
# What to do: color changes before Normalize.
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

levels = torch.linspace(0, 1, 256)[None, None].expand(3, 16, 256)
normalized = v2.Normalize(mean=[0.5] * 3, std=[0.25] * 3)(levels)
print(f"before: from {normalized.min():.1f} to {normalized.max():.1f}")
for name, change in {
    "ColorJitter(brightness=(1.1, 1.1))": v2.ColorJitter(brightness=(1.1, 1.1)),
    "ColorJitter(contrast=(1.1, 1.1))": v2.ColorJitter(contrast=(1.1, 1.1)),
    "ColorJitter(saturation=(1.1, 1.1))": v2.ColorJitter(saturation=(1.1, 1.1)),
    "GaussianNoise(sigma=0.01)": v2.GaussianNoise(sigma=0.01),
}.items():
    changed = change(normalized)
    print(f"after {name}: from {changed.min():.1f} to {changed.max():.1f}")
    assert (changed.min(), changed.max()) == (0, 1)
brighter = v2.ColorJitter(brightness=(1.1, 1.1))(normalized)
share = torch.isclose(brighter, 1.1 * normalized, atol=1e-6).float().mean().item()
print(f"{share:.0%} of the values are 1.1 times as large")
assert share < 0.3
PYTHON
