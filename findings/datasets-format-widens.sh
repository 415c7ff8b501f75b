#!/usr/bin/env bash
# Guess: with_format("torch") or "numpy" gives arrays back in the number type in which the dataset holds them.
# What happens: datasets 5.2.0 holds uint8, and gives int64, eight times as large; it holds float64, and gives float32. So
#   a batch of pictures of 8 bits takes the memory of 64, and numbers beyond the seventh digit are lost, both in silence.
# What to do: with_format("torch", dtype=torch.uint8), or a column of Image(), which stays in 8 bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check datasets==5.2.0 torch==2.14.1 numpy==2.4.6
cd "$folder"
export HF_HOME="$folder/cache" HF_HUB_OFFLINE=1
"$folder/venv/bin/python" - <<'PYTHON'
import datasets
import numpy as np
import torch

print("datasets", datasets.__version__, "torch", torch.__version__, "numpy", np.__version__)
found = {}
for name in ("uint8", "int16", "float64"):
    data = datasets.Dataset.from_dict({"picture": [np.full((3, 4, 4), 7).astype(name)]})
    feature = data.features["picture"]
    while not hasattr(feature, "dtype"):
        feature = feature.feature
    found[name] = {
        "held": feature.dtype,
        "torch": str(data.with_format("torch")[0]["picture"].dtype),
        "numpy": str(data.with_format("numpy")[0]["picture"].dtype),
    }
    print(name, found[name])
assert found["uint8"] == {"held": "uint8", "torch": "torch.int64", "numpy": "int64"}
assert found["int16"] == {"held": "int16", "torch": "torch.int64", "numpy": "int64"}
assert found["float64"] == {"held": "float64", "torch": "torch.float32", "numpy": "float32"}
exact = datasets.Dataset.from_dict({"numbers": [[16_777_217.0]]})
(number,) = exact.with_format("numpy")[0]["numbers"]
print(f"16777217 comes back as {number:.0f}")
assert exact[0]["numbers"] == [16_777_217.0] and number == 16_777_216.0
given = datasets.Dataset.from_dict({"picture": [np.zeros((3, 4, 4), np.uint8)]}).with_format("torch", dtype=torch.uint8)
assert given[0]["picture"].dtype == torch.uint8
PYTHON
