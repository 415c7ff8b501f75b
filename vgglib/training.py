"""Training: the loop, its schedule, and checkpoints from which a killed run goes on bit for bit.

The recipe is that of the paper's section 3.1 as Zhong (2024) scaled it down to CIFAR-10: stochastic
gradient descent with momentum, weight decay, dropout, and a learning rate that falls by a factor of
ten when the accuracy on the validation split stops rising.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from vgglib import distributed
from vgglib.checkpoints import identify, load_checkpoint, save_checkpoint
from vgglib.data import Data, Split
from vgglib.devices import (
    autocast,
    choose_device,
    choose_precision,
    device_name,
    keep_freed_memory,
)
from vgglib.evaluation import Evaluation, evaluate, predict
from vgglib.files import check_writable
from vgglib.optimization import SCHEDULES, make_optimizer, make_schedule, update_average

# How many steps may pass before a loss that is not finite is noticed: looking at the loss makes a
# GPU wait for the CPU, so it is not done at each.
_STEPS_BETWEEN_LOOKS = 20

# Between the seeds of two processes that train together: more than anybody's number of seeds.
_SEEDS_BETWEEN_PROCESSES = 1_000_003


@dataclass(frozen=True)
class Recipe:
    """Everything that is decided about a training, besides the network and the data.

    The defaults are Zhong's (2024), which are the paper's (section 3.1) but for the batch of 256,
    the 74 epochs and the crops, and He's first weights in place of N(0, 0.01^2).

    Attributes:
        name: as in the records.
        epochs: passes over the training images.
        batch_size: images in a step.
        learning_rate: of the first epoch.
        momentum: fraction of the last step that is kept.
        weight_decay: pull of each weight towards 0.
        dropout: probability of zeroing a hidden feature of the fully connected layers.
        flip: probability of mirroring a training image.
        color_std: standard deviation of the amplitudes of the color shift; 0 turns it off.
        color_scale: ``"eigenvalue"`` or ``"root"``, see :class:`~vgglib.transforms.PCAColorShift`.
        factor: what the learning rate is multiplied by on a plateau.
        patience: epochs without improvement that are tolerated before.
        threshold: an accuracy counts as improved when it is this fraction better than the best.
        initialization: see :func:`~vgglib.architecture.initialize`.
        width: factor on channels and hidden features, see :func:`~vgglib.architecture.vgg`.
        schedule: ``"plateau"``, with the three settings above, or ``"one_cycle"``.
        warmup: for one cycle, part of the training in which the learning rate rises.
        nesterov: momentum that looks a step ahead.
        label_smoothing: part of the target's probability that is spread over all classes.
        translation: pixels that a training image may be moved by, along each axis.
        batch_norm: batch normalization after each convolution.
        averaging: part of the moving average of the weights that stays at each step, see
            :func:`~vgglib.optimization.update_average`; 0 takes the last weights.
        muon: step of the filters under :class:`~vgglib.optimization.Muon`; 0 turns it off.
        whitening: first convolution fixed to the principal components of the training images'
            patches, see :func:`~vgglib.statistics.whitening_filters`.
    """

    name: str
    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 1e-2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    dropout: float = 0.5
    flip: float = 0.5
    color_std: float = 0.1
    color_scale: str = "eigenvalue"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-3
    initialization: str = "he"
    width: float = 1.0
    schedule: str = "plateau"
    warmup: float = 0.0
    nesterov: bool = False
    label_smoothing: float = 0.0
    translation: int = 0
    batch_norm: bool = False
    averaging: float = 0.0
    muon: float = 0.0
    whitening: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an int of 1 or more, got {value!r}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate!r}")
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}"
            )
        for name in ("warmup", "label_smoothing", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)!r}")

    @property
    def grows(self) -> bool:
        """Whether deeper networks start from shallower ones (the paper, section 3.1).

        Batch normalization has made that unnecessary.
        """
        return not (self.batch_norm or self.muon)

    def shortened(self, epochs: int | None) -> Recipe:
        """The same recipe for fewer (or more) epochs, with patience in proportion.

        ``None`` leaves it as it is.
        """
        if epochs is None:
            return self
        patience = max(1, round(self.patience * epochs / self.epochs))
        return replace(self, epochs=epochs, patience=patience)


@dataclass(frozen=True)
class Training:
    """What :func:`train` did.

    Attributes:
        history: a list with a number for each epoch, for each of ``"train_loss"`` (nats, with
            augmentation and dropout), ``"validation_loss"`` (nats), ``"validation_top_1"``
            (percent, averaged with the mirror image), ``"learning_rate"`` and ``"seconds"``.
        devices: where it was computed and in which precision; several if the run was moved.
    """

    history: dict[str, list[float]]
    devices: list[str]

    @property
    def seconds(self) -> float:
        """Time of all epochs, validation included, interruptions not."""
        return sum(self.history["seconds"])


def train_epoch(
    model: nn.Module,
    split: Split,
    transform: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    *,
    batch_size: int = 128,
    precision: str = "float32",
    label_smoothing: float = 0.0,
    scaler: torch.amp.GradScaler | None = None,
    after_step: Callable[[int, Tensor], None] | None = None,
) -> float:
    """Show each image to the network once, in random order, with a step of descent per batch.

    Of several processes (see :mod:`vgglib.distributed`) each takes its part of every batch.

    Args:
        model: gives logits; changed in place.
        split: training images (uint8) and labels, on the model's device.
        transform: augmentation and preprocessing of a batch, to float.
        optimizer: of the model's parameters.
        batch_size: images in a step, of all processes together.
        precision: see :func:`~vgglib.devices.choose_precision`.
        label_smoothing: part of the target's probability that is spread over all classes.
        scaler: scales the loss so that small float16 gradients do not become 0.
        after_step: called with the number of images and the loss of each step.

    Returns:
        Mean cross-entropy of the epoch in nats.
    """
    device = split.images.device
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    model.train()
    total = torch.zeros((), device=device)
    order = distributed.from_first(lambda: torch.randperm(len(split)))
    for batch in order.split(batch_size):
        index, weight = distributed.part_of(batch)  # alone: all of the batch, and 1
        images, labels = split[index.to(device)]
        images = transform(images).contiguous(memory_format=torch.channels_last)
        with autocast(device, precision):
            logits = model(images)
        # In float32, and on logits: cross_entropy applies the softmax itself.
        loss = weight * F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        total += loss.detach() * len(batch)
        if after_step:
            after_step(len(batch), loss.detach())
    return distributed.mean(total).item() / len(split)


def train(
    model: nn.Module,
    data: Data,
    recipe: Recipe,
    *,
    train_transform: Callable[[Tensor], Tensor],
    test_transform: Callable[[Tensor], Tensor],
    seed: int = 0,
    device: str | torch.device | None = None,
    precision: str = "auto",
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> Training:
    """Train a network in place; the test split is not touched (a checkpoint notes its digest).

    After each epoch the accuracy on ``data.validation`` drives the schedule, and everything that
    the rest of the run depends on is saved. A run that was killed and is called again in the same
    way goes on after its last whole epoch; on the CPU its weights are those of a run that was never
    killed, bit for bit. torch's global random state is as before afterwards. Processes that
    ``torchrun`` started train together, each on its part of every batch; process 0 alone writes.

    Args:
        model: gives logits; moved to the device.
        data: see :func:`~vgglib.data.load_data`.
        recipe: what else is decided.
        train_transform: augmentation and preprocessing of a batch of uint8 images.
        test_transform: preprocessing alone.
        seed: of the order of the images, augmentation and dropout (not of the first weights).
        device: see :func:`~vgglib.devices.choose_device`.
        precision: see :func:`~vgglib.devices.choose_precision`.
        checkpoint: file to resume from and to save to; ``None`` saves nothing.
        progress: whether a progress bar is shown, which vanishes at the end; ``None``: where
            somebody watches, that is in a terminal or in a notebook run by hand.

    Returns:
        The history, of all epochs, also those before an interruption.

    Raises:
        FloatingPointError: the loss is no longer finite; the message says what to try.
        ValueError: the checkpoint is damaged or belongs to another run.
        OSError: the checkpoint cannot be written; the one before it stays whole.
    """
    device = choose_device(device)
    precision = choose_precision(device, precision)
    if checkpoint is not None:
        if distributed.rank() == 0:
            check_writable(Path(checkpoint).parent, "checkpoints")
        identity = identify(model, data, recipe, train_transform, test_transform, seed)
    if device.type == "cpu":
        keep_freed_memory()

    model.to(device, memory_format=torch.channels_last)
    split, validation = data.train.to(device), data.validation.to(device)
    replica = distributed.replicate(model)
    average = copy.deepcopy(model) if recipe.averaging else None
    optimizer = make_optimizer(model, recipe)
    steps = math.ceil(len(split) / recipe.batch_size)
    schedule = make_schedule(optimizer, recipe, steps * recipe.epochs)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    parts = {"model": model, "optimizer": optimizer, "scheduler": schedule, "scaler": scaler}
    if average:
        parts["average"] = average
    keys = ("train_loss", "validation_loss", "validation_top_1", "learning_rate", "seconds")
    training = Training({key: [] for key in keys}, [])

    accelerators = [] if device.type == "cpu" else [device]
    with torch.random.fork_rng(accelerators, device_type=device.type if accelerators else "cuda"):
        # torch.manual_seed would seed the GPUs too, even for a run on the CPU.
        seed_all = torch.manual_seed if accelerators else torch.default_generator.manual_seed
        # Each process draws its own augmentation and dropout.
        seed_all(seed + _SEEDS_BETWEEN_PROCESSES * distributed.rank())
        if distributed.from_first(lambda: checkpoint is not None and Path(checkpoint).exists()):
            training = Training(**load_checkpoint(checkpoint, identity, parts, device))
        history = training.history
        done = len(history["seconds"])
        if done < recipe.epochs:
            where = f"{distributed.device_names(device_name(device))}, {precision}"
            training.devices.extend([where] if where not in training.devices else [])
        with _progress_bar(progress, len(split), done, recipe.epochs) as bar:
            for epoch in range(done + 1, recipe.epochs + 1):
                started = time.perf_counter()
                bar.set_description(f"epoch {epoch}/{recipe.epochs}")
                watch = _Watch(bar, epoch, recipe)
                rate = optimizer.param_groups[-1]["lr"]

                def after_step(images: int, loss: Tensor, watch: _Watch = watch) -> None:
                    watch(images, loss)
                    if recipe.schedule == "one_cycle":
                        schedule.step()
                    if average:
                        update_average(average, model, recipe.averaging)

                loss = train_epoch(
                    replica,
                    split,
                    train_transform,
                    optimizer,
                    batch_size=recipe.batch_size,
                    precision=precision,
                    label_smoothing=recipe.label_smoothing,
                    scaler=scaler,
                    after_step=after_step,
                )
                watch.check(loss)
                found = distributed.from_first(
                    lambda watch=watch: _validate(
                        average or model, validation, test_transform, precision, watch
                    )
                )
                history["train_loss"].append(loss)
                history["validation_loss"].append(found.loss)
                history["validation_top_1"].append(found.top_1)
                history["learning_rate"].append(rate)
                history["seconds"].append(time.perf_counter() - started)
                if recipe.schedule == "plateau":
                    schedule.step(found.top_1)
                bar.set_postfix(validation=f"{found.top_1:.1f} %")
                if checkpoint is not None:
                    save_checkpoint(checkpoint, identity, parts, device, training)
    if average:
        model.load_state_dict(average.state_dict())
    return training


def _validate(
    model: nn.Module, validation: Split, transform: Callable, precision: str, watch: _Watch
) -> Evaluation:
    try:
        return evaluate(model, validation, transform, precision=precision)
    except ValueError:
        # The last step may have spoiled the weights after the loss was looked at.
        output = predict(model, validation.images, transform, precision=precision)
        watch.check(output.sum().item())
        raise


# --------------------------------------------------------------------------------------------------
# Watching a run
# --------------------------------------------------------------------------------------------------


class _Watch:
    """Moves the progress bar and stops a run whose loss is no longer finite."""

    def __init__(self, bar: tqdm, epoch: int, recipe: Recipe) -> None:
        self.bar, self.epoch, self.recipe = bar, epoch, recipe
        self.steps = 0

    def __call__(self, images: int, loss: Tensor) -> None:
        self.bar.update(images)
        self.steps += 1
        if self.steps % _STEPS_BETWEEN_LOOKS == 1:
            self.check(loss.item())

    def check(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} in epoch {self.epoch}: the training diverged. Try a tenth of"
                f" the learning rate (it is {self.recipe.learning_rate:g}), precision='float32',"
                " and make sure that the transform gives images near 0, not 0..255"
            )


def _progress_bar(progress: bool | None, images: int, done: int, epochs: int) -> tqdm:
    if progress is None:
        progress = somebody_watches()
    progress = progress and distributed.rank() == 0
    return tqdm(
        total=images * epochs,
        initial=images * done,
        unit=" images",
        unit_scale=True,
        file=sys.stdout,
        leave=False,
        disable=not progress,
    )


def somebody_watches() -> bool:
    """Whether output appears before a person: in a terminal, or in a notebook run by hand.

    A notebook that papermill or nbval runs has nobody who could answer a question of its kernel.
    """
    if "IPython" in sys.modules:
        shell = sys.modules["IPython"].get_ipython()
        if hasattr(shell, "kernel"):
            return bool(getattr(shell.kernel, "_allow_stdin", False))
    return sys.stdout.isatty()
