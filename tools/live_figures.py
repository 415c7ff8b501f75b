"""What the live figures of the website are made of: data, a trained network, pictures for who has
scripts off. All of it is computed at each build from `vgglib`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.colors import ListedColormap
from PIL import Image
from torch import Tensor

import vgglib
from tools.address import address
from tools.browser_network import export
from tools.settings import ROOT
from vgglib.colors import AXIS_COLORS, BLUE, GREEN, LAYER_COLORS, ORANGE, PALE, PINK, RED, SKY
from vgglib.data import Data
from vgglib.drawing import draw_volumes
from vgglib.evaluation import predict
from vgglib.figures import color_cloud, use_style
from vgglib.inspection import class_activation
from vgglib.published import POST_AXES, POST_VARIANCES, PUBLIC_TRAININGS
from vgglib.recipes import NETWORKS, SERIES, deeper
from vgglib.records import read_predictions, record_name
from vgglib.statistics import ChannelStatistics
from vgglib.trained import Trained, load_trained

#: Where esbuild is that web/package.json asks for.
ESBUILD = ROOT / "web" / "node_modules" / "esbuild" / "bin" / "esbuild"
#: Test images that are shown; all of them count for the accuracy.
SHOWN = 12
#: Side of the images that the networks of "Try it" get.
SIDE = 32
#: Where "Try it" looks for the evidence in a photograph: before the third pool the maps of ``slim``
#: are of 7x7; those before its last, of 3x3, hardly show a place.
PHOTOGRAPHS_POOL = 3
#: The color of each network in charts of trainings.
NETWORK_COLORS = {"I": BLUE, "II": GREEN, "III": RED, "slim": PINK, "wide": ORANGE}
RECIPE = replace(
    vgglib.RECIPES["quick"],
    name="website",
    epochs=8,
    batch_norm=True,
    dropout=0.0,
    schedule="one_cycle",
    warmup=0.2,
    translation=2,
)


def make_figures(folder: Path) -> None:
    """Write everything that the figures load into ``folder``, which is made.

    Raises:
        OSError: the folder cannot be written, npm's packages are not installed, or the scripts do
            not fit together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = vgglib.load_data("shapes")
    experiment = vgglib.run_experiment("I", data, RECIPE, device="cpu", progress=False)
    network = experiment.model.half().float().eval()  # as the browser gets it: weights of 16 bits
    probabilities = predict(network, data.test.images, experiment.test_transform)
    rows = probabilities.sort(dim=1, descending=True, stable=True).indices
    ranks = (rows == data.test.labels[:, None]).int().argmax(dim=1)
    shown = data.test.images[:SHOWN]
    with torch.no_grad():
        logits = network(experiment.test_transform(shown))
    statistics = vgglib.channel_statistics(data.train.images)
    components = statistics.pca()

    # A strip: picture after picture.
    strip = torch.cat(list(shown), dim=-1).permute(1, 2, 0)
    Image.fromarray(strip.numpy()).save(folder / "images.png")
    _write(
        folder / "predictions.json",
        {
            "classes": list(data.classes),
            "labels": data.test.labels[:SHOWN].tolist(),
            "probabilities": _rounded(probabilities[:SHOWN], 9),
            "logits": _rounded(logits, 6),
            "ranks": ranks.tolist(),
        },
    )
    colors = _colors(components.eigenvalues, components.eigenvectors)
    _write(folder / "pca.json", {"mean": _rounded(statistics.mean, 9), **colors})
    write_palette(folder)
    _write(folder / "configurations.json", configurations())
    records = vgglib.read_records(ROOT / "results")
    found = trainings(records)
    _write(folder / "trainings.json", found)
    right = (ranks == 0).double().mean().item()
    shapes = {
        "about": "A network I at a quarter of its width was trained on drawn shapes when this site"
        f" was built, for {RECIPE.epochs} epochs, and is right in {100 * right:.1f} % of its test"
        " images.",
        "first": "as they were learned",
        "test": "the built-in data set",
        "colors": colors,
        "sure": how_often_right(probabilities, data.test.labels),
    }
    mean = statistics.mean.tolist()
    trained = load_trained("slim")
    offered = {
        "photographs": photographs(trained, records, folder),
        "shapes": shapes | offer(network, data.classes, mean, 3, folder / "shapes.onnx"),
    }
    _write(folder / "networks.json", offered)
    shutil.copy(ROOT / "assets" / "pictures" / "credits.json", folder)
    with matplotlib.rc_context():
        use_style()
        _draw_static(folder, data, ranks, statistics)
        _draw_trainings(folder, found)
        _draw_first_look(trained, folder)
    bundle(ROOT / "web" / "figures", folder)


