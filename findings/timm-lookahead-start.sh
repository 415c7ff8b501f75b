#!/usr/bin/env bash
# Guess: Lookahead (Zhang et al. 2019, algorithm 1) keeps slow weights from the first weights on, so after the first
#   k steps the weights go back by (1 - alpha) of the way that they came.
# What happens: timm 1.0.31 makes the slow weights when it needs them first, after k steps, from the fast ones of that
#   moment. The first k steps are taken whole, and the weights go back for the first time after 2k steps. With k = 6
#   and alpha = 0.5 a weight that moves by 1 each step is at 9 after twelve of them, and not at 6. pytorch_optimizer
#   4.1.0 follows the paper.
# What to do: nothing in a long training. Else call sync_lookahead() after the first backward(), before the first step.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 timm==1.0.31 \
  pytorch_optimizer==4.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import pytorch_optimizer
import timm
import torch
from timm.optim import Lookahead

print("timm", timm.__version__, "pytorch_optimizer", version("pytorch_optimizer"), "torch", torch.__version__)


def way(lookahead, synchronized=False):
    """Of a weight that the inner optimizer moves by 1 each step."""
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = lookahead(torch.optim.SGD([weight], lr=1.0), alpha=0.5, k=6)
    places = []
    for _ in range(12):
        weight.grad = torch.tensor([-1.0])
        if synchronized and not places:
            optimizer.sync_lookahead()
        optimizer.step()
        places.append(weight.item())
    return places


ways = {
    "timm": way(Lookahead),
    "timm, sync_lookahead() first": way(Lookahead, synchronized=True),
    "pytorch_optimizer": way(pytorch_optimizer.Lookahead),
}
for name, places in ways.items():
    print(f"{name}: {places}")
assert ways["timm"] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 9]
assert ways["timm, sync_lookahead() first"] == ways["pytorch_optimizer"]
assert ways["pytorch_optimizer"] == [1, 2, 3, 4, 5, 3, 4, 5, 6, 7, 8, 6]
PYTHON
