"""Figures and tables of the notebooks, in one visual language. Nothing here computes a result.

Backgrounds are opaque white, so that a figure reads the same on a light and on a dark page. The
palette is in :mod:`vgglib.colors`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from IPython.display import Markdown
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from torch import Tensor

from vgglib.checks import check_tensors
from vgglib.colors import (
    AXIS_COLORS,
    BLACK,
    CHANNEL_COLORS,
    COLORS,
    PALE,
    SKY,
)
from vgglib.statistics import PCA

LINE_STYLES = ("-", "--", "-.", ":")


def use_style() -> None:
    """Set matplotlib's defaults for the notebooks."""
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=COLORS),
            "axes.axisbelow": True,  # grids under bars and lines
            "axes.grid": True,
            "grid.color": PALE,
            "image.cmap": "Blues",
            "legend.frameon": False,
            "lines.linewidth": 1.8,
        }
    )


def _unit_scale(pixels: Tensor) -> Tensor:
    """float32 on the [0, 1] scale: bytes are divided by 255, floats are on it already."""
    check_tensors(images=pixels)
    pixels = pixels.cpu()  # which draws
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()


def show_images(
    images: Tensor,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 10,
    offset: Tensor | Sequence[float] | None = None,
    width: float = 7.0,
    row_labels: Sequence[str] | None = None,
) -> None:
    """Draw a batch of images as a grid.

    Args:
        images: (N, channels, H, W), three channels or one, which is drawn gray; uint8 in 0..255 or
            float on the [0, 1] scale.
        titles: a caption for each image.
        columns: images in a row.
        offset: added before drawing, on the [0, 1] scale: the mean that was subtracted.
        width: of the figure, in inches.
        row_labels: written left of each row.

    Raises:
        ValueError: there are no images.
    """
    pixels = _unit_scale(images)
    if not len(pixels):
        raise ValueError("there is no image to show: expected one or more")
    if offset is not None:
        pixels = pixels + torch.as_tensor(offset, dtype=torch.float32, device="cpu")[:, None, None]
    pixels = pixels.clamp(0, 1).permute(0, 2, 3, 1).numpy()
    columns = min(columns, len(pixels))
    rows = -(-len(pixels) // columns)
    cell = width / columns
    height = rows * (cell + (0.25 * (1 + max(t.count("\n") for t in titles)) if titles else 0.04))
    _, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for i, axis in enumerate(axes.flat):
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
        axis.spines[:].set_visible(False)
        if i < len(pixels):
            axis.imshow(pixels[i], interpolation="nearest", cmap="gray", vmin=0, vmax=1)
            if titles:
                axis.set_title(titles[i], fontsize=10)
        if row_labels and i % columns == 0:
            axis.set_ylabel(row_labels[i // columns], fontsize=10)
    plt.show()


def plot_channel_histograms(images: Mapping[str, Tensor], bins: int = 64) -> None:
    """A histogram of each channel, for each of several versions of an image or a batch, as panels.

    Args:
        images: title mapped to pixels (..., C, H, W), uint8 in 0..255 or float; one channel is
            drawn black, three in their colors.
        bins: of each histogram.
    """
    _, axes = plt.subplots(1, len(images), figsize=(7.5, 2.8), squeeze=False, sharey=True)
    for axis, (title, pixels) in zip(axes[0], images.items(), strict=True):
        pixels = _unit_scale(pixels)
        low, high = pixels.min().item(), pixels.max().item()
        colors = CHANNEL_COLORS if pixels.shape[-3] == 3 else {"gray": BLACK}
        for channel, (name, color) in enumerate(colors.items()):
            values = pixels.movedim(-3, 0)[channel].flatten()
            style = LINE_STYLES[channel]
            counts, edges = torch.histogram(values, bins=bins, range=(low, high), density=True)
            axis.stairs(counts, edges, label=name, color=color, linestyle=style, linewidth=1.6)
            axis.axvline(values.mean().item(), color=color, linestyle=style, linewidth=0.8)
        axis.set(title=title, xlabel="value ([0, 1] scale)")
    axes[0, 0].set_ylabel("density")
    axes[0, 0].legend()
    plt.show()


def plot_color_cloud(images: Tensor, components: PCA, mean: Tensor, points: int = 3000) -> None:
    """Show :func:`color_cloud`."""
    color_cloud(images, components, mean, points)
    plt.show()


def color_cloud(images: Tensor, components: PCA, mean: Tensor, points: int = 3000) -> Figure:
    """RGB values of random pixels as a cloud, with the principal axes two deviations long each way.

    Args:
        images: (N, 3, H, W), uint8.
        components: on the [0, 1] scale.
        mean: shape (3,), on the [0, 1] scale.
        points: pixels drawn.

    Raises:
        ValueError: the images have not three channels.
    """
    if images.shape[1] != 3:
        raise ValueError(f"a cloud of colors needs RGB images, got {images.shape[1]} channels")
    pixels = images.movedim(1, -1).reshape(-1, 3)
    chosen = torch.randint(len(pixels), (points,), generator=torch.Generator().manual_seed(0))
    rgb = _unit_scale(pixels[chosen])
    figure = plt.figure(figsize=(6, 4.8))
    # In the order of drawing: the axes lie within the cloud, and would be hidden.
    axis = figure.add_subplot(projection="3d", computed_zorder=False)
    axis.scatter(*rgb.T.numpy(), c=rgb.numpy(), s=6, depthshade=False, linewidths=0)
    for i in range(3):
        arm = 2 * components.eigenvalues[i].sqrt() * components.eigenvectors[:, i]
        ends = torch.stack([mean - arm, mean + arm])
        axis.plot(*ends.T.numpy(), color=AXIS_COLORS[i], linewidth=3, label=f"component {i + 1}")
    for name, channel in zip("xyz", CHANNEL_COLORS, strict=True):
        own = {f"{name}lim": (0, 1), f"{name}ticks": (0, 0.5, 1)}
        axis.set(**own)
        getattr(axis, f"set_{name}label")(channel, labelpad=8)
    axis.view_init(elev=22, azim=-60)
    axis.set_box_aspect(None, zoom=0.9)
    axis.legend(loc="upper left")
    return figure


def plot_histories(histories: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """Loss, accuracy and learning rate of some trainings, epoch by epoch.

    Args:
        histories: a label mapped to the history of a record or of a ``Training``; one without
            validation has no such line.
    """
    layout = [["loss", "accuracy"], ["rate", "rate"]]
    figure, axes = plt.subplot_mosaic(layout, figsize=(7.5, 5.2), height_ratios=(2.2, 1))
    for i, (label, history) in enumerate(histories.items()):
        epochs = range(1, len(history["train_loss"]) + 1)
        color = COLORS[i % len(COLORS)]
        # Lines of equal rates would hide each other: the first are the wider ones.
        rate = {"linewidth": 1.5 * min(3, len(histories) - i), "drawstyle": "steps-mid"}
        axes["loss"].plot(epochs, history["train_loss"], color=color, linestyle="--")
        axes["loss"].plot(epochs, history["validation_loss"], color=color, label=label)
        axes["accuracy"].plot(epochs, history["validation_top_1"], color=color, label=label)
        axes["rate"].plot(epochs, history["learning_rate"], color=color, **rate)
    axes["loss"].set(title="loss (dashed: training)", ylabel="nats", ylim=(0, None))
    axes["accuracy"].set(title="top-1, validation", ylabel="percent")
    axes["rate"].set(title="learning rate", yscale="log")
    axes["rate"].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))  # a plan is often one decade
    axes["rate"].yaxis.set_major_formatter("{x:g}")
    axes["rate"].yaxis.set_minor_formatter("")
    for axis in axes.values():
        axis.set_xlabel("epoch")
        axis.xaxis.get_major_locator().set_params(integer=True)
    handles = axes["loss"].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=3)
    plt.show()


def plot_confusion(matrix: Tensor, classes: Sequence[str]) -> None:
    """A confusion matrix: rows are true classes, columns predictions, in percent of the row."""
    check_tensors(matrix=matrix)
    matrix = matrix.cpu()
    percent = 100 * matrix.double() / matrix.sum(dim=1, keepdim=True).clamp(min=1)
    _, axis = plt.subplots(figsize=(6.4, 5.6))
    axis.imshow(percent.numpy(), vmin=0, vmax=100)
    axis.grid(False)
    axis.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="predicted class", ylabel="true class")
    for row in range(len(classes)):
        for column in range(len(classes)):
            value = percent[row, column].item()
            if value > 0.5:
                color = "white" if value > 55 else "black"
                axis.text(
                    column, row, f"{value:.0f}", ha="center", va="center", color=color, fontsize=9
                )
    plt.show()


