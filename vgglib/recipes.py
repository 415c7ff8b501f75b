"""Recipes: everything that is decided about a training, as data (the chapter Training)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from vgglib.architecture import INITIALIZATIONS
from vgglib.checks import check_bool, check_choice, check_int, check_number, check_probability
from vgglib.configurations import check_names
from vgglib.transforms import SHIFTS_BY, RandomScaleCrop

SCHEDULES = ("plateau", "one_cycle")


@dataclass(frozen=True)
class Recipe:
    """Everything that is decided about a training, besides the network and the data.

    The defaults are Zhong's (2024), which are the paper's (section 3.1) but for the batch of 256,
    the 74 epochs and the crops, and He's first weights in place of N(0, 0.01^2).

    Attributes:
        name: as in the records.
        epochs: passes over the training images.
        batch_size: images in a step.
        learning_rate: of the first epoch; for one cycle, its peak; under Muon, of all but filters.
        momentum: fraction of the last step that is kept.
        weight_decay: pull of each weight towards 0; under Muon, of all but filters.
        bias_rate: factor on the learning rate of the biases of convolutions and normalizations,
            and divisor of their weight decay, so that the pull at a step is the same.
        dropout: probability of zeroing a hidden feature of the fully connected layers.
        flip: probability of mirroring a training image.
        alternating_flip: a random half of the training images is mirrored in the first epoch, and
            in each epoch after it those that were not in the one before; in place of ``flip``.
        color_std: standard deviation of the amplitudes of the color shift; 0 turns it off.
        color_by: ``"eigenvalue"`` or ``"root"``, see :class:`~vgglib.transforms.PCAColorShift`.
        factor: what the learning rate is multiplied by on a plateau.
        patience: epochs without improvement that are tolerated before.
        threshold: an accuracy counts as improved when it is this fraction better than the best.
        deeper_epochs: part of the epochs and of the patience that a network gets which starts from
            a shallower one, see :func:`deeper`.
        initialization: see :func:`~vgglib.architecture.initialize`.
        width: factor on channels and hidden features, see :func:`~vgglib.configurations.vgg`.
        schedule: ``"plateau"``, with the three settings above, or ``"one_cycle"``.
        warmup: for one cycle, part of the training in which the learning rate rises.
        nesterov: momentum that looks a step ahead; Muon's does so always.
        label_smoothing: part of the target's probability that is spread over all classes.
        translation: pixels that a training image may be moved by, along each axis.
        cutout: side of a square that is cut out of each training image, pixels.
        crop: side of the random crop that is taken of a training image, pixels; 0 takes no crop.
        small_epochs: first epochs whose training images are rescaled; for networks that take images
            of any size.
        small_factor: on the sides of these images, below 1.
        training_scale: smallest and largest ``S``, to which the smaller side of an image is
            rescaled before the crop, pixels; see :class:`~vgglib.transforms.RandomScaleCrop`.
        batch_norm: batch normalization after each convolution.
        averaging: part of the moving average of the weights that stays at each step, see
            :func:`~vgglib.optimization.update_average`; 0 takes the last weights.
        muon: step of the filters under :class:`~vgglib.optimization.Muon`; 0 turns it off.
        whitening: first convolution fixed to the principal components of the training images'
            patches, see :func:`~vgglib.statistics.whitening_filters`.

    Raises:
        TypeError: a setting has the wrong type, such as a number given as text.
        ValueError: a setting has a value that cannot be.
    """

    name: str
    epochs: int = 200
    batch_size: int = 128
    learning_rate: float = 1e-2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    bias_rate: float = 1.0
    dropout: float = 0.5
    flip: float = 0.5
    alternating_flip: bool = False
    color_std: float = 0.1
    color_by: str = "eigenvalue"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-3
    deeper_epochs: float = 0.5
    initialization: str = "he"
    width: float = 1.0
    schedule: str = "plateau"
    warmup: float = 0.0
    nesterov: bool = False
    label_smoothing: float = 0.0
    translation: int = 0
    cutout: int = 0
    crop: int = 0
    small_epochs: int = 0
    small_factor: float = 0.6875
    training_scale: tuple[int, int] = (0, 0)
    batch_norm: bool = False
    averaging: float = 0.0
    muon: float = 0.0
    whitening: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a str, got {self.name!r} ({type(self.name).__name__})")
        for name in ("epochs", "batch_size"):
            check_int(name, getattr(self, name), minimum=1)
        for name in ("patience", "translation", "cutout", "crop", "small_epochs"):
            check_int(name, getattr(self, name), minimum=0)
        for name in ("learning_rate", "bias_rate", "deeper_epochs", "width"):
            check_number(name, getattr(self, name), low=0, without_low=True)
        for name in ("weight_decay", "threshold", "color_std", "muon"):
            check_number(name, getattr(self, name), low=0)
        for name in ("momentum", "dropout", "warmup", "label_smoothing", "averaging"):
            check_probability(name, getattr(self, name))
        check_number("flip", self.flip, low=0, high=1)
        for name in ("factor", "small_factor"):
            value = getattr(self, name)
            check_number(name, value, low=0, high=1, without_low=True, without_high=True)
        for name in ("nesterov", "batch_norm", "whitening", "alternating_flip"):
            check_bool(name, getattr(self, name))
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov looks ahead along the momentum, which is 0: set momentum")
        if self.alternating_flip and self.flip:
            raise ValueError("alternating_flip takes the place of flip: set flip to 0")
        check_number("small_epochs", self.small_epochs, low=0, high=self.epochs)
        check_choice("color_by", self.color_by, SHIFTS_BY)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_choice("initialization", self.initialization, INITIALIZATIONS)
        if self.crop:
            # Refuses what cannot be, and makes a range of a single scale.
            scale = RandomScaleCrop(self.crop, self.training_scale).scale
            object.__setattr__(self, "training_scale", scale)
        elif self.training_scale in ((0, 0), [0, 0]):
            object.__setattr__(self, "training_scale", (0, 0))  # also from JSON, which has lists
        else:
            raise ValueError(
                f"a training_scale of {self.training_scale!r} needs a crop: set crop as well"
            )

    @property
    def grows(self) -> bool:
        """Whether deeper networks start from shallower ones (the paper, section 3.1).

        Batch normalization has made that unnecessary.
        """
        return not (self.batch_norm or self.muon)

    def shortened(self, epochs: int | None) -> Recipe:
        """The same recipe for fewer (or more) epochs, patience and small epochs in proportion.

        ``None`` leaves it as it is.
        """
        check_int("epochs", epochs, minimum=1, optional=True)
        if epochs is None:
            return self
        patience = max(min(1, self.patience), round(self.patience * epochs / self.epochs))
        small = round(self.small_epochs * epochs / self.epochs)
        return replace(self, epochs=epochs, patience=patience, small_epochs=small)

    def small_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width in the first epochs of images of some height and width, in pixels."""
        return round(height * self.small_factor), round(width * self.small_factor)


