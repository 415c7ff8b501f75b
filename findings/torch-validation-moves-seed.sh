#!/usr/bin/env bash
# Guess: going over a validation set (no shuffling, no workers, no augmentation) draws no random
#   number. So a seeded training is the same whether one validates or not.
# What happens: torch 2.14.1: each time a DataLoader is gone over, it draws one number from the
#   global generator, as a seed for workers that it does not have. Validating once more, or once
#   less, changes the shuffling, the dropout and the augmentation of all later epochs. Two "equal"
#   runs that differ only in how often they validate are two different trainings.
# What to do: give each DataLoader a generator of its own: DataLoader(...,
#   generator=torch.Generator()).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.utils.data import DataLoader

print("torch", torch.__version__)

def second_epoch(validate, **settings):
    torch.manual_seed(0)
    training = DataLoader(range(8), batch_size=8, shuffle=True)
    validation = DataLoader(range(4), batch_size=4, shuffle=False, num_workers=0, **settings)
    orders = []
    for _ in range(2):
        orders += [batch.tolist() for batch in training]
        if validate:
            for _ in validation:
                pass
    return orders[1], torch.nn.functional.dropout(torch.ones(8)).tolist()

without = second_epoch(False)
validated = second_epoch(True)
cured = second_epoch(True, generator=torch.Generator())
for name, (order, dropout) in (
    ("no validation", without), ("validation", validated), ("own generator", cured)
):
    print(f"{name:14} second epoch {order}, dropout {dropout}")
assert validated[0] != without[0] and validated[1] != without[1]
assert cured == without
PYTHON
