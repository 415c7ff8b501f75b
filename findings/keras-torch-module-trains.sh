#!/usr/bin/env bash
# Guess: A torch module inside a Keras model evaluates when the model is called without
#   `training`, as every layer of Keras does, and above all when it was put to eval() before.
# What happens: TorchModuleWrapper of keras 3.15.1 puts its module in training mode unless it is
#   told training=False: model(x) drops features at random, and moves the running statistics of a
#   batch normalization. predict and evaluate say training=False, and are right.
# What to do: model(x, training=False).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check keras==3.15.1 torch==2.14.1 \
  numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=torch
"$folder/venv/bin/python" - <<'PYTHON'
import keras
import torch

print("keras", keras.__version__, "torch", torch.__version__)

x = torch.ones(1, 10_000)
for name, layer in {
    "keras.layers.Dropout": keras.layers.Dropout(0.5),
    "torch.nn.Dropout, wrapped": keras.layers.TorchModuleWrapper(torch.nn.Dropout(0.5).eval()),
}.items():
    model = keras.Sequential([keras.layers.Input((10_000,)), layer])
    dropped = {
        "model(x)": (model(x) == 0).float().mean().item(),
        "model(x, training=False)": (model(x, training=False) == 0).float().mean().item(),
        "predict": (model.predict(x.numpy(), verbose=0) == 0).mean().item(),
    }
    print(name, {call: f"{share:.0%} dropped" for call, share in dropped.items()})
    assert dropped["predict"] == dropped["model(x, training=False)"] == 0
    assert (dropped["model(x)"] > 0.4) == ("wrapped" in name)

norm = torch.nn.BatchNorm1d(1).eval()
keras.layers.TorchModuleWrapper(norm)(torch.tensor([[10.0], [12.0]]))
print(f"running mean of a wrapped BatchNorm1d after one call: {norm.running_mean.item():.1f}")
assert norm.running_mean.item() > 1
PYTHON
