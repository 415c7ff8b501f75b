"""Experiments: data, network, recipe and seed in, a trained network and its record out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.transforms import v2

from vgglib.architecture import VGG
from vgglib.checks import check_choice
from vgglib.configurations import check_names, vgg
from vgglib.data import Data
from vgglib.evaluation import Evaluation, accuracy_by_views, evaluate
from vgglib.machine import distributed
from vgglib.machine.devices import choose_device, choose_precision
from vgglib.machine.files import check_writable
from vgglib.recipes import Recipe, deeper
from vgglib.records import check_replaceable, run_name, write_predictions, write_record
from vgglib.statistics import whitening_filters
from vgglib.tracing import trace
from vgglib.training import Training, train
from vgglib.transfer import RULES, Transfer, match_layers, transfer_weights
from vgglib.transforms import (
    PCAColorShift,
    RandomCutout,
    RandomHorizontalFlip,
    RandomScaleCrop,
    RandomTranslation,
    SubtractMean,
)


@dataclass(frozen=True, eq=False)  # tensors do not compare to a bool
class Experiment:
    """A finished training.

    Attributes:
        model: the trained network.
        training: history and devices.
        test: what it does on the test split, averaged with the mirror image.
        record: what was written to the results folder.
        transfer: which layers came from a shallower network; ``None`` if none was given.
        test_transform: the preprocessing that the network expects, with a center crop where the
            recipe trains on crops.
    """

    model: VGG
    training: Training
    test: Evaluation
    record: dict[str, Any]
    transfer: Transfer | None
    test_transform: v2.Transform

    @property
    def preprocessing(self) -> v2.Transform:
        """The preprocessing without a center crop, for the test protocols."""
        return self.test_transform.transforms[-1]


def make_transforms(data: Data, recipe: Recipe) -> tuple[v2.Transform, v2.Transform]:
    """Augmentation with preprocessing, and preprocessing alone, for batches of uint8 images.

    Mean and principal components are those of ``data.train``: neither validation nor test images
    are looked at. Where the recipe has crops, the second takes the center crop at the middle of the
    training scales.
    """
    components = data.statistics.pca()
    subtract = SubtractMean(data.statistics.mean)
    steps: list[v2.Transform] = []
    center: list[v2.Transform] = []
    if recipe.crop:
        steps.append(RandomScaleCrop(recipe.crop, recipe.training_scale))
        middle = sum(recipe.training_scale) // 2
        center = [v2.Resize(middle, antialias=True), v2.CenterCrop(recipe.crop)]
    steps.append(RandomHorizontalFlip(recipe.flip))
    if recipe.translation:
        steps.append(RandomTranslation(recipe.translation))
    steps.append(subtract)
    if recipe.color_std:
        if data.channels != 3:
            raise ValueError(
                f"recipe {recipe.name!r} shifts colors, and {data.name!r} has images of"
                f" {data.channels} channel{'s' * (data.channels > 1)}: set color_std=0"
            )
        shift = PCAColorShift(
            components.eigenvalues,
            components.eigenvectors,
            std=recipe.color_std,
            by=recipe.color_by,
        )
        steps.append(shift)
    if recipe.cutout:
        steps.append(RandomCutout(recipe.cutout))
    return v2.Compose(steps), v2.Compose([*center, subtract])


def run_experiment(
    name: str,
    data: Data,
    recipe: Recipe,
    *,
    seed: int = 0,
    shallow: VGG | None = None,
    rule: str = "post",
    results: str | Path | None = None,
    checkpoints: str | Path | None = None,
    device: str | torch.device | None = None,
    precision: str = "auto",
    progress: bool | None = None,
) -> Experiment:
    """Train one network by one recipe, evaluate it once on the test split and record what it did.

    Args:
        name: configuration, such as ``"I"``; see :func:`~vgglib.configurations.vgg`.
        data: see :func:`~vgglib.data.load_data`.
        recipe: see :data:`~vgglib.recipes.RECIPES`.
        seed: of the first weights and of the training.
        shallow: a trained network to start from; ``None`` starts from random weights.
        rule: what is copied from it, see :func:`~vgglib.transfer.match_layers`.
        results: folder for the record, and, in a folder ``predictions`` within, for what the
            network says of each test image; ``None`` writes neither.
        checkpoints: folder for the checkpoint, from which an interrupted call goes on and a
            finished one returns at once; ``None`` saves none.
        device: see :func:`~vgglib.machine.devices.choose_device`.
        precision: see :func:`~vgglib.machine.devices.choose_precision`.
        progress: see :func:`~vgglib.training.train`.

    Raises:
        ValueError: an impossible combination of name, data and recipe, a checkpoint of another
            run, or a record of the same name from other images or another start.
        OSError: a folder cannot be written; found out before the training.
        FloatingPointError: the training diverged.
    """
    _check_recipe(recipe)
    if not len(data.test):
        raise ValueError("there are no test images: load the data with one or more")
    device = choose_device(device)
    chosen = choose_precision(device, precision)
    planned = {
        "model": name,
        "width": recipe.width,
        "dataset": data.name,
        "data_fingerprint": data.pixel_fingerprint,
        "data_origin": data.fingerprint,
        "image_size": data.image_size,
        "recipe": recipe.name,
        "seed": seed,
        "start": "random weights" if shallow is None else f"shallower network, rule {rule!r}",
        "epochs": recipe.epochs,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "patience": recipe.patience,
    }
    if results is not None:
        distributed.from_first(lambda: check_writable(results, "records"))
        distributed.from_first(lambda: check_replaceable(results, planned))
    model = make_network(name, data, recipe, seed)
    transfer = None if shallow is None else transfer_weights(shallow, model, rule)
    train_transform, test_transform = make_transforms(data, recipe)
    checkpoint = None
    if checkpoints is not None:
        run = run_name(data.name, recipe.name, name, recipe.epochs, seed)
        checkpoint = Path(checkpoints).expanduser() / f"{run}.pt"
    training = train(
        model,
        data,
        recipe,
        train_transform=train_transform,
        test_transform=test_transform,
        seed=seed,
        device=device,
        precision=precision,
        checkpoint=checkpoint,
        progress=progress,
    )
    test = distributed.from_first(
        lambda: evaluate(model, data.test, test_transform, precision=chosen)
    )
    by_views = None
    if recipe.translation:  # a network that has seen moved images may be asked about them
        by_views = distributed.from_first(
            lambda: accuracy_by_views(
                model, data.test, test_transform, test.probabilities, precision=chosen
            )
        )
    validated = training.history["validation_top_1"][-1]
    record = {
        **planned,
        "top_k_accuracy": [round(value, 2) for value in test.top_k_accuracy],
        **({} if data.test_is_balanced else {"balanced_top_1": round(test.balanced_top_1, 2)}),
        **({} if by_views is None else {"top_1_by_views": _percent(by_views)}),
        "test_loss": round(test.loss, 4),
        "validation_top_1": None if validated is None else round(validated, 2),
        "train_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": len(data.test),
        "images_seen": recipe.epochs * len(data.train),
        "multiply_adds": trace(model).multiply_adds,
        "training_pflop": cost_of_training(model, recipe, len(data.train)),
        "train_seconds": round(training.seconds, 1),
        "device": training.devices,
        "torch": torch.__version__,
        "vgglib": package_version(),
        "settings": json.loads(json.dumps(asdict(recipe))),  # as JSON gives it back
        "history": _rounded(training.history),
    }
    if results is not None:
        said = test.probabilities, data.test.labels.cpu()
        distributed.from_first(lambda: write_predictions(results, record, *said))
        distributed.from_first(lambda: write_record(results, record))
    return Experiment(model, training, test, record, transfer, test_transform)


def run_series(
    names: Sequence[str],
    data: Data,
    recipe: Recipe,
    *,
    report: Callable[[Experiment], None] = lambda experiment: None,
    **options: Any,
) -> dict[str, Experiment]:
    """Train networks one after the other; where the recipe says so, each from the one before.

    That is how the paper made depth trainable (section 3.1): the first network starts from random
    weights, and each deeper one from the layers of the one before it, with the epochs of
    :func:`~vgglib.recipes.deeper`.

    Args:
        names: configurations, from shallow to deep.
        data: see :func:`~vgglib.data.load_data`.
        recipe: of the first network.
        report: called with each experiment when it has ended.
        options: see :func:`run_experiment`.

    Returns:
        The experiments by the names of their networks.

    Raises:
        ValueError, OSError, FloatingPointError: see :func:`run_experiment`. What can be known of
            the later networks is refused before the first is trained.
    """
    names = check_names("names", names)
    _check_recipe(recipe)
    _check_series(names, data, recipe, options.get("rule", "post"))
    experiments: dict[str, Experiment] = {}
    shallow = None
    for name in names:
        own = recipe if shallow is None else deeper(recipe)
        experiments[name] = run_experiment(name, data, own, shallow=shallow, **options)
        report(experiments[name])
        if recipe.grows:
            shallow = experiments[name].model
    return experiments


def _check_recipe(recipe: Recipe) -> None:
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe must be a Recipe, such as RECIPES['quick'], got {recipe!r}")


def make_network(name: str, data: Data, recipe: Recipe, seed: int = 0) -> VGG:
    """The network of a recipe with its first weights, which are the same on every device.

    Args:
        name: configuration, see :func:`~vgglib.configurations.vgg`.
        data: whose classes and image size it is made for.
        recipe: dropout, batch normalization, width, initialization and whitening.
        seed: of the first weights; torch's global random state is as before afterwards.

    Raises:
        ValueError: the network's first layer is too wide for the recipe's whitening.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        model = _configured(name, data, recipe)
    if recipe.whitening:
        conv = _first_convolution(model)
        mean = data.statistics.mean
        filters = whitening_filters(data.train.images, mean, conv.out_channels, conv.kernel_size[0])
        with torch.no_grad():
            conv.weight.copy_(filters)
        conv.weight.requires_grad_(False)
    return model


