"""The checks of the exercises of Results: right answers and typical wrong ones."""

from types import SimpleNamespace

import pytest
import torch

import vgglib
from vggcheck import results as check
from vgglib.evaluation import Evaluation

ROWS = {  # not those of the chapter
    "I": (80.0, 90.0, 95.0, 97.5, 98.0),
    "II": (82.0, 91.0, 96.0, 98.0, 99.0),
    "III": (85.0, 92.0, 97.0, 98.0, 98.5),
}
ERRORS = {name: [100 - a for a in row] for name, row in ROWS.items()}


def test_exercise_1(verdict):
    assert ": right.\n" in verdict(check.exercise_1, ERRORS, 10.0, ROWS)
    tensors = {name: torch.tensor(row) for name, row in ERRORS.items()}
    assert ": right.\n" in verdict(check.exercise_1, tensors, 10.0, ROWS)
    assert "waiting" in verdict(check.exercise_1, {**ERRORS, "II": ...}, 10.0, ROWS)
    assert "waiting" in verdict(check.exercise_1, ERRORS, ..., ROWS)
    for wrong, said in [
        ([1], "with the keys I, II, III"),
        ({"III": ERRORS["III"]}, "with the keys I, II, III"),
        ({**ERRORS, "I": [20.0]}, "errors of I should be 5 numbers"),
        ({**ERRORS, "I": 20.0}, "errors of I should be 5 numbers"),
        (ROWS, "the accuracies still"),
        ({name: [e / 100 for e in row] for name, row in ERRORS.items()}, "in percent"),
        ({**ERRORS, "II": [18, 9, 4, 2, 2]}, "top-5 error of II is too large"),
    ]:
        assert said in verdict(check.exercise_1, wrong, 10.0, ROWS)
    for wrong, said in {
        0.1: "is above 1",
        98.5 / 85: "of the accuracies",
        13.5: "the difference of the two",
        18.0: "the factor for II",
        12.0: "too large",
    }.items():
        assert said in verdict(check.exercise_1, ERRORS, wrong, ROWS), wrong


def test_exercise_2(verdict):
    one, other = (100 * (p * (1 - p) / 10_000) ** 0.5 for p in (0.860, 0.869))
    error = (one**2 + other**2) ** 0.5
    ratio, why = 0.9 / error, "their errors rise and fall together"
    assert ": right.\n" in verdict(check.exercise_2, error, ratio, why)
    assert ": right.\n" in verdict(check.exercise_2, 0.48, 1.9, why)
    assert "waiting" in verdict(check.exercise_2, error, ratio, ...)
    for wrong, said in {
        one: "of one accuracy",
        other: "of one accuracy",
        one + other: "Add the squares",
        one**2 + other**2: "the root",
        error / 100: "percentage points",
        0.6: "too large",
    }.items():
        assert said in verdict(check.exercise_2, wrong, ratio, why)
    for wrong, said in {
        1 / ratio: "The other way",
        0.9 / one: "of one accuracy",
        0.9 / other: "of one accuracy",
        -ratio: "the better one",
        1.5: "too small",
    }.items():
        assert said in verdict(check.exercise_2, error, wrong, why)
    for wrong, said in {
        "there are fewer images": "in common",
        "each standard error is too small": "go together",
        "chance": "Choose one of",
    }.items():
        assert said in verdict(check.exercise_2, error, ratio, wrong)


def test_exercise_3(verdict):
    matrix = torch.tensor([[8, 2, 0, 0], [1, 9, 0, 0], [4, 1, 5, 0], [1, 1, 8, 0]])
    right, total = matrix.diagonal(), matrix.sum()
    recall, precision = right / matrix.sum(dim=1), right / matrix.sum(dim=0)
    assert precision.isnan().any()  # nothing was called the last class
    assert ": right.\n" in verdict(check.exercise_3, recall, precision, matrix)
    without_nan = right / matrix.sum(dim=0).clamp(min=1)
    assert ": right.\n" in verdict(check.exercise_3, recall, without_nan, matrix)
    assert "waiting" in verdict(check.exercise_3, recall, ..., matrix)
    said = {
        "That is the precision": (precision, recall),
        "That is the recall": (recall, recall),
        "Give the recall as parts of 1": (100 * recall, precision),
        "Give the precision as parts of 1": (recall, 100 * precision),
        "of all samples": (right / total, precision),
        "Counts out of how many": (right, precision),
        "missing to it": (1 - recall, precision),
        "should have the shape (4,), but has ()": (recall.mean(), precision),
        "should have the shape (4,), but has (4, 4)": (matrix / matrix.sum(dim=1), precision),
        "should be a tensor": (recall.tolist(), precision),
        "off by up to 0.2": (recall, precision + torch.tensor([0, 0.2, 0, 0])),
    }
    for words, answer in said.items():
        assert words in verdict(check.exercise_3, *answer, matrix), words


