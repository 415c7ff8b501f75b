#!/usr/bin/env bash
# Guess: keras.optimizers.SGD takes the steps of torch.optim.SGD with the same rate, momentum and weight decay, also
#   where the rate falls to a tenth.
# What happens: keras 3.15.1 does so only at a constant rate and without weight decay. Its velocity holds the rate (as
#   Caffe's did, with which VGG was trained), so the step after a fall of the rate is hardly shorter; with momentum 0.9
#   a tenth of it is reached only after some fifty steps. And its weight decay is decoupled: it moves the weights
#   themselves, past the momentum, and so is a tenth as strong as torch's with momentum 0.9.
# What to do: for torch's training in Keras multiply weight_decay by 1 / (1 - momentum); the fall of the rate differs.
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


def steps(take, rates):
    places = [1.0, *(take(rate) for rate in rates)]
    return [places[n] - places[n + 1] for n in range(len(rates))]


def with_torch(gradient, rates, decay):
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=rates[0], momentum=0.9, weight_decay=decay)

    def take(rate):
        optimizer.param_groups[0]["lr"] = rate
        weight.grad = torch.tensor([gradient])
        optimizer.step()
        return weight.item()

    return steps(take, rates)


def with_keras(gradient, rates, decay):
    weight = keras.Variable([1.0])
    optimizer = keras.optimizers.SGD(rates[0], momentum=0.9, weight_decay=decay or None)
    optimizer.build([weight])

    def take(rate):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor([gradient])])
        return float(keras.ops.convert_to_numpy(weight)[0])

    return steps(take, rates)


def close(one, other):
    return torch.allclose(torch.tensor(one), torch.tensor(other), atol=1e-5)


constant, falls = [0.01] * 40, [0.01] * 40 + [0.001] * 50
assert close(with_torch(1.0, constant, 0.0), with_keras(1.0, constant, 0.0))
after = {}
for name, found in {"torch": with_torch(1.0, falls, 0.0), "keras": with_keras(1.0, falls, 0.0)}.items():
    after[name] = [found[n] / found[39] for n in (40, 50, 89)]
    print(f"{name}: steps 1, 11 and 50 after the fall, of the one before: {[round(s, 3) for s in after[name]]}")
assert max(after["torch"]) < 0.11 and after["keras"][0] > 0.9 and after["keras"][1] > 0.35

decayed = {"torch": with_torch(0.0, constant, 0.1), "keras": with_keras(0.0, constant, 0.1)}
left = {name: 1 - sum(found) for name, found in decayed.items()}
print("left of a weight after 40 steps of decay alone:", {name: round(value, 3) for name, value in left.items()})
assert abs(left["keras"] - (1 - 0.01 * 0.1) ** 40) < 1e-4
assert left["torch"] < 0.8 < 0.95 < left["keras"]
PYTHON
