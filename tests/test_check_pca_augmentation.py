"""The checks of the exercises of PCA augmentation: right answers and typical wrong ones."""

import pytest
import torch

from vggcheck import pca_augmentation as check
from vgglib import PCA, PCAColorShift, SubtractMean, channel_statistics


@pytest.fixture
def images():
    """Bytes of pictures that differ in color from each other."""
    colors = torch.randint(40, 200, (20, 3, 1, 1))
    return (colors + torch.randint(-40, 55, (20, 3, 4, 4))).byte()


def test_exercise_1(verdict, images):
    gray = images.double().mean(dim=1, keepdim=True).expand(-1, 3, -1, -1) / 255
    pca = channel_statistics(gray).pca()
    values, axis = pca.eigenvalues, pca.eigenvectors[:, 0]
    for right in (axis, -axis, [0.577] * 3, axis.float()):
        assert ": right.\n" in verdict(check.exercise_1, images, values, right, "brightness")
    assert ": right.\n" in verdict(check.exercise_1, images, values.tolist(), axis, "brightness")
    assert "waiting" in verdict(check.exercise_1, images, values, axis, ...)
    for wrong, said in [
        (values / 3, "each of the three channels"),
        (values.flip(0), "largest comes first"),
        (255**2 * values, "[0, 1] scale"),
        (values.sqrt(), "Those are deviations"),
        (channel_statistics(images).pca().eigenvalues, "images in color"),
        (values[0], "should have the shape"),
        (values + 0.01, "off by up to"),
    ]:
        assert said in verdict(check.exercise_1, images, wrong, axis, "brightness"), said
    row = torch.tensor([1, 2**0.5, 0]) / 3**0.5
    for wrong, said in [
        (torch.ones(3), "length 1"),
        (torch.full((3,), 1 / 3), "length 1"),
        (axis * torch.tensor([1, 1, -1]), "Are they so in your axis"),
        (row, "looks like a row"),
        (torch.tensor([1.0, 0, 0]), "not the direction"),
        (torch.zeros(3), "not the direction"),
        (pca.eigenvectors, "should have the shape"),
        (0.577, "should be a tensor"),
    ]:
        assert said in verdict(check.exercise_1, images, values, wrong, "brightness"), said
    for wrong, said in {"nothing": "is not 0", "tint": "differ", "gray": "Choose one"}.items():
        assert said in verdict(check.exercise_1, images, values, axis, wrong)


def test_exercise_2(verdict, images):
    pca = channel_statistics(images).pca()
    subtract = SubtractMean([0.4, 0.5, 0.6])

    def orders(by="root", std=0.5):
        shift = PCAColorShift(pca.eigenvalues, pca.eigenvectors, std=std, by=by)
        return (
            lambda pictures, draw: subtract(shift.transform(pictures, draw)),
            lambda pictures, draw: shift.transform(subtract(pictures), draw),
            shift,
        )

    for by in ("root", "eigenvalue"):
        shift_first, mean_first, shift = orders(by)
        assert ": right.\n" in verdict(check.exercise_2, shift_first, mean_first, "by clipping")
    exact = torch.tensor([0.4, 0.5, 0.6], dtype=torch.float64)[:, None, None]

    def in_float64(pictures):
        return (pictures / 255 if pictures.dtype == torch.uint8 else pictures) - exact

    for first, second in [
        (lambda p, d: in_float64(shift.transform(p, d)), mean_first),
        (shift_first, lambda p, d: shift.transform(in_float64(p), d)),
    ]:
        assert ": right.\n" in verdict(check.exercise_2, first, second, "by clipping")
    assert "waiting" in verdict(check.exercise_2, shift_first, mean_first, ...)
    assert "waiting" in verdict(check.exercise_2, lambda p, d: ..., mean_first, "by clipping")
    for first, second, said in [
        (lambda p, d: shift(p), mean_first, "shift_first draws amplitudes"),
        (shift_first, lambda p, d: shift(subtract(p)), "mean_first draws amplitudes"),
        (lambda p, d: subtract(p), mean_first, "shift_first does not shift"),
        (shift_first, lambda p, d: shift.transform(p, d), "mean_first does not subtract"),
        (shift_first, lambda p, d: subtract(mean_first(p, d)), "each once"),
        (orders("root")[0], mean_first, "one shift"),
        (mean_first, shift_first, "wrong way round"),
        (shift_first, shift_first, "Both functions shift the bytes"),
        (mean_first, mean_first, "as they are"),
        (lambda p, d: 3, mean_first, "should return pictures"),
        (lambda p, d: mean_first(p, d)[0], mean_first, "change the shape"),
    ]:
        assert said in verdict(check.exercise_2, first, second, "by clipping"), said
    for wrong, said in {
        "not at all": "is not 0",
        "by rounding": "half a gray level",
        "by much": "Choose one",
    }.items():
        assert said in verdict(check.exercise_2, shift_first, mean_first, wrong)


