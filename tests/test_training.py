"""Training: the loop, its schedule, and runs that were killed and go on bit for bit."""

import copy
import errno
import math
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from torch import nn
from torchvision.transforms import v2

from vgglib import training
from vgglib.configurations import vgg
from vgglib.data import Data, Split, load_data
from vgglib.evaluation import Evaluation, evaluate
from vgglib.experiments import make_transforms
from vgglib.machine import checkpoints
from vgglib.optimization import make_optimizer, one_cycle
from vgglib.protocols import ConvolutionalVGG
from vgglib.recipes import Recipe
from vgglib.training import somebody_watches, train, train_epoch

# Everything random is on, and the schedule acts: no accuracy is twice the first, so the learning
# rate falls after the third epoch and after the fifth. An epoch has 5 steps.
RECIPE = Recipe(
    "tiny", epochs=6, batch_size=8, learning_rate=0.05, factor=0.5, patience=1, threshold=9.0
)
RATES = [0.05, 0.05, 0.05, 0.025, 0.025, 0.0125]
STEPS = 5

CPU = torch.device("cpu")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    return make_data()


def make_data(seed=0):
    """40 training, 20 validation and 10 test images of 8x8 pixels."""
    return load_data(
        "shapes", image_size=8, train_images=60, validation=1 / 3, test_images=10, seed=seed
    )


def make_model(seed=0, name="I", width=1 / 32, dropout=0.5):
    torch.manual_seed(seed)
    return vgg(name, num_classes=10, image_size=8, width=width, dropout=dropout)


def run(data, model, recipe=RECIPE, precision="float32", transforms=None, **options):
    train_transform, test_transform = transforms or make_transforms(data, recipe)
    return train(
        model,
        data,
        recipe,
        train_transform=train_transform,
        test_transform=test_transform,
        precision=precision,
        device="cpu",
        **options,
    )


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(model, other):
    return all(torch.equal(tensor, other[name]) for name, tensor in weights(model).items())


class Stop(BaseException):
    """Like a KeyboardInterrupt: no handler of ordinary errors may swallow it."""


def stop():
    raise Stop


def do_at(moment, action, setattr=setattr):
    """Have ``action`` called within a training, at ``("step", epoch, step)`` or ``("save", n)``.

    The first checkpoint is written before the first epoch; ``n`` counts those after it.
    """
    if moment[0] == "step":
        step = training._Run.after_step

        def step_then_act(run, images, loss):
            step(run, images, loss)
            if (run.epochs_done + 1, run.steps) == moment[1:]:
                action()

        setattr(training._Run, "after_step", step_then_act)
    else:
        replace_file, saves, started = os.replace, [], moment[2] if moment[2:] else 1

        def act_then_replace(*paths):
            saves.append(paths)
            if len(saves) == moment[1] + started:
                action()
            replace_file(*paths)

        setattr(os, "replace", act_then_replace)


def epochs_in(checkpoint):
    return len(torch.load(checkpoint, weights_only=True)["history"]["seconds"])


# --------------------------------------------------------------------------------------------------
# Recipes
# --------------------------------------------------------------------------------------------------


def test_a_shortened_recipe_has_patience_in_proportion():
    recipe = Recipe("paper")
    assert recipe.shortened(None) is recipe
    assert recipe.shortened(20) == replace(recipe, epochs=20, patience=1)
    assert recipe.shortened(400) == replace(recipe, epochs=400, patience=20)
    assert recipe.shortened(1).patience == 1


@pytest.mark.parametrize("name", ["epochs", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 2.0, "2", True, None])
def test_counts_that_are_none_are_refused(name, value):
    with pytest.raises((TypeError, ValueError), match=f"{name} must be .*, got {value!r}"):
        Recipe("bad", **{name: value})


@pytest.mark.parametrize("value", [0.0, -0.1, float("nan")])
def test_a_learning_rate_that_learns_nothing_is_refused(value):
    with pytest.raises(ValueError, match=f"learning_rate must be .*above 0, got {value}"):
        Recipe("bad", learning_rate=value)


# --------------------------------------------------------------------------------------------------
# An epoch
# --------------------------------------------------------------------------------------------------


class Pixels(nn.Module):
    """Logits that are a bias and the red, green and blue of the upper left pixel."""

    def __init__(self):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor([0.5, -1.0, 2.0]))

    def forward(self, images):
        return self.bias + images[:, :, 0, 0]


@pytest.fixture
def colors():
    """Seven images of 2x2 pixels."""
    images = torch.randint(0, 5, (7, 3, 2, 2), dtype=torch.uint8)
    return Split(images, torch.tensor([0, 1, 2, 2, 1, 0, 1]))


def still(model):
    """An optimizer that changes nothing."""
    return torch.optim.SGD(model.parameters(), lr=0.0)


def test_the_loss_is_the_cross_entropy_of_the_softmax_of_the_logits_in_nats(colors):
    model = Pixels()
    loss = train_epoch(model, colors, torch.Tensor.float, still(model))
    by_hand, gradient = 0.0, torch.zeros(3)
    for image, label in zip(colors.images, colors.labels, strict=True):
        powers = [math.exp(logit) for logit in (model.bias + image[:, 0, 0]).tolist()]
        by_hand -= math.log(powers[label] / sum(powers)) / 7
        gradient += torch.tensor(powers) / sum(powers) / 7
        gradient[label] -= 1 / 7
    assert loss == pytest.approx(by_hand, rel=1e-6)
    torch.testing.assert_close(model.bias.grad, gradient)


def test_an_incomplete_last_batch_counts_by_its_images(colors):
    model = Pixels()
    whole = train_epoch(model, colors, torch.Tensor.float, still(model))
    parts = train_epoch(model, colors, torch.Tensor.float, still(model), batch_size=3)
    assert parts == pytest.approx(whole, rel=1e-6)


def test_each_image_is_shown_once_in_another_order_each_time():
    images = torch.arange(100, dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 2, 2)
    split = Split(images, torch.arange(100) % 3)
    model, orders, pairs = Pixels(), [], []
    for _ in range(2):
        seen, sizes = [], []

        def note(batch, seen=seen):
            seen.extend(batch[:, 0, 0, 0].tolist())
            return batch.float()

        def step(count, loss, sizes=sizes):
            sizes.append(count)
            pairs.append(loss)

        train_epoch(model, split, note, still(model), batch_size=30, after_step=step)
        assert sizes == [30, 30, 30, 10]
        assert sorted(seen) == list(range(100)) != seen
        orders.append(seen)
    assert orders[0] != orders[1]
    assert all(loss.shape == () and not loss.requires_grad for loss in pairs)


