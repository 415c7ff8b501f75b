"""What turns gradients into steps: optimizers, learning rates over time, averages of weights."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from vgglib.architecture import BATCH_NORMS
from vgglib.machine.devices import choose_precision
from vgglib.recipes import Recipe


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Descent with momentum (the paper, section 3.1); with Muon for the filters where asked for.

    Args:
        model: its weights that do not require a gradient are left out. Its memory format must have
            been set before.
        recipe: learning rates, momentum and weight decay.

    Raises:
        ValueError: no weight requires a gradient.
        RuntimeError: at a step of plain descent, where the memory format of the model was changed
            since; Muon reads tensors by their shapes alone.
    """
    check_learns(model)
    weights = [w for w in model.parameters() if w.requires_grad]
    options = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay}
    if recipe.muon:
        filters = [w for w in weights if w.dim() == 4]
        others = _groups(model, [w for w in weights if w.dim() != 4], recipe)
        return Muon(filters, others, lr=recipe.muon, other_lr=recipe.learning_rate, **options)
    optimizer = _SGD(
        _groups(model, weights, recipe),
        lr=recipe.learning_rate,
        nesterov=recipe.nesterov,
        # One pass over the weights in place of several, where the device has that.
        fused=True if weights[0].device.type in ("cpu", "cuda") else None,
        **options,
    )
    if recipe.momentum:
        # The same as none before the first step. But where float16 overflows in that step, a GPU's
        # fused kernel leaves the step out, and SGD would keep a buffer that nothing was written to.
        for weight in weights:
            optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimizer


def _groups(model: nn.Module, weights: list[Tensor], recipe: Recipe) -> list[dict[str, Any]]:
    """The weights, with the biases before them as a group of their own where their rate is."""
    if recipe.bias_rate == 1:
        return [{"params": weights}]
    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, *BATCH_NORMS))]
    known = {id(layer.bias) for layer in layers}
    biases = {
        "params": [w for w in weights if id(w) in known],
        "lr": recipe.bias_rate * recipe.learning_rate,
        "weight_decay": recipe.weight_decay / recipe.bias_rate,
    }
    return [biases, {"params": [w for w in weights if id(w) not in known]}]


def check_learns(model: nn.Module) -> None:
    """Refuse a model without weights that learn.

    Raises:
        ValueError: no weight requires a gradient.
    """
    if not any(weight.requires_grad for weight in model.parameters()):
        raise ValueError(
            "the network has no weights to learn: set requires_grad of those that are to be trained"
        )


class _SGD(torch.optim.SGD):
    """torch's, which refuses what its fused steps would do wrong without a word.

    They read gradient and momentum in the order of the weight's memory. Not a hook, which a copy of
    the optimizer would lose.
    """

    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        for group in self.param_groups:
            for weight in group["params"]:
                momentum = self.state.get(weight, {}).get("momentum_buffer")
                for what, other in {"gradient": weight.grad, "momentum": momentum}.items():
                    if other is not None and _order(other) != _order(weight):
                        raise RuntimeError(
                            f"a weight of shape {tuple(weight.shape)} and its {what} lie in memory"
                            " in another order: set the memory format of the model before its"
                            " optimizer is made, and not after"
                        )
        return super().step(closure)


def _order(tensor: Tensor) -> list[int]:
    """The steps of a tensor in memory, along the sides that have more than one place."""
    return [step for step, side in zip(tensor.stride(), tensor.shape, strict=True) if side > 1]


def make_schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int
) -> ReduceLROnPlateau | LambdaLR:
    """How the learning rate moves: by the validation accuracy, or by a plan for all the steps.

    Args:
        optimizer: whose learning rates are moved.
        recipe: which schedule.
        steps: of the whole training.

    Returns:
        A schedule to step after each epoch with the validation accuracy (``"plateau"``), or after
        each step of the optimizer (``"one_cycle"``).
    """
    if recipe.schedule == "one_cycle":
        return LambdaLR(optimizer, lambda step: one_cycle(step / steps, recipe.warmup))
    return ReduceLROnPlateau(
        optimizer,
        mode="max",
        factor=recipe.factor,
        patience=recipe.patience,
        threshold=recipe.threshold,
    )


