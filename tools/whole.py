"""A Sphinx extension that ends a build which `make book` has not prepared.

`jupyter-book build .` in the repository would make a book without formulas, live figures and the
page for wrong addresses, and say that all is well.
"""

from __future__ import annotations

from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import SphinxError

#: Of what `make book` puts beside the pages, the formulas and the live figures.
PREPARED = ("assets/mathjax/tex-mml-chtml.js", "assets/figures/figures.js")


class NotPrepared(SphinxError):
    """The folder is the repository, and not the copy that `make book` builds from."""

    category = "This book is built by make book"


def setup(app: Sphinx) -> dict[str, bool]:
    """Look for what must be there before a page is read.

    Raises:
        NotPrepared: something is missing.
    """
    missing = [name for name in PREPARED if not Path(app.srcdir, name).is_file()]
    if missing:
        raise NotPrepared(
            f"{app.srcdir} lacks {' and '.join(missing)}, without which its pages have no formulas"
            " and no live figures. `make book` executes the chapters, adds what is missing, calls"
            " Jupyter Book, and prints where the book is"
        )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
