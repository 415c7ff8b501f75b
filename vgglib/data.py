"""Data: one seam for CIFAR-10, a folder of the reader's own images, and the built-in shapes.

A data set is held in memory as uint8 tensors, a quarter of the size of floats; preprocessing and
augmentation are done on whole batches. A validation split is drawn from the training set, so that
schedules and choices never see the test set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets.utils import check_integrity, download_and_extract_archive
from torchvision.transforms.v2 import functional as F

from vgglib import shapes

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm")

# The binary version of CIFAR-10, from its author's page with its checksum. torchvision's own class
# takes the Python version, which is a pickle, and a pickle may run any code when it is loaded.
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_FOLDER = "cifar-10-batches-bin"
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_CIFAR10_RECORD = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue pixels


@dataclass(frozen=True, eq=False)  # tensors do not compare to a bool
class Split:
    """Images and labels in memory; indexed or iterated, it gives pairs like any torch dataset.

    Attributes:
        images: uint8, shape (N, C, H, W), values 0..255; three channels (RGB) or one (gray).
        labels: int64, shape (N,), classes from 0; other types of integers are converted.

    Raises:
        TypeError: no tensors, images that are no bytes, or labels that are no integers.
        ValueError: shapes other than these.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        check_tensors(images=self.images, labels=self.labels)
        if self.images.dtype != torch.uint8:
            raise TypeError(
                f"expected uint8 images, values 0..255, got {self.images.dtype}: multiply those of"
                " 0..1 by 255, round, and convert them with .to(torch.uint8)"
            )
        if self.images.dim() != 4 or self.images.shape[1] not in (1, 3):
            raise ValueError(
                "expected RGB images of shape (N, 3, H, W), or gray ones of one channel, got"
                f" {tuple(self.images.shape)}"
            )
        object.__setattr__(self, "labels", whole_labels(self.labels))
        if self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"expected labels of shape ({len(self.images)},), got {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images and labels at the positions ``index``, int64 of 0 or more, shape (N,).

        As indexing, but twice as fast on a CPU.
        """
        index = index.to(self.images.device)
        return self.images.index_select(0, index), self.labels.index_select(0, index)

    def take(self, index: Tensor) -> Split:
        """The split of the samples of ``index`` (int64 positions or a mask)."""
        return Split(self.images[index], self.labels[index])

    def to(self, device: torch.device) -> Split:
        """The split on another device."""
        return Split(self.images.to(device), self.labels.to(device))


def check_tensors(**values: Any) -> None:
    """Refuse arrays and lists where tensors belong, by name.

    Raises:
        TypeError: one is no tensor.
    """
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name} must be a tensor, got {type(value).__name__}: convert with torch.as_tensor"
            )


def whole_labels(labels: Tensor) -> Tensor:
    """Labels as int64, whatever type of integers they are; nothing is wrapped or cut off.

    Raises:
        TypeError: they are no integers.
        ValueError: one does not fit into int64.
    """
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise TypeError(f"labels must be integers, got {labels.dtype}: convert with .long()")
    whole = labels.long()
    if labels.dtype == torch.uint64 and (whole < 0).any():
        raise ValueError("labels of 2**63 or more are no classes: expected whole numbers from 0")
    return whole


@dataclass(frozen=True, eq=False)  # tensors do not compare to a bool
class Data:
    """A data set with its three splits; see :func:`load_data`.

    Attributes:
        name: as in the records, such as ``"cifar10"``.
        classes: their names, in the order of the labels.
        train: what the network learns from.
        validation: drawn from the training set; drives schedules and choices.
        test: read once, at the end of a run.

    Raises:
        ValueError: labels that are no classes, or images of different shapes.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        sizes = {tuple(split.images.shape[1:]) for split in self.splits.values()}
        if len(sizes) > 1:
            raise ValueError(f"the splits have images of different shapes: {sorted(sizes)}")
        for name, split in self.splits.items():
            labels = split.labels
            if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self.num_classes:
                raise ValueError(
                    f"the labels of the {name} split go from {int(labels.min())} to"
                    f" {int(labels.max())}: expected 0 to {self.num_classes - 1} for"
                    f" {self.num_classes} classes"
                )

    @property
    def splits(self) -> dict[str, Split]:
        """The three splits by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    @property
    def image_size(self) -> int | tuple[int, int]:
        """Side of the images in pixels, or height and width where they are not square."""
        height, width = self.train.images.shape[-2:]
        return height if height == width else (height, width)

    @property
    def channels(self) -> int:
        """Of the images: 3 for RGB."""
        return self.train.images.shape[1]

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @cached_property
    def fingerprint(self) -> str:
        """16 digits of the SHA-256 of all images and labels, which change if the data do."""
        digest = hashlib.sha256()
        for split in self.splits.values():
            for tensor in (split.images, split.labels):
                digest.update(str(tuple(tensor.shape)).encode())
                digest.update(tensor.cpu().contiguous().numpy().data)
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        counts = f"{len(self.train):,} + {len(self.validation):,} + {len(self.test):,}"
        height, width = self.train.images.shape[-2:]
        return (
            f"Data {self.name!r}: {counts} images (train + validation + test)"
            f" of {height}x{width}, {self.num_classes} classes"
        )


#: What loads a source gives: name, classes, training and test images.
Loaded = tuple[str, tuple[str, ...], Split, Split]


def load_data(
    source: str | Path = "shapes",
    *,
    root: str | Path = "data",
    image_size: int = 32,
    validation: float = 0.1,
    seed: int = 0,
    train_images: int = 5000,
    test_images: int = 1000,
) -> Data:
    """Load a data set and draw its validation split.

    Args:
        source: ``"shapes"``, the built-in data set; ``"cifar10"``, downloaded to ``root`` when it
            is not there yet; or a folder with ``train/<class>/*`` and ``test/<class>/*`` images.
        root: where downloads go.
        image_size: side in pixels that shapes are drawn at and images of a folder are resized to.
        validation: fraction of the training set, between 0 and 1, that is held out, in each class.
        seed: of the draw of the validation split (and, for shapes, of the images).
        train_images: for shapes, how many training images are drawn, validation included.
        test_images: for shapes, how many test images are drawn.

    Returns:
        The three splits as uint8 tensors in memory (3 KB for each image of 32x32).

    Raises:
        FileNotFoundError: the folder, or its ``train`` or ``test``, does not exist.
        ValueError: a single class, a class without images, classes that differ between ``train``
            and ``test``, images outside of the folders of the classes or in folders within, a file
            that is no image or is damaged, a folder of the name of a built-in set, or an impossible
            argument.
        RuntimeError: the download failed or is damaged.
    """
    if isinstance(image_size, bool) or not isinstance(image_size, int) or image_size < 1:
        raise ValueError(f"image_size must be an int of 1 or more, got {image_size!r}")
    load = SOURCES.get(str(source), _load_folder)
    name, classes, train, test = load(
        source=source,
        root=Path(root),
        image_size=image_size,
        seed=seed,
        train_images=train_images,
        test_images=test_images,
    )
    held_out = stratified_mask(train.labels, validation, seed)
    return Data(name, classes, train.take(~held_out), train.take(held_out), test)


def stratified_mask(labels: Tensor, fraction: float, seed: int = 0) -> Tensor:
    """Draw the same fraction of each class.

    Args:
        labels: int64, shape (N,).
        fraction: between 0 and 1; each class gives this part of its samples, rounded, but at least
            one, and keeps at least one.
        seed: of the draw, which leaves torch's global random state alone.

    Returns:
        bool, shape (N,): True for the samples drawn.

    Raises:
        ValueError: the fraction is not between 0 and 1, or a class has only one sample.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the validation fraction must be between 0 and 1, got {fraction}")
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        if len(members) < 2:
            raise ValueError(
                f"class {int(label)} has a single training image: two are needed, one to train on"
                " and one to validate"
            )
        count = min(max(round(fraction * len(members)), 1), len(members) - 1)
        mask[members[torch.randperm(len(members), generator=generator)[:count]]] = True
    return mask


# --------------------------------------------------------------------------------------------------
# The built-in shapes
# --------------------------------------------------------------------------------------------------


def _load_shapes(
    *, image_size: int, seed: int, train_images: int, test_images: int, **_: Any
) -> Loaded:
    # An even seed for training and the odd one after it for test: no two draws share images.
    train, test = (
        Split(*shapes.draw_shapes(count, seed=2 * seed + i, light=light, image_size=image_size))
        for i, (count, light) in enumerate(
            [(train_images, shapes.TRAIN_LIGHT), (test_images, shapes.TEST_LIGHT)]
        )
    )
    return "shapes", shapes.CLASSES, train, test


# --------------------------------------------------------------------------------------------------
# CIFAR-10
# --------------------------------------------------------------------------------------------------


def _load_cifar10(*, root: Path, image_size: int, **_: Any) -> Loaded:
    if image_size != 32:
        raise ValueError(f"cifar10 has images of 32x32, got image_size {image_size}")
    folder = root / CIFAR10_FOLDER
    files = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    if not all(_is_whole(folder / file) for file in files):
        archive = root / CIFAR10_URL.rsplit("/", 1)[1]
        try:
            # Checks the MD5 sum of the archive; one that is there and whole is not fetched again.
            download_and_extract_archive(CIFAR10_URL, str(root), md5=CIFAR10_MD5)
        except (OSError, RuntimeError, EOFError, HTTPException) as error:
            if archive.exists() and not check_integrity(str(archive), CIFAR10_MD5):
                archive.unlink()
            raise RuntimeError(
                f"the download of CIFAR-10 from {CIFAR10_URL} to {str(root)!r} failed or is damaged"
                f" ({error}): run it again, or download the file there by hand"
            ) from error
    splits = [_read_cifar10([folder / file for file in part]) for part in (files[:5], files[5:])]
    return "cifar10", CIFAR10_CLASSES, splits[0], splits[1]


def _is_whole(file: Path) -> bool:
    return file.is_file() and file.stat().st_size == 10_000 * _CIFAR10_RECORD


def _read_cifar10(files: list[Path]) -> Split:
    bytes_ = np.concatenate([np.fromfile(file, dtype=np.uint8) for file in files])
    records = torch.from_numpy(bytes_).reshape(-1, _CIFAR10_RECORD)
    return Split(records[:, 1:].reshape(-1, 3, 32, 32).contiguous(), records[:, 0].long())


# --------------------------------------------------------------------------------------------------
# A folder of images
# --------------------------------------------------------------------------------------------------


def _load_folder(*, source: str | Path, image_size: int, **_: Any) -> Loaded:
    folder = Path(source).expanduser()
    classes = _check_folder(folder)
    if folder.resolve().name in SOURCES:
        raise ValueError(
            f"{str(folder)!r} has the name of a built-in data set, whose records and"
            " checkpoints its own would be mixed with: rename it"
        )
    train, test = (_load_images(folder / part, classes, image_size) for part in ("train", "test"))
    return folder.resolve().name, classes, train, test


def _check_folder(folder: Path) -> tuple[str, ...]:
    """The classes of a folder, after the checks that need no image to be read."""
    layout = "expected train/<class>/* and test/<class>/*"
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(folder)!r}: expected {', '.join(map(repr, SOURCES))}, or a"
            " folder with train/<class>/* and test/<class>/*"
        )
    for part in (folder / "train", folder / "test"):
        if not part.is_dir():
            raise FileNotFoundError(f"there is no folder {str(part)!r}: {layout}")
    classes = {
        part: sorted(d.name for d in (folder / part).iterdir() if d.is_dir() and _is_visible(d))
        for part in ("train", "test")
    }
    if not classes["train"]:
        raise ValueError(f"{str(folder / 'train')!r} has no folder of a class: {layout}")
    if len(classes["train"]) == 1:
        only = folder / "train" / classes["train"][0]
        raise ValueError(
            f"{str(folder / 'train')!r} has a single class, {only.name!r}: two or more are needed"
            f" to tell apart. If the classes are folders in {str(only)!r}, they are one folder too"
            " deep"
        )
    for part in ("train", "test"):
        loose = [f for f in (folder / part).iterdir() if f.suffix.lower() in IMAGE_SUFFIXES]
        if any(file.is_file() and _is_visible(file) for file in loose):
            raise ValueError(
                f"{str(folder / part)!r} has images beside the folders of the classes: {layout}"
            )
    for part, other in (("train", "test"), ("test", "train")):
        missing = sorted(set(classes[other]) - set(classes[part]))
        if missing:
            raise ValueError(
                f"{str(folder / part)!r} lacks the class {', '.join(missing)}, which {other!r} has:"
                " both need the same classes"
            )
    return tuple(classes["train"])


def _load_images(folder: Path, classes: tuple[str, ...], image_size: int) -> Split:
    files, labels = [], []
    for label, name in enumerate(classes):
        inner = [d for d in (folder / name).iterdir() if d.is_dir() and _is_visible(d)]
        if inner:
            raise ValueError(
                f"{str(inner[0])!r} is a folder within a class, whose images would be left out:"
                " move them up into the folder of their class"
            )
        found = _image_files(folder / name)
        if not found:
            raise ValueError(f"{str(folder / name)!r} is empty: expected at least one image")
        files += found
        labels += [label] * len(found)
    images = torch.empty(len(files), 3, image_size, image_size, dtype=torch.uint8)

    def read(index: int) -> None:
        images[index] = resize_and_crop(_read_image(files[index]), image_size)

    with ThreadPoolExecutor() as pool:  # Pillow decodes outside of Python's lock
        for _ in pool.map(read, range(len(files))):
            pass
    return Split(images, torch.tensor(labels))


def resize_and_crop(image: Tensor, size: int) -> Tensor:
    """Rescale an image so that its smaller side is ``size``, and cut out the square in the middle.

    Args:
        image: uint8, shape (3, H, W).
        size: side of the result in pixels.

    Returns:
        uint8, shape (3, size, size); the image itself where it has that size.
    """
    if image.shape[-2:] == (size, size):
        return image
    return F.center_crop(F.resize(image, [size], antialias=True), [size, size])


def read_folder_images(folder: str | Path) -> Iterator[Tensor]:
    """The images below a folder, in the order of their paths, each read when it is asked for.

    Yields:
        uint8 tensors (3, H, W), RGB, each of its own size.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has no images, or a file is no image or is damaged.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    files = _image_files(folder, "**/*")
    if not files:
        raise ValueError(f"no images below {str(folder)!r}")
    return (_read_image(file) for file in files)


