"""The accuracy table of the first page and of the README, made from the records.

`make refresh` and `make accuracy` renew it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import vgglib
from tools.settings import ROOT
from vgglib.figures import mean_and_spread, table
from vgglib.machine.files import atomic_write
from vgglib.published import POST_ACCURACIES, PUBLIC_TRAININGS

PAGES = (ROOT / "pages" / "intro.md", ROOT / "README.md")
DATA = "cifar10"
MISSING = "-"  # not trained yet
_SPACE = "\u00a0"  # where a cell does not break
# Of others, what stands beside our networks for little computation.
OTHERS = {"slim": "airbench94_muon", "wide": "airbench95"}
BETWEEN = re.compile(r"(<!-- accuracy -->\n).*?(<!-- end -->)", re.DOTALL)


def accuracy_table(results: Path = ROOT / "results") -> str:
    """The rows as Markdown: a network each, the post's accuracy beside that of our recipes."""
    records = vgglib.read_records(results)
    networks = (*POST_ACCURACIES, *OTHERS)
    post = [f"{POST_ACCURACIES[n][0]:.2f}" if n in POST_ACCURACIES else "" for n in networks]
    columns = {"network": networks, "Zhong (2024)": post}
    for recipe in ("classic", "modern"):
        columns[f"ours, `{recipe}`"] = _column(records, recipe, networks)
    # A network is trained by one of the two, and its cell in the column of the other is empty.
    little = (_column(records, recipe, networks) for recipe in ("fast", "longer"))
    columns["ours, `fast` or `longer`"] = list(map("".join, zip(*little, strict=True)))
    columns["airbench"] = [_of_others(OTHERS[n]) if n in OTHERS else "" for n in networks]
    return table(list(columns), list(zip(*columns.values(), strict=True))).data


def _of_others(training: str) -> str:
    """Its accuracy, and its name without that of the column, which leaves room for the others."""
    return f"{PUBLIC_TRAININGS[training][0]:.2f} ({training.removeprefix('airbench')})"


def _column(records: list[dict[str, Any]], recipe: str, networks: tuple[str, ...]) -> list[str]:
    """A cell for each network; empty for one that the recipe is not for."""
    cells = []
    for name in networks:
        own = [
            r for r in records if (r["dataset"], r["recipe"], r["model"]) == (DATA, recipe, name)
        ]
        missing = MISSING if name in vgglib.NETWORKS[recipe] else ""
        cells.append(_cell(own) if own else missing)
    return cells


def _cell(records: list[dict[str, Any]]) -> str:
    """Of the longest training, where there are several."""
    epochs = max(record["epochs"] for record in records)
    group = [record for record in records if record["epochs"] == epochs]
    accuracies = [record["top_k_accuracy"][0] for record in group]
    # Of two numbers a deviation says less than the numbers.
    both = " and ".join(f"{accuracy:.2f}" for accuracy in accuracies)
    accuracy = both if len(group) == 2 else mean_and_spread(accuracies, 2)
    seeds = f", {len(group)}{_SPACE}seeds" if len(group) > 2 else ""
    return f"{accuracy} ({epochs}{_SPACE}epochs{seeds})"


def renew(page: Path) -> bool:
    """Put the table of the present records into a page; return whether it changed."""
    text = page.read_text(encoding="utf-8")
    new = BETWEEN.sub(rf"\g<1>\n{accuracy_table()}\n\n\g<2>", text)
    if new == text:
        return False
    with atomic_write(page) as file:
        file.write(new.encode())
    return True
