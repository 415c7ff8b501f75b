"""Optimizers, schedules and averages of weights, against their formulas."""

import copy

import pytest
import torch
from torch import nn

from vgglib import vgg
from vgglib.optimization import (
    Muon,
    make_optimizer,
    make_schedule,
    one_cycle,
    orthogonalize,
    update_average,
)
from vgglib.recipes import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 2))


# --------------------------------------------------------------------------------------------------
# Learning rates
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "factor"), [(0, 0.1), (0.1, 0.55), (0.2, 1.0), (0.6, 0.5), (1.0, 0.0)]
)
def test_one_cycle_goes_up_and_down_in_straight_lines(done, factor):
    assert one_cycle(done, warmup=0.2) == pytest.approx(factor)


def test_without_warming_up_the_cycle_starts_at_its_peak():
    assert [one_cycle(done, 0.0) for done in (0, 0.5, 1)] == [1.0, 0.5, 0.0]


def test_the_cycle_spans_all_steps():
    recipe = Recipe("x", schedule="one_cycle", warmup=0.5, learning_rate=2.0)
    optimizer = make_optimizer(make_model(), recipe)
    schedule = make_schedule(optimizer, recipe, steps=4)
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.2, 1.1, 2.0, 1.0])
    assert optimizer.param_groups[0]["lr"] == 0


@pytest.mark.parametrize(
    ("setting", "value"),
    [("schedule", "cosine"), ("warmup", 1.0), ("label_smoothing", -0.1), ("averaging", 1.0)],
)
def test_settings_that_cannot_be_are_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting}.* (must be .*, got|'cosine')"):
        Recipe("x", **{setting: value})


# --------------------------------------------------------------------------------------------------
# Averages
# --------------------------------------------------------------------------------------------------


def test_an_average_moves_towards_the_weights_and_copies_counts():
    model, average = make_model(), make_model()
    for parameter in model.parameters():
        parameter.data.fill_(1.0)
    for parameter in average.parameters():
        parameter.data.zero_()
    model[1].num_batches_tracked.fill_(7)
    for expected in (0.25, 0.4375):
        update_average(average, model, decay=0.75)
        assert all((p == expected).all() for p in average.parameters())
    assert average[1].num_batches_tracked == 7
    assert all((p == 1).all() for p in model.parameters())


# --------------------------------------------------------------------------------------------------
# Muon
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 8), (6, 40), (40, 6)])
def test_orthogonalized_matrices_have_singular_values_near_one(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape)
    values = torch.linalg.svdvals(orthogonalize(matrix))
    kept = torch.linalg.svdvals(matrix) > 0.05 * torch.linalg.svdvals(matrix).max()
    assert values[kept].min() > 0.4 and values.max() < 1.4


def test_orthogonalized_matrices_keep_their_directions():
    """U S V^T becomes about U V^T."""
    torch.manual_seed(0)
    matrix = torch.randn(5, 20)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    cosine = nn.functional.cosine_similarity(orthogonalize(matrix).flatten(), (u @ v).flatten(), 0)
    assert cosine > 0.95


def test_muon_moves_filters_by_its_rate_and_keeps_their_length():
    torch.manual_seed(0)
    filters = nn.Parameter(torch.randn(4, 3, 3, 3))
    before = filters.detach().clone()
    optimizer = Muon([filters], [], lr=0.1, other_lr=0.0, momentum=0.0)
    filters.grad = torch.randn_like(filters)
    optimizer.step()
    moved = (filters - before).norm() / before.norm()
    assert 0.05 < moved < 0.11
    assert torch.isclose(filters.norm(), before.norm())
    assert (filters.grad * (filters - before)).sum() < 0  # downhill


def test_muon_moves_all_else_as_torch_does_with_nesterov():
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    muon = Muon([], [ours], lr=0.0, other_lr=0.1, momentum=0.9, weight_decay=0.01)
    sgd = torch.optim.SGD([theirs], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True)
    for _ in range(5):
        gradient = torch.randn(5)
        for weight, optimizer in ((ours, muon), (theirs, sgd)):
            weight.grad = gradient.clone()
            optimizer.step()
    assert torch.allclose(ours, theirs)