def one_cycle(done: float, warmup: float) -> float:
    """Factor on the learning rate: straight up to 1 while warming up, then straight down to 0.

    After Smith & Topin (2018), "Super-Convergence"; the way up starts at a tenth of the peak.

    Args:
        done: part of the training that is behind, in [0, 1].
        warmup: part of the training that the way up takes, in [0, 1).
    """
    if done < warmup:
        return 0.1 + 0.9 * done / warmup
    return max(0.0, (1 - done) / (1 - warmup))


@torch.no_grad()
def update_average(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move each weight of ``average`` towards that of ``model``: an exponential moving average.

    Args:
        average: a copy of the model, changed in place.
        model: the network in training.
        decay: part of the average that stays, in [0, 1); it looks back over about
            1 / (1 - decay) steps.
    """
    for mean, weight in zip(
        chain(average.parameters(), average.buffers()),
        chain(model.parameters(), model.buffers()),
        strict=True,
    ):
        if mean.is_floating_point():
            mean.lerp_(weight, 1 - decay)
        else:  # a count of steps
            mean.copy_(weight)


class Muon(torch.optim.Optimizer):
    """Momentum whose direction is made orthogonal, for the filters of convolutions.

    Jordan et al. (2024), "Muon". The gradient of a filter bank, seen as a matrix of one row for
    each filter, is dominated by few directions. Muon replaces it by the nearest matrix whose
    directions all have the same length, and so learns the rare ones as fast as the others. Each
    bank is kept at the length of its start: the batch normalization after it undoes any other.

    Args:
        filters: weights (out, in, height, width) of convolutions that a normalization follows.
        others: weights that plain descent with Nesterov's momentum moves: biases, normalizations
            and fully connected layers; or groups of them, as any optimizer of torch takes.
        lr: step of the filters, relative to their length.
        other_lr: learning rate of the others.
        momentum: of both.
        weight_decay: of the others.
    """

    def __init__(
        self,
        filters: Iterable[Tensor],
        others: Iterable[Tensor] | Iterable[dict[str, Any]],
        *,
        lr: float,
        other_lr: float,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        others = list(others)
        if not (others and isinstance(others[0], dict)):
            others = [{"params": others}]
        groups = [{"params": list(filters), "lr": lr, "orthogonal": True}]
        groups += [{"lr": other_lr, "orthogonal": False} | group for group in others]
        super().__init__(groups, {"momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One step for each weight that has a gradient; ``closure`` as any optimizer of torch."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            momentum = group["momentum"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                gradient = weight.grad
                if not group["orthogonal"]:
                    gradient = gradient.add(weight, alpha=group["weight_decay"])
                state = self.state[weight]
                if not state:
                    state["velocity"] = torch.zeros_like(weight)
                    state["length"] = weight.norm()
                velocity = state["velocity"].mul_(momentum).add_(gradient)
                direction = gradient.add(velocity, alpha=momentum)  # Nesterov: one step ahead
                if group["orthogonal"]:
                    length = state["length"]
                    matrix = orthogonalize(direction.flatten(1))
                    direction = (matrix * (length / _length(matrix))).view_as(weight)
                weight.sub_(direction, alpha=group["lr"])
                if group["orthogonal"]:
                    weight.mul_(length / _length(weight))
        return loss


def _length(tensor: Tensor) -> Tensor:
    """Never 0, so that one may divide by it."""
    return tensor.norm().clamp(min=1e-7)


def orthogonalize(matrix: Tensor, iterations: int = 5) -> Tensor:
    """The matrix with all its singular values brought near 1, by products of matrices alone.

    Each iteration applies the odd polynomial a s + b s^3 + c s^5 to all singular values s at once.
    Its coefficients (Jordan et al. 2024) lift small values fast, and leave those that were not too
    small between about 0.6 and 1.2.

    Args:
        matrix: shape (rows, columns), any size.
        iterations: five reach singular values down to about a hundredth of the largest.

    Returns:
        float32, of the same shape.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    # bfloat16 is precise enough, where the device has it.
    bfloat16 = choose_precision(matrix.device) == "bfloat16"
    x = (matrix / _length(matrix)).to(torch.bfloat16 if bfloat16 else torch.float32)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(iterations):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return (x if wide else x.T).float()
