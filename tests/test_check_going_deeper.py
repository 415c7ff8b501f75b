"""The checks of the exercises of Going deeper: right answers and typical wrong ones."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vggcheck import going_deeper as check
from vgglib import match_layers, vgg


def with_weights(model):
    """Convolutions and fully connected layers by name."""
    return {n: m for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))}


def rms(numbers):
    return numbers.double().square().mean().sqrt().item()


def test_exercise_1(verdict):
    with torch.device("meta"):
        layers = with_weights(vgg("III", width=0.25))
    rows = []
    for name, layer in layers.items():
        n = layer.weight[0].numel()
        gain = 0.01 * math.sqrt(n) if name == "classifier.fc3" else math.sqrt(2)
        rows.append((name.split(".", 1)[1], n, gain, 1.3, 2.7))
    noise = torch.randn(4, 3, 32, 32)

    normal = torch.randn(200_000, 9)
    relu = normal.relu()
    largest = relu[:, :4].max(dim=1).values
    pool = rms(largest) / rms(relu)
    level = rms(noise) * math.sqrt(2)
    right = level * pool**2
    assert ": right.\n" in verdict(check.exercise_1, rows, noise, pool, right)
    assert ": right.\n" in verdict(check.exercise_1, rows, noise, round(pool, 2), round(right, 1))
    assert "waiting" in verdict(check.exercise_1, rows, noise, pool, ...)
    for wrong, said in [
        (rms(normal[:, :4].max(dim=1).values) / rms(normal), "not with that of normal numbers"),
        (largest.mean() / relu.mean(), "ratio of the means"),
        (pool**2, "mean square"),
        (rms(relu[:, :2].max(dim=1).values) / rms(relu), "four numbers"),
        (rms(relu.max(dim=1).values) / rms(relu), "four numbers"),
        (1 / pool, "grow or shrink"),
        (rms(relu[:, :4].mean(dim=1)) / rms(relu), "not the mean"),
        (10, "too large"),
        (1, "too small"),
        (0, "above 0"),
        ("1.8", "should be a number"),
    ]:
        assert said in verdict(check.exercise_1, rows, noise, wrong, right), said
    all_layers = rms(noise) * math.prod(row[2] for row in rows) / math.sqrt(2) ** 11
    for wrong, said in [
        (2.7, "what was measured"),
        (level, "without pools"),
        (level * pool, "How many pools"),
        (level * pool**3, "How many pools"),
        (right / math.sqrt(2), "after the ReLU"),
        (right * math.sqrt(2) ** 8, "ReLUs between"),
        (all_layers * pool**3, "last layer of all"),
        (20, "too large"),
    ]:
        assert said in verdict(check.exercise_1, rows, noise, pool, wrong), said


def factors_by(fan, **settings):
    """The product over the layers of A, B, D and E."""
    networks = {}
    for name in ("A", "B", "D", "E"):
        with torch.device("meta"):
            layers = with_weights(vgg(name, **settings)).values()
        networks[name] = math.prod(fan(layer) for layer in layers)
    return networks


def of_layer(layer):
    return 0.01 * math.sqrt(layer.weight[0].numel() / 2)


def test_exercise_2(verdict):
    right = factors_by(of_layer)
    wide = 2**11
    assert ": right.\n" in verdict(check.exercise_2, right, wide)
    rounded = {name: float(f"{value:.1e}") for name, value in right.items()}
    assert ": right.\n" in verdict(check.exercise_2, rounded, 2000)
    logits = {name: value * math.sqrt(2) for name, value in right.items()}
    assert ": right.\n" in verdict(check.exercise_2, logits, wide)
    assert "waiting" in verdict(check.exercise_2, {**right, "E": ...}, wide)
    for wrong, said in [
        (list(right.values()), "a dict by network"),
        ({"A": right["A"]}, "3 are missing"),
        ({**right, "III": 1e-7}, "not have III"),
        (factors_by(lambda m: math.sqrt(2) * of_layer(m)), "Each ReLU halves"),
        (factors_by(lambda m: 0.01 * math.sqrt(m.weight.shape[1] / 2)), "for each channel"),
        (
            factors_by(lambda m: of_layer(m) * math.sqrt(m.weight.shape[0] / m.weight.shape[1])),
            "counts the inputs",
        ),
        (
            factors_by(lambda m: of_layer(m) if isinstance(m, nn.Conv2d) else 1),
            "fully connected layers multiply",
        ),
        (factors_by(of_layer, image_size=32), "how many numbers does fc1 get"),
        ({n: v * 2**0.5 for n, v in factors_by(of_layer, image_size=32).items()}, "does fc1 get"),
        ({n: 2 * v**2 for n, v in right.items()}, "mean square"),
        (factors_by(lambda m: of_layer(m) ** 2), "mean square"),
        ({**right, "D": right["B"]}, "The factor of D is too large"),
        ({**right, "B": right["E"]}, "The factor of B is too small"),
        ({**right, "B": "small"}, "The factor of B should be a number"),
        ({**right, "B": 0}, "above 0"),
    ]:
        assert said in verdict(check.exercise_2, wrong, wide), said
    for wrong, said in [
        (1 / wide, "Which of the two"),
        (4**11, "And its root?"),
        (2**12, "the same fan-in at any width"),
        (4**12, "in every layer"),
        (2, "once more"),
        (4, "That is the width"),
        (1, "more inputs"),
        (100, "too small"),
    ]:
        assert said in verdict(check.exercise_2, right, wrong), said


def test_exercise_3(verdict):
    with torch.device("meta"):
        two, three = vgg("II"), vgg("III")
    paper, post = (set(match_layers(two, three, rule)) for rule in ("paper", "post"))
    only_paper, only_post = paper - post, post - paper
    assert ": right.\n" in verdict(check.exercise_3, only_paper, only_post, "post", 3)
    short = [name.split(".", 1)[1] for name in only_paper]
    assert ": right.\n" in verdict(check.exercise_3, short, [], "post", 3)
    assert "waiting" in verdict(check.exercise_3, short, [...], "post", 3)
    every = set(with_weights(three))
    for first, second, said in [
        (only_post, only_paper, "belong to the other rule"),
        (paper, post, "Leave out what both copy"),
        (every - paper, every - post, "stay random"),
        (sorted(only_paper)[:1], [], "1 is missing"),
        ([*only_paper, "classifier.fc1"], [], "should not have classifier.fc1"),
        (only_paper, ["classifier.fc3"], "for the post's rule should not have"),
        ("fc2", [], "a list or a set"),
        (2, [], "a list or a set"),
        ([2], [], "should be strings"),
        ([only_paper], [], "should be strings"),
    ]:
        assert said in verdict(check.exercise_3, first, second, "post", 3), said
    assert "does that rule copy" in verdict(check.exercise_3, only_paper, [], "paper", 3)
    assert "Choose one" in verdict(check.exercise_3, only_paper, [], "both", 3)
    for wrong, said in {
        2: "the first stack comes before",
        4: "a single convolution",
        0: "through all stacks",
        5: "too large",
    }.items():
        assert said in verdict(check.exercise_3, only_paper, [], "post", wrong)


OPTIONS = {"width": 1 / 8, "image_size": 16, "num_classes": 4}


def started(batch_norm, initialization="paper"):
    torch.manual_seed(1)
    return vgg("III", batch_norm=batch_norm, initialization=initialization, **OPTIONS)


def gradient(model, batch, labels):
    model.zero_grad()
    F.cross_entropy(model(batch), labels).backward()
    return rms(next(model.parameters()).grad)


def test_exercise_4(verdict, one_thread):
    labels = torch.arange(4).repeat(8)
    batch = 0.1 * torch.randn(32, 3, 16, 16) + 0.4 * torch.randn(4, 3, 1, 1)[labels]
    sizes = {
        key: gradient(started(key == "with").train(), batch, labels) for key in ("without", "with")
    }
    model = started(True).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(5):
        for _ in range(8):
            loss = F.cross_entropy(model(batch), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(loss.item())

    def ask(gradients=sizes, trained=model, losses=losses):
        return verdict(check.exercise_4, gradients, trained, batch, labels, losses)

    kept, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    assert ": right.\n" in ask()
    assert model.training
    assert all(torch.equal(kept[name], now) for name, now in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert ": right.\n" in ask(trained=copy.deepcopy(model).eval())
    assert ": right.\n" in ask(losses=torch.tensor(losses))
    assert "waiting" in ask(gradients={"without": sizes["without"], "with": ...})

    in_evaluation = {"with": gradient(started(True).eval(), batch, labels)}
    from_he = {"without": gradient(started(False, "he").train(), batch, labels)}
    for wrong, said in [
        ([1, 2], "a dict of two numbers"),
        ({"without": 1.0}, "a dict of two numbers"),
        ({**sizes, "with": "small"}, "gradient with should be a number"),
        ({**sizes, "with": math.nan}, "not a number"),
        ({"without": sizes["with"], "with": sizes["without"]}, "wrong way round"),
        ({**sizes, **in_evaluation}, "in training mode"),
        ({**sizes, **from_he}, "gradient without batch normalization is far too large"),
        ({**sizes, "with": 1e-6}, "gradient with batch normalization is far too small"),
        ({**sizes, "with": 1e3}, "gradient with batch normalization is far too large"),
    ]:
        assert said in ask(gradients=wrong), said
    with torch.device("meta"):
        shallower = vgg("II", batch_norm=True, **OPTIONS)
    for wrong, said in [
        (3, "needs the trained network"),
        (shallower, "has 8 with weights"),
        (started(False), "has no batch normalization"),
        (started(True), "no better than guessing"),
    ]:
        assert said in ask(trained=wrong), said
    ignorant = math.log(4)
    for wrong, said in [
        (losses[-1], "a list of five numbers"),
        (losses[:4], "a list of five numbers"),
        ([ignorant] * 5, "is clearly under"),
        ([*losses[:4], math.nan], "not a number"),
        ([*losses[:4], losses[-1] - 0.6], "does not belong"),
    ]:
        assert said in ask(losses=wrong), said


@pytest.mark.parametrize("seed", range(3))
def test_exercise_4_whatever_the_draw(verdict, one_thread, seed):
    generator = torch.Generator().manual_seed(seed)
    batch = torch.randn(32, 3, 16, 16, generator=generator)
    labels = torch.randint(4, (32,), generator=generator)
    sizes = {}
    for key in ("without", "with"):
        torch.manual_seed(seed)
        model = vgg("III", batch_norm=key == "with", initialization="paper", **OPTIONS).train()
        sizes[key] = gradient(model, batch, labels)
    said = verdict(check.exercise_4, sizes, model, batch, labels, [1.0] * 5)
    assert "no better than guessing" in said  # and no word about the gradients
