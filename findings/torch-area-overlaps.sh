#!/usr/bin/env bash
# Guess: torch's interpolate(mode="area") makes an image smaller by the mean of the area that each new pixel
#   covers, so that a picture keeps its mean whatever the sizes.
# What happens: torch 2.14.1 takes whole pixels in windows that overlap, since it is adaptive_avg_pool2d. From
#   5 pixels to 4 each of the inner three counts in two new ones, the outer two in one each, half as much: a
#   picture that is bright in the middle becomes brighter, one that is bright at the border darker. Only where
#   the new size divides the old is it the mean of the area.
# What to do: for a resize that is no whole factor take interpolate(mode="bilinear", antialias=True).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn import functional as F

print("torch", torch.__version__)


def smaller(row, size):
    return F.interpolate(torch.tensor([[row]]), size=size, mode="area")[0, 0]


weights = torch.stack([smaller(row, 4) for row in torch.eye(5).tolist()])
print("from 5 pixels to 4, what each counts in all new pixels together (by area 0.8):", weights.sum(dim=1).tolist())
assert weights.sum(dim=1).tolist() == [0.5, 1.0, 1.0, 1.0, 0.5]
whole = torch.stack([smaller(row, 2) for row in torch.eye(4).tolist()])
assert whole.sum(dim=1).tolist() == [0.5, 0.5, 0.5, 0.5]

middle = torch.zeros(1, 1, 5, 5)
middle[..., 1:4, 1:4] = 1.0
means = {"before": middle.mean(), "area": F.interpolate(middle, size=(4, 4), mode="area").mean()}
antialiased = F.interpolate(middle, size=(4, 4), mode="bilinear", antialias=True)
means["bilinear, antialias"] = antialiased.mean()
print("mean of a picture with a bright middle, 5x5 to 4x4:", {k: round(v.item(), 3) for k, v in means.items()})
assert round(means["before"].item(), 3) == 0.36 and round(means["area"].item(), 4) == 0.5625
assert abs(means["bilinear, antialias"] - 0.36) < 0.05
pool = F.adaptive_avg_pool2d(middle, (4, 4))
assert torch.equal(pool, F.interpolate(middle, size=(4, 4), mode="area"))
PYTHON
