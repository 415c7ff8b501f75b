"""Training: the loop, and the run around it, which goes on where it was killed.

The chapter Training. The training is that of the paper's section 3.1 as Zhong (2024) scaled it down
to CIFAR-10: stochastic gradient descent with momentum, weight decay, dropout, and a learning rate
that falls by a factor of ten when the accuracy on the validation split stops rising.
:func:`train_epoch` is the loop, :func:`train` the run around it; what the two need of the machine
is in the class ``_Run``.
"""

from __future__ import annotations

import copy
import math
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import v2
from tqdm import tqdm

from vgglib.architecture import VGG, unwrap
from vgglib.checks import check_int
from vgglib.data import Data, Split
from vgglib.evaluation import Evaluation, evaluate, predict
from vgglib.machine import distributed
from vgglib.machine.checkpoints import load_checkpoint, save_checkpoint
from vgglib.machine.devices import (
    autocast,
    choose_device,
    choose_precision,
    device_name,
    keep_freed_memory,
)
from vgglib.machine.files import check_writable
from vgglib.machine.identity import digest_of_weights, identify
from vgglib.optimization import check_learns, make_optimizer, make_schedule, update_average
from vgglib.recipes import Recipe
from vgglib.trained import describe_use
from vgglib.weights import check_holds_numbers

# How many steps may pass before a loss that is not finite is noticed: looking at the loss makes a
# GPU wait for the CPU, so it is not done at each.
_STEPS_BETWEEN_LOOKS = 20

# Between the seeds of two processes that train together: more than anybody's number of seeds.
_SEEDS_BETWEEN_PROCESSES = 1_000_003

# For a model whose training has ended or was interrupted, by the checkpoint: its first weights and
# those that it was left with, as digests. So a cell that is run again goes on, and a model that was
# changed does not.
_LEFT_WITH: weakref.WeakKeyDictionary[nn.Module, dict[Path, tuple[str, str]]]
_LEFT_WITH = weakref.WeakKeyDictionary()


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
    after_step: Callable[[int, Tensor], None] = lambda count, loss: None,
) -> float:
    """Show each image to the network once, in random order, with a step of descent per batch.

    Of several processes (see :mod:`vgglib.machine.distributed`) each takes its part of every batch.

    Args:
        model: gives logits; changed in place.
        split: training images (uint8) and labels, on the model's device.
        transform: augmentation and preprocessing of a batch, to float.
        optimizer: of the model's parameters.
        batch_size: images in a step, of all processes together.
        precision: see :func:`~vgglib.machine.devices.choose_precision`.
        label_smoothing: part of the target's probability that is spread over all classes.
        scaler: scales the loss so that small float16 gradients do not become 0.
        after_step: called after each step with the number of images in the whole batch, and the
            loss of this process's part, weighted as it went into the gradient.

    Returns:
        Mean cross-entropy of the epoch in nats.
    """
    scaler = scaler or torch.amp.GradScaler(split.images.device.type, enabled=False)
    model.train()
    total = torch.zeros((), device=split.images.device)
    for images, labels, count, weight in shuffled_batches(split, transform, batch_size):
        with autocast(images.device, precision):
            logits = model(images)
        # In float32, and on logits: cross_entropy applies the softmax itself.
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
        loss = weight * loss
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        total += count * loss.detach()
        after_step(count, loss.detach())
    return distributed.mean(total).item() / len(split)


def shuffled_batches(
    split: Split, transform: Callable[[Tensor], Tensor], batch_size: int
) -> Iterator[tuple[Tensor, Tensor, int, float]]:
    """All images of a split once, in random order, batch after batch, transformed.

    Yields:
        Images and labels of this process's part of a batch; how many images the whole batch has;
        and what the mean loss of the part is to be weighted by, 1 for a process that is alone.

    Raises:
        ValueError: there are no images.
    """
    if not len(split):
        raise ValueError("there are no images to train on: expected one or more")
    # To the device at once: a copy at each step would make a GPU wait.
    order = distributed.from_first(lambda: torch.randperm(len(split))).to(split.images.device)
    for batch in _batches(order, batch_size):
        part, weight = distributed.part_of(batch)
        images, labels = split.batch(part)
        images = transform(images).contiguous(memory_format=torch.channels_last)
        yield images, labels, len(batch), weight


