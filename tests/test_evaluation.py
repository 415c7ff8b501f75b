"""Top-k against a plain loop, and mirror-averaged evaluation against a network done by hand."""

import math

import pytest
import torch
from torch import nn

from vgglib.configurations import vgg
from vgglib.data import Split
from vgglib.evaluation import (
    accuracy_by_views,
    calibration_error,
    confusion_matrix,
    evaluate,
    mcnemar,
    predict,
    reliability,
    top_k_accuracy,
    top_k_error,
)


def plain_loop(scores, labels, max_k):
    """Top-k accuracy as one would explain it: sort the classes, look whether the label is there."""
    result = []
    for k in range(1, max_k + 1):
        correct = 0
        for row, label in zip(scores.tolist(), labels.tolist(), strict=True):
            ranking = sorted(range(len(row)), key=lambda c: (-row[c], c))
            correct += label in ranking[:k]
        result.append(100 * correct / len(labels))
    return result


# --------------------------------------------------------------------------------------------------
# Top-k
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_top_k_equals_a_plain_loop_for_all_k_at_once(classes):
    scores, labels = torch.randn(60, classes), torch.randint(classes, (60,))
    assert top_k_accuracy(scores, labels, 7).tolist() == pytest.approx(
        plain_loop(scores, labels, 7)
    )


def test_top_k_equals_a_plain_loop_where_many_scores_are_equal():
    scores, labels = torch.randint(3, (60, 10)).float(), torch.randint(10, (60,))
    assert top_k_accuracy(scores, labels).tolist() == pytest.approx(plain_loop(scores, labels, 5))


def test_equal_scores_are_ranked_by_class():
    accuracy = [top_k_accuracy(torch.zeros(1, 4), torch.tensor([c]), 4).tolist() for c in range(4)]
    assert accuracy == [[100] * 4, [0] + [100] * 3, [0, 0, 100, 100], [0, 0, 0, 100]]


def test_from_k_equal_to_the_classes_on_all_are_right():
    scores, labels = torch.randn(20, 3), torch.randint(3, (20,))
    assert top_k_accuracy(scores, labels, 6)[2:].tolist() == [100] * 4


def test_a_single_class_is_always_right():
    assert top_k_accuracy(torch.randn(4, 1), torch.zeros(4).long()).tolist() == [100] * 5


def test_infinite_scores_are_ranked_too():
    scores = torch.tensor([[math.inf, 0.0, -math.inf]])
    assert top_k_accuracy(scores, torch.tensor([2]), 3).tolist() == [0, 0, 100]


def test_the_ranking_is_that_of_the_probabilities_as_well():
    scores, labels = torch.randn(30, 10), torch.randint(10, (30,))
    assert torch.equal(top_k_accuracy(scores, labels), top_k_accuracy(scores.softmax(1), labels))


def test_error_is_100_minus_accuracy():
    scores, labels = torch.randn(30, 10), torch.randint(10, (30,))
    assert torch.equal(top_k_error(scores, labels, 3), 100 - top_k_accuracy(scores, labels, 3))


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        (torch.zeros(4), torch.zeros(4).long(), r"shape \(N, classes\) .* got \(4,\) and \(4,\)"),
        (torch.zeros(4, 3), torch.zeros(3).long(), r"got \(4, 3\) and \(3,\)"),
        (torch.zeros(4, 3), torch.zeros(4, 1).long(), r"got \(4, 3\) and \(4, 1\)"),
        (torch.zeros(0, 3), torch.zeros(0).long(), "with N of 1 or more"),
        (torch.zeros(2, 3), torch.tensor([0, 3]), r"labels must be in 0..2, got 0 to 3"),
        (torch.zeros(2, 3), torch.tensor([-1, 0]), r"labels must be in 0..2, got -1 to 0"),
        (torch.zeros(2, 3), torch.zeros(2), "labels must be integers, got torch.float32"),
        (torch.full((2, 3), torch.nan), torch.zeros(2).long(), "scores contain NaN"),
    ],
)
def test_what_has_no_ranking_is_refused(scores, labels, message):
    with pytest.raises((TypeError, ValueError), match=message):
        top_k_accuracy(scores, labels)


def test_k_starts_at_1():
    with pytest.raises(ValueError, match="max_k must be at least 1, got 0"):
        top_k_accuracy(torch.zeros(2, 3), torch.zeros(2).long(), 0)


# --------------------------------------------------------------------------------------------------
# Confusion matrix
# --------------------------------------------------------------------------------------------------


