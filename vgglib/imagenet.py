"""Test VGGs at full size by the paper's protocols, on a folder of ImageNet's validation images::

    python -m vgglib.imagenet --images imagenet/val --networks D --scales 256 384 512 --method both
    python -m vgglib.imagenet --images imagenet/val --networks D E        # an ensemble

The folder has one folder for each class, in the order of the classes: for ImageNet the WordNet
numbers, n01440764 to n15075141. Prints top-1 and top-5 error beside those of the paper. What a
file of this package says of its network (classes, mean, image size) is taken from it, and options
that contradict it are refused. Images that cannot be read are left out, and named at the
end.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import models
from torchvision.transforms import v2
from tqdm import tqdm

from vgglib.architecture import VGG
from vgglib.configurations import CONFIGURATIONS, TORCHVISION, check_names, vgg
from vgglib.evaluation import top_k_error
from vgglib.folders import class_folders, read_image, refuse, sort_out
from vgglib.machine.devices import PRECISIONS, choose_device, choose_precision
from vgglib.machine.files import patience
from vgglib.protocols import (
    METHODS,
    Protocol,
    average_probabilities,
    check_scales,
    multiply_adds,
    predict_by,
)
from vgglib.published import PAPER_ERRORS
from vgglib.trained import Trained, read_trained
from vgglib.transforms import SubtractMean
from vgglib.weights import check_numbers, load_torchvision, plain_state_dict

#: Mean and standard deviation of the RGB values of ImageNet's training images, [0, 1] scale.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

# Of an image that is tested as a whole, how many times the shorter side the longer one may be: its
# activations take memory by the longer one.
_THIN = 16

#: The first and the last of ImageNet's classes, by their WordNet numbers.
FIRST, LAST = "n01440764", "n15075141"


def load_network(
    name: str,
    weights: str,
    classes: Sequence[str],
    *,
    mean: Sequence[float] | None = None,
    image_size: int | None = None,
    width: float | None = None,
    batch_norm: bool | None = None,
) -> tuple[VGG, Callable[[Tensor], Tensor]]:
    """A trained network and the preprocessing that it expects.

    Args:
        name: configuration.
        weights: ``"torchvision"``, whose weights are downloaded, or a file: a checkpoint of this
            package, one of :func:`~vgglib.trained.save_trained`, or a ``state_dict`` of such a
            network or of torchvision's.
        classes: names of the classes, in order.
        mean: RGB on the [0, 1] scale, which is subtracted for weights of this package; ``None``:
            that of the file, or ImageNet's.
        image_size: that the network was trained on; this and what follows is, where ``None``, the
            file's or the configuration's own.
        width: factor on its channels.
        batch_norm: whether it has batch normalization.

    Raises:
        ValueError: torchvision has no such network or other classes, the file is damaged or holds
            no weights of this network, or it says otherwise than what was asked for.
        OSError: the file is not there, or the download failed.
    """
    check_names("networks", [name])
    asked = {"image_size": image_size, "width": width, "batch_norm": batch_norm}
    options = {key: value for key, value in asked.items() if value is not None}
    if weights == "torchvision":
        if name not in TORCHVISION:
            raise ValueError(
                f"torchvision has no weights for configuration {name}: expected one of"
                f" {', '.join(TORCHVISION)}, or a file of weights"
            )
        if len(classes) != 1000 or (classes[0], classes[-1]) != (FIRST, LAST):
            raise ValueError(
                "torchvision's weights are for ImageNet's 1000 classes: expected folders"
                f" {FIRST} to {LAST}, got {len(classes)}, {classes[0]} to {classes[-1]}"
            )
        # weights_only: a pickle could run any code when it is loaded.
        source = models.get_model_weights(TORCHVISION[name] + "_bn" * bool(batch_norm))
        with patience():
            state = source.IMAGENET1K_V1.get_state_dict(check_hash=True, weights_only=True)
    else:
        trained, state = read_trained(weights)
        if trained is not None:
            _check_asked(weights, trained, name, classes, mean, options)
            if trained.warning:
                print(f"{weights}: {trained.warning}", file=sys.stderr)
            return trained.model, trained.transform
        if use := state.get("use"):  # of a checkpoint whose preprocessing is not known
            _check_classes(weights, use["classes"], classes)
            if use["network"] is None:
                raise ValueError(
                    f"{weights!r} is of a network with layers or activations of its own: expected"
                    f" one that is as configuration {name} describes it"
                )
            with torch.device("meta"):
                found = VGG(**use["network"])
            options = _check_network(weights, found, name, classes, options)
    network = vgg(name, num_classes=len(classes), **options)
    try:
        state = plain_state_dict(state)
        if "features.0.weight" in state:
            load_torchvision(network, state)
            if mean is not None:
                told = "torchvision's weights" if weights == "torchvision" else repr(str(weights))
                print(f"{told}: preprocessed as by torchvision, without --mean", file=sys.stderr)
            return network, v2.Compose(
                [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
            )
        check_numbers(state)
        network.load_state_dict(state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{weights!r} holds no weights of configuration {name} for {len(classes)} classes:"
            f" {' '.join(str(error).split())[:300]}"
        ) from error
    if mean is None and (classes[0], classes[-1]) != (FIRST, LAST):
        raise ValueError(
            f"{weights!r} does not say the mean of its training images: give --mean R G B"
        )
    return network, SubtractMean(MEAN if mean is None else mean)


def _check_asked(
    file: str,
    trained: Trained,
    name: str,
    classes: Sequence[str],
    mean: Sequence[float] | None,
    options: dict[str, Any],
) -> None:
    """Refuse a checkpoint that says otherwise than what was asked for."""
    _check_classes(file, trained.classes, classes)
    if trained.model.in_channels != 3:
        raise ValueError(f"{file!r} is of a network for gray images: expected one for RGB")
    if mean is not None and any(
        abs(a - b) > 1e-3 for a, b in zip(mean, trained.transform.mean, strict=True)
    ):
        own = " ".join(f"{value:.4f}" for value in trained.transform.mean)
        raise ValueError(f"{file!r} was trained with the mean {own}: leave out --mean")
    _check_network(file, trained.model, name, classes, options)


def _check_network(
    file: str, found: VGG, name: str, classes: Sequence[str], options: dict[str, Any]
) -> dict[str, Any]:
    """Refuse a network that is not the configuration of that name; the options that make it."""
    configured = CONFIGURATIONS[name].conv_stacks
    like = {
        "image_size": found.image_size,
        "width": found.conv_stacks[0][0].out_channels / configured[0][0]["out_channels"],
        "batch_norm": found.conv_stacks[0][0].batch_norm,
    }
    with torch.device("meta"):
        try:
            built = vgg(name, num_classes=len(classes), **(like | options))
        except ValueError as error:
            raise ValueError(f"{file!r} is of another network than {name}: {error}") from error
    if _told(built) != _told(found):
        given = "".join(f", {key} {value}" for key, value in options.items())
        raise ValueError(
            f"{file!r} is of another network than {name}{given}: expected the name that it was"
            " trained by, and none of --crop, --width and --batch-norm"
        )
    return like | options


def _check_classes(file: str, known: Sequence[str], found: Sequence[str]) -> None:
    if list(known) != list(found):
        raise ValueError(
            f"{file!r} is of a network for the classes {_few(known)}, and the folders of the images"
            f" are {_few(found)}: give it the images of its own classes"
        )


def _told(network: VGG) -> dict[str, Any]:
    """The settings that weights depend on."""
    linear = [asdict(replace(layer, dropout=0.0)) for layer in network.linear]
    return {**network.settings(), "linear": linear}


def _few(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) < 5 else f"{names[0]} to {names[-1]} ({len(names)})"


def find_classes(folder: str | Path) -> dict[str, Path]:
    """The folders of the classes by name, in order.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has fewer than two folders.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    found = class_folders(folder)
    if len(found) < 2:
        raise ValueError(
            f"{str(folder)!r} has {len(found)} folders: expected one for each class; sort the"
            " images into folders by their class"
        )
    return found


