#!/usr/bin/env bash
# Guess: a score that is NaN is no improvement: EarlyStopping(patience=2) stops a training whose loss has become NaN after
#   two epochs, and Checkpoint keeps the epoch with the best number.
# What happens: pytorch-ignite 0.5.5 asks whether a score is at most the best one, and with NaN nothing is. EarlyStopping
#   takes each epoch of NaN for the best so far and never stops, while a score that only stays the same stops it after
#   two. Checkpoint, if the first score is NaN, keeps that file for good, whatever comes after.
# What to do: put TerminateOnNan on the training engine, too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --disable-pip-version-check torch==2.14.1 pytorch-ignite==0.5.5 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2>messages.txt <<'PYTHON' || { cat messages.txt >&2; exit 1; }
import math
from pathlib import Path

import ignite
import torch
from ignite.engine import Engine, Events
from ignite.handlers import Checkpoint, DiskSaver, EarlyStopping

print("pytorch-ignite", ignite.__version__, "torch", torch.__version__)


def epochs_of(scores):
    trainer = Engine(lambda engine, batch: None)
    evaluator = Engine(lambda engine, batch: None)
    stopping = EarlyStopping(2, lambda _: scores[trainer.state.epoch - 1], trainer)
    evaluator.add_event_handler(Events.COMPLETED, stopping)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run([0]))
    trainer.run([0], max_epochs=len(scores))
    return trainer.state.epoch


def kept(name, scores):
    trainer = Engine(lambda engine, batch: None)
    saver = Checkpoint(
        {"model": torch.nn.Linear(1, 1)},
        DiskSaver(name, create_dir=True),
        n_saved=1,
        score_function=lambda engine: scores[engine.state.epoch - 1],
        score_name="accuracy",
    )
    trainer.add_event_handler(Events.EPOCH_COMPLETED, saver)
    trainer.run([0], max_epochs=len(scores))
    return [file.name for file in Path(name).iterdir()]


same, broken = epochs_of([1.0] * 10), epochs_of([1.0] + [math.nan] * 9)
print(f"of ten epochs, with patience 2: {same} where the score stays, {broken} where it is NaN from the second on")
assert (same, broken) == (3, 10)
(later,), (first,) = kept("later", [0.5, math.nan, 0.7]), kept("first", [math.nan, 0.7, 0.8])
print("kept of 0.5, NaN, 0.7:", later, "and of NaN, 0.7, 0.8:", first)
assert "0.7000" in later and "nan" in first
PYTHON
