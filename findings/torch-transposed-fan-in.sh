#!/usr/bin/env bash
# Guess: kaiming_normal_ with mode="fan_in" keeps the size of the signal in a ConvTranspose2d, as in a Conv2d.
# What happens: torch 2.14.1 takes the second dimension of a weight for the inputs. In a transposed convolution that
#   are the outputs: from 8 channels to 512 the signal comes out at about an eighth of its size, from 512 to 8 at
#   eight times. mode="fan_out" is what keeps it there.
# What to do: exchange the two modes for transposed convolutions; with a stride s, multiply the deviation by s.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch import nn

print("torch", torch.__version__)
torch.manual_seed(0)


def growth(kind, inputs, outputs, mode, **options):
    """Deviation of the output for an input of deviation 1, away from the border."""
    layer = kind(inputs, outputs, 3, bias=False, **options)
    nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="linear")
    return layer(torch.randn(8, inputs, 24, 24))[..., 4:-4, 4:-4].std().item()


for inputs, outputs in ((8, 512), (512, 8)):
    for kind in (nn.Conv2d, nn.ConvTranspose2d):
        found = {mode: growth(kind, inputs, outputs, mode) for mode in ("fan_in", "fan_out")}
        print(f"{kind.__name__}, {inputs} to {outputs}:", {k: round(v, 3) for k, v in found.items()})
        keeps = "fan_in" if kind is nn.Conv2d else "fan_out"
        assert 0.85 < found.pop(keeps) < 1.15
        (other,) = found.values()
        assert not 0.2 < other < 5
strided = growth(nn.ConvTranspose2d, 64, 64, "fan_out", stride=2)
print(f"with a stride of 2: {strided:.3f}")
assert 0.42 < strided < 0.58
PYTHON
