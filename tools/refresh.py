"""`make refresh`: execute the committed notebooks in place, all or those named, and renew the table
of the first page.

A chapter is executed with its own parameters in an empty folder, as a reader would run it. Its file
is replaced only if all of it ran, and two runs in a row give the same bytes (of "Testing like the
paper", which measures a time, all but that).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tools import landing
from tools.chapters import ChapterError, execute, named, to_bytes
from vgglib.machine.files import atomic_write


def refresh(path: Path) -> bool:
    """Execute a notebook in place; return whether its file changed.

    Raises:
        ChapterError: a cell failed; the file is as it was.
    """
    content = to_bytes(execute(path, {}))
    if content == path.read_bytes():
        return False
    with atomic_write(path) as file:
        file.write(content)
    return True


def main() -> None:
    """Refresh the chapters named on the command line, or all."""
    try:
        wanted = named(sys.argv[1:])
    except ChapterError as error:
        sys.exit(f"make refresh: {error}")
    for chapter in wanted:
        start = time.perf_counter()
        print(f"{chapter.stem:<20}", end="", flush=True)
        try:
            changed = refresh(chapter)
        except ChapterError as error:
            print("", flush=True)
            sys.exit(f"make refresh: {error}\nIts file is as it was.")
        took = time.perf_counter() - start
        print(f"{took:6.0f} s  {'changed' if changed else 'the same'}", flush=True)
    for page in landing.PAGES:
        print(f"{page.stem:<30}{'changed' if landing.renew(page) else 'the same'}")


if __name__ == "__main__":
    main()