def test_rows_are_labels_and_columns_predictions():
    predictions, labels = torch.tensor([1, 1, 0, 2]), torch.tensor([0, 0, 0, 2])
    expected = [[1, 2, 0], [0, 0, 0], [0, 0, 1]]
    assert confusion_matrix(predictions, labels, 3).tolist() == expected


@pytest.mark.parametrize(
    ("predictions", "labels", "message"),
    [
        ([0, 1], [0], r"of one shape \(N,\), got \(2,\) and \(1,\)"),
        ([0, 3], [0, 0], r"predictions must be in 0..2"),
        ([0, 0], [0, -1], r"labels must be in 0..2"),
    ],
)
def test_impossible_predictions_are_refused(predictions, labels, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(torch.tensor(predictions), torch.tensor(labels), 3)


# --------------------------------------------------------------------------------------------------
# Evaluation
# --------------------------------------------------------------------------------------------------


class LeftEdge(nn.Module):
    """Logits that are the red, green and blue of the upper left pixel: easy to do by hand."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.seen = []

    def forward(self, images):
        self.seen.append((len(images), self.training, torch.is_grad_enabled()))
        return self.weight * images[:, :, 0, 0]


@pytest.fixture
def split():
    """Two images of two pixels whose colors are known."""
    images = torch.zeros(2, 3, 1, 2, dtype=torch.uint8)
    images[0, :, 0, 0], images[0, :, 0, 1] = torch.tensor([1, 0, 0]), torch.tensor([0, 2, 0])
    images[1, :, 0, 0], images[1, :, 0, 1] = torch.tensor([0, 0, 3]), torch.tensor([0, 0, 0])
    return Split(images, torch.tensor([0, 2]))


def softmax(*logits):
    total = sum(map(math.exp, logits))
    return torch.tensor([math.exp(x) / total for x in logits])


def test_probabilities_are_the_average_of_image_and_mirror_image(split):
    expected = torch.stack(
        [
            (softmax(1, 0, 0) + softmax(0, 2, 0)) / 2,
            (softmax(0, 0, 3) + softmax(0, 0, 0)) / 2,
        ]
    )
    torch.testing.assert_close(predict(LeftEdge(), split.images, torch.Tensor.float), expected)


def test_without_mirror_only_the_image_counts(split):
    expected = torch.stack([softmax(1, 0, 0), softmax(0, 0, 3)])
    output = predict(LeftEdge(), split.images, torch.Tensor.float, mirror=False)
    torch.testing.assert_close(output, expected)


def test_six_views_are_both_images_where_they_are_and_moved_by_a_pixel_to_either_side():
    """A moved view of 3x3 has the middle pixel in its corner, for the border is mirrored."""
    images = torch.zeros(2, 3, 3, 3, dtype=torch.uint8)
    for image, middle in zip(images, (3, 0), strict=True):
        image[0, 0, 0], image[1, 0, 2], image[2, 1, 1] = 4, 5, middle
    model, split = LeftEdge(), Split(images, torch.tensor([2, 1]))
    said = predict(model, images, torch.Tensor.float)
    found = accuracy_by_views(model, split, torch.Tensor.float, said)
    # Red alone; red and green with the mirror image, of which green is stronger; and then blue.
    assert found == {"1": 0.0, "2": 50.0, "6": 100.0}
    assert len(model.seen) == 2 + 1 + 2 * 2


def test_batches_go_through_one_after_the_other(split):
    model = LeftEdge()
    images = split.images.repeat(4, 1, 1, 1)[:7]
    whole = predict(model, images, torch.Tensor.float)
    model.seen.clear()
    torch.testing.assert_close(predict(model, images, torch.Tensor.float, batch_size=3), whole)
    assert [count for count, *_ in model.seen] == [3, 3, 3, 3, 1, 1]


def test_rows_sum_to_1_in_bfloat16_too():
    model = vgg("I", width=1 / 32)
    output = predict(model, torch.rand(5, 3, 32, 32), lambda x: x, precision="bfloat16")
    assert output.dtype == torch.float32
    torch.testing.assert_close(output.sum(1), torch.ones(5))


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_evaluation_meanwhile_and_restored_afterwards(split, training):
    model = LeftEdge().train(training)
    predict(model, split.images, torch.Tensor.float)
    assert model.training is training
    assert all(seen[1:] == (False, False) for seen in model.seen)


def test_the_mode_is_restored_after_an_error_too(split):
    def fail(images):
        raise RuntimeError("broken")

    model = LeftEdge().train()
    with pytest.raises(RuntimeError, match="broken"):
        predict(model, split.images, fail)
    assert model.training


def test_evaluate_gives_loss_accuracy_and_predictions(split):
    evaluation = evaluate(LeftEdge(), split, torch.Tensor.float)
    first = (softmax(1, 0, 0) + softmax(0, 2, 0)) / 2
    second = (softmax(0, 0, 3) + softmax(0, 0, 0)) / 2
    assert evaluation.loss == pytest.approx((-first[0].log() - second[2].log()).item() / 2)
    assert evaluation.predictions.tolist() == [1, 2]
    assert evaluation.top_k_accuracy == [50, 100, 100, 100, 100]
    assert evaluation.top_1 == 50


def test_the_balanced_accuracy_is_that_of_the_classes_whatever_their_sizes():
    images = torch.zeros(5, 3, 1, 1, dtype=torch.uint8)
    images[:, 0] = 1  # class 0 for all
    split = Split(images, torch.tensor([0, 0, 0, 0, 2]))
    evaluation = evaluate(LeftEdge(), split, torch.Tensor.float)
    assert (evaluation.top_1, evaluation.balanced_top_1) == (80, 50)  # class 1 has no image


def test_the_loss_stays_finite_where_a_probability_is_0():
    images = torch.zeros(1, 3, 1, 1)
    images[0, 0] = 1000
    split = Split(torch.zeros(1, 3, 1, 1, dtype=torch.uint8), torch.tensor([1]))
    evaluation = evaluate(LeftEdge(), split, lambda _: images)
    assert evaluation.probabilities[0, 1] == 0
    assert evaluation.loss == pytest.approx(-math.log(1e-12))


# --------------------------------------------------------------------------------------------------
# How sure, and how sure of a difference
# --------------------------------------------------------------------------------------------------


def test_reliability_counts_by_hand():
    probabilities = torch.tensor([[0.9, 0.1], [0.75, 0.25], [0.25, 0.75], [0.45, 0.55], [1.0, 0.0]])
    labels = torch.tensor([0, 1, 1, 1, 0])
    found = reliability(probabilities, labels, bins=5)
    # 0.55; 0.75 twice; 0.9 and 1
    assert found[:, 2].tolist() == [0, 0, 1, 2, 2]
    assert found[2:, 0] == pytest.approx(torch.tensor([55.0, 75, 95]).double())
    assert found[2:, 1].tolist() == [100, 50, 100]
    expected = (1 * 45 + 2 * 25 + 2 * 5) / 5
    assert calibration_error(probabilities, labels, bins=5) == pytest.approx(expected, abs=1e-4)


def test_a_network_that_is_as_sure_as_it_is_right_has_no_calibration_error():
    probabilities = torch.tensor([[0.75, 0.25]] * 400)
    labels = torch.tensor([0, 0, 0, 1] * 100)
    assert calibration_error(probabilities, labels) == pytest.approx(0, abs=1e-9)
    assert calibration_error(probabilities, 1 - labels) == pytest.approx(50)


def test_mcnemar_agrees_with_the_binomial_distribution():
    first = torch.tensor([True] * 9 + [False] * 1 + [True] * 5 + [False] * 5)
    second = torch.tensor([False] * 9 + [True] * 1 + [True] * 5 + [False] * 5)
    # 1 of 10, two-sided: 2 * (1 + 10) / 1024
    assert mcnemar(first, second) == (9, 1, pytest.approx(22 / 1024))
    assert mcnemar(second, first) == (1, 9, pytest.approx(22 / 1024))
    assert mcnemar(first, first) == (0, 0, 1.0)


def test_mcnemar_of_many_images():
    """Against the normal distribution, which is near for so many."""
    first = torch.zeros(10_000, dtype=torch.bool)
    first[:1100], second = True, torch.zeros(10_000, dtype=torch.bool)
    second[1100:2100] = True
    z = (1100 - 1000 - 1) / math.sqrt(2100)
    assert mcnemar(first, second)[2] == pytest.approx(math.erfc(z / math.sqrt(2)), rel=0.01)


def test_what_cannot_be_compared_is_refused():
    bools = torch.zeros(3, dtype=torch.bool)
    with pytest.raises(TypeError, match=r"expected tensors of bools, got torch\.int64"):
        mcnemar(torch.zeros(3, dtype=torch.int64), bools)
    with pytest.raises(ValueError, match=r"expected two tensors of shape \(N,\), got \(3,\)"):
        mcnemar(bools, bools[:2])
    with pytest.raises(ValueError, match=r"got \(3,\) and \(3,\)"):
        reliability(torch.zeros(3), bools.long())
    with pytest.raises(ValueError, match="bins must be at least 1"):
        reliability(torch.zeros(3, 2), bools.long(), bins=0)
