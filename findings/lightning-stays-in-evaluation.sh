#!/usr/bin/env bash
# Guess: Trainer.fit trains a network in training mode, whatever it was before.
# What happens: lightning 2.6.6 leaves it as it is. A network that was put into evaluation mode before (to look at what it
#   says, or by the function that loaded it) is trained without dropout and with fixed averages of batch normalization, in
#   every epoch. A warning counts the modules in evaluation mode at the start, and the training goes on.
# What to do: model.train() before fit.
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


class Classifier(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.last = nn.Linear(4, 2)
        self.modes = []

    def training_step(self, batch, index):
        self.modes.append(self.norm.training)
        return self.last(self.norm(batch)).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def modes(network):
    quiet = {name: False for name in ("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing")}
    trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", **quiet)
    trainer.fit(network, torch.utils.data.DataLoader(3 + torch.randn(8, 4), batch_size=4))
    return network.modes, network.norm.running_mean.abs().max().item()


for name, network in {"as it was made": Classifier(), "after eval()": Classifier().eval()}.items():
    found, mean = modes(network)
    print(f"{name}: training mode in its steps {found}; greatest running mean {mean:.2f}")
    assert set(found) == {name == "as it was made"} and (mean > 0.5) == (name == "as it was made")
PYTHON
grep "in eval mode" messages.txt
