#!/usr/bin/env bash
# Guess: antialias=True matters where an image becomes smaller; an image that is made larger is the same with it
#   and without it, for every mode.
# What happens: with torch 2.14.1 that holds for bilinear. For bicubic, antialias also changes the kernel: the
#   parameter of Keys' cubic is -0.5 with it, as in Pillow, and -0.75 without it. Beside an edge from 0 to 1 the
#   enlarged image overshoots to 1.07 with it, and to 1.105 without it.
# What to do: give antialias=True where an image shall be as Pillow makes it, also when it becomes larger.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6 pillow==13.0.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

print("torch", torch.__version__)
edge = torch.zeros(1, 1, 8, 8)
edge[..., 4:] = 1.0


def larger(mode, antialias):
    return F.interpolate(edge, size=(16, 16), mode=mode, antialias=antialias)[0, 0]


pillow = torch.from_numpy(np.array(Image.fromarray(edge[0, 0].numpy()).resize((16, 16), Image.Resampling.BICUBIC)))
for mode in ("bilinear", "bicubic"):
    plain, smooth = larger(mode, False), larger(mode, True)
    print(f"{mode}: greatest value {plain.max():.4f} without antialias, {smooth.max():.4f} with it")
    print(f"  greatest difference {(plain - smooth).abs().max():.4f}")
    assert (mode == "bilinear") == torch.allclose(plain, smooth, atol=1e-6)
print(f"Pillow's bicubic: {pillow.max():.4f}")
assert torch.allclose(pillow, larger("bicubic", True), atol=1e-6)


def cubic(x, a):
    """Keys (1981)."""
    x = abs(x)
    return (a + 2) * x**3 - (a + 3) * x**2 + 1 if x <= 1 else a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a


# The second new pixel after the edge lies at 4.25, so the old ones 3 to 6 have a part in it, all but the first bright.
for antialias, a in ((True, -0.5), (False, -0.75)):
    expected = cubic(0.25, a) + cubic(0.75, a) + cubic(1.75, a)
    found = larger("bicubic", antialias)[0, 9].item()
    print(f"antialias={antialias}: {found:.4f}; Keys' cubic with {a}: {expected:.4f}")
    assert abs(found - expected) < 1e-5
PYTHON
