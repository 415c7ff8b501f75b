"""Fixtures shared by the tests: fixed randomness, and folders of small images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(autouse=True)
def fixed_randomness():
    """Each test draws the same numbers, whichever tests ran before it."""
    torch.manual_seed(0)


@pytest.fixture
def one_thread():
    """Very small networks are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def save_image():
    """Write a picture of random pixels, or of the given ones, and give its path."""
    rng = np.random.default_rng(0)

    def save(path: Path, size=(8, 8), mode="RGB", pixels=None, **options) -> Path:
        width, height = size
        if pixels is None:
            channels = () if mode == "L" else (len(mode),)
            pixels = rng.integers(0, 256, (height, width, *channels), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path, **options)
        return path

    return save


@pytest.fixture
def image_folder(tmp_path, save_image):
    """``train/<class>/*`` and ``test/<class>/*`` of two classes: 2 x 5 and 2 x 2 pictures."""
    for part, count in (("train", 5), ("test", 2)):
        for name in ("cat", "dog"):
            for i in range(count):
                save_image(tmp_path / "pets" / part / name / f"{i}.png")
    return tmp_path / "pets"


@pytest.fixture
def verdict(capsys):
    """What the check of an exercise prints about an answer."""

    def ask(check, *answers, **more) -> str:
        check(*answers, **more)
        return capsys.readouterr().out

    return ask
