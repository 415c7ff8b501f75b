"""What every chapter must be, as it is committed."""

from __future__ import annotations

import ast
import copy
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter, ScriptExporter, SlidesExporter
from nbformat.v4 import new_code_cell, new_notebook

from tools.address import address
from tools.chapters import (
    FOLDERS,
    KERNEL,
    alternative_text,
    chapters,
    errors,
    normalize,
    pages,
    read,
    tags,
)
from tools.compare import MEASURED
from tools.settings import BUILT_IN, PROFILES, ROOT

CHAPTERS = chapters()
MEASURED_NUMBER = re.search(r"^regex: (.*)$", MEASURED.read_text(), re.MULTILINE)[1]
EXEMPT = {"nbval-ignore-output", "nbval-skip"}
INSTALL = """\
try:
    import vgglib
except ModuleNotFoundError:  # in Colab, or wherever the package is not installed yet
    PACKAGE = "git+{address}"
    get_ipython().run_line_magic("pip", f"install --quiet {{PACKAGE}}")"""
PARAMETERS = {
    "DATA": BUILT_IN,
    "DEVICE": ("auto",),
    "PROFILE": PROFILES,
    "RESULTS": ("my_results",),  # not "results": that has the published records
    "CHECKPOINTS": ("checkpoints",),
    "DOWNLOADS": ("data",),
    "SEED": (0,),
    "EPOCHS": (None,),  # for runs by hand: as many as the recipe says, if not given
}


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def notebooks() -> list[tuple[Path, nbformat.NotebookNode]]:
    return [(path, read(path)) for path in CHAPTERS if path.is_file()]


chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def test_the_book_has_these_chapters_and_no_others():
    assert CHAPTERS
    assert {path.name for path in CHAPTERS} == {p.name for p in (ROOT / "chapters").glob("*.ipynb")}


def test_every_page_exists():
    for page in pages():
        assert (ROOT / f"{page}.ipynb").is_file() or (ROOT / f"{page}.md").is_file(), page


@chapter
def test_begins_with_a_title(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")


@chapter
def test_first_code_installs_the_package_only_where_it_is_missing(path):
    first = code_cells(read(path))[0]
    assert first.source == INSTALL.format(address=address())
    assert not first.outputs


@chapter
def test_declares_parameters_with_defaults_that_work_anywhere(path):
    cells = [cell for cell in code_cells(read(path)) if "parameters" in tags(cell)]
    assert len(cells) == 1
    values: dict[str, object] = {}
    exec(cells[0].source, values)
    declared = {name: value for name, value in values.items() if name.isupper()}
    assert declared
    for name, value in declared.items():
        assert name in PARAMETERS, f"{name} is not in PARAMETERS above"
        assert value in PARAMETERS[name], f"{name} = {value!r}"


def test_what_a_chapter_writes_is_not_of_the_repository():
    """Neither where it lies nor in the repository's root, from where papermill runs it."""
    folders = [folder for name in FOLDERS for folder in PARAMETERS[name]]
    for place in (ROOT, ROOT / "chapters"):
        command = ["git", "check-ignore", *(f"{folder}/a" for folder in folders)]
        ignored = subprocess.run(command, cwd=place, capture_output=True, text=True).stdout
        assert ignored.split() == [f"{folder}/a" for folder in folders], place
        command = ["git", "ls-files", *folders]
        assert not subprocess.run(command, cwd=place, capture_output=True).stdout, place


@chapter
def test_is_normalized(path):
    notebook = read(path)
    assert notebook == normalize(copy.deepcopy(notebook)), f"make refresh CHAPTER={path.stem}"
    assert notebook.metadata.kernelspec == KERNEL


@chapter
def test_was_executed_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(read(path)) if cell.source.strip()]
    assert counts == list(range(1, len(counts) + 1)), f"make refresh CHAPTER={path.stem}"


@chapter
def test_has_outputs_and_none_is_an_unmeant_error_or_a_warning(path):
    cells = code_cells(read(path))
    assert any(cell.outputs for cell in cells)
    for cell in cells:
        assert not errors(cell), cell.source
        for output in cell.outputs:
            assert output.get("name") != "stderr", f"{cell.source}\n\n{output.text}"


