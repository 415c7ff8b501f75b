#!/usr/bin/env bash
# Guess: Accuracy(task="multiclass", num_classes=2) and MulticlassAccuracy(num_classes=2) are two spellings of one metric.
# What happens: in torchmetrics 1.9.0 the first counts all images alike (average="micro") and the second is the mean over
#   the classes ("macro"), and so for F1. Whoever names every image a cat, of which nine in ten are cats, has 90 % by the
#   one and 50 % by the other.
# What to do: give average= always.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchmetrics==1.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
import torchmetrics
from torchmetrics import classification

print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__)
named, labels = torch.zeros(100, dtype=torch.int64), torch.tensor([0] * 90 + [1] * 10)
metrics = {
    "Accuracy": (torchmetrics.Accuracy, classification.MulticlassAccuracy),
    "F1Score": (torchmetrics.F1Score, classification.MulticlassF1Score),
}
for name, (by_task, by_class) in metrics.items():
    one = by_task(task="multiclass", num_classes=2)(named, labels).item()
    other = by_class(num_classes=2)(named, labels).item()
    told = by_class(num_classes=2, average="micro")(named, labels).item()
    print(f"{name}: {one:.3f} by task, {other:.3f} by class, {told:.3f} with average='micro'")
    assert abs(one - 0.9) < 1e-6 and other < 0.51 and abs(told - 0.9) < 1e-6
PYTHON
