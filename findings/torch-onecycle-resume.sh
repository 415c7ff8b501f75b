#!/usr/bin/env bash
# Guess: a training goes on at the saved learning rate once the states of the optimizer and of
#   OneCycleLR are loaded, in the order in which they were made.
# What happens: torch 2.14.1: making OneCycleLR writes its starting rate and momentum into the
#   optimizer, after the optimizer's state was loaded. Loading the scheduler's state does not
#   write them back, though get_last_lr() shows the saved rate. The first step after each resume
#   runs with the rate of step 0, 25 times too small at the peak, and with the momentum of step 0.
#   The next step is right again, so no curve shows it, and the resumed training differs from the
#   unbroken one. Whoever resumes after each epoch has one such step in each.
# What to do: make the scheduler first, then load the optimizer's state, then the scheduler's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import copy, torch
from torch.optim.lr_scheduler import OneCycleLR

print("torch", torch.__version__)

def make():
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1, momentum=0.9)

def show(name, optimizer, schedule):
    group = optimizer.param_groups[0]
    print(f"{name}: lr {group['lr']:.4f}, momentum {group['momentum']:.3f},"
          f" get_last_lr {schedule.get_last_lr()[0]:.4f}")
    return group["lr"], group["momentum"], schedule.get_last_lr()[0]

start = make()
OneCycleLR(start, max_lr=0.1, total_steps=100)

optimizer = make()
schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
for _ in range(30):
    optimizer.step()
    schedule.step()
saved = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
before = show("saved       ", optimizer, schedule)

optimizer = make()
optimizer.load_state_dict(saved[0])
schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
schedule.load_state_dict(saved[1])
resumed = show("resumed     ", optimizer, schedule)

optimizer = make()
schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=100)
optimizer.load_state_dict(saved[0])
schedule.load_state_dict(saved[1])
right = show("other order ", optimizer, schedule)
assert right == before and before[0] == before[2] > 0.09 and before[1] < 0.9
assert resumed[:2] == (start.param_groups[0]["lr"], start.param_groups[0]["momentum"])
assert abs(resumed[0] - 0.1 / 25) < 1e-9 and resumed[2] == before[2]
PYTHON
