"""Exercises of the chapter Results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from vggcheck.answers import choice, describe, exercise, first, number, tensor
from vgglib.data import Data, Split
from vgglib.evaluation import Evaluation, predict
from vgglib.experiments import Experiment


@exercise(1)
def exercise_1(
    errors: Mapping[str, Sequence[float]], factor: float, accuracies: Mapping[str, Sequence[float]]
) -> str | None:
    """Top-k errors of each row of ``accuracies``, and top-1 by top-5 error of III."""
    if not isinstance(errors, Mapping) or set(errors) != set(accuracies):
        return f"The errors should be a dictionary with the keys {', '.join(accuracies)}."

    def row(name: str) -> str | None:
        given, expected = errors[name], [100 - a for a in accuracies[name]]
        if isinstance(given, Tensor):
            given = given.tolist()
        if not isinstance(given, Sequence) or len(given) != len(expected):
            return f"The errors of {name} should be {len(expected)} numbers."
        return first(
            *(
                number(
                    one,
                    error,
                    what=f"The top-{k} error of {name}",
                    tolerance=0.051,  # a digit after the point is enough
                    mistakes={
                        100 - error: "Those are the accuracies still.",
                        error / 100: "The sizes are right, but errors are in percent here.",
                    },
                )
                for k, (one, error) in enumerate(zip(given, expected, strict=True), 1)
            )
        )

    top_1, *_, top_5 = (100 - a for a in accuracies["III"])
    others = [
        ((100 - a[0]) / (100 - a[-1]), f"That is the factor for {name}.")
        for name, a in accuracies.items()
        if name != "III"
    ]
    return first(
        *map(row, accuracies),
        number(
            factor,
            top_1 / top_5,
            what="The factor",
            tolerance=0.06,
            mistakes=[
                (top_5 / top_1, "Which of the two errors is smaller? The factor is above 1."),
                ((100 - top_5) / (100 - top_1), "That is the factor of the accuracies."),
                (top_1 - top_5, "That is the difference of the two errors."),
                *others,
            ],
        ),
    )


@exercise(2)
def exercise_2(error: float, ratio: float, why: str) -> str | None:
    """The standard error of the difference, the difference by it, why the test is too strict."""
    better, worse, images = 86.9, 86.0, 10_000
    # In percentage points.
    one, other = (100 * (a / 100 * (1 - a / 100) / images) ** 0.5 for a in (worse, better))
    expected = (one**2 + other**2) ** 0.5
    return first(
        number(
            error,
            expected,
            what="The standard error of the difference",
            tolerance=0.0051,  # two digits after the point are enough
            mistakes=[
                (one, "That is the standard error of one accuracy."),
                (other, "That is the standard error of one accuracy."),
                (one + other, "Add the squares, not the standard errors."),
                (one**2 + other**2, "And the root?"),
                (expected / 100, "The size is right, but it is wanted in percentage points."),
            ],
        ),
        number(
            ratio,
            (better - worse) / expected,
            what="The ratio",
            tolerance=0.051,
            mistakes={
                expected / (better - worse): "The other way: the difference by its error.",
                (better - worse) / one: "That is the difference by the error of one accuracy.",
                (better - worse) / other: "That is the difference by the error of one accuracy.",
                (worse - better) / expected: "The size is right. The second is the better one.",
            },
        ),
        choice(
            why,
            "their errors rise and fall together",
            {
                "there are fewer images": "Fewer images make a test less sure. What do two "
                "networks have in common that see the same ones?",
                "each standard error is too small": "Each is right for its own network. The "
                "question is how the two go together.",
            },
        ),
    )


@exercise(3)
def exercise_3(recall: Tensor, precision: Tensor, matrix: Tensor) -> str | None:
    """Recall and precision of each class, as parts of 1, from the confusion matrix."""
    right, total = matrix.diagonal().double(), matrix.sum()
    of_class, of_name = matrix.sum(dim=1), matrix.sum(dim=0)
    # A class that nothing was called: 0 by 0.
    found, correct = (right / of_class).nan_to_num(), (right / of_name).nan_to_num()

    def compare(answer: Any, expected: Tensor, what: str, other: Tensor, hint: str) -> str | None:
        if isinstance(answer, Tensor):
            answer = answer.nan_to_num()
        mistakes = [
            (other, hint),
            (100 * expected, f"Give the {what} as parts of 1."),
            (right / total, "That is the part of all samples, not of those of a class."),
            (right, "Those are counts. Counts out of how many?"),
            (1 - expected, "That is the part that is missing to it."),
        ]
        return tensor(answer, expected, what=f"The {what}", tolerance=1e-3, mistakes=mistakes)

    return first(
        compare(recall, found, "recall", correct, "That is the precision. A row is a true class."),
        compare(
            precision, correct, "precision", found, "That is the recall. A column is a prediction."
        ),
    )


@exercise(4)
def exercise_4(
    both: Evaluation, single: Evaluation, gain: float, letters: str, run: Experiment, data: Data
) -> str | None:
    """The test images with and without the mirror image, what it adds to top-1, and to letters."""
    expected = None
    if isinstance(both, Evaluation) and isinstance(single, Evaluation):
        expected = both.top_1 - single.top_1
    return first(
        _is_evaluation(both, run, data.test, "The evaluation with the mirror image", mirror=True),
        _is_evaluation(
            single, run, data.test, "The evaluation without the mirror image", mirror=False
        ),
        None
        if expected is None
        else number(
            gain,
            expected,
            what="The gain",
            tolerance=0.051,
            mistakes=[
                (-expected, "The size is right. Which of the two is larger?"),
                (both.loss - single.loss, "That is the change of the loss."),
                (single.loss - both.loss, "That is the change of the loss."),
                (both.top_1, "That is the accuracy with the mirror image."),
            ],
        ),
        choice(
            letters,
            "harm",
            {
                "gain": "Write b on a piece of paper, and hold it before a mirror.",
                "no change": "Write b on a piece of paper, and hold it before a mirror.",
            },
        ),
    )


@exercise(5)
def exercise_5(
    found: Mapping[str, Evaluation], gaps: Mapping[str, float], run: Experiment, data: Data
) -> str | None:
    """Evaluations of ``"validation"`` and ``"test"``, and their mean confidence less accuracy."""
    splits = {"validation": data.validation, "test": data.test}
    for answer, what in ((found, "evaluations"), (gaps, "gaps")):
        if not isinstance(answer, Mapping) or set(answer) != set(splits):
            return f"The {what} should be a dictionary with the keys {', '.join(splits)}."
    hints = [
        _is_evaluation(found[name], run, split, f"The evaluation of {name}", mirror=True)
        for name, split in splits.items()
    ]
    if any(hints):
        return first(*hints)

    def compare(name: str) -> str | None:
        highest = found[name].probabilities.amax(dim=1).double()
        accuracy, confidence = found[name].top_1, 100 * highest.mean().item()
        right = found[name].predictions == splits[name].labels.cpu()
        expected = confidence - accuracy
        return number(
            gaps[name],
            expected,
            what=f"The gap of {name}",
            tolerance=0.051,
            mistakes=[
                (-expected, "The size is right, but take the accuracy from the confidence."),
                (expected / 100, "Give the gaps in percentage points."),
                (confidence / 100 - accuracy, "One of the two is in percent, the other is not."),
                (confidence, "That is the mean confidence. Compare it with the accuracy."),
                (
                    100 * highest[right].mean().item() - accuracy,
                    "The network is sure of its wrong answers too. They count.",
                ),
                (100 * highest.median().item() - accuracy, "The mean is asked for."),
            ],
        )

    return first(*map(compare, splits))


def _is_evaluation(
    answer: Any, run: Experiment, split: Split, what: str, *, mirror: bool
) -> str | None:
    """Whether an answer is what ``vgglib.evaluate`` gives for the split. A sample must do."""
    if not isinstance(answer, Evaluation):
        return f"{what} should be what vgglib.evaluate gives, but it is {describe(answer)}."
    if len(answer.probabilities) != len(split):
        return f"{what} is of another split: it has {len(answer.probabilities)} images."
    images, given = split.images[:100], answer.probabilities[:100]

    def distance(mirror: bool) -> float:
        probabilities = predict(run.model, images, run.test_transform, mirror=mirror)
        return (given - probabilities).abs().mean().item()

    asked, other = distance(mirror), distance(not mirror)
    # In half precision, as the training may have been, the probabilities differ a little.
    if min(asked, other) > 0.02:
        return f"{what} is of another network, or of other images."
    if other < asked:
        way = "without" if mirror else "with"
        return f"{what} was asked {way} mirror images: see the options of evaluate."
    return None
