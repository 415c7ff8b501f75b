#!/usr/bin/env bash
# Guess: An array of bfloat16, as JAX gives it, comes back from np.save and np.savez as bfloat16.
# What happens: numpy 2.4.6 stores two bytes without a meaning: what comes back has the type V2,
#   prints as bytes and cannot be added. Nothing is said when it is saved. The numbers are not
#   lost: a view as bfloat16 has them.
# What to do: save as float32 (which holds every bfloat16), or in safetensors; or load with
#   .view(ml_dtypes.bfloat16).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6 ml_dtypes==0.6.0
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import ml_dtypes
import numpy as np

print("numpy", np.__version__, "ml_dtypes", ml_dtypes.__version__)
warnings.simplefilter("error")  # there is no warning

weights = np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16)
np.savez("weights.npz", weights=weights)
loaded = np.load("weights.npz")["weights"]
print("saved:", weights, weights.dtype)
print("loaded:", loaded, loaded.dtype)
assert loaded.dtype == np.dtype("V2")
try:
    loaded + loaded
except TypeError as error:
    print("TypeError:", error)
else:
    raise AssertionError("it can be added")
assert (loaded.view(ml_dtypes.bfloat16) == weights).all()
PYTHON
