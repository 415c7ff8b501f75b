"""Numbers that the chapters say in their text, and that come from the published records."""

import pytest

from tools.chapters import read
from tools.settings import ROOT
from vgglib.data import CIFAR10_CLASSES
from vgglib.published import CIFAR10_NEAR_DUPLICATES
from vgglib.records import book_results, read_predictions, read_records


def chapter_text(name):
    cells = read(ROOT / "chapters" / f"{name}.ipynb").cells
    return "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def mean(field, recipe, model, epochs):
    """Over the seeds, on ``cifar10-jpeg``."""
    values = [
        record[field][0] if field == "top_k_accuracy" else record[field]
        for record in read_records(book_results())
        if record["dataset"] == "cifar10-jpeg"
        and (record["recipe"], record["model"], record["epochs"]) == (recipe, model, epochs)
    ]
    return sum(values) / len(values)


def ahead(one, other):
    """By how many points of top-1."""
    return f"{mean('top_k_accuracy', *one) - mean('top_k_accuracy', *other):.1f}"


def pflop(*trainings):
    return sum(mean("training_pflop", *training) for training in trainings)


CLASSIC = {name: ("classic", name, 12) for name in ("I", "II", "III")}
MODERN = {name: ("modern", name, 8) for name in ("I", "II", "III")}


@pytest.mark.parametrize(
    ("chapter", "claim", "values"),
    [
        (
            "results",
            "II is {} points ahead of I, and III is {} points ahead of II.",
            lambda: (ahead(MODERN["II"], MODERN["I"]), ahead(MODERN["III"], MODERN["II"])),
        ),
        (
            "results",
            "II gains {} points by that, and is {} points ahead of I.",
            lambda: (
                ahead(CLASSIC["II"], ("classic", "II", 6)),
                ahead(CLASSIC["II"], CLASSIC["I"]),
            ),
        ),
        (
            "results",
            "III gains {} points, and is {} points ahead of II: as good as nothing,",
            lambda: (
                ahead(CLASSIC["III"], ("classic", "III", 6)),
                ahead(CLASSIC["III"], CLASSIC["II"]),
            ),
        ),
        (
            "ten_years_later",
            "III is {} points ahead of `classic`'s III of 12 epochs",
            lambda: (ahead(MODERN["III"], CLASSIC["III"]),),
        ),
        (
            "ten_years_later",
            "II {} points ahead of `classic`'s II of 12 epochs",
            lambda: (ahead(MODERN["II"], CLASSIC["II"]),),
        ),
    ],
)
def test_a_number_in_the_text_is_that_of_the_records(chapter, claim, values):
    assert claim.format(*values()) in chapter_text(chapter)


def test_the_costs_in_the_text_are_those_of_the_records():
    text = chapter_text("ten_years_later")
    assert "for two thirds of the computation" in text
    assert pflop(MODERN["I"]) / pflop(CLASSIC["I"]) == pytest.approx(2 / 3, rel=0.05)
    assert "for half of what that cost with its start" in text
    assert pflop(MODERN["II"]) / pflop(CLASSIC["I"], CLASSIC["II"]) == pytest.approx(
        1 / 2, rel=0.05
    )
    assert "for two fifths of what that cost with its two starts" in text
    assert pflop(MODERN["III"]) / pflop(*CLASSIC.values()) == pytest.approx(2 / 5, rel=0.06)


def test_by_the_validation_split_the_third_network_of_classic_is_behind():
    assert "by the validation split it is behind" in chapter_text("results")
    behind = mean("validation_top_1", *CLASSIC["III"]) < mean("validation_top_1", *CLASSIC["II"])
    assert behind


def test_what_results_says_of_the_copy_and_of_the_twins():
    text = chapter_text("results")
    (record,) = (
        r
        for r in read_records(book_results())
        if (r["dataset"], r["recipe"], r["seed"]) == ("cifar10", "fast", 0)
    )
    top_1 = record["top_k_accuracy"][0]
    assert f"and `fast` {top_1:.1f} % in one run" in chapter_text("ten_years_later")
    said, labels = read_predictions(record, book_results())
    copy, same_labels = read_predictions(record, book_results(), on="cifar10-jpeg")
    assert (labels == same_labels).all()
    right, there = ((p.argmax(dim=1) == labels).double() for p in (said, copy))
    assert "on the copy it errs about twice as often" in text
    assert (1 - there.mean()) / (1 - right.mean()) == pytest.approx(2, abs=0.1)
    assert "Birds, dogs and automobiles lose most, ships least." in text
    lost = {
        name: float((right - there)[labels == number].mean())
        for number, name in enumerate(CIFAR10_CLASSES)
    }
    order = sorted(lost, key=lost.get, reverse=True)
    assert (order[:3], order[-1]) == (["bird", "dog", "automobile"], "ship")
    assert "and got every one of them right" in text
    assert right[list(CIFAR10_NEAR_DUPLICATES)].mean() == 1