def _batches(order: Tensor, batch_size: int) -> list[Tensor]:
    """Parts of a tensor; a single image at the end joins the part before.

    Batch normalization cannot take it alone, where the maps have become a single place.
    """
    batches = list(order.split(batch_size))
    if batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


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
    the rest of the run depends on is saved. With a schedule that is a plan the data need no
    validation images, once all choices have been made. A run that was killed or interrupted and is
    called again in the same way goes on after its last whole epoch, with a model that is drawn anew
    as with the one that it was interrupted in; on the CPU its weights are those of a run that was
    never killed, bit for bit. torch's global random state is as before afterwards. Processes that
    met by :func:`~vgglib.machine.distributed.process_group` train together, each on its part of
    every batch; process 0 alone writes.
    On a CPU under Linux the whole process keeps the memory that it frees from now on.

    Args:
        model: gives logits; moved to the device.
        data: see :func:`~vgglib.data.load_data`.
        recipe: what else is decided.
        train_transform: augmentation and preprocessing of a batch of uint8 images.
        test_transform: preprocessing alone.
        seed: of the order of the images, augmentation and dropout (not of the first weights).
        device: see :func:`~vgglib.machine.devices.choose_device`.
        precision: of the network; see :func:`~vgglib.machine.devices.choose_precision`.
            :func:`~vgglib.optimization.orthogonalize` chooses its own.
        checkpoint: file to resume from and to save to; ``None`` saves nothing.
        progress: whether a progress bar is shown, which vanishes at the end; ``None``: where
            somebody watches, that is in a terminal or in a notebook run by hand.

    Returns:
        The history, of all epochs, also those before an interruption.

    Raises:
        FloatingPointError: the loss is no longer finite; the message says what to try.
        TypeError: model, data or recipe are something else, or the weights are not float32.
        ValueError: there is no such device or precision, the model has no weights to learn or too
            few classes, the data have no training images (or, for a schedule that waits for a
            plateau, no validation images), or the checkpoint is
            damaged, belongs to another run, or to one that has ended in another precision than is
            asked for.
        OSError: the checkpoint cannot be written; the one before it stays whole.
    """
    run = _Run(model, data, recipe, train_transform, test_transform, seed, device, precision)
    with run.going_on_from(checkpoint), run.progress_bar(progress):
        while run.epochs_done < recipe.epochs:
            started, rate = time.perf_counter(), run.learning_rate
            loss = train_epoch(
                run.replica,
                run.images_of_epoch(),
                run.transform_of_epoch(),
                run.optimizer,
                batch_size=recipe.batch_size,
                precision=run.precision,
                label_smoothing=recipe.label_smoothing,
                scaler=run.scaler,
                after_step=run.after_step,
            )
            found = run.validate(loss)
            if recipe.schedule == "plateau":
                run.schedule.step(found.top_1)
            run.note(loss, found, rate, time.perf_counter() - started)
            run.save()
    return run.training


@dataclass(frozen=True)
class Training:
    """What :func:`train` did.

    Attributes:
        history: a list with a number for each epoch, for each of ``"train_loss"`` (nats, with
            augmentation, dropout and smoothed labels), ``"validation_loss"`` (nats),
            ``"validation_top_1"`` (percent, averaged with the mirror image), ``"learning_rate"``
            (of its first step) and ``"seconds"``; ``None`` in place of a number where there are no
            validation images.
        computed: pairs of device and precision that it was computed by; several if it was moved.
    """

    history: dict[str, list[float | None]]
    computed: list[tuple[str, str]]

    @property
    def seconds(self) -> float:
        """Time of all epochs, validation included, interruptions not."""
        return sum(self.history["seconds"])

    @property
    def devices(self) -> str:
        """Device and precision in words, as in the records."""
        return "; then ".join(", ".join(pair) for pair in self.computed)


# --------------------------------------------------------------------------------------------------
# A run: where it computes, what moves besides the weights, and its checkpoint
# --------------------------------------------------------------------------------------------------


class _Run:
    """A training under way; the arguments are those of :func:`train`."""

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        recipe: Recipe,
        train_transform: Callable[[Tensor], Tensor],
        test_transform: Callable[[Tensor], Tensor],
        seed: int,
        device: str | torch.device | None,
        precision: str,
    ) -> None:
        self.device = choose_device(device)
        self.asked, self.precision = precision, choose_precision(self.device, precision)
        # What torch.compile or data parallelism put around the network computes; the network itself
        # is identified and kept, so that a run goes on with the one as with the other.
        compiled, model = model, unwrap(model)
        _check(model, data, recipe, seed)
        self.model, self.recipe, self.seed = model, recipe, seed
        self.classes = data.classes
        self.train_transform, self.test_transform = train_transform, test_transform
        self.given = (model, data, recipe, train_transform, test_transform, seed)
        if self.device.type == "cpu":
            keep_freed_memory()
        self.weights_now = digest_of_weights(model, recipe)
        # Set before the optimizer is made, whose momentum must have the layout of the weights.
        model.to(self.device, memory_format=torch.channels_last)
        self.split, self.validation = (s.to(self.device) for s in (data.train, data.validation))
        self.replica = distributed.replicate(compiled)
        self.average = copy.deepcopy(model) if recipe.averaging else None
        self.judged = model if self.average is None else self.average  # evaluated, and kept
        self.optimizer = make_optimizer(model, recipe)
        steps = len(_batches(torch.arange(len(self.split)), recipe.batch_size))
        self.schedule = make_schedule(self.optimizer, recipe, steps * recipe.epochs)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.precision == "float16")
        keys = ("train_loss", "validation_loss", "validation_top_1", "learning_rate", "seconds")
        self.training = Training({key: [] for key in keys}, [])
        self.identity: dict[str, Any] = {}
        self.use: dict[str, Any] = {}  # what a checkpoint says of how to use the network
        self.checkpoint: Path | None = None
        self.steps = 0  # in this epoch

    @property
    def epochs_done(self) -> int:
        """Whole epochs, also those before an interruption."""
        return len(self.training.history["seconds"])

    @property
    def learning_rate(self) -> float:
        """Of the next step; under Muon, that of all but the filters."""
        return self.optimizer.param_groups[-1]["lr"]

    @property
    def parts(self) -> dict[str, object]:
        """What a checkpoint keeps the state of."""
        found = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.schedule}
        found["scaler"] = self.scaler
        return found | ({} if self.average is None else {"average": self.average})

    @contextmanager
    def going_on_from(self, checkpoint: str | Path | None) -> Iterator[None]:
        """Draw from a generator of the run's own; begin, or go on from a checkpoint; end."""
        gpus: list[Any] = [] if self.device.type == "cpu" else [self.device]
        if self.device.type == "cuda":  # torch.manual_seed seeds all of them
            gpus = list(range(torch.cuda.device_count()))
        with torch.random.fork_rng(gpus, device_type=self.device.type if gpus else "cuda"):
            # torch.manual_seed would seed the GPUs too, even for a run on the CPU.
            seed_all = torch.manual_seed if gpus else torch.default_generator.manual_seed
            # Each process draws its own augmentation and dropout.
            seed_all(self.seed + _SEEDS_BETWEEN_PROCESSES * distributed.rank())
            try:
                if checkpoint is not None:
                    self._begin_or_resume(Path(checkpoint).expanduser())
                if self.epochs_done < self.recipe.epochs:
                    where = distributed.device_names(device_name(self.device)), self.precision
                    if where not in self.training.computed:
                        self.training.computed.append(where)
                yield
                if self.average is not None:
                    self.model.load_state_dict(self.average.state_dict())
            finally:
                # The layout that others expect, safetensors for one.
                self.model.to(memory_format=torch.contiguous_format)
                if self.checkpoint is not None:
                    left = digest_of_weights(self.model, self.recipe)
                    digests = self.identity["first weights"], left
                    _LEFT_WITH.setdefault(self.model, {})[self.checkpoint.resolve()] = digests

    def _begin_or_resume(self, path: Path) -> None:
        distributed.from_first(lambda: check_writable(path.parent, "checkpoints"))
        exists = distributed.from_first(path.exists)
        # Of a file that was removed, as to begin anew, nothing is remembered.
        known = _LEFT_WITH.get(self.model, {}) if exists else {}
        first, left = known.get(path.resolve(), ("", ""))
        own = first if left == self.weights_now else self.weights_now
        self.identity, self.checkpoint = identify(*self.given, own), path
        self.use = describe_use(self.model, self.classes, self.test_transform)
        if not exists:
            self.save()
            return
        state = load_checkpoint(
            path,
            self.identity,
            self.parts,
            self.device,
            lambda weights: digest_of_weights(self.model, self.recipe, weights) == self.weights_now,
        )
        self.identity = state["identity"]
        computed = [tuple(pair) for pair in state["computed"]]
        self.training = Training(state["history"], computed)
        precisions = {"auto", *(precision for _, precision in computed)}
        if self.epochs_done == self.recipe.epochs and self.asked not in precisions:
            distributed.raise_in_all(
                ValueError(
                    f"the training in {str(path)!r} has ended, and was not in {self.asked}:"
                    f" {self.training.devices}. Choose another file to train in {self.asked}"
                )
            )

    def save(self) -> None:
        """Write the checkpoint, if there is to be one."""
        if self.checkpoint is not None:
            noted = {"history": self.training.history, "computed": self.training.computed}
            noted["use"] = self.use
            save_checkpoint(self.checkpoint, self.identity, self.parts, self.device, noted)

    @contextmanager
    def progress_bar(self, wanted: bool | None) -> Iterator[None]:
        """Show how far the run is, where somebody watches."""
        wanted = somebody_watches() if wanted is None else wanted
        images, epochs = len(self.split), self.recipe.epochs
        with tqdm(
            total=images * epochs,
            initial=images * self.epochs_done,
            desc=self._epoch_in_words(),
            unit=" images",
            unit_scale=True,
            file=sys.stdout,
            leave=False,
            disable=not wanted or distributed.rank() != 0,
        ) as self.bar:
            yield

    def _epoch_in_words(self) -> str:
        return f"epoch {min(self.epochs_done + 1, self.recipe.epochs)}/{self.recipe.epochs}"

    def after_step(self, images: int, loss: Tensor) -> None:
        """Move what moves with each step, and look at the loss now and then."""
        self.bar.update(images)
        self.steps += 1
        if self.steps % _STEPS_BETWEEN_LOOKS == 1:
            # The mean over all processes, so that all of them stop together.
            self._check_loss(distributed.mean(loss).item())
        if self.recipe.schedule == "one_cycle":
            with warnings.catch_warnings():
                # In float16 the first step may be left out, with a smaller scale next.
                warnings.filterwarnings("ignore", "Detected call of .lr_scheduler.step")
                self.schedule.step()
        if self.average is not None:
            update_average(self.average, self.model, self.recipe.averaging)

    def images_of_epoch(self) -> Split:
        """The training images as this epoch has them: mirrored or not, where that alternates."""
        if not self.recipe.alternating_flip:
            return self.split
        # Of the run's seed alone, so that every process and a run that goes on draw the same.
        drawn = torch.rand(len(self.split), generator=torch.Generator().manual_seed(self.seed))
        images = self.split.images
        mirrored = (drawn < 0.5).to(images.device) ^ bool(self.epochs_done % 2)
        images = torch.where(mirrored[:, None, None, None], images.flip(-1), images)
        return Split(images, self.split.labels)

    def transform_of_epoch(self) -> Callable[[Tensor], Tensor]:
        """The augmentation of this epoch, which makes the images of the first ones smaller."""
        if self.epochs_done >= self.recipe.small_epochs:
            return self.train_transform
        size = _small_size(self.recipe, self.split)
        return v2.Compose([self.train_transform, v2.Resize(size, antialias=True)])

    def validate(self, train_loss: float) -> Evaluation | None:
        """What the network does on the validation split, if its loss is still a number.

        ``None`` where there is no such split.
        """
        self._check_loss(train_loss)
        return distributed.from_first(self._evaluate)

    def _evaluate(self) -> Evaluation | None:
        options = {"transform": self.test_transform, "precision": self.precision}
        if not len(self.validation):
            self._check_answers(self.split.images[:2], options)
            return None
        try:
            return evaluate(self.judged, self.validation, **options)
        except ValueError:
            self._check_answers(self.validation.images, options)
            raise

    def _check_answers(self, images: Tensor, options: dict[str, Any]) -> None:
        """The last step may have spoiled the weights after the loss was looked at."""
        self._check_loss(predict(self.judged, images, **options).sum().item())

    def note(
        self, train_loss: float, found: Evaluation | None, rate: float, seconds: float
    ) -> None:
        """Add an epoch to the history."""
        validated = (None, None) if found is None else (found.loss, found.top_1)
        noted = (train_loss, *validated, rate, seconds)
        for values, value in zip(self.training.history.values(), noted, strict=True):
            values.append(value)
        self.steps = 0
        self.bar.set_description(self._epoch_in_words())
        if found is not None:
            self.bar.set_postfix(validation=f"{found.top_1:.1f} %")

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            error = FloatingPointError(
                f"the loss is {loss} in epoch {self.epochs_done + 1}: the training diverged. Try a"
                f" tenth of the learning rate (it is {self.recipe.learning_rate:g}),"
                " precision='float32', and make sure that the transform gives images near 0, not"
                " 0..255"
            )
            distributed.raise_in_all(error)  # the loss is the mean over all processes


