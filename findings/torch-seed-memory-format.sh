#!/usr/bin/env bash
# Guess: the same seed gives the same weights. Whether a model is channels_last decides how values
#   lie in memory, not which values are drawn.
# What happens: torch 2.14.1 has two ways to draw normal values on the CPU: one for contiguous
#   tensors of 16 values or more, and one for all others, which includes channels_last. With the
#   same seed they give different numbers, so kaiming_normal_ after
#   model.to(memory_format=torch.channels_last) starts another network than before it. Uniform
#   draws use one sequence, in the order of the memory: the same values at other places. For the
#   same reason as the first, randn(15) is not the beginning of randn(16).
# What to do: draw first, convert to channels_last afterwards, and compare runs only within one
#   layout.
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

def draw(layout, fill):
    weight = torch.empty(8, 4, 3, 3).contiguous(memory_format=layout)
    torch.manual_seed(0)
    return fill(weight)

for fill in (nn.init.kaiming_normal_, nn.init.kaiming_uniform_):
    one, other = (draw(layout, fill) for layout in (torch.contiguous_format, torch.channels_last))
    equal = (one == other).float().mean().item()
    shuffled = torch.equal(one.flatten().sort()[0], other.flatten().sort()[0])
    print(f"{fill.__name__}: {equal:.0%} of the weights equal, the same ones elsewhere: {shuffled}")
    assert equal < 0.2 and shuffled == (fill is nn.init.kaiming_uniform_)
first = []
for count in (15, 16):
    torch.manual_seed(0)
    first.append(torch.randn(count)[0].item())
    print(f"randn({count}) begins with {first[-1]:.4f}")
assert abs(first[0] - first[1]) > 0.1
PYTHON
