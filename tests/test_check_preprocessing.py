"""The checks of the exercises of Preprocessing: right answers and typical wrong ones."""

import math

import pytest
import torch

from vggcheck import preprocessing as check
from vgglib import channel_statistics


def test_exercise_1(verdict, tmp_path, save_image):
    for shade, side in ((255, 10), (0, 30)):
        pixels = torch.full((side, side, 3), shade, dtype=torch.uint8).numpy()
        save_image(tmp_path / f"{shade}.png", pixels=pixels)
    mean = channel_statistics(tmp_path).mean
    for right in (0.1, mean, mean.tolist(), mean[1]):
        assert ": right.\n" in verdict(check.exercise_1, right, 0.5, "images")
    assert "waiting" in verdict(check.exercise_1, 0.1, 0.5, ...)
    for wrong, said in {
        0.5: "pixels, not images",
        25.5: "[0, 1] scale",
        0.9: "part of the black pixels",
        100 / 900: "the white ones included",
        0.25: "how many times the pixels",
        0.2: "too large",
    }.items():
        assert said in verdict(check.exercise_1, wrong, 0.5, "images")
    assert "counts once" in verdict(check.exercise_1, 0.1, 0.1, "images")
    assert "[0, 1] scale" in verdict(check.exercise_1, 0.1, 127.5, "images")
    assert "more squares" in verdict(check.exercise_1, 0.1, 0.5, "pixels")
    uneven = torch.tensor([0.1, 0.1, 0.2])
    assert "should be a number" in verdict(check.exercise_1, uneven, 0.5, "images")


def right_bias(weight, bias, mean):
    return bias - weight.sum(dim=(2, 3)) @ mean


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (right_bias, ": right.\n"),
        (lambda weight, bias, mean: ..., "waiting"),
        (lambda weight, bias, mean: bias + weight.sum(dim=(2, 3)) @ mean, "which sign"),
        (lambda weight, bias, mean: bias, "for centered images"),
        (lambda weight, bias, mean: -weight.sum(dim=(2, 3)) @ mean, "there before"),
        (lambda weight, bias, mean: weight.sum(dim=(2, 3)) @ mean, "Where is b?"),
        (lambda weight, bias, mean: bias - weight.mean(dim=(2, 3)) @ mean, "they add up"),
        (lambda weight, bias, mean: bias - weight[..., 1, 1] @ mean, "in the middle"),
        (lambda weight, bias, mean: bias - weight.sum((1, 2, 3)) * mean.mean(), "of its own"),
        (lambda weight, bias, mean: bias - mean.sum(), "Its weights matter"),
        (lambda weight, bias, mean: bias - weight.sum() * mean.mean(), "off by up to"),
        (lambda weight, bias, mean: right_bias(weight, bias, mean)[0], "should have the shape"),
    ],
)
def test_exercise_2_function(verdict, function, said):
    assert said in verdict(check.exercise_2, function, "border", "padding")


def test_exercise_2_choices(verdict):
    assert "waiting" in verdict(check.exercise_2, right_bias, ..., "padding")
    for where, said in {
        "nowhere": "each row",
        "everywhere": "more than rounding",
        "middle": "pixels only",
        "left": "Choose one of",
    }.items():
        assert said in verdict(check.exercise_2, right_bias, where, "padding")
    for why, said in {
        "rounding": "a millionth",
        "bias": "the same at each place",
        "stride": "left out",
    }.items():
        assert said in verdict(check.exercise_2, right_bias, "border", why)


