"""Looking inside a trained network: its features, what it looks at, and what its classes like."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF

from vgglib.architecture import VGG, check_images, unwrap
from vgglib.checks import check_int, check_tensors
from vgglib.evaluation import evaluating

_POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)


def activations(model: nn.Module, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """What some layers give for images, in evaluation mode.

    Args:
        model: the network.
        images: preprocessed, float, on the model's device.
        layers: names as in ``model.named_modules()``, such as ``"features.stack2"``.

    Returns:
        The output of each layer, float32, without a gradient.

    Raises:
        ValueError: the network has no such layer.
    """
    check_tensors(images=images)
    model = unwrap(model)
    modules = dict(model.named_modules())
    layers = [layers] if isinstance(layers, str) else layers
    for name in layers:
        if name not in modules:
            near = difflib.get_close_matches(name, modules, n=3, cutoff=0)
            raise ValueError(f"there is no layer {name!r}: names like it are {', '.join(near)}")
    found: dict[str, Tensor] = {}
    hooks = [
        modules[name].register_forward_hook(
            # A copy: an activation that works in place would write over the layer before it.
            lambda _, inputs, output, name=name: found.update({name: output.float().clone()})
        )
        for name in layers
    ]
    try:
        with evaluating(model), torch.no_grad():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def class_activation(
    model: VGG, images: Tensor, classes: Tensor, *, pool: int | None = None
) -> Tensor:
    """Where the evidence for a class lies: Grad-CAM (Selvaraju et al. 2017).

    The maps before a pool are added up, each with the mean gradient of the class's logit with
    respect to it, and what speaks against the class is left out.

    Args:
        model: the network.
        images: preprocessed, float, shape (N, 3, H, W), on the model's device.
        classes: int64, shape (N,), one for each image.
        pool: its number, from 1; ``None`` is the last. An earlier one has larger maps, which show
            places more exactly, of features that are further from the classes. Where the pool
            stands between a convolution and its activation, the maps are those that this
            convolution gets: a map tells how much there is of a feature after its activation.

    Returns:
        float32 in [0, 1], shape (N, H, W), 1 at the strongest place of each image; all 0 where
        nothing speaks for the class.

    Raises:
        ValueError: images of another shape, not one class of the network for each, or no such pool.
        TypeError: images that are no floats, or a pool that is no whole number.
    """
    model = unwrap(model)
    check_images(images, (model.in_channels, *model.image_size))
    classes = _check_classes(model, classes, len(images))
    earlier, later = (nn.Sequential(*layers) for layers in split_at_pool(model, pool))
    with evaluating(model), torch.inference_mode(False):
        with torch.no_grad():
            # Copies, since tensors of inference mode may have no part in a gradient.
            images, classes = images.clone(), classes.clone()
            maps = earlier(images)
        with torch.enable_grad():
            logits = model.classifier(model.flatten(later(maps.requires_grad_())))
            chosen = logits.gather(1, classes[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, maps)
    evidence = (gradient.mean(dim=(2, 3), keepdim=True) * maps.detach()).sum(dim=1).relu()
    evidence = F.interpolate(
        evidence[:, None].float(), images.shape[-2:], mode="bilinear", align_corners=False
    )[:, 0]
    largest = evidence.amax(dim=(1, 2), keepdim=True)
    return evidence / largest.clamp(min=torch.finfo(torch.float32).tiny)


def split_at_pool(model: VGG, pool: int | None) -> tuple[list[nn.Module], list[nn.Module]]:
    """The layers of the features in their order, up to the maps before a pool, and after.

    Args:
        model: the network.
        pool: see :func:`class_activation`.

    Raises:
        ValueError, TypeError: there is no such pool, or it is no whole number.
    """
    layers = [layer for block in model.features for layer in _parts(block)]
    places = [place for place, layer in enumerate(layers) if isinstance(layer, _POOLS)]
    check_int("pool", pool, minimum=1, optional=True)
    if not places:
        raise ValueError("the network has no pool: expected one, whose maps are looked at")
    if pool is not None and pool > len(places):
        raise ValueError(
            f"pool must be in 1 to {len(places)}, the pools of the network, got {pool}"
        )
    at = places[-1 if pool is None else pool - 1]
    if isinstance(layers[at - 1], nn.Conv2d):
        at -= 1
    return layers[:at], layers[at:]


def _parts(block: nn.Module) -> list[nn.Module]:
    return list(block) if isinstance(block, nn.Sequential) else [block]


def nearest_neighbors(features: Tensor, queries: Tensor, count: int) -> Tensor:
    """The features that point most nearly in the direction of each query (cosine similarity).

    Args:
        features: shape (N, D).
        queries: shape (M, D).
        count: neighbors of each query, 1 to N.

    Returns:
        int64, shape (M, count): positions in ``features``, the nearest first.

    Raises:
        ValueError: ``count`` is outside 1 to N, or the shapes do not fit.
    """
    check_tensors(features=features, queries=queries)
    if features.dim() != 2 or features.shape[1:] != queries.shape[1:]:
        raise ValueError(
            "expected features (N, D) and queries (M, D), got"
            f" {tuple(features.shape)} and {tuple(queries.shape)}"
        )
    if not 1 <= count <= len(features):
        raise ValueError(f"count must be in 1 to {len(features)}, got {count}")
    similarity = F.normalize(queries, dim=1) @ F.normalize(features, dim=1).T
    return similarity.topk(count, dim=1).indices


def preferred_images(
    model: VGG,
    transform: Callable[[Tensor], Tensor],
    classes: Tensor,
    *,
    steps: int = 150,
    step_size: float = 0.02,
    shift: int = 3,
    blur: float = 0.6,
    seed: int = 0,
) -> Tensor:
    """Images that raise the logits of some classes, found by ascending the gradient.

    After Simonyan, Vedaldi & Zisserman (2014), section 2. Two things keep the images from becoming
    noise that no eye can read: at each step the image is shifted by a few pixels at random, and now
    and then it is blurred a little.

    Args:
        model: the network.
        transform: its preprocessing, for float images on the [0, 1] scale.
        classes: int64, shape (N,), one for each image.
        steps: of ascent.
        step_size: change of an image in a step, root mean square over its pixels.
        shift: largest shift, pixels.
        blur: standard deviation of the blur, pixels; every fourth step. 0 turns it off.
        seed: of the first images and of the shifts.

    Returns:
        float32 in [0, 1], shape (N, 3, H, W), on the CPU.

    Raises:
        ValueError: no classes of the network, or a negative number.
    """
    if min(steps, step_size, shift, blur) < 0:
        raise ValueError(
            "steps, step_size, shift and blur must not be negative, got"
            f" {steps}, {step_size}, {shift} and {blur}"
        )
    check_tensors(classes=classes)
    model = unwrap(model)
    classes = _check_classes(model, classes, len(classes))
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    shape = (len(classes), model.in_channels, *model.image_size)
    images = (0.5 + 0.02 * torch.randn(shape, generator=generator)).to(device)
    # Inference mode, if the caller is in it, would leave no gradient.
    with evaluating(model), torch.inference_mode(False), torch.enable_grad():
        images, classes = images.clone(), classes.clone()
        for step in range(steps):
            rows, columns = torch.randint(-shift, shift + 1, (2,), generator=generator).tolist()
            shifted = images.roll((rows, columns), dims=(2, 3)).requires_grad_()
            chosen = model(transform(shifted)).gather(1, classes[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, shifted)
            size = gradient.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
            moved = shifted.detach() + step_size * gradient / size
            images = moved.roll((-rows, -columns), dims=(2, 3)).clamp(0, 1)
            if blur and step % 4 == 3:
                reach = math.ceil(3 * blur)
                images = TF.gaussian_blur(images, kernel_size=2 * reach + 1, sigma=blur)
    return images.cpu()


def _check_classes(model: VGG, classes: Tensor, count: int) -> Tensor:
    """``classes`` on the model's device, if they are one class of the network for each image."""
    check_tensors(classes=classes)
    if classes.dtype != torch.int64 or classes.shape != (count,):
        raise ValueError(
            f"expected one int64 class for each of {count} images, got {classes.dtype} of shape"
            f" {tuple(classes.shape)}"
        )
    if count and not 0 <= int(classes.min()) <= int(classes.max()) < model.num_classes:
        raise ValueError(
            f"classes must be in 0..{model.num_classes - 1}, got {int(classes.min())} to"
            f" {int(classes.max())}"
        )
    return classes.to(next(model.parameters()).device)
