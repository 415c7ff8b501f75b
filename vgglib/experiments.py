"""Experiments: data, network, recipe and seed in, a trained network and its record out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision.transforms import v2

from vgglib import distributed
from vgglib.architecture import VGG, vgg
from vgglib.data import Data
from vgglib.devices import choose_device, choose_precision
from vgglib.evaluation import Evaluation, evaluate
from vgglib.files import check_writable
from vgglib.recipe import Recipe
from vgglib.records import check_replaceable, run_name, write_record
from vgglib.statistics import channel_statistics, whitening_filters
from vgglib.trace import trace
from vgglib.training import Training, train
from vgglib.transfer import Transfer, transfer_weights
from vgglib.transforms import (
    PCAColorShift,
    RandomHorizontalFlip,
    RandomScaleCrop,
    RandomTranslation,
    SubtractMean,
)

#: The recipes by name. ``"paper"`` is the paper's as Zhong (2024) brought it to the size of
#: CIFAR-10. For two CPU cores it has fewer epochs with less patience, and smaller batches, so that
#: there are still many steps; half of so few epochs would be too few for the deeper networks.
#: ``"post"`` is Zhong's own plan, for a GPU: 200 epochs for I, 100 each for II and III.
#: ``"modern"`` has what came later. ``"fast"`` trains the network ``"slim"`` with the least
#: computation. ``"quick"`` is a short version for the built-in data set, at a quarter of the width,
#: with fewer epochs, larger batches and a higher learning rate.
RECIPES: dict[str, Recipe] = {
    "paper": Recipe(
        "paper", epochs=12, batch_size=32, patience=1, threshold=2e-2, deeper_epochs=1.0
    ),
    "modern": Recipe(
        "modern",
        epochs=8,
        learning_rate=5e-2,
        dropout=0.0,
        schedule="one_cycle",
        warmup=0.2,
        nesterov=True,
        label_smoothing=0.1,
        translation=2,
        batch_norm=True,
        averaging=0.99,
        muon=0.03,
    ),
    "fast": Recipe(
        "fast",
        epochs=10,
        batch_size=1000,
        learning_rate=5e-2,
        momentum=0.6,
        dropout=0.0,
        color_std=0.0,
        schedule="one_cycle",
        warmup=0.0,
        label_smoothing=0.2,
        translation=2,
        averaging=0.9,
        muon=0.24,
        whitening=True,
    ),
    "quick": Recipe("quick", epochs=10, batch_size=64, learning_rate=4e-2, patience=2, width=0.25),
    "post": Recipe("post"),
}


def _ablation() -> dict[str, Recipe]:
    """From ``paper`` to ``modern``, one change after the other, at a quarter of the width."""
    paper, modern = RECIPES["paper"], RECIPES["modern"]
    # In the batches of "modern", so that no recipe takes more steps than another.
    recipe = replace(
        paper,
        epochs=8,
        width=0.25,
        batch_size=modern.batch_size,
        patience=1,
        threshold=3e-3,
        deeper_epochs=modern.deeper_epochs,
    )
    recipes = {"paper": recipe}
    for change, settings in {
        "one cycle": ("schedule", "warmup", "learning_rate", "nesterov"),
        "batch norm": ("batch_norm",),
        "no dropout": ("dropout",),
        "label smoothing": ("label_smoothing",),
        "translation": ("translation",),
        "averaging": ("averaging",),
        "Muon": ("muon",),
    }.items():
        recipe = replace(recipe, **{name: getattr(modern, name) for name in settings})
        recipes[f"+ {change}"] = recipe
    return {
        change: replace(recipe, name=f"ablation {number} {change}")
        for number, (change, recipe) in enumerate(recipes.items())
    }


#: Recipes from ``paper`` to ``modern``, each with one change more, so that their accuracies say
#: what a change gives. "One cycle" brings the learning rate and the momentum that go with it.
ABLATION: dict[str, Recipe] = _ablation()


def _scales() -> dict[str, Recipe]:
    """The training scales of the paper (section 3.1) and its crop, all divided by 8."""
    modern = RECIPES["modern"]
    return {
        f"S = {name}": replace(
            modern,
            name=f"scale {name}",
            epochs=10,
            muon=0.0,
            width=0.25,
            translation=0,
            crop=224 // 8,
            scale=(smallest, largest),
        )
        for name, smallest, largest in [("32", 32, 32), ("48", 48, 48), ("32 to 64", 32, 64)]
    }


#: The recipes of "Testing like the paper", which are ``"modern"`` at a quarter of the width,
#: without Muon, on crops, with fixed training scales and with scale jittering.
SCALES: dict[str, Recipe] = _scales()

#: The networks that each recipe trains, in this order.
MODELS: dict[str, tuple[str, ...]] = {
    "paper": ("I", "II", "III"),
    "modern": ("I", "II", "III"),
    "fast": ("slim",),
    "quick": ("I", "II", "III"),
    "post": ("I", "II", "III"),
}


def deeper(recipe: Recipe) -> Recipe:
    """The recipe for a network that starts from a trained, shallower one: fewer epochs.

    Half of them where the recipe says nothing else, as Zhong (2024) did: 100 instead of 200. The
    patience is shortened with them, so that the learning rate still falls within them.
    """
    part = recipe.deeper_epochs
    return replace(
        recipe, epochs=max(1, int(recipe.epochs * part)), patience=int(recipe.patience * part)
    )


@dataclass(frozen=True)
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
    statistics = channel_statistics(data.train.images)
    components = statistics.pca()
    subtract = SubtractMean(statistics.mean)
    steps: list[v2.Transform] = []
    center: list[v2.Transform] = []
    if recipe.crop:
        steps.append(RandomScaleCrop(recipe.crop, recipe.scale))
        middle = sum(recipe.scale) // 2
        center = [v2.Resize(middle, antialias=True), v2.CenterCrop(recipe.crop)]
    steps.append(RandomHorizontalFlip(recipe.flip))
    if recipe.translation:
        steps.append(RandomTranslation(recipe.translation))
    steps.append(subtract)
    if recipe.color_std:
        shift = PCAColorShift(
            components.eigenvalues,
            components.eigenvectors,
            std=recipe.color_std,
            scale=recipe.color_scale,
        )
        steps.append(shift)
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
        name: configuration, such as ``"I"``; see :func:`~vgglib.architecture.vgg`.
        data: see :func:`~vgglib.data.load_data`.
        recipe: see :data:`RECIPES`.
        seed: of the first weights and of the training.
        shallow: a trained network to start from; ``None`` starts from random weights.
        rule: what is copied from it, see :func:`~vgglib.transfer.match_layers`.
        results: folder for the record; ``None`` writes none.
        checkpoints: folder for the checkpoint, from which an interrupted call goes on and a
            finished one returns at once; ``None`` saves none.
        device: see :func:`~vgglib.devices.choose_device`.
        precision: see :func:`~vgglib.devices.choose_precision`.
        progress: see :func:`~vgglib.training.train`.

    Raises:
        ValueError: an impossible combination of name, data and recipe, a checkpoint of another
            run, or a record of the same name from other images or another start.
        OSError: a folder cannot be written; found out before the training.
        FloatingPointError: the training diverged.
    """
    device = choose_device(device)
    chosen = choose_precision(device, precision)
    planned = {
        "model": name,
        "width": recipe.width,
        "dataset": data.name,
        "data_fingerprint": data.fingerprint,
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
        checkpoint = Path(checkpoints) / f"{run}.pt"
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
    multiply_adds = trace(model).multiply_adds
    images_seen = recipe.epochs * len(data.train)
    record = {
        **planned,
        "top_k_accuracy": [round(value, 2) for value in test.top_k_accuracy],
        "test_loss": round(test.loss, 4),
        "validation_top_1": round(training.history["validation_top_1"][-1], 2),
        "train_images": len(data.train),
        "validation_images": len(data.validation),
        "test_images": len(data.test),
        "images_seen": images_seen,
        "multiply_adds": multiply_adds,
        "training_pflop": training_pflop(multiply_adds, images_seen),
        "train_seconds": round(training.seconds, 1),
        "device": "; then ".join(training.devices),
        "torch": torch.__version__,
        "vgglib": package_version(),
        "settings": {**asdict(recipe), "scale": list(recipe.scale)},  # as JSON gives it back
        "history": _rounded(training.history),
    }
    if results is not None:
        distributed.from_first(lambda: write_record(results, record))
    return Experiment(model, training, test, record, transfer, test_transform)


def make_network(name: str, data: Data, recipe: Recipe, seed: int = 0) -> VGG:
    """The network of a recipe with its first weights, which are the same on every device.

    Args:
        name: configuration, see :func:`~vgglib.architecture.vgg`.
        data: whose classes and image size it is made for.
        recipe: dropout, batch normalization, width, initialization and whitening.
        seed: of the first weights; torch's global random state is as before afterwards.

    Raises:
        ValueError: the network's first layer is too wide for the recipe's whitening.
    """
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed)
        model = vgg(
            name,
            num_classes=data.num_classes,
            image_size=recipe.crop or data.image_size,
            batch_norm=recipe.batch_norm,
            dropout=recipe.dropout,
            width=recipe.width,
            initialization=recipe.initialization,
        )
    if recipe.whitening:
        conv = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
        mean = channel_statistics(data.train.images).mean
        most = 2 * conv.weight[0].numel()
        if conv.out_channels > most:
            raise ValueError(
                f"recipe {recipe.name!r} whitens a first layer of at most {most} filters, network"
                f" {name!r} has {conv.out_channels}: choose the network slim, or another recipe"
            )
        filters = whitening_filters(data.train.images, mean, conv.out_channels, conv.kernel_size[0])
        with torch.no_grad():
            conv.weight.copy_(filters)
        conv.weight.requires_grad_(False)
    return model


def training_pflop(multiply_adds: int, images_seen: int) -> float:
    """Floating-point operations of a training in units of 10^15.

    A multiply-add is two operations. The way back costs twice the way forward: one product for the
    gradient of the weights, one for that of the layer's input. So each image that is seen costs six
    times the multiply-adds of the network. Activations, pools, normalizations, the optimizer and
    the evaluations are not counted, as is usual. That the image needs no gradient is not taken off.

    Args:
        multiply_adds: of one image on the way forward, see :func:`~vgglib.trace.trace`.
        images_seen: over all epochs.
    """
    return 6 * multiply_adds * images_seen / 1e15


def package_version() -> str:
    """Version of this package, as it was installed."""
    try:
        return version("vgglib")
    except PackageNotFoundError:  # imported from a folder that was never installed
        return "unknown"


def _rounded(history: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Digits that a reader can use: 0.01 % of accuracy, 0.0001 nats, 0.1 s."""
    digits = {"validation_top_1": 2, "seconds": 1, "learning_rate": 8}
    return {key: [round(v, digits.get(key, 4)) for v in values] for key, values in history.items()}
