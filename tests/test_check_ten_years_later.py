"""The checks of the exercises of Ten years later: right answers and typical wrong ones."""

from dataclasses import asdict, replace

import pytest
import torch

from vggcheck import ten_years_later as check
from vgglib import RECIPES, trace, training_pflop, vgg
from vgglib.evaluation import Evaluation
from vgglib.experiments import Experiment, cost_of_training
from vgglib.training import Training


def cost(name, epochs, images=50_000):
    return training_pflop(trace(name).multiply_adds, epochs * images)


def test_exercise_1(verdict):
    one, second, third = cost("I", 200), cost("II", 100), cost("III", 100)
    way = one + second + third
    fast = cost_of_training(vgg("slim"), RECIPES["fast"], 50_000)
    many = way / fast

    def ask(*answer):
        return verdict(check.exercise_1, *answer)

    assert ": right.\n" in ask(one, way, many)
    assert ": right.\n" in ask(round(one, 1), round(way), torch.tensor(round(many)))
    assert "waiting" in ask(one, way, ...)
    for wrong, said in [
        (one / 2, "two operations"),
        (one / 3, "The way back is missing"),
        (one / 6, "Those are multiply-adds"),
        (one / 200, "a single epoch"),
        (one * 0.9, "all 50,000 images"),
        (one * 1e15, "10^15 operations"),
        (one * 2, "too large"),
        ("10", "should be a number"),
    ]:
        assert said in ask(wrong, way, many), said
    for wrong, said in [
        (third, "III alone"),
        (second + third, "begins with I"),
        (one + third, "III starts from II"),
        (one + 2 * second + 2 * third, "100 epochs each"),
        (way * 1e15, "10^15 operations"),
        (way / 2, "too small"),
    ]:
        assert said in ask(one, wrong, many), said
    for wrong, said in [
        (many / 0.9, "on all 50,000 images"),
        (way / cost("slim", RECIPES["fast"].epochs), "see smaller images"),
        (many * RECIPES["fast"].epochs, "A training by `fast` has"),
        (one / fast, "for I alone"),
        (1 / many, "other way round"),
        (many * 2, "too large"),
    ]:
        assert said in ask(one, way, wrong), said


def record(model="I", seconds=1000.0, pflop=0.5, recipe="classic", dataset="cifar10"):
    return {
        "model": model,
        "recipe": recipe,
        "dataset": dataset,
        "train_seconds": seconds,
        "training_pflop": pflop,
    }


def test_exercise_2(verdict):
    # Two records of I: that of either counts, and so does their mean. The others do not.
    records = [
        record(),
        record(seconds=1250.0),
        record(seconds=100.0, recipe="modern"),
        record(seconds=50.0, dataset="shapes"),
        record("III", seconds=2000.0, pflop=1.6),
    ]
    minutes = cost_of_training(vgg("slim"), RECIPES["fast"], 50_000) * 1e15 / 1e12 / 60

    def ask(minutes=minutes, rate=0.5, records=records):
        return verdict(check.exercise_2, minutes, rate, records)

    for rate in (0.5, 0.4, 0.45):
        assert ": right.\n" in ask(rate=rate)
    assert ": right.\n" in ask(round(minutes, 1))
    assert "waiting" in ask(...)
    for wrong, said in [
        (60 * minutes, "are seconds"),
        (minutes / 60, "are hours"),
        (minutes / 2, "two operations"),
        (minutes / 3, "way back"),
        (minutes / RECIPES["fast"].epochs, "a single epoch"),
        (minutes * 0.9, "on all 50,000 images"),
        (cost("slim", RECIPES["fast"].epochs) * 1e3 / 60, "see smaller images"),
        (2 * minutes, "too large"),
    ]:
        assert said in ask(wrong), said
    for wrong, said in [
        (0.5e-3, "PFLOP a second"),
        (0.5e12, "operations a second"),
        (500, "10^9"),
        (30, "in a minute"),
        (0.5 / 60, "seconds, not minutes"),
        (2.0, "other way round"),
        (0.8, "a deeper network"),
        (5.0, "too large"),  # of another recipe
        (10.0, "too large"),  # of another data set
    ]:
        assert said in ask(rate=wrong), said
    assert "none of I" in ask(records=records[2:])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((1, 0.5, "larger"), ": right.\n"),
        ((1.001, torch.tensor(0.4998), "larger"), ": right.\n"),
        ((..., 0.5, "larger"), "waiting"),
        ((2, 0.5, "larger"), "the convolution by itself"),
        ((0.5, 0.5, "larger"), "does the deviation grow"),
        ((0, 0.5, "larger"), "A factor of 1 means"),
        ((4, 0.5, "larger"), "output is too large"),
        ((1, 1, "larger"), "counts less"),
        ((1, 2, "larger"), "more or less"),
        ((1, 0.25, "larger"), "in relation to the weights"),
        ((1, 0, "larger"), "does not vanish"),
        ((1, 0.5, "smaller"), "by your own number"),
        ((1, 0.5, "same"), "the other way"),
        ((1, 0.5, "none"), "Choose one of"),
    ],
)
def test_exercise_3(verdict, answer, said):
    assert said in verdict(check.exercise_3, *answer)