def _configured(name: str, data: Data, recipe: Recipe) -> VGG:
    """A network as its recipe asks for it, which does not whiten yet."""
    model = vgg(
        name,
        num_classes=data.num_classes,
        image_size=recipe.crop or data.image_size,
        in_channels=data.channels,
        batch_norm=recipe.batch_norm,
        dropout=recipe.dropout,
        width=recipe.width,
        initialization=recipe.initialization,
    )
    conv = _first_convolution(model)
    most = 2 * conv.weight[0].numel()
    if recipe.whitening and conv.out_channels > most:
        raise ValueError(
            f"recipe {recipe.name!r} whitens a first layer of at most {most} filters for images of"
            f" {data.channels} channel{'s' * (data.channels > 1)}, and network {name!r} has"
            f" {conv.out_channels}: choose a narrower network, or a recipe without whitening"
        )
    return model


def _first_convolution(model: VGG) -> nn.Conv2d:
    return next(module for module in model.modules() if isinstance(module, nn.Conv2d))


def _check_series(names: Sequence[str], data: Data, recipe: Recipe, rule: str) -> None:
    """Refuse networks of which a later one would stop the work after hours of training."""
    check_choice("rule", rule, RULES)
    with torch.device("meta"):
        networks = [_configured(name, data, recipe) for name in names]
    for at in range(1, len(names)) if recipe.grows else ():
        try:
            match_layers(networks[at - 1], networks[at], rule)
        except ValueError as error:
            raise ValueError(
                f"by recipe {recipe.name!r} {names[at]!r} starts from {names[at - 1]!r}, and it"
                f" cannot: {error}; train each by itself, or from shallow to deep"
            ) from error


