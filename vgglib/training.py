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
import warnings
from collections.abc import Callable
from dataclasses import dataclass
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
from vgglib.optimization import make_optimizer, make_schedule, update_average
from vgglib.recipe import Recipe

# How many steps may pass before a loss that is not finite is noticed: looking at the loss makes a
# GPU wait for the CPU, so it is not done at each.
_STEPS_BETWEEN_LOOKS = 20

# Between the seeds of two processes that train together: more than anybody's number of seeds.
_SEEDS_BETWEEN_PROCESSES = 1_000_003


@dataclass(frozen=True)
class Training:
    """What :func:`train` did.

    Attributes:
        history: a list with a number for each epoch, for each of ``"train_loss"`` (nats, with
            augmentation and dropout), ``"validation_loss"`` (nats), ``"validation_top_1"``
            (percent, averaged with the mirror image), ``"learning_rate"`` (of its first step) and
            ``"seconds"``.
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
        after_step: called after each step with the number of images in the whole batch, and the
            loss of this process's part, weighted as it went into the gradient.

    Returns:
        Mean cross-entropy of the epoch in nats.
    """
    device = split.images.device
    scaler = scaler or torch.amp.GradScaler(device.type, enabled=False)
    model.train()
    total = torch.zeros((), device=device)
    # To the device at once: a copy at each step would make a GPU wait.
    order = distributed.from_first(lambda: torch.randperm(len(split))).to(device)
    for batch in order.split(batch_size):
        index, weight = distributed.part_of(batch)  # alone: all of the batch, and 1
        images, labels = split.batch(index)
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
    On a CPU under Linux the whole process keeps the memory that it frees from now on.

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
        ValueError: there is no such device or precision, or the checkpoint is damaged, belongs to
            another run, or to one that has ended in another precision than is asked for.
        OSError: the checkpoint cannot be written; the one before it stays whole.
    """
    device = choose_device(device)
    asked, precision = precision, choose_precision(device, precision)
    if checkpoint is not None:
        distributed.from_first(lambda: check_writable(Path(checkpoint).parent, "checkpoints"))
        identity = identify(model, data, recipe, train_transform, test_transform, seed)
    if device.type == "cpu":
        keep_freed_memory()

    model.to(device, memory_format=torch.channels_last)
    split, validation = data.train.to(device), data.validation.to(device)
    replica = distributed.replicate(model)
    average = copy.deepcopy(model) if recipe.averaging else None
    judged = model if average is None else average  # what is evaluated, and kept at the end
    optimizer = make_optimizer(model, recipe)
    steps = math.ceil(len(split) / recipe.batch_size)
    schedule = make_schedule(optimizer, recipe, steps * recipe.epochs)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")
    parts = {"model": model, "optimizer": optimizer, "scheduler": schedule, "scaler": scaler}
    if average is not None:
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
        trained_in = {"auto", *(where.rsplit(", ", 1)[1] for where in training.devices)}
        if done == recipe.epochs and asked not in trained_in:
            error = ValueError(
                f"the training in {str(checkpoint)!r} has ended, and was not in {asked}:"
                f" {'; then '.join(training.devices)}. Choose another file to train in {asked}"
            )
            error.in_all = True  # the processes have the same checkpoint
            raise error
        if done < recipe.epochs:
            where = f"{distributed.device_names(device_name(device))}, {precision}"
            if where not in training.devices:
                training.devices.append(where)
        with _progress_bar(progress, len(split), done, recipe.epochs) as bar:
            for epoch in range(done + 1, recipe.epochs + 1):
                started = time.perf_counter()
                bar.set_description(f"epoch {epoch}/{recipe.epochs}")
                watch = _Watch(bar, epoch, recipe)
                rate = optimizer.param_groups[-1]["lr"]  # under Muon, that of all but the filters

                def after_step(images: int, loss: Tensor, watch: _Watch = watch) -> None:
                    watch(images, loss)
                    if recipe.schedule == "one_cycle":
                        with warnings.catch_warnings():
                            # In float16 the first step may be left out, with a smaller scale next.
                            warnings.filterwarnings("ignore", "Detected call of .lr_scheduler.step")
                            schedule.step()
                    if average is not None:
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
                        judged, validation, test_transform, precision, watch
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
    if average is not None:
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
            # The mean over all processes, so that all of them stop together.
            self.check(distributed.mean(loss).item())

    def check(self, loss: float) -> None:
        if not math.isfinite(loss):
            error = FloatingPointError(
                f"the loss is {loss} in epoch {self.epoch}: the training diverged. Try a tenth of"
                f" the learning rate (it is {self.recipe.learning_rate:g}), precision='float32',"
                " and make sure that the transform gives images near 0, not 0..255"
            )
            error.in_all = True  # the loss is the mean over all processes
            raise error


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