def test_an_epoch_is_in_training_mode(colors):
    model = Pixels().eval()
    modes = []
    model.register_forward_pre_hook(lambda module, _: modes.append(module.training))
    train_epoch(model, colors, torch.Tensor.float, still(model), batch_size=4)
    assert modes == [True, True]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_loss_is_computed_in_float32(data, precision):
    model, kinds, losses = make_model(), [], []
    model.register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
    _, transform = make_transforms(data, RECIPE)
    train_epoch(
        model,
        data.train,
        transform,
        still(model),
        precision=precision,
        after_step=lambda count, loss: losses.append(loss),
    )
    assert kinds == [getattr(torch, precision)]
    assert losses[0].dtype == torch.float32
    assert next(model.parameters()).dtype == torch.float32


# --------------------------------------------------------------------------------------------------
# float16 with gradient scaling
# --------------------------------------------------------------------------------------------------


class FourTimes:
    """A scaler that multiplies by four, never divides, and notes what is asked of it."""

    def __init__(self):
        self.calls = []

    def scale(self, loss):
        self.calls.append(("scale", loss.item()))
        return 4 * loss

    def step(self, optimizer):
        self.calls.append(("step", optimizer.param_groups[0]["params"][0].grad.clone()))

    def update(self):
        self.calls.append(("update", None))


def test_the_scaled_loss_goes_backward_and_the_scaler_steps_and_updates(colors):
    model, scaler = Pixels(), FourTimes()
    train_epoch(model, colors, torch.Tensor.float, still(model))
    gradient = model.bias.grad.clone()
    loss = train_epoch(model, colors, torch.Tensor.float, still(model), scaler=scaler)
    (first, scaled), (second, seen), (third, _) = scaler.calls
    assert (first, second, third) == ("scale", "step", "update")
    assert scaled == pytest.approx(loss)  # what is reported is not scaled
    torch.testing.assert_close(seen, 4 * gradient)


def test_each_batch_is_scaled_stepped_and_updated(colors):
    model, scaler = Pixels(), FourTimes()
    train_epoch(model, colors, torch.Tensor.float, still(model), scaler=scaler, batch_size=3)
    assert [name for name, _ in scaler.calls] == ["scale", "step", "update"] * 2  # of 3 and 4


def test_scaling_by_a_power_of_two_changes_no_weight(colors):
    biases = []
    for scaler in (None, torch.amp.GradScaler("cpu", init_scale=2.0**10)):
        torch.manual_seed(0)
        model = Pixels()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        train_epoch(model, colors, torch.Tensor.float, optimizer, scaler=scaler, batch_size=3)
        biases.append(model.bias)
    assert torch.equal(*biases)
    assert not torch.equal(biases[0], Pixels().bias)


def test_a_step_whose_gradients_overflow_is_left_out_and_the_scale_halved(colors):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    model = Pixels()
    model.bias.register_hook(lambda gradient: gradient * math.inf)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = train_epoch(model, colors, torch.Tensor.float, optimizer, scaler=scaler)
    assert torch.equal(model.bias, Pixels().bias)
    assert scaler.get_scale() == 2.0**9
    assert math.isfinite(loss)


@pytest.fixture
def any_precision(monkeypatch):
    """Precisions as asked for, also float16, which the CPU is otherwise refused."""
    monkeypatch.setattr(training, "choose_precision", lambda device, precision: precision)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_training_scales_gradients_in_float16_only(data, any_precision, monkeypatch, precision):
    made, GradScaler = [], torch.amp.GradScaler

    def make(device, enabled=True):
        made.append(GradScaler(device, enabled=enabled))
        return made[-1]

    monkeypatch.setattr(torch.amp, "GradScaler", make)
    run(data, make_model(), replace(RECIPE, epochs=1), precision=precision)
    assert [scaler.is_enabled() for scaler in made] == [precision == "float16"]


@pytest.mark.parametrize(("before", "after"), [("float32", "float16"), ("float16", "float32")])
def test_a_run_goes_on_in_another_precision_and_says_so(
    data, any_precision, monkeypatch, tmp_path, before, after
):
    file = tmp_path / "run.pt"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        do_at(("step", 3, 2), stop, patch.setattr)
        run(data, make_model(), precision=before, checkpoint=file)
    done = run(data, make_model(), precision=after, checkpoint=file)
    assert [precision for _, precision in done.computed] == [before, after]
    assert len(done.history["seconds"]) == RECIPE.epochs


def test_float16_resumes_with_its_scale(data, any_precision, monkeypatch, tmp_path):
    file = tmp_path / "run.pt"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        do_at(("step", 3, 2), stop, patch.setattr)
        run(data, make_model(), precision="float16", checkpoint=file)
    # The scale grows after so many steps without overflow; those before the interruption count.
    assert torch.load(file, weights_only=True)["scaler"]["_growth_tracker"] == 2 * STEPS
    run(data, make_model(), precision="float16", checkpoint=file)
    assert torch.load(file, weights_only=True)["scaler"]["_growth_tracker"] == 6 * STEPS


# --------------------------------------------------------------------------------------------------
# A training
# --------------------------------------------------------------------------------------------------


def test_the_history_has_a_number_for_each_epoch(data):
    model = make_model()
    done = run(data, model)
    assert list(done.history) == [
        "train_loss", "validation_loss", "validation_top_1", "learning_rate", "seconds",
    ]  # fmt: skip
    assert all(len(values) == RECIPE.epochs for values in done.history.values())
    assert done.seconds == sum(done.history["seconds"]) > 0
    assert done.history["learning_rate"] == pytest.approx(RATES)
    found = evaluate(model, data.validation, make_transforms(data, RECIPE)[1])
    assert done.history["validation_loss"][-1] == found.loss
    assert done.history["validation_top_1"][-1] == found.top_1
    assert done.devices == f"{training.device_name(CPU)}, float32"
    assert done.computed == [(training.device_name(CPU), "float32")]


@pytest.mark.parametrize("width", [1 / 32, 1 / 4])
def test_the_loss_at_the_start_is_that_of_guessing(data, width):
    recipe = replace(RECIPE, epochs=1, batch_size=40)
    history = run(data, make_model(width=width), recipe).history
    assert history["train_loss"][0] == pytest.approx(math.log(10), abs=0.1)


def test_one_batch_can_be_overfitted(data):
    recipe = Recipe(
        "overfit", epochs=60, batch_size=20, learning_rate=0.05, flip=0.0, color_std=0.0
    )
    batch = data.train.take(torch.arange(20))
    model = make_model(width=1 / 8, dropout=0.0)
    history = run(replace(data, train=batch), model, recipe).history
    assert history["train_loss"][-1] < 0.05
    assert evaluate(model, batch, make_transforms(data, recipe)[1], mirror=False).top_1 == 100


