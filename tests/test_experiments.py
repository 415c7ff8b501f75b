"""Experiments: a training, its one look at the test split, and its record."""

import json
import math
import os
import re
from dataclasses import asdict, fields, replace
from importlib.metadata import PackageNotFoundError

import pytest
import torch
from torchvision.transforms.v2 import functional as F

from vgglib import experiments, training
from vgglib.__main__ import few_steps, summary
from vgglib.configurations import CONFIGURATIONS, vgg
from vgglib.data import load_data
from vgglib.evaluation import evaluate
from vgglib.experiments import (
    cost_of_training,
    make_network,
    make_transforms,
    package_version,
    run_experiment,
    training_pflop,
)
from vgglib.recipes import (
    _HELD_OUT,
    ABLATION,
    CHANGES,
    COLOR_SHIFTS,
    IDEAS,
    NETWORKS,
    RECIPES,
    SERIES,
    STARTS,
    TRAINING_SCALES,
    WITHOUT,
    Recipe,
    deeper,
    fraction_held_out,
    register,
)
from vgglib.records import FIELDS, read_records, write_record
from vgglib.statistics import channel_statistics
from vgglib.tracing import trace
from vgglib.transforms import (
    PCAColorShift,
    RandomCutout,
    RandomHorizontalFlip,
    RandomScaleCrop,
    RandomTranslation,
    SubtractMean,
)

RECIPE = Recipe("tiny", epochs=2, batch_size=20, learning_rate=0.05, width=1 / 32)
RECORD = "shapes-tiny-I-2epochs-seed0.json"
CHECKPOINT = "shapes-tiny-I-2epochs-seed0.pt"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data():
    """40 training, 20 validation and 30 test images of 8x8 pixels."""
    return load_data("shapes", image_size=8, train_images=60, validation=1 / 3, test_images=30)


def run(data, name="I", recipe=RECIPE, **options):
    return run_experiment(name, data, recipe, precision="float32", device="cpu", **options)


# --------------------------------------------------------------------------------------------------
# Recipes and transforms
# --------------------------------------------------------------------------------------------------


def test_the_classic_recipe_has_the_papers_numbers():
    """Section 3.1 of the paper; epochs, patience and batch are fitted to two CPU cores."""
    paper = RECIPES["classic"]
    assert (paper.momentum, paper.weight_decay, paper.dropout) == (0.9, 5e-4, 0.5)
    assert (paper.factor, paper.flip) == (0.1, 0.5)
    # Twice the rate of Zhong (2024), for batches half as large.
    assert (paper.learning_rate, paper.batch_size) == (2e-2, 64)
    assert RECIPES["post"].learning_rate == ABLATION["classic"].learning_rate == 1e-2
    assert (paper.color_std, paper.color_by) == (0.1, "eigenvalue")
    assert (paper.schedule, paper.width) == ("plateau", 1.0)
    later = {
        "nesterov": False, "label_smoothing": 0.0, "translation": 0, "batch_norm": False,
        "averaging": 0.0, "muon": 0.0, "whitening": False, "crop": 0, "training_scale": (0, 0),
    }  # fmt: skip
    assert {name: getattr(paper, name) for name in later} == later
    zhong = Recipe("paper")
    assert (zhong.epochs, zhong.patience, zhong.batch_size) == (200, 10, 128)
    assert zhong.shortened(20).patience == 1 and zhong.shortened(5).patience == 1
    assert (paper.epochs, paper.patience, paper.shortened(5).patience) == (18, 2, 1)
    # Half of so few epochs would be too few.
    assert (deeper(paper).epochs, deeper(paper).patience) == (12, 1)


def test_recipes_are_named_as_they_are_asked_for():
    assert all(recipe.name == name for name, recipe in RECIPES.items())
    assert list(RECIPES) == [name for name in SERIES if name in RECIPES]
    names = [recipe.name for series in SERIES.values() for recipe in series.values()]
    assert len(set(names)) == len(names) and set(names) == set(NETWORKS)
    assert all(name in CONFIGURATIONS for names in NETWORKS.values() for name in names)


def test_a_recipe_that_is_registered_can_be_asked_for():
    try:
        register(Recipe("mine"), networks=("A",), held_out=0.25)
        assert SERIES["mine"] == {"mine": RECIPES["mine"]}
        assert NETWORKS["mine"] == ("A",)
        assert fraction_held_out("mine") == 0.25
        with pytest.raises(ValueError, match="there is a recipe 'mine': choose another name"):
            register(Recipe("mine"))
        with pytest.raises(ValueError, match="there is a recipe 'color none'"):  # of a series
            register(Recipe("color none"))
        with pytest.raises(ValueError, match=r"held_out must be in \[0, 1\), got 1.0"):
            register(Recipe("never"), held_out=1.0)
        assert "never" not in SERIES and "never" not in NETWORKS
    finally:
        for known in (RECIPES, NETWORKS, SERIES, _HELD_OUT):
            known.pop("mine", None)


