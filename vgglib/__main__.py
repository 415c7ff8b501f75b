"""Train from the command line, on one device or on many::

    python -m vgglib --data cifar10 --recipe classic
    python -m vgglib --data ~/photos --image-size 64 --recipe fast
    torchrun --nproc-per-node=4 -m vgglib --data cifar10 --recipe classic

Trains the networks of a recipe one after the other, for each seed, and writes a record for each. It
goes on from the checkpoints of a run that was interrupted. Where the recipe lets deeper networks
start from shallower ones, these are trained too. "ablation", "ideas", "colors", "starts" and
"scales" stand for several recipes each; the networks of "scales" are also tested by the paper's
protocols, with records in a folder "protocols" beside the others.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from vgglib.configurations import CONFIGURATIONS
from vgglib.data import SOURCES, Data, load_data
from vgglib.experiments import Experiment, run_series
from vgglib.machine import distributed
from vgglib.machine.devices import PRECISIONS, choose_device, choose_precision
from vgglib.machine.distributed import InAllProcesses
from vgglib.machine.files import check_writable
from vgglib.miniature import fill_tables, plan_tables
from vgglib.recipes import NETWORKS, SERIES, Recipe, fraction_held_out


def run(given: argparse.Namespace) -> None:
    """Train what was asked for; process 0 alone prints.

    Raises:
        ValueError: data, device or epochs that cannot be, or a checkpoint of another run.
        OSError: a folder cannot be written.
        RuntimeError: a download failed.
        FloatingPointError: a training diverged.
    """
    recipes = {key: r.shortened(given.epochs) for key, r in SERIES[given.recipe].items()}
    chains = {key: [NETWORKS[recipe.name]] for key, recipe in recipes.items()}
    if given.networks:
        chains = {
            key: with_starts(given.networks, NETWORKS[recipe.name], recipe.grows)
            for key, recipe in recipes.items()
        }
    tests = Path(given.results).expanduser() / "protocols"
    asked = choose_device(given.device)
    choose_precision(asked, given.precision)  # refused here, where one process tells it
    with distributed.process_group(asked) as device:
        if given.recipe == "scales":
            distributed.from_first(lambda: check_writable(tests, "records"))
        # The first process downloads what is missing, then the others read it too.
        loaded: list[Data] = []
        load = functools.partial(
            load_data,
            given.data,
            root=given.downloads,
            image_size=given.image_size,
            validation=fraction_held_out(given.recipe)
            if given.validation is None
            else given.validation,
        )
        distributed.from_first(lambda: loaded.append(load()))
        data = loaded[0] if loaded else load()
        prints = distributed.from_all(data.fingerprint)
        distributed.from_first(lambda: check_same(prints))
        say = print if distributed.rank() == 0 else lambda *_, **__: None
        say(data, flush=True)
        say(few_steps(recipes.values(), len(data.train)), end="", file=sys.stderr)
        for seed in given.seeds:
            experiments = {
                (key, name): experiment
                for key, recipe in recipes.items()
                for chain in chains[key]
                for name, experiment in run_series(
                    chain,
                    data,
                    recipe,
                    report=lambda experiment: say(summary(experiment), flush=True),
                    seed=seed,
                    results=given.results,
                    checkpoints=given.checkpoints,
                    device=device,
                    precision=given.precision,
                ).items()
            }
            if given.recipe == "scales":
                scales = {key: recipe.training_scale for key, recipe in recipes.items()}
                trained = tuple(dict.fromkeys(name for _, name in experiments))
                cells = plan_tables(scales, trained)
                distributed.from_first(
                    lambda cells=cells, experiments=experiments: fill_tables(
                        cells,
                        experiments,
                        data,
                        results=tests,
                        precision=given.precision,
                    )
                )
                say(f"seed {seed}: tested by {len(cells)} combinations of network and protocol")


def with_starts(wanted: Sequence[str], order: Sequence[str], grows: bool) -> list[tuple[str, ...]]:
    """The networks to train for those that are wanted, each row from its first to its last.

    Where networks grow, each starts from the one before it in the order, so that those come first.
    Without them a record would have the name of another training. Networks that are not in the
    order are a row of their own.
    """
    if not grows:
        return [tuple(wanted)]
    known = [order.index(name) for name in wanted if name in order]
    others = tuple(name for name in wanted if name not in order)
    return [row for row in (order[: 1 + max(known, default=-1)], others) if row]


def check_same(fingerprints: Sequence[str]) -> None:
    """Refuse to train on other images in one process than in another.

    Raises:
        ValueError: a fingerprint is another than the first.
    """
    for number, fingerprint in enumerate(fingerprints):
        if fingerprint != fingerprints[0]:
            raise ValueError(
                f"process {number} has other images than process 0 (fingerprints {fingerprint} and"
                f" {fingerprints[0]}): give each machine a copy of the same folder"
            )


def few_steps(recipes: Iterable[Recipe], images: int) -> str:
    """What to say where a recipe's batches are larger than the images that it learns from."""
    recipe = max(recipes, key=lambda recipe: recipe.batch_size)
    if recipe.batch_size <= images:
        return ""
    return (
        f"vgglib: recipe {recipe.name!r} has batches of {recipe.batch_size:,} images, and there are"
        f" {images:,} to learn from: it takes {recipe.epochs} steps in all. Choose a recipe with"
        " smaller batches, such as modern, or more --epochs\n"
    )


def summary(experiment: Experiment) -> str:
    """A line for a finished training."""
    record = experiment.record
    balanced, validated = record.get("balanced_top_1"), record["validation_top_1"]
    return (
        f"{record['recipe']}, {record['model']}, seed {record['seed']}:"
        f" test top-1 {experiment.test.top_1:.2f} %,"
        f"{'' if balanced is None else f' mean over the classes {balanced:.2f} %,'}"
        f"{'' if validated is None else f' validation {validated:.2f} %,'}"
        f" {record['training_pflop']:.3f} PFLOP,"
        f" {record['train_seconds'] / 60:.1f} minutes, {record['device']}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and train, or say in a line what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m vgglib",
        description=__doc__.replace("::", ":"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--data",
        default="shapes",
        help=f"{', '.join(SOURCES)}, or a folder: {{train,test}}/<class>/*",
    )
    add(
        "--image-size",
        default=32,
        type=int,
        help="side in pixels that images of a folder are rescaled to, and shapes drawn at",
    )
    add("--recipe", default="quick", choices=list(SERIES))
    add(
        "--networks", nargs="+", choices=list(CONFIGURATIONS), help="those of the recipe by default"
    )
    add("--seeds", default=[0], nargs="+", type=int)
    add(
        "--validation",
        type=float,
        help="fraction of the training images that is held out, to choose by; by default a tenth,"
        " or none by the recipes fast, longer and cutout",
    )
    add("--epochs", type=int, help="fewer or more, with patience in proportion")
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    add("--precision", default="auto", choices=["auto", *PRECISIONS])
    add("--results", default="my_results", help="folder for the records")
    add("--checkpoints", default="checkpoints", help="folder for the checkpoints")
    add("--downloads", default="data", help="folder for downloads")
    try:
        run(parser.parse_args(arguments))
    except (ValueError, OSError, RuntimeError, FloatingPointError, InAllProcesses) as error:
        sys.exit(f"vgglib: {error}" if distributed.is_told_here(error) else 1)
    except KeyboardInterrupt:
        if distributed.is_first():
            print("\nvgglib: stopped; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)  # as the shell has it for Ctrl-C


if __name__ == "__main__":
    main()
