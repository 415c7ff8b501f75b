"""The second half of `make test`: run each chapter, compare its outputs with the committed ones.

Each chapter runs alone in a folder, and so proves that it needs nothing of the
repository at hand but the package.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from tools.chapters import chapters, clean_environment
from tools.settings import ROOT


def main() -> None:
    """Compare all chapters; end with an error that names those that differ."""
    different = []
    for chapter in chapters():
        print(f"\n{chapter.relative_to(ROOT)}", flush=True)
        command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml")]
        command += ["-p", "no:cacheprovider", "--quiet", "--nbval", "--nbval-current-env"]
        with clean_environment() as empty:
            # nbval runs a notebook in the folder where it lies.
            copied = shutil.copy(chapter, empty)
            if subprocess.run([*command, copied], cwd=empty).returncode:
                different.append(chapter.stem)
    if different:
        sys.exit(
            f"make test: {', '.join(different)} gave other outputs than the committed ones. If the"
            " new ones are right: make refresh CHAPTER=<name>"
        )


if __name__ == "__main__":
    main()
