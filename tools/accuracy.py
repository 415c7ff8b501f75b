"""`make accuracy`: the accuracy tables from nothing, through the chapters that train.

For each seed papermill executes the training chapters in the full profile. They go on from their
checkpoints and write records; at the end the chapters with tables are executed in place, and the
table of the first page is renewed. Killed at any moment and run again, it loses at most the epoch
in hand.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tools import landing
from tools.chapters import ChapterError, chapters, execute, to_bytes
from tools.refresh import refresh
from tools.settings import ROOT, Settings, read_settings
from tools.steps import step
from vgglib.machine.devices import choose_device
from vgglib.machine.files import atomic_write, check_writable

TRAIN = ("training", "going_deeper", "ten_years_later")
TABLES = ("results", "ten_years_later")


def read_seeds(text: str) -> list[int]:
    """The seeds as numbers.

    Raises:
        ValueError: one is no whole number of 0 or more.
    """
    wrong = [seed for seed in text.split() if not seed.isdecimal()]
    if wrong or not text.split():
        raise ValueError(f'SEEDS={text}: expected whole numbers, such as SEEDS="0 1 2"')
    return [int(seed) for seed in text.split()]


def own_settings(arguments: list[str]) -> Settings:
    """Those of the full profile; the records become the book's if no other folder is given.

    Raises:
        ValueError: see :func:`~tools.settings.read_settings`.
    """
    unlike = ("--seeds=", "--profile=")
    others = [a for a in arguments if not a.startswith(unlike) and a != "--results="]
    return read_settings([f"--results={ROOT / 'results'}", *others, "--profile=full"])


def measure(settings: Settings, seeds: list[int]) -> None:
    """Train for all seeds, then renew the tables.

    Raises:
        ChapterError: a chapter failed; the trainings before it are kept.
        ValueError: there is no such device.
        OSError: a folder cannot be written.
    """
    choose_device(settings.device)
    check_writable(settings.results, "records")
    check_writable(settings.checkpoints, "checkpoints")
    paths = {path.stem: path for path in chapters()}
    executed = settings.work.parent.with_name("accuracy") / Path(settings.data).name
    for seed in seeds:
        for name in TRAIN:
            with step(f"seed {seed}, {name}"):
                notebook = execute(paths[name], {**settings.parameters, "SEED": seed})
            with atomic_write(executed / f"{name}-seed{seed}.ipynb") as file:
                file.write(to_bytes(notebook))
    published = settings.results == ROOT / "results"
    for name in TABLES:
        with step(f"tables, {name}"):
            if published:
                refresh(paths[name])
            else:  # records of one's own leave the book's chapters as they are
                own = {"RESULTS": str(settings.results)}
                with atomic_write(executed / f"{name}.ipynb") as file:
                    file.write(to_bytes(execute(paths[name], own)))
    if published:
        landing.renew()


def main() -> None:
    """Read the command line, train, and say in a line what is wrong."""
    seeds = [a.split("=", 1)[1] for a in sys.argv[1:] if a.startswith("--seeds=")]
    try:
        measure(own_settings(sys.argv[1:]), read_seeds(seeds[-1] if seeds else "0"))
    except (ValueError, OSError) as error:
        sys.exit(f"make accuracy: {error}")
    except ChapterError as error:
        sys.exit(f"make accuracy: {error}\nRun it again to go on where it stopped.")
    except KeyboardInterrupt:
        sys.exit("\nmake accuracy: stopped; run it again to go on where it was")


if __name__ == "__main__":
    main()
