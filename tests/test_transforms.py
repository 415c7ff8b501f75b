"""The transforms on one image and on a batch, uint8 and float, and what else is in a sample."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vgglib.transforms import (
    PCAColorShift,
    RandomCutout,
    RandomHorizontalFlip,
    RandomScaleCrop,
    RandomTranslation,
    SubtractMean,
)

MEAN = (0.5, 0.25, 0.125)
EIGENVALUES = torch.tensor([0.2, 0.05, 0.01], dtype=torch.float64)
EIGENVECTORS = torch.linalg.qr(
    torch.tensor([[1.0, 2, 3], [1, -1, 0], [2, 1, 1]], dtype=torch.float64)
).Q


def color_shift(**options):
    return PCAColorShift(EIGENVALUES, EIGENVECTORS, **options)


def transforms():
    return [
        SubtractMean(MEAN),
        RandomHorizontalFlip(p=1),
        color_shift(),
        RandomTranslation(2),
        RandomCutout(2),
    ]


def names(transform):
    return type(transform).__name__


each_transform = pytest.mark.parametrize(
    "transform", [*transforms(), RandomScaleCrop(4, (5, 6))], ids=names
)


# --------------------------------------------------------------------------------------------------
# All of them
# --------------------------------------------------------------------------------------------------


@each_transform
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 3, 5, 4), (2, 2, 3, 5, 4)])
def test_shape_and_type_stay(transform, dtype, shape):
    images = (
        (255 * torch.rand(shape)).byte() if dtype == torch.uint8 else torch.rand(shape).to(dtype)
    )
    output = transform(images)
    side = (4, 4) if isinstance(transform, RandomScaleCrop) else shape[-2:]
    assert output.shape == (*shape[:-2], *side)
    centered = isinstance(transform, SubtractMean) and dtype == torch.uint8
    assert output.dtype == (torch.float32 if centered else dtype)


@each_transform
def test_the_input_is_not_changed(transform):
    images = torch.rand(2, 3, 4, 4)
    before = images.clone()
    transform(images)
    assert torch.equal(images, before)


@each_transform
def test_labels_pass_through(transform):
    images, labels = torch.rand(2, 3, 4, 4), torch.tensor([3, 5])
    output, tensor, number, name = transform(images, labels, 7, "cat")
    assert not torch.equal(output, images)
    assert tensor is labels and (number, name) == (7, "cat")


@each_transform
def test_a_sample_may_be_a_dict(transform):
    images, labels = torch.rand(2, 3, 4, 4), torch.tensor([3, 5])
    sample = transform({"image": images, "label": labels})
    assert not torch.equal(sample["image"], images) and sample["label"] is labels


@each_transform
def test_an_image_stays_an_image(transform):
    assert isinstance(transform(tv_tensors.Image(torch.rand(3, 4, 4))), tv_tensors.Image)


@each_transform
def test_of_a_label_before_an_image_the_image_is_transformed(transform):
    labels, images = torch.tensor([3, 5]), tv_tensors.Image(torch.rand(2, 3, 4, 4))
    same, output = transform(labels, images)
    assert same is labels
    assert output.shape == images.shape and not torch.equal(output, images)


@each_transform
def test_a_label_before_a_plain_tensor_is_refused(transform):
    # torchvision takes the first plain tensor for the image.
    with pytest.raises(ValueError, match=r"expects RGB .*images .* got \(2,\)"):
        transform(torch.tensor([3, 5]), torch.rand(2, 3, 4, 4))


@each_transform
@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([Image.new("RGB", (4, 4))], TypeError, "a tensor of images, got a PIL.*PILToTensor"),
        ([Image.new("RGB", (4, 4)), torch.tensor(3)], TypeError, "got a PIL image.*PILToTensor"),
        ([np.zeros((3, 4, 4))], TypeError, "expects a tensor of images, got ndarray"),
        ([torch.rand(2, 4, 4)], ValueError, r"expects RGB .*images .* got \(2, 4, 4\)"),
        ([torch.rand(4, 4, 3)], ValueError, r"expects RGB .*images .* got \(4, 4, 3\)"),
        ([torch.rand(4, 4)], ValueError, r"expects RGB .*images .* got \(4, 4\)"),
        (
            [torch.zeros(3, 4, 4).long()],
            TypeError,
            "expects uint8 or float images, got torch.int64",
        ),
        ([tv_tensors.Mask(torch.zeros(4, 4))], TypeError, "transforms images only, got Mask"),
        (
            [tv_tensors.Image(torch.rand(3, 4, 4)), tv_tensors.Image(torch.rand(2, 3, 4, 4))],
            ValueError,
            "must come in batches of one size",
        ),
    ],
)
def test_what_cannot_be_transformed_is_refused(transform, inputs, error, message):
    with pytest.raises(error, match=message):
        transform(*inputs)


def test_they_compose():
    compose = v2.Compose([*transforms()])
    output, label = compose(torch.zeros(2, 3, 4, 4, dtype=torch.uint8), 1)
    assert output.dtype == torch.float32 and label == 1


# --------------------------------------------------------------------------------------------------
# Mean
# --------------------------------------------------------------------------------------------------


def test_the_mean_is_subtracted_from_float_images():
    image = torch.rand(3, 4, 4)
    expected = torch.stack([image[0] - 0.5, image[1] - 0.25, image[2] - 0.125])
    torch.testing.assert_close(SubtractMean(MEAN)(image), expected)


def test_uint8_images_come_to_the_unit_scale_first():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8)[:, None, None].expand(2, 3, 4, 4)
    expected = torch.tensor([-0.5, 0.75, 0.075])
    torch.testing.assert_close(SubtractMean(MEAN)(images)[1, :, 2, 3], expected)


def test_the_mean_may_be_a_tensor():
    assert SubtractMean(torch.tensor(MEAN)).mean == list(MEAN)


@pytest.mark.parametrize(
    ("mean", "message"),
    [
        ((125.3, 123.0, 113.9), r"mean must be on the \[0, 1\] scale, .* divide values of 0..255"),
        ((-0.1, 0.5, 0.5), r"mean must be on the \[0, 1\] scale"),
        ((0.5, 0.5), r"mean must be finite and of shape \(3,\) or \(1,\), got \(0.5, 0.5\)"),
        (0.5, r"mean must be finite and of shape \(3,\) or \(1,\), got 0.5"),
        ((0.5, float("nan"), 0.5), "mean must be finite"),
        (None, r"mean must be numbers of shape \(3,\) or \(1,\), got None"),
        ("gray", r"mean must be numbers of shape \(3,\) or \(1,\), got 'gray'"),
    ],
)
def test_an_impossible_mean_is_refused(mean, message):
    with pytest.raises(ValueError, match=message):
        SubtractMean(mean)


# --------------------------------------------------------------------------------------------------
# Flip
# --------------------------------------------------------------------------------------------------


def flipped(images, output):
    """Which images of a batch were mirrored; each was, or was not."""
    mirrored = (output == images.flip(-1)).flatten(1).all(dim=1)
    assert (mirrored | (output == images).flatten(1).all(dim=1)).all()
    return mirrored


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_each_image_of_a_batch_has_its_own_flip(dtype):
    images = (255 * torch.rand(400, 3, 2, 5)).to(dtype)
    share = flipped(images, RandomHorizontalFlip()(images)).double().mean()
    assert share == pytest.approx(0.5, abs=0.1)


def test_the_probability_is_that_of_the_flip():
    images = torch.rand(2000, 3, 1, 4)
    share = flipped(images, RandomHorizontalFlip(p=0.2)(images)).double().mean()
    assert share == pytest.approx(0.2, abs=0.04)


def test_one_image_is_flipped_or_not():
    image = torch.rand(3, 2, 5)
    outputs = [RandomHorizontalFlip()(image) for _ in range(20)]
    share = flipped(image.expand(20, 3, 2, 5), torch.stack(outputs)).double().mean()
    assert 0 < share < 1


@pytest.mark.parametrize("p", [0, 1])
def test_at_the_extremes_none_or_all_are_flipped(p):
    images = torch.rand(50, 3, 2, 5)
    assert (flipped(images, RandomHorizontalFlip(p)(images)) == bool(p)).all()


def test_two_images_of_one_sample_are_flipped_together():
    image = tv_tensors.Image(torch.rand(50, 3, 2, 5))
    first, second = RandomHorizontalFlip()(image, image)
    assert torch.equal(first, second)


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan"), 50])
def test_an_impossible_probability_is_refused(p):
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\]"):
        RandomHorizontalFlip(p)


# --------------------------------------------------------------------------------------------------
# Color shift
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("std", [0.1, 0.5])
@pytest.mark.parametrize(("scale", "power"), [("eigenvalue", 1), ("root", 0.5)])
def test_the_deviation_along_each_eigenvector(scale, power, std):
    images = torch.zeros(20_000, 3, 1, 1, dtype=torch.float64)
    shifts = color_shift(by=scale, std=std)(images).flatten(1)
    along = shifts @ EIGENVECTORS
    torch.testing.assert_close(along.std(dim=0), std * EIGENVALUES**power, rtol=0.03, atol=0)
    # The three draws are independent of each other, and around zero.
    correlation = along.T.corrcoef() - torch.eye(3)
    assert correlation.abs().max() < 0.03
    assert (along.mean(dim=0).abs() < 0.03 * std * EIGENVALUES**power).all()


def test_every_pixel_of_an_image_has_the_same_shift_and_every_image_its_own():
    images = torch.rand(8, 3, 4, 5, dtype=torch.float64)
    shifts = color_shift()(images) - images
    torch.testing.assert_close(shifts, shifts[..., :1, :1].expand_as(shifts))
    assert len(shifts[:, 0, 0, 0].unique()) == 8


def test_the_shift_of_given_amplitudes_is_the_formula():
    a = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    expected = EIGENVECTORS @ (a * EIGENVALUES)
    torch.testing.assert_close(color_shift().shift(a), expected)


def test_one_image_is_shifted_by_three_draws():
    image = torch.full((3, 4, 4), 0.5, dtype=torch.float64)
    torch.manual_seed(7)
    shift = color_shift()(image) - image
    torch.manual_seed(7)
    expected = color_shift().shift(0.1 * torch.randn(3)).double()
    torch.testing.assert_close(shift[:, 2, 1], expected, rtol=1e-6, atol=1e-8)


def test_uint8_images_are_shifted_by_255_times_as_much():
    images = torch.full((50, 3, 2, 2), 128, dtype=torch.uint8)
    torch.manual_seed(7)
    output = color_shift(by="root")(images)
    torch.manual_seed(7)
    shifted = color_shift(by="root")(images / 255.0)
    assert output.dtype == torch.uint8
    assert torch.equal(output, (255 * shifted).round().clamp(0, 255).byte())


def test_uint8_images_are_clipped_and_do_not_wrap_around():
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, 2, 2)
    output = color_shift(std=20)(images.repeat(50, 1, 1, 1))
    assert {0, 255} <= set(output.unique().tolist())
    blacks = output[::2].float().mean(dim=(2, 3))
    torch.manual_seed(0)
    shifts = color_shift(std=20).shift(20 * torch.randn(100, 3))[::2]
    torch.testing.assert_close(blacks, (255 * shifts).round().clamp(0, 255))


def test_float_images_are_not_clipped():
    output = color_shift(std=20)(torch.zeros(50, 3, 2, 2))
    assert output.min() < 0 and output.max() > 1


def test_without_deviation_nothing_changes():
    images = torch.rand(4, 3, 2, 2)
    assert torch.equal(color_shift(std=0)(images), images)


def test_shifting_before_or_after_subtracting_the_mean_is_the_same():
    images, subtract = torch.rand(4, 3, 2, 2), SubtractMean(MEAN)
    outputs = []
    for order in ([color_shift(), subtract], [subtract, color_shift()]):
        torch.manual_seed(7)
        outputs.append(v2.Compose(order)(images))
    torch.testing.assert_close(*outputs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eigenvalues": (11000.0, 900.0, 190.0)}, r"variances on the \[0, 1\] scale.*255 squared"),
        ({"eigenvalues": (0.2, 0.1, -0.1)}, r"variances on the \[0, 1\] scale"),
        ({"eigenvalues": (0.2, 0.1)}, r"eigenvalues must be finite and of shape \(3,\)"),
        ({"eigenvectors": (1, 0, 0)}, r"eigenvectors must be finite and of shape \(3, 3\)"),
        ({"eigenvectors": [[1, 0], [0, 1, 0]]}, r"eigenvectors must be numbers of shape \(3, 3\)"),
        ({"eigenvectors": torch.ones(3, 3)}, "eigenvectors must be orthonormal"),
        ({"std": -0.1}, "std must be at least 0, got -0.1"),
        ({"std": float("nan")}, "std must be a finite number, at least 0, got nan"),
        ({"by": "sqrt"}, "unknown by 'sqrt'"),
    ],
)
def test_impossible_components_are_refused(options, message):
    components = {"eigenvalues": EIGENVALUES, "eigenvectors": EIGENVECTORS}
    with pytest.raises(ValueError, match=message):
        PCAColorShift(**components | options)


# --------------------------------------------------------------------------------------------------
# Translation
# --------------------------------------------------------------------------------------------------


def test_a_translation_is_a_crop_of_the_mirrored_padding():
    """Each of the 25 shifts of up to two pixels, against torch's own padding."""
    images = torch.randint(256, (25, 3, 6, 5), dtype=torch.uint8)
    padded = torch.nn.functional.pad(images.float(), (2, 2, 2, 2), mode="reflect").byte()
    corner = torch.cartesian_prod(torch.arange(5), torch.arange(5))
    moved = RandomTranslation(2).transform(images, {"corner": corner})
    for image, (row, column), crop in zip(padded, corner.tolist(), moved, strict=True):
        assert torch.equal(crop, image[:, row : row + 6, column : column + 5])


