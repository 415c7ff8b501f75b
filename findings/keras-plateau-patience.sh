#!/usr/bin/env bash
# Guess: ReduceLROnPlateau(factor=0.1, patience=2) lowers the rate at the same epochs in Keras and in torch.
# What happens: with keras 3.15.1 the rate falls after two epochs in a row without a better loss, with torch 2.14.1
#   after three. On a loss that no longer falls Keras lowers it every second epoch, and torch every third: after
#   twelve epochs Keras is at a hundred-thousandth of the rate, and torch at a thousandth.
# What to do: the patience of torch is one less than that of Keras for the same schedule.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 keras==3.15.1 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=torch CUDA_VISIBLE_DEVICES= KERAS_HOME="$folder/keras"
"$folder/venv/bin/python" - <<'PYTHON'
import keras
import torch

print("keras", keras.__version__, "torch", torch.__version__)
EPOCHS = 12

model = keras.Sequential([keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse")
model.build((None, 1))
plateau = keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.1, patience=2)
plateau.set_model(model)
plateau.on_train_begin()
of_keras = []
for epoch in range(EPOCHS):
    plateau.on_epoch_end(epoch, {"loss": 1.0})
    of_keras.append(float(model.optimizer.learning_rate))

optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.1, patience=2)
of_torch = []
for _ in range(EPOCHS):
    schedule.step(1.0)
    of_torch.append(optimizer.param_groups[0]["lr"])

falls = {}
for name, rates in {"keras": of_keras, "torch": of_torch}.items():
    falls[name] = [n + 1 for n in range(1, EPOCHS) if rates[n] < 0.5 * rates[n - 1]]
    print(f"{name}: the rate falls after epochs {falls[name]}, to {rates[-1]:.0e}")
# The first epoch is the best so far in both; the loss is the same in all.
assert falls == {"keras": [3, 5, 7, 9, 11], "torch": [4, 7, 10]}
PYTHON
