#!/usr/bin/env bash
# Guess: a StatefulDataLoader that goes on from a saved state gives what the uninterrupted one would have given, in this
#   epoch and in the next.
# What happens: torchdata 0.11.0 does so for the rest of the epoch. The order of the next ones is another than without the
#   interruption, if the loader was given a generator.
# What to do: give it none, and call torch.manual_seed before it is made.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 torchdata==0.11.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2>messages.txt <<'PYTHON' || { cat messages.txt >&2; exit 1; }
from importlib.metadata import version

import torch
from torchdata.stateful_dataloader import StatefulDataLoader

print("torchdata", version("torchdata"), "torch", torch.__version__)


def loader(given):
    torch.manual_seed(0)
    generator = {"generator": torch.Generator().manual_seed(0)} if given else {}
    return StatefulDataLoader(list(range(10)), batch_size=2, shuffle=True, **generator)


def epoch(of):
    return [number for batch in of for number in batch.tolist()]


for given in (True, False):
    uninterrupted = loader(given)
    expected = [epoch(uninterrupted) for _ in range(2)]
    stopped = loader(given)
    batches = iter(stopped)
    begun = [number for _ in range(2) for number in next(batches).tolist()]
    resumed = loader(given)
    resumed.load_state_dict(stopped.state_dict())
    found = [begun + epoch(resumed), epoch(resumed)]
    print("with a generator of its own:" if given else "without one:")
    for number, (one, other) in enumerate(zip(expected, found, strict=True), start=1):
        print(f"  epoch {number}: {one} without interruption, {other} with one in the first")
    assert found[0] == expected[0] and sorted(found[1]) == sorted(expected[1])
    assert (found[1] == expected[1]) == (not given)
PYTHON