def test_each_image_has_its_own_translation_and_all_shifts_come():
    torch.manual_seed(0)
    images = torch.zeros(1000, 3, 7, 7)
    images[:, :, 3, 3] = 1
    places = RandomTranslation(1)(images)[:, 0].flatten(1).argmax(dim=1)
    counts = places.bincount(minlength=49).reshape(7, 7)[2:5, 2:5]
    assert counts.sum() == 1000
    assert counts.min() > 1000 / 9 / 2


def test_a_translation_of_nothing_changes_nothing():
    images = torch.rand(4, 3, 5, 5)
    assert torch.equal(RandomTranslation(0)(images), images)


@pytest.mark.parametrize("pixels", [-1, 1.5, True, "2"])
def test_impossible_translations_are_refused(pixels):
    with pytest.raises(ValueError, match="pixels must be an int of 0 or more"):
        RandomTranslation(pixels)


def test_a_translation_beyond_the_image_is_refused():
    with pytest.raises(ValueError, match="5x4 pixels cannot be moved by 4"):
        RandomTranslation(4)(torch.rand(3, 5, 4))
    with pytest.raises(ValueError, match="8x2 pixels cannot be moved by 4"):  # of two in a sample
        RandomTranslation(4)(
            tv_tensors.Image(torch.rand(3, 8, 8)), tv_tensors.Image(torch.rand(3, 8, 2))
        )


