#!/usr/bin/env bash
# Guess: TrivialAugmentWide moves an image by a part of its side, as AutoAugment and RandAugment
#   of the same library do, so that a picture of 32 pixels stays in the frame.
# What happens: torchvision 0.29.1 moves by up to 32 pixels whatever the size (AutoAugment: by up
#   to 0.45 of the side). Of images of 32 pixels one in some 200 draws leaves the frame as a
#   whole, and 7 % are more than half black; of 224 pixels a move takes a seventh at most.
# What to do: for small images RandAugment, or TrivialAugmentWide before they are made small.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchvision
from torchvision.transforms import v2

print("torchvision", torchvision.__version__, "torch", torch.__version__)

torch.manual_seed(0)
gone = {}
for transform, side in (
    (v2.TrivialAugmentWide(), 32),
    (v2.TrivialAugmentWide(), 64),
    (v2.RandAugment(num_ops=1), 32),
):
    image = torch.full((3, side, side), 200, dtype=torch.uint8)
    black = torch.tensor([(transform(image) == 0).float().mean() for _ in range(5000)])
    name = f"{type(transform).__name__}, {side} pixels"
    gone[name] = (black == 1).sum().item()
    print(f"{name}: {(black > 0.5).float().mean():.1%} more than half black, {gone[name]} of 5000 all")
assert gone.pop("TrivialAugmentWide, 32 pixels") > 5
assert not any(gone.values())
PYTHON