def photographs(trained: Trained, records: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """What "Try it" tells of a network that the book has trained on CIFAR-10, which is exported.

    Args:
        trained: the network.
        records: those of the book.
        folder: where its file goes.

    Raises:
        OSError: its record or its predictions are not there.
    """
    record = next((r for r in records if record_name(r) == trained.record), None)
    if record is None:
        raise OSError(f"there is no record {trained.record}: make accuracy writes it")
    predictions = read_predictions(record, ROOT / "results")
    if predictions is None:
        raise OSError(f"there are no predictions of {trained.record}: make accuracy writes them")
    network, mean = trained.model, trained.transform.mean
    return {
        "about": f"{record['model'].capitalize()}, a small network in VGG's manner,"
        " was trained on CIFAR-10 for this book. It is right in"
        f" {record['top_k_accuracy'][0]:.1f} % of the {len(predictions[1]):,} test images.",
        "first": "not learned, but computed from the images, each also with the opposite sign",
        "test": "CIFAR-10",
        "colors": _colors(POST_VARIANCES, POST_AXES),
        "sure": how_often_right(*predictions),
        **offer(network, trained.classes, mean, PHOTOGRAPHS_POOL, folder / "photographs.onnx"),
    }


def offer(
    network: vgglib.VGG, classes: Sequence[str], mean: Sequence[float], pool: int, path: Path
) -> dict[str, Any]:
    """What the page must know of a network, which is written to ``path``.

    Args:
        network: in evaluation mode.
        classes: their names.
        mean: what is subtracted from the colors.
        pool: see :class:`~tools.browser_network.ForBrowser`.
        path: of the ONNX file.
    """
    export(network, path, pool)
    return {
        "file": path.name,
        "bytes": path.stat().st_size,
        "classes": list(classes),
        "mean": [round(value, 9) for value in mean],
        "filters": _rounded(network.features[0].conv1.weight.flatten(1), 4),
    }


def how_often_right(probabilities: Tensor, labels: Tensor) -> list[dict[str, float]]:
    """How sure a network was of its answers to test images, and how often it was right then.

    Args:
        probabilities: (N, classes).
        labels: the true classes, (N,).

    Returns:
        Ranges of the largest probability, ``above`` to ``to``, with how many images there are and
        how many were right; together they have all images.
    """
    confidence, named = probabilities.double().max(dim=1)
    right = named == labels
    found = []
    for above, to in pairwise((0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1)):
        inside = (confidence > above) & (confidence <= to)
        counts = {"images": int(inside.sum()), "right": int(right[inside].sum())}
        found.append({"above": above, "to": to, **counts})
    return found


def _colors(variances: Tensor, axes: Tensor) -> dict[str, Any]:
    return {"eigenvalues": _rounded(variances, 9), "eigenvectors": _rounded(axes, 9)}


def bundle(scripts: Path, folder: Path) -> None:
    """Put the scripts, with the data and the pictures that they import, into ``figures.js``.

    A browser refuses modules, and what a script would fetch, to a page that is opened from disk. So
    this is one classic script that holds all but the network.

    Args:
        scripts: the folder of ``main.js`` and ``figures.css``.
        folder: where the data lies, and where the script and the style sheet go.

    Raises:
        OSError: npm's packages are not installed, or the scripts do not fit together; esbuild has
            said how.
    """
    if not ESBUILD.exists():
        raise OSError(f"there is no {ESBUILD}: `make book` installs it, or: npm ci --prefix web")
    with tempfile.TemporaryDirectory() as together:
        for origin in (folder, scripts):  # an import names a file beside the script
            shutil.copytree(origin, together, dirs_exist_ok=True)
        command = [str(ESBUILD), "main.js", "--bundle", "--format=iife", "--minify"]
        command += ["--loader:.png=dataurl", "--charset=utf8", "--log-level=warning"]
        command += ["--legal-comments=none", f"--outfile={folder.resolve() / 'figures.js'}"]
        # Node.js, with which esbuild starts, is beside the Python of the environment.
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
        done = subprocess.run(command, cwd=together, env={**os.environ, "PATH": path})
        if done.returncode:
            raise OSError("the scripts of the live figures do not fit together: see above")
    shutil.copy(scripts / "figures.css", folder)


def write_palette(folder: Path) -> None:
    """Write the palette for style sheets and scripts."""
    layers = {"conv": "conv", "maxpool": "pool", "FC": "fc"}
    lines = [f"  --{layers[kind]}: {color};" for kind, color in LAYER_COLORS.items()]
    style = "[data-figure] {\n" + "\n".join(lines) + "\n}\n"
    (folder / "palette.css").write_text(style, encoding="utf-8")
    colors = {"axes": list(AXIS_COLORS), "networks": NETWORK_COLORS, "pair": [BLUE, ORANGE]}
    _write(folder / "palette.json", colors)


def configurations() -> dict[str, Any]:
    """The configurations that the figure can show: plain stacks, without the normalizations."""
    found = {}
    for name, configuration in vgglib.CONFIGURATIONS.items():
        layers = [layer for stack in configuration.conv_stacks for layer in stack]
        if any(set(layer) - {"out_channels", "layers", "kernel_size"} for layer in layers):
            continue
        found[name] = {
            "image": configuration.image_size,
            "stacks": [
                [
                    {"channels": layer["out_channels"], "kernel": layer.get("kernel_size", 3)}
                    for layer in stack
                    for _ in range(layer.get("layers", 1))
                ]
                for stack in configuration.conv_stacks
            ],
            "connected": [
                layer["out_features"]
                for layer in configuration.linear
                for _ in range(layer.get("layers", 1))
            ],
        }
    return found


def drops(record: dict[str, Any]) -> list[int]:
    """The first epochs, from 1, with a lower rate than before, where a plateau lowers it."""
    rates = record["history"]["learning_rate"]
    if record.get("settings", {}).get("schedule") != "plateau":
        return []
    return [epoch for epoch, pair in enumerate(pairwise(rates), start=2) if pair[1] < pair[0]]


def trainings(records: list[dict[str, Any]]) -> dict[str, Any]:
    """What the charts of trainings show: each record, and others' trainings.

    Args:
        records: see :func:`vgglib.read_records`.
    """
    series = {r.name: key for key, recipes in SERIES.items() for r in recipes.values()}
    known = {r.name: r for recipes in SERIES.values() for r in recipes.values()}

    def leads_to(start: dict[str, Any], record: dict[str, Any]) -> bool:
        """Whether a training is as long as that whose network goes on in another."""
        epochs, recipe = start["epochs"], known[start["recipe"]]
        if start["start"] == "random weights":
            epochs = deeper(recipe.shortened(epochs)).epochs
        return epochs == record["epochs"]

    def pflop(record: dict[str, Any]) -> float:
        """Of a training and of those that its start took: the last that fits, of the same seed."""
        total = record["training_pflop"]
        names = list(NETWORKS.get(record["recipe"], ()))
        if record["start"] != "random weights" and record["model"] in names:
            before = names[names.index(record["model"]) - 1]
            same = ("dataset", "recipe", "seed")
            starts = [
                r
                for r in records
                if r["model"] == before and all(r[key] == record[key] for key in same)
            ]
            starts = [r for r in starts if leads_to(r, record)] or starts
            total += pflop(starts[-1]) if starts else 0.0
        return total

    own = [
        {
            "file": record_name(record),
            "data": record["dataset"],
            "series": series.get(record["recipe"], record["recipe"]),
            "recipe": record["recipe"],
            "network": record["model"],
            "epochs": record["epochs"],
            "seed": record["seed"],
            "top1": record["top_k_accuracy"][0],
            "pflop": float(f"{pflop(record):.4g}"),
            "accuracies": record["history"]["validation_top_1"],
            "rates": record["history"]["learning_rate"],
            "drops": drops(record),
        }
        for record in records
    ]
    return {
        "address": address(),
        "own": sorted(own, key=lambda training: (training["data"] != "cifar10", training["file"])),
        "others": [
            {"name": name, "top1": top_1, "pflop": cost}
            for name, (top_1, cost) in PUBLIC_TRAININGS.items()
        ],
    }


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def _rounded(values: Tensor, digits: int) -> Any:
    return [_rounded(v, digits) for v in values] if values.dim() else round(values.item(), digits)


def _save(path: Path) -> None:
    plt.savefig(path, dpi=110, pil_kwargs={"lossless": True, "method": 6})
    plt.close("all")


def _draw_static(folder: Path, data: Data, ranks: Tensor, statistics: ChannelStatistics) -> None:
    """What stands in the place of a figure where scripts are off."""
    figure, axis = plt.subplots(figsize=(7, 2.2))
    for level in range(3):
        for x in range(-5, 6):
            seen = abs(x) <= 2 - level
            color = (RED if level == 0 else SKY) if seen else PALE
            axis.add_patch(plt.Rectangle((x + 0.05, level + 0.05), 0.9, 0.7, color=color))
        what = f"layer {level}" if level else "image"
        axis.text(6.2, level + 0.3, f"{what}: {5 - 2 * level} px")
    axis.set(xlim=(-5.2, 9.5), ylim=(0, 3))
    axis.axis("off")
    _save(folder / "receptive_field.webp")

    (folder / "configurations.svg").write_text(draw_volumes(vgglib.trace("D")).svg)

    color_cloud(data.train.images, statistics.pca(), statistics.mean)
    _save(folder / "color_shift.webp")

    figure, axis = plt.subplots(figsize=(5, 2.8))
    ks = range(1, data.num_classes + 1)
    axis.plot(ks, [100 * (ranks < k).double().mean().item() for k in ks], "o-", color=BLUE)
    axis.set(xlabel="k", ylabel="top-k accuracy, percent", ylim=(0, 102))
    _save(folder / "top_k.webp")


def _draw_trainings(folder: Path, found: dict[str, Any]) -> None:
    """The charts of trainings where scripts are off."""
    own = [training for training in found["own"] if training["data"] == "cifar10"]
    figure, axis = plt.subplots(figsize=(6.5, 3.6))
    for network, color in NETWORK_COLORS.items():
        points = [t for t in own if t["network"] == network]
        costs, accuracies = [t["pflop"] for t in points], [t["top1"] for t in points]
        axis.semilogx(costs, accuracies, "o", color=color, label=network, markersize=4)
    for training in found["others"]:
        axis.semilogx(training["pflop"], training["top1"], "k*")
    axis.set(xlabel="PFLOP of the training", ylabel="test top-1, percent")
    axis.legend()
    _save(folder / "trainings.webp")

    figure, axis = plt.subplots(figsize=(6.5, 2.8))
    pair = [t for t in own if (t["recipe"], t["network"]) == ("classic", "I")][:2]
    for training, color in zip(pair, (BLUE, ORANGE), strict=False):
        epochs = range(1, len(training["accuracies"]) + 1)
        axis.plot(
            epochs, training["accuracies"], "o-", color=color, label=f"seed {training['seed']}"
        )
    axis.set(xlabel="epoch", ylabel="validation top-1, percent")
    axis.legend()
    _save(folder / "replay.webp")


def middle(picture: Image.Image, share: float = 1.0) -> Tensor:
    """What "Try it" gives the network of a picture at first: the square in its middle, small.

    As its script computes it: each pixel is the mean of the area that it covers, also where that
    is a part of a pixel. Pillow's box counts such pixels whole or not at all.

    Args:
        picture: in color.
        share: side of the square as a part of the shorter side of the picture.

    Returns:
        In [0, 1], shape (3, SIDE, SIDE).
    """
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).double() / 255
    side = share * min(picture.size)
    down, across = (_areas((n - side) / 2, side, n) for n in pixels.shape[1:])
    return (down @ pixels @ across.T).float()


