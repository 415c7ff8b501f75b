#!/usr/bin/env bash
# Guess: a map of pytorch-grad-cam is Grad-CAM's: the weighted sum of the maps, what is negative set
#   to 0, divided by its largest value. So 0 means that nothing speaks for the class there, and 0.98
#   that nearly as much does as at the best place.
# What happens: grad-cam 1.5.7 also subtracts the smallest value. A place with 98 % of the evidence of
#   the best one is shown as 0, like one that has none, and evidence that is the same everywhere gives
#   a map of zeros, which says that there is none at all. So maps of two images, or a place with a
#   threshold, cannot be compared as the paper's can.
# What to do: take what get_cam_image returns, set what is negative to 0, and divide by the largest value.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
    numpy==2.4.6 grad-cam==1.5.7
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

print("grad-cam", version("grad-cam"), "torch", torch.__version__)
# A network whose maps are the image itself; class 0 likes bright places.
features = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.ReLU())
classifier = nn.Linear(1, 2, bias=False)
features[0].weight.data.fill_(1.0)
classifier.weight.data = torch.tensor([[1.0], [-1.0]])
model = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier).eval()

def theirs(image):
    return GradCAM(model, [features])(image, [ClassifierOutputTarget(0)])[0]

def papers(image):
    maps = features(image).detach().requires_grad_()
    gradient = torch.autograd.grad(model[1:](maps)[0, 0], maps)[0]
    evidence = (gradient.mean(dim=(2, 3), keepdim=True) * maps.detach()).sum(dim=1)[0].relu()
    return evidence / evidence.max()

even = torch.full((1, 1, 4, 4), 5.0)
corner = even.clone()
corner[0, 0, 0, 0] = 5.1
for name, image in {"the same everywhere": even, "2 % more in a corner": corner}.items():
    found, expected = theirs(image), papers(image)
    print(f"{name}: corner and another place by the paper {expected[0, 0]:.2f} {expected[3, 3]:.2f},"
          f" by the library {found[0, 0]:.2f} {found[3, 3]:.2f}")
assert theirs(even).max() == 0 and papers(even).min() == 1
assert theirs(corner)[0, 0] > 0.99 and theirs(corner)[3, 3] < 1e-3 and papers(corner)[3, 3] > 0.97
PYTHON
