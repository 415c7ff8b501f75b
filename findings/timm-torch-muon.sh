#!/usr/bin/env bash
# Guess: timm's Muon takes the steps of torch.optim.Muon for the same learning rate and momentum,
#   weight decay 0 in both, on a matrix, or on a filter bank that is flattened to one.
# What happens: timm 1.0.31 takes steps of nearly the same direction that are 4 times as long for
#   64 filters of 3x3x32, and 10 times for 256 filters of 3x3x256: the factor depends on the shape,
#   so that no learning rate makes up for it. By default it scales a step to the size that AdamW's
#   have (adjust_lr_fn="match_rms_adamw"), torch's does not ("original"). Besides, weight decay is
#   0 by default in timm and 0.1 in torch, and Nesterov's momentum off in timm and on in torch. And
#   torch's takes matrices alone, no filter banks.
# What to do: give adjust_lr_fn, weight_decay and nesterov to both. With "original" in both the
#   lengths differ by a quarter at most, since timm has other coefficients in its iteration.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchvision==0.29.1 \
  numpy==2.4.6 timm==1.0.31
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import inspect
import timm, torch
from timm.optim import Muon

print("torch", torch.__version__, "timm", timm.__version__)
same = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.0, "nesterov": True}

def compare(shape, **of_timm):
    """Length of timm's step divided by torch's, and the cosine between them."""
    generator = torch.Generator().manual_seed(0)
    weight, gradient = torch.randn(2, *shape, generator=generator)
    theirs = torch.nn.Parameter(weight.clone())
    torchs = torch.nn.Parameter(weight.flatten(1).clone())
    theirs.grad, torchs.grad = gradient.clone(), gradient.flatten(1).clone()
    Muon([theirs], **same, **of_timm).step()
    torch.optim.Muon([torchs], **same).step()
    with torch.no_grad():
        one, two = (theirs - weight).flatten(), (torchs - weight.flatten(1)).flatten()
    return (one.norm() / two.norm()).item(), torch.cosine_similarity(one, two, dim=0).item()

lengths = []
for shape in ((64, 32, 3, 3), (64, 288), (256, 256, 3, 3)):
    length, cosine = compare(shape)
    original, _ = compare(shape, adjust_lr_fn="original")
    print(f"{shape}: timm's step is {length:.1f} times torch's, cosine {cosine:.2f};"
          f" with adjust_lr_fn='original' {original:.1f} times")
    lengths.append(length)
    assert cosine > 0.95 and 0.9 < original < 1.25
defaults = {}
for name, optimizer in (("timm", Muon), ("torch", torch.optim.Muon)):
    known = inspect.signature(optimizer).parameters
    defaults[name] = known["weight_decay"].default, known["nesterov"].default
    print(f"{name}: weight decay and Nesterov by default {defaults[name]}")
assert defaults == {"timm": (0, False), "torch": (0.1, True)}
try:
    torch.optim.Muon([torch.nn.Parameter(torch.randn(64, 32, 3, 3))])
    raise SystemExit("torch's takes filter banks now")
except ValueError as error:
    print("torch:", error)
assert 3.5 < lengths[0] < 4.5 and 9 < lengths[2] < 11
PYTHON
