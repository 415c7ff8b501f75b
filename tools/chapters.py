"""The chapters: their order, how they are executed, and how they are cleaned of chance."""

from __future__ import annotations

import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

from tools.settings import ROOT

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"}
FOLDERS = ("RESULTS", "CHECKPOINTS", "DOWNLOADS")
PAPERMILL_BANNER = "papermill-error-cell-tag"


class ChapterError(Exception):
    """A chapter failed; the message names it, its cell, and the error."""


def pages(root: Path = ROOT) -> list[str]:
    """All pages of the book in the order of ``_toc.yml``, as paths without ending."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]


def chapters(root: Path = ROOT) -> list[Path]:
    """The notebooks of the book in reading order.

    Raises:
        FileNotFoundError: ``_toc.yml`` names a chapter that is not there.
    """
    paths = [root / f"{page}.ipynb" for page in pages(root) if page.startswith("chapters/")]
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(f"_toc.yml names {path.stem}, but there is no {path}")
    return paths


def read(path: Path) -> NotebookNode:
    """A notebook in the current format."""
    return nbformat.read(path, as_version=4)


def tags(cell: NotebookNode) -> list[str]:
    """The tags of a cell."""
    return cell.metadata.get("tags", [])


def errors(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a cell that are errors, unless it is there to show an error."""
    if "raises-exception" in tags(cell):
        return []
    return [output for output in cell.get("outputs", []) if output.output_type == "error"]


@contextmanager
def clean_environment() -> Iterator[Path]:
    """An empty folder, and an environment in which nothing personal changes what a chapter shows.

    A configuration of IPython, a matplotlib backend without figures and a kernel of the same name
    elsewhere on the machine are out of the way.
    """
    former = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="chapter-") as folder:
        empty = Path(folder, "empty")
        empty.mkdir()
        os.environ.pop("MPLBACKEND", None)
        os.environ.update(IPYTHONDIR=str(Path(folder, "ipython")), JUPYTER_PREFER_ENV_PATH="1")
        try:
            yield empty
        finally:
            os.environ.clear()
            os.environ.update(former)


def execute(source: Path, parameters: dict[str, str]) -> NotebookNode:
    """Execute a chapter in a new empty folder and return it, normalized.

    Args:
        source: the notebook, which is not changed.
        parameters: a chapter gets those that its cell tagged ``parameters`` declares.

    Raises:
        ChapterError: a cell failed that is not tagged ``raises-exception``.
    """
    import papermill  # slow to import

    logging.getLogger("papermill").setLevel(logging.ERROR)
    declared = papermill.inspect_notebook(str(source)) if parameters else {}
    given = {name: value for name, value in parameters.items() if name in declared}
    with clean_environment() as empty, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of papermill's own parts; a chapter's are output
        output = empty.with_name(source.name)
        try:
            papermill.execute_notebook(
                source,
                output,
                parameters=given,
                kernel_name=KERNEL["name"],
                cwd=empty,
                progress_bar=False,
                record_timing=False,
            )
        except papermill.PapermillExecutionError:
            pass  # also raised for a cell that is there to show an error: the outputs tell
        except Exception as error:  # such as a kernel that was killed for lack of memory
            raise ChapterError(_failure(source, read(output), str(error))) from error
        notebook = read(output)
    if any(errors(cell) for cell in notebook.cells):
        raise ChapterError(_failure(source, notebook, ""))
    return normalize(notebook, given)


def _failure(source: Path, notebook: NotebookNode, message: str) -> str:
    """Chapter, cell and the end of the error, for a person who has to find them."""
    ours = [c for c in notebook.cells if not {"injected-parameters", PAPERMILL_BANNER} & {*tags(c)}]
    for number, cell in enumerate(ours, start=1):
        if errors(cell):
            error = errors(cell)[0]
            message = f"{error.ename}: {error.evalue}"
        elif cell.metadata.get("papermill", {}).get("status") not in ("running", "failed"):
            continue
        line = next((line for line in cell.source.splitlines() if line.strip()), "")
        where = f", cell {number} of {len(ours)}, which begins\n    {line}"
        break
    else:
        where = ""
    last = re.sub(r"\x1b\[[0-9;]*m", "", message).strip().splitlines()[-6:]
    return f"chapter {source.stem}{where}\nfailed:\n    " + "\n    ".join(last)


def normalize(notebook: NotebookNode, parameters: dict[str, Any] | None = None) -> NotebookNode:
    """Remove what differs between two equal runs, in place, and return the notebook.

    Times, versions, random ids and the tools' notes go; pieces of one output stream, which are cut
    by chance, are joined. The cell with the ``parameters`` of this run is kept, hidden, without
    the folders of the machine.
    """
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    notebook.cells = [cell for cell in notebook.cells if PAPERMILL_BANNER not in tags(cell)]
    for cell in notebook.cells:
        for noise in ("papermill", "execution", "collapsed", "scrolled", "ExecuteTime", "colab"):
            cell.metadata.pop(noise, None)
        if not tags(cell):
            cell.metadata.pop("tags", None)
        if "injected-parameters" in tags(cell):
            cell.id = "injected-parameters"
            cell.metadata["tags"] = ["injected-parameters", "remove-cell"]
            cell.source = _public_source(parameters or {})
        if cell.cell_type == "code":
            cell.outputs = _join_streams(cell.outputs)
    return notebook


def _public_source(parameters: dict[str, Any]) -> str:
    public = {name: value for name, value in parameters.items() if name not in FOLDERS}
    if "DATA" in public:
        public["DATA"] = Path(public["DATA"]).name
    return "\n".join(f"{name} = {value!r}" for name, value in public.items())


def _join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    joined: list[NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else None
        if last and output.output_type == last.output_type == "stream" and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def to_bytes(notebook: NotebookNode) -> bytes:
    """The notebook as it stands in its file."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook).rstrip().encode() + b"\n"
