#!/usr/bin/env bash
# Guess: with use_buffers=True an averaged model's batch norm has counted as many batches as the
#   model's, so that its statistics can be gone on with.
# What happens: torch 2.14.1 averages the counter num_batches_tracked like a weight, but in whole
#   numbers. After 100 updates AveragedModel says 1, where the mean would be 50; an exponential
#   average of decay 0.9 says 90, ten behind, as such an average is. Batch norm with momentum=None, which weights a batch by 1 / counter, takes half of
#   its next mean from a single batch where it should take a hundredth.
# What to do: copy the counter from the model, or let update_bn compute the statistics anew
#   (with batches of one size).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

print("torch", torch.__version__)
torch.manual_seed(0)


def after_100_batches(**options):
    model = torch.nn.BatchNorm1d(1, momentum=None)
    average = AveragedModel(model, use_buffers=True, **options)
    for _ in range(100):
        model(torch.randn(256, 1))
        average.update_parameters(model)
    return model, average.module


plain, averaged = after_100_batches()
_, exponential = after_100_batches(multi_avg_fn=get_ema_multi_avg_fn(0.9))
counts = [int(m.num_batches_tracked) for m in (plain, averaged, exponential)]
print("batches counted: model {}, average {}, exponential average {}".format(*counts))
assert counts == [100, 1, 90]
for model in (plain, averaged):
    model(torch.randn(256, 1) + 100)  # one batch from elsewhere
means = [model.running_mean.item() for model in (plain, averaged)]
print("mean after one batch of mean 100: model {:.2f}, average {:.2f}".format(*means))
assert abs(means[0] - 100 / 101) < 0.1 and abs(means[1] - 50) < 1
PYTHON
