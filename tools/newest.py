"""`python -m tools.newest`: put the newest torch and torchvision where the book's versions stand.

Then `make test` and `make book` say whether the book holds with them, and `make refresh` renews its
outputs. A workflow does this once a month, without the refreshing. It needs no environment.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.request import urlopen

from tools.settings import ROOT

PACKAGES = ("torch", "torchvision")
# Where a version stands, for each file: what is before it, the version, what is after.
PLACES = {
    "requirements.txt": r"(^{0}==)(\S+)($)",
    "pages/versions.md": r"(^\| {0} \| )(\S+)( \|)",
}


def newest(package: str) -> str:
    """The newest release that the Python Package Index has."""
    with urlopen(f"https://pypi.org/pypi/{package}/json", timeout=60) as answer:
        return json.load(answer)["info"]["version"]


def put(versions: Mapping[str, str], root: Path = ROOT) -> None:
    """Write versions into all places.

    Args:
        versions: of each package, by its name.
        root: of the repository.

    Raises:
        ValueError: a file does not have the version of a package in exactly one place.
    """
    texts = {}
    for name, place in PLACES.items():
        text = (root / name).read_text(encoding="utf-8")
        for package, version in versions.items():
            pattern = re.compile(place.format(package), re.MULTILINE)
            text, count = pattern.subn(rf"\g<1>{version}\g<3>", text)
            if count != 1:
                raise ValueError(f"{name} has the version of {package} in {count} places, not 1")
        texts[name] = text
    for name, text in texts.items():  # both or none
        (root / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Ask for the newest versions, and write them."""
    try:
        versions = {package: newest(package) for package in PACKAGES}
        put(versions)
    except (OSError, ValueError) as error:
        sys.exit(f"newest: {error}")
    print(", ".join(f"{package} {version}" for package, version in versions.items()))


if __name__ == "__main__":
    main()