def find_files(folders: Sequence[Path], limit: int | None = None) -> list[tuple[Path, int]]:
    """Image files with their labels.

    Args:
        folders: of the classes, in order.
        limit: of images of each class; ``None`` is all.

    Raises:
        ValueError: a class has no images, or files that are none.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be 1 or more images of each class, got {limit}")
    found, bad = {}, []
    for folder in folders:
        files, problems = sort_out(folder)
        found[folder] = files[:limit]
        bad += problems or ([] if files else [f"no images below {str(folder)!r}"])
    refuse(bad)
    return [(file, label) for label, files in enumerate(found.values()) for file in files]


def read_files(
    files: Iterable[tuple[Path, int]], left_out: list[str]
) -> Iterator[tuple[Tensor, int]]:
    """Images (3, H, W), uint8, with their labels, each read when it is asked for.

    A test of hours is not lost by one damaged file: what cannot be read is added to ``left_out``.
    """
    for file, label in files:
        try:
            image = read_image(file)
        except ValueError as error:
            left_out.append(str(error))
            continue
        short, long = sorted(image.shape[-2:])
        if long > _THIN * short:
            left_out.append(
                f"{str(file)!r} is too thin to be tested as a whole: {long}x{short} pixels, and one"
                f" side may be {_THIN} times the other; crop it"
            )
            continue
        yield image, label


def measure_errors(
    protocol: Protocol,
    networks: Sequence[tuple[VGG, Callable[[Tensor], Tensor]]],
    samples: Iterable[tuple[Tensor, int]],
    *,
    precision: str = "float32",
    progress: bool = False,
) -> tuple[float, float, int]:
    """Top-1 and top-5 error in percent of a network or an ensemble, and the number of images.

    Args:
        protocol: see :class:`~vgglib.protocols.Protocol`.
        networks: each with its preprocessing, on the device that computes.
        samples: images (3, H, W), uint8, of any sizes, with their labels.
        precision: see :func:`~vgglib.machine.devices.choose_precision`.
        progress: whether a progress bar is shown.

    Raises:
        ValueError: a scale does not fit a network, or there are no images.
    """
    probabilities, labels = [], []
    for image, label in tqdm(samples, unit=" images", disable=not progress, leave=False):
        # Each image has a size of its own, so that a batch is one image, with its crops.
        of_networks = [
            predict_by(protocol, network, image[None], transform, precision=precision)
            for network, transform in networks
        ]
        probabilities.append(average_probabilities(of_networks))
        labels.append(label)
    if not labels:
        raise ValueError("there is no image to test on: expected one or more that can be read")
    errors = top_k_error(torch.cat(probabilities), torch.tensor(labels))
    return errors[0].item(), errors[4].item(), len(labels)


def report(names: Sequence[str], protocol: Protocol, errors: tuple[float, float, int]) -> str:
    """A table of what was measured, and of the paper's results for the same networks."""
    top_1, top_5, images = errors
    rows = [(f"{'+'.join(names)}, {protocol}, {images:,} images", top_1, top_5)]
    for result in PAPER_ERRORS:
        if sorted(result.models) == sorted(names):
            low, high = result.training_scale
            scale = f"{low}" if low == high else f"{low} to {high}"
            what = f"the paper, Table {result.table}, S = {scale}, {result.protocol}"
            rows.append((what, result.top_1, result.top_5))
    width = max(len(what) for what, *_ in rows)
    lines = [f"{'':{width}}  top-1 error  top-5 error"]
    lines += [f"{what:{width}}{one:13.1f}{five:13.1f}" for what, one, five in rows]
    return "\n".join(lines)


