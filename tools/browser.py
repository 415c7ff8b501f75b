"""The Chromium of the system, for what prints, draws and tests with it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


def find_browser() -> str:
    """Where it is.

    Raises:
        OSError: there is none.
    """
    for found in filter(None, map(shutil.which, NAMES)):
        return found
    raise OSError("there is no Chromium; install it (Debian, Ubuntu: apt install chromium)")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A running browser.

    Raises:
        OSError: there is none.
    """
    path = find_browser()
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
