"""Records: what each finished training measured, as one JSON file each, and nothing else.

Our rows of the book's tables are made from these files. What a network said of each test image may
lie in a second file beside them, so that its mistakes can be studied without images and training.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vgglib.machine.files import atomic_write

#: What every record has, with its type. Accuracies are in percent.
FIELDS: dict[str, type | tuple[type, ...]] = {
    "model": str,
    "dataset": str,
    "recipe": str,
    "seed": int,
    "epochs": int,
    "top_k_accuracy": list,
    "validation_top_1": (int, float, NoneType),  # null where no images were held out
    "train_images": int,
    "images_seen": int,
    "training_pflop": (int, float),
    "train_seconds": (int, float),
    "width": (int, float),
    "start": str,
    "device": str,
    "torch": str,
    "vgglib": str,
    "history": dict,
}

#: Settings of recipes that had another name once.
_RENAMED_SETTINGS = {"scale": "training_scale", "color_scale": "color_by"}


def run_name(dataset: str, recipe: str, model: str, epochs: int, seed: int) -> str:
    """What tells runs apart, as the beginning of their files' names."""
    parts = [dataset, recipe, model, f"{epochs}epochs", f"seed{seed}"]
    return re.sub(r"[^\w.+-]+", "_", "-".join(parts))


def record_name(record: dict[str, Any]) -> str:
    """The file name of a record."""
    parts = (record[key] for key in ("dataset", "recipe", "model", "epochs", "seed"))
    return f"{run_name(*parts)}.json"


def write_record(folder: str | Path, record: dict[str, Any]) -> Path:
    """Write ``<folder>/<data>-<recipe>-<model>-<n>epochs-seed<seed>.json``, whole or not at all.

    A record of the same data, recipe, model, epochs and seed is replaced.

    Args:
        folder: made if it does not exist.
        record: JSON values, with at least :data:`FIELDS`.

    Returns:
        Where it was written.

    Raises:
        ValueError: a field is missing or has the wrong type, or a value is none of JSON's.
        OSError: the folder cannot be written.
    """
    check_record(record, "the record")
    return write_json(Path(folder).expanduser() / record_name(record), record)


def check_replaceable(folder: str | Path, record: dict[str, Any]) -> None:
    """Refuse to replace the record of another training that has the same name.

    Called before the training, with what is known then. Images are the same if their pixels are, or
    the files that they come from. Those that are drawn by code may differ in a last digit from one
    kind of processor to another: for them what was to be drawn decides, and their size for records
    from before that was noted.

    Raises:
        ValueError: there is a record of other images or of another start, or the file is none.
    """
    path = Path(folder).expanduser() / record_name(record)
    if not path.exists():
        return
    found = _load(path, check_record)
    drawn = record["dataset"] == "shapes"
    if drawn and not (found.get("data_origin") and record.get("data_origin")):
        found, record = ({"image_size": 32} | r for r in (found, record))  # before it was noted
        of_data, same = "image_size", found["image_size"] == record["image_size"]
    else:
        of_data = "data_origin" if drawn else "data_fingerprint"
        same = any(
            found.get(key) == record.get(key) is not None for key in (of_data, "data_origin")
        )
    for key, equal in {"start": found["start"] == record["start"], of_data: same}.items():
        if not equal:
            raise ValueError(
                f"{str(path)!r} is the record of another training: its {key} differs"
                f" ({found.get(key)!r} there, {record.get(key)!r} here). Choose another results"
                " folder, or remove it"
            )


