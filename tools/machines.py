"""`make test-machines`: compare the chapters with their outputs as other processors would.

Rounding differs from one processor to another, and a training that rounds otherwise ends elsewhere.
What a chapter prints must be the same all the same, so this machine plays others: torch and its
libraries are told to use less than the processor has, bfloat16 is taken away or given, and one
thread does the work of two. It is no part of `make test`; all sets and chapters take up to an hour.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch

from tools.chapters import ChapterError, named
from tools.compare import Comparison, compare, told
from tools.settings import ROOT

LOGS = ROOT / "_build" / "machines"

# Instructions, from the most to the least: what oneDNN, ATen and MKL are told to use at most, and
# the capabilities, in torch's words, that a processor needs for it.
LEVELS = {
    "AMX": ("AVX512_CORE_AMX", "avx512", "AVX512", ("amx_bf16", "amx_tile")),
    "AVX-512 bf16": ("AVX512_CORE_BF16", "avx512", "AVX512", ("avx512_bf16",)),
    "AVX-512": ("AVX512_CORE", "avx512", "AVX512", ("avx512_f", "avx512_bw", "avx512_vl")),
    "AVX2": ("AVX2", "avx2", "AVX2", ("avx2",)),
    "no vectors": ("AVX2", "default", "SSE4_2", ("avx2",)),
}

# What the kernel runs first. `vgglib.choose_precision` asks torch whether bfloat16 is there.
STARTUP = """\
def _play():
    import torch

    found = {{**torch.cpu.get_capabilities(), "avx512_bf16": {0}, "amx_bf16": {0}}}
    torch.cpu.get_capabilities = lambda: dict(found)


_play()
del _play
"""


@dataclass(frozen=True)
class Machine:
    """A processor that this one plays.

    Attributes:
        level: its instructions, a key of ``LEVELS``.
        bfloat16: whether it has bfloat16, as torch tells it.
        threads: that torch computes with.
    """

    level: str
    bfloat16: bool
    threads: int

    def __str__(self) -> str:
        precision = "bfloat16" if self.bfloat16 else "float32"
        return f"{self.level}, {precision}, {self.threads} thread{'s' * (self.threads > 1)}"

    @property
    def variables(self) -> dict[str, str]:
        """Of the environment; they must be there before torch is loaded."""
        onednn, aten, mkl, _ = LEVELS[self.level]
        return {
            "ONEDNN_MAX_CPU_ISA": onednn,
            "ATEN_CPU_CAPABILITY": aten,
            "MKL_ENABLE_INSTRUCTIONS": mkl,
            "OMP_NUM_THREADS": str(self.threads),
        }

    @property
    def startup(self) -> str:
        """Code for the kernel."""
        return STARTUP.format(self.bfloat16)


# The processors of this world. In float32, those with AVX-512 are one: what AMX and bfloat16 add to
# them is not used then, and trainings came out equal to the last bit.
MACHINES = [
    Machine(level, bfloat16, threads)
    for level, bfloat16 in [
        ("AMX", True),
        ("AVX-512 bf16", True),
        ("AVX-512", False),
        ("AVX2", False),
        ("no vectors", False),
    ]
    for threads in (1, 2)
]


def playable(capabilities: dict[str, object]) -> list[Machine]:
    """Those that a processor of these capabilities can play."""
    return [m for m in MACHINES if all(capabilities.get(name) for name in LEVELS[m.level][3])]


def other(machines: Sequence[Machine], capabilities: dict[str, object]) -> Machine | None:
    """One of other instructions than this processor's own: AVX2 where there is a choice."""
    own = next((v for v, (*_, need) in LEVELS.items() if all(map(capabilities.get, need))), None)
    found = [machine for machine in machines if machine.level != own]
    return next((m for m in found if m.level == "AVX2"), found[0] if found else None)


def compare_all(
    machines: Sequence[Machine], paths: Sequence[Path]
) -> dict[tuple[Machine, Path], Comparison]:
    """Each chapter as each machine; what differs is told at once, and its log is kept."""
    found = {}

    def run(pair: tuple[Machine, Path]) -> Comparison:
        machine, path = pair
        comparison = compare(path, startup=machine.startup, variables=machine.variables)
        print(f"{path.stem:<18} {machine!s:<34} {told(comparison)}", flush=True)
        if comparison.different:
            log = LOGS / f"{machine}-{path.stem}.log".replace(", ", "-").replace(" ", "_")
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(comparison.log, encoding="utf-8")
        return comparison

    cores = os.cpu_count() or 1
    for threads in sorted({machine.threads for machine in machines}):
        # As many at once as the cores can do without waiting for each other.
        with ThreadPoolExecutor(max(1, cores // threads)) as pool:
            pairs = [(m, path) for m in machines if m.threads == threads for path in paths]
            found |= zip(pairs, pool.map(run, pairs), strict=True)
    return found


def table(found: dict[tuple[Machine, Path], Comparison]) -> str:
    """A row for each chapter, a column for each machine."""
    machines, paths = (list(dict.fromkeys(column)) for column in zip(*found, strict=True))
    letters = dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", machines, strict=False))
    rows = [["chapter", *letters]]
    for path in paths:
        cells = [told(found[machine, path]) for machine in letters.values()]
        rows.append([path.stem, *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{letter}: {machine}" for letter, machine in letters.items()]
    lines += ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(lines)


def main() -> None:
    """Compare, print the table, and end with an error if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("chapters", nargs="*", help="all, if none is named")
    parser.add_argument(
        "--machine", default="all", choices=["all", "other"], help="other: one, not like this one"
    )
    given = parser.parse_args()
    capabilities = dict(getattr(torch.cpu, "get_capabilities", dict)())
    machines = playable(capabilities)
    for level in dict.fromkeys(m.level for m in MACHINES if m not in machines):
        print(f"this processor lacks, and cannot play: {level}")
    if given.machine == "other":
        machines = [machine for machine in [other(machines, capabilities)] if machine]
        if not machines:
            print("this processor can play nothing but itself")
            return
        print(f"this processor plays: {machines[0]}")
    if not machines:
        sys.exit(f"make test-machines: a {platform.machine()} processor can play none of them")
    try:
        found = compare_all(machines, named(given.chapters))
    except ChapterError as error:
        sys.exit(f"make test-machines: {error}")
    print(f"\n{table(found)}")
    different = [f"{path.stem} ({m})" for (m, path), c in found.items() if c.different]
    if different:
        sys.exit(
            "make test-machines: other outputs than the committed ones:\n  "
            + "\n  ".join(different)
            + f"\nWhat differs is in {LOGS.relative_to(ROOT)}"
        )


if __name__ == "__main__":
    main()