def texts(cell: nbformat.NotebookNode) -> list[str]:
    """All text that a cell has put out, in any format."""
    found = []
    for output in cell.outputs:
        found += [output.text] if output.output_type == "stream" else []
        found += [text for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return found


@chapter
def test_what_follows_the_sign_of_a_measured_number_is_one(path):
    """Or it would be compared, and the chapter would pass on one kind of processor alone."""
    for cell in code_cells(read(path)):
        for text in texts(cell):
            assert text.count("≈") == len(re.findall(MEASURED_NUMBER, text)), text


def measured_numbers(text: str) -> set[str]:
    """Those behind the sign, of which one cannot mistake another for it: three digits or more."""
    found = [digits(match[0]) for match in re.finditer(MEASURED_NUMBER, text)]
    return {number for number in found if len(number.replace(".", "")) >= 3}


def digits(text: str) -> str:
    """The first number in a text, without commas and the zeros before it."""
    number = re.search(r"\d[\d,]*(?:\.\d+)?", text)
    return number[0].rstrip(",").replace(",", "").lstrip("0") if number else ""


@chapter
def test_the_text_does_not_repeat_a_number_that_is_another_on_the_next_processor(path):
    notebook = read(path)
    outputs = "\n".join(text for cell in code_cells(notebook) for text in texts(cell))
    prose = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    said = {digits(number) for number in re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?!\w)", prose)}
    assert not measured_numbers(outputs) & said


def test_a_repeated_number_would_be_found():
    assert measured_numbers("loss ≈ 0.853, ≈ 1,234 of 10,000 in ≈ 12 s") == {".853", "1234"}
    assert [digits(number) for number in ("0.853", "1,234", "12,")] == [".853", "1234", "12"]


@chapter
def test_numbers_are_shown_and_not_hidden_behind_a_condition(path):
    """A table of settings may have a True; a line that a cell prints may not."""
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            if output.output_type == "stream":
                assert not re.search(r"(?<!=)\b(True|False)\b", output.text), output.text


#: What these give is shown at the end of a cell alone.
SHOWN_AT_THE_END = ("show_source", "table", "trace")


@chapter
def test_no_table_is_lost_in_the_middle_of_a_cell(path):
    for cell in code_cells(read(path)):
        statements = ast.parse(re.sub(r"^\s*[%!].*", "pass", cell.source, flags=re.M)).body
        for statement in statements[:-1]:
            for node in ast.walk(statement):
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                    called = node.value.func
                    name = getattr(called, "attr", getattr(called, "id", ""))
                    assert name not in SHOWN_AT_THE_END, f"line {node.lineno}: {name}(...) is lost"


@chapter
def test_exempt_cells_give_their_reason(path):
    for cell in code_cells(read(path)):
        if EXEMPT & set(tags(cell)):
            reason = cell.metadata.get("nbval", {}).get("reason", "")
            assert len(reason.split()) >= 3, f"why is this not compared?\n{cell.source}"


def test_at_most_a_tenth_of_the_code_is_exempt_from_comparison():
    cells = [cell for _, notebook in notebooks() for cell in code_cells(notebook)]
    exempt = [cell for cell in cells if EXEMPT & set(tags(cell))]
    assert cells
    assert len(exempt) <= len(cells) / 10
    for cell in cells:  # other ways around the comparison
        assert not re.search(r"NBVAL_|PYTEST_VALIDATE", cell.source)
        assert not {tag for tag in tags(cell) if tag.startswith("nbval-")} - EXEMPT


@chapter
def test_every_figure_has_alternative_text(path):
    for cell in code_cells(read(path)):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 20, f"no alternative text:\n{cell.source}"


DRAWS = re.compile(r"(?<!def )\b(plt\.show|show_images|plot_\w+|draw_\w+)\(")


def pictures(cell: nbformat.NotebookNode) -> list[str]:
    return [k for output in cell.outputs for k in output.get("data", {}) if k.startswith("image/")]


@chapter
def test_every_figure_has_its_picture(path):
    """The comparison looks at no picture, nor does it miss one."""
    for cell in code_cells(read(path)):
        if alternative_text(cell) or DRAWS.search(cell.source):
            assert pictures(cell), f"where is its picture? make refresh\n{cell.source}"


@chapter
def test_other_tools_find_what_is_written_for_the_website(path):
    """nbconvert's template "classic" has a place for alternative texts, "lab" has none. Solutions
    are folded in JupyterLab and VS Code, and in no set of slides."""
    notebook = read(path)
    expected = [
        alternative_text(cell)
        for cell in code_cells(notebook)
        for kind in pictures(cell)
        if kind == "image/png"
    ]
    assert all(expected)
    page = BeautifulSoup(
        HTMLExporter(template_name="classic").from_notebook_node(notebook)[0], "html.parser"
    )
    found = [image["alt"] for image in page.select(".output_png img")]
    assert found == expected
    solutions = [cell for cell in code_cells(notebook) if "hide-cell" in tags(cell)]
    assert solutions
    for cell in solutions:
        assert cell.metadata.jupyter == {"outputs_hidden": True, "source_hidden": True}
    slides = BeautifulSoup(SlidesExporter().from_notebook_node(notebook)[0], "html.parser").text
    assert "# @title Your answer 1" in slides
    assert "# @title Solution 1" not in slides


@chapter
@pytest.mark.parametrize("tool", ["nbconvert", "jupytext"])
def test_is_a_script_with_its_prose(path, tool):
    notebook = read(path)
    if tool == "nbconvert":
        script = ScriptExporter().from_notebook_node(notebook)[0]
    else:
        script = jupytext.writes(copy.deepcopy(notebook), "py:percent")
    ast.parse(script)
    lines = {line.removeprefix("#").strip() for line in script.splitlines()}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert {line.strip() for line in cell.source.splitlines()} <= lines
        else:
            # No cell is put into a comment, as one with a magic is.
            assert cell.source.strip() in script


@chapter
def test_shows_no_path_of_the_machine_it_ran_on(path):
    notebook = read(path)
    for cell in code_cells(notebook):
        for output in cell.outputs:  # a picture's letters may be anything
            output.get("data", {}).pop("image/png", None)
    text = nbformat.writes(notebook)
    here = {str(ROOT), str(Path.home()), tempfile.gettempdir(), "site-packages", "ipykernel_"}
    for folder in here - {"/"}:
        assert folder not in text, f"{folder} is mentioned"
    assert not re.search(r"/(home|Users|root|tmp)/|[A-Z]:\\\\", text)


@chapter
def test_text_is_plain_markdown(path):
    """Directives and roles of MyST are noise in Colab and on GitHub."""
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert not re.search(r"^(```|:::)\{|\{[\w:-]+\}`", cell.source, re.M), cell.source


@chapter
def test_every_exercise_checks_itself_and_has_a_folded_solution(path):
    """The answer cell waits for an answer; the worked solution is right by the same check."""
    notebook = read(path)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    numbers = re.findall(r"\*\*Exercise (\d+)\.\*\*", text)
    assert numbers == [str(i + 1) for i in range(len(numbers))]
    assert len(numbers) >= 3
    cells = {cell.source.partition("\n")[0]: cell for cell in code_cells(notebook)}
    for number in numbers:
        call = f"check.exercise_{number}("
        answer = cells[f"# @title Your answer {number}"]
        assert call in answer.source
        assert (
            printed(answer) == f"Exercise {number}: waiting for your answer in place of the dots.\n"
        )
        solution = cells[f"# @title Solution {number}"]
        assert "hide-cell" in tags(solution)
        assert call in solution.source
        assert printed(solution).endswith(f"Exercise {number}: right.\n")


def printed(cell: nbformat.NotebookNode) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def test_cells_of_a_notebook_stay_together_in_parallel(tmp_path):
    pytest.importorskip("xdist")
    (tmp_path / "pytest.ini").touch()
    shutil.copy(ROOT / "conftest.py", tmp_path)
    sources = ["x = 0"] + ["x += 1"] * 12
    cells = [new_code_cell(source, execution_count=1) for source in sources]
    for name in ("a.ipynb", "b.ipynb"):
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), tmp_path / name)
    command = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", "-n", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "26 passed" in done.stdout, done.stdout
    without = [*command[:3], "-p", "no:xdist", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(without, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout + done.stderr


def test_every_entry_of_the_glossary_is_linked_from_a_chapter():
    glossary = (ROOT / "pages" / "glossary.md").read_text(encoding="utf-8")
    entries = {
        heading.lower().replace(" ", "-") for heading in re.findall(r"^### (.+)$", glossary, re.M)
    }
    linked = set()
    for _, notebook in notebooks():
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                linked |= set(re.findall(r"\]\(\.\./pages/glossary\.md#([\w-]+)\)", cell.source))
    assert entries
    assert linked == entries