def _small_size(recipe: Recipe, split: Split) -> tuple[int, int]:
    """Height and width of the images in the first epochs."""
    return recipe.small_size(*((recipe.crop,) * 2 if recipe.crop else split.images.shape[-2:]))


def _check(model: nn.Module, data: Data, recipe: Recipe, seed: int) -> None:
    """Refuse what no training can begin with, before anything is changed."""
    for name, value, kind in (("model", model, nn.Module), ("data", data, Data)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, got {type(value).__name__}")
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe must be a Recipe, such as RECIPES['quick'], got {recipe!r}")
    check_int("seed", seed, minimum=0)
    distributed.check_met()
    if not len(data.train):
        raise ValueError("there are no training images: load the data with more")
    if not len(data.validation) and recipe.schedule == "plateau":
        raise ValueError(
            "there are no validation images, by which the schedule 'plateau' knows when to act:"
            " hold out a fraction of the training images, or choose the schedule 'one_cycle'"
        )
    check_holds_numbers(model)
    check_learns(model)
    for name, weight in model.named_parameters():
        if weight.dtype != torch.float32:
            raise TypeError(
                f"{name!r} is {weight.dtype}: train a float32 network (model.float()), and choose"
                " by precision= what it computes in"
            )
    if recipe.small_epochs and isinstance(model, VGG) and not model.global_pool:
        raise ValueError(
            f"recipe {recipe.name!r} begins with smaller images, and the network takes one size"
            " alone: choose one with a global_pool, such as 'slim', or set small_epochs to 0"
        )
    if recipe.small_epochs and isinstance(model, VGG):
        smallest = min(_small_size(recipe, data.train))
        if smallest < model.smallest_size:
            raise ValueError(
                f"recipe {recipe.name!r} begins with images of {smallest} pixels, and the network"
                f" takes {model.smallest_size} at least: choose larger images, or set small_epochs"
                " to 0"
            )
    if isinstance(model, VGG) and model.num_classes < data.num_classes:
        raise ValueError(
            f"the network tells {model.num_classes} classes apart, and the data have"
            f" {data.num_classes}: make it with num_classes={data.num_classes}"
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
