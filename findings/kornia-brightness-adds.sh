#!/usr/bin/env bash
# Guess: kornia.enhance.adjust_brightness(image, 1.0) gives the image back, as torchvision's function of
#   that name does: the number is a factor, and in ColorJitter a range of factors around 1.
# What happens: kornia 0.9.0 adds the number, on the scale of 0 to 1, as its docstring says. With 1.0 the image comes out white,
#   with 0.0 as it is, with 0.5 a gray of 0.4 becomes 0.9. (adjust_contrast and adjust_saturation do
#   take factors, and with 1.0 change nothing.) adjust_brightness_accumulative multiplies.
# What to do: when transforms move from torchvision to kornia, take adjust_brightness_accumulative.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 kornia==0.9.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from kornia import enhance
from torchvision.transforms.v2 import functional as F

print("kornia", version("kornia"), "torchvision", version("torchvision"))
gray = torch.full((1, 3, 2, 2), 0.4)
found = {}
for number in (0.0, 0.5, 1.0):
    outputs = {
        "torchvision": F.adjust_brightness(gray, number),
        "kornia": enhance.adjust_brightness(gray, number),
        "kornia, accumulative": enhance.adjust_brightness_accumulative(gray, number),
    }
    found[number] = {name: round(float(image.mean()), 4) for name, image in outputs.items()}
    print(f"a gray of 0.4, brightness {number}:", found[number])
assert [f["torchvision"] for f in found.values()] == [0.0, 0.2, 0.4]
assert [f["kornia"] for f in found.values()] == [0.4, 0.9, 1.0]
assert [f["kornia, accumulative"] for f in found.values()] == [0.0, 0.2, 0.4]
picture = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
for change in (enhance.adjust_contrast, enhance.adjust_saturation):
    apart = (change(picture, 1.0) - picture).abs().max().item()
    print(f"{change.__name__} with 1.0 changes the picture by at most {apart:.0e}")
    assert apart < 1e-5
PYTHON
