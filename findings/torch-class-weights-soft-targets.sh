#!/usr/bin/env bash
# Guess: CrossEntropyLoss(weight=w) gives the same loss for class numbers and for the same classes
#   as one-hot probabilities.
# What happens: torch 2.14.1 divides the weighted sum by the sum of the weights that occur when
#   the targets are numbers, and by the batch size when they are probabilities. One-hot targets
#   thus give a loss, and gradients, that are as many times larger as the mean weight of the
#   batch's targets. A switch to
#   MixUp, CutMix or distillation silently multiplies the learning rate. Multiplying all weights
#   by 7 changes nothing for numbers and everything by 7 for probabilities. Without weights the
#   two agree.
# What to do: for soft targets divide the loss by (targets @ weight).mean().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.nn.functional import cross_entropy, one_hot

print("torch", torch.__version__)
logits = torch.tensor([[2.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])
classes = torch.tensor([0, 1, 2, 2])
soft = one_hot(classes, 3).float()
plain = [cross_entropy(logits, targets).item() for targets in (classes, soft)]
print(f"no weights: class numbers {plain[0]:.4f}, one-hot {plain[1]:.4f}")
weight = torch.tensor([1.0, 5.0, 10.0])
losses = {}
for scale in (1, 7):
    numbers, one_hots = (cross_entropy(logits, t, weight=scale * weight) for t in (classes, soft))
    losses[scale] = numbers.item(), one_hots.item()
    print(f"weights x {scale}: class numbers {numbers:.4f}, one-hot {one_hots:.4f}")
mean_weight = (soft @ weight).mean().item()
print("mean weight in the batch", mean_weight)
near = lambda a, b: abs(a - b) < 1e-4 * abs(b)
assert near(plain[0], plain[1]) and near(losses[1][0], losses[7][0])
assert near(losses[1][1], mean_weight * losses[1][0]) and near(losses[7][1], 7 * losses[1][1])
PYTHON
