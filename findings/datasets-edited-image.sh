#!/usr/bin/env bash
# Guess: an image that was changed in place and is then put into a dataset, or returned from map,
#   is stored as it is now.
# What happens: datasets 5.2.0 (Pillow 13.0.0) looks whether the Pillow image still knows the file
#   that it was opened from. If so, it stores that file and not the pixels. What paste, thumbnail,
#   putpixel or ImageDraw did is dropped: the dataset shows the original picture in its original
#   size, without a warning. Methods that return a new image (resize, convert) are safe, since a
#   new image has no file name.
# What to do: return image.copy() after a change in place, or use resize instead of thumbnail.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 pillow==13.0.0 \
  numpy==2.4.6
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
"$folder/venv/bin/python" - <<'PYTHON'
import datasets, numpy as np, PIL
from PIL import Image

print("datasets", datasets.__version__, "Pillow", PIL.__version__)
datasets.disable_progress_bars()
Image.new("RGB", (64, 64), "white").save("white.png")

def blacken(row):
    row["image"].paste((0, 0, 0), (0, 0, 64, 64))
    return {"image": row["image"]}

def shrink(row):
    row["image"].thumbnail((32, 32))
    return {"image": row["image"]}

def shrink_copy(row):
    return {"image": shrink(row)["image"].copy()}

black = blacken({"image": Image.open("white.png")})["image"]
built = np.asarray(datasets.Dataset.from_dict({"image": [black]})[0]["image"])
print("brightest pixel: in memory", np.asarray(black).max(), "in the dataset", built.max())

files = datasets.Dataset.from_dict({"image": ["white.png"]}).cast_column("image", datasets.Image())
mapped = np.asarray(files.map(blacken)[0]["image"]).max()
small, copied = (files.map(f)[0]["image"].size for f in (shrink, shrink_copy))
print("after map: brightest pixel", mapped, "size after thumbnail", small, "with copy()", copied)
assert np.asarray(black).max() == 0 and built.max() == 255
assert mapped == 255 and small == (64, 64) and copied == (32, 32)
PYTHON
