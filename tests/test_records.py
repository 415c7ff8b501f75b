"""Records: written whole, read from several folders, refused by name."""

import json
import os
from dataclasses import MISSING, asdict, fields

import pytest
import torch

from vgglib import records
from vgglib.configurations import vgg
from vgglib.experiments import cost_of_training, training_pflop
from vgglib.recipes import SERIES, Recipe, fraction_held_out
from vgglib.records import (
    FIELDS,
    read_predictions,
    read_records,
    write_predictions,
    write_record,
)
from vgglib.tracing import trace


def make(**changes):
    record = {
        "model": "I",
        "dataset": "shapes",
        "recipe": "short",
        "seed": 0,
        "epochs": 2,
        "top_k_accuracy": [80.0, 90, 95.5, 97.0, 99.0],
        "validation_top_1": 81.5,
        "train_images": 4500,
        "images_seen": 900,
        "training_pflop": 0.001,
        "train_seconds": 12.5,
        "width": 0.25,
        "start": "random weights",
        "device": "CPU (AVX2, 2 threads) [shared]",
        "torch": torch.__version__,
        "vgglib": "0.1",
        "history": {"loss": [2.3, 1.1], "lr": [0.01, 0.001], "é": {"deep": [[1, 2], [3, 4]]}},
    }
    return record | changes


def test_a_record_comes_back_as_it_was_written(tmp_path):
    path = write_record(tmp_path / "results", make())
    assert path == tmp_path / "results" / "shapes-short-I-2epochs-seed0.json"
    assert read_records(tmp_path / "results") == [make()]


def test_a_list_of_numbers_stands_in_one_line(tmp_path):
    text = write_record(tmp_path, make()).read_text(encoding="utf-8")
    assert '"top_k_accuracy": [ 80.0, 90, 95.5, 97.0, 99.0 ],\n' in text
    assert '"loss": [ 2.3, 1.1 ],\n' in text
    assert text.endswith("}\n")


def test_characters_that_no_file_name_can_have_are_replaced(tmp_path):
    path = write_record(tmp_path, make(dataset="my/own data", model="A-LRN"))
    assert path == tmp_path / "my_own_data-short-A-LRN-2epochs-seed0.json"


def test_the_same_run_again_replaces_its_record(tmp_path):
    write_record(tmp_path, make(train_seconds=1))
    write_record(tmp_path, make(train_seconds=2))
    assert [record["train_seconds"] for record in read_records(tmp_path)] == [2]


def test_runs_that_differ_keep_their_records_in_order(tmp_path):
    for seed in (10, 2):
        for model in ("II", "I"):
            write_record(tmp_path, make(model=model, seed=seed))
    found = [(record["model"], record["seed"]) for record in read_records(tmp_path)]
    assert found == [("I", 2), ("I", 10), ("II", 2), ("II", 10)]


def test_of_two_folders_the_later_counts(tmp_path):
    write_record(tmp_path / "published", make(train_seconds=1))
    write_record(tmp_path / "published", make(seed=1))
    write_record(tmp_path / "own", make(train_seconds=2))
    found = read_records(tmp_path / "published", tmp_path / "own")
    assert [(record["seed"], record["train_seconds"]) for record in found] == [(0, 2), (1, 12.5)]


def test_settings_that_had_another_name_once_are_read_by_todays(tmp_path):
    write_record(tmp_path, make(settings={"color_scale": "root", "scale": [0, 0], "crop": 24}))
    (record,) = read_records(tmp_path)
    assert record["settings"] == {"color_by": "root", "training_scale": [0, 0], "crop": 24}


def test_a_folder_that_does_not_exist_has_no_records(tmp_path):
    assert read_records(tmp_path / "nowhere") == []


