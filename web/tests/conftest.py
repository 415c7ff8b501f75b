"""The built site on a local server, and a browser to read it with."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page

from tools.browser import find_browser, open_browser
from tools.serve import server
from tools.settings import ROOT

SITE = ROOT / "_build" / "quick" / "html"
#: Width and height in pixels.
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
#: Endings of files that a host compresses.
TEXT = {".html", ".js", ".mjs", ".css", ".json", ".svg"}
LOOKS = [(size, scheme) for size in SIZES for scheme in ("light", "dark")]


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--site FOLDER`` tests another site than that of ``make book``."""
    parser.addoption("--site", type=Path, default=SITE, help="the folder of the built site")


def pytest_configure(config: pytest.Config) -> None:
    """What is missing is told before anything runs, by the process that prints."""
    site = config.getoption("--site")
    if not (site / "index.html").is_file():
        raise pytest.UsageError(f"there is no site in {site}: run make book first")
    try:
        find_browser()
    except OSError as error:
        raise pytest.UsageError(
            f"THE SITE IS NOT TESTED: {error} and run make test-site again"
        ) from None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument ``path`` runs for each page of the site."""
    if "path" in metafunc.fixturenames:
        site = metafunc.config.getoption("--site")
        metafunc.parametrize("path", pages_of(site))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what each page weighs and how soon it shows something."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "weight":
                terminalreporter.write_line(value)


def pages_of(site: Path) -> list[str]:
    """All pages, as paths within the site; without those of the theme's own parts."""
    found = [str(file.relative_to(site)) for file in site.rglob("*.html")]
    return sorted(path for path in found if not path.startswith(("_static/", "_modules/")))


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Path:
    """The folder of the site."""
    return request.config.getoption("--site")


@pytest.fixture(scope="session")
def address(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site is served: in a folder of the server, since it must work in any."""
    root = tmp_path_factory.mktemp("server")
    (root / "some-folder").symlink_to(site.resolve())
    running = server(site, directory=root)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/some-folder/"
    running.shutdown()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, as the system has it."""
    with open_browser() as running:
        yield running


@cache
def weight(file: Path) -> int:
    """Bytes of a file as GitHub Pages and other hosts send it: text is compressed."""
    content = file.read_bytes() if file.is_file() else b""
    return len(gzip.compress(content) if file.suffix in TEXT else content)


@dataclass
class Visit:
    """A page that is open, and what it did that it should not.

    Attributes:
        page: to be looked at and operated.
        elsewhere: addresses of other hosts that it asked.
        failed: addresses that gave an error.
        messages: warnings and errors of the console, and errors of scripts.
        bytes: of all that was loaded, see :func:`weight`.
    """

    page: Page
    elsewhere: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    bytes: int = 0


@pytest.fixture(scope="session")
def visit(browser: Browser, address: str, site: Path) -> Callable:
    """``with visit(path, size, scheme) as seen:`` opens a page and waits until it is ready."""

    @contextmanager
    def open_page(path: str, size: str = "desktop", scheme: str = "light") -> Iterator[Visit]:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",
        )
        seen = Visit(context.new_page())
        page = seen.page
        page.on("pageerror", lambda error: seen.messages.append(f"error: {error}"))

        def said(message) -> None:
            # The theme's scripts write down what they do: [PST], [togglebutton].
            if message.type != "log":
                seen.messages.append(f"{message.type}: {message.text}")

        def requested(request) -> None:
            if not request.url.startswith((address, "data:", "blob:")):
                seen.elsewhere.append(request.url)

        def answered(response) -> None:
            if response.url.startswith(address):
                name = urlsplit(response.url[len(address) :]).path
                seen.bytes += weight(site / (name or "index.html"))
            if response.status >= 400:
                seen.failed.append(f"{response.status} {response.url}")

        page.on("console", said)
        page.on("request", requested)
        page.on("response", answered)
        page.goto(address + path, wait_until="networkidle")
        # Formulas are set after the page is loaded.
        page.evaluate("() => window.MathJax?.startup?.promise")
        yield seen
        context.close()

    return open_page
