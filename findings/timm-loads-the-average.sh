#!/usr/bin/env bash
# Guess: load_checkpoint(model, file) of a checkpoint with 'state_dict' and 'state_dict_ema' loads
#   the first.
# What happens: timm 1.0.31 loads the average unless use_ema=False is given; so does
#   create_model(checkpoint_path=...), which has no such option. To go on training from there is
#   to go on from other weights than those that were left. It is told on the log only, at a level
#   that is not shown by default.
# What to do: load_checkpoint(model, file, use_ema=False).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check timm==1.0.31 torch==2.14.1 \
  torchvision==0.29.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import timm
import torch
from timm.models import load_checkpoint

print("timm", timm.__version__, "torch", torch.__version__)

model = timm.create_model("vgg11", num_classes=2)
weights = model.state_dict()


def filled(value):
    return {name: torch.full_like(tensor, value) for name, tensor in weights.items()}


torch.save({"state_dict": filled(1.0), "state_dict_ema": filled(0.5)}, "last.pth.tar")


def first_weight(network):
    return next(network.parameters()).flatten()[0].item()


found = []
for options in ({}, {"use_ema": False}):
    load_checkpoint(model, "last.pth.tar", **options)
    found.append(first_weight(model))
made = timm.create_model("vgg11", num_classes=2, checkpoint_path="last.pth.tar")
found.append(first_weight(made))
print("weights 1.0, average 0.5: load_checkpoint gives", found[0])
print("with use_ema=False:", found[1])
print("create_model(checkpoint_path=...) gives", found[2])
assert found == [0.5, 1.0, 0.5]
PYTHON