def test_a_failure_half_way_leaves_the_old_record(tmp_path, monkeypatch):
    def fail(*paths):
        raise OSError(28, "No space left on device")

    write_record(tmp_path, make(train_seconds=1))
    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match=r"cannot write the record .*\(No space left .*checkpoint"):
        write_record(tmp_path, make(train_seconds=2))
    assert read_records(tmp_path) == [make(train_seconds=1)]
    assert os.listdir(tmp_path) == ["shapes-short-I-2epochs-seed0.json"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(
        OSError,
        match=r"cannot write the record '.*results.*if the training has a checkpoint, it is in",
    ):
        write_record(tmp_path / "results", make())


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_field_is_refused(tmp_path, field):
    record = make()
    del record[field]
    with pytest.raises(ValueError, match=f"the record lacks the field '{field}'"):
        write_record(tmp_path, record)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "0"}, "'seed' must be int, got '0'"),
        ({"epochs": True}, "'epochs' must be int, got True"),
        ({"train_seconds": None}, "'train_seconds' must be int or float, got None"),
        ({"top_k_accuracy": torch.zeros(5)}, "'top_k_accuracy' must be list, got tensor"),
        ({"top_k_accuracy": [80.0]}, "five percentages that rise with k"),
        ({"top_k_accuracy": [80, 90, 85, 97, 99]}, "five percentages that rise with k"),
        ({"top_k_accuracy": [-1, 90, 95, 97, 99]}, "five percentages that rise with k"),
        ({"top_k_accuracy": [80, 90, 95, 97, 101]}, "five percentages that rise with k"),
        ({"top_k_accuracy": ["80", 90, 95, 97, 99]}, "five percentages that rise with k"),
        ({"top_k_accuracy": [float("nan"), 90, 95, 97, 99]}, "five percentages that rise with k"),
        ({"history": {"loss": [float("nan")]}}, "holds what JSON cannot .*: give finite numbers"),
        ({"history": {"loss": torch.zeros(2)}}, "holds what JSON cannot .*: give finite numbers"),
    ],
)
def test_impossible_values_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=f"the record.* {message}"):
        write_record(tmp_path, make(**changes))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"model": "I", ', "is not valid JSON .*: remove it"),
        (b"\xff\xfe", "is not valid JSON"),
        (b"[]", "must be a JSON object, got list"),
        (b"{}", "lacks the field 'model'"),
        (json.dumps(make(seed=None)).encode(), "'seed' must be int, got None"),
    ],
)
def test_a_damaged_file_is_refused_by_its_name(tmp_path, content, message):
    write_record(tmp_path, make())
    (tmp_path / "other.json").write_bytes(content)
    with pytest.raises(ValueError, match=f"other.json'.*{message}"):
        read_records(tmp_path)


def test_the_published_records_lie_at_the_top_of_a_clone_or_in_the_package(tmp_path, monkeypatch):
    package = tmp_path / "vgglib"
    package.mkdir()
    monkeypatch.setattr(records, "__file__", str(package / "records.py"))
    assert records.book_results() == tmp_path / "results"
    (package / "results").mkdir()
    assert records.book_results() == package / "results"


def test_each_published_record_has_the_name_of_its_run():
    """Under another name the same run, trained again, would stand beside it and count twice."""
    folder = records.book_results()
    files = [*folder.glob("*.json")]
    assert files
    for file in files:
        found = json.loads(file.read_text(encoding="utf-8"))
        assert file.name == records.record_name(found)


def test_predictions_come_back_with_their_labels(tmp_path):
    labels = torch.arange(40) % 10
    probabilities = torch.full((40, 10), 0.05)
    probabilities[torch.arange(40), torch.where(labels < 8, labels, 0)] = 0.55
    record = make(top_k_accuracy=[80.0, 81.0, 82.0, 83.0, 84.0])
    write_record(tmp_path, record)
    assert read_predictions(record, tmp_path) is None
    path = write_predictions(tmp_path, record, probabilities, labels)
    assert path == tmp_path / "predictions" / "shapes-short-I-2epochs-seed0.npz"
    found, known = read_predictions(record, tmp_path / "nowhere", tmp_path)
    assert torch.equal(known, labels) and known.dtype == torch.int64
    assert found == pytest.approx(probabilities, abs=1e-3) and found.dtype == torch.float32
    # On other images another accuracy is no mistake.
    write_predictions(tmp_path, record, probabilities.flip(0), labels, on="others")
    assert torch.equal(read_predictions(record, tmp_path, on="others")[0], found.flip(0))


