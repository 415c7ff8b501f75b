#!/usr/bin/env bash
# Guess: EventAccumulator gives back all the points of a curve that SummaryWriter wrote.
# What happens: tensorboard 2.21.0 keeps 10,000 of a tag, chosen at random, without a word. Of a loss that was logged in
#   each of 12,000 steps a sixth of the steps is missing, spread over the whole curve; of images it keeps four.
# What to do: EventAccumulator(folder, size_guidance={"scalars": 0}), which keeps all.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 tensorboard==2.21.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import tensorboard
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

print("tensorboard", tensorboard.__version__, "torch", torch.__version__)
with SummaryWriter("log") as writer:
    for step in range(12_000):
        writer.add_scalar("loss", 1 / (1 + step), step)


def steps(**options):
    return [point.step for point in EventAccumulator("log", **options).Reload().Scalars("loss")]


kept, everything = steps(), steps(size_guidance={"scalars": 0})
missing = sorted(set(everything) - set(kept))
print(f"of {len(everything):,} steps {len(kept):,} are there; the first missing are {missing[:5]}, the last {missing[-5:]}")
assert (len(everything), len(kept)) == (12_000, 10_000)
assert missing[0] < 1000 < 11_000 < missing[-1]
PYTHON
