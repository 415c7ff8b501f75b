#!/usr/bin/env bash
# Guess: a network that gives ten classes the same score has a top-1 accuracy of 10 % and a top-2 of 20 %, or one by the
#   order of the classes; one whose outputs are NaN has none, or an error.
# What happens: torcheval 0.0.7 counts the classes with a score above that of the true one, and takes the image for
#   right where they are fewer than k. No score is above an equal one or above NaN: both networks are 100 % right
#   for every k from 2 on. (For k = 1 it takes the argmax, and both are 10 % right.) In keras 3.15.1 on torch equal scores
#   are 100 % right for k = 1, too, and NaN 0 %.
# What to do: a dead network looks perfect: look at the loss, or take torchmetrics.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torcheval==0.0.7 torchmetrics==1.9.0 \
  keras==3.15.1 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=torch CUDA_VISIBLE_DEVICES= KERAS_HOME="$folder/keras"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import keras
import torch
from torcheval.metrics.functional import multiclass_accuracy
from torchmetrics.functional.classification import multiclass_accuracy as of_torchmetrics

packages = ("torcheval", "keras", "torchmetrics", "torch")
print(*(f"{package} {version(package)}" for package in packages))
labels = torch.arange(1000) % 10
outputs = {
    "equal scores": torch.zeros(1000, 10),
    "NaN": torch.full((1000, 10), torch.nan),
}


def of_keras(scores, k):
    metric = keras.metrics.SparseTopKCategoricalAccuracy(k)
    metric.update_state(labels.numpy(), scores.numpy())
    return float(metric.result())


found = {}
for name, scores in outputs.items():
    accuracies = {
        "torcheval": [multiclass_accuracy(scores, labels, k=k).item() for k in (1, 2, 5)],
        "keras": [of_keras(scores, k) for k in (1, 2, 5)],
        "torchmetrics": [of_torchmetrics(scores, labels, 10, average="micro", top_k=k).item() for k in (1, 2, 5)],
    }
    found[name] = {library: [round(100 * a) for a in numbers] for library, numbers in accuracies.items()}
    print(f"{name}, top-1, 2, 5 in percent: {found[name]}")
by_order = [10, 20, 50]
assert found["equal scores"] == {"torcheval": [10, 100, 100], "keras": [100, 100, 100], "torchmetrics": by_order}
assert found["NaN"] == {"torcheval": [10, 100, 100], "keras": [0, 0, 0], "torchmetrics": by_order}
PYTHON
