#!/usr/bin/env bash
# Guess: fit() of skorch's NeuralNetClassifier shows the training images in another order in each epoch, as each
#   training loop does.
# What happens: skorch 1.4.0 shows them in the order that they came in, the same in each epoch: its DataLoader does
#   not shuffle by default. Of a data set that is sorted by classes each batch is of one class alone.
# What to do: iterator_train__shuffle=True.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 skorch==1.4.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import torch
from skorch import NeuralNetClassifier

print("skorch", version("skorch"), "torch", torch.__version__)
numbers = np.arange(60, dtype="float32")[:, None]
classes = np.repeat([0, 1], 30)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.seen = torch.nn.Linear(1, 2), []

    def forward(self, x):
        self.seen += x.flatten().tolist() if self.training else []
        return self.layer(x).softmax(dim=1)


def order(**options):
    torch.manual_seed(0)
    network = NeuralNetClassifier(
        Network, max_epochs=2, lr=1e-4, batch_size=10, train_split=None, verbose=0, **options
    )
    seen = network.fit(numbers, classes).module_.seen
    return seen[:60], seen[60:]


for name, options in {"by default": {}, "iterator_train__shuffle=True": {"iterator_train__shuffle": True}}.items():
    first, second = order(**options)
    print(f"{name}: first batches of two epochs {first[:10]} and {second[:10]}")
    assert (first == second == numbers.flatten().tolist()) == (name == "by default")
    assert sorted(first) == sorted(second) == numbers.flatten().tolist()
PYTHON
