#!/usr/bin/env bash
# Guess: with decay=0.9 the average keeps nine tenths of itself at each update, and under
#   average_parameters() the whole network is the averaged one.
# What happens: torch-ema 0.3 takes the smaller of the given decay and (1 + n) / (10 + n) at the
#   nth update, so the first update keeps two elevenths: after it the average is at 0.82 of the
#   way where it should be at 0.1. Short trainings are hardly averaged with a decay of 0.999: at
#   the 100th update it is 0.918. And only parameters are averaged: a batch norm evaluates with
#   the running statistics of the last weights.
# What to do: pass use_num_updates=False for the decay that was given, and compute the statistics
#   of the batch norms anew.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch-ema==0.3 torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from torch import nn
from torch_ema import ExponentialMovingAverage

print("torch-ema", version("torch-ema"), "torch", torch.__version__)


def way(**options):
    """Where the average is after 1, 5 and 10 updates on the way from 0 to 1."""
    parameter = nn.Parameter(torch.zeros(1))
    average = ExponentialMovingAverage([parameter], decay=0.9, **options)
    parameter.data.fill_(1.0)
    places = []
    for _ in range(10):
        average.update()
        places.append(round(average.shadow_params[0].item(), 2))
    return places[0], places[4], places[9]


plain, constant = way(), way(use_num_updates=False)
print("after 1, 5 and 10 updates with decay 0.9:", plain)
print("with use_num_updates=False:              ", constant)
assert plain[0] == 0.82 and plain[1] > 0.99
assert constant == tuple(round(1 - 0.9**n, 2) for n in (1, 5, 10))

parameter = nn.Parameter(torch.zeros(1))
average = ExponentialMovingAverage([parameter], decay=0.999)
for _ in range(99):
    average.update()
parameter.data.fill_(1.0)
average.update()
kept = 1 - average.shadow_params[0].item()
print(f"kept at the 100th update with decay 0.999: {kept:.3f}")
assert abs(kept - 101 / 110) < 1e-4

norm = nn.BatchNorm1d(1)
average = ExponentialMovingAverage(norm.parameters(), decay=0.9)
for place in range(20):
    norm(torch.randn(64, 1) + place)
    average.update()
raw = norm.running_mean.item()
with average.average_parameters():
    print(f"mean of the batch norm: {raw:.2f}, averaged {norm.running_mean.item():.2f}")
    assert norm.running_mean.item() == raw
PYTHON
