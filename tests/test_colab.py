"""`make colab`: what it lets pass, and what it does not."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tools import colab
from tools.chapters import ChapterError

HERE = Path(sys.executable)
BEFORE = {"torch": "2.14.1", "numpy": "2.0"}


@pytest.fixture
def fakes(monkeypatch):
    """No environment, no chapter: only what is listed before and after."""

    def make(after):
        listed = iter([BEFORE, after])
        seen = {}
        monkeypatch.setattr(colab, "packages", lambda python: dict(next(listed)))
        monkeypatch.setattr(colab.subprocess, "run", lambda *args, **more: None)
        monkeypatch.setattr(colab, "execute", lambda *args: seen.update(os.environ))
        return seen

    return make


def test_a_chapter_may_install_the_package_and_nothing_else(fakes):
    fakes({**BEFORE, "vgglib": "0.1.0"})
    colab.run(Path("training.ipynb"), HERE)


@pytest.mark.parametrize(
    ("after", "message"),
    [
        (BEFORE, "chapter training: its first cell did not install vgglib"),
        ({**BEFORE, "vgglib": "0.1.0", "numpy": "1.26"}, "installing changed numpy"),
        ({**BEFORE, "vgglib": "0.1.0", "pandas": "2.2"}, "installing changed pandas"),
        ({"torch": "2.14.1", "vgglib": "0.1.0"}, "installing changed numpy"),
    ],
)
def test_what_a_chapter_may_not(fakes, after, message):
    fakes(after)
    with pytest.raises(ChapterError, match=message):
        colab.run(Path("training.ipynb"), HERE)


def test_the_environment_is_that_of_the_chapter_alone(fakes):
    before = dict(os.environ)
    seen = fakes({**BEFORE, "vgglib": "0.1.0"})
    colab.run(Path("training.ipynb"), HERE)
    assert dict(os.environ) == before
    assert seen["PATH"].startswith(str(HERE.parent))
    assert not Path(seen["JUPYTER_PATH"]).exists()  # its folder is gone again


def test_an_environment_that_is_not_whole_is_made_anew(monkeypatch, tmp_path):
    ran, there = [], dict(BEFORE)
    monkeypatch.setattr(colab.subprocess, "run", lambda command, **_: ran.append(command))
    monkeypatch.setattr(colab, "packages", lambda python: dict(there))
    for _ in range(2):
        colab.make_environment(tmp_path)
        there["vgglib"] = "0.1.0"  # which a chapter has installed
    assert [command[2] for command in ran] == ["venv", "pip"]  # the second time it is there
    there[next(iter(BEFORE))] = "99"  # which a chapter has changed
    colab.make_environment(tmp_path)
    assert len(ran) == 4


def test_the_versions_are_those_of_the_book():
    pinned = {line for line in colab.PRESENT if "==" in line}
    found = {f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "torchvision")}
    assert pinned == found


def test_git_takes_the_clone_for_the_address(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "init", "-q", str(clone)], check=True)
    settings = colab.instead("https://example.invalid/owner/name", clone.as_uri())
    subprocess.run(
        ["git", "ls-remote", "https://example.invalid/owner/name"],
        env={**os.environ, **settings},
        check=True,
        capture_output=True,
    )


def test_a_chapter_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["colab", "trainig"])
    with pytest.raises(SystemExit, match="no chapter trainig; there are architecture, "):
        colab.main()