def test_rounding_does_not_change_which_class_is_named(tmp_path):
    """In float16 two classes near one half are equal that were not."""
    probabilities = torch.tensor([[0.49991, 0.49992, 0.00017], [0.2, 0.3, 0.5], [0.4, 0.4, 0.2]])
    assert probabilities.half()[0, 0] == probabilities.half()[0, 1]
    record = make(top_k_accuracy=[100.0] * 5)
    write_record(tmp_path, record)
    write_predictions(tmp_path, record, probabilities, torch.tensor([1, 2, 0]))
    found, labels = read_predictions(record, tmp_path)
    assert torch.equal(found.argmax(dim=1), labels)
    assert found == pytest.approx(probabilities, abs=1e-3)


def test_predictions_are_those_of_the_folder_that_the_record_is_from(tmp_path):
    book, own = tmp_path / "book", tmp_path / "own"
    labels = torch.zeros(10, dtype=torch.int64)
    first = torch.eye(2)[torch.tensor([0] * 8 + [1] * 2)]
    record = make(top_k_accuracy=[80.0, 81.0, 82.0, 83.0, 84.0])
    write_predictions(book, record, first, labels)
    assert read_predictions(record, book) is None  # nothing says that they are of this record
    write_record(book, record)
    assert torch.equal(read_predictions(record, book, own)[0], first)
    trained_anew = make(top_k_accuracy=[90.0, 91.0, 92.0, 93.0, 94.0])
    write_record(own, trained_anew)  # and its predictions were not kept
    assert read_predictions(trained_anew, book, own) is None
    write_predictions(own, trained_anew, first.flip(0), labels)
    with pytest.raises(ValueError, match="of another network"):
        read_predictions(trained_anew, book, own)


