#!/usr/bin/env bash
# Guess: the similarity (SSIM) of two images by torchmetrics is the same whatever other pairs are in the batch, and
#   images of floats are taken to go from 0 to 1.
# What happens: torchmetrics 1.9.0 takes the range from the numbers of the batch if none is given: the largest less
#   the smallest of all its images. A pair of dark images has one value alone, and another beside a pair with black
#   and white in it; the mean over a test set depends on how it was divided into batches.
# What to do: give data_range always.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchmetrics==1.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics.image import StructuralSimilarityIndexMeasure as Similarity

print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__)
generator = torch.Generator().manual_seed(0)
dark = 0.3 * torch.rand(1, 1, 64, 64, generator=generator)
noisy = (dark + 0.05 * torch.randn(1, 1, 64, 64, generator=generator)).clamp(0, 1)
bright = torch.ones(1, 1, 64, 64)
bright[..., :32] = 0


def of_dark_pair(beside, **given):
    pairs = [torch.cat([image, bright]) if beside else image for image in (dark, noisy)]
    return Similarity(reduction="none", **given)(*pairs).flatten()[0].item()


alone, beside = of_dark_pair(False), of_dark_pair(True)
print(f"a dark pair alone {alone:.4f}, beside a pair of black and white {beside:.4f}")
given = [of_dark_pair(place, data_range=1.0) for place in (False, True)]
print("with data_range=1.0:", [round(value, 4) for value in given])
assert abs(alone - beside) > 0.004 and max(given) - min(given) < 1e-5
assert abs(beside - given[0]) < 1e-5
PYTHON
