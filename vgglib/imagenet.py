"""Test VGGs at full size by the paper's protocols, on a folder of ImageNet's validation images::

    python -m vgglib.imagenet --images imagenet/val --networks D --scales 256 384 512 --method both
    python -m vgglib.imagenet --images imagenet/val --networks D E        # an ensemble

The folder has one folder for each class, in the order of the classes: for ImageNet the WordNet
numbers, n01440764 to n15075141. Prints top-1 and top-5 error beside those of the paper.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor
from torchvision import models
from torchvision.transforms import v2
from tqdm import tqdm

from vgglib.architecture import VGG
from vgglib.configurations import CONFIGURATIONS, vgg
from vgglib.data import read_folder_images
from vgglib.evaluation import top_k_error
from vgglib.machine.devices import PRECISIONS, choose_device, choose_precision
from vgglib.protocols import (
    METHODS,
    Protocol,
    average_probabilities,
    check_scales,
    multiply_adds,
    predict_by,
)
from vgglib.published import PAPER_ERRORS
from vgglib.transforms import SubtractMean
from vgglib.weights import load_torchvision

#: Mean and standard deviation of the RGB values of ImageNet's training images, [0, 1] scale.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

#: Names of torchvision's networks by our configurations.
TORCHVISION = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}

#: The first and the last of ImageNet's classes, by their WordNet numbers.
FIRST, LAST = "n01440764", "n15075141"


def load_network(
    name: str,
    weights: str,
    classes: Sequence[str],
    *,
    mean: Sequence[float] = MEAN,
    batch_norm: bool = False,
    **options,
) -> tuple[VGG, Callable[[Tensor], Tensor]]:
    """A trained network and the preprocessing that it expects.

    Args:
        name: configuration.
        weights: ``"torchvision"``, whose weights are downloaded, or a file: a checkpoint of this
            package, or a ``state_dict`` of such a network or of torchvision's.
        classes: names of the classes, in order.
        mean: RGB on the [0, 1] scale, which is subtracted for weights of this package.
        batch_norm: whether the network has batch normalization.
        options: see :func:`~vgglib.configurations.vgg`.

    Raises:
        ValueError: torchvision has no such network or other classes, or the file is damaged or
            holds no weights of this network.
        OSError: the file is not there, or the download failed.
    """
    ready_made = weights == "torchvision"
    if ready_made:
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
    network = vgg(name, num_classes=len(classes), batch_norm=batch_norm, **options)
    if ready_made:
        # weights_only, here and below: a pickle could run any code when it is loaded.
        source = models.get_model_weights(TORCHVISION[name] + "_bn" * batch_norm)
        state = source.IMAGENET1K_V1.get_state_dict(check_hash=True, weights_only=True)
    else:
        file = Path(weights).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {weights!r}: expected weights of {name}")
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
            # Where a training averaged its weights, the average is the network.
            state = state.get("average", state.get("model", state))
        except Exception as error:
            raise ValueError(
                f"{weights!r} is damaged or holds no weights ({type(error).__name__})"
            ) from error
    try:
        if "features.0.weight" in state:
            load_torchvision(network, state)
            return network, v2.Compose(
                [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
            )
        network.load_state_dict(state)
    except (ValueError, RuntimeError) as error:
        raise ValueError(
            f"{weights!r} holds no weights of configuration {name} for {len(classes)} classes:"
            f" {' '.join(str(error).split())[:300]}"
        ) from error
    return network, SubtractMean(mean)


def class_folders(folder: str | Path) -> list[Path]:
    """The folders of the classes, in order.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has fewer than two folders.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    found = sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
    if len(found) < 2:
        raise ValueError(
            f"{str(folder)!r} has {len(found)} folders: expected one for each class; sort the"
            " images into folders by their class"
        )
    return found


