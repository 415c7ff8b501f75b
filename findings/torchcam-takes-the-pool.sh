#!/usr/bin/env bash
# Guess: GradCAM(model) of a VGG looks at its last convolution, which is the default that the
#   README of TorchCAM states ('the last non-reduced convolutional layer'): maps of 14x14 for
#   images of 224.
# What happens: torchcam 0.5.0 takes the last layer with maps, whatever it is: of torchvision's
#   VGG that is avgpool, after the last max pool, with maps of 7x7. (A warning names the layer.)
# What to do: name the layer: GradCAM(model, target_layer='features.28') of VGG-16, 'features.18'
#   of VGG-11.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torchcam==0.5.0 torch==2.14.1 \
  torchvision==0.29.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from torchcam.methods import GradCAM
from torchvision.models import vgg11

print(*(f"{name} {version(name)}" for name in ("torchcam", "torchvision", "torch")))

torch.manual_seed(0)
model = vgg11(num_classes=10).eval()
last = [name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Conv2d)][-1]
sides = {}
for given in (None, last):
    with GradCAM(model, target_layer=given) as extractor:
        maps = extractor(0, model(torch.randn(1, 3, 224, 224)))
        print(f"target_layer={given!r}: {extractor.target_names}, maps {tuple(maps[0].shape[1:])}")
        sides[given] = maps[0].shape[-1], extractor.target_names
assert sides[None] == (7, ["avgpool"]) and sides[last] == (14, [last])
PYTHON
