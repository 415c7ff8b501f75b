#!/usr/bin/env bash
# Guess: a network that gives ten classes the same score has a top-2 accuracy of 20 %, or one by the order of the
#   classes; one whose outputs are NaN has none, or an error.
# What happens: torcheval 0.0.7 counts the classes with a score above that of the true one, and takes the image for
#   right where they are fewer than k. No score is above an equal one or above NaN: both networks are 100 % right
#   for every k from 2 on. (For k = 1 it takes the argmax, and both are 10 % right.)
# What to do: look for NaN before; for the accuracy of a half-trained network take torchmetrics.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torcheval==0.0.7 torchmetrics==1.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from torcheval.metrics.functional import multiclass_accuracy
from torchmetrics.functional.classification import multiclass_accuracy as of_torchmetrics

print("torcheval", version("torcheval"), "torchmetrics", version("torchmetrics"), "torch", torch.__version__)
labels = torch.arange(1000) % 10
outputs = {
    "equal scores": torch.zeros(1000, 10),
    "NaN": torch.full((1000, 10), torch.nan),
}
for name, scores in outputs.items():
    found = [100 * multiclass_accuracy(scores, labels, k=k).item() for k in (1, 2, 5)]
    others = [100 * of_torchmetrics(scores, labels, 10, average="micro", top_k=k).item() for k in (1, 2, 5)]
    print(f"{name}: top-1, 2, 5 in percent {[round(f, 1) for f in found]}; torchmetrics {[round(o, 1) for o in others]}")
    assert [round(f, 1) for f in found] == [10.0, 100.0, 100.0]
    assert [round(o, 1) for o in others] == [10.0, 20.0, 50.0]
PYTHON
