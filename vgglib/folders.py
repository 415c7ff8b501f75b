"""Images in folders: which there are, in which layout, and how a file becomes a tensor.

Whoever reads images from files comes through here, so that links, hidden files, damaged files,
turned and transparent pictures are the same for training, statistics and ImageNet's test. A reader
of the book needs none of it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
import unicodedata
import warnings
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

LAYOUT = "train/<class>/* and test/<class>/*"

#: Names that people give to the folder of a validation split.
VALIDATION = ("val", "valid", "validation")

# What Pillow does not read by itself, but hands to other programs or to plug-ins.
_NOT_BY_ITSELF = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}

# Images of more pixels are read one at a time, so that memory does not grow with the threads.
_LARGE = 2**24
_one_at_a_time = threading.Lock()

# How many bad files a message names.
_NAMED = 10


# --------------------------------------------------------------------------------------------------
# Which files there are
# --------------------------------------------------------------------------------------------------


def image_files(folder: Path) -> list[Path]:
    """The images below a folder, in the order of their paths; links are followed.

    Raises:
        ValueError: files that are no images, links to nothing, or a link that leads back to a
            folder that it lies in; ten are named.
    """
    found, bad = sort_out(folder)
    refuse(bad)
    return found


def sort_out(folder: Path) -> tuple[list[Path], list[str]]:
    """The images below a folder, and a sentence on each file that cannot be one."""
    found, bad = [], []
    for file in _walk(folder, ()):
        if file.is_dir():
            bad.append(f"{str(file)!r} is a link to a folder that it lies in: remove it")
        elif not file.exists():
            bad.append(f"{str(file)!r} is a link to nothing: mend or remove it")
        elif not is_image(file):
            bad.append(
                f"{str(file)!r} is no image: expected .jpg, .png or what else Pillow reads; move it"
                " out of the folder"
            )
        else:
            found.append(file)
    return sorted(found), sorted(bad)


def _walk(folder: Path, above: tuple[str, ...]) -> Iterator[Path]:
    """All visible files; also a folder that is one of those above, where the walk would not end."""
    above = (*above, os.path.realpath(folder))
    for path in visible(folder):
        if path.is_dir() and os.path.realpath(path) not in above:
            yield from _walk(path, above)
        else:
            yield path


def visible(folder: Path) -> list[Path]:
    """What a person put into a folder: file managers leave .DS_Store, Thumbs.db and the like."""
    return [
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.name not in ("Thumbs.db", "desktop.ini")
    ]


def is_image(file: Path) -> bool:
    """Whether a file has the name of one that Pillow reads."""
    return file.suffix.lower() in suffixes()


@functools.cache
def suffixes() -> frozenset[str]:
    """The ends of the names of all files that Pillow reads by itself."""
    known = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in known if kind in _formats())


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(kind for kind in Image.OPEN if kind not in _NOT_BY_ITSELF)


def class_folders(folder: Path) -> dict[str, Path]:
    """The folders of the classes by name, sorted by it.

    A letter with an accent may be stored as one character or as two; both are one name here.

    Raises:
        ValueError: a link leads to nothing, or two folders have one name.
    """
    found: dict[str, Path] = {}
    for path in sorted(visible(folder)):
        name = unicodedata.normalize("NFC", path.name)
        if path.is_symlink() and not path.exists():
            raise ValueError(f"{str(path)!r} is a link to nothing: mend or remove it")
        if not path.is_dir():
            continue
        if name in found:
            raise ValueError(
                f"{str(folder)!r} has two folders named {name!r}, whose letters are stored in two"
                " ways: put their images into one"
            )
        found[name] = path
    return dict(sorted(found.items()))


def refuse(problems: Iterable[str]) -> None:
    """Raise one error for all bad files, if there are any: ten are named, and how many there are.

    Raises:
        ValueError: there are problems.
    """
    problems = list(problems)
    if len(problems) > 1:
        lines = problems[:_NAMED]
        if len(problems) > _NAMED:
            lines.append(f"and {len(problems) - _NAMED} more")
        problems = ["\n  ".join([f"{len(problems)} files cannot be used:", *lines])]
    if problems:
        raise ValueError(problems[0])


# --------------------------------------------------------------------------------------------------
# In which layout
# --------------------------------------------------------------------------------------------------


def find_parts(folder: Path) -> dict[str, Path]:
    """The folders of the splits: ``"train"``, ``"test"`` and, where there is one, ``"validation"``.

    A folder whose own folders are the classes is its ``"train"``, without a test split.

    Raises:
        FileNotFoundError: there is no such folder, or it has another layout.
        ValueError: several folders could be the validation split.
    """
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(folder)!r}: expected a folder with {LAYOUT}"
        )
    inner = class_folders(folder)
    held_out = [name for name in VALIDATION if name in inner]
    if len(held_out) > 1:
        raise ValueError(
            f"{str(folder)!r} has {' and '.join(map(repr, held_out))}: expected one of them, for"
            " the validation split"
        )
    if not {"train", "test", *held_out} & set(inner) and _are_classes(inner.values()):
        warnings.warn(
            f"{str(folder)!r} has no folders 'train' and 'test': a fifth of each class is drawn as"
            " the test split. Where images are nearly equal (bursts, frames of a film), some then"
            " lie on both sides: make the two folders by hand",
            stacklevel=4,
        )
        return {"train": folder}
    parts = {name: inner[name] for name in ("train", "test") if name in inner}
    if held_out:
        parts["validation"] = inner[held_out[0]]
    if "train" in parts and "test" not in parts and held_out:
        warnings.warn(
            f"{str(folder)!r} has no folder 'test': the images in {held_out[0]!r} are taken for it,"
            " and the validation split is drawn from 'train'",
            stacklevel=4,
        )
        return {"train": parts["train"], "test": parts["validation"]}
    for name in ("train", "test"):
        if name not in parts:
            there = f"; there are {', '.join(inner)}" if inner else ""
            raise FileNotFoundError(
                f"there is no folder {str(folder / name)!r}: expected {LAYOUT}{there}"
            )
    return parts


def _are_classes(folders: Collection[Path]) -> bool:
    """Whether there are several, all with images."""
    return len(folders) > 1 and all(any(map(is_image, visible(path))) for path in folders)


def find_images(parts: dict[str, Path]) -> tuple[tuple[str, ...], dict[str, list[list[Path]]]]:
    """The names of the classes, and by split the files of each class.

    Raises:
        ValueError: a single class, none, or others than in ``"train"``; images beside the folders
            of the classes, or in folders within; a class without images; a file that is no image.
    """
    found = {part: class_folders(folder) for part, folder in parts.items()}
    classes = tuple(found["train"])
    if not classes:
        raise ValueError(f"{str(parts['train'])!r} has no folder of a class: expected {LAYOUT}")
    if len(classes) == 1:
        only = str(parts["train"] / classes[0])
        raise ValueError(
            f"{str(parts['train'])!r} has a single class, {classes[0]!r}: two or more are needed to"
            f" tell apart. If the classes are folders in {only!r}, they are one folder too deep"
        )
    for part, folder in parts.items():
        if any(path.is_file() and is_image(path) for path in visible(folder)):
            raise ValueError(
                f"{str(folder)!r} has images beside the folders of the classes: expected {LAYOUT}"
            )
        for one, other in ((part, "train"), ("train", part)):
            missing = sorted(set(found[other]) - set(found[one]))
            if missing:
                raise ValueError(
                    f"{str(parts[one])!r} lacks the class {', '.join(missing)}, which"
                    f" {parts[other].name!r} has: both need the same classes"
                )
    files: dict[str, list[list[Path]]] = {}
    bad: list[str] = []
    for part, folders in found.items():
        sorted_out = [_class_files(folders[name]) for name in classes]
        files[part] = [images for images, _ in sorted_out]
        bad += [problem for _, problems in sorted_out for problem in problems]
    refuse(bad)
    return classes, files


def _class_files(folder: Path) -> tuple[list[Path], list[str]]:
    inner = [path for path in visible(folder) if path.is_dir()]
    if inner:
        raise ValueError(
            f"{str(inner[0])!r} is a folder within a class, whose images would be left out: move"
            " them up into the folder of their class"
        )
    files, bad = sort_out(folder)
    if not files and not bad:
        raise ValueError(f"{str(folder)!r} is empty: expected at least one image")
    return files, bad


# --------------------------------------------------------------------------------------------------
# How a file becomes a tensor
# --------------------------------------------------------------------------------------------------


def read_image(file: Path, size: int | None = None) -> Tensor:
    """An image file as RGB, upright; where it is transparent, white shows through.

    Args:
        file: of any format that Pillow reads by itself; of several pictures the first.
        size: the smaller side is rescaled to it, and the square in the middle is kept; ``None``
            leaves the image as it is. Pillow rescales in whole numbers, alike on each processor.

    Returns:
        uint8, shape (3, H, W), values 0..255.

    Raises:
        ValueError: it is damaged, no image, gray of more than 8 bits (of color Pillow takes the
            upper 8), or larger than Pillow allows.
    """
    try:
        with Image.open(file, formats=_formats()) as image:
            if image.mode.startswith(("I", "F")):
                # Pillow would cut off what is above 255, which makes most of the picture white.
                deep = image.mode
            else:
                deep, large = "", image.width * image.height > _LARGE
                with _one_at_a_time if large else nullcontext():
                    pixels = np.array(_square(_upright_rgb(image), size))
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{str(file)!r} is larger than Pillow allows ({error}): make it smaller, or, if you"
            " know where it comes from, set PIL.Image.MAX_IMAGE_PIXELS to more in Python before"
        ) from error
    except PermissionError as error:
        raise ValueError(f"{str(file)!r} may not be read: change its permissions") from error
    except MemoryError:
        raise
    except Exception as error:  # each of Pillow's formats has errors of its own
        raise ValueError(
            f"{str(file)!r} is damaged or no image ({error}): replace or remove it"
        ) from error
    if deep:
        raise ValueError(f"{str(file)!r} has more than 8 bits (mode {deep}): convert it to 8 bits")
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def _upright_rgb(image: Image.Image) -> Image.Image:
    # Cameras store a turned picture as it came, with a note how to turn it. Where that note is
    # damaged, the picture is taken as it is.
    image.load()
    with suppress(Exception):
        ImageOps.exif_transpose(image, in_place=True)
    if image.has_transparency_data:
        # Under full transparency any color may be stored, which nobody sees.
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _square(image: Image.Image, size: int | None) -> Image.Image:
    if size is None or image.size == (size, size):
        return image
    # Nothing but the square is rescaled: a panorama's ends would take memory for nothing.
    short = min(image.size)
    left, top = ((side - short) / 2 for side in image.size)
    box = (left, top, left + short, top + short)
    return image.resize((size, size), Image.Resampling.BILINEAR, box=box)


def read_squares(files: list[Path], size: int) -> tuple[Tensor, list[str]]:
    """Many images at once, all of one size, as :func:`read_image` gives them.

    Returns:
        uint8, shape (N, 3, size, size); and the SHA-256 of each file.

    Raises:
        ValueError: some cannot be read; ten are named, and how many there are.
    """
    images = torch.empty(len(files), 3, size, size, dtype=torch.uint8)
    digests = [""] * len(files)

    def read(index: int) -> str | None:
        try:
            images[index] = read_image(files[index], size)
        except ValueError as error:
            return str(error)
        digests[index] = hashlib.sha256(files[index].read_bytes()).hexdigest()
        return None

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes outside of Python's lock
        refuse(filter(None, pool.map(read, range(len(files)))))
    return images, digests


def read_folder_images(folder: str | Path) -> Iterator[Tensor]:
    """The images below a folder, in the order of their paths, each read when it is asked for.

    Yields:
        uint8 tensors (3, H, W), RGB, each of its own size.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has no images or files that are none; after the last image, some could not
            be read: ten are named.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {str(folder)!r}")
    files = image_files(folder)
    if not files:
        raise ValueError(f"no images below {str(folder)!r}")
    return _read_each(files)


def _read_each(files: list[Path]) -> Iterator[Tensor]:
    """Each image that can be read, and then one error for all that cannot."""
    bad = []
    for file in files:
        try:
            image = read_image(file)
        except ValueError as error:
            bad.append(str(error))
        else:
            yield image
    refuse(bad)
