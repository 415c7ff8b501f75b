#!/usr/bin/env bash
# Guess: scipy.ndimage.zoom(image, 2, order=1) is bilinear interpolation as torch, Pillow and
#   OpenCV do it.
# What happens: scipy 1.17.1 takes pixels for points whose corners stay where they are, which is
#   torch's align_corners=True: 0 1 2 3 becomes 0 0.43 0.86 ... 3, and elsewhere 0 0.25 0.75 ...
#   3. A picture, or a map of activations laid over one, is shifted by up to half a pixel of the
#   small one at the border.
# What to do: zoom(image, 2, order=1, grid_mode=True, mode='nearest').
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check scipy==1.17.1 torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import scipy
import torch
import torch.nn.functional as F
from scipy.ndimage import zoom

print("scipy", scipy.__version__, "torch", torch.__version__)

row = np.array([0.0, 1.0, 2.0, 3.0])[None].repeat(4, axis=0)


def of_torch(**options):
    pixels = torch.from_numpy(row)[None, None]
    return F.interpolate(pixels, scale_factor=2, mode="bilinear", **options)[0, 0].numpy()


found = {
    "zoom(order=1)": zoom(row, 2, order=1),
    "zoom(order=1, grid_mode=True, mode='nearest')": zoom(
        row, 2, order=1, grid_mode=True, mode="nearest"
    ),
    "torch": of_torch(),
    "torch, align_corners=True": of_torch(align_corners=True),
}
for name, values in found.items():
    print(f"{name}:", *(f"{value:.2f}" for value in values[0]))
plain, grid, usual, corners = found.values()
assert abs(plain - usual).max() > 0.15
assert np.allclose(plain, corners) and np.allclose(grid, usual)
PYTHON
