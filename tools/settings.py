"""The settings of `make book`, checked before anything is installed or run.

For that this file needs nothing but Python's standard library.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROFILES = ("quick", "full")
# The keys of a dict in the package, which cannot be imported before torch is installed.
_DATA = (ROOT / "vgglib" / "data.py").read_text(encoding="utf-8")
BUILT_IN = tuple(re.findall(r'"([^"]+)":', re.search(r"^SOURCES.*?^}", _DATA, re.M | re.S)[0]))
#: The same images, as they are and stored once as JPEG: networks of one are tested on both.
PAIR = ("cifar10", "cifar10-jpeg")
#: What Jupyter Book 2 renames.
RENAMED = ("_config.yml", "_toc.yml")
#: What the folder of test images may be called, the first that is there; see `vgglib/folders.py`.
TEST_SPLITS = ("test", "val", "valid", "validation")
LAYOUT = "train/<class>/* and test/<class>/*, one folder of images for each class"


@dataclass(frozen=True)
class Settings:
    """What `make book` was asked for. All folders are absolute.

    Attributes:
        profile: "quick", minutes on the built-in data set, or "full", the full-size trainings.
        data: "shapes", "cifar10", "cifar10-jpeg" or a folder of images.
        device: "auto", or one that torch knows.
        epochs: of the real trainings; ``None``: as many as their recipe has.
        work: what is under way; wiped at the start of the next build.
        results: where the chapters write and read records.
        checkpoints: where trainings go on from.
        downloads: where downloads go, or are already.
    """

    profile: str
    data: str
    device: str
    epochs: int | None
    work: Path
    results: Path
    checkpoints: Path
    downloads: Path

    @property
    def parameters(self) -> dict[str, str | int | None]:
        """The chapters' parameters, by the names in their cells tagged ``parameters``."""
        return {
            "PROFILE": self.profile,
            "DATA": self.data,
            "DEVICE": self.device,
            "EPOCHS": self.epochs,
            "RESULTS": str(self.results),
            "CHECKPOINTS": str(self.checkpoints),
            "DOWNLOADS": str(self.downloads),
        }


def read_settings(arguments: list[str]) -> Settings:
    """Read the command line. What is empty gets the default of its profile.

    Raises:
        ValueError: the profile is unknown, the epochs are no number, or the data are neither built
            in nor a folder with the right layout.
    """
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for option in ("profile", "data", "device", "epochs", "results", "checkpoints", "downloads"):
        parser.add_argument(f"--{option}", default="")
    given = parser.parse_args(arguments)

    profile = given.profile or "quick"
    if profile not in PROFILES:
        raise ValueError(
            f"PROFILE={profile}: expected {' or '.join(PROFILES)}{_suggest(profile, PROFILES)}"
        )
    if given.epochs and not (given.epochs.isdecimal() and int(given.epochs)):
        raise ValueError(f"EPOCHS={given.epochs}: expected a whole number of 1 or more")
    data = check_data(given.data or ("shapes" if profile == "quick" else "cifar10"))
    place = ROOT / "_build" / profile
    work = place / "work"
    if profile == "quick":  # reproducible: starts from nothing, touches nothing
        results, checkpoints = work / "results", work / "checkpoints"
    else:  # hours of work: goes on where it stopped, even in a new clone
        # The published records are not replaced: `make accuracy` writes them.
        results, checkpoints = place / "results", checkpoint_folder(data)
    return Settings(
        profile=profile,
        data=data,
        device=given.device or "auto",
        epochs=int(given.epochs) if given.epochs else None,
        work=work,
        results=absolute(given.results) if given.results else results,
        checkpoints=absolute(given.checkpoints) if given.checkpoints else checkpoints,
        downloads=absolute(given.downloads) if given.downloads else ROOT / "data",
    )


def check_files(root: Path = ROOT) -> None:
    """Find out whether Jupyter Book 2 has been here, which takes the files of version 1 away.

    Raises:
        ValueError: they are renamed; the message says how to undo it.
    """
    hidden = {
        name: backups[0].name
        for name in RENAMED
        if not (root / name).exists() and (backups := sorted(root.glob(f".{name}*.bak")))
    }
    if hidden:
        renamed = " and ".join(f"{name} is now {backup}" for name, backup in hidden.items())
        undo = [f"mv {backup} {name}" for name, backup in hidden.items()]
        undo += ["rm myst.yml"] * (root / "myst.yml").exists()
        raise ValueError(
            f"{renamed}: Jupyter Book 2 does that, if its question is answered with yes. This book"
            " is made with Jupyter Book 1, which `make book` installs and calls. To undo it, in"
            f" {root}: {' && '.join(undo)}; lines that it added to .gitignore do no harm"
        )


def check_data(data: str) -> str:
    """The name of a built-in data set as it is, a folder as an absolute path.

    Raises:
        ValueError: there is no such folder, or it lacks a part of the layout.
    """
    if data in BUILT_IN:
        return data
    folder = absolute(data)
    if not folder.is_dir():
        raise ValueError(
            f"DATA={data}: there is no folder {folder}; expected {', '.join(BUILT_IN)} or a folder"
            f" with {LAYOUT}{_suggest(data, BUILT_IN)}"
        )
    if folder.name in BUILT_IN:
        raise ValueError(
            f"DATA={data}: the folder has the name of a built-in data set, whose records its own"
            " would be mixed with; rename it"
        )
    # A split for the test may have another name, and of a folder without splits one is drawn.
    found = [part for part in ("train", *TEST_SPLITS) if (folder / part).is_dir()]
    places = [folder]
    if found:
        tests = [part for part in found if part != "train"]
        places = [folder / "train", folder / [*tests, "test"][0]]
    for place in places:
        if not any(place.glob("*/*")):
            raise ValueError(f"DATA={data}: no images in {place}; expected {LAYOUT}")
    return str(folder)


def checkpoint_folder(data: str) -> Path:
    """Where long trainings on these data are kept, outside of any clone."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return cache / "vgg-book" / Path(data).name


def absolute(folder: str) -> Path:
    """A folder as it was typed, with ``~`` and relative to where the command was given."""
    return Path(folder).expanduser().resolve()


def _suggest(word: str, words: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word.lower(), words, n=1)
    return f"; did you mean {near[0]}?" if near else ""


if __name__ == "__main__":
    try:
        check_files()
        read_settings(sys.argv[1:])
    except ValueError as error:
        sys.exit(f"make: {error}")