def run(given: argparse.Namespace) -> None:
    """Test and report.

    Raises:
        ValueError: what was asked for cannot be, or, after the report, images were left out.
        OSError: a file or folder is not there, or a download failed.
    """
    classes = find_classes(given.images)
    files = find_files(list(classes.values()), given.limit)
    weights = given.weights or ["torchvision"] * len(given.networks)
    if len(weights) != len(given.networks):
        raise ValueError(
            f"{len(given.networks)} networks and {len(weights)} weights: expected one for each"
        )
    device = choose_device(given.device)
    options = {"image_size": given.crop, "width": given.width, "batch_norm": given.batch_norm}
    networks = []
    for name, source in zip(given.networks, weights, strict=True):
        if source == "torchvision" and given.scales:  # refused before anything is downloaded
            own = {key: value for key, value in options.items() if value is not None}
            with torch.device("meta"):
                check_scales(Protocol(tuple(given.scales), given.method), vgg(name, **own))
        network, transform = load_network(name, source, list(classes), mean=given.mean, **options)
        network.to(device, memory_format=torch.channels_last).eval()
        networks.append((network, transform))
    protocol = Protocol(tuple(given.scales or [default_scale(networks)]), given.method)
    for network, _ in networks:
        check_scales(protocol, network)
    left_out: list[str] = []
    try:
        errors = measure_errors(
            protocol,
            networks,
            read_files(files, left_out),
            precision=choose_precision(device, given.precision),
            progress=sys.stderr.isatty(),
        )
    except ValueError:
        if len(left_out) == len(files):  # none could be read, and these say why
            refuse(left_out)
        raise
    cost = sum(multiply_adds(protocol, network) for network, _ in networks) / 1e9
    print(report(given.networks, protocol, errors))
    print(f"A square image costs {cost:.1f} billion multiply-adds.")
    refuse(left_out)


def default_scale(networks: Sequence[tuple[VGG, Any]]) -> int:
    """The paper's 256 for networks that were trained on its crops, for others their own size.

    Raises:
        ValueError: the networks have images of several sizes, or no squares.
    """
    sizes = {side for network, _ in networks for side in network.image_size}
    if len(sizes) > 1:
        raise ValueError("the networks were trained on images of several sizes: give --scales")
    (size,) = sizes
    return 256 if size == CONFIGURATIONS["D"].image_size else size


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and test, or say in a line what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m vgglib.imagenet",
        description=__doc__.replace("::", ":"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--images", required=True, help="folder with one folder of images for each class")
    add("--networks", default=["D"], nargs="+", choices=list(CONFIGURATIONS), metavar="NAME",
        help="a configuration, or those of an ensemble")  # fmt: skip
    add("--weights", nargs="+", help="for each network: torchvision (the default), or a file")
    add(
        "--scales",
        nargs="+",
        type=int,
        help="test scales Q in pixels; by default 256, or the size of a smaller network's images",
    )
    add("--method", default="dense", choices=METHODS)
    add("--limit", type=int, help="images of each class; all by default")
    add("--crop", type=int, help="size that the networks were trained on; their own by default")
    add("--width", type=float, help="of the networks, a factor; their own by default")
    add("--batch-norm", action="store_true", default=None,
        help="the networks have batch normalization")  # fmt: skip
    add("--mean", nargs=3, type=float, metavar=("R", "G", "B"),
        help="of the training images, in [0, 1], for weights that do not say it")  # fmt: skip
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    add("--precision", default="auto", choices=["auto", *PRECISIONS])
    try:
        run(parser.parse_args(arguments))
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"vgglib.imagenet: {error}")


if __name__ == "__main__":
    main()