def test_the_check_of_exercise_3_leaves_the_random_state(verdict):
    before = torch.get_rng_state()
    verdict(check.exercise_3, 1, 0.5, "larger")
    assert torch.equal(before, torch.get_rng_state())


def experiment(epochs, accuracies, *, model="I", seed=0, **changes):
    """What `run_experiment` gives, without the training."""
    modern = {"schedule": "one_cycle", "warmup": 0.2, "averaging": 0.0}
    recipe = replace(RECIPES["quick"], name="plan", epochs=epochs, **{**modern, **changes})
    values = {"model": model, "epochs": epochs, "seed": seed, "settings": asdict(recipe)}
    training = Training({"validation_top_1": accuracies}, ["CPU"])
    test = Evaluation(1.0, [39.0], torch.ones(1, 1), 39.0)
    return Experiment(None, training, test, values, None, None)


SHORT = experiment(3, [10.0, 30.0, 50.0])
LONG = experiment(6, [11.0, 31.0, 41.0, 60.0, 70.0, 80.0])


def test_exercise_4(verdict):
    after_three = {3: 50.0, 6: 41.0}

    def ask(factor=0.625, plans=None, top_1=after_three, fair=False):
        return verdict(check.exercise_4, factor, plans or {3: SHORT, 6: LONG}, top_1, fair)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(0.63)
    # The conclusion is about the plans: the chances of one seed may say otherwise.
    lucky = experiment(6, [11.0, 31.0, 51.0, 60.0, 70.0, 80.0])
    assert ": right.\n" in ask(plans={3: SHORT, 6: lucky}, top_1={3: 50.0, 6: 51.0})
    assert "waiting" in ask(plans={3: ..., 6: ...})
    for wrong, said in [
        (0.5, "there is a warm-up"),
        (0.833, "the start of the third epoch"),
        (0.417, "after four"),
        (0.0, "the plan of three epochs"),
        (0.625 * 0.04, "That is the rate"),
        (0.9, "too large"),
    ]:
        assert said in ask(wrong), said
    for wrong, said in [
        ({3: SHORT}, "the keys 3 and 6"),
        ([SHORT, LONG], "trainings are asked for as a dict"),
        ({3: SHORT.training, 6: LONG}, "what run_experiment gives"),
        ({3: LONG, 6: LONG}, "has 6 epochs"),
        ({3: experiment(3, [1.0], model="III"), 6: LONG}, "another network"),
        ({3: experiment(3, [1.0], schedule="plateau"), 6: LONG}, "no one-cycle schedule"),
        ({3: experiment(3, [1.0], averaging=0.9), 6: LONG}, "averages its weights"),
        ({3: experiment(3, [1.0], dropout=0.0, flip=0.0), 6: LONG}, "dropout, flip"),
        ({3: experiment(3, [1.0], seed=1), 6: LONG}, "more than the epochs: seed"),
    ]:
        assert said in ask(plans=wrong), said
    for wrong, said in [
        (50.0, "accuracies are asked for as a dict"),
        ({3: 50.0, 6: 80.0}, "after all 6 epochs"),
        ({3: 39.0, 6: 41.0}, "the test set"),
        ({3: 30.0, 6: 41.0}, "after two epochs"),
        ({3: 50.0, 6: 0.41}, "Give percent"),
        ({3: 60.0, 6: 41.0}, "plan of 3 epochs is too large"),
    ]:
        assert said in ask(top_1=wrong), said
    assert "come to its end" in ask(fair=True)
    assert "as True or False" in ask(fair="no")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((0, 8, 14), ": right.\n"),
        ((0.0, 8, 14.0), ": right.\n"),
        ((0, ..., 14), "waiting"),
        ((0.5, 8, 14), "a 2 in the mirror"),
        ((1, 8, 14), "all digits"),
        ((0.1, 8, 14), "mirrored is too large"),
        ((0, 24, 14), "As many as now"),
        ((0, 4, 14), "their negatives"),
        ((0, 12, 14), "components of color patches"),
        ((0, 2, 14), "more than one pixel"),
        ((0, 7, 14), "filters is too small"),
        ((0, 8, 2), "hardly be seen"),
        ((0, 8, 7), "how much larger"),
        ((0, 8, 98), "not an area"),
        ((0, 8, 16), "have 32 pixels"),
        ((0, 8, 28), "translation is too large"),
    ],
)
def test_exercise_5(verdict, answer, said):
    assert said in verdict(check.exercise_5, *answer)
