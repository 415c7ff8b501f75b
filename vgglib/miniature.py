"""The paper's Tables 3 to 6 in miniature: which networks, which protocols, a record for each cell.

What the paper measures in pixels is divided by 8 (training scales 32, 48 and 32 to 64), so that
images of 32 px are what images of 256 px are there. Crops have 24 px and test scales are multiples
of 8, so that the three pools of networks I, II and III divide them all, as five divide the 224 px
and the test scales of the paper.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgglib.configurations import CONFIGURATIONS, check_names
from vgglib.data import Data
from vgglib.evaluation import top_k_accuracy
from vgglib.experiments import Experiment, package_version
from vgglib.machine.devices import choose_precision, device_name
from vgglib.protocols import (
    METHODS,
    Protocol,
    average_probabilities,
    multiply_adds,
    predict_by,
    scales_around,
)
from vgglib.published import PAPER_ERRORS
from vgglib.records import check_record, read_json, run_name, write_json

#: What every record of a test protocol has, with its type. They are those that
#: :func:`fill_tables` writes.
TEST_FIELDS: dict[str, type | tuple[type, ...]] = {
    "dataset": str,
    "data_fingerprint": str,
    "recipe": str,
    "models": list,
    "seed": int,
    "epochs": int,
    "width": (int, float),
    "training_scale": list,
    "protocol": dict,
    "top_k_accuracy": list,
    "test_images": int,
    "multiply_adds": int,
    "milliseconds_per_image": (int, float),
    "device": str,
    "torch": str,
    "vgglib": str,
}


@dataclass(frozen=True)
class Cell:
    """Networks and the protocol that they are tested by.

    Attributes:
        recipe: key of the networks' recipe in the scales that :func:`plan_tables` was given.
        models: one configuration, or those of an ensemble.
        protocol: how they are tested.
    """

    recipe: str
    models: tuple[str, ...]
    protocol: Protocol


def plan_tables(scales: Mapping[str, tuple[int, int]], models: tuple[str, ...]) -> list[Cell]:
    """All cells for some training scales and networks; some stand in two tables.

    Args:
        scales: smallest and largest training scale of each recipe, by the recipe's key. Those with
            a range are tested by multi-crop and in ensembles too, as in the paper.
        models: configurations; they are taken from shallow to deep.

    Returns:
        For each network at the middle test scale of every recipe a center crop, dense and
        multi-crop, so that methods and training scales can be compared at the same test scale; its
        own is the cell of Table 3. Then the cells of Table 4 (dense at three), of Table 5 (dense,
        multi-crop and both, at three), and of Table 6 (the same for ensembles, of the two deepest
        networks and of all).
    """
    models = check_names("networks", models)
    models = tuple(sorted(models, key=lambda name: CONFIGURATIONS[name].weight_layers))
    cells = []
    arounds = {
        recipe: scales_around(low if low == high else (low, high), step=8)
        for recipe, (low, high) in scales.items()
    }
    middles = sorted({around[1] for around in arounds.values()})
    for recipe, (smallest, largest) in scales.items():
        fixed, around = smallest == largest, arounds[recipe]
        for model in models:
            for scale in middles:
                center, dense = Protocol((scale,), "crops", grid=1), Protocol((scale,))
                looks = (center, dense, Protocol((scale,), "crops"))
                cells += [Cell(recipe, (model,), look) for look in looks]
            cells.append(Cell(recipe, (model,), Protocol(around)))
        if not fixed:
            ensembles = {models[-2:], models} if len(models) > 1 else set()
            for names in [(model,) for model in models] + sorted(ensembles, key=len):
                cells += [Cell(recipe, names, Protocol(around, method)) for method in METHODS]
    return list(dict.fromkeys(cells))


def fill_tables(
    cells: list[Cell],
    experiments: Mapping[tuple[str, str], Experiment],
    data: Data,
    *,
    results: str | Path | None = None,
    precision: str = "auto",
) -> list[dict[str, Any]]:
    """Test trained networks on the test split by the protocols of all cells.

    Each network looks at the images once for each test scale and method. All cells are averages of
    these looks.

    Args:
        cells: see :func:`plan_tables`.
        experiments: trained networks by recipe and model, all on one device.
        data: whose test split is read; nothing is chosen by it.
        results: folder for the records; ``None`` writes none.
        precision: see :func:`~vgglib.machine.devices.choose_precision`.

    Returns:
        The record of each cell.

    Raises:
        ValueError: a network of a cell is missing.
        OSError: the folder cannot be written.
    """
    missing = [
        (cell.recipe, model)
        for cell in cells
        for model in cell.models
        if (cell.recipe, model) not in experiments
    ]
    if missing or not cells:
        raise ValueError(f"no trained network for the cell {missing[0]}" if missing else "no cells")
    device = next(next(iter(experiments.values())).model.parameters()).device
    precision = choose_precision(device, precision)
    looks: dict[tuple[str, str, Protocol], tuple[Tensor, float]] = {}

    def look(recipe: str, model: str, protocol: Protocol) -> tuple[Tensor, float]:
        key = (recipe, model, protocol)
        if key not in looks:
            experiment = experiments[recipe, model]
            start = time.perf_counter()
            probabilities = predict_by(
                protocol,
                experiment.model,
                data.test.images,
                experiment.preprocessing,
                precision=precision,
            )
            looks[key] = probabilities, time.perf_counter() - start
        return looks[key]

    records, fingerprint = [], data.pixel_fingerprint
    for cell in cells:
        protocol = cell.protocol
        methods = ("dense", "crops") if protocol.method == "both" else (protocol.method,)
        found = [
            look(cell.recipe, model, replace(protocol, scales=(scale,), method=method))
            for model in cell.models
            for scale in protocol.scales
            for method in methods
        ]
        probabilities = average_probabilities([p for p, _ in found])
        accuracy = top_k_accuracy(probabilities, data.test.labels.cpu()).tolist()
        first = experiments[cell.recipe, cell.models[0]].record
        networks = [experiments[cell.recipe, model] for model in cell.models]
        record = {
            "dataset": data.name,
            "data_fingerprint": fingerprint,
            "recipe": first["recipe"],
            "models": list(cell.models),
            "seed": first["seed"],
            "epochs": first["epochs"],
            "width": first["width"],
            "training_scale": list(first["settings"]["training_scale"]),
            "protocol": asdict(protocol),
            "top_k_accuracy": [round(value, 2) for value in accuracy],
            "test_images": len(data.test),
            "multiply_adds": sum(multiply_adds(protocol, n.model) for n in networks),
            "milliseconds_per_image": round(1000 * sum(s for _, s in found) / len(data.test), 3),
            "device": f"{device_name(device)}, {precision}",
            "torch": torch.__version__,
            "vgglib": package_version(),
        }
        if results is not None:
            write_test_record(results, record)
        records.append(record)
    return records


def write_test_record(folder: str | Path, record: dict[str, Any]) -> Path:
    """As :func:`~vgglib.records.write_record`; the name has networks, method and scales besides.

    Raises:
        ValueError: a field of :data:`TEST_FIELDS` is missing or has the wrong type, the protocol
            is none, or a value is none of JSON's.
        OSError: the folder cannot be written.
    """
    check_test_record(record, "the record")
    return write_json(Path(folder).expanduser() / test_record_name(record), record)


def test_record_name(record: Mapping[str, Any]) -> str:
    """The file name of a record of a test protocol."""
    protocol = Protocol(**record["protocol"])
    models = "+".join(map(str, record["models"]))
    run = run_name(record["dataset"], record["recipe"], models, record["epochs"], record["seed"])
    how = [protocol.method, "Q" + "_".join(map(str, protocol.scales))]
    if (protocol.grid, protocol.mirror) != (5, True):  # other than in the paper
        how.append(f"grid{protocol.grid}" + ("" if protocol.mirror else "-nomirror"))
    return f"{'-'.join([run, *how])}.json"


def check_test_record(record: Any, where: str) -> None:
    """Refuse what is no record of a test protocol.

    Raises:
        ValueError: as :func:`~vgglib.records.check_record`, or the protocol is none.
    """
    check_record(record, where, TEST_FIELDS)
    try:
        Protocol(**record["protocol"])
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: 'protocol' is none: {error}") from error


def read_test_records(*folders: str | Path) -> list[dict[str, Any]]:
    """All the records of test protocols in some folders, ordered by file name."""
    return read_json(folders, check_test_record, test_record_name)


#: Networks, training scale and protocol that an error belongs to.
Key = tuple[tuple[str, ...], tuple[int, int], Protocol]


def errors_by_seed(records: Sequence[Mapping[str, Any]]) -> list[dict[Key, float]]:
    """Top-1 errors in percent from the records of some data set, for each seed.

    Args:
        records: see :func:`read_test_records`; of one seed there is at most one record of a cell.

    Raises:
        ValueError: two records of one seed are of the same cell, of other epochs or widths.
    """
    found: dict[int, dict[Key, float]] = {}
    for record in records:
        protocol = Protocol(**record["protocol"])
        key = (tuple(record["models"]), tuple(record["training_scale"]), protocol)
        errors = found.setdefault(record["seed"], {})
        if key in errors:
            raise ValueError(
                f"two records of seed {record['seed']} are of {' + '.join(record['models'])},"
                f" S = {record['training_scale']}, {protocol}: expected those of one recipe, choose"
                " by epochs and width"
            )
        errors[key] = 100 - record["top_k_accuracy"][0]
    return [found[seed] for seed in sorted(found)]


def paper_errors() -> dict[Key, float]:
    """The same from the paper's tables."""
    return {(r.models, r.training_scale, r.protocol): r.top_1 for r in PAPER_ERRORS}


