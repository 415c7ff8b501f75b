"""What the live figures are made of. The figures themselves: web/tests, in a browser."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import vgglib
from tools import live_figures
from tools.settings import ROOT
from vgglib import colors
from vgglib.records import read_predictions, record_name
from vgglib.trained import load_trained

PICTURES = ROOT / "assets" / "pictures"


def test_configurations_are_those_of_plain_stacks():
    found = live_figures.configurations()
    assert set(vgglib.CONFIGURATIONS) - set(found) == {"A-LRN", "slim", "wide"}
    assert found["C"]["stacks"][2] == [
        {"channels": 256, "kernel": 3},
        {"channels": 256, "kernel": 3},
        {"channels": 256, "kernel": 1},
    ]
    assert found["III"]["connected"] == [1024, 1024, 10]
    assert found["D"]["image"] == 224


def test_a_bundler_that_npm_has_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(live_figures, "ESBUILD", tmp_path / "esbuild")
    with pytest.raises(OSError, match=r"there is no .*esbuild: `make book` installs it"):
        live_figures.bundle(ROOT / "web" / "figures", tmp_path)


def test_no_figure_needs_what_a_page_from_disk_may_not_have():
    """Of modules and what they fetch, only "Try it" has some, and it says what to do."""
    for file in (ROOT / "web" / "figures").glob("*.js"):
        needs = re.findall(r"import\.meta|fetch\(|await import\(", file.read_text())
        assert bool(needs) == (file.name == "network.js"), file.name
    for page in (ROOT / "pages").glob("*.md"):
        assert 'type="module"' not in page.read_text(encoding="utf-8"), page.name


def test_how_often_right_counts_each_image_once():
    rows = [[0.95, 0.05], [0.4, 0.6], [0.55, 0.45], [0.0, 1.0]]
    probabilities = torch.tensor(rows, dtype=torch.float64)  # exact at the borders
    found = live_figures.how_often_right(probabilities, torch.tensor([0, 0, 0, 1]))
    images = {(range_["above"], range_["to"]): range_["images"] for range_ in found}
    assert images[0.5, 0.6] == 2 and images[0.9, 0.95] == 1 and images[0.95, 1.0] == 1
    assert sum(images.values()) == 4
    assert [range_["right"] for range_ in found if range_["images"]] == [1, 1, 1]


def test_what_try_it_says_of_the_network_for_photographs():
    """That it is right more often than it says, and how it was trained."""
    record = load_trained("slim").record
    fast = vgglib.RECIPES["fast"]
    assert record.startswith("cifar10-fast-slim-")
    assert not fast.color_std and fast.whitening
    assert 1 - fast.label_smoothing + fast.label_smoothing / 10 == pytest.approx(0.82)
    (own,) = (r for r in vgglib.read_records(ROOT / "results") if record_name(r) == record)
    predictions = read_predictions(own, ROOT / "results")
    ranges = [r for r in live_figures.how_often_right(*predictions) if r["images"] >= 50]
    assert len(ranges) >= 7
    assert all(r["right"] / r["images"] > r["to"] for r in ranges)


def test_try_it_names_the_record_that_it_lacks():
    with pytest.raises(OSError, match=r"no record cifar10-fast-slim-\S+\.json: make accuracy"):
        live_figures.photographs(load_trained("slim"), [], ROOT)


def pixels(trained, name, share=1.0):
    """What the network gets of a picture: the square in its middle, or a part of that."""
    with Image.open(PICTURES / f"{name}.webp") as picture:
        return trained.transform(live_figures.middle(picture.convert("RGB"), share))


def test_a_square_is_made_small_by_area():
    stripes = np.zeros((40, 50, 3), dtype=np.uint8)
    stripes[:, 25:] = 255
    whole, half = (live_figures.middle(Image.fromarray(stripes), share) for share in (1.0, 0.5))
    assert whole.shape == half.shape == (3, 32, 32)
    assert whole.mean() == half.mean() == 0.5  # the border is in the middle
    stripes[:, 26:] = 0  # one column, 0.8 of a pixel of the 32, from the 16th on
    (row,) = live_figures.middle(Image.fromarray(stripes))[:1, 0]
    assert row[16] == pytest.approx(0.8) and row.sum() == pytest.approx(0.8)


def test_picture_and_mirror_image_disagree_where_try_it_says_so():
    assert "They disagree about the face." in (ROOT / "pages" / "try_it.md").read_text()
    trained = load_trained("slim")
    disagree = set()
    for file in sorted(PICTURES.glob("*.webp")):
        image = pixels(trained, file.stem)
        with torch.no_grad():
            said = trained.model(torch.stack([image, image.flip(-1)])).argmax(dim=1)
        if said[0] != said[1]:
            disagree.add(file.stem)
    assert disagree == {"astronaut"}


def test_what_we_saw_in_try_it():
    """Only what holds with a margin: the browser computes with weights of 16 bits."""
    text = (ROOT / "pages" / "try_it.md").read_text(encoding="utf-8")
    trained = load_trained("slim")

    def ask(images):
        """Probabilities, averaged with the mirror image, (N, classes)."""
        with torch.no_grad():
            return sum(trained.model(x).softmax(dim=1) for x in (images, images.flip(-1))) / 2

    def names(probabilities):
        return [trained.classes[c] for c in probabilities.argmax(dim=1)]

    taxis = torch.stack([pixels(trained, "taxis", percent / 100) for percent in range(100, 0, -10)])
    assert names(ask(taxis))[:8] == ["automobile"] * 5 + ["ship", "truck", "cat"]
    assert "down to a square of 60 %. At 50 % the network says ship, at 40 % truck, and at" in text

    credits = json.loads((PICTURES / "credits.json").read_text())
    shown = {c["file"].removesuffix(".webp"): c["shows"] for c in credits}
    images = {name: pixels(trained, name) for name in shown}
    at_first = ask(torch.stack(list(images.values())))
    sure = dict(zip(shown, (100 * at_first.amax(dim=1)).tolist(), strict=True))
    said = dict(zip(shown, names(at_first), strict=True))
    unknown = sorted((name for name in shown if not shown[name]), key=sure.get)
    assert unknown == sorted(shown, key=sure.get)[:2] == ["astronaut", "coffee"]
    assert said["coffee"] == "cat"
    assert f"takes the coffee for a cat, and is {sure['coffee']:.0f} % sure" in text
    first, second = at_first[list(shown).index("astronaut")].topk(2).values.mul(100).tolist()
    assert f"dog and cat are nearly level, with {first:.0f} % each" in text
    assert f"{first:.0f}" == f"{second:.0f}"
    assert said["astronaut"] in ("cat", "dog")

    def keeps_its_answer(name, step):
        """Whichever square of 8x8 is covered, tried at every so many pixels."""
        middles = torch.arange(4, 29, step) - 0.5
        near = (torch.arange(32) - middles[:, None]).abs() < 4
        keep = ~(near[:, None, :, None] & near[None, :, None, :]).flatten(0, 1)
        return set(names(ask(images[name] * keep[:, None]))) == {said[name]}

    # At every second place first, which is a quarter of the work.
    stay = {name for name in shown if keeps_its_answer(name, 2) and keeps_its_answer(name, 1)}
    assert stay == {"moose", "racehorse"}

    size, axes = live_figures.POST_VARIANCES.sqrt(), live_figures.POST_AXES
    changed = {}
    for component in range(3):
        shift = (3 * size[component] * axes[:, component]).float()[:, None, None]
        changed[component] = {
            name
            for name in shown
            if shown[name]
            and {said[name]}
            != {*names(ask(torch.stack([images[name] + shift, images[name] - shift])))}
        }
    assert [len(found) for found in changed.values()] == [8, 6, 1]
    assert changed[2] == {"owl"}
    always = {name for name in shown if shown[name]} - set.union(*changed.values())
    assert always == {"racehorse"}

    with torch.no_grad():
        both = trained.model(torch.stack([images["kitten"], images["kitten"].flip(-1)]))
    cat = 100 * both.softmax(dim=1)[:, trained.classes.index("cat")]
    assert (
        "{:.0f} % sure of the cat and, in the mirror image, {:.0f} %".format(*cat.tolist()) in text
    )


def test_each_picture_says_where_it_is_from_and_what_may_be_done_with_it():
    credits = json.loads((PICTURES / "credits.json").read_text(encoding="utf-8"))
    assert {c["file"] for c in credits} == {file.name for file in PICTURES.glob("*.webp")}
    assert len(credits) == 12
    classes = load_trained("slim").classes
    for credit in credits:
        assert credit["license"] in ("public domain", "CC0")
        assert credit["source"].startswith("https://") and credit["author"] and credit["name"]
        assert credit["shows"] is None or credit["shows"] in classes
        with Image.open(PICTURES / credit["file"]) as picture:
            assert max(picture.size) <= 400 and min(picture.size) >= 200
        assert (PICTURES / credit["file"]).stat().st_size < 40_000


def test_the_palette_of_the_site_is_that_of_the_figures(tmp_path):
    live_figures.write_palette(tmp_path)
    style = (tmp_path / "palette.css").read_text()
    assert f"--conv: {colors.LAYER_COLORS['conv']};" in style
    assert json.loads((tmp_path / "palette.json").read_text())["axes"] == list(colors.AXIS_COLORS)
    for file in (ROOT / "web" / "figures").iterdir():  # no color is written a second time
        for color in colors.COLORS[:-1]:
            assert color.lower() not in file.read_text().lower(), (file.name, color)


def test_the_color_that_the_site_cannot_read_from_the_palette_is_in_it():
    found = re.findall(r"#[0-9a-fA-F]{6}\b", (ROOT / "_config.yml").read_text(encoding="utf-8"))
    assert found
    assert {color.upper() for color in found} <= set(colors.COLORS)


def test_trainings_are_the_records_with_what_their_starts_cost():
    records = vgglib.read_records(ROOT / "results")
    found = live_figures.trainings(records)
    assert len(found["own"]) == len(records) and found["own"][0]["data"] == "cifar10"
    assert all((ROOT / "results" / training["file"]).exists() for training in found["own"])
    by_run = {
        (t["data"], t["recipe"], t["network"], t["epochs"], t["seed"]): t for t in found["own"]
    }
    for record in records:
        own = by_run[tuple(record[k] for k in ("dataset", "recipe", "model", "epochs", "seed"))]
        assert own["top1"] == record["top_k_accuracy"][0]
        assert len(own["accuracies"]) == len(own["rates"]) == record["epochs"]
        alone = record["start"] == "random weights"
        assert (own["pflop"] == float(f"{record['training_pflop']:.4g}")) == alone


def test_of_two_starts_that_differ_in_length_the_one_that_fits_is_counted():
    names = ("cifar10-classic-I-18epochs-seed0.json", "cifar10-classic-II-12epochs-seed0.json")
    first, second = (json.loads((ROOT / "results" / name).read_text()) for name in names)
    expected = first["training_pflop"] + second["training_pflop"]
    for epochs in (3, 200):
        factor = epochs / first["epochs"]
        other = {**first, "epochs": epochs, "training_pflop": factor * first["training_pflop"]}
        own = live_figures.trainings([first, other, second])["own"]
        (found,) = (t["pflop"] for t in own if t["network"] == "II")
        assert found == float(f"{expected:.4g}")


def test_a_drop_is_where_a_plateau_lowered_the_rate():
    rates = [0.1, 0.1, 0.01, 0.01, 0.001]
    record = {"history": {"learning_rate": rates}, "settings": {"schedule": "plateau"}}
    assert live_figures.drops(record) == [3, 5]
    record["settings"]["schedule"] = "one_cycle"
    assert live_figures.drops(record) == []
