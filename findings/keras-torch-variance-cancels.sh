#!/usr/bin/env bash
# Guess: BatchNormalization gives outputs of deviation 1, on every backend, as torch's own
#   BatchNorm does.
# What happens: On the torch backend of keras 3.15.1 the variance is the mean square minus the
#   square of the mean, in float32, where the two cancel: of features whose mean is 1,000 times
#   their deviation the outputs have deviations of 0.9 to 1.2, and at 10,000 times the variance is
#   0, negative or several times too large, and some outputs are nan. On the JAX backend, and in
#   torch itself, it is right.
# What to do: keep features near 0: subtract the mean of the images first, as the VGG paper does.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  torch==2.14.1 numpy==2.4.6
cd "$folder"
cat > check.py <<'PYTHON'
import sys

import keras
import numpy as np
import torch

backend = keras.backend.backend()
print("keras", keras.__version__, "on", backend, sys.modules[backend].__version__)

noise = 0.1 * np.random.default_rng(0).standard_normal((1000, 64))
for mean in (0, 100, 1000):
    features = (mean + noise).astype(np.float32)
    layer = keras.layers.BatchNormalization(epsilon=1e-5)
    found = keras.ops.convert_to_numpy(layer(features, training=True)).std(axis=0)
    own = torch.nn.BatchNorm1d(64)(torch.from_numpy(features)).detach().numpy().std(axis=0)
    nan = np.isnan(found).sum()
    print(f"mean {mean}: deviations from {np.nanmin(found):.3f} to {np.nanmax(found):.3f}, {nan} nan;", end=" ")
    print(f"torch's own from {own.min():.3f} to {own.max():.3f}")
    assert abs(own - 1).max() < 2e-3
    off = abs(found - 1).max()
    if backend == "torch" and mean:
        assert not off <= 0.02  # nan included
    else:
        assert off < 5e-3
PYTHON
for backend in jax torch; do
  KERAS_BACKEND=$backend "$folder/venv/bin/python" check.py
done
