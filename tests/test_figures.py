"""Figures and tables: drawn without a warning, shown once, and left closed."""

import ast
import inspect
import warnings

import matplotlib
import pytest
import torch

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from matplotlib import collections

import vgglib
from vgglib import figures
from vgglib.statistics import channel_statistics

HISTORY = {
    "train_loss": [2.3, 1.2, 0.7],
    "validation_loss": [2.2, 1.1, 0.9],
    "validation_top_1": [12.0, 60.0, 71.0],
    "learning_rate": [0.01, 0.01, 0.001],
}


@pytest.fixture(autouse=True)
def style():
    """The notebooks' style, any warning as an error, and no figure left over by the test."""
    with plt.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.use_style()
        yield
    left = plt.get_fignums()
    plt.close("all")
    assert not left


@pytest.fixture
def shown(monkeypatch):
    """What is shown: drawn as it would be and closed, as a notebook does."""
    seen = []

    def show():
        (number,) = plt.get_fignums()
        figure = plt.figure(number)
        figure.canvas.draw()
        seen.append(figure)
        plt.close(figure)

    monkeypatch.setattr(plt, "show", show)
    return seen


@pytest.fixture
def images():
    return torch.randint(0, 256, (7, 3, 8, 8), dtype=torch.uint8)


# --------------------------------------------------------------------------------------------------
# Figures
# --------------------------------------------------------------------------------------------------


def test_images_are_shown_as_they_are(shown, images):
    figures.show_images(images, [f"image\n{i}" for i in range(7)], columns=3, row_labels="abc")
    (figure,) = shown
    assert len(figure.axes) == 9
    for i, axis in enumerate(figure.axes[:7]):
        expected = images[i].permute(1, 2, 0).numpy() / 255
        assert abs(axis.images[0].get_array() - expected).max() < 1e-6
        assert axis.get_title() == f"image\n{i}"
    assert [not axis.images for axis in figure.axes[7:]] == [True, True]
    assert [figure.axes[i].get_ylabel() for i in (0, 3, 6)] == ["a", "b", "c"]


def test_images_are_shown_with_their_mean_added_again(shown, images):
    mean = torch.tensor([0.4, 0.5, 0.6])
    preprocessed = images.float() / 255 - mean[:, None, None]
    figures.show_images(preprocessed, offset=mean)
    expected = images[0].permute(1, 2, 0).numpy() / 255
    assert abs(shown[0].axes[0].images[0].get_array() - expected).max() < 1e-6
    assert len(shown[0].axes) == 7  # no more columns than images


def test_pixels_outside_the_range_are_clipped(shown, images):
    figures.show_images(images.float() / 255 * 3 - 1)
    array = shown[0].axes[0].images[0].get_array()
    assert array.min() == 0 and array.max() == 1


def test_histograms_have_a_panel_for_each_version_and_a_curve_for_each_channel(shown, images):
    figures.plot_channel_histograms({"before": images, "after": images[0].float() / 255 - 0.5})
    (figure,) = shown
    assert [axis.get_title() for axis in figure.axes] == ["before", "after"]
    for axis, pixels in zip(figure.axes, (images / 255, images[:1] / 255 - 0.5), strict=True):
        assert len(axis.patches) == 3
        for curve, line, channel in zip(axis.patches, axis.lines, range(3), strict=True):
            counts, edges, _ = curve.get_data()
            assert (counts * (edges[1:] - edges[:-1])).sum() == pytest.approx(1, rel=1e-4)
            assert line.get_xdata()[0] == pytest.approx(pixels[:, channel].mean().item(), abs=1e-4)


def test_the_color_cloud_has_its_axes_two_deviations_long(shown, images):
    statistics = channel_statistics(images)
    components = statistics.pca()
    figures.plot_color_cloud(images, components, statistics.mean, points=50)
    (axis,) = shown[0].axes
    (cloud,) = (c for c in axis.collections if isinstance(c, collections.PathCollection))
    assert len(cloud.get_facecolors()) == 50
    for i, line in enumerate(axis.lines):
        ends = torch.tensor([x.tolist() for x in line.get_data_3d()], dtype=torch.float64).T
        assert torch.allclose(ends.mean(dim=0), statistics.mean, atol=1e-6)
        length = (ends[1] - ends[0]).norm().item()
        assert length == pytest.approx(4 * components.eigenvalues[i].sqrt().item(), rel=1e-5)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_histories_are_drawn_epoch_by_epoch(shown, count):
    figures.plot_histories({f"run {i}": HISTORY for i in range(count)})
    loss, accuracy, rate = shown[0].axes
    assert len(loss.lines) == 2 * count
    assert accuracy.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert accuracy.lines[0].get_ydata().tolist() == HISTORY["validation_top_1"]
    assert rate.get_yscale() == "log"
    assert len(shown[0].legends[0].get_texts()) == count
    assert all(tick == int(tick) for tick in accuracy.get_xticks())


