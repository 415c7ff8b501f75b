#!/usr/bin/env bash
# Guess: from_bytes(target, data) refuses weights of another shape than the target's, as
#   load_state_dict of torch does.
# What happens: flax 0.12.8 asks only that the target's names are there, and hands back the stored
#   arrays, whatever their shapes: a last layer of 10 classes in place of one of 100. The error
#   comes later, from apply, and for parameters alone: running statistics of another shape are
#   taken as they are.
# What to do: compare jax.tree.map(jnp.shape, loaded) with that of the target.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check flax==0.12.8 jax==0.10.2 \
  numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from importlib.metadata import version

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import serialization
from flax.errors import ScopeParamShapeError

print(*(f"{name} {version(name)}" for name in ("flax", "jax")))

images = jnp.ones((1, 64))
stored = serialization.to_bytes(nn.Dense(10).init(jax.random.key(0), images))
target = nn.Dense(100).init(jax.random.key(1), images)
loaded = serialization.from_bytes(target, stored)
print("target:", jax.tree.map(jnp.shape, target)["params"])
print("loaded:", jax.tree.map(jnp.shape, loaded)["params"])
assert loaded["params"]["kernel"].shape == (64, 10)
try:
    nn.Dense(100).apply(loaded, images)
except ScopeParamShapeError as error:
    print("apply:", str(error)[:80])
else:
    raise AssertionError("apply takes it, too")

norm = nn.BatchNorm(use_running_average=True)
stored = serialization.to_bytes(norm.init(jax.random.key(0), jnp.ones((1, 1))))
loaded = serialization.from_bytes(norm.init(jax.random.key(0), images), stored)
loaded["params"] = norm.init(jax.random.key(0), images)["params"]
print("statistics", loaded["batch_stats"]["mean"].shape, "->", norm.apply(loaded, images).shape)

try:
    serialization.from_bytes({"params": {"weight": 0}}, stored)
except ValueError as error:
    print("other names are refused:", str(error).splitlines()[0][:80])
else:
    raise AssertionError("other names are no longer refused")
PYTHON
