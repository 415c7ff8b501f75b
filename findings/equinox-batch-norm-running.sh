#!/usr/bin/env bash
# Guess: In training BatchNorm normalizes by the mean and deviation of the batch at hand, as the
#   paper and every other library have it.
# What happens: equinox 0.13.8 takes the running ones, by its default (mode='ema'; it warns that
#   one should choose): batches of deviation 2 and means 5, 6, 7 come out with means of about 0,
#   0.5 and 1. So a network moved here from elsewhere trains otherwise, by the same settings.
# What to do: BatchNorm(..., mode='batch').
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check equinox==0.13.8 jax==0.10.2 \
  numpy==2.4.6
cd "$folder"
export JAX_PLATFORMS=cpu
"$folder/venv/bin/python" - <<'PYTHON'
import warnings

import equinox as eqx
import jax

print("equinox", eqx.__version__)
warnings.simplefilter("ignore")


def means(**mode):
    """Mean of what comes out, for three batches whose mean rises by 1."""
    norm, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(
        1, axis_name="batch", channelwise_affine=False, **mode
    )
    batch, found = 5 + 2 * jax.random.normal(jax.random.key(0), (256, 1)), []
    for _ in range(3):
        out, state = jax.vmap(norm, axis_name="batch", in_axes=(0, None), out_axes=(0, None))(
            batch, state
        )
        found.append(float(out.mean()))
        batch = batch + 1
    return found


for name, mode in {"default": {}, 'mode="batch"': {"mode": "batch"}}.items():
    print(f"{name}:", ", ".join(f"{mean:.2f}" for mean in means(**mode)))
assert max(abs(mean) for mean in means(mode="batch")) < 1e-4
assert 0.3 < means()[1] < means()[2]
PYTHON
