#!/usr/bin/env bash
# Guess: load_dataset("imagefolder") of a folder with one folder of images for each class gives
#   all images, with these classes, whatever the classes are called; and of train/ and test/ it
#   keeps the two apart.
# What happens: datasets 5.2.0 looks for the words train, test, val, eval and the like anywhere in
#   the path below the folder. Of the classes car, ship and train only the images of train are
#   loaded, without labels, as the split "train". Of cup, flask and test_tube only those of
#   test_tube, as the split "test". And where train/ and test/ are there, the training images of
#   the class test_tube are in both splits, so the test set has images that were learned from, and
#   its own of that class twice. Nothing is said of it. CIFAR-100 has a class train.
# What to do: name the files yourself, with data_files={"train": "train/**", "test": "test/**"},
#   and compare the number of images and of classes with what is on disk.
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
from pathlib import Path
from PIL import Image

print("datasets", datasets.__version__)
datasets.disable_progress_bars()


def splits(name, folders, **options):
    """Number of images and, if there are any, class names by split; three images in a folder."""
    for folder in folders:
        place = Path(name, folder)
        place.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(place / f"{i}.png")
    found = datasets.load_dataset("imagefolder", data_dir=str(Path(name).resolve()), **options)
    return {
        split: (len(rows), getattr(rows.features.get("label"), "names", None))
        for split, rows in found.items()
    }


trucks = splits("trucks", ["car", "ship", "truck"])
trains = splits("trains", ["car", "ship", "train"])
tubes = splits("tubes", ["cup", "flask", "test_tube"])
parts = ["train/cup", "train/test_tube", "test/cup", "test/test_tube"]
both = splits("both", parts)
named = splits("named", parts, data_files={"train": "train/**", "test": "test/**"})
for what, found in {
    "car, ship, truck": trucks,
    "car, ship, train": trains,
    "cup, flask, test_tube": tubes,
    "train and test, 6 images each": both,
    "the same with data_files": named,
}.items():
    print(f"{what}: {found}")
assert trucks == {"train": (9, ["car", "ship", "truck"])}
assert trains == {"train": (3, None)} and tubes == {"test": (3, None)}
assert (both["train"][0], both["test"][0]) == (6, 6 + 3 + 3)
assert (named["train"][0], named["test"][0]) == (6, 6)
PYTHON
