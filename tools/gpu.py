"""Everything that a lent GPU should do, in one command that ends by itself::

    python3 -m tools.gpu --state gpu.json --seconds 540 --data cifar10 --downloads FOLDER

In the order of their worth it runs the tests of the loop, the post's own plan, the short recipes,
ten seeds of the fast one, the benchmark, a training in float16, and a chapter. After each part, and
after each training within it, the state file is replaced by one that holds all results so far:
records of the published form, and the end of each log. Given the state of an earlier call, it does
what that left undone. ``--records FOLDER`` writes the records of the state as files.

It needs torch and torchvision, and leaves out what it lacks the rest for: a training needs
safetensors and tqdm, the tests pytest besides, a chapter papermill, ipykernel and matplotlib.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.settings import ROOT

LOG_KEPT = 6000  # characters of the end of a log
PACKAGE = ("safetensors", "tqdm")  # what vgglib needs, besides torch and torchvision
TESTS = ("tests/test_training.py", "tests/test_devices.py")


@dataclass(frozen=True)
class Part:
    """A command, and what must be installed for it.

    Attributes:
        name: in the state file.
        command: the arguments of Python.
        needs: modules that it cannot do without.
    """

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()


def plan(given: argparse.Namespace, work: Path) -> list[Part]:
    """All parts, the most wanted first."""
    shared = ["--device", given.device, "--results", str(work / "results")]
    shared += ["--checkpoints", str(work / "checkpoints")]
    epochs = ["--epochs", str(given.epochs)] if given.epochs else []

    def training(recipe: str, seed: int, data: str = given.data, *more: str) -> Part:
        where = ["--data", data, "--downloads", given.downloads]
        command = ["-m", "vgglib", "--recipe", recipe, "--seeds", str(seed), *where, *shared]
        # What is done by its name is not done again.
        name = " ".join([recipe, *more[1:], "on", data, f"seed {seed}", *epochs])
        return Part(name, (*command, *epochs, *more), PACKAGE)

    parts = [Part("tests", ("-m", "pytest", "-q", "-x", *given.tests), (*PACKAGE, "pytest"))]
    parts += [training("post", 0)]
    parts += [training(recipe, seed) for seed in range(given.seeds) for recipe in given.recipes]
    parts += [training("fast", seed) for seed in range(given.fast_seeds)]
    if given.beside:
        parts.append(Part("beside", tuple(given.beside.split())))
    speed = ["benchmarks/speed.py", "--device", given.device, "--seconds", str(given.rounds)]
    parts.append(Part("benchmark", (*speed, "--models", *given.models), PACKAGE))
    if not given.device.startswith("cpu"):  # where float16 is refused
        parts.append(training("quick", 0, "shapes", "--precision", "float16"))
    chapter = ["chapters/training.ipynb", str(work / "training.ipynb"), "-p", "DEVICE"]
    chapter += [given.device, "--cwd", str(work), "--no-progress-bar"]
    needs = (*PACKAGE, "papermill", "ipykernel", "matplotlib")
    parts.append(Part("chapter", ("-m", "papermill", *chapter), needs))
    return parts


class State:
    """What is known so far, in a file that is whole at any moment."""

    def __init__(self, path: Path, earlier: Path | None) -> None:
        self.path = path
        self.parts: dict[str, dict[str, Any]] = {}
        self.records: dict[str, str] = {}  # text by file name
        known = [earlier] if earlier else []
        known += [path] if path.exists() else []
        for file in known:
            found = json.loads(file.read_text(encoding="utf-8"))
            for name, part in found["parts"].items():
                if self.parts.get(name, {}).get("status") != "done":
                    self.parts[name] = part
            self.records.update(found["records"])

    def done(self, part: Part) -> bool:
        """Whether it ended well in this call or an earlier one."""
        return self.parts.get(part.name, {}).get("status") == "done"

    def collect(self, results: Path) -> None:
        """Take in the records that trainings have written."""
        for file in results.glob("*.json"):
            self.records[file.name] = file.read_text(encoding="utf-8")
        self.write()

    def write(self) -> None:
        """Replace the file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f".{self.path.name}.new")
        content = {"parts": self.parts, "records": self.records}
        new.write_text(json.dumps(content, indent=1), encoding="utf-8")
        new.replace(self.path)


