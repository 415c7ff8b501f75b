#!/usr/bin/env bash
# Guess: RandomTranslation with its default, fill_mode="reflect", fills in what keras.ops.pad and
#   torch call "reflect": the mirror image without the border pixel a second time.
# What happens: Keras 3.15.1 has the border pixel twice in the layer (2 1 0 | 0 1 2) and once in
#   keras.ops.pad, as torch has it (3 2 1 | 0 1 2). keras.ops.pad and NumPy call what the layer
#   does "symmetric". Translated images of a recipe that was carried over differ in all that was
#   filled in.
# What to do: compare with a row of numbers; for torch's borders pad with keras.ops.pad and take
#   random crops.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  jaxlib==0.10.2 torch==2.14.1 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax KERAS_HOME="$folder/keras" JAX_PLATFORMS=cpu CUDA_VISIBLE_DEVICES=
"$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np
import torch

print("Keras", keras.__version__, "torch", torch.__version__)
row = np.arange(8, dtype="float32").reshape(1, 1, 8, 1)
# To the right by three pixels, always:
layer = keras.layers.RandomTranslation(0, (0.375, 0.375), interpolation="nearest")
pads = [(0, 0), (0, 0), (3, 0), (0, 0)]
filled = {
    "RandomTranslation": layer(row, training=True),
    "keras.ops.pad, reflect": keras.ops.pad(row, pads, mode="reflect"),
    "torch, reflect": torch.nn.functional.pad(torch.from_numpy(row)[..., 0], (3, 0), "reflect"),
    "NumPy, symmetric": np.pad(row, pads, mode="symmetric"),
    "keras.ops.pad, symmetric": keras.ops.pad(row, pads, mode="symmetric"),
}
assert layer.fill_mode == "reflect"
filled = {name: np.asarray(found).ravel()[:8].astype(int).tolist() for name, found in filled.items()}
for name, found in filled.items():
    print(f"{name}: {found}")
assert filled["RandomTranslation"] == [2, 1, 0, 0, 1, 2, 3, 4]
assert filled["keras.ops.pad, reflect"] == filled["torch, reflect"] == [3, 2, 1, 0, 1, 2, 3, 4]
assert filled["keras.ops.pad, symmetric"] == filled["RandomTranslation"]
assert filled["NumPy, symmetric"] == filled["RandomTranslation"]
PYTHON
