#!/usr/bin/env bash
# Guess: BinaryAccuracy and BinaryAUROC treat what they get in one way, so splitting the same
#   predictions into other batches changes nothing.
# What happens: torchmetrics 1.9.0 decides for each batch anew. If one value lies outside [0, 1],
#   the batch is taken for logits and goes through a sigmoid. If all lie within, they are taken
#   for probabilities, and a logit of 0.2 counts as "no". With logits, small batches fall on
#   either side by chance, and both scales are mixed: a perfect ranking gets an AUROC under 1, and
#   the accuracy depends on the batch size.
# What to do: apply torch.sigmoid yourself before each update.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6 \
  torchmetrics==1.9.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch, torchmetrics
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC

print("torch", torch.__version__, "torchmetrics", torchmetrics.__version__)
logits = torch.tensor([-1.0, -2.0, 0.05, 0.9, 1.1, 1.2, 0.95, 0.98])
labels = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])  # every positive above every negative

def score(metric, batch_size, values):
    for part, truth in zip(values.split(batch_size), labels.split(batch_size)):
        metric.update(part, truth)
    return round(metric.compute().item(), 4)

table = {}
for name, values in (("logits", logits), ("sigmoid(logits)", torch.sigmoid(logits))):
    for size in (8, 2):
        table[name, size] = tuple(score(m(), size, values) for m in (BinaryAccuracy, BinaryAUROC))
        print(f"{name}, batches of {size}: accuracy, AUROC {table[name, size]}")
assert table["logits", 8] == table["sigmoid(logits)", 8] == table["sigmoid(logits)", 2]
assert table["logits", 8][1] == 1.0 > table["logits", 2][1]
assert table["logits", 2][0] != table["logits", 8][0]
PYTHON
