"""`make accuracy`: what it trains, in which order, and what it does after a kill."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from nbformat.v4 import new_notebook

import vgglib
from tools import accuracy, landing
from tools.accuracy import PLAN, Chain, Part, chains, missing, plan
from tools.chapters import KERNEL
from tools.settings import ROOT
from vgglib.miniature import plan_tables
from vgglib.recipes import NETWORKS, RECIPES, SERIES, Recipe, deeper
from vgglib.records import read_predictions, read_records
from vgglib.trained import load_trained


@pytest.fixture
def small(monkeypatch, tmp_path):
    """Settings for a plan of one small recipe whose networks grow, on images of 8x8 pixels."""
    own_load_data = vgglib.load_data

    def load_data(name, root, validation):
        few = {"image_size": 8, "train_images": 60, "test_images": 30, "validation": validation}
        return replace(own_load_data("shapes", **few), name=name)

    monkeypatch.setattr(vgglib, "load_data", load_data)
    recipe = Recipe("small", epochs=2, batch_size=20, width=1 / 32)
    monkeypatch.setitem(SERIES, "small", {"small": recipe})
    kept = dict.fromkeys(("I", "II"), (0, 1, 2))
    monkeypatch.setattr(accuracy, "_KEPT_SEEDS", {"small": kept, "fast": kept})
    monkeypatch.setitem(NETWORKS, "small", ("I", "II"))
    parts = (Part("small", (0, 1), ("I",)), Part("small", (0,)))
    monkeypatch.setattr(accuracy, "PLAN", parts)
    monkeypatch.setattr(accuracy.Work, "renew_pages", lambda work: None)
    folders = [f"--results={tmp_path / 'results'}", f"--checkpoints={tmp_path / 'checkpoints'}"]
    return accuracy.own_settings(["--data=cifar10", "--device=cpu", *folders])


def files(settings):
    return sorted(path.name for path in settings.results.glob("*.json"))


@pytest.mark.parametrize("seeds", ["one", "0 -1", "0,1"])
def test_seeds_that_are_none_are_refused(seeds):
    with pytest.raises(ValueError, match="expected whole numbers"):
        accuracy.read_seeds(seeds)


def test_only_some_parts_may_be_wanted():
    assert accuracy.read_series("") == ()
    wanted = accuracy.read_series("fast classic")
    found = plan(SimpleNamespace(data="/x/photos", epochs=None), (4,), wanted)
    assert {part.series for part, _ in found} == {"fast", "classic"}
    assert {chain.seed for _, row in found for chain in row} == {4}
    assert [part.series for part, _ in found].count("fast") == 1  # not once for each of its parts
    with pytest.raises(ValueError, match="RECIPES=fats: there is no fats; expected colors, "):
        accuracy.read_series("fats")


def test_records_go_into_the_book_if_no_other_folder_is_given(tmp_path):
    assert accuracy.own_settings(["--results="]).results == ROOT / "results"
    assert accuracy.own_settings([f"--results={tmp_path}"]).results == tmp_path


def test_a_short_try_does_not_leave_its_records_in_the_book(tmp_path):
    with pytest.raises(ValueError, match=r"EPOCHS=3 trains everything anew.*: add RESULTS=FOLDER"):
        accuracy.own_settings(["--results=", "--epochs=3"])
    assert accuracy.own_settings([f"--results={tmp_path}", "--epochs=3"]).epochs == 3


def test_the_plan_has_every_recipe_that_a_table_shows():
    planned = {part.series for part in PLAN}
    assert planned == set(SERIES) - {"quick", "post"}  # for the built-in images, and for a GPU
    settings = SimpleNamespace(data="cifar10", epochs=None)
    found = plan(settings)
    of_classic = [
        t for _, row in found for c in row for t in c.trainings() if t[1].name == "classic"
    ]
    assert len({file for *_, file in of_classic}) == 3 + 2 + 1
    classic = RECIPES["classic"]
    epochs = {"I": classic.epochs, "II": deeper(classic).epochs, "III": deeper(classic).epochs}
    assert {name: recipe.epochs for name, recipe, _ in of_classic} == epochs


def test_the_copy_is_trained_on_beside_the_originals_alone():
    wanted = [part.data for part, _ in plan(SimpleNamespace(data="cifar10", epochs=None))]
    assert wanted.count("cifar10-jpeg") == 1
    assert not any(part.data for part, _ in plan(SimpleNamespace(data="/x/p", epochs=None)))


def test_networks_that_grow_come_with_those_before_them():
    settings = SimpleNamespace(data="/x/photos", epochs=4)
    (chain,) = chains(Part("classic", (5,), ("II",)), settings)
    assert (chain.names, chain.seed, chain.recipe.epochs) == (("I", "II"), 5, 4)
    names = [file for *_, file in chain.trainings()]
    assert names == ["photos-classic-I-4epochs-seed5.json", "photos-classic-II-2epochs-seed5.json"]
    alone = chains(Part("modern", (0, 1), ("III",)), settings, (7,))
    assert [(c.names, c.seed) for c in alone] == [(("III",), 7)]


def test_a_plan_is_carried_out_and_told(small, capsys):
    accuracy.measure(small)
    said = capsys.readouterr().out
    assert "small I                    0 of   2 done" in said
    assert "2 to go" in said and "0 to go" in said
    assert files(small) == [
        "cifar10-small-I-2epochs-seed0.json",
        "cifar10-small-I-2epochs-seed1.json",
        "cifar10-small-II-1epochs-seed0.json",
    ]
    for record in read_records(small.results):
        probabilities, labels = read_predictions(record, small.results)
        top_1 = 100 * (probabilities.argmax(dim=1) == labels).double().mean().item()
        assert top_1 == pytest.approx(record["top_k_accuracy"][0], abs=0.01)
    accuracy.measure(small)
    said = capsys.readouterr().out
    assert "2 of   2 done" in said and "to go" not in said


def test_killed_it_goes_on_and_a_record_is_not_trained_again(small, monkeypatch, capsys):
    known = Chain("cifar10", SERIES["small"]["small"], ("I", "II"), 0)

    class Killed(Exception):
        pass

    def kill(*arguments):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(accuracy, "write_record", kill)
        with pytest.raises(Killed):
            accuracy.measure(small, (0,))
    assert files(small) == [] and len(missing(known, small.results)) == 2
    accuracy.measure(small, (0,))
    assert len(files(small)) == 2
    first = small.results / files(small)[0]
    first.write_text(json.dumps(json.loads(first.read_text()) | {"train_seconds": 1.0}))
    for left in (*small.checkpoints.iterdir(), small.results / files(small)[1]):
        left.unlink()
    capsys.readouterr()
    accuracy.measure(small, (0,))  # II from I again, whose record stays
    said = capsys.readouterr().out
    assert "1 of   2 done" in said and "with 1 once more, whose checkpoints are not here" in said
    assert "1 to go" in said and "0 to go" in said
    assert len(files(small)) == 2
    assert json.loads(first.read_text())["train_seconds"] == 1.0


def test_a_record_of_other_images_does_not_pass_for_one_of_these(small, monkeypatch):
    accuracy.measure(small, (1,))
    others = vgglib.load_data("cifar10", root=None, validation=0.1)
    others = replace(others, test=others.test.take(torch.arange(20)))
    monkeypatch.setattr(vgglib, "load_data", lambda name, root, validation: others)
    with pytest.raises(ValueError, match="another training: its data_fingerprint differs"):
        accuracy.measure(small, (1,))


def test_predictions_are_kept_of_the_named_seeds_and_recipes(small, monkeypatch):
    other = replace(SERIES["small"]["small"], name="small without something")
    monkeypatch.setitem(SERIES, "others", {other.name: other})
    monkeypatch.setitem(NETWORKS, other.name, ("I",))
    parts = (Part("small", (0, 2, 3), ("I",)), Part("others", (0,)))
    monkeypatch.setattr(accuracy, "PLAN", parts)
    accuracy.measure(small)
    assert len(files(small)) == 4
    kept = {path.name for path in (small.results / "predictions").iterdir()}
    assert kept == {f"cifar10-small-I-2epochs-seed{seed}.npz" for seed in (0, 2)}


def test_networks_of_either_copy_are_tested_on_both(small, monkeypatch):
    fast = Recipe("fast", epochs=1, batch_size=20, width=1 / 32, schedule="one_cycle")
    monkeypatch.setitem(SERIES, "fast", {"fast": fast})
    monkeypatch.setitem(NETWORKS, "fast", ("I",))
    parts = (Part("fast", (0,)), Part("fast", (0,), data="cifar10-jpeg"))
    monkeypatch.setattr(accuracy, "PLAN", parts)
    accuracy.measure(small)
    for record in read_records(small.results):
        other = {"cifar10": "cifar10-jpeg", "cifar10-jpeg": "cifar10"}[record["dataset"]]
        there = read_predictions(record, small.results, on=other)
        # The two are the same images in this test.
        assert torch.equal(there[0], read_predictions(record, small.results)[0])
    # The small network of the originals is kept, for who wants to use one.
    (kept,) = (small.results / "networks").iterdir()
    assert load_trained(kept).record == "cifar10-fast-I-1epochs-seed0.json"


def test_of_the_small_networks_the_first_is_kept(small, monkeypatch):
    """Trained on all images: which is the best, only the test set could say."""
    fast = Recipe("fast", epochs=1, batch_size=20, width=1 / 32, schedule="one_cycle")
    monkeypatch.setitem(SERIES, "fast", {"fast": fast})
    monkeypatch.setitem(NETWORKS, "fast", ("I",))
    monkeypatch.setattr(accuracy, "PLAN", (Part("fast", (2, 0, 1)),))
    accuracy.measure(small)
    kept = load_trained(small.results / "networks" / "I.safetensors").record
    assert kept == "cifar10-fast-I-1epochs-seed0.json"


def test_a_short_try_does_not_replace_the_network_that_is_kept(small, monkeypatch):
    fast = Recipe("fast", epochs=4, batch_size=5, width=1 / 8, schedule="one_cycle")
    monkeypatch.setitem(SERIES, "fast", {"fast": fast})
    monkeypatch.setitem(NETWORKS, "fast", ("I",))
    monkeypatch.setattr(accuracy, "PLAN", (Part("fast", (0,)),))
    accuracy.measure(small)
    file = small.results / "networks" / "I.safetensors"
    before = file.read_bytes()
    accuracy.measure(replace(small, epochs=1))
    assert len(read_records(small.results)) == 2 and file.read_bytes() == before


def test_a_damaged_record_is_named(small):
    small.results.mkdir()
    (small.results / "cifar10-small-I-2epochs-seed0.json").write_text("{")
    with pytest.raises(ValueError, match=r"seed0.json' is not valid JSON .*: remove it"):
        accuracy.measure(small)


def test_networks_of_the_scales_are_tested_by_the_protocols(small, monkeypatch, capsys):
    scales = {
        key: Recipe(f"scale {key}", epochs=1, batch_size=20, width=1 / 32, crop=8,
                    training_scale=scale, batch_norm=True)
        for key, scale in {"8": (8, 8), "8 to 16": (8, 16)}.items()
    }  # fmt: skip
    monkeypatch.setitem(SERIES, "scales", scales)
    for recipe in scales.values():
        monkeypatch.setitem(NETWORKS, recipe.name, ("I",))
    monkeypatch.setattr(accuracy, "PLAN", (Part("scales", (0,)),))

    def cells(scales, names):
        found = plan_tables({key: (16, 16 + 8 * (a < b)) for key, (a, b) in scales.items()}, names)
        return [replace(c, protocol=replace(c.protocol, scales=(16,))) for c in found]

    monkeypatch.setattr(accuracy, "plan_tables", cells)
    accuracy.measure(small)
    written = sorted((small.results / "protocols").glob("*.json"))
    assert len(written) == 2 * 3 + 1  # center, dense and crops of both; of the range both, too
    before = [path.stat().st_mtime_ns for path in written]
    accuracy.measure(small)
    assert [path.stat().st_mtime_ns for path in written] == before
    written[0].unlink()
    (small.checkpoints / "cifar10-scale_8-I-1epochs-seed0.pt").unlink()
    capsys.readouterr()
    accuracy.measure(small)
    assert written[0].exists()
    assert "with 1 once more" in capsys.readouterr().out
    # A network that is trained anew takes the tests of the old one with it, also when it is killed.
    (small.results / "cifar10-scale_8-I-1epochs-seed0.json").unlink()
    (small.checkpoints / "cifar10-scale_8_to_16-I-1epochs-seed0.pt").unlink()
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(accuracy, "run_series", lambda *args, **options: 1 / 0)
        accuracy.measure(small)
    assert "1 of   2 done" in (said := capsys.readouterr().out) and "with 1 once more" in said
    left = [path for path in written if path.exists()]
    assert left == [path for path in written if "-scale_8_to_16-" in path.name]
    accuracy.measure(small)
    assert all(path.exists() for path in written)


def test_pages_are_renewed_only_where_the_records_are_the_book_s(monkeypatch, tmp_path):
    executed, refreshed = [], []

    def execute(path, parameters):
        executed.append((path.stem, parameters["RESULTS"], parameters.get("DATA")))
        return new_notebook(metadata={"kernelspec": KERNEL})

    monkeypatch.setattr(accuracy, "execute", execute)
    monkeypatch.setattr(accuracy, "refresh", lambda path: refreshed.append(path.stem))
    monkeypatch.setattr(landing, "renew", lambda page: refreshed.append(page.stem))
    work = tmp_path / "full" / "work"
    own = accuracy.own_settings([f"--results={tmp_path / 'r'}", "--data=shapes"])
    accuracy.Work(replace(own, work=work), []).renew_pages()
    # The chapters show the records of the images that they are told of, and of CIFAR-10.
    assert executed == [(name, str(tmp_path / "r"), "shapes") for name in accuracy.TABLES]
    copies = {path.name for path in (tmp_path / "accuracy" / "shapes").iterdir()}
    assert copies == {f"{name}.ipynb" for name in accuracy.TABLES} and refreshed == []
    book = accuracy.own_settings(["--results=", "--recipes=fast", "--seeds=0", "--data=shapes"])
    accuracy.Work(book, []).renew_pages()
    assert refreshed == [*accuracy.TABLES, "intro", "README"]
