"""`make margins`: how far the conditions of the chapters are from turning.

A sentence such as "the strong shift is ahead" is true of one training. Is it of the next? Each
condition in ``tests/margins.json`` that depends on a training has a quantity that is above 0 while
the condition holds. This measures it over eight seeds, in bfloat16 and in float32, and writes the
numbers beside it. A test demands that the mean is three deviations or more away from 0. What is
closer to turning may be said as what was seen, "in {held} of {runs} repetitions".
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import statistics
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import nbformat

from tools.chapters import ChapterError, execute, named, read, to_bytes
from tools.machines import STARTUP
from tools.settings import ROOT
from vgglib.machine.files import atomic_write

MARGINS = ROOT / "tests" / "margins.json"
EXECUTED = ROOT / "_build" / "margins"
SEEDS = 8
PRECISIONS = {"bfloat16": True, "float32": False}
MARK = "margin of condition"

# Every draw from torch's global generator begins elsewhere; the images stay as they are.
OTHER_SEEDS = """\
def _shift(by):
    import torch

    generator, seed_all = torch.default_generator, torch.manual_seed

    class Shifted:
        def manual_seed(self, seed):
            return generator.manual_seed(seed + by)

        def __getattr__(self, name):
            return getattr(generator, name)

    torch.default_generator = Shifted()
    torch.manual_seed = lambda seed: seed_all(seed + by)


_shift({by})
del _shift
"""


def conditions() -> list[dict[str, Any]]:
    """All conditions, with what was measured.

    Each has the name of its ``chapter``; the ``claim``, words of the chapter's text or output, in
    which what was measured may be filled in, see :func:`words_of`; the ``quantity``, an expression
    in the chapter's own names; and the line that the cell begins ``after`` which it is computed (at
    the end of the chapter, if there is none).
    """
    return json.loads(MARGINS.read_text(encoding="utf-8"))


def words_of(condition: dict[str, Any]) -> str:
    """The claim, filled in: in how many runs it held, the lowest, highest and mean quantity."""
    values = [value for precision in PRECISIONS for value in condition[precision]]
    return condition["claim"].format(
        held=sum(value > 0 for value in values),
        runs=len(values),
        low=min(values),
        high=max(values),
        mean=statistics.mean(values),
    )


def is_counted(condition: dict[str, Any]) -> bool:
    """Whether the claim says what was seen, and not that it is always so."""
    return "{" in condition["claim"]


def deviations_away(condition: dict[str, Any]) -> float:
    """Mean of the quantity in deviations, in the precision in which that is less."""
    found = []
    for precision in PRECISIONS:
        values = condition[precision]
        spread = statistics.stdev(values)
        mean = statistics.mean(values)
        always = math.inf if mean > 0 else -math.inf  # the condition is that it is above 0
        found.append(mean / spread if spread else always)
    return min(found)


def with_measurements(notebook: nbformat.NotebookNode, asked: Iterable[dict[str, Any]]) -> None:
    """Insert a cell for each condition that prints its quantity."""
    for number, condition in enumerate(asked):
        source = f'print("{MARK}", {number}, float({condition["quantity"]}))'
        cell = nbformat.v4.new_code_cell(source)
        position = len(notebook.cells)
        if "after" in condition:
            found = [
                i
                for i, other in enumerate(notebook.cells)
                if other.cell_type == "code" and condition["after"] in other.source
            ]
            if len(found) != 1:
                raise ChapterError(
                    f"{condition['chapter']}: {len(found)} cells have the line"
                    f" {condition['after']!r}, expected one"
                )
            position = found[0] + 1
        notebook.cells.insert(position, cell)


def measure(path: Path, seed: int, precision: str) -> dict[int, float]:
    """The quantities of a chapter's conditions in one run, by their number in the chapter."""
    asked = [c for c in conditions() if c["chapter"] == path.stem]
    notebook = read(path)
    with_measurements(notebook, asked)
    place = EXECUTED / f"{precision}-{seed}"
    place.mkdir(parents=True, exist_ok=True)
    prepared = place / path.name
    prepared.write_bytes(to_bytes(notebook))
    startup = STARTUP.format(PRECISIONS[precision]) + OTHER_SEEDS.format(by=1000 * seed)
    executed = execute(prepared, {}, startup)
    prepared.write_bytes(to_bytes(executed))
    text = "\n".join(
        output.text
        for cell in executed.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    if "not yet." in text:
        lines = [line for line in text.splitlines() if "not yet." in line]
        raise ChapterError(f"{path.stem}, seed {seed}, {precision}: {'; '.join(lines)}")
    lines = [line.split()[-2:] for line in text.splitlines() if line.startswith(MARK)]
    return {int(number): float(value) for number, value in lines}


def attempt(task: tuple[Path, int, str]) -> dict[int, float] | str:
    """As :func:`measure`, in a process of its own; what went wrong is returned."""
    try:
        return measure(*task)
    except ChapterError as error:
        return str(error)


def main() -> None:
    """Measure the chapters named on the command line, or all that have conditions."""
    everything = conditions()
    try:
        paths = named(sys.argv[1:])
    except ChapterError as error:
        sys.exit(f"make margins: {error}")
    without = [p for p in paths if not any(c["chapter"] == p.stem for c in everything)]
    if sys.argv[1:]:
        for path in without:
            print(f"{path.stem}: no conditions to measure")
    paths = [p for p in paths if p not in without]
    # A thread for each: the trainings are small.
    os.environ["OMP_NUM_THREADS"] = "1"
    tasks = [
        (p, seed, precision) for p in paths for precision in PRECISIONS for seed in range(SEEDS)
    ]
    failed = []
    with ProcessPoolExecutor(
        os.cpu_count(), mp_context=multiprocessing.get_context("spawn")
    ) as pool:
        results = dict(zip(tasks, pool.map(attempt, tasks), strict=True))
    for path in paths:
        asked = [c for c in everything if c["chapter"] == path.stem]
        for precision in PRECISIONS:
            runs = [results[path, seed, precision] for seed in range(SEEDS)]
            if errors := [run for run in runs if isinstance(run, str)]:
                failed += errors  # and what was measured before stays
                continue
            for number, condition in enumerate(asked):
                condition[precision] = [float(f"{run[number]:.3g}") for run in runs]
        for condition in asked:
            if not all(precision in condition for precision in PRECISIONS):
                print(f"{'?':>8}  {path.stem}: {condition['claim']}")  # new, and not measured
                continue
            away = "counted" if is_counted(condition) else f"{deviations_away(condition):.1f}"
            print(f"{away:>8}  {path.stem}: {words_of(condition)}")
    with atomic_write(MARGINS) as file:
        file.write(to_json(everything).encode())
    if failed:
        sys.exit("make margins: not all runs ended well\n" + "\n".join(failed))


def to_json(everything: list[dict[str, Any]]) -> str:
    """As it stands in the file: a line for each field."""
    blocks = [
        "  {\n"
        + ",\n".join(
            f"    {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}"
            for k, v in condition.items()
        )
        + "\n  }"
        for condition in everything
    ]
    return "[\n" + ",\n".join(blocks) + "\n]\n"


if __name__ == "__main__":
    main()
