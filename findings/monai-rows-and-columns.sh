#!/usr/bin/env bash
# Guess: LoadImage of a PNG with 20 rows and 30 columns gives an array of 20 x 30, as Pillow,
#   imageio and torchvision do.
# What happens: monai 1.6.1 turns it: 30 x 20, in color 30 x 20 x 3. Square images show nothing of
#   it, but are turned as well: what RandFlip(spatial_axis=1) mirrors is up and down. And the
#   prediction of a network trained on images from elsewhere is for pictures that lie on their
#   side.
# What to do: LoadImage(reader='PILReader', reverse_indexing=False).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check monai==1.6.1 Pillow==13.0.0 \
  torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import monai
import numpy as np
from monai.transforms import LoadImage
from PIL import Image

print("monai", monai.__version__)

rows = np.zeros((20, 30), np.uint8)
rows[:5] = 255  # the upper quarter is white
Image.fromarray(rows).save("gray.png")
Image.fromarray(np.stack([rows] * 3, axis=-1)).save("color.png")

gray, color = LoadImage()("gray.png"), LoadImage()("color.png")
print("20 rows, 30 columns:", tuple(gray.shape), tuple(color.shape))
assert tuple(gray.shape) == (30, 20) and tuple(color.shape) == (30, 20, 3)
assert (gray.numpy() == rows.T).all()

plain = LoadImage(reader="PILReader", reverse_indexing=False)("gray.png")
print("with reverse_indexing=False:", tuple(plain.shape))
assert (plain.numpy() == rows).all()
PYTHON
