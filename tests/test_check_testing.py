"""The checks of the exercises of Testing like the paper: right answers and typical wrong ones."""

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as TF

from vggcheck import testing as check
from vgglib import Split, trace, vgg
from vgglib.protocols import ConvolutionalVGG, Protocol, multiply_adds, predict_by


def preprocess(images):
    return images.float() / 255 - 0.5


@pytest.fixture
def split():
    coarse = torch.rand(24, 3, 6, 6)
    images = (255 * TF.resize(coarse, [32])).to(torch.uint8)
    return Split(images, torch.randint(0, 4, (24,)))


@pytest.fixture
def network(split):
    """Of the chapter's shape, but narrow, and with different answers for different images."""
    model = vgg("I", width=1 / 16, image_size=24, num_classes=4).eval()
    last = model.classifier[-1]
    with torch.no_grad():
        logits = model(preprocess(split.images[..., 4:28, 4:28]))
        last.weight.mul_(2 / logits.std(dim=0, keepdim=True).T)
        last.bias.zero_()
        last.bias.sub_(model(preprocess(split.images[..., 4:28, 4:28])).mean(dim=0))
    return model


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((4, 9), ": right.\n"),
        ((..., ...), "waiting"),
        ((10, 15), "what the pools leave"),
        ((1, 2), "may overlap"),
        ((3, 8), "the first place too"),
        ((97, 257), "more than a pixel apart"),
        ((9, 4), "Rows come first"),
        ((4, 8), "columns is too small"),
        ((5, 9), "rows is too large"),
        (([4, 9], 9), "should be a number"),
        ((np.array([4, 9]), 9), "should be a number"),
    ],
)
def test_exercise_1(verdict, answer, said):
    assert said in verdict(check.exercise_1, *answer)


def test_exercise_2(verdict):
    with torch.device("meta"):
        e = vgg("E")

    def times(*arguments, **more):
        return multiply_adds(Protocol(*arguments, **more), e) / trace("E").multiply_adds

    scales = (256, 384, 512)
    for answer, said in {
        times(scales, "both"): ": right.\n",
        171: ": right.\n",
        ...: "waiting",
        times(scales, "both", mirror=False): "mirror images",
        150: "dense test is missing",
        times(scales): "crops are missing",
        156: "counts the looks",
        times((384,), "both"): "a single test scale",
        times((224, 256, 288), "both"): "a fixed S",
        150 + 2 * sum((q / 224) ** 2 for q in scales): "cost more than the area says",
        10: "too small",
    }.items():
        assert said in verdict(check.exercise_2, answer), said


def test_exercise_3(verdict, network, split):
    def by(method="crops", q=40, **more):
        return predict_by(Protocol((q,), method, **more), network, split.images, preprocess)

    def ask(ten, fifty, same):
        return verdict(check.exercise_3, ten, fifty, same, network, split, preprocess)

    network.train()
    corners, middle, fifty = by(grid=2), by(grid=1), by()
    ten = (4 * corners + middle) / 5
    same = int((ten.argmax(dim=1) == fifty.argmax(dim=1)).sum())
    assert 0 < same < len(split.images)
    assert ": right.\n" in ask(ten, fifty, same)
    assert network.training
    floats = split.images.float() / 255
    ten_of_floats, fifty_of_floats = (
        sum(
            weight
            * predict_by(Protocol((40,), "crops", grid=g), network, floats, lambda x: x - 0.5)
            for g, weight in parts.items()
        )
        for parts in ({2: 0.8, 1: 0.2}, {5: 1})
    )
    assert not torch.equal(fifty, fifty_of_floats)
    same_of_floats = int((ten_of_floats.argmax(dim=1) == fifty_of_floats.argmax(dim=1)).sum())
    assert ": right.\n" in ask(ten_of_floats, fifty_of_floats, same_of_floats)
    assert "waiting" in ask(ten, ..., same)

    plain = (4 * by(grid=2, mirror=False) + by(grid=1, mirror=False)) / 5
    flat = (4 * by(grid=2, q=32) + by(grid=1, q=32)) / 5
    with torch.no_grad():
        network.eval()
        rescaled = preprocess(TF.resize(split.images, [40], antialias=True))
        places = [(0, 0), (0, 16), (16, 0), (16, 16), (8, 8)]
        views = [rescaled[..., y : y + 24, x : x + 24] for y, x in places]
        logits = torch.stack([network(v) for w in views for v in (w, w.flip(-1))]).mean(dim=0)
    for wrong, said in [
        ((corners + middle) / 2, "It is one of five"),
        (corners, "The middle is missing"),
        (plain, "The mirror images are missing"),
        (logits.softmax(dim=1), "averages of logits"),
        (logits, "should add up to 1"),
        (flat, "Rescale them to Q first"),
        (fifty, "fifty crops of the whole grid"),
        (by(q=48), "numbers that are off"),
        (ten[:5], "should have the shape (24, 4)"),
        (0.9, "should be a tensor"),
    ]:
        assert said in ask(wrong, fifty, same), said
    for wrong, said in [
        (by(mirror=False), "average over 25"),
        (ten, "ten crops again"),
        (by("both"), "fifty has the right shape, but"),
        (fifty.log(), "fifty should be probabilities"),
    ]:
        assert said in ask(ten, wrong, same), said
    for wrong, said in [
        (len(ten) - same, "for how many they differ"),
        (same / len(ten), "a share"),
        (100 * same / len(ten), "percent"),
        (same + 0.5, "too large"),
    ]:
        assert said in ask(ten, fifty, wrong), said


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (((2, 2), 4, "pools"), ": right.\n"),
        (([2, 2], 4, "pools"), ": right.\n"),
        ((np.array([2, 2]), 4, "pools"), ": right.\n"),
        ((torch.zeros(2, 2), 4, "pools"), "give the tensor's .shape"),
        (((..., ...), ..., ...), "waiting"),
        (((4, 4), 4, "pools"), "map of features"),
        (((1, 1), 4, "pools"), "off at index 0, 1"),
        (((2, 2), 12, "pools"), "what one window leaves out"),
        (((2, 2), 1, "pools"), "before the last pool"),
        (((2, 2), 2, "pools"), "How many pixels does a row"),
        (((2, 2), 3, "pools"), "too small"),
        (((2, 2), 4, "padding"), "as large as the one it got"),
        (((2, 2), 4, "average"), "comes last"),
        (((2, 2), 4, "luck"), "Choose one of"),
    ],
)
def test_exercise_4(verdict, network, answer, said):
    assert said in verdict(check.exercise_4, *answer, network)