def conclusions(
    errors: Mapping[Key, float], deeper: Sequence[tuple[str, str]]
) -> dict[str, list[tuple[float, float]]]:
    """Six conclusions of the paper (sections 4.1 to 4.4), with the pairs of errors they are about.

    Args:
        errors: of the paper or of the miniature.
        deeper: pairs of networks, the shallower first.

    Returns:
        For each conclusion, pairs (error that should be lower, error that should be higher).
    """

    def find(models: tuple[str, ...], scale: tuple[int, int], count: int, method: str) -> float:
        """The error at three test scales, or at the middle one; NaN if nobody measured it."""
        return next(
            (
                error
                for (m, s, p), error in errors.items()
                if (m, s) == (models, scale)
                and (len(p.scales), p.method, p.grid, p.mirror) == (count, method, 5, True)
                and p.scales[len(p.scales) // 2] == sum(scale) // 2
            ),
            math.nan,
        )

    single = [m for m in dict.fromkeys(m for m, *_ in errors) if len(m) == 1]
    ensembles = [m for m in dict.fromkeys(m for m, *_ in errors) if len(m) > 1]
    scales = list(dict.fromkeys(s for _, s, _ in errors))
    fixed = [s for s in scales if s[0] == s[1]]
    jittered = next((s for s in scales if s[0] < s[1]), (0, 0))  # of no error if none is

    def both(models: tuple[str, ...]) -> float:
        return find(models, jittered, 3, "both")

    def lowest(of: Iterable[float]) -> float:
        """NaN where one of them is: `min` goes by their order."""
        found = list(of)
        return math.nan if any(map(math.isnan, found)) else min(found)

    pairs = {
        "jittering beats a fixed scale": [
            (find(m, jittered, 1, "dense"), find(m, s, 1, "dense")) for m in single for s in fixed
        ],
        "the deeper network is better": [
            (find((deep,), s, 1, "dense"), find((shallow,), s, 1, "dense"))
            for shallow, deep in deeper
            for s in scales
        ],
        "three test scales beat one": [
            (find(m, s, 3, "dense"), find(m, s, 1, "dense")) for m in single for s in scales
        ],
        "crops beat dense": [
            (find(m, jittered, 3, "crops"), find(m, jittered, 3, "dense")) for m in single
        ],
        "both together beat either": [
            (both(m), lowest(find(m, jittered, 3, how) for how in ("crops", "dense")))
            for m in single
        ],
        "an ensemble beats its best network": [
            (both(e), lowest(both((m,)) for m in e)) for e in ensembles
        ],
    }
    return {
        text: [pair for pair in found if not any(map(math.isnan, pair))]
        for text, found in pairs.items()
    }
