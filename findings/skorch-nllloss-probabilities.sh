#!/usr/bin/env bash
# Guess: skorch's NeuralNetClassifier has NLLLoss as its default criterion, so the network must end as
#   torch's NLLLoss wants it, in a log_softmax.
# What happens: skorch 1.4.0 takes the logarithm itself before it calls NLLLoss, so the network must end
#   in a softmax, as its docstring says. With one that ends in log_softmax, or returns logits, the loss of the training is NaN
#   from the first epoch, no error or warning comes, fit() returns, and predict() names classes.
# What to do: return logits and give criterion=torch.nn.CrossEntropyLoss; predict_proba() then applies
#   the softmax.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 skorch==1.4.0
cd "$folder"
"$folder/venv/bin/python" -W error - <<'PYTHON'
from importlib.metadata import version

import numpy as np
import torch
from skorch import NeuralNetClassifier

print("skorch", version("skorch"), "torch", torch.__version__)
numbers = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
classes = (numbers[:, 0] > 0).astype("int64") + (numbers[:, 1] > 1)
ENDS = {
    "softmax": lambda z: z.softmax(dim=1),
    "log_softmax": lambda z: z.log_softmax(dim=1),
    "logits": lambda z: z,
}


class Network(torch.nn.Module):
    def __init__(self, end):
        super().__init__()
        self.layer, self.end = torch.nn.Linear(4, 3), ENDS[end]

    def forward(self, x):
        return self.end(self.layer(x))


def trained(end, **options):
    """Loss of the last epoch, and the part of the classes that is named right."""
    torch.manual_seed(0)
    network = NeuralNetClassifier(
        Network, module__end=end, max_epochs=20, lr=0.5, train_split=None, verbose=0, **options
    )
    network.fit(numbers, classes)
    return network.history[-1, "train_loss"], (network.predict(numbers) == classes).mean()


found = {end: trained(end) for end in ENDS}
for end, (loss, right) in found.items():
    print(f"default criterion, network ends in {end}: loss {loss:.3f}, right {right:.0%}")
loss, right = trained("logits", criterion=torch.nn.CrossEntropyLoss)
print(f"CrossEntropyLoss, network ends in logits: loss {loss:.3f}, right {right:.0%}")
assert found["softmax"][0] < 0.6 and found["softmax"][1] > 0.7
assert np.isnan(found["log_softmax"][0]) and np.isnan(found["logits"][0])
assert abs(loss - found["softmax"][0]) < 0.05
PYTHON