#: The recipes by name. ``"classic"`` is the training of 2014 as Zhong (2024) brought it to the size
#: of CIFAR-10, without his mistakes. For two CPU cores it has fewer epochs with less patience, and
#: smaller batches at a higher rate, so that there are still many and large steps, chosen on
#: CIFAR-10 by the validation accuracy of I. A deeper network gets two thirds of the epochs and of
#: the patience, chosen by that of II, whose rate never fell with all of it. ``"modern"`` has what
#: came later. ``"fast"`` trains the network ``"slim"`` with the least computation, and ``"longer"``
#: the network ``"wide"`` in the same way, for twice the epochs; ``"cutout"`` is ``"longer"`` with a
#: square cut out of each image, tried by the validation accuracy of one training on 45,000 images:
#: 95.0 % with it and 94.9 without. ``"quick"`` is short, for the built-in data set: a quarter of
#: the width, fewer epochs, a higher learning rate.
#: ``"post"`` is Zhong's own plan, for a GPU: 200 epochs for I, 100 each for II and III.
RECIPES: dict[str, Recipe] = {}

#: Recipes that are asked for together, by one name: each by itself, and those of an experiment.
SERIES: dict[str, dict[str, Recipe]] = {}

#: The networks that a recipe trains, by its name, in this order: from shallow to deep where
#: networks grow.
NETWORKS: dict[str, tuple[str, ...]] = {}


_HELD_OUT: dict[str, float] = {}  # of the registered recipes, by name


def fraction_held_out(name: str) -> float:
    """Part of the training images that a recipe, or a series of them, holds out to choose by.

    A tenth, but 0 where nothing was left to choose: its choices were made with a tenth.
    """
    return _HELD_OUT.get(name, 0.1)


def register(
    recipe: Recipe, networks: tuple[str, ...] = ("I", "II", "III"), held_out: float = 0.1
) -> None:
    """Make a recipe known by its name, here and on the command line.

    Args:
        recipe: its ``name`` must be new.
        networks: those that it trains, in this order.
        held_out: fraction of the training images that its trainings hold out.

    Raises:
        TypeError: a single name in place of several.
        ValueError: there is a recipe, or a series of recipes, of that name; no such network, or no
            such fraction.
    """
    if recipe.name in {*SERIES, *NETWORKS}:
        raise ValueError(f"there is a recipe {recipe.name!r}: choose another name")
    check_probability("held_out", held_out)
    NETWORKS[recipe.name] = check_names("networks", networks)
    _HELD_OUT[recipe.name] = held_out
    RECIPES[recipe.name] = recipe
    SERIES[recipe.name] = {recipe.name: recipe}


