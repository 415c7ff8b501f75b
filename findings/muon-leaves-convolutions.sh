#!/usr/bin/env bash
# Guess: The Muon of optax and that of Keras make the singular values of the step of a
#   convolution's kernel about equal, as they do for a matrix: it is for the hidden layers, and in
#   VGG these are convolutions.
# What happens: Both take a kernel of four dimensions for no matrix, and move it by Adam, without
#   a word: in optax 0.2.8 the first step has the same size in every weight (that of a sign), in
#   keras 3.15.1 nearly. So of a VGG only the fully connected layers learn by Muon, and the rate
#   of Muon is that of Adam for all else.
# What to do: optax: muon_weight_dimension_numbers; Keras: reshape the kernel within a layer of
#   one's own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check optax==0.2.8 keras==3.15.1 \
  jax==0.10.2 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$folder/keras"
"$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import keras
import numpy as np
import optax

print("optax", optax.__version__, "keras", keras.__version__)

rng = np.random.default_rng(0)
shapes = {"matrix": (144, 32), "kernel": (3, 3, 16, 32)}
weights = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}
gradients = {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def evenness(step):
    """Smallest size of an entry by the largest: near 1 for a step by signs, as Adam's first."""
    return float(np.abs(step).min() / np.abs(step).max())


muon = optax.contrib.muon(0.1)
start = {name: jnp.asarray(weight) for name, weight in weights.items()}
gradient = {name: jnp.asarray(g) for name, g in gradients.items()}
steps, _ = muon.update(gradient, muon.init(start), start)
found = {("optax", name): evenness(step) for name, step in steps.items()}

variables = {name: keras.Variable(weight, name=name) for name, weight in weights.items()}
muon = keras.optimizers.Muon(learning_rate=0.1)
muon.build(list(variables.values()))
muon.apply([jnp.asarray(gradients[name]) for name in variables])
for name, variable in variables.items():
    step = keras.ops.convert_to_numpy(variable) - weights[name]
    found["keras", name] = evenness(step)
for (library, name), even in found.items():
    print(f"{library}, {name}: smallest entry of the first step by the largest: {even:.3f}")
    assert even > 0.7 if name == "kernel" else even < 0.01
PYTHON
