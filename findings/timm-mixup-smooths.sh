#!/usr/bin/env bash
# Guess: Mixup(mixup_alpha=0.2, num_classes=10) gives mixtures of two one-hot vectors.
# What happens: timm 1.0.31 smooths them as well, by 0.1, unless it is told not to: with an
#   unmixed image the right class has 0.91. A training that compares mixup with none compares
#   label smoothing, too. (And all images of a batch are mixed in one proportion, the first with
#   the last, the second with the last but one.)
# What to do: Mixup(..., label_smoothing=0.0); mode='elem' for a proportion of each image's own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check timm==1.0.31 torch==2.14.1 \
  torchvision==0.29.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import timm
import torch
from timm.data import Mixup

print("timm", timm.__version__, "torch", torch.__version__)

images = torch.arange(8.0)[:, None, None, None].expand(8, 3, 2, 2)
labels = torch.arange(8)


def targets(**options):
    np.random.seed(0)
    mixed, target = Mixup(mixup_alpha=0.2, num_classes=10, **options)(images.clone(), labels)
    return mixed[:, 0, 0, 0], target


mixed, smoothed = targets()
_, plain = targets(label_smoothing=0.0)
print("the first image's target:          ", [f"{t:.2f}" for t in smoothed[0]])
print("the same with label_smoothing=0.0: ", [f"{t:.2f}" for t in plain[0]])
assert (plain > 0).sum(dim=1).tolist() == [2] * 8  # of two classes
assert smoothed.min() > 0.009  # of all ten
share = plain[0, 0]
assert torch.allclose(mixed, share * torch.arange(8.0) + (1 - share) * torch.arange(8.0).flip(0))
PYTHON