def _series(
    series: str, prefix: str, recipes: dict[str, Recipe], networks: tuple[str, ...]
) -> dict[str, Recipe]:
    """Recipes of an experiment, each named by a prefix and its key; the series may have others."""
    named = {key: replace(recipe, name=f"{prefix} {key}") for key, recipe in recipes.items()}
    NETWORKS.update({recipe.name: networks for recipe in named.values()})
    SERIES.setdefault(series, {}).update(named)
    return named


register(
    Recipe(
        "classic",
        epochs=18,
        batch_size=64,
        learning_rate=2e-2,
        patience=2,
        threshold=2e-3,
        deeper_epochs=2 / 3,
    )
)
register(
    Recipe(
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
        muon=0.015,
    )
)
register(
    Recipe(
        "fast",
        epochs=9,
        batch_size=1000,
        learning_rate=1e-2,
        momentum=0.6,
        weight_decay=0.0,
        bias_rate=5000.0,
        dropout=0.0,
        flip=0.0,
        alternating_flip=True,
        color_std=0.0,
        schedule="one_cycle",
        warmup=0.0,
        label_smoothing=0.2,
        translation=2,
        small_epochs=4,
        small_factor=22 / 32,
        initialization="identity",
        muon=0.14,
        whitening=True,
    ),
    networks=("slim",),
    held_out=0.0,
)
register(
    replace(RECIPES["fast"], name="longer", epochs=18, small_epochs=8),
    networks=("wide",),
    held_out=0.0,
)
register(
    replace(RECIPES["longer"], name="cutout", cutout=12),
    networks=("wide",),
    held_out=0.0,
)
register(Recipe("quick", epochs=10, batch_size=64, learning_rate=4e-2, patience=2, width=0.25))
register(Recipe("post"))

#: What tells ``modern`` from ``classic``, by the name of each change. "One cycle" brings the
#: learning rate and the momentum that go with it.
CHANGES = {
    "one cycle": ("schedule", "warmup", "learning_rate", "nesterov"),
    "batch norm": ("batch_norm",),
    "no dropout": ("dropout",),
    "label smoothing": ("label_smoothing",),
    "translation": ("translation",),
    "averaging": ("averaging",),
    "Muon": ("muon",),
}


def _with(recipe: Recipe, source: Recipe, *changes: str) -> Recipe:
    """The recipe with the settings of some changes as another recipe has them."""
    names = [name for change in changes for name in CHANGES[change]]
    return replace(recipe, **{name: getattr(source, name) for name in names})


# "modern" as it was when the ablations were trained. Half of Muon's step was chosen later, by the
# validation accuracy of III at a quarter of the width: 90.3 % with 0.03, 90.8 with 0.015, and 89.5
# with 0.0075.
_WHOLE = replace(RECIPES["modern"], muon=0.03)

# All rows of the ablations have the batches of "modern", so that none takes more steps than
# another, and for these the rate of Zhong (2024).
_FIRST = replace(
    RECIPES["classic"],
    epochs=8,
    width=0.25,
    batch_size=RECIPES["modern"].batch_size,
    learning_rate=1e-2,
    patience=1,
    threshold=3e-3,
    deeper_epochs=RECIPES["modern"].deeper_epochs,
)
_LAST = _with(_FIRST, _WHOLE, *CHANGES)


def _ladder() -> dict[str, Recipe]:
    """From ``classic`` to ``modern``, one change after the other, numbered in the records."""
    rungs = {"classic": _FIRST}
    for number, change in enumerate(CHANGES, start=1):
        rungs[f"+ {change}"] = _with(_FIRST, _WHOLE, *list(CHANGES)[:number])
    numbered = {f"{number} {key}": recipe for number, (key, recipe) in enumerate(rungs.items())}
    named = _series("ablation", "ablation", numbered, ("I",))
    return dict(zip(rungs, named.values(), strict=True))


#: Recipes from ``classic`` to ``modern`` at a quarter of the width, each with one change more, so
#: that their accuracies say what a change gives on top of those before it.
ABLATION: dict[str, Recipe] = _ladder()

