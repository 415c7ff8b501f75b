#!/usr/bin/env bash
# Guess: a NumPy array comes back from a safetensors file with the same values, whatever its order
#   in memory, as it does from np.save.
# What happens: safetensors 0.8.0 writes the bytes as they lie in memory, and the shape beside
#   them. An array in Fortran order, such as the transpose that turns a TensorFlow kernel (height,
#   width, in, out) into torch's (out, in, height, width), comes back with the right shape, the
#   right sum and nearly every weight in the wrong place. The docstring asks for contiguous
#   arrays; nothing checks it. 0.7.0 was right.
# What to do: pass np.ascontiguousarray(array). Files that 0.8.0 wrote from transposed arrays have
#   to be written again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check numpy==2.4.6
cd "$folder"
cat >script.py <<'PYTHON'
import numpy as np, safetensors
from safetensors.numpy import load, save

print("safetensors", safetensors.__version__, "numpy", np.__version__)
kernel = np.arange(3 * 3 * 2 * 4, dtype=np.float32).reshape(3, 3, 2, 4)  # height, width, in, out
weights = kernel.transpose(3, 2, 0, 1)  # a view: out, in, height, width
for name, array in (("transposed view", weights), ("Fortran order", np.asfortranarray(weights)),
                    ("C order", np.ascontiguousarray(weights))):
    back = load(save({"w": array}))["w"]
    wrong = int((back != weights).sum())
    print(f"  {name}: same shape {back.shape == weights.shape}, same sum"
          f" {back.sum() == weights.sum()}, wrong values {wrong} of {weights.size}")
    if safetensors.__version__ == "0.7.0" or name == "C order":
        assert wrong == 0
    else:
        assert back.shape == weights.shape and back.sum() == weights.sum() and wrong > 60
PYTHON
for version in 0.7.0 0.8.0; do
  "$folder/venv/bin/pip" install -q --disable-pip-version-check safetensors==$version
  "$folder/venv/bin/python" script.py
done
