"""The command for a lent GPU: its order, its budget, what it keeps, and what it goes on from."""

import argparse
import json
import time
from pathlib import Path

import pytest

from tools import gpu
from tools.gpu import Part
from vgglib.records import read_records


@pytest.fixture
def call(tmp_path):
    """Run the command in a folder of its own, and give the state that it wrote."""

    def main(*more):
        state = tmp_path / "gpu.json"
        gpu.main(["--state", str(state), "--work", str(tmp_path / "work"), *more])
        return json.loads(state.read_text())

    return main


@pytest.fixture
def planned(monkeypatch):
    """Replace the plan by these parts."""
    return lambda *parts: monkeypatch.setattr(gpu, "plan", lambda given, work: list(parts))


def settings(**changed):
    values = {
        "device": "cuda", "epochs": None, "data": "cifar10", "downloads": "/d", "tests": ["t"],
        "seeds": 2, "recipes": ["classic", "modern"], "fast_seeds": 2, "beside": "rival.py -n 10",
        "rounds": 3, "models": ["I"],
    }  # fmt: skip
    return argparse.Namespace(**(values | changed))


def test_the_parts_come_in_the_order_of_their_worth():
    parts = {part.name: part for part in gpu.plan(settings(), Path("/w"))}
    assert list(parts) == [
        "tests", "post on cifar10 seed 0", "classic on cifar10 seed 0", "modern on cifar10 seed 0",
        "classic on cifar10 seed 1",
        "modern on cifar10 seed 1", "fast on cifar10 seed 0", "fast on cifar10 seed 1", "beside",
        "benchmark",
        "quick float16 on shapes seed 0", "chapter",
    ]  # fmt: skip
    post = parts["post on cifar10 seed 0"].command
    assert post[:6] == ("-m", "vgglib", "--recipe", "post", "--seeds", "0")
    assert {"--epochs", "--precision"}.isdisjoint(post)
    assert parts["beside"].command == ("rival.py", "-n", "10")
    assert parts["quick float16 on shapes seed 0"].command[-2:] == ("--precision", "float16")


def test_a_cpu_is_not_asked_for_float16():
    names = [part.name for part in gpu.plan(settings(device="cpu", beside=""), Path("/w"))]
    assert not {"beside", "quick float16 on shapes seed 0"} & set(names)


def test_what_fails_does_not_stop_the_rest_and_is_tried_again(call, planned, capsys):
    planned(
        Part("breaks", ("-c", "print('so far'); raise SystemExit(3)")),
        Part("lacks", ("-c", ""), ("no_such_module",)),
        Part("works", ("-c", "print('fine')")),
    )
    parts = call()["parts"]
    assert parts["breaks"]["status"] == "ended with status 3"
    assert parts["breaks"]["log"] == "so far\n"
    assert parts["lacks"]["status"] == "left out: no no_such_module here"
    assert (parts["works"]["status"], parts["works"]["log"]) == ("done", "fine\n")
    assert "not done: breaks, lacks" in capsys.readouterr().out
    planned(Part("breaks", ("-c", "")), Part("works", ("-c", "raise SystemExit(1)")))
    parts = call()["parts"]  # `works` is not run a second time
    assert [parts[name]["status"] for name in ("breaks", "works")] == ["done", "done"]


def test_it_ends_by_itself_and_goes_on_in_the_next_call(call, planned, tmp_path):
    slow = Part("slow", ("-c", "import time; print('begun', flush=True); time.sleep(60)"))
    planned(Part("first", ("-c", "")), slow, Part("last", ("-c", "")))
    started = time.perf_counter()
    parts = call("--seconds", "8")["parts"]
    assert time.perf_counter() - started < 20
    assert parts["slow"]["status"] == "out of time"
    assert parts["slow"]["log"] == "begun\n"
    assert "last" not in parts
    # On another machine, with the state of the first alone.
    earlier = (tmp_path / "gpu.json").rename(tmp_path / "earlier.json")
    planned(Part("first", ("-c", "raise SystemExit(1)")), Part("slow", ("-c", "")))
    parts = call("--earlier", str(earlier))["parts"]
    assert {name: part["status"] for name, part in parts.items()} == {
        "first": "done",
        "slow": "done",
    }
    # On the first again, whose own state knows less than that of the other.
    own, theirs = tmp_path / "gpu.json", earlier.read_text()
    earlier.write_text(own.read_text())
    own.write_text(theirs)
    planned(Part("slow", ("-c", "raise SystemExit(1)")))
    assert call("--earlier", str(earlier))["parts"]["slow"]["status"] == "done"


def test_a_real_training_on_the_cpu_leaves_records_of_the_published_form(
    call, image_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    options = ["--device", "cpu", "--data", str(image_folder), "--epochs", "1", "--seconds", "300"]
    real = gpu.plan
    name = f"quick on {image_folder} seed 0 --epochs 1"
    monkeypatch.setattr(gpu, "plan", lambda *given: [p for p in real(*given) if p.name == name])
    state = call(*options, "--recipes", "quick", "--seeds", "1")
    assert state["parts"][name]["status"] == "done", state["parts"]
    assert "pets, quick, III, 1 epochs, 1 seeds:" in capsys.readouterr().out
    call("--records", str(tmp_path / "records"))
    found = read_records(tmp_path / "records")
    assert [record["model"] for record in found] == ["I", "II", "III"]
    assert all(record["device"].startswith("CPU") for record in found)