def _image_files(folder: Path, pattern: str = "*") -> list[Path]:
    files = sorted(
        file
        for file in folder.glob(pattern)
        # The folders between count too: Jupyter keeps copies in .ipynb_checkpoints.
        if file.is_file() and all(map(_is_visible, map(Path, file.relative_to(folder).parts)))
    )
    for file in files:
        if file.suffix.lower() not in IMAGE_SUFFIXES:
            raise ValueError(
                f"{str(file)!r} is no image: expected files that end in"
                f" {', '.join(IMAGE_SUFFIXES)}; move it out of the folder"
            )
    return files


def _is_visible(path: Path) -> bool:
    """Whether a person put it there: file managers leave files such as .DS_Store and Thumbs.db."""
    return not path.name.startswith(".") and path.name not in ("Thumbs.db", "desktop.ini")


def _read_image(file: Path) -> Tensor:
    try:
        with Image.open(file) as image:
            # Cameras store a turned picture as it came, with a note how to turn it.
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith(("I", "F")):
                # Pillow would cut off what is above 255, which makes most of the picture white.
                raise ValueError(f"more than 8 bits, mode {turned.mode}: convert it to 8 bits")
            rgb = turned.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(
            f"{str(file)!r} is damaged or no image ({error}): replace or remove it"
        ) from error
    return torch.from_numpy(np.array(rgb)).permute(2, 0, 1).contiguous()


#: The built-in data sets by name. (`tools/settings.py` reads the names here before anything is
#: installed.)
SOURCES: dict[str, Callable[..., Loaded]] = {
    "shapes": _load_shapes,
    "cifar10": _load_cifar10,
}
