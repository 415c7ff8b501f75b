#!/usr/bin/env bash
# Guess: NeuralNetClassifier(...).fit(X, y) learns from all the images that it is given, as scikit-learn's classifiers do.
# What happens: skorch 1.4.0 holds a fifth of them out, to show a validation loss: of 1,000 images the network sees 800. In a
#   cross-validation a fifth of each training part is lost on top.
# What to do: train_split=None.
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
from torch import nn

print("skorch", version("skorch"), "torch", torch.__version__)
seen = []


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.last = nn.Linear(2, 2)

    def forward(self, batch):
        if self.training:
            seen.append(len(batch))
        return self.last(batch).softmax(dim=1)


def images_seen(**options):
    seen.clear()
    inputs = np.random.default_rng(0).random((1000, 2), dtype=np.float32)
    NeuralNetClassifier(Network, max_epochs=1, verbose=0, **options).fit(inputs, np.arange(1000) % 2)
    return sum(seen)


found = images_seen(), images_seen(train_split=None)
print(f"of 1,000 images an epoch has {found[0]}, and with train_split=None {found[1]}")
assert found == (800, 1000)
PYTHON
