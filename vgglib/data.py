"""Data: one seam for CIFAR-10, a folder of the reader's own images, and the built-in shapes.

A data set is held in memory as uint8 tensors, a quarter of the size of floats; preprocessing and
augmentation are done on whole batches. A validation split is drawn from the training set, so that
schedules and choices never see the test set.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision.datasets.utils import check_integrity, download_and_extract_archive

from vgglib import shapes
from vgglib.checks import check_int, check_number, check_probability, check_tensors
from vgglib.folders import LAYOUT, find_images, find_parts, read_squares
from vgglib.machine.files import patience
from vgglib.statistics import ChannelStatistics, channel_statistics

# The binary version of CIFAR-10, from its author's page with its checksum. torchvision's own class
# takes the Python version, which is a pickle, and a pickle may run any code when it is loaded.
CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_FOLDER = "cifar-10-batches-bin"
CIFAR10_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_CIFAR10_RECORD = 1 + 3 * 32 * 32  # a label, then the red, the green and the blue pixels

#: The files of CIFAR-10 with their checksums, those of training first.
CIFAR10_FILES = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c40844f3f0d",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
}


@dataclass(frozen=True, eq=False)  # tensors do not compare to a bool
class Split:
    """Images and labels in memory; indexed or iterated, it gives pairs like any torch dataset.

    Attributes:
        images: uint8, shape (N, C, H, W), values 0..255; three channels (RGB) or one (gray).
        labels: int64, shape (N,), classes from 0; other types of integers are converted.
        origin: a digest of what they were made from (files, or what was to be drawn), which is the
            same on every machine, where a pixel may differ; ``None``: nothing but the images.
            Images that torch changes in place lose it; a change through numpy is not noticed.

    Raises:
        TypeError: no tensors, images that are no bytes, or labels that are no integers.
        ValueError: shapes other than these.
    """

    images: Tensor
    labels: Tensor
    origin: str | None = field(default=None, init=False)

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
        object.__setattr__(self, "_versions", self._count_changes())

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "origin": self._present_origin()}

    def __setstate__(self, state: dict[str, Any]) -> None:  # of a copy, whose tensors are new
        vars(self).update(state)
        object.__setattr__(self, "_versions", self._count_changes())

    def _count_changes(self) -> list[int | None]:
        """How often each tensor was changed in place, as far as torch counts it."""
        tensors = (self.images, self.labels)
        return [None if tensor.is_inference() else tensor._version for tensor in tensors]

    def _present_origin(self) -> str | None:
        """The origin, unless images or labels were changed since."""
        return self.origin if self._count_changes() == self._versions else None

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index) -> tuple[Tensor, Tensor]:
        return self.images[index], self.labels[index]

    def batch(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """Images and labels at the positions ``index``, int64 of 0 or more, shape (N,).

        As indexing, but twice as fast on a CPU.
        """
        check_tensors(index=index)
        index = index.to(self.images.device)
        return self.images.index_select(0, index), self.labels.index_select(0, index)

    def take(self, index: Tensor) -> Split:
        """The split of the samples of ``index`` (int64 positions or a mask)."""
        origin = self._present_origin()
        if origin is not None:
            chosen = torch.as_tensor(index).cpu().contiguous().numpy().tobytes()
            origin = hashlib.sha256(origin.encode() + chosen).hexdigest()
        return Split(self.images[index], self.labels[index]).made_from(origin)

    def made_from(self, origin: str | None) -> Split:
        """This split, its origin noted; as an argument `dataclasses.replace` would keep it."""
        object.__setattr__(self, "origin", origin)
        return self

    def to(self, device: torch.device) -> Split:
        """The split on another device."""
        moved = Split(self.images.to(device), self.labels.to(device))
        return moved.made_from(self._present_origin())

    def update(self, digest: Any, *, by_origin: bool = True) -> None:
        """Feed what tells the split from others to a digest of :mod:`hashlib`."""
        origin = self._present_origin()
        if by_origin and origin is not None:
            digest.update(origin.encode())
            return
        for tensor in (self.images, self.labels):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.cpu().contiguous().numpy().data)


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
        TypeError: a split that is none.
        ValueError: labels that are no classes, or images of different shapes.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def __post_init__(self) -> None:
        for name, split in self.splits.items():
            if not isinstance(split, Split):
                raise TypeError(f"{name} must be a Split, got {type(split).__name__}")
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

    @property
    def test_is_balanced(self) -> bool:
        """Whether the smallest class has half as many test images as the largest, or more."""
        return is_balanced(self.test.labels, self.num_classes)

    @cached_property
    def statistics(self) -> ChannelStatistics:
        """Mean and covariance of the channels of the training images, computed once."""
        return channel_statistics(self.train.images)

    @property
    def fingerprint(self) -> str:
        """16 digits that change if the data do, and are the same on every machine.

        Of the SHA-256 of what the images were made from (the files, or what was to be drawn), or of
        the images and labels themselves where nothing else is known.
        """
        return self._digest(by_origin=True)

    @property
    def pixel_fingerprint(self) -> str:
        """16 digits of the SHA-256 of all images and labels, as the records have them."""
        return self._digest(by_origin=False)

    def _digest(self, *, by_origin: bool) -> str:
        digest = hashlib.sha256()
        for split in self.splits.values():
            split.update(digest, by_origin=by_origin)
        return digest.hexdigest()[:16]

    def __repr__(self) -> str:
        counts = f"{len(self.train):,} + {len(self.validation):,} + {len(self.test):,}"
        height, width = self.train.images.shape[-2:]
        return (
            f"Data {self.name!r}: {counts} images (train + validation + test)"
            f" of {height}x{width}, {self.num_classes} classes{self._smallest_to_largest()}"
        )

    def _smallest_to_largest(self) -> str:
        """How many training images the classes have, where they differ much."""
        counts = self.train.labels.bincount(minlength=self.num_classes)
        if is_balanced(self.train.labels, self.num_classes):
            return ""
        least, most = int(counts.argmin()), int(counts.argmax())
        return (
            f", which differ: {counts[least]:,} ({self.classes[least]}) to {counts[most]:,}"
            f" ({self.classes[most]}) training images"
        )


def is_balanced(labels: Tensor, num_classes: int) -> bool:
    """Whether the smallest class has half as many samples as the largest, or more."""
    counts = labels.bincount(minlength=num_classes)
    return bool(2 * counts.min() >= counts.max())


#: What loads a source gives: name, classes, and the splits that it has: ``"train"``, and where
#: they need not be drawn from it ``"test"`` and ``"validation"``.
Loaded = tuple[str, tuple[str, ...], dict[str, Split]]

# What is drawn as the test split of images that have none.
_TEST_FRACTION = 0.2


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
            is not there yet; ``"cifar10-jpeg"``, the same images after they were stored once as
            JPEG files, see :func:`stored_as_jpeg`; or a folder with ``train/<class>/*`` and
            ``test/<class>/*`` images, and ``val/<class>/*`` if its validation split is not to be
            drawn. Without ``test``, ``val`` is taken for it; without all of them, a fifth of each
            class; with a warning.
        root: where downloads go, and are looked for; for CIFAR-10 also its own folder,
            ``cifar-10-batches-bin``, where the files lie.
        image_size: side in pixels that shapes are drawn at. Images of a folder are rescaled so that
            their smaller side has it, and the square in the middle is kept.
        validation: fraction of the training set, from 0 to below 1, that is held out, in each
            class. With 0 all images are trained on: when there is nothing left to choose.
        seed: of the draw of the validation split (and, for shapes, of the images; for a folder
            without a test split, of that one, too).
        train_images: for shapes, how many training images are drawn, validation included.
        test_images: for shapes, how many test images are drawn.

    Returns:
        The three splits as uint8 tensors in memory (3 KB for each image of 32x32).

    Raises:
        FileNotFoundError: the folder, or its ``train`` or ``test``, does not exist.
        ValueError: a single class, a class without images or with too few to draw from, classes
            that differ between the splits, images outside of the folders of the classes or in
            folders within, files that are no images or are damaged, links to nothing, a folder of
            the name of a built-in set, or an impossible argument.
        TypeError: a size, a count, the seed or the fraction is no number of its kind.
        RuntimeError: the download failed or is damaged.
    """
    counts = {"image_size": image_size, "train_images": train_images, "test_images": test_images}
    for name, count in counts.items():
        check_int(name, count, minimum=1)
    check_int("seed", seed, minimum=0)
    check_probability("the validation fraction", validation)
    load = SOURCES.get(str(source), _load_folder)
    name, classes, splits = load(
        source=source,
        root=Path(root).expanduser(),
        image_size=image_size,
        seed=seed,
        train_images=train_images,
        test_images=test_images,
    )
    fractions = {"test": _TEST_FRACTION, "validation": validation}
    drawn = [part for part, f in fractions.items() if part not in splits and f]
    _check_enough(splits["train"].labels, classes, drawn)
    for part, fraction in fractions.items():
        if part not in splits and not fraction:
            splits[part] = splits["train"].take(torch.arange(0))
        elif part not in splits:
            mask = stratified_mask(splits["train"].labels, fraction, seed)
            splits[part] = splits["train"].take(mask)
            splits["train"] = splits["train"].take(~mask)
    return Data(name, classes, **splits)