def test_a_confusion_matrix_is_in_percent_of_the_row(shown):
    matrix = torch.tensor([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    figures.plot_confusion(matrix, ["cat", "dog", "eel"])
    (axis,) = shown[0].axes
    assert axis.images[0].get_array().tolist() == [[75, 25, 0], [0, 100, 0], [0, 0, 0]]
    written = {(text.get_position(), text.get_text()) for text in axis.texts}
    assert written == {((0, 0), "75"), ((1, 0), "25"), ((1, 1), "100")}
    assert [label.get_text() for label in axis.get_yticklabels()] == ["cat", "dog", "eel"]


def test_bars_have_the_spread_of_their_values():
    figure, axis = plt.subplots()
    figures.bars_with_spread(axis, {"one": [80.0], "three": [70.0, 72.0, 74.0]})
    figure.canvas.draw()
    assert [bar.get_height() for bar in axis.patches] == [80, 72]
    (error,) = [c for c in axis.collections if isinstance(c, collections.LineCollection)]
    assert error.get_segments()[0][:, 1].tolist() == [70, 74]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["one", "three"]
    plt.close(figure)


# --------------------------------------------------------------------------------------------------
# Tables and code
# --------------------------------------------------------------------------------------------------


def test_numbers_are_set_to_the_right_and_words_to_the_left():
    header = ["model", "top-1", "images", "change", "note"]
    rows = [["I", 86.7, "45,000", "+0.3", "2 seeds"], ["II", "89.1 ± 0.4", 45, "-1", "no"]]
    assert figures.table(header, rows).data.splitlines() == [
        "| model | top-1 | images | change | note |",
        "| :--- | ---: | ---: | ---: | :--- |",
        "| I | 86.7 | 45,000 | +0.3 | 2 seeds |",
        "| II | 89.1\u00a0±\u00a00.4 | 45 | -1 | no |",  # does not break at the sign
    ]


@pytest.mark.parametrize("cell", ["about 3", "III"])
def test_one_word_sets_a_column_to_the_left(cell):
    assert ":---" in figures.table(["a"], [[1], [cell]]).data.splitlines()[1].split()


@pytest.mark.parametrize("cell", ["", "-"])
def test_what_is_missing_leaves_a_column_of_numbers_at_the_right(cell):
    assert "---:" in figures.table(["a"], [[1], [cell]]).data.splitlines()[1].split()
    assert ":---" in figures.table(["a"], [[cell], [cell]]).data.splitlines()[1].split()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([86.66], "86.7"),
        ([70.0, 72.0, 74.0], "72.0 ± 2.0"),
        ([1, 2], "1.5 ± 0.7"),
    ],
)
def test_mean_and_spread(values, text):
    assert figures.mean_and_spread(values) == text


def test_mean_and_spread_have_the_digits_asked_for():
    assert figures.mean_and_spread([1.0, 2.0], digits=3) == "1.500 ± 0.707"
    assert figures.mean_and_spread([1.0], digits=0) == "1"


def test_differences_have_a_sign():
    assert figures.mean_and_spread([1.0, 2.0], signed=True) == "+1.5 ± 0.7"
    assert figures.mean_and_spread([-1.0, -2.0], signed=True) == "-1.5 ± 0.7"
    assert figures.mean_and_spread([-0.01], signed=True) == "0.0"


SHOWN = [
    getattr(vgglib, name)
    for name in vgglib.__all__
    if inspect.isfunction(getattr(vgglib, name)) or inspect.isclass(getattr(vgglib, name))
]


@pytest.mark.parametrize("thing", SHOWN, ids=lambda thing: thing.__name__)
def test_shown_code_is_the_package_s_without_docstrings(thing):
    text = figures.show_source(thing).data
    assert text.startswith("```python\n") and text.endswith("\n```")
    code = text.removeprefix("```python\n").removesuffix("\n```")
    compile(code, "shown", "exec")
    (shown,), (whole,) = (ast.parse(c).body for c in (code, inspect.getsource(thing)))
    assert shown.name == thing.__name__
    for node in ast.walk(whole):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node):
            del node.body[0]
    assert ast.dump(shown) == ast.dump(whole)


class OnlyWords:
    """A class that would be none without its docstring."""

    def method(self):
        """Nor would a method."""


def test_a_method_is_shown_at_the_margin():
    assert figures.show_source(figures.PCA.for_white).data.startswith("```python\ndef for_white(")


def test_a_body_that_is_a_docstring_alone_is_kept():
    code = figures.show_source(OnlyWords).data
    assert "would be none" not in code and "Nor would a method" in code
    compile(code.removeprefix("```python\n").removesuffix("\n```"), "shown", "exec")


def test_gray_images_and_a_history_without_validation_are_drawn(shown, images):
    gray = images[:, :1]
    figures.show_images(gray)
    assert shown[0].axes[0].images[0].get_cmap().name == "gray"
    figures.plot_channel_histograms({"gray": gray})
    assert len(shown[1].axes[0].patches) == 1
    nothing = {"validation_loss": [None] * 3, "validation_top_1": [None] * 3}
    figures.plot_histories({"fast": HISTORY | nothing})
    with pytest.raises(ValueError, match="needs RGB images, got 1 channels"):
        figures.color_cloud(gray, channel_statistics(images).pca(), torch.zeros(3))