# --------------------------------------------------------------------------------------------------
# Cutout
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.25), (1 - 2**-24, 1 - 2**-24)])
def test_a_cutout_is_a_square_of_zeros_inside_the_image(place):
    images = 1 + torch.rand(2, 3, 7, 5)
    cut = RandomCutout(3).transform(images, {"place": torch.tensor([place, (0.0, 0.0)])})
    row, column = int(place[0] * 5), int(place[1] * 3)
    expected = images.clone()
    expected[0, :, row : row + 3, column : column + 3] = 0
    expected[1, :, :3, :3] = 0
    assert torch.equal(cut, expected)


def test_each_image_has_its_own_cutout_and_all_places_come():
    torch.manual_seed(0)
    cut = RandomCutout(2)(torch.ones(1000, 1, 4, 4)) == 0
    assert cut.sum() == 4 * 1000
    first = cut.flatten(1).int().argmax(dim=1)  # the upper left corner of the square
    counts = first.bincount(minlength=16).reshape(4, 4)[:3, :3]
    assert counts.sum() == 1000
    assert counts.min() > 1000 / 9 / 2


def test_a_cutout_of_nothing_changes_nothing():
    images = torch.rand(4, 3, 5, 5)
    assert torch.equal(RandomCutout(0)(images), images)