@pytest.fixture(scope="module")
def trained():
    """A network and data as in the chapter, but tiny; sure of itself, as if it had learned."""
    data = vgglib.load_data("shapes", train_images=600, test_images=120)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = vgglib.vgg("I", width=1 / 16, num_classes=10, image_size=32)
    with torch.no_grad():
        model.classifier.fc2.weight *= 100
    _, transform = vgglib.make_transforms(data, vgglib.RECIPES["quick"])
    test = vgglib.evaluate(model, data.test, transform)
    return SimpleNamespace(model=model, test_transform=transform, test=test), data


@pytest.fixture(autouse=True)
def fast(one_thread):
    """Of tiny networks."""


def evaluations(run, data):
    both = vgglib.evaluate(run.model, data.test, run.test_transform)
    return both, vgglib.evaluate(run.model, data.test, run.test_transform, mirror=False)


def test_exercise_4(verdict, trained):
    run, data = trained
    both, single = evaluations(run, data)
    gain = both.top_1 - single.top_1
    assert abs(gain) > 0.3  # or there would be nothing to tell
    loss = both.loss - single.loss

    def ask(both=both, single=single, gain=gain, letters="harm"):
        return verdict(check.exercise_4, both, single, gain, letters, run, data)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(gain=round(gain, 1))
    assert "waiting" in ask(single=...)
    assert "waiting" in ask(letters=...)
    validation = vgglib.evaluate(run.model, data.validation, run.test_transform)
    other = Evaluation(both.loss, both.top_k_accuracy, both.probabilities.roll(1, 0), 50.0)
    for answer, said in [
        ({"both": single}, "with the mirror image was asked without mirror images"),
        ({"single": both}, "without the mirror image was asked with mirror images"),
        ({"single": other}, "another network"),
        ({"both": validation}, "another split: it has 60 images"),
        ({"both": both.top_1}, "should be what vgglib.evaluate gives"),
        ({"gain": -gain}, "Which of the two"),
        ({"gain": loss}, "change of the loss"),
        ({"gain": -loss}, "change of the loss"),
        ({"gain": both.top_1}, "the accuracy with the mirror image"),
        ({"gain": gain + 20}, "too large"),
        ({"letters": "gain"}, "before a mirror"),
        ({"letters": "no change"}, "before a mirror"),
        ({"letters": "yes"}, "Choose one of"),
    ]:
        assert said in ask(**answer), said


def test_exercise_5(verdict, trained):
    run, data = trained
    found = {
        name: vgglib.evaluate(run.model, getattr(data, name), run.test_transform)
        for name in ("validation", "test")
    }
    confidence = {
        name: 100 * f.probabilities.amax(dim=1).mean().item() for name, f in found.items()
    }
    gaps = {name: confidence[name] - found[name].top_1 for name in found}
    test = found["test"]
    highest = test.probabilities.amax(dim=1)
    sure = 100 * highest[test.predictions == data.test.labels].mean().item()

    def ask(found=found, gaps=gaps, **gap):
        return verdict(check.exercise_5, found, {**gaps, **gap} if gap else gaps, run, data)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(test=round(gaps["test"], 1))
    assert ": right.\n" in ask({**found, "test": run.test})
    assert "waiting" in ask(test=...)
    assert "waiting" in ask({**found, "test": ...})
    for wrong, said in {
        -gaps["test"]: "from the confidence",
        gaps["test"] / 100: "percentage points",
        confidence["test"] / 100 - test.top_1: "One of the two is in percent",
        confidence["test"]: "Compare it with the accuracy",
        sure - test.top_1: "They count",
        100 * highest.median().item() - test.top_1: "The mean is asked for",
        99.0: "The gap of test is too large",
    }.items():
        assert said in ask(test=wrong), said
    assert "The gap of validation" in ask(validation=99.0)
    assert "evaluations should be a dictionary" in ask([])
    assert "gaps should be a dictionary" in ask(gaps={"test": 1.0})
    assert "evaluation of test is of another split" in ask({**found, "test": found["validation"]})
    assert "should be what vgglib.evaluate gives" in ask({**found, "test": 3})


def test_the_network_and_the_random_state_stay_as_they_are(verdict, trained):
    run, data = trained
    before = torch.get_rng_state()
    for training in (True, False):
        run.model.train(training)
        both, single = evaluations(run, data)
        assert ": right.\n" in verdict(
            check.exercise_4, both, single, both.top_1 - single.top_1, "harm", run, data
        )
        assert run.model.training == training
    assert torch.equal(torch.get_rng_state(), before)
