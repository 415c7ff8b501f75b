"""The accuracy table of the first page, made from the records.

`make refresh` and `make accuracy` renew it.
"""

from __future__ import annotations

import re
from pathlib import Path

import vgglib
from tools.settings import ROOT
from vgglib.figures import mean_and_spread, table
from vgglib.machine.files import atomic_write
from vgglib.published import POST_ACCURACIES

PAGE = ROOT / "pages" / "intro.md"
# The first data set that a cell has records of, and what marks it.
DATA = {"cifar10": "", "cifar10-jpeg": "\u2009†"}
BETWEEN = re.compile(r"(<!-- accuracy -->\n).*?(<!-- end -->)", re.DOTALL)


def accuracy_table(results: Path = ROOT / "results") -> str:
    """The rows as Markdown: a network each, the post's accuracy beside that of our recipes."""
    records = vgglib.read_records(results)
    rows = []
    for name in (*POST_ACCURACIES, "slim"):
        row = [name, f"{POST_ACCURACIES[name][0]:.2f}" if name in POST_ACCURACIES else ""]
        for recipe in ("classic", "modern", "fast"):
            group = [r for r in records if (r["model"], r["recipe"]) == (name, recipe)]
            row.append(_cell(group))
        rows.append(row)
    header = ["network", "Zhong (2024)", "ours, `classic`", "ours, `modern`", "ours, `fast`"]
    return table(header, rows).data


def _cell(records: list[dict]) -> str:
    """Of the longest training, where there are several."""
    for data, mark in DATA.items():
        of_data = [r for r in records if r["dataset"] == data]
        if of_data:
            epochs = max(r["epochs"] for r in of_data)
            group = [r for r in of_data if r["epochs"] == epochs]
            accuracy = mean_and_spread([r["top_k_accuracy"][0] for r in group], 2)
            seeds = f", {len(group)} seeds" if len(group) > 1 else ""
            return f"{accuracy}{mark} ({epochs} epochs{seeds})"
    return ""


def renew(page: Path = PAGE) -> bool:
    """Put the table of the present records into the page; return whether it changed."""
    text = page.read_text(encoding="utf-8")
    new = BETWEEN.sub(rf"\g<1>\n{accuracy_table()}\n\n\g<2>", text)
    if new == text:
        return False
    with atomic_write(page) as file:
        file.write(new.encode())
    return True
