#!/usr/bin/env bash
# Guess: Image.resize to a smaller size with Resampling.BOX gives each new pixel the mean of the area that
#   it covers, so that of a pixel between two new ones each gets its part, as in OpenCV's INTER_AREA.
# What happens: Pillow 13.0.0 gives each pixel whole to one of the new ones. From 5 pixels to 4, three of the
#   new ones are single old pixels and one is the mean of two; a pixel that is half in one and half in the
#   other counts in one alone. From 50x50 random pixels to 32x32 single values are off by more than 80 of 255 levels.
# What to do: where the numbers must be those of another program (a browser, OpenCV), compute the area.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6 Pillow==13.0.0 \
  opencv-python-headless==5.0.0.93
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import cv2
import numpy as np
from PIL import Image

print("Pillow", version("Pillow"), "OpenCV", cv2.__version__)


def areas(old, new):
    """How much each of the new pixels covers of each old one; every row adds up to 1."""
    edges = np.arange(new + 1)[:, None] * old / new
    pixel = np.arange(old)
    parts = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return parts.clip(0) * new / old


def by_pillow(image, width, height):
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BOX))


row = np.array([[0, 200, 0, 0, 0]], dtype=np.uint8)
exact = (row @ areas(5, 4).T).round().astype(int).tolist()[0]
opencv = cv2.resize(row, (4, 1), interpolation=cv2.INTER_AREA).tolist()[0]
pillow = by_pillow(row, 4, 1).tolist()[0]
print("0 200 0 0 0 in four pixels: by area", exact, "OpenCV", opencv, "Pillow", pillow)
assert exact == opencv == [40, 120, 0, 0]
assert pillow == [0, 100, 0, 0]

image = np.random.default_rng(0).integers(0, 256, (50, 50), dtype=np.uint8)
exact = areas(50, 32) @ image @ areas(50, 32).T
apart = {
    "OpenCV": np.abs(cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA) - exact).max(),
    "Pillow": np.abs(by_pillow(image, 32, 32) - exact).max(),
}
print("50x50 random pixels to 32x32, largest difference from the mean of the area:")
print({name: round(float(most), 1) for name, most in apart.items()})
assert apart["OpenCV"] <= 1 and apart["Pillow"] > 80
PYTHON