def test_exercise_3(verdict):
    values = torch.tensor([0.1719, 0.0139, 0.0029], dtype=torch.float64)
    root = values.sqrt()
    std, ratio = 0.1 * root[0], (root[0] / root[2]).item()
    assert ": right.\n" in verdict(check.exercise_3, values, std, ratio)
    assert ": right.\n" in verdict(check.exercise_3, values, round(std.item(), 3), round(ratio, 1))
    assert "waiting" in verdict(check.exercise_3, values, std, ...)
    for wrong, said in [
        (0.1 * values[0], "times the root"),
        (0.1 / root[0], "the equation"),
        ((0.1 * values[0]).sqrt(), "eigenvalue alone"),
        (0.1 * root[2], "along the third axis"),
        (0.1, "shifts further"),
        (25.5 * root[0], "[0, 1] scale"),
        (0.05, "too large"),
        (0.03, "too small"),
    ]:
        assert said in verdict(check.exercise_3, values, wrong, ratio), said
    for wrong, said in [
        (1 / ratio, "Which of the two"),
        (ratio**2, "ratio of the eigenvalues"),
        (1 / root[2], "differ, too"),
        (1, "another eigenvalue"),
        (2, "too small"),
    ]:
        assert said in verdict(check.exercise_3, values, std, wrong), said


def test_images_that_are_gray_have_one_axis(verdict, tmp_path, save_image):
    drawn = torch.randint(0, 256, (8, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    images = drawn.expand(-1, 3, -1, -1).to(torch.uint8)
    for i, image in enumerate(images):
        save_image(tmp_path / "gray" / f"{i}.png", pixels=image.movedim(0, -1).numpy())
    found = channel_statistics(tmp_path / "gray")
    values, large = found.pca().eigenvalues, found.pca().for_white(255)
    assert values[1] < 1e-12
    assert ": right.\n" in verdict(check.exercise_3, values, 0.1 * values[0].sqrt(), float("nan"))
    assert ": right.\n" in verdict(check.exercise_4, images, found, large, large.for_white(1))
    assert "still on the" in verdict(check.exercise_4, images, found, values, values)


def test_exercise_4(verdict, images, tmp_path, save_image):
    for i, image in enumerate(images):
        save_image(tmp_path / "png" / f"{i}.png", pixels=image.movedim(0, -1).numpy())
        save_image(tmp_path / "jpeg" / f"{i}.jpg", pixels=image.movedim(0, -1).numpy(), quality=99)
    found = channel_statistics(tmp_path / "png")
    pca = found.pca()
    large, values = pca.for_white(255), pca.eigenvalues
    back = large.for_white(1)
    assert ": right.\n" in verdict(check.exercise_4, images, found, large, back)
    assert ": right.\n" in verdict(
        check.exercise_4, images, found, large.eigenvalues, back.eigenvalues.tolist()
    )
    assert "waiting" in verdict(check.exercise_4, images, found, large, ...)
    for wrong, said in [
        (pca, "what `channel_statistics` returns"),
        (str(tmp_path), "what `channel_statistics` returns"),
        (channel_statistics(images[1:]), "in the folder there are 304"),
        (channel_statistics(tmp_path / "jpeg"), "keep every byte"),
        (channel_statistics(255 - images // 2), "other pictures"),
    ]:
        assert said in verdict(check.exercise_4, images, wrong, large, back), said
    for wrong, said in [
        (pca, "still on the [0, 1] scale"),
        (255 * values, "what is its unit"),
        (255 * values.sqrt(), "deviations in gray levels"),
        (2 * large.eigenvalues, "off by up to"),
    ]:
        assert said in verdict(check.exercise_4, images, found, wrong, back), said
    for wrong, said in [
        (large, "not back yet"),
        (large.eigenvalues / 255, "as much as they grew"),
        (PCA(values / 2, pca.eigenvectors), "off by up to"),
        (values[0], "should have the shape"),
    ]:
        assert said in verdict(check.exercise_4, images, found, large, wrong), said


def test_exercise_5(verdict, images):
    pixels = images.double() / 255
    means = pixels.mean(dim=(2, 3))
    whole = channel_statistics(images).covariance
    within = torch.stack([channel_statistics(image).covariance for image in images]).mean(dim=0)
    missing = whole - within
    for right in (means, means - means.mean(dim=0), means.float()):
        assert ": right.\n" in verdict(check.exercise_5, images, within, right)
    assert "waiting" in verdict(check.exercise_5, images, within, ...)
    for wrong, said in [
        (whole, "with the term"),
        (missing, "what is missing"),
        (within * 16 / 15, "not by one less"),
        (within * 20, "not the sum"),
        (within * 20 * 16, "That is the scatter"),
        (within * 255**2, "[0, 1] scale"),
        (within + 0.1, "off by up to"),
        (within.diagonal(), "should have the shape"),
    ]:
        assert said in verdict(check.exercise_5, images, wrong, means), said
    for wrong, said in [
        (means.T, "Turn the points around"),
        (pixels, "all pixels"),
        (missing, "Of which points"),
        (means.mean(dim=0), "should have the shape"),
        (255 * means, "[0, 1] scale"),
        (pixels.flatten(2).std(dim=2, correction=0), "It is not missing"),
        (means**2, "off by up to"),
        ("the means", "should be a tensor"),
    ]:
        assert said in verdict(check.exercise_5, images, within, wrong), said


def test_checks_leave_the_random_state_and_the_images(verdict, images):
    kept, state = images.clone(), torch.get_rng_state()
    subtract = SubtractMean([0.4, 0.5, 0.6])
    verdict(check.exercise_1, images, torch.zeros(3), torch.zeros(3), "tint")
    verdict(check.exercise_2, lambda p, d: subtract(p), lambda p, d: subtract(p), "by rounding")
    verdict(check.exercise_5, images, torch.zeros(3, 3), torch.zeros(20, 3))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(images, kept)
