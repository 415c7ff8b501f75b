"""Exercises of the chapter PCA augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vggcheck.answers import call, choice, describe, exercise, first, number, tensor
from vgglib import PCA, channel_statistics
from vgglib.statistics import ChannelStatistics

Orders = Callable[[Tensor, dict[str, Tensor]], Tensor]


@exercise(1)
def exercise_1(images: Tensor, eigenvalues: Tensor, axis: Tensor, effect: str) -> str | None:
    """Eigenvalues and first axis of images (colored bytes) made gray, and what the shift does."""
    gray = images.cpu().double().mean(dim=1, keepdim=True).expand(-1, 3, -1, -1) / 255
    expected = channel_statistics(gray).pca()
    values, direction = expected.eigenvalues, expected.eigenvectors[:, 0]
    return first(
        tensor(
            _as_tensor(eigenvalues),
            values,
            what="The eigenvalues",
            tolerance=2e-5,
            mistakes=[
                (values / 3, "The variance of the gray values is in each of the three channels."),
                (values.flip(0), "The largest comes first."),
                (255**2 * values, "The unit is the [0, 1] scale."),
                (values.sqrt(), "Those are deviations. An eigenvalue is a variance."),
                (
                    channel_statistics(images).pca().eigenvalues,
                    "Those are the eigenvalues of the images in color.",
                ),
            ],
        ),
        _axis(axis, direction),
        choice(
            effect,
            "brightness",
            {
                "nothing": "One eigenvalue is not 0. What does a shift along its axis do?",
                "tint": "A tint needs channels that differ. Does the first axis have any?",
            },
        ),
    )


def _as_tensor(answer: Any) -> Any:
    """A list of numbers as a tensor; anything else as it is."""
    if isinstance(answer, (list, tuple)) and all(isinstance(x, (int, float)) for x in answer):
        return torch.tensor(answer, dtype=torch.float64)
    return answer


def _axis(answer: Any, expected: Tensor) -> str | None:
    """Compare an axis, of which the sign is arbitrary."""
    answer = _as_tensor(answer)
    what = "The first axis"
    if not isinstance(answer, Tensor) or answer.shape != expected.shape:
        return tensor(answer, expected, what=what)
    answer = answer.detach().cpu().double()
    length = answer.norm()
    agrees = tensor(answer * answer[0].sign(), expected, what=what, tolerance=2e-3)
    if agrees is None:
        return None
    if length > 0 and torch.allclose((answer / length).abs(), expected.abs(), atol=2e-3):
        if abs(length - 1) > 2e-3:
            return "The direction is right. An axis has the length 1."
        return "The three channels are equal in gray images. Are they so in your axis?"
    if abs(answer[0].abs() - expected[0]) < 2e-3 and abs(length - 1) < 2e-3:
        return "A component is a column of the eigenvectors. That looks like a row."
    return "That is not the direction in which gray images vary."


def _floats(answer: Any) -> Any:
    """A tensor as float32 on the CPU: a mean in float64 makes pictures of float64."""
    return answer.detach().cpu().float() if isinstance(answer, Tensor) else answer


@exercise(2)
def exercise_2(shift_first: Orders, mean_first: Orders, bytes_differ: str) -> str | None:
    """Both orders as functions of pictures and amplitudes, and how they differ for bytes."""
    generator = torch.Generator().manual_seed(0)
    pictures = torch.rand(6, 3, 4, 4, generator=generator)
    draw = {"a": 0.5 * torch.randn(6, 3, generator=generator)}
    none = {"a": torch.zeros(6, 3)}
    found = {}
    for name, order in {"shift_first": shift_first, "mean_first": mean_first}.items():

        def ask(amplitudes: dict[str, Tensor], order: Orders = order) -> Any:
            return _floats(call(order, pictures.clone(), {"a": amplitudes["a"].clone()}))

        found[name] = ask(draw)
        if not isinstance(found[name], Tensor):
            return f"{name} should return pictures, but it gives {describe(found[name])}."
        if found[name].shape != pictures.shape:
            return f"{name} should not change the shape of the pictures."
        if not torch.equal(found[name], ask(draw)):
            return f"{name} draws amplitudes of its own. Use those that it is given."
        still = ask(none)
        if torch.allclose(found[name], still, atol=1e-5):
            return f"{name} does not shift the colors."
        if torch.allclose(still, pictures, atol=1e-5):
            return f"{name} does not subtract the mean."
    if not torch.allclose(found["shift_first"], found["mean_first"], atol=1e-4):
        return "For floats the two differ. Do both use one shift and one mean, each once?"
    # White and black bytes: whichever way the shift goes, it leaves the range of some.
    extreme = torch.cat([torch.zeros(6, 3, 4, 4), torch.full((6, 3, 4, 4), 255.0)]).byte()
    twice = {"a": draw["a"].repeat(2, 1)}
    uncut = _floats(call(mean_first, extreme / 255, twice))

    def cuts(order: Orders) -> bool:
        found = _floats(call(order, extreme.clone(), twice))
        return not torch.allclose(found, uncut, atol=3e-3)

    if cuts(mean_first) and cuts(shift_first):
        return "Both functions shift the bytes. In mean_first the mean should be subtracted before."
    if cuts(mean_first):
        return "The two functions are the wrong way round: look at what each does with bytes."
    if not cuts(shift_first):
        return "In shift_first, give the bytes to the shift as they are, or subtract after it."
    return choice(
        bytes_differ,
        "by clipping",
        {
            "not at all": "Compare the two for bytes: the largest difference is not 0.",
            "by rounding": "Rounding is half a gray level at most. Look at the largest difference.",
        },
    )


@exercise(3)
def exercise_3(eigenvalues: Tensor, std: float, ratio: float) -> str | None:
    """The deviation for the root, and its shift over that of the eigenvalue on the third axis."""
    largest, _, smallest = eigenvalues.cpu().double().tolist()
    expected = 0.1 * largest**0.5
    # Gray images have one axis alone, and along the others neither shifts.
    gray = smallest < 1e-9 * largest
    apart = 1.0 if gray else (largest / smallest) ** 0.5
    return first(
        number(
            std,
            expected,
            what="The deviation",
            tolerance=0.02 * expected,
            mistakes={
                0.1 * largest: "That is the shift of the eigenvalue. Which deviation, times the "
                "root, gives it?",
                0.1 / largest**0.5: "With that the root shifts much further. Write the equation "
                "of the two shifts.",
                (0.1 * largest) ** 0.5: "The root is that of the eigenvalue alone.",
                0.1 * smallest**0.5: "That makes the shifts equal along the third axis.",
                0.1: "With the same deviation the root shifts further.",
                25.5 * largest**0.5: "The unit is the [0, 1] scale.",
            },
        ),
        None
        if gray
        else number(
            ratio,
            apart,
            what="The ratio",
            tolerance=0.02 * apart,
            mistakes={
                1 / apart: "The size is right. Which of the two shifts further?",
                apart**2: "That is the ratio of the eigenvalues. What does the root make of it?",
                smallest**-0.5: "The deviations of the two differ, too.",
                1: "They are equal along the first axis. The third has another eigenvalue.",
            },
        ),
    )


@exercise(4)
def exercise_4(images: Tensor, found: ChannelStatistics, large: Any, back: Any) -> str | None:
    """Statistics of the folder of images, its eigenvalues for 0..255, and those on [0, 1] again."""
    if not isinstance(found, ChannelStatistics):
        return (
            "The first answer should be what `channel_statistics` returns for the folder, but it "
            f"is {describe(found)}."
        )
    expected = channel_statistics(images)
    if found.pixels != expected.pixels:
        return (
            f"{len(images)} images have {expected.pixels:,} pixels, but in the folder there are "
            f"{found.pixels:,}."
        )
    if not torch.allclose(found.covariance, expected.covariance, rtol=0, atol=1e-9):
        if torch.allclose(found.mean, expected.mean, rtol=0, atol=0.02):
            return (
                "The mean is nearly right, the covariance is not. Are these the same images, and "
                "does your kind of file keep every byte?"
            )
        return "The covariance is that of other pictures."
    values = expected.pca().eigenvalues
    scaled = 255**2 * values
    given = [_as_tensor(x.eigenvalues if isinstance(x, PCA) else x) for x in (large, back)]
    return first(
        tensor(
            given[0],
            scaled,
            what="The eigenvalues for 0..255",
            tolerance=_small(scaled),
            mistakes=[
                (values, "Those are still on the [0, 1] scale."),
                (255 * values, "An eigenvalue is a variance: what is its unit?"),
                (255 * values.sqrt(), "Those are deviations in gray levels, not eigenvalues."),
            ],
        ),
        tensor(
            given[1],
            values,
            what="The eigenvalues on the way back",
            tolerance=_small(values),
            mistakes=[
                (scaled, "Those are not back yet: white should be 1."),
                (scaled / 255, "On the way back they shrink as much as they grew before."),
            ],
        ),
    )


def _small(eigenvalues: Tensor) -> float:
    """A tolerance for them; those of gray images are 0 but for one, and rounding."""
    return 1e-3 * eigenvalues.min().item() + 1e-9 * eigenvalues.max().item()


@exercise(5)
def exercise_5(images: Tensor, within: Tensor, points: Tensor) -> str | None:
    """Covariance without the last term, from batches of one of the images, and the points that
    the missing covariance belongs to: their shape is (number of points, 3)."""
    pixels = images.cpu().double() / 255
    means = pixels.mean(dim=(2, 3))
    centered = means - means.mean(dim=0)
    missing = centered.T @ centered / len(means)
    whole = channel_statistics(images).covariance
    expected, size = whole - missing, pixels[0, 0].numel()
    hint = tensor(
        within,
        expected,
        what="The covariance",
        tolerance=1e-6,
        mistakes=[
            (whole, "That is the covariance with the term. Without it something is missing."),
            (missing, "That is what is missing."),
            (expected * size / (size - 1), "Divide by the number of pixels, not by one less."),
            (expected * len(means), "Take the mean over the images, not the sum."),
            (expected * len(means) * size, "That is the scatter. Divide by the number of pixels."),
            (255**2 * expected, "The unit is the [0, 1] scale."),
        ],
    )
    if hint is not None:
        return hint
    if isinstance(points, Tensor) and points.shape != means.shape:
        if points.shape == means.T.shape:
            return "Turn the points around: a row for each point, a column for each channel."
        if points.shape == images.shape:
            return "Those are all pixels. How many numbers are left of a batch's pixels?"
        if points.shape == missing.shape and len(means) != 3:
            return "That is a covariance. Of which points is it?"
    if isinstance(points, Tensor) and points.shape == means.shape:
        # Points may be moved: it does not change their covariance.
        points = points.detach().cpu().double()
        points = points - points.mean(dim=0)
    spread = pixels.flatten(2).std(dim=2, correction=0)
    return tensor(
        points,
        centered,
        what="The points",
        tolerance=1e-5,
        mistakes=[
            (255 * centered, "The unit is the [0, 1] scale."),
            (
                spread - spread.mean(dim=0),
                "That is how the pixels within an image differ. It is not missing.",
            ),
        ],
    )
