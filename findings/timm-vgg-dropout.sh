#!/usr/bin/env bash
# Guess: timm's vgg16 is torchvision's: the same layers, so that both train with dropout of 0.5 after
#   the first two fully connected layers, as the paper has it.
# What happens: timm 1.0.31 has dropout there with probability 0: in training mode two passes of one
#   image are equal, where torchvision's differ.
# What to do: create_model("vgg16", drop_rate=0.5) for the paper's training.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 timm==1.0.31
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import timm, torch, torchvision

print("timm", timm.__version__, "torchvision", torchvision.__version__)

def rates(network):
    """Probabilities of all dropouts of a network."""
    return [m.p for m in network.modules() if isinstance(m, torch.nn.Dropout)]

def moves(network, images):
    """Whether two passes in training mode differ."""
    network.train()
    with torch.no_grad():
        return bool((network(images) != network(images)).any())

images = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
found = {}
for name, network in {
    "torchvision, vgg16": torchvision.models.vgg16(),
    "timm, vgg16": timm.create_model("vgg16"),
    "timm, vgg16, drop_rate=0.5": timm.create_model("vgg16", drop_rate=0.5),
}.items():
    found[name] = rates(network), moves(network, images)
    print(f"{name}: dropouts {found[name][0]}; two passes in training mode differ: {found[name][1]}")
assert list(found.values()) == [([0.5, 0.5], True), ([0.0, 0.0], False), ([0.5, 0.5], True)]
PYTHON
