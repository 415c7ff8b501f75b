#!/usr/bin/env bash
# Guess: A label that is no class (10 of 10 classes, as where they are counted from 1) is an
#   error, or makes the loss nan.
# What happens: On the JAX backend of keras 3.15.1 such an image costs nothing and teaches
#   nothing, with no word: the label becomes a row of zeros. So a data set with labels from 1 to
#   10 trains, and nothing is learned from its tenth class. On the torch backend (of a CPU) it is
#   an error.
# What to do: look at labels.min() and labels.max() before.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  torch==2.14.1 numpy==2.4.6
cd "$folder"
export CUDA_VISIBLE_DEVICES=
cat > check.py <<'PYTHON'
import sys

import keras
import numpy as np

backend = keras.backend.backend()
print("keras", keras.__version__, "on", backend, sys.modules[backend].__version__)

logits = np.zeros((1, 10), np.float32)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
for label in (9, 10, 255):
    try:
        found = float(keras.ops.convert_to_numpy(loss(np.array([label]), logits)))
    except IndexError as error:
        found = None
        print(f"label {label}: {error}")
    else:
        print(f"label {label}: loss {found:.4f}")
    assert found is None or abs(found - (np.log(10) if label == 9 else 0)) < 1e-4
    assert (found is None) == (backend == "torch" and label > 9)
PYTHON
for backend in jax torch; do
  KERAS_BACKEND=$backend "$folder/venv/bin/python" check.py
done