def test_muon_takes_a_closure_as_any_optimizer_does():
    weight = nn.Parameter(torch.ones(3))
    optimizer = Muon([], [weight], lr=0.0, other_lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = weight.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 3 and weight.sum() < 3


def test_muon_takes_the_filters_and_leaves_what_is_fixed():
    model = make_model()
    recipe = Recipe("x", muon=0.2, learning_rate=0.1)
    filters, others = make_optimizer(model, recipe).param_groups
    assert (filters["lr"], others["lr"]) == (0.2, 0.1)
    assert [w.dim() for w in filters["params"]] == [4]
    assert len(others["params"]) == 5
    model[0].weight.requires_grad_(False)
    assert make_optimizer(model, recipe).param_groups[0]["params"] == []


def test_a_gradient_of_zeros_spoils_nothing():
    filters = nn.Parameter(torch.ones(2, 3, 3, 3))
    optimizer = Muon([filters], [], lr=0.1, other_lr=0.0)
    filters.grad = torch.zeros_like(filters)
    optimizer.step()
    assert filters.isfinite().all()


def test_muon_with_scaled_gradients_steps_as_without_and_leaves_out_an_overflow():
    """As in float16: the scaler divides the gradients again, or leaves the step out."""
    models = [make_model(), make_model()]
    recipe = Recipe("x", muon=0.2, learning_rate=0.1)
    plain, scaled = (make_optimizer(model, recipe) for model in models)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    images = torch.randn(8, 3, 4, 4)
    for model in models:
        model.eval()
    models[0](images).square().mean().backward()
    plain.step()
    scaler.scale(models[1](images).square().mean()).backward()
    scaler.step(scaled)
    scaler.update()
    for ours, theirs in zip(models[1].parameters(), models[0].parameters(), strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)
    before = [w.detach().clone() for w in models[1].parameters()]
    for weight in models[1].parameters():
        weight.grad = torch.full_like(weight, float("inf"))
    scaler.scale(torch.zeros(()))
    scaler.step(scaled)
    scaler.update()
    assert all(torch.equal(w, b) for w, b in zip(models[1].parameters(), before, strict=True))


# --------------------------------------------------------------------------------------------------
# Layouts in memory
# --------------------------------------------------------------------------------------------------


def step_of(model, optimizer):
    model(torch.rand(2, 3, 32, 32)).square().sum().backward()
    optimizer.step()


def test_a_memory_format_that_was_changed_after_the_optimizer_was_made_is_refused():
    """torch's fused step would be silently wrong: it ignores strides."""
    model = vgg("I", width=1 / 32)
    optimizer = make_optimizer(model, Recipe("x"))
    step_of(model, optimizer)  # as it was made
    model.to(memory_format=torch.channels_last)
    with pytest.raises(
        RuntimeError, match="set the memory format of the model before its optimizer"
    ):
        step_of(model, optimizer)


def test_a_copy_of_the_optimizer_refuses_it_too():
    model = vgg("I", width=1 / 32)
    optimizer = make_optimizer(model, Recipe("x"))
    step_of(model, optimizer)
    model, optimizer = copy.deepcopy((model, optimizer))
    model.to(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="set the memory format of the model before"):
        step_of(model, optimizer)


def test_an_optimizer_that_is_made_afterwards_has_the_strides_of_its_weights():
    model = vgg("I", width=1 / 32).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(model, Recipe("x"))
    step_of(model, optimizer)
    for weight in model.parameters():
        momentum = optimizer.state[weight]["momentum_buffer"]
        assert weight.stride() == weight.grad.stride() == momentum.stride()


def test_in_either_layout_the_steps_are_the_same():
    weights = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        model = vgg("I", width=1 / 32, dropout=0.0).to(memory_format=layout)
        optimizer = make_optimizer(model, Recipe("x", learning_rate=1e-3))
        for _ in range(3):
            optimizer.zero_grad()
            step_of(model, optimizer)
        weights.append(model.state_dict())
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight)


def test_a_network_without_weights_to_learn_is_refused():
    with pytest.raises(ValueError, match="no weights to learn"):
        make_optimizer(vgg("I", width=1 / 32).requires_grad_(False), Recipe("x"))
