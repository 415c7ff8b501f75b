"""`make records`: train the networks of the results chapter for some seeds and write their records.

What the chapters train for one seed, this trains for several: I, then II from I, then III from II.
It goes on where it was interrupted. The records replace those in ``results``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import vgglib
from tools.settings import ROOT, check_data


def main() -> None:
    """Read the command line and train."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="shapes", type=check_data)
    parser.add_argument("--recipe", default="quick", choices=list(vgglib.RECIPES))
    parser.add_argument("--epochs", type=int, help="fewer epochs, with patience in proportion")
    parser.add_argument("--seeds", default=[0, 1, 2], nargs="+", type=int)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--results", default=ROOT / "results", type=Path)
    parser.add_argument("--checkpoints", default=ROOT / "_build" / "checkpoints", type=Path)
    given = parser.parse_args()

    data = vgglib.load_data(given.data, root=ROOT / "data")
    recipe = vgglib.RECIPES[given.recipe].shortened(given.epochs)
    print(data)
    for seed in given.seeds:
        shallow = None
        for name in ("I", "II", "III"):
            run = vgglib.run_experiment(
                name,
                data,
                recipe if shallow is None else vgglib.deeper(recipe),
                seed=seed,
                shallow=shallow,
                results=given.results,
                checkpoints=given.checkpoints,
                device=given.device,
            )
            print(f"{name:4} seed {seed}: top-1 {run.test.top_1:.2f} %", flush=True)
            shallow = run.model


if __name__ == "__main__":
    main()
