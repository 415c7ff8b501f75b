#!/usr/bin/env bash
# Guess: decode_image of a PNG with a palette (of 8 bits) gives its colors, as of any other PNG.
# What happens: with torchvision 0.29.1 it gives the numbers of the colors in the palette, as an image of one channel:
#   a picture of a bright red and a bright green becomes 0 and 1 of 255, nearly black. The default mode is UNCHANGED.
#   Converted to three equal channels afterwards, as gray images are, it is black in every batch.
# What to do: mode="RGB", always; or Pillow's convert("RGB"), since torchvision's decoders are announced to go.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import PIL
import torch
import torchvision
from PIL import Image
from torchvision.io import decode_image

print("torchvision", torchvision.__version__, "torch", torch.__version__, "Pillow", PIL.__version__)
picture = Image.new("RGB", (2, 1), (250, 10, 10))
picture.putpixel((1, 0), (10, 250, 10))
picture.save("colors.png")
indices = Image.new("P", picture.size)
indices.putpalette([250, 10, 10, 10, 250, 10] + 762 * [0])  # 256 colors, of which two are used
indices.putpixel((1, 0), 1)
indices.save("palette.png")
found = {}
for file in ("colors.png", "palette.png"):
    for mode in ("UNCHANGED", "RGB"):
        found[file, mode] = decode_image(file, mode=mode)
        print(file, mode, tuple(found[file, mode].shape), found[file, mode].flatten().tolist())
expected = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
for case in (("colors.png", "UNCHANGED"), ("colors.png", "RGB"), ("palette.png", "RGB")):
    assert torch.equal(found[case], expected)
assert torch.equal(decode_image("palette.png"), found["palette.png", "UNCHANGED"])
assert found["palette.png", "UNCHANGED"].shape == (1, 1, 2)
assert sorted(found["palette.png", "UNCHANGED"].flatten().tolist()) == [0, 1]
PYTHON
