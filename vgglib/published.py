"""What others have published: the paper's Tables 3 to 6 on ImageNet, and the post's table.

Both are typed in once, here; every chapter and page takes them from here.
"""

from __future__ import annotations

from dataclasses import dataclass

from vgglib.protocols import Protocol


@dataclass(frozen=True)
class PaperResult:
    """A result of the paper on ImageNet's 50,000 validation images.

    Attributes:
        table: its number in the paper.
        models: a configuration, or those of an ensemble.
        training_scale: smallest and largest ``S``, pixels.
        protocol: how it was tested.
        top_1: error in percent.
        top_5: error in percent.
    """

    table: int
    models: tuple[str, ...]
    training_scale: tuple[int, int]
    protocol: Protocol
    top_1: float
    top_5: float


def _tables_3_to_6() -> tuple[PaperResult, ...]:
    low, high, jittered = (256, 256), (384, 384), (256, 512)
    around = {low: (224, 256, 288), high: (352, 384, 416), jittered: (256, 384, 512)}
    table_3 = {
        "A": {low: (29.6, 10.4)},
        "A-LRN": {low: (29.7, 10.5)},
        "B": {low: (28.7, 9.9)},
        "C": {low: (28.1, 9.4), high: (28.1, 9.3), jittered: (27.3, 8.8)},
        "D": {low: (27.0, 8.8), high: (26.8, 8.7), jittered: (25.6, 8.1)},
        "E": {low: (27.3, 9.0), high: (26.9, 8.7), jittered: (25.5, 8.0)},
    }
    table_4 = {
        "B": {low: (28.2, 9.6)},
        "C": {low: (27.7, 9.2), high: (27.8, 9.2), jittered: (26.3, 8.2)},
        "D": {low: (26.6, 8.6), high: (26.5, 8.6), jittered: (24.8, 7.5)},
        "E": {low: (26.9, 8.7), high: (26.7, 8.6), jittered: (24.8, 7.5)},
    }
    table_5 = {
        "D": {"dense": (24.8, 7.5), "crops": (24.6, 7.5), "both": (24.4, 7.2)},
        "E": {"dense": (24.8, 7.5), "crops": (24.6, 7.4), "both": (24.4, 7.1)},
    }
    table_6 = {"dense": (24.0, 7.1), "crops": (23.9, 7.2), "both": (23.7, 6.8)}  # D and E
    results = [
        PaperResult(table, (model,), scale, Protocol(around[scale][tested]), *errors)
        for table, cells, tested in [(3, table_3, slice(1, 2)), (4, table_4, slice(None))]
        for model, by_scale in cells.items()
        for scale, errors in by_scale.items()
    ]
    results += [
        PaperResult(5, (model,), jittered, Protocol(around[jittered], method), *errors)
        for model, by_method in table_5.items()
        for method, errors in by_method.items()
    ]
    results += [
        PaperResult(6, ("D", "E"), jittered, Protocol(around[jittered], method), *errors)
        for method, errors in table_6.items()
    ]
    return tuple(results)


#: The paper's Tables 3, 4 and 5, and the ensemble of D and E of its Table 6, its best.
PAPER_ERRORS: tuple[PaperResult, ...] = _tables_3_to_6()

#: Zhong (2024), Results: top-1 to top-5 accuracy in percent on CIFAR-10's test set, averaged with
#: the mirror images, after 200 epochs for I and 100 more for each of the others.
POST_ACCURACIES: dict[str, tuple[float, ...]] = {
    "I": (82.45, 92.74, 96.23, 97.82, 98.87),
    "II": (84.88, 93.95, 96.91, 98.23, 98.99),
    "III": (86.93, 94.39, 96.83, 98.15, 98.90),
}
