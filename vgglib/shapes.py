"""The built-in data set: ten shapes in a scene, drawn by code from a seed, without a download.

Position, size, pose, background, noise and the color of the light vary, so that no single pixel
tells a class. Each class has a favorite color, which is a hint and no proof. Under a light that the
training images did not have, a network that trusted the hint is misled: that is what the color
shift of AlexNet's paper (its section 4.1) is meant to cure, and the test images are made for it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

CLASSES = (
    "disk", "ring", "crescent", "heart", "triangle",
    "square", "star", "cross", "arrow", "hourglass",
)  # fmt: skip

#: Standard deviation of the logarithm of the light's brightness in the two splits.
TRAIN_LIGHT = 0.05
TEST_LIGHT = 0.35

#: Of the drawing: raised with each change of it, so that runs on other images are told apart.
VERSION = 1

_IMAGES_AT_ONCE = 500


def draw_shapes(
    count: int, *, seed: int = 0, light: float = TRAIN_LIGHT, image_size: int = 32
) -> tuple[Tensor, Tensor]:
    """Draw images of shapes; the classes take turns, so that they are equally frequent.

    Args:
        count: number of images.
        seed: the same seed draws the same images; torch's global random state is left alone.
        light: how much the light varies between images: standard deviation of the logarithm of its
            brightness. Its color (from warm to cold, from green to magenta) varies by half as much.
        image_size: side in pixels, 8 or more.

    Returns:
        Images, uint8, shape (count, 3, image_size, image_size), values 0..255, and labels, int64,
        shape (count,): positions in :data:`CLASSES`.

    Raises:
        ValueError: ``count`` is less than 1, ``light`` is negative, or the images are too small to
            tell the shapes apart.
    """
    if count < 1:
        raise ValueError(f"the number of images must be at least 1, got {count}")
    if not light >= 0:
        raise ValueError(f"light must not be negative, got {light}")
    if image_size < 8:
        raise ValueError(f"image_size must be at least 8 pixels for shapes, got {image_size}")
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % len(CLASSES)
    images = [
        _draw(part, light, image_size, generator).mul(255).round().to(torch.uint8)
        for part in labels.split(_IMAGES_AT_ONCE)
    ]
    return torch.cat(images), labels


def _draw(labels: Tensor, light: float, size: int, generator: torch.Generator) -> Tensor:
    """Images on the [0, 1] scale, shape (N, 3, size, size)."""
    n = len(labels)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(n, *shape, generator=generator)

    # Coordinates in which the shape is upright and about as large as the unit circle.
    radius = uniform(0.28, 0.44)[:, None, None] * size
    center = uniform(-0.14, 0.14, 2) * size
    angle, squeeze = uniform(-0.6, 0.6)[:, None, None], uniform(0.8, 1.0)[:, None, None]
    axis = torch.arange(size) - (size - 1) / 2
    y, x = (axis[:, None] - center[:, 0, None, None], axis[None, :] - center[:, 1, None, None])
    u = (x * angle.cos() + y * angle.sin()) / (radius * squeeze)
    v = (y * angle.cos() - x * angle.sin()) / radius
    outside = torch.empty(n, size, size)
    for label, name in enumerate(CLASSES):
        chosen = labels == label
        outside[chosen] = _OUTLINES[name](u[chosen], v[chosen])
    # An edge one pixel wide, as a camera would blur it.
    mask = (0.5 - outside * radius).clamp(0, 1)[:, None]

    # The favorite color of a class is one of ten hues; the draw around it overlaps its neighbors.
    hue = labels / len(CLASSES) + 0.10 * normal()
    ink = _rgb(hue, uniform(0.35, 0.8), uniform(0.6, 0.95))
    paper = _rgb(uniform(0, 1), uniform(0.1, 0.6), uniform(0.3, 0.9))

    # A background of soft waves between two brightnesses, lit from one side.
    phase, frequency = uniform(0, 2 * math.pi)[:, None, None], uniform(-0.8, 0.8, 2)
    waves = (x * frequency[:, 0, None, None] + y * frequency[:, 1, None, None] + phase).sin()
    slope = (x * normal()[:, None, None] + y * normal()[:, None, None]) / size
    shade = 1 + uniform(0, 0.2)[:, None, None] * waves
    scene = mask * ink[..., None, None] + (1 - mask) * paper[..., None, None] * shade[:, None]
    scene = scene * (1 + 0.15 * slope)[:, None]

    gain = (light * _LIGHT_AXES[0] * normal(1) + light / 2 * (normal(2) @ _LIGHT_AXES[1:])).exp()
    noise = uniform(0.01, 0.06)[:, None, None, None] * normal(3, size, size)
    return (scene * gain[..., None, None] + noise).clamp(0, 1)


# What a change of light does to the logarithms of red, green and blue: brighter, warmer, greener.
_LIGHT_AXES = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [-0.5, 1.0, -0.5]])


def _rgb(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """RGB in [0, 1], shape (N, 3), of hue (a turn is 1), saturation and value, shape (N,)."""
    position = (6 * hue[:, None] + torch.tensor([5.0, 3.0, 1.0])) % 6
    ramp = torch.minimum(position, 4 - position).clamp(0, 1)
    return value[:, None] * (1 - saturation[:, None] * ramp)


# --------------------------------------------------------------------------------------------------
# Outlines: about the distance from the outline in radii, negative inside; v grows downwards
# --------------------------------------------------------------------------------------------------


def _largest(*parts: Tensor) -> Tensor:
    """Intersection of shapes."""
    return torch.stack(parts).amax(dim=0)


def _smallest(*parts: Tensor) -> Tensor:
    """Union of shapes."""
    return torch.stack(parts).amin(dim=0)


def _disk(u: Tensor, v: Tensor) -> Tensor:
    return torch.hypot(u, v) - 0.85


def _ring(u: Tensor, v: Tensor) -> Tensor:
    return (torch.hypot(u, v) - 0.72).abs() - 0.2


def _crescent(u: Tensor, v: Tensor) -> Tensor:
    return _largest(torch.hypot(u, v) - 0.95, 0.75 - torch.hypot(u - 0.45, v))


def _heart(u: Tensor, v: Tensor) -> Tensor:
    left, right = torch.hypot(u + 0.42, v + 0.3), torch.hypot(u - 0.42, v + 0.3)
    wedge = _largest((u.abs() * 0.75 + v * 0.66) - 0.58, -0.3 - v)
    return _smallest(left - 0.48, right - 0.48, wedge)


def _triangle(u: Tensor, v: Tensor) -> Tensor:
    return _largest(v - 0.62, u.abs() * 0.87 - v * 0.5 - 0.5)


def _box(u: Tensor, v: Tensor, width: float, height: float) -> Tensor:
    return _largest(u.abs() - width, v.abs() - height)


def _square(u: Tensor, v: Tensor) -> Tensor:
    return _box(u, v, 0.75, 0.75)


def _star(u: Tensor, v: Tensor) -> Tensor:
    # Five points: the angle is folded to within a tenth of a turn of the nearest point.
    turn = torch.atan2(u, -v)
    folded = (turn + math.pi / 5) % (2 * math.pi / 5) - math.pi / 5
    along = torch.hypot(u, v) * folded.cos()
    across = torch.hypot(u, v) * folded.sin().abs()
    return (along - 1.05) * 0.51 + across * 0.86


def _cross(u: Tensor, v: Tensor) -> Tensor:
    return _smallest(_box(u, v, 0.28, 0.95), _box(u, v, 0.95, 0.28))


def _arrow(u: Tensor, v: Tensor) -> Tensor:
    head = _largest(v - 0.05, u.abs() * 0.76 - v * 0.65 - 0.62)
    return _smallest(head, _box(u, v - 0.45, 0.24, 0.5))


def _hourglass(u: Tensor, v: Tensor) -> Tensor:
    return _largest(v.abs() - 0.85, (u.abs() - v.abs() * 0.9) * 0.75 - 0.03)


_OUTLINES = dict(
    zip(
        CLASSES,
        (_disk, _ring, _crescent, _heart, _triangle, _square, _star, _cross, _arrow, _hourglass),
        strict=True,
    )
)
