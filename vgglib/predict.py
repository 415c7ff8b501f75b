"""Name what a photo shows, by a network that was trained before::

    python -m vgglib.predict photo.jpg --weights slim
    python -m vgglib.predict photo.jpg --weights checkpoints/photos-fast-slim-9epochs-seed0.pt

Prints the five most probable classes. ``slim`` comes with the package and knows the ten classes of
CIFAR-10. Other weights are a checkpoint of ``python -m vgglib`` or of ``vgglib.train``, which holds
the classes and the preprocessing, too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from vgglib.trained import load_trained


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and name the photos, or say in a line what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m vgglib.predict",
        description=__doc__.replace("::", ":").replace("``", ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("photos", nargs="+", help="image files")
    parser.add_argument("--weights", required=True, help="a checkpoint, or slim")
    given = parser.parse_args(arguments)
    problems = []
    try:
        trained = load_trained(given.weights)
    except (ValueError, OSError) as error:
        sys.exit(f"vgglib.predict: {error}")
    if trained.warning:
        print(f"{given.weights}: {trained.warning}", file=sys.stderr)
    for photo in given.photos:
        try:
            best = trained.name_image(photo)
        except (ValueError, OSError) as error:
            problems.append(str(error))
            continue
        print(photo)
        for name, percent in best:
            print(f"  {percent:5.1f} %  {name}")
    if problems:
        sys.exit("\n".join(f"vgglib.predict: {problem}" for problem in problems))


if __name__ == "__main__":
    main()