def _check_enough(labels: Tensor, classes: Sequence[str], drawn: Sequence[str]) -> None:
    """Refuse classes that have too few images to draw splits from them."""
    for name, count in zip(classes, labels.bincount(minlength=len(classes)), strict=True):
        if 0 < count <= len(drawn):
            raise ValueError(
                f"class {name!r} has too few training images, {count}: expected {len(drawn) + 1} or"
                f" more, one to train on and one for each split that is drawn ({', '.join(drawn)})"
            )


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
    check_tensors(labels=labels)
    labels = labels.cpu()
    limits = {"low": 0, "high": 1, "without_low": True, "without_high": True}
    check_number("the validation fraction", fraction, **limits)
    generator = torch.Generator().manual_seed(seed)
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        if len(members) < 2:
            raise ValueError(
                f"class {int(label)} has a single image: two are needed, one that is drawn and one"
                " that stays"
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
    splits = {}
    for part, count, own_seed, light in (
        ("train", train_images, 2 * seed, shapes.TRAIN_LIGHT),
        ("test", test_images, 2 * seed + 1, shapes.TEST_LIGHT),
    ):
        asked = {"seed": own_seed, "light": light, "image_size": image_size}
        origin = f"shapes, version {shapes.VERSION}: {count}, {asked}"
        splits[part] = Split(*shapes.draw_shapes(count, **asked)).made_from(origin)
    return "shapes", shapes.CLASSES, splits


# --------------------------------------------------------------------------------------------------
# CIFAR-10
# --------------------------------------------------------------------------------------------------


def _load_cifar10(*, root: Path, image_size: int, **_: Any) -> Loaded:
    if image_size != 32:
        raise ValueError(f"CIFAR-10 has images of 32x32, got image_size {image_size}")
    folder = root / CIFAR10_FOLDER
    if _has_cifar10(root):  # its own folder was given
        folder = root
    elif not _has_cifar10(folder):
        archive = root / CIFAR10_URL.rsplit("/", 1)[1]
        try:
            # Checks the MD5 sum of the archive; one that is there and whole is not fetched again.
            with patience():
                download_and_extract_archive(CIFAR10_URL, str(root), md5=CIFAR10_MD5)
        except (OSError, RuntimeError, EOFError, HTTPException) as error:
            if archive.exists() and not check_integrity(str(archive), CIFAR10_MD5):
                archive.unlink()
            raise RuntimeError(
                f"the download of CIFAR-10 from {CIFAR10_URL} to {str(root)!r} failed or is damaged"
                f" ({error}): run it again, or download the file there by hand"
            ) from error
    *train, test = (folder / name for name in CIFAR10_FILES)
    splits = {"train": _read_cifar10(train), "test": _read_cifar10([test])}
    return "cifar10", CIFAR10_CLASSES, splits


def _has_cifar10(folder: Path) -> bool:
    """By content: a damaged copy, or one with other images, has files of the right sizes, too."""
    return all(check_integrity(folder / name, md5) for name, md5 in CIFAR10_FILES.items())


def _read_cifar10(files: list[Path]) -> Split:
    bytes_ = np.concatenate([np.fromfile(file, dtype=np.uint8) for file in files])
    records = torch.from_numpy(bytes_).reshape(-1, _CIFAR10_RECORD)
    return Split(records[:, 1:].reshape(-1, 3, 32, 32).contiguous(), records[:, 0].long())


def _load_cifar10_jpeg(**options: Any) -> Loaded:
    _, classes, splits = _load_cifar10(**options)
    return "cifar10-jpeg", classes, {name: stored_as_jpeg(s) for name, s in splits.items()}


def stored_as_jpeg(split: Split, quality: int = 75) -> Split:
    """What is left of images that were stored once as JPEG files, as many copies of data sets are.

    Args:
        split: RGB images, on the CPU.
        quality: 1 to 100; 75 is what most programs take if they are not told. As they do, too,
            color is stored for blocks of 2x2 pixels (4:2:0).

    Returns:
        The same labels with the images as they are read again.

    Raises:
        TypeError: the quality is no whole number.
        ValueError: there is no such quality.
    """
    check_int("quality", quality, minimum=1)
    check_number("quality", quality, low=1, high=100)
    images = torch.empty_like(split.images)
    for image, again in zip(split.images, images, strict=True):
        file = io.BytesIO()
        pixels = Image.fromarray(image.permute(1, 2, 0).numpy())
        pixels.save(file, "JPEG", quality=quality, subsampling="4:2:0")
        again.copy_(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1))
    digest = hashlib.sha256(f"stored once as JPEG of quality {quality}: ".encode())
    split.update(digest)
    return Split(images, split.labels).made_from(digest.hexdigest())


