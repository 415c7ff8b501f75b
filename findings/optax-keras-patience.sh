#!/usr/bin/env bash
# Guess: with a patience of 2, the plateau schedules of optax and Keras lower the rate when
#   torch's does.
# What happens: torch 2.14.1 waits until there are *more* bad epochs than the patience, and lowers
#   the rate after the third. optax 0.2.8 (contrib.reduce_on_plateau) and Keras 3.15.1
#   (callbacks.ReduceLROnPlateau) lower it after the second. On an accuracy that stands still the
#   rate falls every third epoch with torch and every second with the two others, so that after
#   ten epochs it is a tenth of torch's.
# What to do: take a patience one higher there than in torch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check optax==0.2.8 jax==0.10.2 \
  jaxlib==0.10.2 keras==3.15.1 torch==2.14.1 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
import jax.numpy as jnp
import keras
import optax
import torch

print("torch", torch.__version__, "optax", optax.__version__, "Keras", keras.__version__)
losses = [5.0, 4.0, 3.0] + [3.0] * 7
settings = {"factor": 0.1, "patience": 2}


def by_torch():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    for loss in losses:
        yield optimizer.param_groups[0]["lr"]
        optimizer.step()
        schedule.step(loss)


def by_optax():
    schedule = optax.contrib.reduce_on_plateau(**settings)
    state = schedule.init(jnp.zeros(1))
    for loss in losses:
        yield float(state.scale)
        _, state = schedule.update(jnp.ones(1), state, jnp.zeros(1), value=loss)


def by_keras():
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse")
    schedule = keras.callbacks.ReduceLROnPlateau(**settings)
    schedule.set_model(model)
    schedule.on_train_begin()
    for epoch, loss in enumerate(losses):
        yield float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
        schedule.on_epoch_end(epoch, {"val_loss": loss})


found = {}
for name, rates in {"torch": by_torch, "optax": by_optax, "Keras": by_keras}.items():
    found[name] = [f"{rate:.0e}" for rate in rates()]
    print(f"{name}: first lower in epoch {1 + found[name].index('1e-01')},", *found[name])
assert found["torch"].index("1e-01") == 6 and found["torch"][-1] == "1e-02"
assert found["optax"] == found["Keras"]
assert found["optax"].index("1e-01") == 5 and found["optax"][-1] == "1e-03"
PYTHON
