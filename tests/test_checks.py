"""Settings are refused where they are written, by name and value."""

import ast
import math
import re

import numpy as np
import pytest
import torch

from tools.chapters import chapters, read, tags
from vgglib import figures, top_k_accuracy, vgg
from vgglib.checks import check_int, check_number, check_parameters
from vgglib.data import SOURCES, stratified_mask
from vgglib.inspection import activations, class_activation, nearest_neighbors, preferred_images
from vgglib.protocols import Protocol, predict_by
from vgglib.statistics import whitening_filters


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PROFILE", "Full", '"quick" or "full"'),
        ("EPOCHS", "1e1", "a whole number of 1 or more without quotes, or None"),
        ("EPOCHS", 0, "a whole number of 1 or more"),
        ("EPOCHS", True, "a whole number"),
        ("SEED", "0", "a whole number of 0 or more, without quotes"),
        ("SEED", -1, "a whole number of 0 or more"),
        ("RESULTS", 3, "the name of a folder, in quotes"),
        ("CHECKPOINTS", "", "the name of a folder"),
        ("DATA", None, '"shapes", "cifar10", "cifar10-jpeg", or a folder'),
        ("DEVICE", 0, '"auto", "cuda", "mps" or "cpu"'),
        ("DEVICE", "gpu", '"auto", "cuda", "mps" or "cpu"'),
    ],
)
def test_a_parameter_is_named_with_its_value_and_what_was_expected(name, value, expected):
    with pytest.raises(ValueError, match=re.escape(f"{name} = {value!r}: expected {expected}")):
        check_parameters(**{name: value})


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_each_chapter_checks_all_its_parameters_in_the_next_cell(path):
    cells = [cell for cell in read(path).cells if cell.cell_type == "code"]
    (number,) = [i for i, cell in enumerate(cells) if "parameters" in tags(cell)]
    names = re.findall(r"^([A-Z]+) = ", cells[number].source, re.MULTILINE)
    values: dict[str, object] = {}
    exec(cells[number].source, values)
    check_parameters(**{name: values[name] for name in names})
    given = ", ".join(f"{name}={name}" for name in names)
    lines = [ast.unparse(line) for line in ast.parse(cells[number + 1].source).body]
    assert f"check_parameters({given})" in lines


@pytest.mark.parametrize(
    ("options", "value", "message"),
    [
        ({}, -1, "x must be at least 0, got -1"),
        ({"without_low": True}, 0, "x must be above 0, got 0"),
        ({"high": 1}, 2, r"x must be in \[0, 1\], got 2"),
        ({"high": 1, "without_high": True}, 1, r"x must be in \[0, 1\), got 1"),
        ({}, math.nan, "got nan"),
        ({}, math.inf, "got inf"),
        ({}, "1", r"x must be a number, got '1' \(str\)"),
        ({}, True, "x must be a number, got True"),
    ],
)
def test_numbers(options, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        check_number("x", value, **options)


def test_whole_numbers():
    check_int("x", 3, minimum=3)
    for value in (2, 3.0, "3", True):
        with pytest.raises((TypeError, ValueError), match=f"x must be .*{value!r}"):
            check_int("x", value, minimum=3)


def test_every_source_of_data_is_named():
    with pytest.raises(ValueError) as refused:
        check_parameters(DATA=None)
    assert all(f'"{source}"' in str(refused.value) for source in SOURCES)


@pytest.mark.parametrize(
    "call",
    [
        lambda array: vgg("I", width=1 / 32)(array),
        lambda array: vgg("I", width=1 / 32).probabilities(array),
        lambda array: predict_by(Protocol((32,)), vgg("I", width=1 / 32), array, None),
        lambda array: class_activation(vgg("I", width=1 / 32), array, torch.tensor([0])),
        lambda array: preferred_images(vgg("I", width=1 / 32), None, array),
        lambda array: activations(vgg("I", width=1 / 32), array, ["features"]),
        lambda array: nearest_neighbors(array, array, 1),
        lambda array: whitening_filters(array, torch.zeros(3), 2),
        lambda array: stratified_mask(array, 0.5),
        lambda array: figures.show_images(array),
        lambda array: figures.plot_confusion(array, ["a"]),
        lambda array: top_k_accuracy(array, torch.zeros(1)),
    ],
)
@pytest.mark.parametrize(
    "array", [np.zeros((1, 3, 32, 32), np.float32), [0.0]], ids=["numpy", "list"]
)
def test_arrays_and_lists_are_refused_where_tensors_belong(call, array):
    with pytest.raises(
        TypeError, match=r"must be a tensor, got (ndarray|list): convert with torch"
    ):
        call(array)