def _areas(start: float, length: float, pixels: int) -> Tensor:
    """How much each of SIDE equal parts of a length has of each pixel; every row adds up to 1."""
    edges = start + length * torch.arange(SIDE + 1, dtype=torch.float64) / SIDE
    pixel = torch.arange(pixels)
    touched = torch.minimum(edges[1:, None], pixel + 1) - torch.maximum(edges[:-1, None], pixel)
    return touched.clamp(min=0) * SIDE / length


def _draw_first_look(trained: Trained, folder: Path) -> None:
    """The network for photographs at work on one, for the first page."""
    picture = Image.open(ROOT / "assets" / "pictures" / "duck.webp").convert("RGB")
    small = middle(picture)
    image = small[None]
    (probabilities,) = predict(trained.model, image, trained.transform)
    best = probabilities.topk(5)
    (heat,) = class_activation(
        trained.model, trained.transform(image), best.indices[:1], pool=PHOTOGRAPHS_POOL
    )

    figure, axes = plt.subplots(1, 4, figsize=(7.5, 2.1), width_ratios=[1.06, 1, 1, 1.5])
    axes[0].imshow(picture)
    axes[0].set_title("a photograph")
    axes[1].imshow(small.permute(1, 2, 0))
    axes[1].set_title("what it gets")
    axes[2].imshow(small.mean(dim=0), cmap="gray", vmin=0, vmax=1)
    axes[2].imshow(np.ones((SIDE, SIDE)), cmap=ListedColormap([ORANGE]), alpha=0.85 * heat.numpy())
    axes[2].set_title(f"evidence for {trained.classes[best.indices[0]]}")
    for axis in axes[:3]:
        axis.axis("off")
    names = [trained.classes[label] for label in best.indices.tolist()]
    bars = axes[3].barh(names, (100 * best.values).tolist(), color=SKY)
    axes[3].bar_label(bars, fmt="%.0f %%", padding=2)
    axes[3].invert_yaxis()
    axes[3].set(xlim=(0, 100), xticks=[], title="how sure it is")
    axes[3].spines[["bottom", "left"]].set_visible(False)
    axes[3].tick_params(length=0)
    axes[3].grid(visible=False)
    _save(folder / "first_look.webp")
