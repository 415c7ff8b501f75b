#!/usr/bin/env bash
# Guess: with decay 0.99 an average of the weights keeps 99 % of itself at each update, so that after
#   five updates 95 % of the first weights are left in it.
# What happens: torch-ema 0.3 keeps 2 parts of 11 at the first update, 3 of 12 at the second, and so
#   on, (1 + n) / (10 + n) until that reaches the decay, at update 890: after five updates a 500th of the
#   first weights is left. A short training is averaged over far fewer steps than 1 / (1 - decay).
# What to do: use_num_updates=False keeps the decay from the first update on.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 torch-ema==0.3
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from torch_ema import ExponentialMovingAverage

print("torch-ema", version("torch-ema"), "torch", torch.__version__)

def left(updates, **options):
    """Part of the first weight, 1, in the average, while the weight itself is 0 from then on."""
    weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    average = ExponentialMovingAverage([weight], decay=0.99, **options)
    weight.data.zero_()
    for _ in range(updates):
        average.update()
    with average.average_parameters():
        return weight.item()

by_default = [left(n) for n in (1, 5, 50)]
plain = [left(n, use_num_updates=False) for n in (1, 5, 50)]
for n, one, two in zip((1, 5, 50), by_default, plain):
    print(f"after {n:2} updates: {one:.5f} of the start by default, {two:.5f} without use_num_updates")
assert abs(by_default[0] - 2 / 11) < 1e-9 and by_default[1] < 0.003
assert abs(plain[1] - 0.99**5) < 1e-9 and abs(plain[2] - 0.99**50) < 1e-9
PYTHON