@pytest.mark.parametrize(
    ("side", "error", "message"),
    [
        (-1, ValueError, "side must be at least 0, got -1"),
        (1.5, TypeError, "side must be an int, got 1.5"),
        (True, TypeError, "side must be an int, got True"),
        ("2", TypeError, "side must be an int, got '2'"),
    ],
)
def test_impossible_cutouts_are_refused(side, error, message):
    with pytest.raises(error, match=message):
        RandomCutout(side)


def test_a_cutout_of_the_whole_image_is_refused():
    with pytest.raises(ValueError, match="of 5x4 pixels no square of 4 can be cut out"):
        RandomCutout(4)(torch.rand(3, 5, 4))
    with pytest.raises(ValueError, match="of 8x2 pixels no square of 4"):  # of two in a sample
        RandomCutout(4)(
            tv_tensors.Image(torch.rand(3, 8, 8)), tv_tensors.Image(torch.rand(3, 8, 2))
        )


# --------------------------------------------------------------------------------------------------
# Random scale and crop
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [16, 20, 33, 40, 61, 80])
@pytest.mark.parametrize("sides", [(40, 40), (40, 57), (57, 40)])
def test_scale_crop_is_torchvisions_resize_and_a_crop(scale, sides):
    images = torch.rand(4, 3, *sides, dtype=torch.float64)
    crop = RandomScaleCrop(16, scale)
    params = crop.make_params([images])
    found = crop.transform(images, params)
    resized = F.resize(images, [scale], antialias=True)
    for image, place, expected in zip(resized, params["place"], found, strict=True):
        room = torch.tensor(resized.shape[-2:]) - 16
        row, column = (place * (room + 1)).floor().long().tolist()
        cut = image[:, row : row + 16, column : column + 16]
        torch.testing.assert_close(expected, cut, atol=1e-5, rtol=0)


