"""The built-in data set: drawn by a seed, hard enough for pixels alone, in a light that varies."""

import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vgglib.data import load_data
from vgglib.shapes import _OUTLINES, CLASSES, TEST_LIGHT, TRAIN_LIGHT, draw_shapes


@pytest.fixture(scope="module")
def data():
    return load_data("shapes")


# --------------------------------------------------------------------------------------------------
# Draws
# --------------------------------------------------------------------------------------------------


def test_the_same_seed_draws_the_same_images_and_leaves_the_random_state_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, _ = draw_shapes(30, seed=7)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    second, _ = draw_shapes(30, seed=7)
    assert torch.equal(first, second)


def test_other_seeds_draw_other_images():
    images = torch.cat([draw_shapes(30, seed=seed)[0] for seed in range(3)])
    assert len(images.flatten(1).unique(dim=0)) == 90


def test_images_are_uint8_and_use_the_range():
    images, labels = draw_shapes(200)
    assert (images.shape, images.dtype) == ((200, 3, 32, 32), torch.uint8)
    assert (labels.shape, labels.dtype) == ((200,), torch.int64)
    assert images.min() < 20 and images.max() == 255


@pytest.mark.parametrize("count", [1, 10, 25, 1010])
def test_the_classes_take_turns(count):
    images, labels = draw_shapes(count, image_size=8)
    assert len(images) == count
    assert labels.tolist() == [i % 10 for i in range(count)]


@pytest.mark.parametrize("image_size", [8, 16, 33, 64])
def test_images_come_in_the_size_asked_for(image_size):
    images, _ = draw_shapes(10, image_size=image_size)
    assert images.shape == (10, 3, image_size, image_size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "the number of images must be at least 1, got 0"),
        ({"count": 10, "light": -0.1}, "light must not be negative, got -0.1"),
        ({"count": 10, "light": float("nan")}, "light must not be negative, got nan"),
        ({"count": 10, "image_size": 7}, "image_size must be at least 8 pixels for shapes, got 7"),
    ],
)
def test_what_cannot_be_drawn_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        draw_shapes(**options)


# --------------------------------------------------------------------------------------------------
# Shapes and light
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLASSES)
def test_an_outline_lies_in_the_picture_and_has_an_inside(name):
    v, u = torch.meshgrid(torch.linspace(-2, 2, 81), torch.linspace(-2, 2, 81), indexing="ij")
    inside = _OUTLINES[name](u, v) < 0
    assert 0.03 < inside.float().mean() < 0.25  # of 4x4 radii; a disk of radius 1 has 0.2
    assert not (inside & (torch.hypot(u, v) > 1.25)).any()


def test_outlines_can_be_told_apart():
    v, u = torch.meshgrid(torch.linspace(-1, 1, 41), torch.linspace(-1, 1, 41), indexing="ij")
    inside = torch.stack([_OUTLINES[name](u, v) < 0 for name in CLASSES])
    for i in range(10):
        for j in range(i):
            common = (inside[i] & inside[j]).sum() / (inside[i] | inside[j]).sum()
            assert common < 0.9, (CLASSES[i], CLASSES[j])


def colors(light):
    """Mean colors of images of one seed, shape (600, 3): all else is drawn alike."""
    images, _ = draw_shapes(600, seed=3, light=light)
    return images.float().mean(dim=(2, 3))


def test_the_mean_color_varies_more_in_the_light_of_the_test_split():
    still, train, test = (colors(light).std(dim=0) for light in (0.0, TRAIN_LIGHT, TEST_LIGHT))
    assert (still <= train + 0.1).all()
    assert (test > 1.2 * train).all()


def test_the_light_changes_brightness_and_color():
    change = (colors(TEST_LIGHT) / colors(0.0)).log()
    brightness = change.mean(dim=1)
    warmth = change[:, 0] - change[:, 2]
    assert brightness.std() > 0.15
    assert warmth.std() > 0.15


def test_the_light_of_the_test_split_varies_more(data):
    train, test = (split.images.float().mean(dim=(2, 3)) for split in (data.train, data.test))
    assert (test.std(dim=0) > 1.2 * train.std(dim=0)).all()


# --------------------------------------------------------------------------------------------------
# The data set
# --------------------------------------------------------------------------------------------------


def test_the_splits_share_no_image(data):
    images = torch.cat([data.train.images, data.validation.images, data.test.images])
    assert len(images) == 6000
    assert len(images.flatten(1).unique(dim=0)) == 6000


def test_the_classes_are_equally_frequent_in_each_split(data):
    for split, count in ((data.train, 450), (data.validation, 50), (data.test, 100)):
        assert split.labels.bincount().tolist() == [count] * 10


def test_six_thousand_images_take_seconds(one_thread):
    # Time of this process, so that others on the machine do not count.
    started = time.process_time()
    load_data("shapes")
    assert time.process_time() - started < 15


def test_a_linear_classifier_on_pixels_does_not_do(data):
    """Well above guessing, as the colors are hints, and below what a network learns in a minute.

    Judged on 5,000 images of the light of the training split, of which the 500 of validation are
    too small a sample, and on the test split.
    """
    mean = data.train.images.float().mean(dim=0)

    def pixels(images):
        return (images - mean).flatten(1) / 255

    inputs, labels = pixels(data.train.images), data.train.labels
    model = nn.Linear(inputs.shape[1], 10)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(15):
        for index in torch.randperm(len(labels)).split(100):
            optimizer.zero_grad()
            F.cross_entropy(model(inputs[index]), labels[index]).backward()
            optimizer.step()

    @torch.no_grad()
    def accuracy(images, labels):
        return 100 * (model(pixels(images)).argmax(dim=1) == labels).double().mean().item()

    assert accuracy(data.train.images, labels) > 50  # it did learn
    assert 20 < accuracy(*draw_shapes(5000, seed=1000)) < 60
    assert 20 < accuracy(data.test.images, data.test.labels) < 60
