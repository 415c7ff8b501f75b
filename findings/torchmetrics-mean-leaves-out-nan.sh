#!/usr/bin/env bash
# Guess: the mean of a loss that is NaN in one of its batches is NaN, so that an epoch that went wrong shows.
# What happens: MeanMetric of torchmetrics 1.9.0 leaves the NaN out, with a warning: the mean of 1, NaN and 3 is 2. Only
#   where all are NaN it is NaN. So for SumMetric, MaxMetric and MinMetric.
# What to do: nan_strategy="error"; or "disable", which lets a NaN through.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchmetrics==1.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import math
import warnings

import torch
import torchmetrics
from torchmetrics import MeanMetric

print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__)


def mean(*losses, **given):
    metric = MeanMetric(**given)
    for loss in losses:
        metric.update(loss)
    return metric.compute().item()


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    some, all_of_them = mean(1.0, math.nan, 3.0), mean(math.nan, math.nan)
let_through = mean(1.0, math.nan, 3.0, nan_strategy="disable")
print(f"mean of 1, NaN, 3: {some}; of NaN, NaN: {all_of_them}; with 'disable': {let_through}")
assert some == 2.0 and math.isnan(all_of_them) and math.isnan(let_through)
assert any("Will be removed" in str(warning.message) for warning in told)
try:
    mean(math.nan, nan_strategy="error")
    raise SystemExit("no error any more")
except RuntimeError as error:
    print("with 'error':", error)
PYTHON
