#!/usr/bin/env bash
# Guess: RandomPosterization(factor=4) keeps four bits of each channel: its documentation says
#   'the number of bits to keep'.
# What happens: keras 3.15.1 draws how many, from one to one fewer than the factor: of 256 levels
#   2, 4 or 8 are left where torchvision leaves 16. factor=8 is no identity, and factor=2 always
#   leaves 2 levels.
# What to do: a pair: factor=(4, 4) keeps four.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  torch==2.14.1 torchvision==0.29.1 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
import torch
import torchvision
from torchvision.transforms.v2 import functional as F

print("keras", keras.__version__, "torchvision", torchvision.__version__)

levels = np.arange(256, dtype=np.float32).reshape(1, 16, 16, 1).repeat(3, axis=-1)
for factor in (1, 2, 4, 8, (4, 4)):
    left = {
        len(np.unique(keras.layers.RandomPosterization(factor, seed=s)(levels, training=True)))
        for s in range(200)
    }
    bits = factor if isinstance(factor, int) else factor[0]
    by_torchvision = len(F.posterize(torch.from_numpy(levels).byte(), bits).unique())
    print(f"factor={factor}: levels {sorted(left)}; torchvision, {bits} bits: {by_torchvision}")
    if isinstance(factor, int) and factor > 1:
        assert left == {2**kept for kept in range(1, factor)} and bits not in range(1, factor)
    else:
        assert left == {by_torchvision}
PYTHON