def bars_with_spread(axis: Axes, values: Mapping[str, Sequence[float]]) -> None:
    """For each label, the mean of its values as a bar, and the values as points if there are more.

    With more than one value, a line spans one standard deviation each way.
    """
    for i, (_, numbers) in enumerate(values.items()):
        numbers = torch.tensor(numbers, dtype=torch.float64)
        spread = numbers.std().item() if len(numbers) > 1 else None
        axis.bar(i, numbers.mean().item(), yerr=spread, color=SKY, capsize=5, width=0.6)
        if len(numbers) > 1:
            axis.plot([i] * len(numbers), numbers.tolist(), "o", color=BLACK, markersize=4)
    axis.set_xticks(range(len(values)), list(values))
    axis.grid(axis="x", visible=False)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> Markdown:
    """A table that the website, Colab and GitHub all set as one.

    Args:
        header: of each column.
        rows: cells; columns whose cells all look like numbers, but for those that are empty or a
            dash, are set to the right.
    """
    cells = [[str(cell).replace(" ± ", "\u00a0±\u00a0") for cell in row] for row in rows]
    columns = [[row[i] for row in cells if row[i] not in ("", "-")] for i in range(len(header))]
    numeric = [
        bool(column)
        and all(any(c.isdigit() for c in cell) and cell[:1] in "-+0123456789" for cell in column)
        for column in columns
    ]
    lines = [
        [str(name) for name in header],
        ["---:" if number else ":---" for number in numeric],
        *cells,
    ]
    return Markdown("\n".join("| " + " | ".join(line) + " |" for line in lines))


def mean_and_spread(values: Sequence[float], digits: int = 1, signed: bool = False) -> str:
    """``"86.7 ± 0.4"``: mean and standard deviation over seeds, ``"86.7"`` for a single one.

    ``signed`` gives positive means a plus, and nothing a sign, as differences want it.
    """
    numbers = torch.tensor(values, dtype=torch.float64)
    mean = round(numbers.mean().item(), digits) + 0.0  # not -0.0
    text = f"{mean:{'+' if signed and mean else ''}.{digits}f}"
    return f"{text} ± {numbers.std():.{digits}f}" if len(values) > 1 else text


def show_source(thing: Any) -> Markdown:
    """The code of a function or class of this package, without its docstrings.

    What a chapter shows is then what it runs.
    """
    source = textwrap.dedent(inspect.getsource(thing))
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            if len(node.body) == 1:  # without it there would be no body
                continue
            docstring = node.body[0]
            for number in range(docstring.lineno - 1, docstring.end_lineno):
                lines[number] = None
    kept = "\n".join(line for line in lines if line is not None)
    return Markdown(f"```python\n{kept}\n```")
