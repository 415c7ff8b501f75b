#!/usr/bin/env bash
# Guess: a VGG of timm with torchvision's weights gives torchvision's logits, on images of any
#   size.
# What happens: timm 1.0.31 does so up to 224x224. From 256x256 on it slides the first fully
#   connected layer over the features, as the VGG paper's dense test does, and averages the last
#   hidden features, where torchvision pools the features to 7x7 first. In the random network
#   below the logits differ by 3 % of the largest at 256x256, and by 9 % at 448x448. Both take the
#   image without a word.
# What to do: test both at 224x224, or say which of the two it was.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check timm==1.0.31 torch==2.14.1 \
  torchvision==0.29.1
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import timm
import torch
import torchvision
from torch import nn

print("timm", timm.__version__, "torchvision", torchvision.__version__)
torch.manual_seed(0)
ours = torchvision.models.vgg11(num_classes=10).eval()
for layer in ours.classifier:
    if isinstance(layer, nn.Linear):
        nn.init.kaiming_normal_(layer.weight)  # so that the logits are not tiny
theirs = timm.create_model("vgg11", num_classes=10).eval()
names = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2"}
names["classifier.6"] = "head.fc"
wanted, weights = theirs.state_dict(), {}
for name, weight in ours.state_dict().items():
    place, _, kind = name.rpartition(".")
    name = f"{names.get(place, place)}.{kind}"
    weights[name] = weight.reshape(wanted[name].shape)
theirs.load_state_dict(weights)

apart = {}
for side in (64, 224, 256, 448):
    with torch.no_grad():
        images = torch.randn(1, 3, side, side)
        logits = ours(images)
        apart[side] = ((theirs(images) - logits).abs().max() / logits.abs().max()).item()
    print(f"{side}x{side}: the logits differ by {apart[side]:.0e} of the largest")
assert max(apart[64], apart[224]) < 1e-4 and apart[256] > 0.01 and apart[448] > 0.05
PYTHON
