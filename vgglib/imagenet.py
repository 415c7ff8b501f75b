"""Test a VGG at full size by the paper's protocols, on a folder of ImageNet's validation images.

    python -m vgglib.imagenet --images imagenet/val --network D --weights torchvision \\
        --scales 256 384 512 --method both

The folder has one folder for each class, in the order of the classes: for ImageNet the WordNet
numbers, n01440764 to n15075141. Prints top-1 and top-5 error beside those of the paper.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torchvision import models
from torchvision.transforms import v2
from tqdm import tqdm

from vgglib.architecture import CONFIGURATIONS, VGG, load_torchvision, vgg
from vgglib.data import read_folder_images
from vgglib.devices import PRECISIONS, choose_device, choose_precision
from vgglib.evaluation import top_k_error
from vgglib.protocols import METHODS, Protocol, check_scales, multiply_adds, predict_by
from vgglib.tables import PAPER
from vgglib.transforms import SubtractMean

#: Mean RGB of ImageNet's training images, and torchvision's standard deviations.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

#: Names of torchvision's networks with our configurations.
TORCHVISION = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}


def load_network(
    name: str, weights: str, *, num_classes: int, **options
) -> tuple[VGG, Callable[[Tensor], Tensor]]:
    """A trained network and the preprocessing that it expects.

    Args:
        name: configuration.
        weights: ``"torchvision"``, which are downloaded, or a file: a checkpoint of this package or
            a ``state_dict`` of such a network.
        num_classes: that the network tells apart.
        options: see :func:`~vgglib.architecture.vgg`.

    Raises:
        ValueError: torchvision has no such network, or the file is damaged or holds no weights of
            this network.
        OSError: the file is not there, or the download failed.
    """
    network = vgg(name, num_classes=num_classes, **options)
    if weights == "torchvision":
        if name not in TORCHVISION:
            raise ValueError(
                f"torchvision has no weights for configuration {name}: expected one of"
                f" {', '.join(TORCHVISION)}, or a file of weights"
            )
        if num_classes != 1000:
            raise ValueError(
                f"torchvision's weights tell ImageNet's 1000 classes apart, the folder has"
                f" {num_classes}: expected a folder for each, n01440764 to n15075141"
            )
        enum = models.get_model_weights(TORCHVISION[name])
        # weights_only: a pickle could run any code when it is loaded.
        state = enum.IMAGENET1K_V1.get_state_dict(check_hash=True, weights_only=True)
        load_torchvision(network, state)
        normalize = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        return network, v2.Compose(normalize)
    if not Path(weights).is_file():
        raise FileNotFoundError(f"there is no file {weights!r}: expected weights of {name}")
    try:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        network.load_state_dict(state.get("model", state))
    except Exception as error:
        raise ValueError(
            f"{weights!r} holds no weights of configuration {name} for {num_classes} classes"
            f" ({type(error).__name__}: {str(error).splitlines()[0]})"
        ) from error
    return network, SubtractMean(MEAN)


def read_classes(folder: str | Path, limit: int | None = None) -> Iterator[tuple[Tensor, int]]:
    """Images and labels of a folder of class folders, each read when it is asked for.

    Args:
        folder: one folder for each class.
        limit: of images of each class; ``None`` is all.

    Raises:
        ValueError: a class has no images, or a file is damaged.
    """
    for label, name in enumerate(class_folders(folder)):
        for number, image in enumerate(read_folder_images(name)):
            if limit is not None and number >= limit:
                break
            yield image, label


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
        raise ValueError(f"{str(folder)!r} has {len(found)} folders: expected one for each class")
    return found


def measure_errors(
    protocol: Protocol,
    network: VGG,
    samples: Iterator[tuple[Tensor, int]],
    transform: Callable[[Tensor], Tensor],
    *,
    precision: str = "float32",
    progress: bool = False,
) -> tuple[float, float, int]:
    """Top-1 and top-5 error in percent, and the number of images.

    Args:
        protocol: see :class:`~vgglib.protocols.Protocol`.
        network: on the device that computes.
        samples: images (3, H, W), uint8, of any sizes, with their labels.
        transform: preprocessing of a batch.
        precision: see :func:`~vgglib.devices.choose_precision`.
        progress: whether a progress bar is shown.

    Raises:
        ValueError: a scale does not fit the network, or there are no images.
    """
    probabilities, labels = [], []
    for image, label in tqdm(samples, unit=" images", disable=not progress, leave=False):
        # Each image has a size of its own, so that a batch is one image, and its crops.
        probabilities.append(
            predict_by(protocol, network, image[None], transform, precision=precision)
        )
        labels.append(label)
    if not labels:
        raise ValueError("there are no images to test")
    errors = top_k_error(torch.cat(probabilities), torch.tensor(labels))
    return errors[0].item(), errors[4].item(), len(labels)


def report(name: str, protocol: Protocol, errors: tuple[float, float, int]) -> str:
    """A line for what was measured, and one for each result of the paper for this network."""
    lines = [f"{'':44}{'top-1 error':>12}{'top-5 error':>12}"]
    top_1, top_5, images = errors
    lines.append(f"{f'{name}, {protocol}, {images:,} images':44}{top_1:12.1f}{top_5:12.1f}")
    for result in PAPER:
        if name in result.models:
            smallest, largest = result.training_scale
            scale = f"{smallest}" if smallest == largest else f"[{smallest}; {largest}]"
            what = f"paper, Table {result.table}: {'+'.join(result.models)}, S = {scale},"
            lines.append(what)
            lines.append(f"{f'  {result.protocol}':44}{result.top_1:12.1f}{result.top_5:12.1f}")
    return "\n".join(lines)


def run(given: argparse.Namespace) -> str:
    """Test and report.

    Raises:
        ValueError: what was asked for cannot be.
        OSError: a file or folder is not there.
    """
    protocol = Protocol(tuple(given.scales), given.method)
    folders = class_folders(given.images)
    network, transform = load_network(
        given.network,
        given.weights,
        num_classes=len(folders),
        image_size=given.crop,
        width=given.width,
        batch_norm=given.batch_norm,
    )
    check_scales(protocol, network)
    device = choose_device(given.device)
    network.to(device, memory_format=torch.channels_last).eval()
    errors = measure_errors(
        protocol,
        network,
        read_classes(given.images, given.limit),
        transform,
        precision=choose_precision(device, given.precision),
        progress=sys.stderr.isatty(),
    )
    cost = f"{multiply_adds(protocol, network) / 1e9:.1f} billion multiply-adds for a square image"
    return f"{report(given.network, protocol, errors)}\n{cost}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and test, or say in a line what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m vgglib.imagenet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--images", required=True, help="folder with one folder of images for each class")
    add("--network", default="D", choices=list(CONFIGURATIONS))
    add("--weights", default="torchvision", help="torchvision, or a file of weights")
    add("--scales", default=[256], nargs="+", type=int, help="test scales Q in pixels")
    add("--method", default="dense", choices=METHODS)
    add("--limit", type=int, help="images of each class; all by default")
    add("--crop", default=224, type=int, help="that the network was trained on, pixels")
    add("--width", default=1.0, type=float, help="of the network, a factor")
    add("--batch-norm", action="store_true", help="the network has batch normalization")
    add("--device", default="auto", help="auto, cuda, mps or cpu")
    add("--precision", default="auto", choices=["auto", *PRECISIONS])
    try:
        print(run(parser.parse_args(arguments)))
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"vgglib.imagenet: {error}")


if __name__ == "__main__":
    main()
