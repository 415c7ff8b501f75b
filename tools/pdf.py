"""`make pdf`: the whole book on one page, printed by Chromium.

It takes the executed chapters of the last `make book`. (Jupyter Book's own `pdfhtml` asks for a
browser that Playwright downloads; here the one of the system prints.)
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.browser import find_browser, open_browser
from tools.build import make_site
from tools.chapters import pages
from tools.settings import ROOT, read_settings
from tools.steps import step
from vgglib.machine.files import atomic_write

# What only makes sense on a screen goes, what is folded is opened, and no figure is cut in two.
STYLE = """
    .headerbtn, .copybtn, .prev-next-area, .bd-header, .bd-header-article, .bd-sidebar, .bd-footer,
    .skip-link, #pst-back-to-top, .headerlink, details > summary { display: none !important; }
    .bd-article-container, .bd-article, .bd-main, .bd-content { margin: 0; padding: 0 !important;
                                                                max-width: none !important; }
    details { border: 0 !important; }
    .bd-article * { break-inside: auto !important; }
    .bd-article img, .bd-article svg, .bd-article tr { break-inside: avoid !important; }
    span[id^="document-"] + section { break-before: page; }
    h1, h2, h3 { break-after: avoid; }
    pre { white-space: pre-wrap !important; }
    .cell_output img { max-width: 75% !important; }
"""
MARGIN = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
FOOTER = """<div style="width: 100%; text-align: center; font: 8px sans-serif; color: #555">
    <span class="pageNumber"></span></div>"""


def print_page(page: Path, target: Path) -> None:
    """Print a page of HTML to a PDF, which appears when it is whole."""
    with open_browser() as browser:
        tab = browser.new_page(color_scheme="light")
        # The live figures do not start, so that their pictures stand in their place.
        tab.route("**/figures.js", lambda route: route.abort())
        tab.goto(page.as_uri(), wait_until="networkidle")
        tab.evaluate("() => window.MathJax?.startup?.promise")
        tab.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        tab.add_style_tag(content=STYLE)
        content = tab.pdf(
            format="A4",
            scale=0.7,
            margin=MARGIN,
            print_background=True,
            outline=True,
            tagged=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
        )
    with atomic_write(target) as file:
        file.write(content)


def main() -> None:
    """Print the last book, or say what is missing."""
    try:
        work = read_settings(sys.argv[1:]).work
        source = work / "source"
        if not (source / "_toc.yml").is_file():  # comes when all chapters are executed
            raise ValueError("there is no whole book to print: run make book first")
        find_browser()
        with step("one page"):
            make_site(source, builder="singlehtml")
        target = work.parent / "vgg-book.pdf"
        with step("printing"):
            print_page(source / "_build" / "singlehtml" / f"{pages()[0]}.html", target)
    except (ValueError, OSError) as error:
        sys.exit(f"make pdf: {error}")
    except subprocess.CalledProcessError:
        sys.exit("make pdf: the page has the warnings above")
    print(f"\nThe book as PDF: {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
