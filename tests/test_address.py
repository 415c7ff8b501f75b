"""The repository's address stands in _config.yml; every other mention must agree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tools.address import address, change, parse, text_files
from tools.settings import ROOT

# Repositories of others that the book refers to.
CITED = {
    "akrizhevsky/cuda-convnet2",
    "cleanlab/label-errors",
    "cvjena/cifair",
    "jianzhongdev/vggpytorch",
    "kellerjordan/cifar10-airbench",
    "kuangliu/pytorch-cifar",
    "pytorch/vision",
}
CITED_SITES = {"jianzhongdev.github.io", "kellerjordan.github.io"}

# Written so that this file itself mentions no address.
REPOSITORY = re.compile(r"(?:github\.com[/:]|\.com/github/)([\w-]+)/([\w-]+(?:\.[\w-]+)*)", re.I)
SITE = re.compile(r"([\w-]+\.github\.io)(?:/([\w.-]+))?", re.I)


def test_every_mention_is_the_address_in_the_configuration():
    owner, name = parse(address())
    mentions = []
    for path, text in text_files().items():
        if path.is_relative_to(ROOT / "tests"):
            continue
        for found_owner, found in REPOSITORY.findall(text):
            full = f"{found_owner}/{found.removesuffix('.git')}"
            if full.lower() not in CITED:
                assert full == f"{owner}/{name}", f"{path}: make address URL={address()}"
                mentions.append(path.name)
        for host, found in SITE.findall(text):
            if host.lower() not in CITED_SITES:
                assert (host.lower(), found) == (f"{owner.lower()}.github.io", name), path
    assert {"_config.yml", "pyproject.toml", "CITATION.cff"} <= set(mentions)
    assert any(name.endswith(".ipynb") for name in mentions)


def test_change_finds_every_form_and_leaves_others(tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    hub = "https://github" + ".com"
    (tmp_path / "_config.yml").write_text(f"repository:\n  url: {hub}/ann/book\n")
    (tmp_path / "a.md").write_text(
        f"{hub}/ann/book {hub}/ann/book.git {hub}/ann/book-two {hub}/joann/book"
        " https://ann.github" + ".io/book/x.html https://colab.example" + ".com/github/ann/book/b"
    )
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff ann/book")

    changed = change(f"{hub}/Bob/vgg", tmp_path)

    assert sorted(path.name for path in changed) == ["_config.yml", "a.md"]
    assert address(tmp_path) == f"{hub}/Bob/vgg"
    assert (tmp_path / "a.md").read_text() == (
        f"{hub}/Bob/vgg {hub}/Bob/vgg.git {hub}/ann/book-two {hub}/joann/book"
        " https://bob.github" + ".io/vgg/x.html https://colab.example" + ".com/github/Bob/vgg/b"
    )
    assert change(f"{hub}/Bob/vgg/", tmp_path) == []


def test_a_change_that_was_interrupted_can_be_repeated(tmp_path, monkeypatch):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    hub = "https://github" + ".com"
    for name in ("_config.yml", "a.md"):
        (tmp_path / name).write_text(f"repository:\n  url: {hub}/ann/book\n")
    write = Path.write_bytes

    def fail(path, content):
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="the disk is full"):
        change(f"{hub}/Bob/vgg", tmp_path)
    monkeypatch.setattr(Path, "write_bytes", write)
    assert [p.name for p in change(f"{hub}/Bob/vgg", tmp_path)] == ["a.md", "_config.yml"]


@pytest.mark.parametrize("url", ["", "ann/book", "https://example.org/ann/book", "x y"])
def test_what_is_no_repository_on_github_is_refused(url):
    with pytest.raises(ValueError, match=r"expected https://github\.com/<owner>/<name>"):
        parse(url)
