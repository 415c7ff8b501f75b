#!/usr/bin/env bash
# Guess: load_dataset("imagefolder") of the folders bus, plane and train gives three classes and all images, and
#   of the folder cat alone the class cat.
# What happens: with datasets 5.2.0 a folder called train, test, validation or dev (and a few more) is a split,
#   wherever it lies. Of the vehicles only the images in train are loaded, as the training split, without a label;
#   the others are left out without a word. Where there is one class only, there is no label either.
# What to do: put the classes below folders train and test, and name no class like a split; for a single class
#   give drop_labels=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 pillow==13.0.0 numpy==2.4.6
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
"$folder/venv/bin/python" - <<'PYTHON'
import datasets
from pathlib import Path
from PIL import Image

print("datasets", datasets.__version__)
datasets.disable_progress_bars()


def load(name, *classes, **options):
    for place in classes:
        Path(name, place).mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(f"{name}/{place}/{number}.png")
    splits = datasets.load_dataset("imagefolder", data_dir=name, **options)
    classes_of = {k: v.features["label"].names if "label" in v.features else None for k, v in splits.items()}
    return {k: (len(v), classes_of[k]) for k, v in splits.items()}


cases = {
    "bus, plane": load("two", "bus", "plane"),
    "bus, plane, train": load("vehicles", "bus", "plane", "train"),
    "train/bus, train/plane, train/train": load("below", "train/bus", "train/plane", "train/train"),
    "cat": load("one", "cat"),
    "cat, drop_labels=False": load("kept", "cat", drop_labels=False),
}
for folders, found in cases.items():
    print(f"{folders}: {found}")
assert cases["bus, plane"] == {"train": (6, ["bus", "plane"])}
assert cases["bus, plane, train"] == {"train": (3, None)}
assert cases["train/bus, train/plane, train/train"] == {"train": (9, ["bus", "plane", "train"])}
assert cases["cat"] == {"train": (3, None)}
assert cases["cat, drop_labels=False"] == {"train": (3, ["cat"])}
PYTHON