def test_only_recipes_whose_settings_were_chosen_before_hold_nothing_out():
    assert {name for name in SERIES if fraction_held_out(name) == 0} == {
        "fast",
        "longer",
        "cutout",
    }


@pytest.mark.parametrize("recipe", [Recipe("r"), *RECIPES.values(), *TRAINING_SCALES.values()])
def test_a_recipe_comes_back_from_json(recipe):
    assert Recipe(**json.loads(json.dumps(asdict(recipe)))) == recipe


def test_a_part_of_the_epochs_is_not_one_less_for_rounding():
    assert deeper(Recipe("r", epochs=100, deeper_epochs=0.29)).epochs == 29


def test_a_deeper_network_gets_half_of_the_epochs():
    """100 instead of 200, with the same patience, as Zhong (2024)."""
    assert deeper(Recipe("paper")) == replace(Recipe("paper"), epochs=100, patience=5)
    assert deeper(replace(RECIPE, epochs=1)).epochs == 1


def test_a_recipe_says_how_many_epochs_a_deeper_network_gets():
    recipe = Recipe("paper", epochs=12, patience=4, deeper_epochs=0.75)
    assert deeper(recipe) == replace(recipe, epochs=9, patience=3)
    assert deeper(replace(recipe, deeper_epochs=1.0)).epochs == 12
    assert [deeper(replace(recipe, patience=p)).patience for p in (0, 1, 2)] == [0, 1, 1]


def test_the_transforms_have_the_statistics_of_the_training_images(data):
    statistics = channel_statistics(data.train.images)
    train_transform, test_transform = make_transforms(data, RECIPE)
    flip, subtract, shift = train_transform.transforms
    assert isinstance(flip, RandomHorizontalFlip) and flip.p == RECIPE.flip
    assert isinstance(subtract, SubtractMean)
    assert subtract.mean == pytest.approx(statistics.mean.tolist())
    assert isinstance(shift, PCAColorShift)
    assert shift.eigenvalues == pytest.approx(statistics.pca().eigenvalues.tolist())
    assert (shift.std, shift.by) == (0.1, "eigenvalue")
    (alone,) = test_transform.transforms
    assert str(alone) == str(subtract)


def test_a_recipe_with_crops_trains_on_them_and_validates_on_the_center():
    recipe = TRAINING_SCALES["S = 32 to 64"]
    data = load_data("shapes", train_images=60, validation=1 / 3, test_images=30)
    train_transform, test_transform = make_transforms(data, recipe)
    crop = train_transform.transforms[0]
    assert isinstance(crop, RandomScaleCrop) and (crop.size, crop.scale) == (24, (32, 64))
    assert make_network("I", data, recipe).image_size == (24, 24)
    assert train_transform(data.train.images).shape == (40, 3, 24, 24)
    middle = F.resize(data.test.images, [48], antialias=True)[..., 12:36, 12:36]
    subtract = test_transform.transforms[-1]
    assert torch.equal(test_transform(data.test.images), subtract(middle))


def test_the_training_scales_are_the_papers_divided_by_8():
    assert [r.training_scale for r in TRAINING_SCALES.values()] == [(32, 32), (48, 48), (32, 64)]
    assert {r.crop for r in TRAINING_SCALES.values()} == {24}
    free = {"name", "training_scale"}
    first = TRAINING_SCALES["S = 32"]
    for recipe in TRAINING_SCALES.values():
        changed = {
            f.name for f in fields(Recipe) if getattr(recipe, f.name) != getattr(first, f.name)
        }
        assert changed <= free


def test_a_recipe_with_an_impossible_crop_is_refused():
    with pytest.raises(ValueError, match="a scale of 24 to 24 px for a crop of 28 px"):
        Recipe("bad", crop=28, training_scale=(24, 24))
    with pytest.raises(ValueError, match="needs a crop"):
        Recipe("bad", training_scale=(32, 64))
    assert Recipe("one scale", crop=28, training_scale=48).training_scale == (48, 48)


def test_the_color_shift_can_be_scaled_otherwise_or_left_out(data):
    shifted, _ = make_transforms(data, replace(RECIPE, color_by="root", color_std=0.3))
    assert (shifted.transforms[-1].std, shifted.transforms[-1].by) == (0.3, "root")
    plain, _ = make_transforms(data, replace(RECIPE, color_std=0.0))
    assert [type(step) for step in plain.transforms] == [RandomHorizontalFlip, SubtractMean]