def test_images_and_weights_are_channels_last(data):
    seen = []

    def note(module, inputs):
        if module.training:
            (images,) = inputs
            seen.append(images.is_contiguous(memory_format=torch.channels_last))
            seen.append(not images.is_contiguous())
            (conv,) = list(module.features.stack1)[:1]
            seen.append(conv.weight.is_contiguous(memory_format=torch.channels_last))

    model = make_model()
    model.register_forward_pre_hook(note)
    run(data, model, replace(RECIPE, epochs=1))
    assert seen == [True] * (3 * STEPS)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            assert layer.weight.is_contiguous()  # afterwards, as others expect it


def test_the_random_state_of_torch_is_as_before(data, monkeypatch):
    model = make_model()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    run(data, model)
    assert torch.equal(torch.get_rng_state(), before)
    do_at(("step", 2, 3), stop, monkeypatch.setattr)
    with pytest.raises(Stop):
        run(data, model)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_on_the_cpu_leaves_the_random_state_of_gpus_alone(data, monkeypatch):
    monkeypatch.setattr(torch.cuda, "manual_seed_all", lambda seed: stop())
    with pytest.raises(Stop):
        torch.manual_seed(0)
    model = vgg("I", num_classes=10, image_size=8, width=1 / 32)
    run(data, model, replace(RECIPE, epochs=1))


def test_the_seed_alone_decides_what_a_run_draws(data):
    trained = []
    for seed, elsewhere in ((0, 1), (0, 2), (1, 2)):
        model = make_model()
        torch.manual_seed(elsewhere)
        run(data, model, seed=seed)
        trained.append(model)
    assert same(trained[0], weights(trained[1]))
    assert not same(trained[0], weights(trained[2]))


def scripted(monkeypatch, accuracies):
    """Evaluations that find these accuracies, one after the other, and a loss that falls."""
    found = (
        Evaluation(1 / (i + 1), [accuracy] * 5, torch.zeros(1, 10), accuracy)
        for i, accuracy in enumerate(accuracies)
    )
    monkeypatch.setattr(training, "evaluate", lambda *args, **options: next(found))


def test_evaluation_does_not_disturb_training(data, monkeypatch):
    recipe = replace(RECIPE, patience=100)
    model, other = make_model(), make_model()
    run(data, model, recipe)
    scripted(monkeypatch, range(10, 20))
    run(data, other, recipe)
    assert same(model, weights(other))


def test_the_learning_rate_falls_on_a_plateau_of_the_validation_accuracy(data, monkeypatch):
    accuracies = [10.0, 20.0, 20.01, 20.0, 20.01, 19.0, 30.0, 31.0, 32.0]
    # 20.01 is less than a thousandth better than 20. Two epochs without improvement: one too many.
    rates = [0.05] * 4 + [0.025] * 2 + [0.0125] * 3
    scripted(monkeypatch, accuracies)
    recipe = replace(RECIPE, epochs=9, threshold=1e-3)
    history = run(data, make_model(), recipe).history
    assert history["learning_rate"] == pytest.approx(rates)
    assert history["validation_top_1"] == accuracies


class Sealed(Data):
    """A data set whose test split cannot be read."""

    def __getattribute__(self, name):
        if name == "test" and self.__dict__.get("is_sealed"):
            raise AssertionError("the test split was read")
        if name == "fingerprint" and "known" in self.__dict__:
            return self.known
        return super().__getattribute__(name)


def test_the_test_split_is_not_read(data, tmp_path):
    sealed = Sealed(data.name, data.classes, data.train, data.validation, data.test)
    sealed.__dict__["is_sealed"] = True
    transforms = make_transforms(data, RECIPE)
    with pytest.raises(AssertionError, match="was read"):
        sealed.fingerprint  # noqa: B018
    run(sealed, make_model(), transforms=transforms)
    # A checkpoint notes the digest of the whole data set, which tells nothing about the test split.
    sealed.__dict__["known"] = data.fingerprint
    run(sealed, make_model(), transforms=transforms, checkpoint=tmp_path / "run.pt")


# --------------------------------------------------------------------------------------------------
# A loss that is not finite
# --------------------------------------------------------------------------------------------------

ADVICE = r"the loss is nan in epoch {}: the training diverged. Try a tenth of the learning rate"
ADVICE += r" \(it is {}\), precision='float32', and make sure that the transform"


class Spoiling:
    """A transform that gives what is not a number from some batch on."""

    def __init__(self, transform, batch):
        self.transform, self.batch, self.batches = transform, batch, 0

    def __call__(self, images):
        self.batches += 1
        return self.transform(images) * (math.nan if self.batches >= self.batch else 1)


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_the_last_checkpoint(data, tmp_path):
    file = tmp_path / "run.pt"
    train_transform, test_transform = make_transforms(data, RECIPE)
    spoiling = Spoiling(train_transform, 2 * STEPS + 3)
    with pytest.raises(FloatingPointError, match=ADVICE.format(3, 0.05)):
        run(data, make_model(), transforms=(spoiling, test_transform), checkpoint=file)
    assert epochs_in(file) == 2
    assert os.listdir(tmp_path) == ["run.pt"]


def test_a_loss_that_is_not_finite_is_noticed_within_the_epoch(data):
    recipe = replace(RECIPE, batch_size=1)
    train_transform, test_transform = make_transforms(data, recipe)
    spoiling = Spoiling(train_transform, 3)
    with pytest.raises(FloatingPointError, match="in epoch 1"):
        run(data, make_model(), recipe, transforms=(spoiling, test_transform))
    assert spoiling.batches <= 3 + training._STEPS_BETWEEN_LOOKS < len(data.train)


@pytest.mark.parametrize("batch_size", [8, 40])
def test_too_high_a_learning_rate_is_found_out(data, batch_size):
    # 40: one step in the epoch, whose loss is finite and whose weights are useless afterwards.
    recipe = replace(RECIPE, batch_size=batch_size, learning_rate=1e25)
    with pytest.raises(FloatingPointError, match=ADVICE.format(1, r"1e\+25")):
        run(data, make_model(), recipe)


def test_it_is_found_out_without_validation_images_too(data):
    recipe = replace(RECIPE, batch_size=40, learning_rate=1e25, schedule="one_cycle", epochs=1)
    with pytest.raises(FloatingPointError, match=ADVICE.format(1, r"1e\+25")):
        run(without_validation(data), make_model(), recipe)


def test_another_error_of_the_evaluation_is_not_taken_for_divergence(data, monkeypatch):
    def fail(*args, **options):
        raise ValueError("something else")

    monkeypatch.setattr(training, "evaluate", fail)
    with pytest.raises(ValueError, match="something else"):
        run(data, make_model())


