"""Looking inside a trained network: its features, what it looks at, and what its classes like."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as TF

from vgglib.architecture import VGG


def activations(model: nn.Module, images: Tensor, layers: Sequence[str]) -> dict[str, Tensor]:
    """What some layers give for images, in evaluation mode.

    Args:
        model: the network; its mode is afterwards as it was.
        images: preprocessed, float, on the model's device.
        layers: names as in ``model.named_modules()``, such as ``"features.stack2"``.

    Returns:
        The output of each layer, float32, without a gradient.

    Raises:
        ValueError: the network has no such layer.
    """
    modules = dict(model.named_modules())
    missing = [name for name in layers if name not in modules]
    if missing:
        known = [name for name, _ in model.named_children()]
        raise ValueError(f"there is no layer {missing[0]!r}: expected a name below {known}")
    found: dict[str, Tensor] = {}
    hooks = [
        modules[name].register_forward_hook(
            lambda _, inputs, output, name=name: found.update({name: output.detach().float()})
        )
        for name in layers
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(images)
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    return found


def class_activation(model: VGG, images: Tensor, classes: Tensor) -> Tensor:
    """Where the evidence for a class lies: Grad-CAM (Selvaraju et al. 2017).

    The channels of the last pool's input are added up, each with the mean gradient of the class's
    logit with respect to it, and what speaks against the class is left out.

    Args:
        model: the network; its mode is afterwards as it was.
        images: preprocessed, float, shape (N, 3, H, W), on the model's device.
        classes: int64, shape (N,), one for each image.

    Returns:
        float32 in [0, 1], shape (N, H, W), 1 at the strongest place of each image; all 0 where
        nothing speaks for the class.
    """
    *earlier, last_pool = model.features
    training = model.training
    model.eval()
    try:
        maps = nn.Sequential(*earlier)(images).detach().requires_grad_()
        logits = model.classifier(model.flatten(last_pool(maps)))
        chosen = logits.gather(1, classes[:, None]).sum()
        (gradient,) = torch.autograd.grad(chosen, maps)
    finally:
        model.train(training)
    evidence = (gradient.mean(dim=(2, 3), keepdim=True) * maps.detach()).sum(dim=1).relu()
    evidence = F.interpolate(
        evidence[:, None].float(), images.shape[-2:], mode="bilinear", align_corners=False
    )[:, 0]
    largest = evidence.amax(dim=(1, 2), keepdim=True)
    return evidence / largest.clamp(min=torch.finfo(torch.float32).tiny)


def nearest_neighbors(features: Tensor, queries: Tensor, count: int) -> Tensor:
    """The features that point most nearly in the direction of each query (cosine similarity).

    Args:
        features: shape (N, D).
        queries: shape (M, D).
        count: neighbors of each query, 1 to N.

    Returns:
        int64, shape (M, count): positions in ``features``, the nearest first.

    Raises:
        ValueError: ``count`` is outside 1 to N.
    """
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
        model: the network; its mode is afterwards as it was.
        transform: its preprocessing, for float images on the [0, 1] scale.
        classes: int64, shape (N,), one for each image.
        steps: of ascent.
        step_size: change of an image in a step, root mean square over its pixels.
        shift: largest shift, pixels.
        blur: standard deviation of the blur, pixels; every fourth step. 0 turns it off.
        seed: of the first images and of the shifts.

    Returns:
        float32 in [0, 1], shape (N, 3, H, W), on the CPU.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    shape = (len(classes), model.in_channels, *model.image_size)
    images = (0.5 + 0.02 * torch.randn(shape, generator=generator)).to(device)
    training = model.training
    model.eval()
    try:
        for step in range(steps):
            rows, columns = torch.randint(-shift, shift + 1, (2,), generator=generator).tolist()
            shifted = images.roll((rows, columns), dims=(2, 3)).requires_grad_()
            logits = model(transform(shifted))
            chosen = logits.gather(1, classes.to(device)[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, shifted)
            size = gradient.pow(2).mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-12)
            moved = shifted.detach() + step_size * gradient / size
            images = moved.roll((-rows, -columns), dims=(2, 3)).clamp(0, 1)
            if blur and step % 4 == 3:
                images = TF.gaussian_blur(images, kernel_size=3, sigma=blur)
    finally:
        model.train(training)
    return images.cpu()
