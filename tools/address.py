"""`make address URL=…`: put the repository's address everywhere it is mentioned.

The address stands in ``_config.yml``; a test holds every other mention to it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tools.settings import ROOT

URL = re.compile(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?")


def parse(url: str) -> tuple[str, str]:
    """Owner and name of a repository.

    Raises:
        ValueError: it is not an address on GitHub, from where alone Colab opens notebooks.
    """
    match = URL.fullmatch(url)
    if not match:
        raise ValueError(f"URL={url}: expected https://github.com/<owner>/<name>")
    return match[1], match[2]


def address(root: Path = ROOT) -> str:
    """The address in ``_config.yml``."""
    config = (root / "_config.yml").read_text(encoding="utf-8")
    match = re.search(r"^repository:\n\s+url:\s*(\S+)", config, flags=re.MULTILINE)
    if not match:
        raise ValueError(f"{root / '_config.yml'} has no repository: url: at the top level")
    return match[1]


def text_files(root: Path = ROOT) -> dict[Path, str]:
    """All text files of the repository, committed or about to be."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode()
    texts = {}
    for name in filter(None, listed.split("\0")):
        try:
            texts[root / name] = (root / name).read_bytes().decode()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
    return texts


def change(url: str, root: Path = ROOT) -> list[Path]:
    """Replace the address everywhere and return the files that changed.

    Raises:
        ValueError: see :func:`parse`.
    """
    (old_owner, old_name), (owner, name) = parse(address(root)), parse(url)
    repository = re.compile(rf"(?<![\w.-]){re.escape(f'{old_owner}/{old_name}')}(?![\w-])")
    site = re.compile(rf"\b{re.escape(f'{old_owner}.github.io/{old_name}')}(?![\w-])", re.I)
    changed = []
    # The file that says the old address last: a run that was interrupted can be repeated.
    for path, text in sorted(
        text_files(root).items(), key=lambda own: own[0].name == "_config.yml"
    ):
        new = repository.sub(f"{owner}/{name}", text)
        new = site.sub(f"{owner.lower()}.github.io/{name}", new)
        if new != text:
            path.write_bytes(new.encode())
            changed.append(path)
    return changed


if __name__ == "__main__":
    try:
        paths = change(sys.argv[1] if len(sys.argv) > 1 else "")
    except (ValueError, OSError) as error:
        sys.exit(f"make address: {error}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"make address: {error.stderr.decode().strip()}")
    for path in paths:
        print(path.relative_to(ROOT))