def test_validation_and_test_images_change_no_transform(data):
    dark = replace(
        data,
        validation=replace(data.validation, images=data.validation.images // 2),
        test=replace(data.test, images=data.test.images // 2),
    )
    assert str(make_transforms(dark, RECIPE)) == str(make_transforms(data, RECIPE))


# --------------------------------------------------------------------------------------------------
# Records
# --------------------------------------------------------------------------------------------------


def test_the_record_has_every_field_and_is_what_the_file_holds(data, tmp_path):
    done = run(data, results=tmp_path / "results")
    assert FIELDS.keys() <= done.record.keys()
    assert sorted(os.listdir(tmp_path / "results")) == ["predictions", RECORD]
    assert read_records(tmp_path / "results") == [done.record]
    assert json.loads((tmp_path / "results" / RECORD).read_text()) == done.record


def test_the_record_says_what_was_done(data):
    done = run(data, seed=3)
    record = done.record
    expected = {
        "model": "I",
        "width": 1 / 32,
        "dataset": "shapes",
        "data_fingerprint": data.pixel_fingerprint,
        "data_origin": data.fingerprint,
        "recipe": "tiny",
        "seed": 3,
        "start": "random weights",
        "epochs": 2,
        "batch_size": 20,
        "learning_rate": 0.05,
        "patience": 10,
        "train_images": 40,  # without validation
        "validation_images": 20,
        "test_images": 30,
        "torch": torch.__version__,
        "vgglib": package_version(),
        "device": f"{training.device_name(torch.device('cpu'))}, float32",
    }
    assert {key: record[key] for key in expected} == expected
    assert done.transfer is None


def test_of_classes_of_very_different_sizes_the_record_has_the_mean(data):
    assert "balanced_top_1" not in run(data).record
    labels = data.test.labels
    rest = torch.cat([(labels == label).nonzero()[: 1 + 2 * (label > 0)] for label in range(10)])
    fewer = replace(data, test=data.test.take(rest.flatten()))
    done = run(fewer)
    assert done.record["balanced_top_1"] == round(done.test.balanced_top_1, 2)
    assert f"mean over the classes {done.record['balanced_top_1']:.2f} %" in summary(done)


def test_the_record_has_the_measurements_rounded(data):
    done = run(data)
    record, history = done.record, done.training.history
    test = evaluate(done.model, data.test, done.test_transform)
    assert done.test.top_k_accuracy == test.top_k_accuracy
    assert record["top_k_accuracy"] == [round(value, 2) for value in test.top_k_accuracy]
    assert record["test_loss"] == pytest.approx(test.loss, abs=5e-5)
    found = evaluate(done.model, data.validation, done.test_transform)
    assert record["validation_top_1"] == round(found.top_1, 2)
    assert record["train_seconds"] == round(sum(history["seconds"]), 1)
    assert record["history"].keys() == history.keys()
    for key, values in history.items():
        assert record["history"][key] == pytest.approx(
            values, abs=0.05 if key == "seconds" else 5e-3
        )
    assert record["history"]["train_loss"] == [round(value, 4) for value in history["train_loss"]]


def test_the_multiply_adds_are_counted_by_hand_too(data):
    # 8x8 pixels, three stacks of one 3x3 convolution with a pool after each, at 1/32 of the width.
    by_hand = 9 * (64 * 3 * 4 + 16 * 4 * 8 + 4 * 8 * 16) + 16 * 32 + 32 * 10
    assert run(data).record["multiply_adds"] == by_hand


def test_the_gpu_and_the_precision_are_named(data, monkeypatch):
    monkeypatch.setattr(training, "device_name", lambda device: "Tesla T4")
    assert run(data).record["device"] == "Tesla T4, float32"


def test_a_run_that_was_moved_names_both_machines(data, monkeypatch, tmp_path):
    class Stop(BaseException):
        pass

    def stop(*args, **options):
        raise Stop

    train_epoch = training.train_epoch
    with monkeypatch.context() as patch, pytest.raises(Stop):
        calls = []

        def once(*args, **options):
            calls.append(args)
            return train_epoch(*args, **options) if len(calls) == 1 else stop()

        patch.setattr(training, "device_name", lambda device: "Tesla T4")
        patch.setattr(training, "train_epoch", once)
        run(data, checkpoints=tmp_path)
    monkeypatch.setattr(training, "device_name", lambda device: "NVIDIA L4")
    done = run(data, checkpoints=tmp_path)
    assert done.record["device"] == "Tesla T4, float32; then NVIDIA L4, float32"


def test_a_package_that_was_not_installed_has_no_version(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    assert re.fullmatch(r"\d+\.\d+.*", package_version())
    monkeypatch.setattr(experiments, "version", missing)
    assert package_version() == "unknown"


# --------------------------------------------------------------------------------------------------
# Runs
# --------------------------------------------------------------------------------------------------


def test_the_seed_decides_everything(data):
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = run(data)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(321)
    second, other = run(data), run(data, seed=1)
    for key, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, second.model.state_dict()[key])
    assert first.training.history["train_loss"] == second.training.history["train_loss"]
    assert first.training.history["train_loss"] != other.training.history["train_loss"]


def test_a_run_on_the_cpu_leaves_the_random_state_of_gpus_alone(data, monkeypatch):
    def fail(seed):
        raise AssertionError("seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", fail)
    with pytest.raises(AssertionError, match="seeded"):
        torch.manual_seed(0)
    run(data)


def test_the_network_is_made_for_the_data_and_the_recipe(data, monkeypatch):
    asked = {}

    def note(name, **options):
        asked.update(options, name=name)
        return vgg(name, **options)

    monkeypatch.setattr(experiments, "vgg", note)
    run(data, recipe=replace(RECIPE, dropout=0.25, initialization="paper", epochs=1))
    assert asked == {
        "name": "I",
        "num_classes": 10,
        "image_size": 8,
        "in_channels": 3,
        "batch_norm": False,
        "dropout": 0.25,
        "width": 1 / 32,
        "initialization": "paper",
    }


def test_a_deeper_network_starts_from_a_shallower_one(data, monkeypatch, tmp_path):
    shallow = run(data).model
    starts, train = [], experiments.train

    def note(model, *args, **options):
        starts.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return train(model, *args, **options)

    monkeypatch.setattr(experiments, "train", note)
    deep = run(data, "II", shallow=shallow, rule="post", results=tmp_path)
    assert deep.record["start"] == "shallower network, rule 'post'"
    assert read_records(tmp_path)[0]["start"] == deep.record["start"]
    assert "features.stack1.conv1" in deep.transfer.copied
    assert deep.transfer.random
    for name, origin in deep.transfer.copied.items():
        assert torch.equal(starts[0][f"{name}.weight"], shallow.state_dict()[f"{origin}.weight"]), (
            name
        )


def test_results_are_written_last_and_the_test_split_is_read_once(data, monkeypatch, tmp_path):
    events = []

    def note(module, name, what):
        function = getattr(module, name)

        def noted(*args, **options):
            result = function(*args, **options)
            events.append(what(*args))
            return result

        monkeypatch.setattr(module, name, noted)

    splits = {id(data.validation.labels): "validation", id(data.test.labels): "test"}

    def evaluated(model, split, *args):
        return f"evaluated on {splits[id(split.labels)]}"

    note(training, "train_epoch", lambda *args: "epoch")
    note(training, "evaluate", evaluated)
    note(experiments, "evaluate", evaluated)
    note(training, "save_checkpoint", lambda *args: "checkpoint")
    note(experiments, "write_record", lambda *args: "record")
    run(data, results=tmp_path / "results", checkpoints=tmp_path / "checkpoints")
    epoch = ["epoch", "evaluated on validation", "checkpoint"]
    assert events == ["checkpoint", *epoch, *epoch, "evaluated on test", "record"]


def test_a_second_call_returns_at_once_with_the_same_record(data, monkeypatch, tmp_path):
    folders = {"results": tmp_path / "results", "checkpoints": tmp_path / "checkpoints"}
    first = run(data, **folders)
    content = (tmp_path / "results" / RECORD).read_bytes()
    assert os.listdir(tmp_path / "checkpoints") == [CHECKPOINT]

    def fail(*args, **options):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train_epoch", fail)
    second = run(data, **folders)
    assert second.record == first.record
    assert (tmp_path / "results" / RECORD).read_bytes() == content


def test_a_finished_run_may_be_looked_at_on_another_machine(data, tmp_path):
    run(data, checkpoints=tmp_path)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    state["computed"] = [("GPU", "float16"), ("another GPU", "bfloat16")]
    torch.save(state, tmp_path / CHECKPOINT)
    found = run_experiment("I", data, RECIPE, checkpoints=tmp_path, device="cpu")
    assert found.record["device"] == "GPU, float16; then another GPU, bfloat16"
    with pytest.raises(ValueError, match="has ended, and was not in float32"):
        run(data, checkpoints=tmp_path)


def test_runs_that_differ_have_checkpoints_of_their_own(data, tmp_path):
    recipe = replace(RECIPE, epochs=1)
    run(data, recipe=recipe, checkpoints=tmp_path)
    run(data, recipe=recipe, checkpoints=tmp_path, seed=1)
    run(data, recipe=replace(recipe, name="an/other"), checkpoints=tmp_path)
    run(data, "II", recipe=recipe, checkpoints=tmp_path)
    assert sorted(os.listdir(tmp_path)) == [
        "shapes-an_other-I-1epochs-seed0.pt",
        "shapes-tiny-I-1epochs-seed0.pt",
        "shapes-tiny-I-1epochs-seed1.pt",
        "shapes-tiny-II-1epochs-seed0.pt",
    ]


def test_a_checkpoint_of_another_start_is_refused(data, tmp_path):
    shallow = run(data).model
    run(data, "II", checkpoints=tmp_path)
    with pytest.raises(ValueError, match="belongs to another run: its first weights differs"):
        run(data, "II", shallow=shallow, checkpoints=tmp_path)


def test_the_record_of_another_start_is_found_before_the_training(data, monkeypatch, tmp_path):
    deeper_one = run(data, "II", results=tmp_path, shallow=run(data).model)
    monkeypatch.setattr(experiments, "train", None)
    with pytest.raises(ValueError, match="is the record of another training: its start differs"):
        run(data, "II", results=tmp_path)
    assert read_records(tmp_path) == [deeper_one.record]


def test_without_folders_nothing_is_written(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(data)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("folder", "message"),
    [("results", "cannot write records to"), ("checkpoints", "cannot write checkpoints to")],
)
def test_a_folder_that_cannot_be_written_is_refused_before_training(
    data, monkeypatch, tmp_path, folder, message
):
    def fail(*args, **options):
        raise AssertionError("trained")

    monkeypatch.setattr(training, "train_epoch", fail)
    (tmp_path / folder).write_text("a file")
    with pytest.raises(OSError, match=f"{message} '.*{folder}' .*: choose a folder that you may"):
        run(data, **{folder: tmp_path / folder})


def test_what_cannot_be_is_refused_before_training(data, monkeypatch):
    def fail(*args, **options):
        raise AssertionError("trained")

    monkeypatch.setattr(training, "train_epoch", fail)
    with pytest.raises(ValueError, match="unknown precision"):
        run_experiment("I", data, RECIPE, precision="half")
    with pytest.raises(ValueError, match="unknown device"):
        run_experiment("I", data, RECIPE, device="gpu")
    with pytest.raises(ValueError, match="too small for"):
        run(data, "A")
    with pytest.raises(ValueError, match="whole numbers of channels"):
        run(data, recipe=replace(RECIPE, width=1 / 3))
    with pytest.raises(ValueError, match="unknown color_by 'square'"):
        run(data, recipe=replace(RECIPE, color_by="square"))


def test_a_record_that_cannot_be_written_leaves_the_training_in_its_checkpoint(
    data, monkeypatch, tmp_path
):
    folders = {"results": tmp_path / "results", "checkpoints": tmp_path / "checkpoints"}
    train = experiments.train

    def train_then_block(*args, **options):
        done = train(*args, **options)
        (tmp_path / "results").rmdir()
        (tmp_path / "results").write_text("a file")
        return done

    with monkeypatch.context() as patch:
        patch.setattr(experiments, "train", train_then_block)
        with pytest.raises(
            OSError, match=r"cannot write the record .*if the training has a checkpoint"
        ):
            run(data, **folders)
    (tmp_path / "results").unlink()
    monkeypatch.setattr(training, "train_epoch", None)
    assert run(data, **folders).record == read_records(tmp_path / "results")[0]


def test_two_epochs_of_the_quick_recipe_learn_something():
    """All ten take too long for a test; the chapters train by them."""
    done = run_experiment("I", load_data("shapes"), RECIPES["quick"].shortened(2))
    assert done.record["validation_top_1"] > 35  # guessing gives 10
    assert done.record["top_k_accuracy"][0] > 25


# --------------------------------------------------------------------------------------------------
# What came after the paper
# --------------------------------------------------------------------------------------------------


def test_the_translation_is_part_of_the_augmentation_alone(data):
    train_transform, test_transform = make_transforms(data, replace(RECIPE, translation=2))
    kinds = [type(t) for t in train_transform.transforms]
    assert kinds == [RandomHorizontalFlip, RandomTranslation, SubtractMean, PCAColorShift]
    assert [type(t) for t in test_transform.transforms] == [SubtractMean]


def test_the_square_is_cut_out_last_and_not_at_the_test(data):
    train_transform, test_transform = make_transforms(data, replace(RECIPE, cutout=2))
    kinds = [type(t) for t in train_transform.transforms]
    assert kinds == [RandomHorizontalFlip, SubtractMean, PCAColorShift, RandomCutout]
    assert [type(t) for t in test_transform.transforms] == [SubtractMean]


def test_a_recipe_with_batch_norm_normalizes_and_does_not_grow(data):
    recipe = replace(RECIPE, batch_norm=True)
    norms = [m for m in make_network("I", data, recipe).modules() if "Norm" in type(m).__name__]
    assert len(norms) == 3
    assert RECIPE.grows and not recipe.grows


@pytest.fixture(scope="module")
def larger():
    """Images of 32x32 pixels, which the slim network needs."""
    return load_data("shapes", image_size=32, train_images=60, validation=1 / 3, test_images=30)


def test_whitened_outputs_are_uncorrelated_and_the_filters_stay(larger):
    data = larger
    recipe = replace(RECIPE, whitening=True, width=1, epochs=1)
    network = make_network("slim", data, recipe)
    conv = network.features.stack1.conv1
    first = conv.weight.clone()
    mean = channel_statistics(data.train.images).mean.float()
    centered = data.train.images.float() / 255 - mean[:, None, None]
    output = torch.nn.functional.conv2d(centered, first)[:, :12].transpose(0, 1).flatten(1)
    covariance = output @ output.T / output.shape[1]
    assert torch.allclose(covariance, covariance.diag().diag(), atol=1e-3)
    assert covariance.diag().max() <= 1.001
    assert torch.equal(first[:12], -first[12:])
    trained = run(data, "slim", replace(recipe, name="white")).model
    assert torch.equal(trained.features.stack1.conv1.weight, first)


def test_the_operations_of_a_training_are_six_for_each_multiply_add(data):
    """Two forward, and four on the way back; by hand for 2 epochs of 40 images."""
    record = run(data).record
    assert record["images_seen"] == 80
    expected = 6 * trace("I", width=1 / 32, image_size=8).multiply_adds * 80
    assert record["training_pflop"] * 1e15 == pytest.approx(expected)
    assert training_pflop(10**6, 10**9) == pytest.approx(6.0)


def test_smaller_images_cost_less(larger):
    recipe = replace(RECIPES["fast"], width=1 / 4, batch_size=20)
    network = make_network("slim", larger, recipe)
    whole, small = (6 * trace(network, side).multiply_adds * 40 for side in (32, 22))
    assert (recipe.epochs, recipe.small_epochs, recipe.small_size(32, 64)) == (9, 4, (22, 44))
    cost = cost_of_training(network, recipe, 40)
    assert 1e15 * cost == pytest.approx(5 * whole + 4 * small)
    short = recipe.shortened(2)
    assert short.small_epochs == 1
    assert 1e15 * cost_of_training(network, short, 40) == pytest.approx(whole + small)


def test_the_record_of_moved_images_has_the_accuracy_by_views(data):
    assert "top_1_by_views" not in run(data).record
    done = run(data, recipe=replace(RECIPE, translation=1))
    by_views = done.record["top_1_by_views"]
    assert list(by_views) == ["1", "2", "6"]
    assert by_views["2"] == done.record["top_k_accuracy"][0]
    alone = evaluate(done.model, data.test, done.test_transform, mirror=False)
    assert by_views["1"] == round(alone.top_1, 2)


def test_a_record_of_all_images_says_that_none_validated(larger, tmp_path):
    whole = load_data("shapes", image_size=32, train_images=60, validation=0, test_images=30)
    record = run(whole, "slim", replace(RECIPES["fast"].shortened(2), width=1 / 4)).record
    assert record["validation_top_1"] is None and record["validation_images"] == 0
    assert record["history"]["validation_top_1"] == [None, None]
    write_record(tmp_path, record)
    assert read_records(tmp_path)[0]["validation_top_1"] is None


def test_the_record_holds_all_settings(data):
    wanted = {f.name: getattr(RECIPE, f.name) for f in fields(RECIPE)}
    assert run(data).record["settings"] == wanted | {
        "training_scale": [0, 0]
    }  # JSON has lists only


@pytest.mark.parametrize("name", ["modern", "fast"])
def test_the_later_recipes_learn_and_resume_bit_for_bit(larger, tmp_path, monkeypatch, name):
    """Their momentum, schedule and average of weights are in the checkpoint too."""
    data = larger
    recipe = replace(RECIPES[name].shortened(3), batch_size=10, width=1 / 4)
    model = NETWORKS[name][0]
    whole = run(data, model, recipe)
    losses = whole.training.history["train_loss"]
    assert losses[-1] < losses[0]

    save = training.save_checkpoint

    def save_then_stop(*args):
        save(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_checkpoint", save_then_stop)
    for _ in range(4):  # one is written before the first epoch
        with pytest.raises(KeyboardInterrupt):
            run(data, model, recipe, checkpoints=tmp_path)
    again = run(data, model, recipe, checkpoints=tmp_path)
    theirs = again.model.state_dict()
    assert all(torch.equal(w, theirs[key]) for key, w in whole.model.state_dict().items())


def test_the_ablation_ends_at_modern(data):
    """But for epochs, width and Muon's step, and the settings of a schedule that is not used."""
    *_, last = ABLATION.values()
    free = {"name", "epochs", "width", "patience", "threshold", "muon"}
    assert list(WITHOUT) == [change.removeprefix("+ ") for change in list(ABLATION)[1:]]
    modern = RECIPES["modern"]
    different = {f.name for f in fields(last) if getattr(last, f.name) != getattr(modern, f.name)}
    assert different <= free
    rungs = [*ABLATION.values(), *WITHOUT.values()]
    # The one without Muon is the rung before the last.
    assert len({str(replace(recipe, name="")) for recipe in rungs}) == len(rungs) - 1


@pytest.mark.parametrize("change", WITHOUT)
def test_a_change_is_taken_away_by_the_settings_that_make_it(change):
    *_, last = ABLATION.values()
    own = {
        f.name for f in fields(last) if getattr(last, f.name) != getattr(WITHOUT[change], f.name)
    }
    assert own - {"name"} == set(CHANGES[change])


def test_a_deeper_network_has_its_part_of_the_small_epochs():
    recipe = deeper(Recipe("x", epochs=10, small_epochs=6))
    assert (recipe.epochs, recipe.small_epochs) == (5, 3)


def test_longer_is_fast_for_twice_the_epochs():
    longer, fast = RECIPES["longer"], RECIPES["fast"]
    own = {f.name for f in fields(fast) if getattr(fast, f.name) != getattr(longer, f.name)}
    assert own == {"name", "epochs", "small_epochs"}
    assert (longer.epochs, longer.small_epochs) == (2 * fast.epochs, 2 * fast.small_epochs)
    # Less than the 1.4 PFLOP of airbench95, also on all images.
    assert cost_of_training(vgg("wide"), longer, 50_000) < 1.3


def test_cutout_is_longer_with_a_square_cut_out():
    assert RECIPES["cutout"] == replace(RECIPES["longer"], name="cutout", cutout=12)


def test_an_idea_is_taken_away_by_its_settings_alone():
    whole, fast = IDEAS["whole"], RECIPES["fast"]
    assert replace(whole, name=fast.name, width=fast.width) == fast
    changed = {
        idea: {f.name for f in fields(whole) if getattr(whole, f.name) != getattr(recipe, f.name)}
        for idea, recipe in IDEAS.items()
    }
    assert changed.pop("whole") == set()
    assert {idea: names - {"name"} for idea, names in changed.items()} == {
        "whitening": {"whitening", "batch_norm"},
        "small images": {"small_epochs", "epochs"},
        "mirroring in turn": {"alternating_flip", "flip"},
        "identity": {"initialization"},
        "fast biases": {"bias_rate"},
        "Muon": {
            "muon", "learning_rate", "momentum", "nesterov", "weight_decay", "bias_rate",
        },
        "label smoothing": {"label_smoothing"},
        "translation": {"translation"},
    }  # fmt: skip
    speeds = [r.bias_rate * r.learning_rate / (1 - r.momentum) for r in (IDEAS["Muon"], fast)]
    assert speeds[0] == pytest.approx(speeds[1], rel=0.25)
    modern = RECIPES["modern"]
    for setting in ("learning_rate", "momentum", "nesterov", "weight_decay"):
        assert getattr(IDEAS["Muon"], setting) == getattr(modern, setting)


def test_without_small_images_fewer_epochs_cost_the_same():
    network = vgg("slim", width=IDEAS["whole"].width)
    costs = {idea: cost_of_training(network, recipe, 45_000) for idea, recipe in IDEAS.items()}
    assert costs["small images"] == pytest.approx(costs.pop("whole"), rel=0.02)
    assert len(set(costs.values())) == 2


def test_the_color_shifts_differ_in_nothing_else():
    settings = {key: (r.color_std, r.color_by) for key, r in COLOR_SHIFTS.items()}
    assert settings == {
        "none": (0.0, "eigenvalue"), "eigenvalue 0.1": (0.1, "eigenvalue"),
        "root 0.1": (0.1, "root"), "root 0.5": (0.5, "root"),
    }  # fmt: skip
    plain = {
        str(replace(recipe, name="", color_std=0.0, color_by="root"))
        for recipe in COLOR_SHIFTS.values()
    }
    assert len(plain) == 1


def test_the_starts_cost_the_same():
    """III alone gets as many epochs as I, II and III cost, rounded up."""
    grown, width = STARTS["transfer"], STARTS["transfer"].width
    cost = {name: trace(name, width=width).multiply_adds for name in ("I", "II", "III")}
    epochs = grown.epochs, *[deeper(grown).epochs] * 2
    spent = sum(e * c for e, c in zip(epochs, cost.values(), strict=True))
    alone = {r.epochs for r in STARTS.values() if NETWORKS[r.name] == ("III",)}
    assert alone == {math.ceil(spent / cost["III"])}
    assert [*STARTS] == ["transfer", "he", "glorot", "paper"]


def test_without_test_images_nothing_is_trained(data):
    nothing = replace(data, test=data.test.take(torch.tensor([], dtype=torch.int64)))
    with pytest.raises(ValueError, match="there are no test images: load the data with one"):
        run(nothing)


def test_the_networks_of_a_series_grow_where_the_recipe_asks_for_it(data):
    told, options = [], {"precision": "float32", "device": "cpu"}
    grown = experiments.run_series(
        ["I", "II"], data, RECIPE, rule="paper", report=lambda e: told.append(e), **options
    )
    assert list(grown.values()) == told
    starts = {name: (e.record["start"], e.record["epochs"]) for name, e in grown.items()}
    after = ("shallower network, rule 'paper'", deeper(RECIPE).epochs)
    assert starts == {"I": ("random weights", RECIPE.epochs), "II": after}
    alone = experiments.run_series(["I", "II"], data, replace(RECIPE, batch_norm=True), **options)
    starts = {(e.record["start"], e.record["epochs"]) for e in alone.values()}
    assert starts == {("random weights", RECIPE.epochs)}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("II", r"names must be a list of names, such as \['I', 'II'\], got 'II'"),
        ([], "names is empty"),
        (["I", "vgg16"], "did you mean 'D'"),
    ],
)
def test_a_series_is_of_several_names(data, names, message):
    with pytest.raises((TypeError, ValueError), match=message):
        experiments.run_series(names, data, RECIPE)
    with pytest.raises((TypeError, ValueError), match=message.replace("names ", "networks ", 1)):
        register(Recipe("new"), names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": 5}, "name must be a str, got 5"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov looks ahead along the momentum"),
        ({"training_scale": 32}, "a training_scale of 32 needs a crop"),
        ({"alternating_flip": True}, "alternating_flip takes the place of flip"),
    ],
)
def test_settings_that_cannot_be_together_are_refused_when_they_are_written(settings, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Recipe(**{"name": "x"} | settings)
    with pytest.raises(TypeError, match="epochs must be an int, got '3'"):
        Recipe("x").shortened("3")


def test_a_first_layer_too_wide_for_whitening_is_refused(data):
    recipe = replace(RECIPE, width=1, whitening=True)
    with pytest.raises(ValueError, match=r"at most 54 filters .*, and network 'I' has 128: choose"):
        make_network("I", data, recipe)


def test_batches_that_are_larger_than_the_data_are_told():
    told = few_steps([RECIPES["fast"], RECIPES["modern"]], 450)
    assert "recipe 'fast' has batches of 1,000 images, and there are 450 to learn from" in told
    assert "it takes 9 steps in all" in told
    assert few_steps([RECIPES["fast"]], 1_000) == ""


@pytest.mark.parametrize(
    ("names", "changed", "message"),
    [
        (["slim", "wide"], {}, "'wide' starts from 'slim', and it cannot: .*train each by itself"),
        (["III", "I"], {}, "'I' starts from 'III', and it cannot: .*train each by itself"),
        (["slim", "I"], {"whitening": True, "batch_norm": True}, "whitens a first layer of at"),
        (["I", "A"], {"batch_norm": True}, "too small for"),
    ],
)
def test_what_a_later_network_cannot_be_is_said_before_the_first_is_trained(
    monkeypatch, names, changed, message
):
    data = load_data(image_size=16, train_images=60, test_images=20)
    monkeypatch.setattr(training, "train_epoch", lambda *args, **kw: pytest.fail("trained"))
    with pytest.raises(ValueError, match=message):
        experiments.run_series(names, data, replace(RECIPES["classic"], width=1.0, **changed))
    with pytest.raises(TypeError, match="recipe must be a Recipe, such as"):
        experiments.run_series(names, data, "classic")
    with pytest.raises(ValueError, match=r"^unknown rule 'pots'"):
        experiments.run_series(names, data, RECIPES["classic"], rule="pots")
