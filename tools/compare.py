"""The second half of `make test`: run each chapter, compare its outputs with the committed ones.

Each chapter runs alone in a folder, and so proves that it needs nothing of the
repository at hand but the package.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tools.chapters import ChapterError, environment, named
from tools.settings import ROOT

# What is left out of the comparison: numbers behind the sign for "about".
MEASURED = ROOT / "tests" / "measured.cfg"


@dataclass(frozen=True)
class Comparison:
    """What a run of a chapter gave.

    Attributes:
        different: how many code cells gave another output than the committed one, or failed.
        seconds: that it took.
        log: what pytest says about them.
    """

    different: int
    seconds: float
    log: str


def compare(
    chapter: Path, *, startup: str = "", variables: Mapping[str, str] | None = None
) -> Comparison:
    """Run a chapter, and compare what its cells give with what is stored.

    Args:
        chapter: the notebook.
        startup: see :func:`tools.chapters.environment`.
        variables: of the environment, besides.
    """
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="chapter-") as folder:
        report = Path(folder, "report.xml")
        empty = Path(folder, "empty")
        empty.mkdir()
        copied = shutil.copy(chapter, empty)  # nbval runs a notebook in the folder where it lies
        command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
        command += ["-p", "no:cacheprovider", "-p", "no:xdist", "--quiet", f"--junitxml={report}"]
        command += ["--nbval", "--nbval-current-env", f"--nbval-sanitize-with={MEASURED}", copied]
        done = subprocess.run(
            command,
            cwd=empty,
            env=environment(Path(folder), startup) | dict(variables or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        different = 0
        if done.returncode:
            # Without a report pytest itself has failed: that is a difference, too.
            suites = ElementTree.parse(report).iter("testsuite") if report.exists() else ()
            counts = [int(s.get("failures", 0)) + int(s.get("errors", 0)) for s in suites]
            different = max(1, sum(counts))
    return Comparison(different, time.perf_counter() - started, done.stdout)


def main() -> None:
    """Compare the named chapters, or all; end with an error that names those that differ."""

    def run(chapter: Path) -> Comparison:
        # A thread for each, and as many chapters at once as there are cores: two threads that wait
        # for each other on a busy machine are slower than one.
        found = compare(chapter, variables={"OMP_NUM_THREADS": "1"})
        print(f"{chapter.stem:<20}{told(found)}", flush=True)
        return found

    try:
        paths = named(sys.argv[1:])
    except ChapterError as error:
        sys.exit(f"make test: {error}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = dict(zip(paths, pool.map(run, paths), strict=True))
    different = [path.stem for path in paths if found[path].different]
    for path in paths:
        if found[path].different:
            print(f"\n{path.relative_to(ROOT)}\n{found[path].log}")
    if different:
        sys.exit(
            f"make test: {', '.join(different)} gave other outputs than the committed ones. If the"
            " new ones are right: make refresh CHAPTER=<name>"
        )


def told(comparison: Comparison) -> str:
    """Seconds, and how many cells differ if any do."""
    differ = f", {comparison.different} differ" if comparison.different else ""
    return f"{comparison.seconds:.0f} s{differ}"


if __name__ == "__main__":
    main()
