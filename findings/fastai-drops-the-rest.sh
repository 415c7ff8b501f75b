#!/usr/bin/env bash
# Guess: An epoch over 100 images in batches of 64 sees all 100.
# What happens: fastai 2.8.12 leaves the last, smaller batch of the training set out: 64 are seen
#   in an epoch, and of 50 images none is. The plain torch DataLoader keeps it.
# What to do: DataLoaders.from_dsets(..., drop_last=False) or dls.train.drop_last = False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check fastai==2.8.12 torch==2.14.1 \
  torchvision==0.29.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")

import torch
from fastai.data.core import DataLoaders

print("fastai", version("fastai"), "torch", torch.__version__)


def seen(count, **options):
    """Training and validation images that an epoch gives of so many."""
    images = [(torch.zeros(3, 8, 8), number % 10) for number in range(count)]
    loaders = DataLoaders.from_dsets(images, images, bs=64, num_workers=0, device="cpu", **options)
    return [sum(len(labels) for _, labels in loader) for loader in loaders]


for count in (100, 50):
    print(f"of {count} images an epoch gives {seen(count)} (training, validation)")
plain = torch.utils.data.DataLoader(range(100), batch_size=64)
print("torch's DataLoader gives", sum(map(len, plain)), "of 100")
assert seen(100) == [64, 100]
assert seen(50) == [0, 50]
PYTHON