def read_classes(folders: Sequence[Path], limit: int | None = None) -> Iterator[tuple[Tensor, int]]:
    """Images (3, H, W), uint8, with their labels, each read when it is asked for.

    Args:
        folders: of the classes, in order.
        limit: of images of each class; ``None`` is all.

    Raises:
        ValueError: a class has no images or files that are none, before the first is read; later,
            an image is damaged.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be 1 or more images of each class, got {limit}")
    readers = [read_folder_images(folder) for folder in folders]
    return (
        (image, label) for label, images in enumerate(readers) for image in islice(images, limit)
    )


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
        ValueError: a scale does not fit a network.
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
    errors = top_k_error(torch.cat(probabilities), torch.tensor(labels))
    return errors[0].item(), errors[4].item(), len(labels)


def report(names: Sequence[str], protocol: Protocol, errors: tuple[float, float, int]) -> str:
    """A table of what was measured, and of the paper's results for the same networks."""
    top_1, top_5, images = errors
    rows = [(f"{'+'.join(names)}, {protocol}, {images:,} images", top_1, top_5)]
    for result in PAPER_ERRORS:
        if result.models == tuple(names):
            low, high = result.training_scale
            scale = f"{low}" if low == high else f"{low} to {high}"
            what = f"the paper, Table {result.table}, S = {scale}, {result.protocol}"
            rows.append((what, result.top_1, result.top_5))
    width = max(len(what) for what, *_ in rows)
    lines = [f"{'':{width}}  top-1 error  top-5 error"]
    lines += [f"{what:{width}}{one:13.1f}{five:13.1f}" for what, one, five in rows]
    return "\n".join(lines)


def run(given: argparse.Namespace) -> str:
    """Test and report.

    Raises:
        ValueError: what was asked for cannot be.
        OSError: a file or folder is not there, or a download failed.
    """
    protocol = Protocol(tuple(given.scales), given.method)
    folders = class_folders(given.images)
    samples = read_classes(folders, given.limit)
    weights = given.weights or ["torchvision"] * len(given.networks)
    if len(weights) != len(given.networks):
        raise ValueError(
            f"{len(given.networks)} networks and {len(weights)} weights: expected one for each"
        )
    device = choose_device(given.device)
    options = {"image_size": given.crop, "width": given.width, "batch_norm": given.batch_norm}
    with torch.device("meta"):  # refuse scales that do not fit before anything is loaded
        for name in given.networks:
            check_scales(protocol, vgg(name, num_classes=len(folders), **options))
    networks = []
    for name, source in zip(given.networks, weights, strict=True):
        network, transform = load_network(
            name, source, [f.name for f in folders], mean=given.mean, **options
        )
        network.to(device, memory_format=torch.channels_last).eval()
        networks.append((network, transform))
    errors = measure_errors(
        protocol,
        networks,
        samples,
        precision=choose_precision(device, given.precision),
        progress=sys.stderr.isatty(),
    )
    cost = sum(multiply_adds(protocol, network) for network, _ in networks) / 1e9
    return (
        f"{report(given.networks, protocol, errors)}\n"
        f"A square image costs {cost:.1f} billion multiply-adds."
    )


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
    add("--scales", default=[256], nargs="+", type=int, help="test scales Q in pixels")
    add("--method", default="dense", choices=METHODS)
    add("--limit", type=int, help="images of each class; all by default")
    add("--crop", type=int, help="size that the networks were trained on; their own by default")
    add("--width", default=1.0, type=float, help="of the networks, a factor")
    add("--batch-norm", action="store_true", help="the networks have batch normalization")
    add("--mean", default=MEAN, nargs=3, type=float, metavar=("R", "G", "B"),
        help="of the training images, in [0, 1], for your own weights")  # fmt: skip
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    add("--precision", default="auto", choices=["auto", *PRECISIONS])
    try:
        print(run(parser.parse_args(arguments)))
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"vgglib.imagenet: {error}")


if __name__ == "__main__":
    main()
