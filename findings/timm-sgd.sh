#!/usr/bin/env bash
# Guess: timm's create_optimizer_v2(model, opt="sgd", lr, momentum, weight_decay) is
#   torch.optim.SGD with these values.
# What happens: in timm 1.0.31 "sgd" means Nesterov momentum; plain momentum is called "momentum".
#   Besides, biases and the weights of batch normalization get no weight decay. So the paper's VGG
#   recipe, taken word for word, is another one.
# What to do: opt="momentum" and filter_bias_and_bn=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 timm==1.0.31
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import timm, torch
from timm.optim import create_optimizer_v2
from torch import nn

print("torch", torch.__version__, "timm", timm.__version__)
recipe = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}

def train(make):
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    optimizer = make(model)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(1, 1)).sum().backward()
        optimizer.step()
    groups = [(g["nesterov"], g["weight_decay"]) for g in optimizer.param_groups]
    return round(model.weight.item(), 4), round(model.bias.item(), 4), groups

torchs = train(lambda m: torch.optim.SGD(m.parameters(), **recipe))
timms = train(lambda m: create_optimizer_v2(m, opt="sgd", **recipe))
cured = train(lambda m: create_optimizer_v2(m, opt="momentum", filter_bias_and_bn=False, **recipe))
for name, result in (("torch", torchs), ("timm sgd", timms), ("timm momentum", cured)):
    print(f"{name}: weight {result[0]}, bias {result[1]}, (nesterov, weight decay) {result[2]}")
assert timms[2] == [(True, 0.0), (True, 0.01)]
assert timms[0] != torchs[0] and timms[1] != torchs[1] and cured[:2] == torchs[:2]
PYTHON