def test_exercise_3(verdict):
    images = torch.randint(0, 200, (1200, 3, 4, 4), dtype=torch.uint8)
    images[..., 2:] //= 2  # so that a mean image can do more than a mean color
    pixels = images.float() / 255
    image, color = pixels.mean(dim=0), pixels.mean(dim=(0, 2, 3))[:, None, None]
    before = pixels.square().mean().item()
    color_left, image_left = ((pixels - mean).square().mean().item() for mean in (color, image))
    by_color, by_image = 1 - color_left / before, 1 - image_left / before

    kept = images.clone()
    assert ": right.\n" in verdict(check.exercise_3, images, image, by_color, by_image)
    assert torch.equal(images, kept)
    assert "waiting" in verdict(check.exercise_3, images, image, by_color, ...)
    for wrong, said in [
        (pixels.mean(dim=(2, 3)), "for each picture"),
        (color, "That is the mean color"),
        (pixels.mean(dim=(0, 1)), "were mixed"),
        (255 * image, "[0, 1] scale"),
        (image + 0.1, "off by up to"),
        (0.5, "should be a tensor"),
    ]:
        assert said in verdict(check.exercise_3, images, wrong, by_color, by_image)
    for wrong, said in [
        (by_image, "what the mean image removes"),
        (0.0, "before any subtraction"),
        (100 * by_color, "not in percent"),
        (color_left / before, "what it leaves"),
        (1 - math.sqrt(color_left / before), "not of its root"),
        (round(by_color, 2), "without rounding"),
        (0.5, "too small"),
    ]:
        assert said in verdict(check.exercise_3, images, image, wrong, by_image)
    for wrong, said in [
        (by_color, "what the mean color removes"),
        (1 - image_left / color_left, "not with the centered ones"),
        (image_left / before, "what it leaves"),
        (0.99, "too large"),
    ]:
        assert said in verdict(check.exercise_3, images, image, by_color, wrong)


def test_exercise_3_tells_two_near_parts_apart(verdict):
    images = torch.randint(100, 200, (2000, 3, 2, 2), dtype=torch.uint8)
    pixels = images.double() / 255
    image, color = pixels.mean(dim=0), pixels.mean(dim=(0, 2, 3))[:, None, None]
    before = pixels.square().mean()
    color = 1 - ((pixels - color).square().mean() / before).item()
    assert ": right.\n" in verdict(check.exercise_3, images, image, color, image_part(pixels))
    assert "without rounding" in verdict(
        check.exercise_3, images, image, color - 3e-3, image_part(pixels)
    )


def image_part(pixels):
    left = (pixels - pixels.mean(dim=0)).square().mean()
    return 1 - (left / pixels.square().mean()).item()


@pytest.mark.parametrize("seed", range(5))
def test_exercise_4_whatever_the_draw(verdict, seed):
    torch.manual_seed(seed)
    right = torch.distributions.Binomial(500, torch.tensor(0.1))
    chosen_on, other = right.sample((200, 50)) / 5, right.sample((200, 50)) / 5
    best = chosen_on.argmax(dim=1, keepdim=True)
    reported = chosen_on.gather(1, best).mean()
    fresh = other.gather(1, best).mean()
    assert ": right.\n" in verdict(check.exercise_4, reported, fresh)
    assert ": right.\n" in verdict(check.exercise_4, round(reported.item()), round(fresh.item()))
    for wrong, said in [
        (chosen_on.mean(), "reaches on average"),
        (chosen_on.max(), "Average over them"),
        (reported - fresh, "by how much it flatters"),
        (reported / 100, "in percent"),
        (5 * reported, "a number of images"),
        (12, "average 200 times"),
        (90, "too large."),
    ]:
        assert said in verdict(check.exercise_4, wrong, fresh), said
    for wrong, said in [
        (other.max(dim=1).values.mean(), "chosen already"),
        (fresh / 100, "in percent"),
        (5 * fresh, "a number of images"),
        (fresh - 1.5, "average 200 times"),
        (1, "too small."),
    ]:
        assert said in verdict(check.exercise_4, reported, wrong), said
    assert "waiting" in verdict(check.exercise_4, reported, ...)
    assert "should be a number" in verdict(check.exercise_4, "13", fresh)


def test_checks_leave_the_random_state(verdict):
    state = torch.get_rng_state()
    verdict(check.exercise_2, right_bias, "border", "padding")
    verdict(check.exercise_4, 13, 10)
    assert torch.equal(torch.get_rng_state(), state)
