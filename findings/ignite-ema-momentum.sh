#!/usr/bin/env bash
# Guess: EMAHandler(model, momentum=0.99) of ignite keeps 0.99 of the average at each step, as decay and momentum of
#   other averages do.
# What happens: in pytorch-ignite 0.5.5 momentum is the part of the new weights: with 0.99 the average is 99 % the
#   weights of the last step, and averages nothing.
# What to do: momentum=0.01 for a decay of 0.99.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 pytorch-ignite==0.5.5 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import ignite
import torch
from ignite.engine import Engine
from ignite.handlers import EMAHandler
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

print("pytorch-ignite", ignite.__version__, "torch", torch.__version__)


def of_ignite(momentum):
    """The average of a weight that is 0 at first, and 1 after the step."""
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(layer.weight)
    handler = EMAHandler(layer, momentum=momentum)
    trainer = Engine(lambda engine, batch: torch.nn.init.ones_(layer.weight))
    handler.attach(trainer)
    trainer.run([0])
    return handler.ema_model.weight.item()


layer = torch.nn.Linear(1, 1, bias=False)
torch.nn.init.zeros_(layer.weight)
average = AveragedModel(layer, multi_avg_fn=get_ema_multi_avg_fn(0.99))
average.update_parameters(layer)
torch.nn.init.ones_(layer.weight)
average.update_parameters(layer)
of_torch = average.module.weight.item()
found = {momentum: of_ignite(momentum) for momentum in (0.99, 0.01)}
print(f"after a step from 0 to 1: torch with a decay of 0.99 {of_torch:.2f}; ignite, by momentum, {found}")
assert abs(of_torch - 0.01) < 1e-6 and abs(found[0.99] - 0.99) < 1e-6 and abs(found[0.01] - 0.01) < 1e-6
PYTHON