# --------------------------------------------------------------------------------------------------
# A folder of images
# --------------------------------------------------------------------------------------------------


def _load_folder(*, source: str | Path, image_size: int, **_: Any) -> Loaded:
    folder = Path(source).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(folder)!r}: expected {', '.join(map(repr, SOURCES))}, or a"
            f" folder with {LAYOUT}"
        )
    if folder.resolve().name in SOURCES:
        raise ValueError(
            f"{str(folder)!r} has the name of a built-in data set, whose records and"
            " checkpoints its own would be mixed with: rename it"
        )
    classes, files = find_images(find_parts(folder))
    everything = [file for part in files.values() for of_class in part for file in of_class]
    images, digests = read_squares(everything, image_size)
    splits, start = {}, 0
    for part, of_classes in files.items():
        labels = torch.arange(len(classes)).repeat_interleave(torch.tensor([*map(len, of_classes)]))
        own = slice(start, start := start + len(labels))
        told = f"squares of {image_size}: {[*zip(labels.tolist(), digests[own], strict=True)]}"
        origin = hashlib.sha256(told.encode()).hexdigest()
        splits[part] = Split(images[own], labels).made_from(origin)
    return folder.resolve().name, classes, splits


#: The built-in data sets by name. (`tools/settings.py` reads the names here before anything is
#: installed.)
SOURCES: dict[str, Callable[..., Loaded]] = {
    "shapes": _load_shapes,
    "cifar10": _load_cifar10,
    "cifar10-jpeg": _load_cifar10_jpeg,
}
