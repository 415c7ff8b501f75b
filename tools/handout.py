"""`make handout`: the chapters for a class, without the solutions, as notebooks and as HTML."""

from __future__ import annotations

import copy
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode

from tools.address import address, parse
from tools.build import replace
from tools.chapters import chapters, read, tags, to_bytes
from tools.settings import ROOT

PLACE = ROOT / "_build" / "handout"
# nbconvert's own template for pages and slides loses the alternative texts of pictures.
TEMPLATE = """\
{%- extends 'index.html.j2' -%}
{%- macro described(html, output, kind) -%}
{{ html | replace('<img ', '<img alt="' ~ (output | get_metadata('alt', kind) or '') | escape_html
   ~ '" ') }}
{%- endmacro -%}
{%- block data_png scoped -%}{{ described(super(), output, 'image/png') }}{%- endblock -%}
{%- block data_svg scoped -%}{{ described(super(), output, 'image/svg+xml') }}{%- endblock -%}
"""
COLAB = re.compile(r"^\[Open in Colab\]\(\S+\)\n*", re.MULTILINE)
PAGE = re.compile(r"\]\(\.\./(pages/[\w-]+)\.md(#[\w-]+)?\)")
CHAPTER = re.compile(r"\]\(([\w-]+)\.ipynb(#[\w-]+)?\)")


def site() -> str:
    """The address of the website."""
    owner, name = parse(address())
    return f"https://{owner.lower()}.github.io/{name}"


def without_solutions(chapter: NotebookNode) -> NotebookNode:
    """A copy for a class: no solutions, nor the link to Colab, where they are.

    Links to pages that are no chapters lead to the website.
    """
    website, handout = site(), copy.deepcopy(chapter)
    handout.cells = [cell for cell in handout.cells if "hide-cell" not in tags(cell)]
    for cell in handout.cells:
        if cell.cell_type == "markdown":
            cell.source = COLAB.sub("", cell.source).rstrip()
            cell.source = PAGE.sub(rf"]({website}/\1.html\2)", cell.source)
    return handout


def to_html(
    exporter: type[HTMLExporter],
    notebook: NotebookNode,
    others: str = "",
    blocks: str = "",
    **options: Any,
) -> str:
    """A page of nbconvert with the alternative texts of the pictures.

    Args:
        exporter: for pages or for slides.
        notebook: whose links to other notebooks will lead to their pages.
        others: where these pages are, as the address before their names; beside this one if empty.
        blocks: more blocks of the template.
        options: of the exporter.
    """
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = CHAPTER.sub(rf"]({others}\1.html\2)", cell.source)
    notebook.metadata["title"] = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    return exporter(raw_template=TEMPLATE + blocks, **options).from_notebook_node(notebook)[0]


def write(folder: Path) -> None:
    """Write the handouts of all chapters into a folder, which appears when it is whole.

    Raises:
        OSError: the folder cannot be written.
    """
    new = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    for path in chapters():
        handout = without_solutions(read(path))
        for name, content in (
            (path.name, to_bytes(handout)),
            (f"{path.stem}.html", to_html(HTMLExporter, handout).encode()),
        ):
            (new / name).write_bytes(content)
    replace(folder, new)


def main() -> None:
    """Write them, and say where."""
    try:
        write(PLACE)
    except OSError as error:
        sys.exit(f"make handout: {error}")
    print(
        f"The chapters without solutions: {PLACE}\nTheir HTML takes the program that sets formulas"
        " from the network."
    )


if __name__ == "__main__":
    main()
