#!/usr/bin/env bash
# Guess: A loss that became infinite is infinite when it is read back.
# What happens: mlflow 3.17.2, with a database behind it as by default, stores 1.8e308 in its
#   place, the largest number there is, and NaN as NaN. Whoever looks for diverged runs with isinf
#   or isfinite does not find them.
# What to do: log such a step as a tag, or stop the training there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check mlflow==3.17.2
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import math
import warnings

warnings.simplefilter("ignore")
logging.disable(logging.WARNING)

import mlflow

print("mlflow", mlflow.__version__)

mlflow.set_tracking_uri("sqlite:///runs.db")
with mlflow.start_run() as run:
    for step, loss in enumerate([2.3, 1e30, math.inf, math.nan]):
        mlflow.log_metric("loss", loss, step=step)
client = mlflow.MlflowClient()
found = [point.value for point in client.get_metric_history(run.info.run_id, "loss")]
print("logged: 2.3, 1e+30, inf, nan; read:", *found)
assert found[:2] == [2.3, 1e30]
assert math.isfinite(found[2]) and found[2] > 1e308
assert math.isnan(found[3])
PYTHON
