"""`make records`: train the networks of a recipe for some seeds and write their records.

It is `python -m vgglib` with the folders of the book: records go into it, checkpoints outside.
"""

from __future__ import annotations

import argparse
import sys

from tools.settings import PAIR, ROOT, absolute, check_data, checkpoint_folder
from vgglib.__main__ import main as train


def main() -> None:
    """Fill in the folders and train, or say in a line what is wrong."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False, add_help=False
    )
    parser.add_argument("--data", default="shapes")
    parser.add_argument("--results", default="")
    parser.add_argument("--checkpoints", default="")
    parser.add_argument("--downloads", default="")
    parser.add_argument("--recipe", default="")
    given, others = parser.parse_known_args()
    try:
        data = check_data(given.data)
    except ValueError as error:
        sys.exit(f"make records: {error}")
    results = absolute(given.results) if given.results else ROOT / "results"
    checkpoints = absolute(given.checkpoints) if given.checkpoints else checkpoint_folder(data)
    downloads = absolute(given.downloads) if given.downloads else ROOT / "data"
    if given.recipe == "fast" and data in PAIR and results == ROOT / "results":
        sys.exit(
            "make records: with the records of fast the book has a network and more predictions,"
            " which would stay those of the old training. Add RESULTS=FOLDER; or remove the"
            " records, and make accuracy DATA=cifar10 RECIPES=fast writes all of them"
        )
    recipe = [f"--recipe={given.recipe}"] * bool(given.recipe)
    folders = [f"--results={results}", f"--checkpoints={checkpoints}", f"--downloads={downloads}"]
    train([f"--data={data}", *folders, *recipe, *others])


if __name__ == "__main__":
    main()
