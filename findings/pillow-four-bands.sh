#!/usr/bin/env bash
# Guess: resize treats each band by itself. So RGB with a fourth band of data (near infrared,
#   depth, a mask) can be kept in an RGBA image.
# What happens: Pillow 13.0.0 multiplies the first three bands by the fourth before it filters,
#   and divides afterwards, since for it the fourth band is opacity. Where that band is 0, the
#   colors come back as 0; where it is small, they come back in a few levels. Only
#   nearest-neighbor leaves them alone. torchvision's Resize does this to a Pillow image and not
#   to a tensor.
# What to do: split() the bands, resize each and merge them, or resize a tensor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check pillow==13.0.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np, PIL
from PIL import Image

print("Pillow", PIL.__version__)
pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 4), dtype=np.uint8)
pixels[:, :32, 3] = 0  # the fourth band is 0 on the left, and 2 on the right
pixels[:, 32:, 3] = 2
image = Image.fromarray(pixels)
whole = np.asarray(image.resize((32, 32), Image.Resampling.BILINEAR))
bands = [band.resize((32, 32), Image.Resampling.BILINEAR) for band in image.split()]
single = np.asarray(Image.merge("RGBA", bands))
for name, side in (("fourth band 0", slice(0, 15)), ("fourth band 2", slice(17, 32))):
    print(f"{name}: levels of red: all together {np.unique(whole[:, side, 0]).tolist()},"
          f" band by band {len(np.unique(single[:, side, 0]))} levels")
nearest = np.asarray(image.resize((32, 32), Image.Resampling.NEAREST))
assert (whole[:, :15, :3] == 0).all() and single[:, :15, :3].mean() > 100
assert len(np.unique(whole[:, 17:, 0])) <= 4 < 50 < len(np.unique(single[:, 17:, 0]))
assert nearest[:, :15, :3].mean() > 100
PYTHON
