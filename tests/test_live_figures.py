"""What the live figures are made of. The figures themselves: web/tests, in a browser."""

from __future__ import annotations

import json
import re

import pytest
import torch

import vgglib
from tools import live_figures
from tools.settings import ROOT
from vgglib import colors
from vgglib.records import record_name


def test_configurations_are_those_of_plain_stacks():
    found = live_figures.configurations()
    assert set(vgglib.CONFIGURATIONS) - set(found) == {"A-LRN", "slim"}
    assert found["C"]["stacks"][2] == [
        {"channels": 256, "kernel": 3},
        {"channels": 256, "kernel": 3},
        {"channels": 256, "kernel": 1},
    ]
    assert found["III"]["connected"] == [1024, 1024, 10]
    assert found["D"]["image"] == 224


def test_network_for_the_browser_gives_the_same_logits_and_the_first_maps():
    network = vgglib.vgg("I", width=1 / 16, batch_norm=True).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        logits, maps = live_figures.ForBrowser(network)(images)
        assert torch.equal(logits, network(images))
        assert torch.equal(maps, network.features.stack1(images))


def test_export_is_a_file_with_its_weights(tmp_path):
    network = vgglib.vgg("I", width=1 / 16)
    live_figures.export(network, tmp_path / "model.onnx")
    weights = 4 * sum(p.numel() for p in network.parameters())
    size = (tmp_path / "model.onnx").stat().st_size
    assert weights < size < weights + 200_000
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_scripts_are_bundled_with_what_npm_installs_or_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(live_figures, "ESBUILD", tmp_path / "esbuild")
    with pytest.raises(OSError, match=r"there is no .*esbuild: `make book` installs it"):
        live_figures.bundle(ROOT / "web" / "figures", tmp_path)


def test_no_figure_needs_what_a_page_from_disk_may_not_have():
    """Of modules and what they fetch, only "Try it" has some, and it says what to do."""
    for file in (ROOT / "web" / "figures").glob("*.js"):
        needs = re.findall(r"import\.meta|fetch\(|await import\(", file.read_text())
        assert bool(needs) == (file.name == "try_it.js"), file.name
    for page in (ROOT / "pages").glob("*.md"):
        assert 'type="module"' not in page.read_text(encoding="utf-8"), page.name


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
    by_file = {training["file"]: training for training in found["own"]}
    for record in records:
        own = by_file[record_name(record)]
        assert own["top1"] == record["top_k_accuracy"][0]
        assert len(own["accuracies"]) == len(own["rates"]) == record["epochs"]
        alone = record["start"] == "random weights"
        assert (own["pflop"] == float(f"{record['training_pflop']:.4g}")) == alone


def test_a_drop_is_where_a_plateau_lowered_the_rate():
    rates = [0.1, 0.1, 0.01, 0.01, 0.001]
    record = {"history": {"learning_rate": rates}, "settings": {"schedule": "plateau"}}
    assert live_figures.drops(record) == [3, 5]
    record["settings"]["schedule"] = "one_cycle"
    assert live_figures.drops(record) == []
