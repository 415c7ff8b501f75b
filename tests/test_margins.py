"""What the chapters say of their own trainings holds with a margin: tests/margins.json.

A red run of a chapter may mean that such a condition has turned. The file says how far it was.
"""

import json
import sys
from types import SimpleNamespace

import pytest

from tools import margins
from tools.chapters import ChapterError, chapters, read
from tools.margins import (
    PRECISIONS,
    SEEDS,
    conditions,
    deviations_away,
    is_counted,
    words_of,
)

FAR = 3  # deviations
ALL = conditions()
assert ALL, "chapters print conditions: where are they?"


def words(chapter):
    """Text, comments and printed output of a chapter, with single spaces."""
    (path,) = [path for path in chapters() if path.stem == chapter]
    parts = []
    for cell in read(path).cells:
        comments = [line[2:] for line in cell.source.splitlines() if line.startswith("# ")]
        parts.append(cell.source if cell.cell_type == "markdown" else " ".join(comments))
        for output in cell.get("outputs", []):
            parts.append(output.get("text", "") + output.get("data", {}).get("text/markdown", ""))
    return " ".join(" ".join(parts).split())


@pytest.mark.parametrize("condition", ALL, ids=lambda c: f"{c['chapter']}: {c['claim'][:40]}")
def test_a_condition_is_in_the_chapter_and_far_from_turning(condition):
    for precision in PRECISIONS:
        assert len(condition[precision]) >= SEEDS, "run: make margins"
    assert words_of(condition) in words(condition["chapter"])
    if not is_counted(condition):
        assert deviations_away(condition) >= FAR


def test_the_file_stands_as_it_is_written():
    assert margins.MARGINS.read_text(encoding="utf-8") == margins.to_json(ALL)


def test_deviations_are_counted_in_the_worse_precision():
    condition = {"bfloat16": [9.0, 10.0, 11.0], "float32": [1.0, 2.0, 3.0]}
    assert deviations_away(condition) == 2
    assert deviations_away({"bfloat16": [1.0, 1.0], "float32": [2.0, 2.0]}) == float("inf")
    assert deviations_away({"bfloat16": [-1.0, -1.0], "float32": [2.0, 2.0]}) == -float("inf")
    assert deviations_away({"bfloat16": [0.0, 0.0], "float32": [2.0, 2.0]}) == -float("inf")


def test_a_claim_may_say_what_was_seen():
    claim = "ahead in {held} of {runs}, by {low:.1f} to {high:.1f}, {mean:.1f} on average"
    condition = {"claim": claim, "bfloat16": [1.0, -1.0], "float32": [2.0, 4.0]}
    assert is_counted(condition) and not is_counted({"claim": "always"})
    assert words_of(condition) == "ahead in 3 of 4, by -1.0 to 4.0, 1.5 on average"


def test_quantities_are_measured_with_other_seeds_and_precisions(tmp_path, monkeypatch):
    import nbformat

    source = "import torch, vgglib\ntorch.manual_seed(0)\ndrawn = torch.rand(1).item()"
    cells = [nbformat.v4.new_code_cell(source), nbformat.v4.new_code_cell("drawn = -1")]
    path = tmp_path / "chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    asked = {"chapter": "chapter", "claim": ""}
    half = "vgglib.choose_precision(torch.device('cpu')) == 'bfloat16'"
    every = [
        asked | {"quantity": "drawn", "after": "torch.manual_seed(0)"},
        asked | {"quantity": "drawn"},
        asked | {"quantity": half},
    ]
    monkeypatch.setattr(margins, "conditions", lambda: every)
    monkeypatch.setattr(margins, "EXECUTED", tmp_path)
    first = margins.measure(path, 0, "bfloat16")
    again = margins.measure(path, 0, "float32")
    other = margins.measure(path, 1, "float32")
    assert first[0] == again[0] != other[0]
    assert (first[1], first[2], again[2]) == (-1, 1, 0)


def test_what_was_measured_stays_where_a_run_failed(tmp_path, monkeypatch):
    file = tmp_path / "margins.json"
    (path,) = [path for path in chapters() if path.stem == "training"]
    before = {"chapter": "training", "claim": "so", "quantity": "1"}
    before |= {precision: [5.0, 4.0, 5.0, 4.0, 5.0, 4.0, 5.0, 4.0] for precision in PRECISIONS}
    file.write_text(json.dumps([before]))

    def attempt(task):
        return "it broke" if task == (path, 0, "bfloat16") else {0: 2.0 + task[1] % 2}

    class Here:
        def __init__(self, *args, **options):
            pass

        def __enter__(self):
            return SimpleNamespace(map=map)

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(margins, "MARGINS", file)
    monkeypatch.setattr(margins, "attempt", attempt)
    monkeypatch.setattr(margins, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(sys, "argv", ["margins", "training"])
    with pytest.raises(SystemExit, match="it broke"):
        margins.main()
    (after,) = json.loads(file.read_text())
    assert after["bfloat16"] == before["bfloat16"]
    assert after["float32"] == [2.0, 3.0] * 4


def test_a_line_that_no_cell_has_is_told(tmp_path):
    with pytest.raises(ChapterError, match="0 cells have the line 'nowhere', expected one"):
        condition = {"chapter": "a", "quantity": "1", "after": "nowhere"}
        margins.with_measurements(read(chapters()[0]), [condition])


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_each_condition_has_its_cell(path):
    margins.with_measurements(read(path), [c for c in ALL if c["chapter"] == path.stem])


def test_each_condition_says_what_it_must():
    for condition in ALL:
        assert {"chapter", "claim", "quantity", *PRECISIONS} <= set(condition)
