#!/usr/bin/env bash
# Guess: MultiStepLRScheduler(decay_t=[30]) and StepLRScheduler(decay_t=30) lower the rate at the same epoch, that of
#   torch's MultiStepLR([30]).
# What happens: timm 1.0.31's MultiStepLRScheduler lowers it an epoch earlier, for epoch 29, counted from 0; the other two
#   for epoch 30.
# What to do: add 1 to the milestones.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 timm==1.0.31 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import timm
import torch
from timm.scheduler import MultiStepLRScheduler, StepLRScheduler
from torch.optim.lr_scheduler import MultiStepLR

print("timm", timm.__version__, "torch", torch.__version__)


def first_lower(make):
    """The first epoch, from 0, that is trained at a lower rate."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    for epoch in range(40):
        if optimizer.param_groups[0]["lr"] < 0.5:
            return epoch
        optimizer.step()
        # At the end of an epoch timm's are told the next one, as in its own training script.
        scheduler.step(*[] if isinstance(scheduler, MultiStepLR) else [epoch + 1])


found = {
    "timm's MultiStepLRScheduler": first_lower(lambda o: MultiStepLRScheduler(o, decay_t=[30], decay_rate=0.1)),
    "timm's StepLRScheduler": first_lower(lambda o: StepLRScheduler(o, decay_t=30, decay_rate=0.1)),
    "torch's MultiStepLR": first_lower(lambda o: MultiStepLR(o, [30])),
}
print("first epoch at the lower rate:", found)
assert list(found.values()) == [29, 30, 30]
PYTHON