def test_predictions_of_another_network_and_damaged_ones_are_refused(tmp_path):
    labels = torch.zeros(10, dtype=torch.int64)
    record = make(top_k_accuracy=[80.0, 81.0, 82.0, 83.0, 84.0])
    write_record(tmp_path, record)
    path = write_predictions(tmp_path, record, torch.eye(10), labels)
    with pytest.raises(ValueError, match=r"of another network .* accuracy is 10.00 %, and 80.0 %"):
        read_predictions(record, tmp_path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ValueError, match=r"seed0.npz' is damaged, .*: remove it"):
        read_predictions(record, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(
        OSError, match=r"cannot write the record .*if the training has a checkpoint"
    ):
        write_predictions(tmp_path / "file", record, torch.eye(10), labels)


def test_the_published_predictions_are_of_published_records_and_small():
    folder = records.book_results() / "predictions"
    paths = set(folder.glob("*.npz"))
    assert sum(path.stat().st_size for path in paths) < 4e6
    of_records = set()
    for record in published():
        for on in (None, "cifar10", "cifar10-jpeg"):
            found = read_predictions(record, records.book_results(), on=on)
            if found is not None:
                assert len(found[0]) == record["test_images"]
                of_records.add(records._predictions_path(records.book_results(), record, on))
    assert of_records == paths


def published():
    """Those of the book; a reader's own may lie beside them."""
    found = records.read_records(records.book_results())
    return [
        record for record in found if record["dataset"] in ("shapes", "cifar10", "cifar10-jpeg")
    ]


def settings_of(record):
    """A setting that came after the record was written had its default then."""
    defaults = {f.name: f.default for f in fields(Recipe) if f.default is not MISSING}
    settings = defaults | record["settings"]
    return settings | {"training_scale": tuple(settings["training_scale"])}


@pytest.mark.parametrize("record", published(), ids=records.record_name)
def test_a_published_record_is_of_the_recipe_as_it_is_now(record):
    """The chapters print the settings beside accuracies that these settings must have reached."""
    recipes = {r.name: r for known in SERIES.values() for r in known.values()}
    recipe = asdict(recipes[record["recipe"]])
    settings = settings_of(record)
    free = {"epochs", "patience", "deeper_epochs"}  # as many as `deeper` or EPOCHS made of them
    assert {k: v for k, v in settings.items() if k not in free} == {
        k: v for k, v in recipe.items() if k not in free
    }


@pytest.mark.parametrize("record", published(), ids=records.record_name)
def test_the_counts_of_a_published_record_agree(record):
    settings = settings_of(record)
    options = {"width": record["width"], "image_size": settings["crop"] or 32}
    counted = trace(record["model"], **options).multiply_adds
    assert record["multiply_adds"] == counted
    assert record["images_seen"] == record["epochs"] * record["train_images"]
    of_training = record["train_images"] + record["validation_images"]
    held_out = fraction_held_out(record["recipe"]) * of_training
    assert record["validation_images"] == pytest.approx(held_out)
    if not settings["small_epochs"]:
        assert record["training_pflop"] == training_pflop(counted, record["images_seen"])
    with torch.device("meta"):
        network = vgg(record["model"], **options)
    cost = cost_of_training(network, Recipe(**settings), 45_000)
    assert record["training_pflop"] / record["train_images"] == pytest.approx(cost / 45_000)
    assert {len(values) for values in record["history"].values()} == {record["epochs"]}
    assert record["train_seconds"] == pytest.approx(sum(record["history"]["seconds"]), abs=1)
    assert record["validation_top_1"] == record["history"]["validation_top_1"][-1]


def test_the_published_records_of_a_data_set_are_of_the_same_images():
    prints = {}
    for record in published():
        if record["dataset"] != "shapes":  # see check_replaceable
            images = record["dataset"], record["train_images"]  # with images held out, or without
            prints.setdefault(images, set()).add(record["data_fingerprint"])
    assert prints
    assert {name: len(found) for name, found in prints.items()} == dict.fromkeys(prints, 1)


def test_the_same_files_are_the_same_images_and_so_are_the_same_pixels(tmp_path):
    write_record(tmp_path, make(dataset="photos", data_fingerprint="a1", data_origin="f1"))
    for change in ({"data_fingerprint": "a2"}, {"data_origin": "f2"}):
        same = {"dataset": "photos", "data_fingerprint": "a1", "data_origin": "f1"} | change
        records.check_replaceable(tmp_path, make(**same))
    with pytest.raises(ValueError, match="its data_fingerprint differs"):
        other = {"data_fingerprint": "a2", "data_origin": "f2"}
        records.check_replaceable(tmp_path, make(dataset="photos", **other))


@pytest.mark.parametrize("key", ["start", "data_fingerprint"])
def test_the_record_of_another_training_is_not_replaced(tmp_path, key):
    record = make(dataset="photos", data_fingerprint="a1")
    records.check_replaceable(tmp_path, record)  # there is none
    write_record(tmp_path, record)
    records.check_replaceable(tmp_path, record)  # the same run again
    with pytest.raises(ValueError, match=f"another training: its {key} differs .*'new' here"):
        records.check_replaceable(tmp_path, {**record, key: "new"})


def test_the_built_in_images_may_differ_in_a_digit_between_machines(tmp_path):
    write_record(tmp_path, make(data_fingerprint="a1"))
    records.check_replaceable(tmp_path, make(data_fingerprint="a2"))


def test_built_in_images_of_another_size_are_another_training(tmp_path):
    write_record(tmp_path, make())  # from before that was noted: they were of 32x32
    records.check_replaceable(tmp_path, make(image_size=32))
    drawn = make(image_size=32, data_origin="a")
    records.check_replaceable(tmp_path, drawn)  # the record does not say what was drawn
    write_record(tmp_path, drawn)
    records.check_replaceable(tmp_path, drawn)
    with pytest.raises(ValueError, match=r"its data_origin differs \('a' there, 'b' here\)"):
        records.check_replaceable(tmp_path, drawn | {"data_origin": "b"})
    write_record(tmp_path, make(image_size=32))
    with pytest.raises(ValueError, match=r"its image_size differs \(32 there, 48 here\)"):
        records.check_replaceable(tmp_path, make(image_size=48))
