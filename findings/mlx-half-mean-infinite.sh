#!/usr/bin/env bash
# Guess: The mean of float16 numbers near 1 is near 1.
# What happens: mlx 0.32.4 (on an x86-64 CPU) keeps the sum in float16, whose largest number is
#   65,504, and divides after: the mean of 70,000 ones is infinite, and so is their deviation. A
#   feature map of 64 channels at 32x32 has 65,536 numbers. Over fewer numbers it is right. torch
#   2.14.1 and numpy 2.4.6 say 1.
# What to do: .astype(mx.float32) before the mean.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check 'mlx[cpu]==0.32.4' torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import mlx.core as mx
import numpy as np
import torch

print(*(f"{name} {version(name)}" for name in ("mlx", "torch", "numpy")))

mx.set_default_device(mx.cpu)

maps = mx.ones((2, 70, 32, 32), mx.float16)  # of two images
means = {
    "mlx, each image": mx.mean(maps, axis=(1, 2, 3)).tolist(),
    "mlx, deviation": mx.std(maps, axis=(1, 2, 3)).tolist(),
    "mlx, ten channels": mx.mean(maps[:, :10], axis=(1, 2, 3)).tolist(),
    "mlx, each image, float32": mx.mean(maps.astype(mx.float32), axis=(1, 2, 3)).tolist(),
    "torch": torch.ones(2, 71_680, dtype=torch.float16).mean(dim=1).tolist(),
    "numpy": np.ones((2, 71_680), np.float16).mean(axis=1).tolist(),
}
for name, mean in means.items():
    print(f"{name}: {mean}")
    infinite = name in ("mlx, each image", "mlx, deviation")
    assert mean == [float("inf") if infinite else 1.0] * 2
PYTHON
