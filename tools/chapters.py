"""The chapters: their order, how they are executed, and how they are cleaned of chance."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat
import yaml
from nbformat import NotebookNode

from tools.settings import ROOT

KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "file_extension": ".py",
    "name": "python",
    "nbconvert_exporter": "python",  # without it `nbconvert --to script` leaves the prose out
    "pygments_lexer": "ipython3",
}
# What a cell may say of itself. What else an editor writes there, a person's name among it, goes.
CELL_METADATA = ("tags", "mystnb", "cellView", "nbval")
# What a picture may say of itself, besides its alternative text.
PICTURE_METADATA = ("width", "height")
FOLDERS = ("RESULTS", "CHECKPOINTS", "DOWNLOADS")
PAPERMILL_BANNER = "papermill-error-cell-tag"


class ChapterError(Exception):
    """A chapter failed; the message names it, its cell, and the error."""


def pages(root: Path = ROOT) -> list[str]:
    """All pages of the book in the order of ``_toc.yml``, as paths without ending."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [toc["root"]] + [page["file"] for part in toc["parts"] for page in part["chapters"]]


def chapters(root: Path = ROOT) -> list[Path]:
    """The notebooks that ``_toc.yml`` names, in reading order."""
    return [root / f"{page}.ipynb" for page in pages(root) if page.startswith("chapters/")]


def named(names: list[str]) -> list[Path]:
    """The chapters of these names, or all if there are none.

    Raises:
        ChapterError: there is no such chapter.
    """
    known = {path.stem: path for path in chapters()}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ChapterError(f"no chapter {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names or known]


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


def environment(folder: Path, startup: str = "") -> dict[str, str]:
    """An environment in which nothing personal changes what a chapter shows.

    A configuration of IPython, a matplotlib backend without figures and a kernel of the same name
    elsewhere on the machine are out of the way.

    Args:
        folder: for the configuration of the kernel, in a folder of its own.
        startup: Python code that the kernel runs before the first cell.
    """
    profile = folder / "ipython" / "profile_default"
    (profile / "startup").mkdir(parents=True)
    # A kernel warns about its connection, which is to this process on this machine, and reports as
    # an error that it was interrupted when it is shut down.
    (profile / "ipython_kernel_config.py").write_text('c.IPKernelApp.log_level = "CRITICAL"')
    (profile / "startup" / "first.py").write_text(startup)
    clean = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    return clean | {"IPYTHONDIR": str(profile.parent), "JUPYTER_PREFER_ENV_PATH": "1"}


@contextmanager
def clean_environment(startup: str = "") -> Iterator[Path]:
    """An empty folder, and this process in the :func:`environment` meanwhile."""
    with tempfile.TemporaryDirectory(prefix="chapter-") as folder:
        empty = Path(folder, "empty")
        empty.mkdir()
        with patch.dict(os.environ, environment(Path(folder), startup), clear=True):
            yield empty


def execute(source: Path, parameters: dict[str, str], startup: str = "") -> NotebookNode:
    """Execute a chapter in a new empty folder and return it, normalized.

    Args:
        source: the notebook, which is not changed.
        parameters: a chapter gets those that its cell tagged ``parameters`` declares.
        startup: see :func:`environment`.

    Raises:
        ChapterError: there is no such file, or a cell failed that is not tagged
            ``raises-exception``.
    """
    if not source.is_file():
        raise ChapterError(f"there is no {source}, which _toc.yml names")
    import papermill  # slow to import

    logging.getLogger("papermill").setLevel(logging.ERROR)
    declared = papermill.inspect_notebook(str(source)) if parameters else {}
    given = {name: value for name, value in parameters.items() if name in declared}
    with clean_environment(startup) as empty, warnings.catch_warnings():
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
    failed = next((cell for cell in ours if errors(cell)), None)
    if failed:
        message = f"{errors(failed)[0].ename}: {errors(failed)[0].evalue}"
    else:  # the kernel is gone: the last cell that was begun did it
        begun = [c for c in ours if c.metadata.get("papermill", {}).get("start_time")]
        failed = begun[-1] if begun else None
    where = ""
    if failed:
        line = next((line for line in failed.source.splitlines() if line.strip()), "")
        where = f", cell {ours.index(failed) + 1} of {len(ours)}, which begins\n    {line}"
    last = plain(message).strip().splitlines()[-6:]
    return f"chapter {source.stem}{where}\nfailed:\n    " + "\n    ".join(last)


def plain(text: str) -> str:
    """The text without the codes that color it in a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def normalize(notebook: NotebookNode, parameters: dict[str, Any] | None = None) -> NotebookNode:
    """Remove what differs between two equal runs, in place, and return the notebook.

    Times, versions, random ids and the tools' notes go: of metadata only what is known stays.
    Pieces of one output stream, which are cut by chance, are joined. What an author writes for the
    website, the alternative text of a figure and that a solution is folded, is said again where
    other tools look for it. The cell with the ``parameters`` of this run is kept, hidden, without
    the folders of the machine.
    """
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": LANGUAGE})
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)
    notebook.cells = [cell for cell in notebook.cells if PAPERMILL_BANNER not in tags(cell)]
    for cell in notebook.cells:
        kept = {name: cell.metadata[name] for name in CELL_METADATA if cell.metadata.get(name)}
        cell.metadata = nbformat.from_dict(kept | _for_other_tools(kept))
        if "injected-parameters" in tags(cell):
            cell.id = "injected-parameters"
            cell.metadata["tags"] = ["injected-parameters", "remove-cell"]
            cell.source = _public_source(parameters or {})
        if cell.cell_type == "code":
            cell.outputs = _join_streams(cell.outputs)
            for output in cell.outputs:
                if "data" in output:
                    _normalize_data(output, alternative_text(cell))
    return notebook


def alternative_text(cell: NotebookNode) -> str:
    """What a figure's author wrote of it; empty if nothing."""
    return cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")


def _for_other_tools(metadata: dict[str, Any]) -> dict[str, Any]:
    """A cell that the website folds: closed in JupyterLab and VS Code, and in no set of slides."""
    if "hide-cell" not in metadata.get("tags", []):
        return {}
    return {
        "jupyter": {"outputs_hidden": True, "source_hidden": True},
        "slideshow": {"slide_type": "skip"},
    }


def _normalize_data(output: NotebookNode, alternative: str) -> None:
    """Text and pictures; a picture with its alternative text where nbconvert looks for it."""
    data = {kind: v for kind, v in output.data.items() if kind.startswith(("text/", "image/"))}
    metadata = {}
    for kind in data:
        if kind.startswith("image/"):
            own = output.metadata.get(kind, {})
            kept = {name: own[name] for name in PICTURE_METADATA if name in own}
            kept |= {"alt": alternative} if alternative else {}
            metadata |= {kind: kept} if kept else {}
    output.data, output.metadata = nbformat.from_dict(data), nbformat.from_dict(metadata)


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


def main() -> None:
    """Execute a notebook into another file, with parameters in JSON; `make book` does it so.

    What went wrong is printed, apart from what Jupyter may write on the stream for errors.
    """
    source, target, parameters = sys.argv[1:]
    # A shell's background jobs, and what they start, would not be stopped by an interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        content = to_bytes(execute(Path(source), json.loads(parameters)))
    except ChapterError as error:
        message = str(error)
    except KeyboardInterrupt:
        message = f"chapter {Path(source).stem}: stopped"
    else:
        Path(target).write_bytes(content)
        return
    sys.stdout.reconfigure(encoding="utf-8")  # as it is read, whatever the language of the machine
    print(message)
    sys.exit(1)


if __name__ == "__main__":
    main()