def test_scale_crop_at_the_size_of_the_image_is_the_image():
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    assert torch.equal(RandomScaleCrop(32, 32)(images), images)


def test_scale_crop_draws_for_each_image_and_reaches_all_scales_and_places():
    torch.manual_seed(0)
    crop = RandomScaleCrop(28, (32, 34))
    images = torch.rand(3000, 3, 8, 8)
    params = crop.make_params([images])
    counts = params["scale"].bincount()
    assert counts[:32].sum() == 0 and len(counts) == 35
    assert (counts[32:] - 1000).abs().max() < 110  # four standard deviations
    rows = (params["place"][:, 0] * (params["scale"] - 27)).floor()[params["scale"] == 32]
    assert rows.unique().tolist() == [0, 1, 2, 3, 4]


def test_scale_crop_keeps_uint8_and_works_on_one_image():
    image = torch.randint(256, (3, 32, 32), dtype=torch.uint8)
    found = RandomScaleCrop(28, (32, 64))(image)
    assert found.shape == (3, 28, 28) and found.dtype == torch.uint8
    gray = RandomScaleCrop(8, (9, 70))(torch.full((64, 3, 16, 16), 200, dtype=torch.uint8))
    assert gray.unique().tolist() == [200]  # weights sum to 1, at the borders too


def test_scale_crop_prints_what_a_checkpoint_compares():
    assert str(RandomScaleCrop(28, (32, 64))) == "RandomScaleCrop(size=28, scale=(32, 64))"


@pytest.mark.parametrize(
    ("size", "scale", "message"),
    [
        (28, 24, "a scale of 24 to 24 px for a crop of 28 px"),
        (28, (40, 32), "crop <= smallest <= largest"),
        (28, (24, 32), "a scale of 24 to 32 px for a crop of 28 px"),
        (0, 32, "ints of 1 or more"),
        (28, (32.0, 64), "ints of 1 or more"),
        (28, 32.0, "ints of 1 or more"),
        (28, (32, 48, 64), "the scale one or a pair"),
        (28, None, "ints of 1 or more"),
    ],
)
def test_scale_crop_refuses_what_cannot_be(size, scale, message):
    with pytest.raises(ValueError, match=message):
        RandomScaleCrop(size, scale)


@pytest.mark.parametrize(
    ("other", "message"),
    [(torch.zeros(3, 4, 4), "others as plain tensors"), (np.zeros((4, 4, 3)), "got ndarray")],
)
def test_an_image_that_would_be_passed_over_is_refused(other, message):
    with pytest.raises(TypeError, match=message):
        RandomHorizontalFlip()([tv_tensors.Image(torch.zeros(3, 4, 4)), other])


@pytest.mark.parametrize("transform", [SubtractMean(MEAN), color_shift()], ids=names)
def test_floats_that_were_not_divided_by_255_are_refused(transform):
    with pytest.raises(ValueError, match=r"on the \[0, 1\] scale, got values up to 255"):
        transform(torch.full((1, 3, 2, 2), 255.0))
    transform(torch.full((1, 3, 2, 2), 9.0))  # a strong shift of its color


def test_several_plain_images_are_refused():
    with pytest.raises(TypeError, match="got several plain tensors of images"):
        RandomHorizontalFlip()([torch.rand(3, 4, 4), torch.rand(3, 4, 4)])
