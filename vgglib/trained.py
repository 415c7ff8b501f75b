"""A trained network out of a file, with what is needed to use it: classes, preprocessing.

The file is a checkpoint, or a smaller one, or comes with the package. The chapter Training;
``python -m vgglib.predict`` and ``python -m vgglib.imagenet`` use it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from vgglib.architecture import VGG, unwrap
from vgglib.evaluation import predict
from vgglib.folders import read_image
from vgglib.machine.files import atomic_write
from vgglib.machine.identity import describe, ends_in_logits
from vgglib.records import book_results
from vgglib.transforms import SubtractMean
from vgglib.weights import check_numbers, plain_state_dict, read_weights

# The entry in the header of a safetensors file that says what the weights are for.
_USE = "vgglib"


@dataclass(frozen=True)
class Trained:
    """A network as a training left it.

    Attributes:
        model: in evaluation mode, on the CPU.
        classes: their names, in the order of the logits.
        transform: the preprocessing that it expects, for images of its own size.
        scale: to which the smaller side of an image is rescaled, pixels; the network's own size, or
            more where it was trained on crops.
        epochs: those that it was trained for, and those that it is to be trained for.
        record: file name of its record, if that is known.
    """

    model: VGG
    classes: tuple[str, ...]
    transform: SubtractMean
    scale: int
    epochs: tuple[int, int]
    record: str = ""

    @property
    def warning(self) -> str:
        """A sentence if the training has not ended, for the commands; else empty."""
        done, planned = self.epochs
        return "" if done >= planned else f"its training is at {done} of {planned} epochs"

    def name_image(self, file: str | Path, count: int = 5) -> list[tuple[str, float]]:
        """What an image shows: the most probable classes with their probabilities, in percent.

        The smaller side is rescaled to ``scale``, the square in the middle is kept, and the
        probabilities are averaged with those of the mirror image (the paper, section 3.2).

        Args:
            file: of an image.
            count: how many classes, or all where there are fewer.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged or no image, or the network takes no squares of RGB.
        """
        file = Path(file).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {str(file)!r}")
        height, width = self.model.image_size
        if height != width or self.model.in_channels != 3:
            raise ValueError(
                f"the network takes images of {height}x{width} and {self.model.in_channels}"
                " channels: expected one for squares of RGB"
            )
        image = F.center_crop(read_image(file, self.scale), [height, width])
        (probabilities,) = predict(self.model, image[None], self.transform)
        known = probabilities[: len(self.classes)]  # a network may have logits to spare
        best = known.topk(min(count, len(known)))
        found = zip(best.indices.tolist(), (100 * best.values).tolist(), strict=True)
        return [(self.classes[label], percent) for label, percent in found]


def describe_use(
    model: nn.Module, classes: Sequence[str], transform: Callable[[Tensor], Tensor]
) -> dict[str, Any]:
    """What a checkpoint keeps besides the weights, so that :func:`load_trained` can use them.

    Args:
        model: the network; only a :class:`~vgglib.architecture.VGG` can be built again.
        classes: their names.
        transform: the preprocessing; only :class:`~vgglib.transforms.SubtractMean` is kept, after
            a center crop or not.
    """
    model = unwrap(model)
    steps = list(_steps(transform))
    means = [step.mean for step in steps if isinstance(step, SubtractMean)]
    # No size: the longer side is told, and so the smaller one is not known.
    scales = [set(step.size or ()) for step in steps if isinstance(step, v2.Resize)]
    cropped = any(isinstance(step, v2.CenterCrop) for step in steps)
    known = all(isinstance(step, (v2.Resize, v2.CenterCrop, SubtractMean)) for step in steps)
    scale = min(scales[0]) if scales and len(scales[0]) == 1 else None
    if cropped and (scale is None or len(scales) > 1):
        known = False  # a crop, and nothing says of what scale
    if scales and not cropped and isinstance(model, VGG):
        height, width = model.image_size
        if scales[0] not in ({min(height, width)}, {height, width}):
            known = False  # it saw whole images of another size than its own
    return {
        "network": _settings(model),
        "classes": list(classes),
        "mean": list(means[0]) if known and len(means) == 1 else None,
        "scale": scale,
    }


def _settings(model: nn.Module) -> dict[str, Any] | None:
    """The settings of a network that is nothing but what they describe."""
    if type(model) is not VGG or not ends_in_logits(model):
        return None
    settings = model.settings()
    descriptors = [*chain.from_iterable(settings["conv_stacks"]), *settings["linear"]]
    if any(callable(descriptor["activation"]) for descriptor in descriptors):
        return None  # code, and a checkpoint holds no code
    with torch.device("meta"):
        again = VGG(**settings)
    alike = describe(again, weights=False) == describe(model, weights=False)
    # A layer may also have been exchanged for one without a bias.
    return settings if alike and again.state_dict().keys() == model.state_dict().keys() else None


def _steps(transform: Any) -> Iterator[Any]:
    if isinstance(transform, v2.Compose):
        for step in transform.transforms:
            yield from _steps(step)
    else:
        yield transform


def load_trained(source: str | Path) -> Trained:
    """The network of a file, ready to be used; or one that comes with the package.

    Args:
        source: a checkpoint of this package, a file of :func:`save_trained`, or the name of a
            network that the book has trained, such as ``"slim"``, which needs no download.

    Raises:
        FileNotFoundError: there is no such file, nor a network of that name.
        ValueError: it is no such file, or of a network or preprocessing that is not the package's
            own.
    """
    known = book_networks()
    file = known.get(str(source), Path(source).expanduser())
    if known and not file.is_file():
        raise FileNotFoundError(
            f"there is no file {str(source)!r}, and no network of that name:"
            f" {', '.join(known)} come{'s' * (len(known) == 1)} with the package"
        )
    trained, _ = read_trained(file)
    if trained is None:
        raise ValueError(
            f"{str(file)!r} does not say what it is for (classes, mean, image size): expected a"
            " file of vgglib.trained.save_trained, or a checkpoint of vgglib.train, of a network"
            " that its descriptors describe, with SubtractMean as its preprocessing"
        )
    return trained


def read_trained(file: str | Path) -> tuple[Trained | None, dict[str, Any]]:
    """The network of a file, ``None`` if it does not say how to use it; and all that it holds.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or its weights are not those of the network that it describes.
    """
    file = Path(file).expanduser()
    held = read_weights(file)
    if file.suffix != ".safetensors":
        return _from_checkpoint(held), held
    with safetensors.safe_open(file, framework="pt") as opened:
        told = (opened.metadata() or {}).get(_USE)
    if told is None:
        return None, held
    use = json.loads(told)
    return _build(use, held, tuple(use["epochs"])), held


def book_networks() -> dict[str, Path]:
    """The trained networks that come with the package: their files by their names."""
    files = sorted((book_results() / "networks").glob("*.safetensors"))
    return {file.stem: file for file in files}


def save_trained(trained: Trained, file: str | Path) -> Path:
    """Write a network into a small file, with all that :func:`load_trained` needs.

    Args:
        trained: see :func:`load_trained`.
        file: ends in ``.safetensors``; holds the weights in float16, exact to about three digits.

    Raises:
        ValueError: another ending, or a network that cannot be built again from its settings.
        OSError: the file cannot be written.
    """
    file = Path(file).expanduser()
    if file.suffix != ".safetensors":
        raise ValueError(f"expected a file name that ends in .safetensors, got {str(file)!r}")
    use = describe_use(trained.model, trained.classes, trained.transform)
    if use["network"] is None:
        raise ValueError(
            "the network is not what its settings describe: a layer was changed, or has an"
            " activation of one's own, which a file cannot hold"
        )
    use |= {"scale": trained.scale, "epochs": trained.epochs, "record": trained.record}
    weights = {
        name: (weight.half() if weight.is_floating_point() else weight).contiguous()
        for name, weight in unwrap(trained.model).state_dict().items()
    }
    with atomic_write(file) as opened:
        opened.write(safetensors.torch.save(weights, {_USE: json.dumps(use)}))
    return file


def _from_checkpoint(state: dict[str, Any]) -> Trained | None:
    use = state.get("use") or {}
    if not use.get("network") or use.get("mean") is None:
        return None
    weights = plain_state_dict(state)
    epochs = len(state["history"]["seconds"]), state["identity"]["recipe's epochs"]
    return _build(use, weights, epochs)


def _build(use: dict[str, Any], weights: dict[str, Tensor], epochs: tuple[int, int]) -> Trained:
    with torch.random.fork_rng([]):  # the weights are drawn, and then replaced
        model = VGG(**use["network"])
    check_numbers(weights)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"the weights are not of the network described beside them: {error}"
        ) from error
    return Trained(
        model.eval(),
        tuple(use["classes"]),
        SubtractMean(use["mean"]),
        use.get("scale") or min(model.image_size),
        epochs,
        use.get("record", ""),
    )
