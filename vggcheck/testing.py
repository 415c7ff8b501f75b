"""Exercises of the chapter Testing like the paper."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as TF

from vggcheck.answers import choice, describe, exercise, first, number, shape, tensor
from vgglib import TRAINING_SCALES, VGG, Split, trace, vgg
from vgglib.evaluation import evaluating
from vgglib.protocols import (
    ConvolutionalVGG,
    Protocol,
    grid_crops,
    map_size,
    multiply_adds,
    predict_by,
)

IMAGES = 500  # of the validation images that the exercises ask for
SAMPLE = 8  # of these the probabilities are recomputed
# Images that are rescaled as floats differ a little from those that are rounded to bytes.
TOLERANCE = 0.01


@exercise(1)
def exercise_1(rows: int, columns: int) -> str | None:
    """The map of logits of D for an image of 320x480 pixels."""
    with torch.device("meta"):
        network = vgg("D")
    expected = map_size(network, 320, 480)
    mistakes = {
        (320 // 32, 480 // 32): "That is what the pools leave. In how many places does a window of "
        "7 x 7 fit into it?",
        (320 // 224, 480 // 224): "Windows may overlap. How far apart are two neighbors?",
        (320 // 32 - 7, 480 // 32 - 7): "Count the first place too: how often does a window of "
        "7 x 7 fit into a map of 7 x 7?",
        (320 - 223, 480 - 223): "Neighboring places are more than a pixel apart: there are pools.",
        expected[::-1]: "Rows come first, and the image has 320 of them.",
    }
    numbers = isinstance(rows, Real) and isinstance(columns, Real)
    return (mistakes.get((rows, columns)) if numbers else None) or first(
        number(rows, expected[0], what="The number of rows"),
        number(columns, expected[1], what="The number of columns"),
    )


@functools.cache
def _cost_of_e(q: int, method: str) -> float:
    """What E costs at a test scale, in center crops, mirror image included."""
    with torch.device("meta"):
        network = vgg("E")
    return multiply_adds(Protocol((q,), method), network) / trace("E").multiply_adds


@exercise(2)
def exercise_2(times: float) -> str | None:
    """What E costs by both methods at three scales, in center crops."""

    def cost(scales: tuple[int, ...], methods: tuple[str, ...] = ("dense", "crops")) -> float:
        return sum(_cost_of_e(q, method) for q in scales for method in methods)

    scales = (256, 384, 512)
    looks = Protocol(scales, "both").crops + 2 * len(scales)
    return number(
        times,
        cost(scales),
        what="The ratio",
        tolerance=0.6,
        mistakes=[
            (cost(scales) / 2, "The mirror images are tested too."),
            (
                cost(scales, ("crops",)),
                "Those are the crops. The dense test is missing.",
            ),
            (
                cost(scales, ("dense",)),
                "That is the dense test. The crops are missing.",
            ),
            (looks, "That counts the looks. A dense look at a large image costs more than a crop."),
            *((cost((q,)), "That is a single test scale.") for q in scales),
            (
                Protocol(scales, "both").crops + 2 * sum((q / 224) ** 2 for q in scales),
                "That takes the dense cost by the area. The fully connected layers slide too, and "
                "cost more than the area says.",
            ),
            (cost((224, 256, 288)), "Those are the test scales of a network with a fixed S."),
        ],
    )


@exercise(3)
def exercise_3(
    ten: Tensor,
    fifty: Tensor,
    same: int,
    network: VGG,
    split: Split,
    preprocess: Callable[[Tensor], Tensor],
) -> str | None:
    """Probabilities by ten crops and by fifty, and for how many images they name one class."""
    images, sample = _sampled(split)
    if hint := _probabilities(ten, "The average over ten crops", len(images), network):
        return hint
    if hint := _probabilities(fifty, "The average over fifty", len(images), network):
        return hint

    views = _ten_crops(network, images[sample], preprocess)
    probabilities = views.softmax(dim=-1)
    by_grid = predict_by(Protocol((40,), "crops"), network, images[sample], preprocess)
    by_half = predict_by(
        Protocol((40,), "crops", mirror=False), network, images[sample], preprocess
    )
    agreed = int((ten.argmax(dim=1).cpu() == fifty.argmax(dim=1).cpu()).sum())
    return first(
        tensor(
            ten[sample],
            probabilities.mean(dim=(0, 1)),
            what="The average over ten crops",
            tolerance=TOLERANCE,
            mistakes=[
                (
                    (probabilities[:, :4].mean(dim=(0, 1)) + probabilities[:, 4].mean(dim=0)) / 2,
                    "The middle counts as much as the four corners together. It is one of five.",
                ),
                (
                    probabilities[:, :4].mean(dim=(0, 1)),
                    "Those are the corners. The middle is missing.",
                ),
                (probabilities[0].mean(dim=0), "The mirror images are missing."),
                (
                    views.mean(dim=(0, 1)).softmax(dim=-1),
                    "Those are averages of logits. Over crops, what is averaged?",
                ),
                (
                    _ten_crops(network, images[sample], preprocess, q=None)
                    .softmax(dim=-1)
                    .mean(dim=(0, 1)),
                    "The crops are cut out of the images as they are. Rescale them to Q first.",
                ),
                (by_grid, "Those are the fifty crops of the whole grid."),
            ],
        ),
        tensor(
            fifty[sample],
            by_grid,
            what="The average over fifty",
            tolerance=TOLERANCE,
            mistakes=[
                (by_half, "The mirror images are missing: it is an average over 25."),
                (probabilities.mean(dim=(0, 1)), "Those are the ten crops again."),
            ],
        ),
        number(
            same,
            agreed,
            what="The number of images",
            mistakes=[
                (len(images) - agreed, "That is for how many they differ."),
                (agreed / len(images), "That is a share. The number of images is asked for."),
                (100 * agreed / len(images), "Those are percent. Give the number of images."),
            ],
        ),
    )


@exercise(4)
def exercise_4(places: tuple[int, int], left_out: int, reason: str, network: VGG) -> str | None:
    """The map of logits at Q = 36, the pixels that it leaves out along a side, and why."""
    features = 36 // 2**3  # three pools
    return first(
        "That is the map of features. The map of logits has a place for each window that fits."
        if isinstance(places, (tuple, list)) and tuple(places) == (features, features)
        else shape(places, map_size(network, 36, 36), what="The map of logits"),
        number(
            left_out,
            36 - features * 2**3,
            what="The number of pixels",
            mistakes={
                36 - network.image_size[0]: "That is what one window leaves out. The map has more.",
                1: "That is in the map before the last pool. How many pixels is it in the image?",
                2: "How many pixels does a row of the map before the last pool stand for?",
            },
        ),
        choice(
            reason,
            "pools",
            {
                "padding": "With its padding a convolution gives a map as large as the one it got.",
                "average": "The average comes last. The pixels were left out before.",
            },
        ),
    )


@exercise(5)
def exercise_5(
    by_scale: Mapping[int, Tensor],
    worst: int,
    parts: tuple[float, float],
    network: VGG,
    split: Split,
    preprocess: Callable[[Tensor], Tensor],
) -> str | None:
    """Probabilities at each test scale, the worst scale, and parts of the side that are seen.

    ``parts`` are those that a window shows at the worst scale, and a crop in training at least.
    """
    if not isinstance(by_scale, Mapping) or set(by_scale) != {32, 48, 96}:
        return "The probabilities are asked for as a dict with the keys 32, 48 and 96."
    images, sample = _sampled(split)
    for q, found in by_scale.items():
        what = f"The average at Q = {q}"
        if hint := _probabilities(found, what, len(images), network):
            return hint
        dense, plain = (
            predict_by(Protocol((q,), mirror=mirror), network, images[sample], preprocess)
            for mirror in (True, False)
        )
        # Without the mirror images it is a dense test as well.
        if tensor(found[sample], plain, tolerance=TOLERANCE) is None:
            continue
        crops = predict_by(Protocol((q,), "crops", grid=1), network, images[sample], preprocess)
        grid = predict_by(Protocol((q,), "crops"), network, images[sample], preprocess)
        cropped = "That is a test of crops. What is asked for is the dense one."
        averaged = "Over the places of a map the logits are averaged, and then comes softmax."
        mistakes = [
            *(
                (by_place, averaged)
                for by_place in _by_place(network, images[sample], q, preprocess)
            ),
            (crops, cropped),
            (grid, cropped),
        ]
        hint = tensor(found[sample], dense, what=what, tolerance=TOLERANCE, mistakes=mistakes)
        if hint is not None:
            return hint
    labels = split.labels[: len(images)].cpu()
    right = {q: int((p.argmax(dim=1).cpu() == labels).sum()) for q, p in by_scale.items()}
    if not isinstance(worst, Real) or worst not in right:
        return f"The worst scale should be 32, 48 or 96, but it is {describe(worst)}."
    if right[worst] > min(right.values()):
        return "One of the other scales is worse."
    parts = parts.tolist() if isinstance(parts, Tensor) else parts
    if not isinstance(parts, (tuple, list)) or len(parts) != 2:
        return "Two parts are asked for: at the worst scale, and in training."
    crop, (low, high) = network.image_size[0], TRAINING_SCALES["S = 32 to 64"].training_scale
    return first(
        _part(parts[0], crop, worst, "The part that a window shows"),
        _part(
            parts[1],
            crop,
            high,
            "The part that a crop showed at least",
            [(crop / low, "That is what a crop showed at most: at the smallest S.")],
        ),
    )


def _part(
    answer: Any, crop: int, side: int, what: str, mistakes: list[tuple[float, str]] | None = None
) -> str | None:
    """Compare the part ``crop / side`` of a side."""
    return number(
        answer,
        crop / side,
        what=what,
        tolerance=0.01,
        mistakes=[
            ((crop / side) ** 2, f"{what} is asked for as a part of the side, not of the area."),
            (side / crop, "The other way round: the window is smaller than the image."),
            (100 * crop / side, "Those are percent. Give it as a part of 1."),
            *(mistakes or []),
        ],
    )


def _sampled(split: Split) -> tuple[Tensor, Tensor]:
    """The images of the exercises, and the indices of those that are recomputed."""
    images = split.images[:IMAGES]
    return images, torch.linspace(0, len(images) - 1, SAMPLE).long()


def _probabilities(answer: Any, what: str, images: int, network: VGG) -> str | None:
    """Whether these are probabilities at all, a row for each image."""
    if not isinstance(answer, Tensor):
        return f"{what} should be a tensor, but it is {describe(answer)}."
    expected = (images, list(network.classifier)[-1].out_features)
    if answer.shape != expected:
        return f"{what} should have the shape {expected}, but has {tuple(answer.shape)}."
    sums = answer.sum(dim=1)
    if not torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        return f"{what} should be probabilities: the numbers of an image should add up to 1."
    return None


@torch.no_grad()
def _ten_crops(
    network: VGG, images: Tensor, preprocess: Callable[[Tensor], Tensor], q: int | None = 40
) -> Tensor:
    """Logits of the corners and, last, of the middle: (mirrored, place, image, class)."""
    if q is not None:
        images = TF.resize(images, [q], antialias=True)
    size = network.image_size[0]
    crops = torch.stack(grid_crops(images, size, 2) + grid_crops(images, size, 1))
    batch = preprocess(crops.flatten(0, 1).to(next(network.parameters()).device))
    with evaluating(network):
        logits = [network(view).cpu().unflatten(0, crops.shape[:2]) for view in _mirrored(batch)]
    return torch.stack(logits)


@torch.no_grad()
def _by_place(
    network: VGG, images: Tensor, q: int, preprocess: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Mean probabilities over the places of a dense map: with the mirror image, and without."""
    batch = preprocess(TF.resize(images, [q], antialias=True))
    batch = batch.to(next(network.parameters()).device)
    with evaluating(network):
        dense = ConvolutionalVGG(network)
        plain, mirrored = (
            dense(view).softmax(dim=1).mean(dim=(-2, -1)).cpu() for view in _mirrored(batch)
        )
    return (plain + mirrored) / 2, plain


def _mirrored(batch: Tensor) -> tuple[Tensor, Tensor]:
    return batch, batch.flip(-1)
