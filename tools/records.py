"""`make records`: train the networks of the results chapter for some seeds and write their records.

What the chapters train for one seed, this trains for several: I, then II from I, then III from II.
It goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import sys

import vgglib
from tools.settings import ROOT, absolute, check_data, checkpoint_folder


def train_records(given: argparse.Namespace) -> None:
    """Train I, II and III for each of the seeds.

    Raises:
        ValueError: data, device or epochs that cannot be, or a checkpoint of another run.
        OSError: a folder cannot be written.
    """
    source = check_data(given.data)
    device = vgglib.choose_device(given.device)
    checkpoints = absolute(given.checkpoints) if given.checkpoints else checkpoint_folder(source)
    results = absolute(given.results) if given.results else ROOT / "results"
    recipe = vgglib.RECIPES[given.recipe].shortened(given.epochs)
    data = vgglib.load_data(source, root=ROOT / "data")
    print(data, flush=True)
    for seed in given.seeds:
        shallow = None
        for name in ("I", "II", "III"):
            run = vgglib.run_experiment(
                name,
                data,
                recipe if shallow is None else vgglib.deeper(recipe),
                seed=seed,
                shallow=shallow,
                results=results,
                checkpoints=checkpoints,
                device=device,
            )
            print(f"{name:4} seed {seed}: top-1 {run.test.top_1:.2f} %", flush=True)
            shallow = run.model


def main() -> None:
    """Read the command line and train, or say in a line what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--recipe", default="quick", choices=list(vgglib.RECIPES))
    parser.add_argument("--epochs", type=int, help="fewer epochs, with patience in proportion")
    parser.add_argument("--seeds", default=[0, 1, 2], nargs="+", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--results", help="folder; the book's own if not given")
    parser.add_argument("--checkpoints", help="folder; in the user's cache if not given")
    try:
        train_records(parser.parse_args())
    except (ValueError, OSError, RuntimeError, FloatingPointError) as error:
        sys.exit(f"make records: {error}")


if __name__ == "__main__":
    main()
