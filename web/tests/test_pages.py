"""Every page in a browser: nothing from elsewhere, nothing broken, nothing that does not fit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import pytest
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, TimeoutError

from conftest import LOOKS, Visit
from tools.settings import ROOT

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
#: Whether the keyboard reaches all code that scrolls.
FOCUSABLE = """[...document.querySelectorAll("pre")].every(
    pre => pre.tabIndex === 0 || pre.scrollWidth <= pre.clientWidth)"""
#: Bytes that a page may weigh, without "Try it", whose runtime is large and comes on request.
WEIGHT = 1_000_000


@pytest.mark.parametrize(("size", "scheme"), LOOKS)
def test_page(
    visit: Callable, path: str, size: str, scheme: str, record_property: Callable
) -> None:
    """A visit for each look, since loading a page takes longer than looking at it."""
    with visit(path, size, scheme) as seen:
        if (size, scheme) == LOOKS[0]:
            paint = seen.page.evaluate(
                "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
            )
            record_property(
                "weight", f"{path}: {seen.bytes / 1e6:.2f} MB, first paint after {paint:.0f} ms"
            )
            assert seen.bytes < WEIGHT
        is_whole(seen, scheme)
        is_accessible(seen.page)


def is_whole(seen: Visit, scheme: str) -> None:
    """Nothing from elsewhere, nothing that fails, and nothing that does not fit."""
    assert not seen.elsewhere, "the page asked other hosts"
    assert not seen.failed
    assert not seen.messages
    page = seen.page
    assert page.evaluate("document.documentElement.dataset.theme") == scheme
    # Images below the fold are loaded when they come into sight.
    page.evaluate("document.querySelectorAll('img').forEach(i => { i.loading = 'eager'; })")
    page.wait_for_function("[...document.images].every(image => image.complete)")
    broken = page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)")
    assert not broken
    wide, window = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= window, f"the page is {wide} px wide in a window of {window} px"
    raw = page.evaluate("document.querySelectorAll('.math').length")
    set_ = page.evaluate("document.querySelectorAll('mjx-container').length")
    assert set_ >= raw, f"{raw - set_} formulas are not set"
    assert not page.evaluate("document.querySelectorAll('mjx-merror').length")


def is_accessible(page: Page) -> None:
    """What axe-core finds serious."""
    # The theme makes what scrolls focusable a moment after the last change of the page. Where it
    # never does, axe says so.
    with suppress(TimeoutError):
        page.wait_for_function(FOCUSABLE, timeout=5_000)
    page.add_script_tag(path=AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        f"{violation['id']}: {violation['help']}: {node['html'][:200]}"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]
    assert not serious, "\n".join(serious)


@cache
def parsed(file: Path) -> BeautifulSoup:
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


@cache
def places(file: Path) -> set[str]:
    """What links may point to within a page."""
    return {element["id"] for element in parsed(file).find_all(id=True)}


def test_pictures_have_alternative_text(site: Path, path: str) -> None:
    soup = parsed(site / path)
    for image in soup.find_all("img"):
        source = Path(image["src"]).name
        assert image.get("alt") is not None, f"{source} has no alternative text"
        assert Path(image["alt"]).name not in (source, Path(source).stem, "_images"), source
        assert not image["alt"].startswith(("_images", "../_images")), source


def test_links_lead_somewhere(site: Path, path: str) -> None:
    soup = parsed(site / path)
    for link in soup.find_all("a", href=True):
        target, anchor = urldefrag(link["href"])
        if "://" in target or target.startswith(("mailto:", "data:")):
            continue
        inside = unquote(urljoin(path, target)) if target else path
        file = site / inside
        file = file / "index.html" if file.is_dir() else file
        assert file.is_file(), f"{link['href']} leads nowhere"
        if anchor and file.suffix == ".html":
            assert unquote(anchor) in places(file), f"{link['href']}: there is no such place"


@pytest.mark.parametrize("wrong", ["nothing.html", "chapters/nothing.html", "no/such/folder/"])
def test_a_wrong_address_leads_back(browser: Browser, address: str, wrong: str) -> None:
    page = browser.new_page()
    page.goto(address + wrong)
    link = page.get_by_role("link", name="First page")
    page.wait_for_function("first => document.links[0].href === first", arg=f"{address}index.html")
    link.click()
    page.get_by_role("heading", name="VGG from scratch").wait_for()
    page.close()


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("receptive field", "chapters/architecture.html"),
        ("softmax twice", "chapters/mistakes.html"),
        ("PCAColorShift", "pages/api.html"),
        ("train_epoch", "pages/api.html"),
        ("fan-out", "pages/glossary.html"),
        ("stack convolutions of 3x3 pixels, halve the image", "pages/intro.html"),
    ],
)
def test_search_finds(visit: Callable, words: str, page: str) -> None:
    with visit(f"search.html?q={words.replace(' ', '+')}") as seen:
        seen.page.locator(f"#search-results a[href^='{page}']").first.wait_for()
        assert not seen.elsewhere


def test_page_is_whole_when_it_is_opened_from_disk(browser: Browser, site: Path, path: str) -> None:
    """`make book` prints a path, and many a reader opens it."""
    page = browser.new_page()
    messages, elsewhere, failed = [], [], []
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("console", lambda m: m.type in ("log", "info") or messages.append(m.text))
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on(
        "request",
        lambda r: r.url.startswith(("file:", "data:", "blob:")) or elsewhere.append(r.url),
    )
    page.goto((site / path).resolve().as_uri(), wait_until="networkidle")
    page.evaluate("() => window.MathJax?.startup?.promise")
    assert not messages + elsewhere + failed
    folders = page.evaluate(
        "[...document.links].map(a => a.href).filter(a => a.startsWith('file:') && a.endsWith('/'))"
    )
    assert not folders, "from disk a link to a folder shows a list of its files"
    assert not page.evaluate("document.querySelectorAll('[data-figure]:not([data-ready])').length")
    page.close()
