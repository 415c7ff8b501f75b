"""Exercises of the chapter Looking inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vggcheck.answers import describe, exercise, first, number, tensor
from vgglib import VGG
from vgglib.data import Split
from vgglib.evaluation import evaluating
from vgglib.inspection import activations, class_activation

Transform = Callable[[Tensor], Tensor]

# A check looks at so many images at most. The built-in splits have no more.
MOST = 1000

# Images that exercise 2 asks for.
ASKED = 4


@exercise(1)
def exercise_1(
    silent: Mapping[str, float], model: VGG, preprocess: Transform, images: Tensor
) -> str | None:
    """The share of zeros in what each stack gives for the images, by the name of the stack."""
    parts = [name for name, _ in model.features.named_children()]
    stacks = [f"features.{name}" for name in parts if name.startswith("stack")]
    if not isinstance(silent, Mapping) or set(silent) != set(stacks):
        return f"The shares should be a dictionary with the keys {', '.join(stacks)}."
    found = activations(model, _inputs(model, preprocess, _some(images, MOST // 2)), stacks)

    def compare(name: str) -> str | None:
        share = (found[name] == 0).cpu().double().mean().item()
        dead = (found[name] == 0).all(dim=0).cpu().double().mean().item()
        return number(
            silent[name],
            share,
            what=f"The share of {name}",
            tolerance=0.01,  # there may be more images than the check looked at
            mistakes=[
                (1 - share, "That is the share of those that are not 0."),
                (100 * share, "Give the shares as parts of 1."),
                (dead, "That is the share of the features that are 0 for all images."),
            ],
        )

    return first(*map(compare, stacks))


@exercise(2)
def exercise_2(
    wrong: Sequence[int],
    for_named: Tensor,
    for_right: Tensor,
    model: VGG,
    preprocess: Transform,
    split: Split,
) -> str | None:
    """Images that the network gets wrong, the evidence for what it names, and for the right one."""
    wrong = _positions(wrong, len(split), may_be_none=True)
    if isinstance(wrong, str):
        return wrong
    if len(wrong.unique()) < len(wrong):
        return "One of the images is there twice. They should be different ones."
    if len(wrong) > ASKED:
        return f"Four images are asked for, and there are {len(wrong)}."
    batch, labels = _inputs(model, preprocess, split.images[wrong]), split.labels[wrong].cpu()
    named = _named(model, batch)
    if len(wrong) and (named == labels).all():
        return "The network gets all of these right."
    if (named == labels).any():
        return f"The network gets {int((named == labels).sum())} of these right."
    if len(wrong) < ASKED:
        some = _some(torch.arange(len(split)), MOST)
        named_of_some = _named(model, _inputs(model, preprocess, split.images[some]))
        there_are = int((named_of_some != split.labels[some].cpu()).sum())
        if len(wrong) < min(ASKED, there_are):
            return "The network gets more images wrong than you took. Four are asked for."
    if len(wrong) == 0:
        return None  # there is nothing to look at
    evidence, of_right = (class_activation(model, batch, c).cpu() for c in (named, labels))
    return first(
        tensor(
            for_named,
            evidence,
            what="The evidence for the named class",
            tolerance=0.01,
            mistakes=[(of_right, "That is the evidence for the right class.")],
        ),
        tensor(
            for_right,
            of_right,
            what="The evidence for the right class",
            tolerance=0.01,
            mistakes=[(evidence, "That is the evidence for the class that the network names.")],
        ),
    )


@exercise(3)
def exercise_3(
    best: Sequence[int],
    above: float,
    chosen: int,
    liked: Tensor,
    model: VGG,
    preprocess: Transform,
    images: Tensor,
) -> str | None:
    """The five images with the highest logit of a class; how far the liked image is above them."""
    best = _positions(best, len(images))
    if isinstance(best, str):
        return best
    asked, given = min(5, len(images)), len(set(best.tolist()))
    if given != asked:
        what = "Five" if asked == 5 else f"All {asked}"
        return f"{what} different images are asked for, and there are {given}."
    others = torch.arange(len(images))
    others = _some(others[~torch.isin(others, best)], MOST)
    with evaluating(model), torch.no_grad():
        logits, rest, own = (
            model(_inputs(model, preprocess, batch)).cpu()
            for batch in (images[best], images[others], liked.reshape(1, *liked.shape[-3:]))
        )
    if len(rest) and rest[:, chosen].max() > logits[:, chosen].min() + 1e-3:
        if rest[:, chosen].min() >= logits[:, chosen].max():
            return "Those have the lowest logits."
        surest = [scores.softmax(dim=1)[:, chosen] for scores in (rest, logits)]
        if surest[0].max() <= surest[1].min() + 1e-6:
            return "Those have the highest probabilities. The logits are asked for."
        if (rest.amax(dim=0) <= logits.amin(dim=0)).any():
            return "Those have the highest logits of another class."
        return "There is an image with a higher logit. Those that are of another class count too."
    highest, lowest = logits[:, chosen].max().item(), logits[:, chosen].min().item()
    score = own[0, chosen].item()
    return number(
        above,
        score - highest,
        what="The difference of the logits",
        tolerance=0.02 + 0.01 * abs(score - highest),
        mistakes=[
            (highest - score, "The size is right. Take theirs from that of the liked image."),
            (score - lowest, "That is the difference to the lowest of the five."),
            (score - logits[:, chosen].mean().item(), "That is the difference to their mean."),
            (score, "That is the logit of the liked image. What is the highest of the five?"),
            (highest, "That is the highest of the five."),
        ],
    )


@exercise(4)
def exercise_4(
    changed: Tensor, share: float, model: VGG, preprocess: Transform, split: Split
) -> str | None:
    """All the images, preprocessed, each pixel changed by 8 of 255; the share still right."""
    step = 8 / 255
    shape = _inputs(model, preprocess, split.images[:1]).shape[1:]
    if not isinstance(changed, Tensor):
        return f"The changed images should be a tensor, but there is {describe(changed)}."
    if changed.shape != (len(split), *shape):
        return (
            f"The changed images should have the shape {(len(split), *shape)}, but have"
            f" {tuple(changed.shape)}."
        )
    index = _some(torch.arange(len(split)), 100)
    labels = split.labels[index].cpu()
    batch = _inputs(model, preprocess, split.images[index]).requires_grad_()
    with evaluating(model), torch.enable_grad():
        losses = F.cross_entropy(model(batch), labels.to(batch.device), reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), batch)
    # Where float32 hardly has a loss, its gradient is a matter of rounding.
    some = losses.detach() > 1e-4
    if not some.any():
        return _share(share, changed, model, preprocess, split)
    batch, gradient = batch.detach()[some], gradient[some]
    given = changed[index].detach().to(batch.device)[some]
    if _not_preprocessed(given, batch, split.images[index].to(batch.device)[some]):
        return "These are not preprocessed."
    moved = given - batch
    # Pixels that would leave their range may be clipped to it.
    darkest, brightest = (
        _inputs(model, preprocess, torch.full_like(split.images[:1], value)) for value in (0, 255)
    )
    target = batch + step * gradient.sign()
    counts = (gradient != 0) & (target > darkest) & (target < brightest)
    agrees = (moved.sign() == gradient.sign()) | ~counts
    by_image = agrees.cpu().double().mean(dim=(1, 2, 3))
    sizes = moved.abs()[counts]
    if (sizes == 0).all():
        return "The images are as they were."
    if by_image.mean() < 0.3:
        return "That is the direction in which the loss falls."
    if sizes.std() > 0.1 * sizes.mean():
        return "Each pixel should change by the same amount."
    if sizes.mean() > 100 * step:
        return "Pixels lie between 0 and 1 here. A change by 8 is too large."
    if abs(sizes.mean().item() - step) > 1e-3:
        return f"The change of the pixels is too {'large' if sizes.mean() > step else 'small'}."
    if by_image.mean() < 0.7:
        return "The direction has little to do with the gradient of the loss."
    if (by_image < 0.7).any():
        return "For some images the direction is another one. Is it the loss of their right class?"
    return _share(share, changed, model, preprocess, split)


def _not_preprocessed(given: Tensor, batch: Tensor, pixels: Tensor) -> bool:
    """Whether they are nearer to the pixels themselves, as bytes or as parts of 1."""
    if pixels.shape != given.shape:
        return False

    def distance(other: Tensor) -> float:
        return (given - other).abs().mean().item()

    return any(
        distance(pixels.float() / white) < min(distance(batch), 8.5 / white) for white in (1, 255)
    )


def _share(
    share: float, changed: Tensor, model: VGG, preprocess: Transform, split: Split
) -> str | None:
    index = _some(torch.arange(len(split)), MOST)
    labels = split.labels[index].cpu()
    weight = next(model.parameters())
    with evaluating(model), torch.no_grad():
        before = model(_inputs(model, preprocess, split.images[index])).argmax(dim=1).cpu()
        after = model(changed[index].to(weight.device, weight.dtype)).argmax(dim=1).cpu()
    clean, right = ((found == labels).double().mean().item() for found in (before, after))
    return number(
        share,
        right,
        what="The share that is still right",
        # Of a sample only, if there are many.
        tolerance=0.006 if len(index) == len(split) else 0.06,
        mistakes=[
            (1 - right, "That is the share of those that it gets wrong."),
            (right * len(split), "That is how many there are. Give them as a part of 1."),
            (100 * right, "Give the share as a part of 1."),
            (clean, "That is the share before the change."),
            (clean - right, "That is by how much the share falls."),
            (right / max(clean, 1e-9), "That is the part of what was right before, not of all."),
        ],
    )


def _some(items: Tensor, most: int) -> Tensor:
    """At most so many, evenly spaced."""
    return items[:: -(-len(items) // most)] if len(items) else items


def _named(model: VGG, batch: Tensor) -> Tensor:
    """The class that the network names for each image."""
    with evaluating(model), torch.no_grad():
        return model(batch).argmax(dim=1).cpu()


def _inputs(model: VGG, preprocess: Transform, images: Tensor) -> Tensor:
    return preprocess(images.to(next(model.parameters()).device))


def _positions(answer: Any, count: int, *, may_be_none: bool = False) -> Tensor | str:
    """Positions of images as a tensor, or what is off with them."""
    try:
        positions = torch.as_tensor(answer).flatten().cpu()
    except (TypeError, ValueError, RuntimeError):
        return f"The images should be given by their positions, but there is {describe(answer)}."
    if len(positions) == 0 and may_be_none:
        return positions.long()
    if len(positions) == 0 or positions.dtype not in (torch.int32, torch.int64):
        return "The images should be given by their positions, which are integers."
    if not 0 <= int(positions.min()) <= int(positions.max()) < count:
        return f"There are images 0 to {count - 1}; one of the positions is outside."
    return positions.long()
