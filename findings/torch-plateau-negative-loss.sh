#!/usr/bin/env bash
# Guess: ReduceLROnPlateau with mode="min" lowers the learning rate when the loss stops falling,
#   whatever the loss's sign.
# What happens: torch 2.14.1 asks whether the loss is below best * (1 - threshold). For a negative
#   best (log likelihood of a density, ELBO, negative cosine) that bound lies above the best: a
#   loss that gets worse by less than 0.01 % an epoch counts as an improvement each time, and
#   becomes the new best. The rate is never lowered. The same values shifted above 0 lower it
#   again and again. mode="max" has the same fault with negative scores.
# What to do: threshold_mode="abs" for a quantity that may be negative.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

print("torch", torch.__version__)

def rate_and_best(losses, **settings):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = ReduceLROnPlateau(optimizer, patience=2, **settings)
    for loss in losses:
        schedule.step(loss)
    return optimizer.param_groups[0]["lr"], schedule.best

worse = [-1 + 0.00005 * epoch for epoch in range(200)]  # up and up: it never improves
for name, result in (
    ("negative loss", negative := rate_and_best(worse)),
    ("the same loss + 2", positive := rate_and_best([loss + 2 for loss in worse])),
    ("negative loss, abs", absolute := rate_and_best(worse, threshold_mode="abs")),
):
    print(f"{name}: learning rate 1 -> {result[0]:.0e}, best {result[1]:.5f}")
assert negative == (1.0, worse[-1])  # the worst loss of all is taken for the best
assert positive[0] < 1e-6 and absolute[0] < 1e-6
PYTHON
