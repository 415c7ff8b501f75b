#!/usr/bin/env bash
# Guess: load_dataset("imagefolder") of the folders cup, flask and test_tube has three classes;
#   and with train/ and test/ it keeps the training images of test_tube out of the test split.
# What happens: datasets 5.2.0 looks for the words train, test and a few more not only as names of
#   folders, but as words within names, set off by -, _, ., a blank or a digit. Of the three classes only the images of
#   test_tube are loaded, without labels, as the split "test". Where train/ and test/ are there,
#   the test split has the training images of test_tube as well, and its own of that class twice:
#   a network is tested on images that it learned from. Nothing is said of it.
# What to do: name the files yourself, with data_files={"train": "train/**", "test": "test/**"},
#   and compare the numbers of images and classes with what is on disk.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 pillow==13.0.0 \
  numpy==2.4.6
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
"$folder/venv/bin/python" - <<'PYTHON'
import datasets
from collections import Counter
from pathlib import Path
from PIL import Image

print("datasets", datasets.__version__)
datasets.disable_progress_bars()


def load(name, folders, **options):
    """Three images of a color of their own in each folder; the colors and classes by split."""
    for number, folder in enumerate(folders):
        place = Path(name, folder)
        place.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (10 * number + i, 0, 0)).save(place / f"{i}.png")
    found = datasets.load_dataset("imagefolder", data_dir=str(Path(name).resolve()), **options)
    return {
        split: (
            Counter(folders[row["image"].getpixel((0, 0))[0] // 10] for row in rows),
            getattr(rows.features.get("label"), "names", None),
        )
        for split, rows in found.items()
    }


parts = ["train/cup", "train/test_tube", "test/cup", "test/test_tube"]
alone = load("alone", ["cup", "flask", "test_tube"])
both = load("both", parts)
named = load("named", parts, data_files={"train": "train/**", "test": "test/**"})
for what, found in {
    "cup, flask, test_tube": alone,
    "train and test": both,
    "the same with data_files": named,
}.items():
    for split, (images, classes) in found.items():
        print(f"{what}: {split} has {dict(images)}, classes {classes}")
classes = ["cup", "test_tube"]
assert alone == {"test": (Counter({"test_tube": 3}), None)}
assert both["train"] == (Counter({"train/cup": 3, "train/test_tube": 3}), classes)
leaked = {"test/cup": 3, "test/test_tube": 6, "train/test_tube": 3}
assert both["test"] == (Counter(leaked), classes)
assert named["test"] == (Counter({"test/cup": 3, "test/test_tube": 3}), classes)
assert named["train"] == both["train"]
PYTHON