#: The last of these with one change taken away each time, by its name. Without the last change it
#: is the row before, which is not trained again.
WITHOUT: dict[str, Recipe] = {
    **_series(
        "ablation",
        "without",
        {change: _with(_LAST, _FIRST, change) for change in list(CHANGES)[:-1]},
        ("I",),
    ),
    list(CHANGES)[-1]: list(ABLATION.values())[-2],
}

#: What "fast" does without each of its ideas, by the name of the idea. Without whitening the first
#: layer is learned, and normalized as all others are. Without small images there are seven epochs,
#: which cost as much as its nine. Without Muon the filters are moved as "modern" moves its other
#: weights, and the biases about as fast as before: of seven such settings the best by the
#: validation accuracy of two epochs.
_WITHOUT_IDEA: dict[str, dict[str, Any]] = {
    "whitening": {"whitening": False, "batch_norm": True},
    "small images": {"small_epochs": 0, "epochs": 7},
    "mirroring in turn": {"alternating_flip": False, "flip": 0.5},
    "identity": {"initialization": "he"},
    "fast biases": {"bias_rate": 1.0},
    "Muon": {
        "muon": 0.0,
        "bias_rate": 200.0,
        **{
            name: getattr(RECIPES["modern"], name)
            for name in ("learning_rate", "momentum", "nesterov", "weight_decay")
        },
    },
    "label smoothing": {"label_smoothing": 0.0},
    "translation": {"translation": 0},
}


def _ideas() -> dict[str, Recipe]:
    whole = replace(RECIPES["fast"], width=0.5)
    without = {f"without {idea}": replace(whole, **s) for idea, s in _WITHOUT_IDEA.items()}
    named = _series("ideas", "half width", {"whole": whole, **without}, ("slim",))
    return dict(zip(["whole", *_WITHOUT_IDEA], named.values(), strict=True))


#: ``fast`` at half the width, whole, and with one of its ideas taken away each time, by its name.
IDEAS: dict[str, Recipe] = _ideas()

#: Color shifts of several kinds and strengths, in the ladder's recipe before Muon.
COLOR_SHIFTS: dict[str, Recipe] = _series(
    "colors",
    "color",
    {
        "none": replace(ABLATION["+ averaging"], color_std=0.0),
        "eigenvalue 0.1": replace(ABLATION["+ averaging"], color_std=0.1, color_by="eigenvalue"),
        "root 0.1": replace(ABLATION["+ averaging"], color_std=0.1, color_by="root"),
        "root 0.5": replace(ABLATION["+ averaging"], color_std=0.5, color_by="root"),
    },
    ("I",),
)


def _starts() -> dict[str, Recipe]:
    """III alone, and from II from I, for the same number of operations."""
    grown = replace(RECIPES["classic"], epochs=8, width=0.25, patience=1, deeper_epochs=1.0)
    alone = replace(grown, epochs=13)  # three times 8 epochs of I, II and III cost 12.8 of III
    return {
        **_series("starts", "start", {"transfer": grown}, ("I", "II", "III")),
        **_series(
            "starts",
            "start",
            {scheme: replace(alone, initialization=scheme) for scheme in ("he", "glorot", "paper")},
            ("III",),
        ),
    }


#: Ways to start III, at a quarter of the width: from the layers of II, or from random weights.
STARTS: dict[str, Recipe] = _starts()

#: The recipes of "Testing like the paper", which are ``"modern"`` at a quarter of the width,
#: without Muon, for ten epochs, on crops in place of translations, with fixed training scales and
#: with scale jittering. The scales are those of the paper (section 3.1), divided by 8; the crops
#: are what three pools divide.
TRAINING_SCALES: dict[str, Recipe] = {
    f"S = {name}": recipe
    for name, recipe in _series(
        "scales",
        "scale",
        {
            name: replace(
                RECIPES["modern"],
                epochs=10,
                muon=0.0,
                width=0.25,
                translation=0,
                crop=24,
                training_scale=scale,
            )
            for name, scale in {"32": (32, 32), "48": (48, 48), "32 to 64": (32, 64)}.items()
        },
        ("I", "II", "III"),
    ).items()
}


def deeper(recipe: Recipe) -> Recipe:
    """The recipe for a network that starts from a trained, shallower one: fewer epochs.

    Half of them where the recipe says nothing else, as Zhong (2024) did: 100 instead of 200. The
    patience is shortened with them, so that the learning rate still falls within them, but never
    to none: without any, the rate would fall at the first dip.
    """

    def shortened(count: int) -> int:
        # 100 * 0.29 is 28.999999999999996
        return max(min(1, count), int(round(count * recipe.deeper_epochs, 6)))

    fewer = recipe.shortened(shortened(recipe.epochs))
    return replace(fewer, patience=shortened(recipe.patience))