def write_json(path: Path, record: dict[str, Any]) -> Path:
    """Write a record, whole or not at all; see :func:`write_record`."""
    try:
        text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"the record holds what JSON cannot ({error}): give finite numbers, strings, lists and"
            " dicts"
        ) from error
    # A list of numbers in one line: readable, and a diff shows what changed.
    text = re.sub(r"\[[^][{}]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text)
    return _write(path, text.encode() + b"\n")


def _write(path: Path, content: bytes) -> Path:
    try:
        with atomic_write(path) as file:
            file.write(content)
    except OSError as error:
        raise OSError(
            f"cannot write the record {str(path)!r} ({error.strerror}): if the training has a"
            " checkpoint, it is in it; choose a results folder that you may write to and run again"
        ) from error
    return path


def write_predictions(
    folder: str | Path,
    record: dict[str, Any],
    probabilities: Tensor,
    labels: Tensor,
    *,
    on: str | None = None,
) -> Path:
    """Write what a network said of each test image: ``<folder>/predictions/<record>.npz``.

    Args:
        folder: that of the record.
        record: of the network.
        probabilities: (N, classes), in the order of the test split; kept in float16, rounded such
            that each image keeps its most probable class.
        labels: the true classes, shape (N,).
        on: the name of the data, if they are not those of the record.

    Returns:
        Where they were written.

    Raises:
        OSError: the folder cannot be written.
    """
    exact = probabilities.float().numpy()
    rounded, named = exact.astype(np.float16), exact.argmax(axis=1)
    (tied,) = np.nonzero(rounded.argmax(axis=1) != named)
    first = tied, named[tied]
    rounded[first] = np.nextafter(rounded[first], np.float16(1))
    content = io.BytesIO()
    np.savez_compressed(content, probabilities=rounded, labels=labels.to(torch.int16).numpy())
    return _write(_predictions_path(folder, record, on), content.getvalue())


def read_predictions(
    record: dict[str, Any], *folders: str | Path, on: str | None = None
) -> tuple[Tensor, Tensor] | None:
    """What the network of a record said of each test image, and the true classes.

    Args:
        record: see :func:`read_records`.
        folders: of records; that counts which the record is from, the last that has one of its
            name.
        on: the name of the data, if they are not those of the record.

    Returns:
        Probabilities, float32, shape (N, classes), exact to about three digits, and labels, int64,
        shape (N,); or ``None`` where they were not kept.

    Raises:
        ValueError: the file is damaged, or not of this record: its top-1 accuracy is another.
    """
    own = [
        folder for folder in folders if (Path(folder).expanduser() / record_name(record)).exists()
    ]
    path = _predictions_path(own[-1], record, on) if own else None
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as content:
            probabilities = torch.from_numpy(content["probabilities"]).float()
            labels = torch.from_numpy(content["labels"]).long()
    except Exception as error:
        raise ValueError(
            f"{str(path)!r} is damaged, or no file of predictions ({error}): remove it"
        ) from error
    top_1 = 100 * (probabilities.argmax(dim=1) == labels).double().mean().item()
    if on is None and abs(top_1 - record["top_k_accuracy"][0]) > 0.006:  # that is rounded
        raise ValueError(
            f"{str(path)!r} is of another network than the record: its top-1 accuracy is"
            f" {top_1:.2f} %, and {record['top_k_accuracy'][0]} % there. Remove it"
        )
    return probabilities, labels


def _predictions_path(folder: str | Path, record: dict[str, Any], on: str | None) -> Path:
    name = record_name(record).removesuffix(".json") + ("" if on is None else f"-on-{on}")
    return Path(folder).expanduser() / "predictions" / f"{name}.npz"


def read_records(*folders: str | Path) -> list[dict[str, Any]]:
    """All the records of some folders, ordered by data, recipe, model and seed.

    Args:
        folders: of two records of the same run, that of the later folder counts. A folder that
            does not exist has no records.

    Raises:
        ValueError: a file is not JSON, or not a record; the message names it.
    """
    order = ("dataset", "recipe", "model")
    records = read_json(folders, check_record, record_name)
    return sorted(records, key=lambda r: (*(str(r[key]) for key in order), r["seed"]))


def read_json(
    folders: Sequence[str | Path],
    check: Callable[[Any, str], None],
    name: Callable[[dict[str, Any]], str],
) -> list[dict[str, Any]]:
    """All records of some folders, each checked, ordered by name.

    Of two of one name that of the later folder counts.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        for file in sorted(Path(folder).expanduser().glob("*.json")):
            record = _load(file, check)
            found[name(record)] = record
    return [record for _, record in sorted(found.items())]


def _load(file: Path, check: Callable[[Any, str], None]) -> dict[str, Any]:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(file)!r} is not valid JSON ({error}): remove it") from error
    check(record, repr(str(file)))
    return _with_present_names(record)


def _with_present_names(record: dict[str, Any]) -> dict[str, Any]:
    """A record whose settings have the names of now.

    Records are never edited; what has been renamed since is renamed when they are read.
    """
    if "settings" not in record:
        return record
    settings = record["settings"].items()
    return record | {"settings": {_RENAMED_SETTINGS.get(name, name): v for name, v in settings}}


def check_record(record: Any, where: str, kinds: dict[str, Any] = FIELDS) -> None:
    """Refuse what is no record.

    Raises:
        ValueError: a field of ``kinds`` is missing or has the wrong type, or the accuracies
            are not percentages that rise with k.
    """
    if not isinstance(record, dict):
        raise ValueError(f"{where} must be a JSON object, got {type(record).__name__}")
    for field, kind in kinds.items():
        if field not in record:
            raise ValueError(f"{where} lacks the field {field!r}: expected {', '.join(kinds)}")
        if isinstance(record[field], bool) or not isinstance(record[field], kind):
            expected = " or ".join(
                k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,))
            )
            raise ValueError(f"{where}: {field!r} must be {expected}, got {record[field]!r}")
    accuracy = record["top_k_accuracy"]
    if len(accuracy) != 5 or not _is_ascending([0, *accuracy, 100]):
        raise ValueError(
            f"{where}: 'top_k_accuracy' must be five percentages that rise with k, got {accuracy}"
        )


def _is_ascending(values: Sequence[Any]) -> bool:
    numbers = all(isinstance(value, (int, float)) for value in values)
    return numbers and all(a <= b for a, b in pairwise(values))


def book_results() -> Path:
    """The folder of the records that this book was published with.

    In an installed package it lies beside the code, in a clone at the top.
    """
    here = Path(__file__).parent
    installed = here / "results"
    return installed if installed.is_dir() else here.parent / "results"
