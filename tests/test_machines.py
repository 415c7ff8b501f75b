"""Chapters compared as other processors would: what is left out, what is played, what is told."""

import re
import subprocess
import sys

import nbformat
import pytest

from tools import machines
from tools.compare import MEASURED, Comparison, compare
from tools.machines import LEVELS, MACHINES, Machine
from tools.settings import ROOT

REGEX, REPLACE = re.findall(r"^regex: (.*)$\n^replace: (.*)$", MEASURED.read_text(), re.MULTILINE)[
    0
]
#: Those of a processor of each level, by what torch calls them.
CAPABILITIES = {name for *_, need in LEVELS.values() for name in need}
INTEL = dict.fromkeys(CAPABILITIES, True)
AMD = INTEL | {"amx_bf16": False, "amx_tile": False}


def sanitize(text):
    return re.sub(REGEX, REPLACE, text)


@pytest.mark.parametrize(
    "number",
    [
        "86",
        "86.4",
        "-3.6",
        "+1.5",
        "−0.2",
        "4,500",
        "1,234,567.8",
        "0",
        "9e-11",
        "0e+00",
        "2.5e+03",
    ],
)
@pytest.mark.parametrize(
    "around",
    ["top-1 ≈ {} %", "| II | ≈ {} | 3 |", "<td>≈ {}</td>", "<td>≈&nbsp;{}</td>", "≈\u00a0{}"],
)
def test_a_measured_number_is_left_out_and_nothing_else(number, around):
    left = sanitize(around.format(number))
    assert left == around.format("a measured number")


@pytest.mark.parametrize("spread", ["≈ 1.83 ± 0.04", "≈\u00a01.83\u00a0±\u00a00.04", "≈ 2 ± 1"])
def test_its_deviation_is_left_out_with_it(spread):
    assert sanitize(f"loss {spread} nats") == f"loss {spread[:2]}a measured number nats"


@pytest.mark.parametrize(
    "text",
    [
        "86.4 %",  # no sign
        "≈ nan",
        "≈ inf",
        "≈ True",
        "≈86.4",  # no space
        "≈  86.4",  # two
        "about 86.4 ± 0.3",
    ],
)
def test_what_is_no_measured_number_is_compared(text):
    assert sanitize(text) == text


def test_what_follows_a_measured_number_is_compared():
    assert sanitize("≈ 86.4 of 500") == "≈ a measured number of 500"
    assert sanitize("≈ 7.3 and 7.3") == "≈ a measured number and 7.3"
    assert sanitize("≈ 1, 2, 3") == "≈ a measured number, 2, 3"
    assert sanitize("≈ 12.") == "≈ a measured number."


def notebook(folder, source, printed):
    cell = nbformat.v4.new_code_cell(source, execution_count=1)
    cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)]
    path = folder / "chapter.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    return path


def test_a_chapter_is_compared_but_for_measured_numbers(tmp_path):
    source = "print('top-1 ≈ 86.4 %')\nprint('seeds', 3)"
    assert not compare(notebook(tmp_path, source, "top-1 ≈ 12.3 %\nseeds 3\n")).different
    found = compare(notebook(tmp_path, source, "top-1 ≈ 12.3 %\nseeds 4\n"))
    assert found.different == 1
    assert "seeds 4" in found.log


def test_a_machine_is_played_in_the_kernel(tmp_path):
    """Environment, threads and bfloat16 are as asked for, before the first cell."""
    source = """
import os, torch, vgglib
print(os.environ["ONEDNN_MAX_CPU_ISA"], os.environ["ATEN_CPU_CAPABILITY"])
print(torch.get_num_threads(), vgglib.choose_precision(torch.device("cpu")))"""
    for bfloat16, precision in ((True, "bfloat16"), (False, "float32")):
        machine = Machine("AVX2", bfloat16, 1)
        path = notebook(tmp_path, source, f"AVX2 avx2\n1 {precision}\n")
        found = compare(path, startup=machine.startup, variables=machine.variables)
        assert not found.different, found.log


def test_a_processor_plays_only_what_it_has():
    assert machines.playable(INTEL) == MACHINES
    assert {m.level for m in MACHINES if m not in machines.playable(AMD)} == {"AMX"}
    assert machines.playable({}) == []
    assert {m.level for m in machines.playable({"avx2": True})} == {"AVX2", "no vectors"}


@pytest.mark.parametrize(
    ("capabilities", "played"),
    [(INTEL, "AVX2"), (AMD, "AVX2"), ({"avx2": True}, "no vectors")],
)
def test_another_machine_is_not_like_this_one(capabilities, played):
    found = machines.other(machines.playable(capabilities), capabilities)
    assert (found.level, found.threads) == (played, 1)


def test_the_table_has_a_row_for_each_chapter_and_a_column_for_each_machine():
    one, two = MACHINES[:2]
    a, b = ROOT / "a.ipynb", ROOT / "longer.ipynb"
    found = {(one, a): Comparison(0, 31.2, ""), (one, b): Comparison(2, 5.0, "")}
    found |= {(two, a): Comparison(0, 8.0, ""), (two, b): Comparison(0, 9.6, "")}
    assert machines.table(found).splitlines() == [
        "A: AMX, bfloat16, 1 thread",
        "B: AMX, bfloat16, 2 threads",
        "chapter  A              B   ",
        "a        31 s           8 s ",
        "longer   5 s, 2 differ  10 s",
    ]


def test_a_difference_is_an_error_and_its_log_is_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(machines, "LOGS", tmp_path / "logs")
    monkeypatch.setattr(machines, "ROOT", tmp_path)
    monkeypatch.setattr(machines, "playable", lambda capabilities: MACHINES[:1])
    monkeypatch.setattr(machines, "compare", lambda *_, **__: Comparison(1, 2.0, "cell 3 differs"))
    monkeypatch.setattr(sys, "argv", ["machines", "mistakes"])
    with pytest.raises(SystemExit, match=r"mistakes \(AMX, bfloat16, 1 thread\)"):
        machines.main()
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_text() == "cell 3 differs"
    assert "this processor lacks, and cannot play: AVX-512 bf16" in capsys.readouterr().out


def test_an_unknown_chapter_is_refused_by_name():
    command = [sys.executable, "-m", "tools.machines", "trainin"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no chapter trainin" in done.stderr


def test_a_processor_of_no_known_instructions_plays_nothing():
    assert machines.other(machines.playable({}), {}) is None
