"""The checks of the exercises of What the sources get wrong: right answers and wrong ones."""

import pytest
import torch

from vggcheck import mistakes as check


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (["log_softmax", "shift"], ": right.\n"),
        ({"shift", "log_softmax"}, ": right.\n"),
        ([...], "waiting"),
        (["log_softmax", "shift", "softmax"], "mistake 2 itself"),
        (["log_softmax", "shift", "sigmoid"], "come near 0"),
        ([], "Not all of them change the loss"),
        (["shift"], "1 is missing"),
        (["log_softmax"], "1 is missing"),
        (["shift", "relu"], "Choose among log_softmax, sigmoid, softmax, shift"),
        (["shift", 2], "should be strings"),
        ("shift", "a list or a set"),
    ],
)
def test_exercise_1(verdict, answer, said):
    assert said in verdict(check.exercise_1, answer)


def test_the_check_of_exercise_1_leaves_the_random_state(verdict):
    before = torch.get_rng_state()
    verdict(check.exercise_1, ["shift"])
    assert torch.equal(before, torch.get_rng_state())


def test_exercise_2(verdict):
    # Images of different brightness and contrast: the average deviation is too small.
    brightness, contrast = torch.rand(2, 30, 1, 1, 1)
    noise = torch.rand(30, 3, 8, 8)
    images = (255 * (0.6 * contrast * noise + 0.4 * brightness)).to(torch.uint8)
    red = images[:, 0].flatten(1).double() / 255
    deviations = red.std(dim=1, correction=0)
    whole = red.std(correction=0)
    ratio = deviations.mean() / whole

    def ask(means=1.0, deviations=ratio, any_size=False):
        return verdict(check.exercise_2, means, deviations, any_size, images)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(1, round(ratio.item(), 3))
    assert ": right.\n" in ask(deviations=red.std(dim=1)[None].mean() / red.std(), means=0.998)
    assert "waiting" in ask(...)
    for wrong, said in [
        (255.0, "scale 0..255"),
        (1 / 255, "scale 0..255"),
        (0.5, "means is too small"),
    ]:
        assert said in ask(means=wrong), said
    for wrong, said in [
        (1 / ratio, "divided by the other"),
        (255 * ratio, "scale 0..255"),
        (ratio / 255, "scale 0..255"),
        (deviations.square().mean().sqrt() / whole, "variances were averaged"),
        (red.mean(dim=1).std() / whole, "the means of the images differ"),
        (deviations.mean() / whole**2, "divided by a variance"),
        (1.0, "really those of all pixels"),
        (0.1, "deviations is too small"),
        (images[0, :, 0, 0], "should be a number"),
    ]:
        assert said in ask(deviations=wrong), said
    assert "a white picture of 1 pixel" in ask(any_size=True)
    assert "True or False" in ask(any_size="no")


def test_exercise_3(verdict):
    generator = torch.Generator().manual_seed(0)
    simulated = torch.randn(20_000, 3, generator=generator).amax(dim=1).mean().item()
    deviation = 100 * (0.85 * 0.15 / 10_000) ** 0.5

    def ask(points=simulated * deviation, reason=False):
        return verdict(check.exercise_3, points, reason)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(0.3)
    assert "waiting" in ask(...)
    for wrong, said in [
        (1.0, "for the best of 200, or for 1,000 images"),
        (0.94, "for the best of 200, or for 1,000 images"),
        (0.21, "nothing in common"),
        (0.36, "of one measurement"),
        (0.0, "not of one that nobody chose"),
        (0.003, "Give percentage points"),
        (0.5, "too large"),
    ]:
        assert said in ask(wrong), said
    assert "luck alone" in ask(reason=True)
    assert "True or False" in ask(reason="no")
