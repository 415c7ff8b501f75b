#!/usr/bin/env bash
# Guess: The mean of an array of bfloat16, as JAX hands it to NumPy, is that of its numbers, to
#   the two or three digits that bfloat16 has.
# What happens: numpy 2.4.6 adds up the type of ml_dtypes 0.6.0 in itself, and a sum of ones in
#   bfloat16 stands still at 256: the mean of 1,000 ones is 0.256, their deviation 0.5. (It takes
#   the mean of its own float16 in float32.) JAX itself says 1 and 0.
# What to do: .astype(np.float32) before anything is added up.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check jax==0.10.2 numpy==2.4.6 \
  ml_dtypes==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import jax.numpy as jnp
import numpy as np

print(*(f"{name} {version(name)}" for name in ("numpy", "ml_dtypes", "jax")))

ones = jnp.ones(1000, jnp.bfloat16)
array = np.asarray(ones)
means, deviations = {}, {}
for name, values in {
    "numpy, bfloat16": array,
    "jax, bfloat16": ones,
    "numpy, float16": array.astype(np.float16),
    "numpy, float32": array.astype(np.float32),
}.items():
    means[name], deviations[name] = float(values.mean()), float(values.std())
    print(f"{name}: mean {means[name]:.3f}, deviation {deviations[name]:.3f}")
assert means.pop("numpy, bfloat16") < 0.26 and deviations.pop("numpy, bfloat16") > 0.4
assert {*means.values()} == {1.0} and {*deviations.values()} == {0.0}
PYTHON
