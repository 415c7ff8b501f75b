"""A recipe: everything that is decided about a training, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace

from vgglib.transforms import RandomScaleCrop

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
        dropout: probability of zeroing a hidden feature of the fully connected layers.
        flip: probability of mirroring a training image.
        color_std: standard deviation of the amplitudes of the color shift; 0 turns it off.
        color_scale: ``"eigenvalue"`` or ``"root"``, see :class:`~vgglib.transforms.PCAColorShift`.
        factor: what the learning rate is multiplied by on a plateau.
        patience: epochs without improvement that are tolerated before.
        threshold: an accuracy counts as improved when it is this fraction better than the best.
        deeper_epochs: part of the epochs and of the patience that a network gets which starts from
            a shallower one, see :func:`~vgglib.experiments.deeper`.
        initialization: see :func:`~vgglib.architecture.initialize`.
        width: factor on channels and hidden features, see :func:`~vgglib.architecture.vgg`.
        schedule: ``"plateau"``, with the three settings above, or ``"one_cycle"``.
        warmup: for one cycle, part of the training in which the learning rate rises.
        nesterov: momentum that looks a step ahead; Muon's does so always.
        label_smoothing: part of the target's probability that is spread over all classes.
        translation: pixels that a training image may be moved by, along each axis.
        crop: side of the random crop that is taken of a training image, pixels; 0 takes no crop.
        scale: smallest and largest training scale ``S``, to which the smaller side of an image is
            rescaled before the crop, pixels; see :class:`~vgglib.transforms.RandomScaleCrop`.
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
    deeper_epochs: float = 0.5
    initialization: str = "he"
    width: float = 1.0
    schedule: str = "plateau"
    warmup: float = 0.0
    nesterov: bool = False
    label_smoothing: float = 0.0
    translation: int = 0
    crop: int = 0
    scale: tuple[int, int] = (0, 0)
    batch_norm: bool = False
    averaging: float = 0.0
    muon: float = 0.0
    whitening: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be an int of 1 or more, got {value!r}")
        for name in ("learning_rate", "deeper_epochs"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)!r}")
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"schedule must be one of {', '.join(SCHEDULES)}, got {self.schedule!r}"
            )
        if not self.muon >= 0:
            raise ValueError(f"muon must be 0 or more, got {self.muon!r}")
        if self.crop:
            # Refuses what cannot be, and makes a range of a single scale.
            object.__setattr__(self, "scale", RandomScaleCrop(self.crop, self.scale).scale)
        elif self.scale != (0, 0):
            raise ValueError(f"a scale of {self.scale!r} needs a crop: set crop as well")
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
        patience = max(min(1, self.patience), round(self.patience * epochs / self.epochs))
        return replace(self, epochs=epochs, patience=patience)
