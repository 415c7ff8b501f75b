#!/usr/bin/env bash
# Guess: CosineLRScheduler(t_initial=10, warmup_t=3) rises to the given rate in three epochs and falls from there.
# What happens: with timm 1.0.31 the cosine has been running since epoch 0. The rise aims at the full rate, and after
#   it the rate is that of the cosine at epoch 3, 0.79 of it: with three tenths of the training for the rise
#   the full rate is never reached.
# What to do: warmup_prefix=True begins the cosine after the rise (and ends it as many epochs later).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import timm
import torch
from timm.scheduler import CosineLRScheduler

print("timm", timm.__version__, "torch", torch.__version__)


def rates(**options):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = CosineLRScheduler(optimizer, t_initial=10, warmup_t=3, warmup_lr_init=0.1, **options)
    found = []
    for epoch in range(13):
        scheduler.step(epoch)
        found.append(optimizer.param_groups[0]["lr"])
    return found


plain, prefixed = rates(), rates(warmup_prefix=True)
for name, found in {"as it is": plain, "warmup_prefix=True": prefixed}.items():
    print(f"{name}: {[round(rate, 2) for rate in found]}, highest {max(found):.2f}")
assert max(plain) < 0.8 and abs(plain[2] - 0.7) < 1e-6 and abs(plain[3] - 0.794) < 1e-3
assert abs(prefixed[3] - 1.0) < 1e-6
PYTHON
