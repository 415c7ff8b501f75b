"""`make slides CHAPTER=training`: a chapter as slides, which a heading or a full one begins.

A chapter is written to be read, so these are its paragraphs, figures and code on many slides, and
no talk. Solutions, and code that the website folds, are left out. What turns the slides and sets
their formulas lies beside them: no network is needed to show them.
"""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path

from nbconvert.exporters import SlidesExporter
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from tools.build import PACKAGES, copy_packages
from tools.chapters import ChapterError, named, read, tags
from tools.handout import site, to_html, without_solutions
from tools.settings import ROOT
from vgglib.machine.files import atomic_write

PLACE = ROOT / "_build" / "slides"
#: What a browser needs beside the slides, of npm's packages.
PROGRAMS = {
    "reveal.js/dist": "programs/reveal.js/dist",
    "reveal.js/plugin/notes": "programs/reveal.js/plugin/notes",
    "reveal.js/LICENSE": "programs/reveal.js/LICENSE",
    **{
        origin: f"programs/{target}"
        for origin, target in PACKAGES.items()
        if origin.startswith("mathjax/")
    },
}
# In place of what nbconvert takes from the network.
BLOCKS = """\
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}
<script>
window.MathJax = {
  tex: { inlineMath: [["$", "$"]] },
  chtml: { matchFontHeight: false }, // a slide that is not shown has no height
};
</script>
<script defer src="programs/mathjax/tex-mml-chtml.js"></script>
<style>
:root { --jp-code-font-size: 17px; } /* so that a line of code has room */
.reveal .slides section { max-height: 100%; overflow-y: auto; }
</style>
{%- endblock -%}
{%- block footer_js -%}
<script src="programs/reveal.js/dist/reveal.js"></script>
<script src="programs/reveal.js/plugin/notes/notes.js"></script>
<script>
const size = { width: 1080, height: 720 };
Reveal.initialize({ hash: true, slideNumber: "c/t", plugins: [RevealNotes], ...size });
</script>
{%- endblock -%}
"""
#: Lines of text or code that a slide has room for, and the characters of a line of text.
LINES, CHARACTERS = 22, 75
#: Lines in the place of which a picture is.
PICTURE = 16


def as_slides(chapter: NotebookNode) -> NotebookNode:
    """A copy of a chapter whose cells say which of them begin a slide.

    A heading of the first two levels begins one to the right of those before; a third heading, or
    what has no room on the slide, one below.
    """
    slides = without_solutions(chapter)
    slides.cells = [part for cell in slides.cells for part in parts(cell)]
    used, only_heading = 0, False
    for cell in slides.cells:
        level, lines = heading(cell), height(cell)
        fits = used + lines <= LINES or only_heading
        kind = "slide" if level in (1, 2) else "subslide" if level or not fits else "-"
        used = lines if kind != "-" else used + lines
        only_heading = level > 0 and "\n" not in cell.source
        cell.metadata["slideshow"] = {"slide_type": kind}
    return slides


def parts(cell: NotebookNode) -> list[NotebookNode]:
    """Paragraphs of a text by themselves, a heading with the one below; code as it is shown."""
    if cell.cell_type == "code":
        if "hide-input" not in tags(cell):
            return [cell]
        shown = copy.deepcopy(cell)
        shown.metadata["transient"] = {"remove_source": True}  # as nbconvert itself notes it
        return [shown] * bool(cell.outputs)
    # Blank lines end a paragraph, but not in code, formulas and lists, whose lines follow.
    found = re.split(r"\n\n+(?![ \t]|[-*] |\d+\. )", cell.source)
    texts: list[str] = []
    for text in found:
        whole = not texts or all(texts[-1].count(mark) % 2 == 0 for mark in ("```", "$$"))
        if texts and (not whole or re.fullmatch(r"#+ .*", texts[-1])):
            texts[-1] += f"\n\n{text}"
        else:
            texts.append(text)
    return [new_markdown_cell(text, metadata=copy.deepcopy(cell.metadata)) for text in texts]


def heading(cell: NotebookNode) -> int:
    """The level of the heading that a cell begins with; 0 if it does with none."""
    found = re.match(r"(#+) ", cell.source) if cell.cell_type == "markdown" else None
    return len(found[1]) if found else 0


def height(cell: NotebookNode) -> int:
    """About how many lines of a slide a cell takes."""
    if cell.cell_type == "markdown":
        return sum(1 + len(line) // CHARACTERS for line in cell.source.splitlines()) + 1
    hidden = "transient" in cell.metadata
    lines = 0 if hidden else len(cell.source.splitlines()) + 1
    for output in cell.outputs:
        data = output.get("data", {})
        if any(kind.startswith("image/") for kind in data):
            lines += PICTURE
        else:
            text = output.get("text") or data.get("text/markdown") or data.get("text/plain", "")
            lines += len(text.splitlines())
    return lines


def write(chapter: Path, folder: Path) -> Path:
    """Write the slides of a chapter and return their file; :data:`PROGRAMS` belong beside it.

    Raises:
        OSError: the folder cannot be written.
    """
    page = to_html(
        SlidesExporter,
        as_slides(read(chapter)),
        f"{site()}/chapters/",  # there are no slides of those that were not asked for
        BLOCKS,
        reveal_url_prefix="programs/reveal.js",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        reveal_theme="white",  # the only light one whose fonts come with it
    )
    target = folder / f"{chapter.stem}.html"
    with atomic_write(target) as file:
        file.write(page.encode())
    return target


def main() -> None:
    """Write the slides of the chapters named on the command line."""
    try:
        if not sys.argv[1:]:
            raise ChapterError("which one? make slides CHAPTER=training, for example")
        paths = named(sys.argv[1:])
        copy_packages(PLACE, PROGRAMS)
        for path in paths:
            print(f"Slides: {write(path, PLACE)}")
    except (ChapterError, OSError) as error:
        sys.exit(f"make slides: {error}")
    print("A browser shows them, without a network; take the folder along, not the file alone.")


if __name__ == "__main__":
    main()
