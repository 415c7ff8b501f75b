#!/usr/bin/env bash
# Guess: With use_ema=True the validation after each epoch is that of the averaged weights, which
#   fit leaves in the model.
# What happens: keras 3.15.1 validates the weights of the last step, and puts the averaged ones in
#   their place when training ends. So the history belongs to a model that nobody gets: here its
#   last validation loss is 0.08, and evaluate gives 0.67. A checkpoint or an early stop by
#   val_loss chooses by the wrong weights.
# What to do: the callback SwapEMAWeights(swap_on_epoch=True).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 jax==0.10.2 \
  numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax JAX_PLATFORMS=cpu KERAS_HOME="$folder/keras"
"$folder/venv/bin/python" - <<'PYTHON'
import keras
import numpy as np

print("keras", keras.__version__)
inputs, targets = np.ones((64, 1), "float32"), np.ones((64, 1), "float32")


def train(*callbacks):
    """Validation loss after the last epoch, and that of the model that fit leaves."""
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")]
    )
    optimizer = keras.optimizers.SGD(0.05, use_ema=True, ema_momentum=0.98)
    model.compile(optimizer=optimizer, loss="mse")
    history = model.fit(
        inputs, targets, batch_size=16, epochs=3, verbose=0,
        validation_data=(inputs, targets), callbacks=list(callbacks),
    )  # fmt: skip
    return history.history["val_loss"][-1], model.evaluate(inputs, targets, verbose=0)


validated, left = train()
print(f"last validation loss {validated:.3f}, of the model that is left {left:.3f}")
assert left > 3 * validated
swapped, left = train(keras.callbacks.SwapEMAWeights(swap_on_epoch=True))
print(f"with SwapEMAWeights: {swapped:.3f}, of the model that is left {left:.3f}")
assert swapped > 3 * validated
PYTHON