def training_pflop(multiply_adds: int, images_seen: int) -> float:
    """Floating-point operations of a training in units of 10^15.

    A multiply-add is two operations. The way back costs twice the way forward: one product for the
    gradient of the weights, one for that of the layer's input. So each image that is seen costs six
    times the multiply-adds of the network. Activations, pools, normalizations, the optimizer and
    the evaluations are not counted, as is usual. That the image needs no gradient is not taken off.

    Args:
        multiply_adds: of one image on the way forward, see :func:`~vgglib.tracing.trace`.
        images_seen: over all epochs.
    """
    return 6 * multiply_adds * images_seen / 1e15


def cost_of_training(network: VGG, recipe: Recipe, train_images: int) -> float:
    """PFLOP of a training by a recipe, whose first epochs may see smaller images.

    Args:
        network: for the images that the other epochs see.
        recipe: which epochs see which images.
        train_images: that an epoch sees.
    """
    small = recipe.small_size(*network.image_size)
    sizes = {None: recipe.epochs - recipe.small_epochs, small: recipe.small_epochs}
    return sum(
        training_pflop(trace(network, size).multiply_adds, epochs * train_images)
        for size, epochs in sizes.items()
        if epochs
    )


def package_version() -> str:
    """Version of this package, as it was installed."""
    try:
        return version("vgglib")
    except PackageNotFoundError:  # imported from a folder that was never installed
        return "unknown"


def _percent(accuracies: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 2) for key, value in accuracies.items()}


def _rounded(history: Mapping[str, list[float | None]]) -> dict[str, list[float | None]]:
    """Digits that a reader can use: 0.01 % of accuracy, 0.0001 nats, 0.1 s."""
    digits = {"validation_top_1": 2, "seconds": 1, "learning_rate": 8}
    return {
        key: [None if v is None else round(v, digits.get(key, 4)) for v in values]
        for key, values in history.items()
    }
