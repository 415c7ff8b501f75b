"""`make colab`: run the chapters as a reader does in Colab, who has nothing but the notebook.

A new environment has what Colab has: Python, torch, torchvision, matplotlib, safetensors (there for
transformers), Jupyter's kernel. The first cell of a chapter installs the package from this
repository's address, for which git is told to take this clone; what is not committed is not seen.
Then the whole chapter runs in an empty folder, and afterwards no package may have changed but ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from tools.address import address
from tools.chapters import ChapterError, execute, named
from tools.settings import ROOT
from tools.steps import step

# torch and torchvision in the versions of this book.
_REQUIRED = (ROOT / "requirements.txt").read_text(encoding="utf-8").split()
#: What Colab has of what a chapter needs.
PRESENT = (
    *(line for line in _REQUIRED if line.startswith(("torch==", "torchvision=="))),
    *("matplotlib", "tqdm", "safetensors", "ipykernel", "pip"),
)
PLACE = ROOT / "_build" / "colab"


def make_environment(folder: Path) -> Path:
    """A new environment, or the one that is there and whole; returns its Python."""
    python = folder / "bin" / "python"
    note = folder / "installed.json"
    try:  # nor has a chapter changed it since
        whole = json.loads(note.read_text()) == [list(PRESENT), _others(python)]
    except (OSError, ValueError, subprocess.CalledProcessError):
        whole = False
    if not whole:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*install, *PRESENT], check=True)
        note.write_text(json.dumps([list(PRESENT), _others(python)]))
    return python


def packages(python: Path) -> dict[str, str]:
    """Names and versions of what is installed."""
    command = [str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    listed = json.loads(done.stdout)
    return {package["name"]: package["version"] for package in listed}


def _others(python: Path) -> dict[str, str]:
    """The same without this package, which each chapter installs."""
    return {name: version for name, version in packages(python).items() if name != "vgglib"}


def run(chapter: Path, python: Path) -> None:
    """Install by the first cell, run all cells, and compare the packages before and after.

    Raises:
        ChapterError: a cell failed, or a package is another than before.
    """
    uninstall = [str(python), "-m", "pip", "uninstall", "-qq", "--yes", "vgglib"]
    subprocess.run(uninstall, check=True, stderr=subprocess.DEVNULL)
    before = packages(python)
    with tempfile.TemporaryDirectory() as folder:
        kernel = Path(folder, "kernels", "python3")
        kernel.mkdir(parents=True)
        launch = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": launch, "display_name": "as in Colab", "language": "python"}
        (kernel / "kernel.json").write_text(json.dumps(spec))
        with patch.dict(
            os.environ,
            JUPYTER_PATH=folder,
            PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            **instead(address(), ROOT.as_uri()),
        ):
            execute(chapter, {})
    after = packages(python)
    if "vgglib" not in after:
        raise ChapterError(f"chapter {chapter.stem}: its first cell did not install vgglib")
    del after["vgglib"]
    if after != before:
        changed = sorted(n for n in {*before, *after} if before.get(n) != after.get(n))
        raise ChapterError(f"chapter {chapter.stem}: installing changed {', '.join(changed)}")


def instead(url: str, clone: str) -> dict[str, str]:
    """Settings by which git takes a clone for an address; and it may be of another user."""
    settings = {f"url.{clone}.insteadOf": url, "safe.directory": "*"}
    numbered = {}
    for i, (key, value) in enumerate(settings.items()):
        numbered |= {f"GIT_CONFIG_KEY_{i}": key, f"GIT_CONFIG_VALUE_{i}": value}
    return {"GIT_CONFIG_COUNT": str(len(settings)), **numbered}


def main() -> None:
    """Run the chapters named on the command line, or all."""
    try:
        wanted = named(sys.argv[1:])
        with step("an environment as in Colab"):
            python = make_environment(PLACE)
        for chapter in wanted:
            with step(chapter.stem):
                run(chapter, python)
    except ChapterError as error:
        sys.exit(f"make colab: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"make colab: {' '.join(error.cmd[:4])} ... failed: see above")


if __name__ == "__main__":
    main()
