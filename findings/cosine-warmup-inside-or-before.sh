#!/usr/bin/env bash
# Guess: warmup_steps=10 and decay_steps=100 mean the same in optax and in Keras.
# What happens: in optax 0.2.8 decay_steps counts the warmup, and the rate is 0 after 100 steps;
#   in keras 3.15.1 the cosine begins after it, and the rate is 0 after 110. A training of 100
#   steps ends at 2 % of the peak with Keras.
# What to do: keras: decay_steps = steps - warmup_steps.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check optax==0.2.8 keras==3.15.1 \
  jax==0.10.2 numpy==2.4.6
cd "$folder"
export KERAS_BACKEND=jax
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import keras
import optax

print(*(f"{name} {version(name)}" for name in ("optax", "keras")))

of_optax = optax.warmup_cosine_decay_schedule(
    init_value=0.0, peak_value=1.0, warmup_steps=10, decay_steps=100
)
of_keras = keras.optimizers.schedules.CosineDecay(
    initial_learning_rate=0.0, warmup_target=1.0, warmup_steps=10, decay_steps=100
)
found = {}
for step in (5, 10, 55, 100, 110):
    found[step] = float(of_optax(step)), float(of_keras(step))
    print(f"step {step}: optax {found[step][0]:.3f}, Keras {found[step][1]:.3f}")
assert found[10] == (1.0, 1.0)
assert found[100][0] < 1e-6 and 0.01 < found[100][1] < 0.05
assert found[55][1] - found[55][0] > 0.05 and found[110][1] < 1e-6
PYTHON
