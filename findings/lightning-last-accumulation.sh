#!/usr/bin/env bash
# Guess: Trainer(accumulate_grad_batches=4) makes each step with the mean gradient of the batches since the last one,
#   also at the end of an epoch where fewer are left.
# What happens: lightning 2.6.6 divides by 4 always. Of five batches the fifth makes a step of its own, with a quarter
#   of its gradient.
# What to do: drop the batches that are left over, or choose a number that divides those of an epoch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 lightning==2.6.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2>messages.txt <<'PYTHON' || { cat messages.txt >&2; exit 1; }
import lightning
import torch
from torch import nn

print("lightning", lightning.__version__, "torch", torch.__version__)


class Line(lightning.LightningModule):
    """Each batch has a gradient of -1, so a step by the mean gradient adds 1."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.layer.weight)

    def training_step(self, batch, index):
        return -self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1.0)


def end(batches):
    quiet = {name: False for name in ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")}
    trainer = lightning.Trainer(max_epochs=1, accelerator="cpu", accumulate_grad_batches=4, **quiet)
    network = Line()
    trainer.fit(network, torch.utils.data.DataLoader(torch.ones(batches, 1), batch_size=1))
    return trainer.global_step, network.layer.weight.item()


found = {batches: end(batches) for batches in (4, 5, 8)}
for batches, (steps, weight) in found.items():
    print(f"{batches} batches: {steps} steps, weight {weight}")
assert found == {4: (1, 1.0), 5: (2, 1.25), 8: (2, 2.0)}
PYTHON
