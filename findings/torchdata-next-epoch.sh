#!/usr/bin/env bash
# Guess: a StatefulDataLoader that goes on from a saved state gives what the uninterrupted one would have given, in this
#   epoch and in the next.
# What happens: torchdata 0.11.0 does so for the rest of the epoch. The order of the next ones is another than without the
#   interruption, if the loader shuffles by a generator of its own.
# What to do: shuffle by torch's global generator, and save its state beside that of the loader at the end of an epoch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchdata==0.11.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2>messages.txt <<'PYTHON'
from importlib.metadata import version

import torch
from torchdata.stateful_dataloader import StatefulDataLoader

print("torchdata", version("torchdata"), "torch", torch.__version__)


def loader():
    generator = torch.Generator().manual_seed(0)
    return StatefulDataLoader(list(range(10)), batch_size=2, shuffle=True, generator=generator)


def epoch(of):
    return [number for batch in of for number in batch.tolist()]


uninterrupted = loader()
expected = [epoch(uninterrupted) for _ in range(2)]

stopped = loader()
batches = iter(stopped)
begun = [number for _ in range(2) for number in next(batches).tolist()]
resumed = loader()
resumed.load_state_dict(stopped.state_dict())
found = [begun + epoch(resumed), epoch(resumed)]
for number, (one, other) in enumerate(zip(expected, found, strict=True), start=1):
    print(f"epoch {number}: {one} without interruption, {other} with one in the first")
assert found[0] == expected[0]
assert sorted(found[1]) == sorted(expected[1]) and found[1] != expected[1]
PYTHON
