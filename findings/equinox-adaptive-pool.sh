#!/usr/bin/env bash
# Guess: AdaptiveAvgPool2d of equinox is torch's, window for window.
# What happens: Where the sides do not divide, torch 2.14.1 lets the windows overlap: 10 pixels
#   become 7 by windows of two and three. equinox 0.13.8 cuts the side into parts that do not
#   overlap, three of two pixels and four of one.
# What to do: images whose last maps are a multiple of 7.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check equinox==0.13.8 jax==0.10.2 \
  torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import equinox
import jax.numpy as jnp
import numpy as np
import torch

print(*(f"{name} {version(name)}" for name in ("equinox", "jax", "torch")))

for side in (7, 14, 10):
    row = np.tile(np.arange(side, dtype=np.float32), (1, side, 1))
    expected = torch.nn.AdaptiveAvgPool2d(7)(torch.from_numpy(row))[0, 0].numpy()
    found = np.asarray(equinox.nn.AdaptiveAvgPool2d(7)(jnp.asarray(row)))[0, 0]
    print(f"columns 0 to {side - 1}: torch {expected}, equinox {found}")
    if side == 10:
        assert np.allclose(found, [0.5, 2.5, 4.5, 6, 7, 8, 9]) and not np.allclose(found, expected)
    else:
        assert np.allclose(found, expected)
PYTHON