# --------------------------------------------------------------------------------------------------
# Killed and started again
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_that_is_interrupted_again_and_again_ends_bit_for_bit_as_one_that_is_not(
    data, monkeypatch, tmp_path, precision
):
    file = tmp_path / "run.pt"
    model = make_model()
    whole = run(data, model, precision=precision)
    expected = weights(model)
    # Twice in one epoch, while saving, and between the bad epochs that the schedule counts.
    moments = [("step", 1, 2), ("step", 1, STEPS), ("save", 2, 0), ("step", 3, 1), ("step", 5, 4)]
    for moment in moments:
        with monkeypatch.context() as patch, pytest.raises(Stop):
            do_at(moment, stop, patch.setattr)
            run(data, make_model(), precision=precision, checkpoint=file)
    model = make_model()
    resumed = run(data, model, precision=precision, checkpoint=file)
    assert same(model, expected)
    for key in ("train_loss", "validation_loss", "validation_top_1", "learning_rate"):
        assert resumed.history[key] == whole.history[key]
    assert resumed.history["learning_rate"] == pytest.approx(RATES)
    assert resumed.devices == whole.devices


CHILD = """
import sys, time
sys.path[:0] = {paths!r}
import torch
import test_training as here

def wait():
    print("now", flush=True)
    time.sleep(600)

torch.set_num_threads(1)
here.do_at({moment!r}, wait)
here.run(here.make_data(), here.make_model(), precision={precision!r}, checkpoint={file!r})
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX systems")
@pytest.mark.parametrize(
    ("moment", "precision"),
    [(("step", 4, 3), "float32"), (("save", 4), "float32"), (("step", 4, 3), "bfloat16")],
)
def test_a_process_that_was_killed_goes_on_bit_for_bit(data, tmp_path, moment, precision):
    file = tmp_path / "run.pt"
    here = Path(__file__).parent
    code = CHILD.format(
        paths=[str(here), str(here.parent)], moment=moment, precision=precision, file=str(file)
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "now\n"
        finally:
            child.kill()
    assert child.returncode == -9
    assert epochs_in(file) == 3
    model, expected = make_model(), make_model()
    resumed = run(data, model, precision=precision, checkpoint=file)
    whole = run(data, expected, precision=precision)
    assert same(model, weights(expected))
    assert resumed.history["learning_rate"] == whole.history["learning_rate"]


@pytest.mark.parametrize(
    "change",
    [
        {"momentum": 0.5},
        {"weight_decay": 0.1},
        {"nesterov": True},
        {"label_smoothing": 0.3},
        {"averaging": 0.5},
        {"schedule": "one_cycle"},
        {"muon": 0.05},
        {"batch_size": 9},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_setting_changes_the_training(data, change):
    model, other = make_model(), make_model()
    recipe = replace(RECIPE, epochs=1)
    run(data, model, recipe)
    run(data, other, replace(recipe, **change))
    assert not same(model, weights(other))


def test_what_is_judged_and_kept_is_the_average(data):
    model = make_model()
    recipe = replace(RECIPE, averaging=0.9)
    done = run(data, model, recipe)
    _, test_transform = make_transforms(data, recipe)
    found = evaluate(model, data.validation, test_transform, precision="float32")
    assert done.history["validation_loss"][-1] == pytest.approx(found.loss)


def test_one_cycle_moves_the_rate_at_each_step(data):
    recipe = replace(RECIPE, schedule="one_cycle", warmup=0.2)
    done = run(data, make_model(), recipe)
    planned = [recipe.learning_rate * one_cycle(e / 6, 0.2) for e in range(6)]
    assert done.history["learning_rate"] == pytest.approx(planned)


@pytest.mark.parametrize("part", ["model", "optimizer", "scheduler", "random_state"])
def test_each_part_of_a_checkpoint_matters(data, monkeypatch, tmp_path, part):
    """What the tests above rest on: without one of these the weights would differ."""
    file = tmp_path / "run.pt"
    expected = make_model()
    with monkeypatch.context() as patch, pytest.raises(Stop):
        do_at(("step", 3, 1), stop, patch.setattr)
        run(data, make_model(), checkpoint=file)
    state = torch.load(file, weights_only=True)
    run(data, expected, checkpoint=file)
    if part == "model":
        state["model"]["classifier.fc2.bias"][0] += 1e-6
    elif part == "optimizer":
        assert any(entry["momentum_buffer"].any() for entry in state["optimizer"]["state"].values())
        state["optimizer"]["state"] = {}
    elif part == "scheduler":
        assert state["scheduler"]["num_bad_epochs"] == 1
        state["scheduler"]["num_bad_epochs"] = 0
    else:
        state["random_state"]["cpu"] = torch.Generator().manual_seed(99).get_state()
    torch.save(state, file)
    model = make_model()
    run(data, model, checkpoint=file)
    assert not same(model, weights(expected))


def test_a_finished_run_returns_at_once(data, monkeypatch, tmp_path):
    file = tmp_path / "run.pt"
    model, again = make_model(), make_model()
    first = run(data, model, checkpoint=file)
    monkeypatch.setattr(training, "train_epoch", lambda *args, **options: stop())
    monkeypatch.setattr(training, "evaluate", lambda *args, **options: stop())
    assert run(data, again, checkpoint=file) == first
    assert same(again, weights(model))


def test_a_checkpoint_holds_the_random_state_of_the_gpu_that_computes(monkeypatch, tmp_path):
    """A fake GPU: the second of two, so that the current one would be the wrong one."""
    states = {"cuda:0": torch.tensor([0]), "cuda:1": torch.tensor([1])}
    fake = SimpleNamespace(
        get_rng_state=lambda device="cuda:0": states[str(device)],
        set_rng_state=lambda state, device="cuda:0": states.update({str(device): state}),
    )
    monkeypatch.setattr(torch, "get_device_module", lambda device: fake, raising=False)
    file, device = tmp_path / "run.pt", torch.device("cuda:1")
    noted = {"history": {"seconds": [1.0]}, "model": {}}
    checkpoints.save_checkpoint(file, {"seed": 0}, {}, device, noted)
    states.update({"cuda:0": torch.tensor([8]), "cuda:1": torch.tensor([9])})
    found = checkpoints.load_checkpoint(file, {"seed": 0}, {}, device)
    assert noted.items() <= found.items()
    assert {name: state.item() for name, state in states.items()} == {"cuda:0": 8, "cuda:1": 1}


# --------------------------------------------------------------------------------------------------
# Checkpoints that are refused
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def checkpoint(data, tmp_path):
    """Of a run of one epoch with the recipe ``ONE``."""
    run(data, make_model(), ONE, checkpoint=tmp_path / "run.pt")
    return tmp_path / "run.pt"


ONE = replace(RECIPE, epochs=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda: {"model": make_model(name="II")},
            r"network, conv_stacks, 2, 1, layers differs \(1",
        ),
        (lambda: {"model": make_model(dropout=0.4)}, r"network, linear, 1, dropout differs \(0.5"),
        (lambda: {"model": make_model(seed=1)}, r"first weights differs \('\w{16}' there"),
        (lambda: {"recipe": replace(ONE, epochs=2)}, r"recipe's epochs differs \(1 there, 2"),
        (lambda: {"recipe": replace(ONE, name="other")}, r"recipe's name differs \('tiny' there"),
        (lambda: {"recipe": replace(ONE, flip=0.0)}, r"recipe's flip differs \(0.5 there, 0.0"),
        (lambda: {"seed": 1}, r"seed differs \(0 there, 1 here\)"),
        (lambda: {"data": make_data(seed=1)}, r"data differs \('shapes \w{16}' there, 'shapes \w"),
        (lambda: {"transforms": (torch.Tensor.float,) * 2}, "training transform differs"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(data, checkpoint, change, message):
    options = {"data": data, "model": make_model(), "recipe": ONE} | change()
    before, content = weights(options["model"]), checkpoint.read_bytes()
    with pytest.raises(
        ValueError, match=f"run.pt' belongs to another run: its {message}"
    ) as caught:
        run(**options, checkpoint=checkpoint)
    assert "Choose another file, or remove this one" in str(caught.value)
    assert same(options["model"], before)
    assert checkpoint.read_bytes() == content


@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_a_model_that_already_has_the_trained_weights_goes_on(data, tmp_path, averaging):
    """Also in another object, as after a restart of the kernel."""
    recipe, model = replace(ONE, averaging=averaging), make_model()
    done = run(data, model, recipe, checkpoint=tmp_path / "run.pt")
    other = make_model(seed=5)
    other.load_state_dict(model.state_dict())
    assert run(data, other, recipe, checkpoint=tmp_path / "run.pt").history == done.history
    assert same(other, weights(model))


@pytest.mark.parametrize(
    "wrap", [lambda model: torch.compile(model, backend="eager"), torch.nn.DataParallel]
)
def test_a_network_that_is_wrapped_in_the_cell_itself_goes_on(data, tmp_path, monkeypatch, wrap):
    """And the wrapped run belongs to the same checkpoint as one of the network alone."""
    recipe, model, path = replace(RECIPE, epochs=2), make_model(dropout=0.0), tmp_path / "run.pt"
    with monkeypatch.context() as patch:
        do_at(("step", 2, 1), stop, patch.setattr)
        with pytest.raises(Stop):
            run(data, wrap(model), recipe, checkpoint=path)
    assert epochs_in(path) == 1
    run(data, wrap(model), recipe, checkpoint=path)
    assert epochs_in(path) == 2
    again = make_model(dropout=0.0)
    run(data, again, recipe, checkpoint=path)
    assert same(again, weights(model))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": "I"}, "model must be a Module, got str"),
        ({"data": [1, 2]}, "data must be a Data, got list"),
        ({"recipe": "classic"}, r"recipe must be a Recipe, such as RECIPES\['quick'\], got 'cl"),
        ({"seed": "0"}, "seed must be an int, got '0'"),
        ({"model": make_model().double()}, "float64: train a float32 network"),
        ({"model": make_model().to("meta")}, "is on the meta device"),
        ({"model": make_model().requires_grad_(False)}, "no weights to learn: set requires_grad"),
        (
            {"model": vgg("I", num_classes=3, image_size=8, width=1 / 32)},
            "tells 3 classes apart, and the data have 10: make it with num_classes=10",
        ),
    ],
)
def test_what_no_training_can_begin_with_is_refused_and_nothing_is_changed(data, change, message):
    given = {"model": make_model(), "data": data, "recipe": ONE} | change
    with pytest.raises((TypeError, ValueError), match=message):
        train(
            **given,
            train_transform=torch.Tensor.float,
            test_transform=torch.Tensor.float,
            device="cpu",
        )
    if isinstance(given["model"], torch.nn.Module):  # safetensors would not take channels_last
        assert all(weight.is_contiguous() for weight in given["model"].parameters())


def test_a_folder_is_no_checkpoint(data, tmp_path):
    with pytest.raises(OSError, match="is a folder: expected the name of a file in it"):
        run(data, make_model(), ONE, checkpoint=tmp_path)


@pytest.mark.parametrize("precision", ["fp32", "Float32", "half"])
def test_a_precision_that_is_none_is_refused_and_not_taken_for_bfloat16(data, precision):
    with pytest.raises(ValueError, match=f"unknown precision '{precision}'"):
        evaluate(make_model(), data.test, torch.Tensor.float, precision=precision)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: content[:10],
        lambda content: b"",
        lambda content: b"weights",
    ],
)
def test_a_damaged_checkpoint_is_refused(data, checkpoint, damage):
    content = damage(checkpoint.read_bytes())
    checkpoint.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"run.pt' is damaged or no checkpoint .*: remove it to train"
    ):
        run(data, make_model(), ONE, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == content


def test_a_checkpoint_from_before_a_setting_belongs_to_its_default(data, checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    assert "recipe's deeper_epochs" not in state["identity"]  # the epochs say it
    del state["identity"]["recipe's muon"]
    torch.save(state, checkpoint)
    model, again = make_model(), make_model()
    run(data, model, replace(ONE, deeper_epochs=1.0), checkpoint=checkpoint)
    run(data, again, ONE)
    assert same(model, weights(again))
    with pytest.raises(ValueError, match=r"recipe's muon differs \(0.0 there, 0.1 here\)"):
        run(data, make_model(), replace(ONE, muon=0.1), checkpoint=checkpoint)


def test_a_run_that_ended_in_another_precision_is_refused_if_one_is_asked_for(data, checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    assert state["computed"][-1][1] == "float32"
    state["computed"] = [("GPU", "float16"), ("GPU", "bfloat16")]
    torch.save(state, checkpoint)
    run(data, make_model(), ONE, precision="auto", checkpoint=checkpoint)
    with pytest.raises(ValueError, match=r"was not in float32: GPU, float16; then GPU, bfloat16"):
        run(data, make_model(), ONE, precision="float32", checkpoint=checkpoint)


def test_a_first_step_that_overflows_leaves_no_trace_in_the_momentum():
    """A fused kernel leaves such a step out by itself, and SGD keeps the buffer that it made."""
    recipe = Recipe("tiny", momentum=0.9, weight_decay=0.0)
    layers = nn.Linear(3, 2), nn.Linear(3, 2)
    layers[1].load_state_dict(layers[0].state_dict())
    optimizers = [make_optimizer(layer, recipe) for layer in layers]
    assert all(optimizer.param_groups[0]["fused"] for optimizer in optimizers)
    images = torch.randn(4, 3)
    for weight in layers[0].parameters():
        weight.grad = torch.full_like(weight, torch.inf)
    optimizers[0].grad_scale, optimizers[0].found_inf = None, torch.ones(())
    optimizers[0].step()
    del optimizers[0].grad_scale, optimizers[0].found_inf
    for layer, optimizer in zip(layers, optimizers, strict=True):
        for _ in range(2):
            optimizer.zero_grad()
            layer(images).square().mean().backward()
            optimizer.step()
    assert torch.equal(layers[0].weight, layers[1].weight)


def test_a_checkpoint_that_cannot_be_read_is_not_called_damaged(data, checkpoint, monkeypatch):
    def fail(path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(OSError, match="Input/output error"):
        run(data, make_model(), ONE, checkpoint=checkpoint)


@pytest.mark.parametrize("content", [{"model": {}}, {"identity": 3}, [1, 2], torch.zeros(3)])
def test_another_file_of_torch_is_refused(data, tmp_path, content):
    torch.save(content, tmp_path / "run.pt")
    with pytest.raises(ValueError, match=r"is damaged or no checkpoint of this package"):
        run(data, make_model(), ONE, checkpoint=tmp_path / "run.pt")


class Evil:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("kind", ["pickle", "torch", "old torch"])
def test_code_in_a_checkpoint_is_not_run(data, tmp_path, kind):
    file, mark = tmp_path / "run.pt", tmp_path / "mark"
    content = {"identity": Evil(mark)}
    if kind == "pickle":
        file.write_bytes(pickle.dumps(content, protocol=2))
        pickle.loads(file.read_bytes())
    else:
        torch.save(content, file, _use_new_zipfile_serialization=kind == "torch")
        torch.load(file, weights_only=False)
    mark.unlink()  # so it would have been run
    with pytest.raises(ValueError, match=r"is damaged or no checkpoint .*\(UnpicklingError\)"):
        run(data, make_model(), ONE, checkpoint=file)
    assert not mark.exists()


# --------------------------------------------------------------------------------------------------
# Disks
# --------------------------------------------------------------------------------------------------


def nth(function, n, error):
    """``function``, which fails at its call number ``n`` after half of its work."""
    calls = []

    def failing(*args):
        calls.append(args)
        if len(calls) == n:
            if hasattr(args[-1], "write"):
                args[-1].write(b"half of it")
            raise error
        return function(*args)

    return failing


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("module", "function", "error"),
    [
        (os, "fsync", FULL),
        (torch, "save", FULL),
        (torch, "save", RuntimeError("PytorchStreamWriter failed writing file: No space left")),
    ],
)
def test_a_full_disk_leaves_the_last_checkpoint_whole(
    data, monkeypatch, tmp_path, module, function, error
):
    file = tmp_path / "run.pt"
    with monkeypatch.context() as patch:
        patch.setattr(module, function, nth(getattr(module, function), 4, error))
        with pytest.raises(
            OSError,
            match=r"cannot write the checkpoint '.*run.pt' \(.*No space left.*\): the one"
            r" before, if any, is whole; make room on the disk",
        ):
            run(data, make_model(), checkpoint=file)
    assert os.listdir(tmp_path) == ["run.pt"]
    assert epochs_in(file) == 2
    model, expected = make_model(), make_model()
    run(data, model, checkpoint=file)
    run(data, expected)
    assert same(model, weights(expected))


def test_a_write_that_the_system_refuses_leaves_the_last_checkpoint_whole(
    data, monkeypatch, tmp_path
):
    """No fake: the system limits the size of files, and torch's own writer meets it."""
    resource = pytest.importorskip("resource")
    file = tmp_path / "run.pt"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        do_at(("step", 3, 1), stop, patch.setattr)
        run(data, make_model(), checkpoint=file)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size // 2, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot write the checkpoint .*is whole"):
            run(data, make_model(), checkpoint=file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert os.listdir(tmp_path) == ["run.pt"]
    assert epochs_in(file) == 2


def test_a_folder_that_cannot_be_written_is_refused_before_training(data, tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    model = make_model()
    before = weights(model)
    with pytest.raises(OSError, match=r"cannot write checkpoints to '.*checkpoints' \(.*: choose"):
        run(data, model, checkpoint=tmp_path / "checkpoints" / "run.pt")
    assert same(model, before)


# --------------------------------------------------------------------------------------------------
# Watching
# --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("progress", [None, False])
def test_nothing_is_printed_where_nobody_watches(data, capfd, progress):
    run(data, make_model(), progress=progress)
    assert capfd.readouterr() == ("", "")


def test_a_progress_bar_leaves_no_line(data, capsys):
    run(data, make_model(), progress=True)
    out, err = capsys.readouterr()
    assert err == ""
    assert "epoch 6/6" in out and "images" in out and "validation=" in out
    assert "\n" not in out
    *_, drawn, last = out.split("\r")
    assert drawn.strip() == last == ""  # overwritten with blanks, and back to the start


def test_a_progress_bar_leaves_no_line_after_an_error_either(data, monkeypatch, capsys):
    do_at(("step", 2, 3), stop, monkeypatch.setattr)
    with pytest.raises(Stop):
        run(data, make_model(), progress=True)
    out, _ = capsys.readouterr()
    assert "\n" not in out and "epoch 2/6" in out
    *_, drawn, last = out.split("\r")
    assert drawn.strip() == last == ""


def test_a_resumed_run_shows_what_was_done(data, monkeypatch, tmp_path, capsys):
    file = tmp_path / "run.pt"
    with monkeypatch.context() as patch, pytest.raises(Stop):
        do_at(("step", 4, 1), stop, patch.setattr)
        run(data, make_model(), checkpoint=file)
    run(data, make_model(), checkpoint=file, progress=True)
    out, _ = capsys.readouterr()
    assert "epoch 3/6" not in out and "epoch 4/6:  50%" in out and "120/240" in out


def fake_ipython(monkeypatch, shell):
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("allowed", [False, True])
def test_a_notebook_is_watched_when_its_kernel_could_ask(monkeypatch, allowed, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    fake_ipython(monkeypatch, SimpleNamespace(kernel=SimpleNamespace(_allow_stdin=allowed)))
    assert somebody_watches() is allowed


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("shell", [None, SimpleNamespace(), "not imported"])
def test_elsewhere_a_terminal_is_watched(monkeypatch, shell, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    if shell == "not imported":
        monkeypatch.delitem(sys.modules, "IPython", raising=False)
    else:
        fake_ipython(monkeypatch, shell)
    assert somebody_watches() is terminal


def test_a_bar_is_shown_where_somebody_watches(data, monkeypatch, capsys):
    monkeypatch.setattr(training, "somebody_watches", lambda: True)
    run(data, make_model(), ONE)
    assert "epoch 1/1" in capsys.readouterr().out
    run(data, make_model(), ONE, progress=False)
    assert capsys.readouterr().out == ""


def test_seconds_are_those_of_the_epochs(data, monkeypatch):
    clock = iter(range(0, 1000, 5))
    monkeypatch.setattr(training, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    done = run(data, make_model())
    assert done.history["seconds"] == [5] * RECIPE.epochs
    assert done.seconds == 5 * RECIPE.epochs


# --------------------------------------------------------------------------------------------------
# A cell that is run again
# --------------------------------------------------------------------------------------------------


def interrupted(data, model, moment, monkeypatch, file, recipe=RECIPE):
    with monkeypatch.context() as patch, pytest.raises(Stop):
        do_at(moment, stop, patch.setattr)
        run(data, model, recipe, checkpoint=file)


@pytest.mark.parametrize("moment", [("step", 1, 2), ("step", 3, 2), ("save", 2)])
@pytest.mark.parametrize("averaging", [0.0, 0.9])
def test_the_model_that_was_interrupted_goes_on(data, monkeypatch, tmp_path, moment, averaging):
    file, recipe = tmp_path / "run.pt", replace(RECIPE, averaging=averaging)
    expected, model = make_model(), make_model()
    run(data, expected, recipe)
    interrupted(data, model, moment, monkeypatch, file, recipe)
    run(data, model, recipe, checkpoint=file)  # the cell, run again
    assert same(model, weights(expected))
    run(data, model, recipe, checkpoint=file)  # and once more
    assert same(model, weights(expected))


def test_a_model_that_is_trained_further_into_another_file_begins_there(data, tmp_path):
    """Its first weights in that run are those that the run before left it with."""
    first, second, model = tmp_path / "a.pt", tmp_path / "b.pt", make_model()
    run(data, model, checkpoint=first)
    between = copy.deepcopy(model)
    run(data, model, checkpoint=second)
    left = copy.deepcopy(weights(model))
    run(data, model, checkpoint=second)  # the second cell, run again
    assert same(model, left)
    run(data, between, checkpoint=second)  # another process, which has read the first result
    assert same(between, left)
    another = make_model(seed=5)
    run(data, another, checkpoint=tmp_path / "c.pt")
    with pytest.raises(ValueError, match="first weights differs"):
        run(data, another, checkpoint=second)


def test_a_file_that_was_removed_is_not_written_again_as_if_from_the_first_weights(data, tmp_path):
    file, model = tmp_path / "run.pt", make_model()
    run(data, model, checkpoint=file)
    file.unlink()
    run(data, model, checkpoint=file)  # from the weights that the first training left
    with pytest.raises(ValueError, match="first weights differs"):
        run(data, make_model(), checkpoint=file)


def test_a_network_whose_whole_classifier_was_exchanged_is_trained_and_goes_on(data, tmp_path):
    losses = []
    for _ in range(2):
        model = make_model()
        torch.manual_seed(1)
        model.classifier = nn.Linear(model.classifier[0].in_features, 10)
        losses.append(run(data, model, checkpoint=tmp_path / "run.pt").history["train_loss"])
    assert losses[0] == losses[1]
    with pytest.raises(ValueError, match="the classifier was exchanged for Linear"):
        model.settings()
    with pytest.raises(TypeError, match="the classifier was exchanged for Linear"):
        ConvolutionalVGG(model)


def test_first_images_that_are_too_small_for_the_network_are_refused(data):
    recipe = replace(RECIPE, schedule="one_cycle", small_epochs=1, small_factor=0.5)
    torch.manual_seed(0)
    model = vgg("slim", num_classes=10, image_size=9, width=1 / 8)
    larger = load_data(image_size=12, train_images=40, test_images=20)
    with pytest.raises(ValueError, match="begins with images of 6 pixels, and the network takes 9"):
        run(larger, model, recipe)


def test_a_model_with_the_weights_of_the_checkpoint_goes_on(data, monkeypatch, tmp_path):
    """Loaded by hand, in a new process, say."""
    file = tmp_path / "run.pt"
    expected, model, other = make_model(), make_model(), make_model(seed=5)
    run(data, expected)
    interrupted(data, model, ("step", 3, 2), monkeypatch, file)
    other.load_state_dict(torch.load(file, weights_only=True)["model"])
    run(data, other, checkpoint=file)
    assert same(other, weights(expected))


def test_a_model_that_was_changed_since_is_refused(data, monkeypatch, tmp_path):
    file, model = tmp_path / "run.pt", make_model()
    interrupted(data, model, ("step", 3, 2), monkeypatch, file)
    with torch.no_grad():
        model.classifier.fc2.bias += 1
    with pytest.raises(ValueError, match="first weights differs"):
        run(data, model, checkpoint=file)


def twice_as_bright(images):
    return 2 * images.float() / 255


def test_an_augmentation_that_is_a_function_goes_on_in_another_process(data, monkeypatch, tmp_path):
    """Its address differs there, and its name and source do not."""
    file = tmp_path / "run.pt"
    code = CHILD.replace("here.run(", "here.run(transforms=(here.twice_as_bright,) * 2, data=")
    code = code.replace(
        "here.make_data(), here.make_model()", "here.make_data(), model=here.make_model()"
    )
    here = Path(__file__).parent
    code = code.format(
        paths=[str(here), str(here.parent)], moment=("step", 4, 3), precision="float32",
        file=str(file),
    )  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "now\n"
        finally:
            child.kill()
    assert epochs_in(file) == 3
    transforms = (twice_as_bright,) * 2
    counted = Mock(wraps=training.train_epoch)
    monkeypatch.setattr(training, "train_epoch", counted)
    run(data, make_model(), transforms=transforms, checkpoint=file)
    assert counted.call_count == RECIPE.epochs - 3


def test_an_augmentation_whose_constant_changed_is_refused(data, monkeypatch, tmp_path):
    file, test_transform = tmp_path / "run.pt", make_transforms(data, RECIPE)[1]

    def brighter(strength):
        return v2.Compose([test_transform, v2.Lambda(lambda images: images * strength)])

    with monkeypatch.context() as patch, pytest.raises(Stop):
        do_at(("step", 3, 1), stop, patch.setattr)
        run(data, make_model(), transforms=(brighter(1.5), test_transform), checkpoint=file)
    with pytest.raises(ValueError, match=r"training transform, .* differs \(1.5 there, 2.0 here"):
        run(data, make_model(), transforms=(brighter(2.0), test_transform), checkpoint=file)


# --------------------------------------------------------------------------------------------------
# What no training can begin with
# --------------------------------------------------------------------------------------------------


def without_validation(data):
    return replace(data, validation=data.validation.take(torch.arange(0)))


def test_a_plateau_needs_validation_images(data):
    with pytest.raises(ValueError, match="there are no validation images, by which the schedule"):
        run(without_validation(data), make_model())


def test_a_plan_needs_none_and_its_history_says_so(data, tmp_path):
    recipe = replace(RECIPE, schedule="one_cycle", epochs=3)
    found = {}
    for name, images in {"held out": data, "all": without_validation(data)}.items():
        model = make_model()
        done = run(images, model, recipe, checkpoint=tmp_path / f"{name}.pt")
        found[name] = weights(model), done.history
    (held_out, history), (whole, without) = found.values()
    assert without["validation_top_1"] == without["validation_loss"] == [None] * 3
    assert without["train_loss"] == history["train_loss"] and None not in history["validation_loss"]
    assert all(torch.equal(held_out[name], whole[name]) for name in held_out)


# --------------------------------------------------------------------------------------------------
# What an epoch shows
# --------------------------------------------------------------------------------------------------


class Seen:
    """A transform that keeps the batches it is given."""

    def __init__(self, transform):
        self.transform, self.batches = transform, []

    def __call__(self, images):
        self.batches.append(images.clone())
        return self.transform(images)


def test_half_of_the_images_are_mirrored_and_the_other_half_in_the_next_epoch(data):
    recipe = replace(RECIPE, schedule="one_cycle", epochs=3, flip=0.0, alternating_flip=True)
    augment, preprocess = make_transforms(data, recipe)
    seen = Seen(augment)
    run(data, make_model(), recipe, transforms=(seen, preprocess))
    shown = torch.cat(seen.batches).split(len(data.train))
    assert len(shown) == 3
    as_they_are = []
    for epoch in shown:
        equal = (epoch[:, None] == data.train.images[None]).flatten(2).all(dim=2).any(dim=0)
        mirrored = epoch.flip(-1)
        other = (mirrored[:, None] == data.train.images[None]).flatten(2).all(dim=2).any(dim=0)
        assert torch.equal(equal, ~other)  # no image of these is its own mirror image
        as_they_are.append(equal)
    assert torch.equal(as_they_are[0], ~as_they_are[1])
    assert torch.equal(as_they_are[0], as_they_are[2])
    assert 10 < as_they_are[0].sum() < 30  # of 40


class AnySize(torch.nn.Module):
    """A network for images of any size, which notes the sides of those that it learns from."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(3, 10))
        self.sides = []

    def forward(self, images):
        if self.training:
            self.sides.append(images.shape[-1])
        return images.mean(dim=(2, 3)) @ self.weight


def test_the_first_epochs_may_see_smaller_images(data):
    recipe = replace(
        RECIPE, schedule="one_cycle", epochs=3, batch_size=40, small_factor=0.75, small_epochs=2
    )
    model = AnySize()
    run(data, model, recipe)
    assert model.sides == [6, 6, 8]


def test_crops_are_made_smaller_in_the_first_epochs(data):
    crops = {"crop": 4, "training_scale": (6, 6), "small_factor": 0.5, "small_epochs": 1}
    model = AnySize()
    run(data, model, replace(RECIPE, schedule="one_cycle", epochs=2, batch_size=40, **crops))
    assert model.sides == [2, 4]


@pytest.mark.parametrize(
    ("images", "size", "expected"),
    [(41, 40, [41]), (81, 40, [40, 41]), (42, 40, [40, 2]), (1, 40, [1]), (3, 1, [1, 1, 1])],
)
def test_no_image_is_left_alone_in_a_batch(images, size, expected):
    assert [len(batch) for batch in training._batches(torch.arange(images), size)] == expected


def test_a_network_for_one_size_is_refused_where_the_first_images_are_smaller(data):
    recipe = replace(RECIPE, schedule="one_cycle", small_epochs=1)
    with pytest.raises(ValueError, match="takes one size alone: choose one with a global_pool"):
        run(data, make_model(), recipe)


def test_a_mirroring_that_alternates_and_small_images_go_on_as_they_were(data, tmp_path):
    recipe = replace(
        RECIPE,
        schedule="one_cycle",
        flip=0.0,
        alternating_flip=True,
        small_factor=0.75,
        small_epochs=2,
    )
    whole = AnySize()
    run(data, whole, recipe)
    path, model = tmp_path / "run.pt", AnySize()
    with pytest.MonkeyPatch.context() as patch:
        do_at(("save", 1), stop, patch.setattr)
        with pytest.raises(Stop):
            run(data, model, recipe, checkpoint=path)
    model = AnySize()
    run(data, model, recipe, checkpoint=path)
    assert same(model, weights(whole))


@pytest.mark.parametrize("processes", ["one", "several"])
@pytest.mark.parametrize("muon", [0.0, 0.1])
def test_biases_of_convolutions_and_normalizations_have_a_rate_of_their_own(muon, processes):
    model = vgg("I", num_classes=4, image_size=8, width=1 / 32, batch_norm=True)
    if processes == "several":  # as they exchange the normalizations on GPUs
        model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
    settings = {"learning_rate": 0.1, "weight_decay": 0.5, "muon": muon, "bias_rate": 4.0}
    groups = make_optimizer(model, replace(RECIPE, **settings)).param_groups
    found = {id(w): group for group in groups for w in group["params"]}
    assert len(found) == len(list(model.parameters()))
    for name, weight in model.named_parameters():
        group = found[id(weight)]
        if name.startswith("features") and name.endswith("bias"):
            assert (group["lr"], group["weight_decay"]) == (0.4, 0.125)
        elif muon and weight.dim() == 4:
            assert group["lr"] == muon
        else:
            assert (group["lr"], group["weight_decay"]) == (0.1, 0.5)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("momentum", 1.5, r"momentum must be in \[0, 1\), got 1.5"),
        ("patience", -3, "patience must be at least 0, got -3"),
        ("dropout", 1.0, r"dropout must be in \[0, 1\), got 1.0"),
        ("factor", 2.0, r"factor must be in \(0, 1\), got 2.0"),
        ("learning_rate", "0.1", r"learning_rate must be a number, got '0.1' \(str\)"),
        ("weight_decay", float("inf"), "weight_decay must be a finite number, at least 0, got"),
        ("flip", 1.1, r"flip must be in \[0, 1\], got 1.1"),
        ("schedule", "plato", "did you mean 'plateau'"),
        ("initialization", "He", "did you mean 'he'"),
        ("batch_norm", 1, "batch_norm must be True or False"),
        ("width", 0, "width must be above 0, got 0"),
    ],
)
def test_a_setting_is_refused_where_it_is_written(setting, value, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Recipe("bad", **{setting: value})


def test_a_trained_network_can_be_saved_as_it_is(data, tmp_path):
    safetensors = pytest.importorskip("safetensors.torch")
    model = make_model()
    run(data, model, ONE)
    safetensors.save_file(model.state_dict(), tmp_path / "weights.safetensors")
    assert same(model, safetensors.load_file(tmp_path / "weights.safetensors"))


def test_without_training_images_nothing_begins(data):
    nothing = replace(data, train=data.train.take(torch.arange(0)))
    with pytest.raises(ValueError, match="there are no training images"):
        run(nothing, make_model(), transforms=(torch.Tensor.float,) * 2)
    model = Pixels()
    with pytest.raises(ValueError, match="there are no images to train on"):
        train_epoch(model, nothing.train, torch.Tensor.float, still(model))