def test_exercise_5(verdict, network, split):
    def by(method="dense", **more):
        return {
            q: predict_by(Protocol((q,), method, **more), network, split.images, preprocess)
            for q in (32, 48, 96)
        }

    dense = by()
    # Labels that make 32 the best scale.
    classes = {q: found.argmax(dim=1) for q, found in dense.items()}
    split = Split(split.images, classes[32])
    right = {q: int((found == classes[32]).sum()) for q, found in classes.items()}
    worst, between, best = sorted(right, key=right.get)
    assert right[worst] < right[between] < right[best]
    parts = (24 / worst, 24 / 64)

    def ask(found=dense, worst=worst, parts=parts):
        return verdict(check.exercise_5, found, worst, parts, network, split, preprocess)

    assert ": right.\n" in ask()
    assert ": right.\n" in ask(by(mirror=False), parts=[round(parts[0], 2), 0.375])
    assert ": right.\n" in ask(worst=torch.tensor(worst), parts=torch.tensor(parts))
    assert "waiting" in ask({32: ..., 48: ..., 96: ...})
    assert "waiting" in ask(parts=(..., ...))
    network.eval()
    floats, by_place = {}, {}
    for q in dense:
        pixels = TF.resize(split.images.float() / 255, [q], antialias=True) - 0.5
        with torch.no_grad():
            maps = [ConvolutionalVGG(network)(view) for view in (pixels, pixels.flip(-1))]
        floats[q] = sum(m.mean(dim=(-2, -1)).softmax(dim=1) for m in maps) / 2
        by_place[q] = [m.softmax(dim=1).mean(dim=(-2, -1)) for m in maps]
    assert ": right.\n" in ask(floats)
    averaged = "the logits are averaged"
    assert averaged in ask({q: (plain + other) / 2 for q, (plain, other) in by_place.items()})
    assert averaged in ask({q: plain for q, (plain, _) in by_place.items()})
    for wrong, said in [
        (dense[32], "the keys 32, 48 and 96"),
        ({32: dense[32]}, "the keys 32, 48 and 96"),
        (by("crops"), "What is asked for is the dense one"),
        (by("crops", grid=1), "What is asked for is the dense one"),
        ({**dense, 48: dense[96]}, "at Q = 48 has the right shape, but"),
        ({**dense, 96: dense[96][:4]}, "at Q = 96 should have the shape"),
        ({**dense, 96: dense[96].log()}, "should add up to 1"),
    ]:
        assert said in ask(wrong), said
    assert "other scales is worse" in ask(worst=best)
    assert "other scales is worse" in ask(worst=between)
    assert "should be 32, 48 or 96" in ask(worst=64)
    for wrong, said in [
        (parts[0], "Two parts"),
        ((parts[0] ** 2, parts[1]), "not of the area"),
        ((1 / parts[0], parts[1]), "other way round"),
        ((100 * parts[0], parts[1]), "percent"),
        ((0.9, parts[1]), "window shows is too large"),
        ((parts[0], 24 / 32), "at most"),
        ((parts[0], 64 / 24), "other way round"),
        ((parts[0], 0.1), "at least is too small"),
    ]:
        assert said in ask(parts=wrong), said