def run(part: Part, state: State, work: Path, seconds: float) -> None:
    """Run a part for so many seconds at most, and note how it ended."""
    missing = [name for name in part.needs if importlib.util.find_spec(name) is None]
    if missing:
        state.parts[part.name] = {"status": f"left out: no {', '.join(missing)} here"}
        return state.write()
    log = work / "log.txt"
    started = time.perf_counter()
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *part.command], cwd=ROOT, env=variables, stdout=file, stderr=file
        )
        status = "out of time"
        while time.perf_counter() - started < seconds:
            try:
                code = process.wait(timeout=min(2.0, max(0.1, seconds)))
            except subprocess.TimeoutExpired:
                state.collect(work / "results")
                continue
            status = "done" if code == 0 else f"ended with status {code}"
            break
        else:
            process.kill()
            process.wait()
    state.parts[part.name] = {
        "status": status,
        "seconds": round(time.perf_counter() - started, 1),
        "log": log.read_text(encoding="utf-8", errors="replace")[-LOG_KEPT:],
    }
    state.collect(work / "results")


def summary(records: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each recipe and network: accuracy, its deviation, seconds."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for record in records:
        key = tuple(record[name] for name in ("dataset", "recipe", "model", "epochs"))
        groups.setdefault(key, []).append(record)
    lines = []
    for (data, recipe, model, epochs), group in groups.items():
        top_1 = [record["top_k_accuracy"][0] for record in group]
        seconds = statistics.mean(record["train_seconds"] for record in group)
        spread = f" ± {statistics.stdev(top_1):.2f}" if len(group) > 1 else ""
        lines.append(
            f"{data}, {recipe}, {model}, {epochs} epochs, {len(group)} seeds:"
            f" {statistics.mean(top_1):.2f}{spread} %, {seconds:.1f} s"
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what is undone until the time is over."""
    parser = argparse.ArgumentParser(
        description=__doc__.replace("::", ":"), formatter_class=argparse.RawTextHelpFormatter
    )
    add = parser.add_argument
    add("--state", type=Path, default=Path("gpu.json"), help="the file of results")
    add("--earlier", type=Path, help="the state of an earlier call")
    add("--records", type=Path, help="only write the state's records into this folder")
    add("--seconds", type=float, default=540.0)
    add("--device", default="cuda")
    add("--data", default="cifar10")
    add("--downloads", default="data", help="where CIFAR-10 lies")
    add("--work", type=Path, default=Path(tempfile.gettempdir(), "vgg-gpu"), help="checkpoints")
    add("--epochs", type=int, help="of each training, for a trial")
    add("--recipes", nargs="+", default=["classic", "modern"], help="the short ones")
    add("--seeds", type=int, default=3, help="of these")
    add("--fast-seeds", type=int, default=10)
    add("--beside", default="", help="arguments of Python: a script to time after `fast`")
    add("--tests", nargs="+", default=TESTS)
    add("--rounds", type=float, default=3, help="seconds for each number of the benchmark")
    add("--models", nargs="+", default=["I", "II", "III"], help="of the benchmark")
    given = parser.parse_args(arguments)
    end = time.perf_counter() + given.seconds
    if given.earlier and not given.earlier.exists():
        parser.error(f"there is no state {str(given.earlier)!r}: expected the file of a call")
    state = State(given.state, given.earlier)
    if given.records:
        if not (given.state.exists() or given.earlier):
            parser.error(f"there is no state {str(given.state)!r}: expected the file of a call")
        given.records.mkdir(parents=True, exist_ok=True)
        for name, text in state.records.items():
            (given.records / name).write_text(text, encoding="utf-8")
        return
    given.work.mkdir(parents=True, exist_ok=True)
    state.write()  # with what was known earlier, also where nothing is left to do
    parts = plan(given, given.work)
    for part in parts:
        left = end - time.perf_counter()
        if not state.done(part) and left > 0:
            print(f"{part.name:<28}", end="", flush=True)
            run(part, state, given.work, left)
            told = state.parts[part.name]
            print(f"{told.get('seconds', 0):7.1f} s  {told['status']}", flush=True)
    undone = [part.name for part in parts if not state.done(part)]
    print("\n".join(summary([json.loads(text) for text in state.records.values()])))
    print(f"not done: {', '.join(undone) or 'nothing'}")


if __name__ == "__main__":
    main()
