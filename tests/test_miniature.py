"""The paper's Tables 3 to 6 in miniature: the cells, and their records from trained networks."""

import json
from dataclasses import replace

import pytest

from vgglib import miniature
from vgglib.data import load_data
from vgglib.evaluation import top_k_accuracy
from vgglib.experiments import run_experiment
from vgglib.miniature import (
    Cell,
    conclusions,
    errors_by_seed,
    fill_tables,
    paper_errors,
    plan_tables,
    read_test_records,
    write_test_record,
)
from vgglib.protocols import Protocol, average_probabilities, predict_by
from vgglib.published import PAPER_ERRORS
from vgglib.recipes import TRAINING_SCALES

SCALE_OF = {key: recipe.training_scale for key, recipe in TRAINING_SCALES.items()}

pytestmark = pytest.mark.usefixtures("one_thread")


def test_the_papers_numbers():
    """Tables 3 to 6 of the paper, spot checks of each."""
    assert [sum(r.table == t for r in PAPER_ERRORS) for t in (3, 4, 5, 6)] == [12, 10, 6, 3]
    found = {
        (r.table, r.models, r.training_scale, r.protocol): (r.top_1, r.top_5) for r in PAPER_ERRORS
    }
    low, jittered = (256, 256), (256, 512)
    assert found[3, ("A-LRN",), low, Protocol((256,))] == (29.7, 10.5)
    assert found[3, ("D",), jittered, Protocol((384,))] == (25.6, 8.1)
    assert found[4, ("C",), (384, 384), Protocol((352, 384, 416))] == (27.8, 9.2)
    assert found[5, ("E",), jittered, Protocol((256, 384, 512), "both")] == (24.4, 7.1)
    assert found[6, ("D", "E"), jittered, Protocol((256, 384, 512), "both")] == (23.7, 6.8)


def test_all_cells_of_the_tables_are_planned():
    cells = plan_tables(SCALE_OF, ("I", "II", "III"))
    assert len(cells) == len(set(cells)) == 3 * 3 * (2 * 3 + 1) + 3 * 2 + 2 * 3
    jittered = "S = 32 to 64"
    assert plan_tables(SCALE_OF, ("III", "I", "II")) == cells
    assert Cell("S = 48", ("II",), Protocol((40, 48, 56))) in cells
    for recipe in SCALE_OF:
        for q in (32, 48):
            for look in (Protocol((q,)), Protocol((q,), "crops"), Protocol((q,), "crops", grid=1)):
                assert Cell(recipe, ("I",), look) in cells
    pools = 2**3
    looked_at = {scale for cell in cells for scale in cell.protocol.scales}
    assert not any(
        size % pools for size in (*looked_at, *(r.crop for r in TRAINING_SCALES.values()))
    )
    for models in (("III",), ("II", "III"), ("I", "II", "III")):
        for method in ("dense", "crops", "both"):
            assert Cell(jittered, models, Protocol((32, 48, 64), method)) in cells


def test_one_network_has_no_ensemble():
    assert all(cell.models == ("I",) for cell in plan_tables(SCALE_OF, ("I",)))


@pytest.fixture(scope="module")
def trained():
    data = load_data("shapes", image_size=16, train_images=60, validation=1 / 3, test_images=20)
    recipe = replace(
        TRAINING_SCALES["S = 32 to 64"],
        epochs=1,
        batch_size=20,
        crop=12,
        training_scale=(12, 20),
        width=1 / 32,
    )
    return data, {
        ("jittered", name): run_experiment(
            name, data, recipe, device="cpu", precision="float32", progress=False
        )
        for name in ("I", "II")
    }


def fill(trained, cells, **options):
    data, experiments = trained
    return fill_tables(cells, experiments, data, precision="float32", **options)


def test_a_cell_is_what_the_protocol_gives_on_the_test_split(trained):
    data, experiments = trained
    protocol = Protocol((12, 16, 20), "both")
    (record,) = fill(trained, [Cell("jittered", ("I", "II"), protocol)])
    subtract = experiments["jittered", "I"].preprocessing
    expected = average_probabilities(
        [predict_by(protocol, experiments["jittered", n].model, data.test.images, subtract)
         for n in ("I", "II")]
    )  # fmt: skip
    accuracy = top_k_accuracy(expected, data.test.labels).tolist()
    assert record["top_k_accuracy"] == [round(a, 2) for a in accuracy]
    assert record["models"] == ["I", "II"] and record["training_scale"] == [12, 20]
    assert record["test_images"] == 20 and record["milliseconds_per_image"] > 0


def test_each_look_is_taken_once(trained, monkeypatch):
    looks = []

    def counted(protocol, network, *args, **options):
        looks.append((id(network), protocol))
        return predict_by(protocol, network, *args, **options)

    monkeypatch.setattr(miniature, "predict_by", counted)
    cells = plan_tables({"jittered": (12, 20)}, ("I", "II"))
    records = fill(trained, cells)
    assert len(records) == len(cells) == 2 * (3 + 1) + 2 * 2 + 3
    assert len(looks) == len(set(looks)) == 2 * (3 * 2 + 1)
    assert records[0]["multiply_adds"] < records[1]["multiply_adds"]


def test_records_are_written_and_read(trained, tmp_path):
    cells = plan_tables({"jittered": (12, 20)}, ("I", "II"))
    records = fill(trained, cells, results=tmp_path / "tests")
    read = read_test_records(tmp_path / "tests")
    assert len(read) == len(records)
    wanted = {json.dumps(r, sort_keys=True) for r in json.loads(json.dumps(records))}
    assert {json.dumps(r, sort_keys=True) for r in read} == wanted
    name = "shapes-scale_32_to_64-I+II-1epochs-seed0-both-Q12_16_20.json"
    assert (tmp_path / "tests" / name).exists()


def test_other_grids_have_files_of_their_own(trained, tmp_path):
    data, experiments = trained
    protocol = Protocol((16,), "crops", 2, False)
    (record,) = fill(trained, [Cell("jittered", ("I",), protocol)])
    experiment = experiments["jittered", "I"]
    expected = predict_by(protocol, experiment.model, data.test.images, experiment.preprocessing)
    accuracy = top_k_accuracy(expected, data.test.labels).tolist()
    assert record["top_k_accuracy"] == [round(a, 2) for a in accuracy]
    assert write_test_record(tmp_path, record).name.endswith("-crops-Q16-grid2-nomirror.json")


def test_a_network_that_is_missing_is_named(trained):
    with pytest.raises(ValueError, match=r"no trained network for the cell \('jittered', 'III'\)"):
        fill(trained, [Cell("jittered", ("I", "III"), Protocol((16,)))])


def test_a_record_that_is_none_is_refused(trained, tmp_path):
    (record,) = fill(trained, [Cell("jittered", ("I",), Protocol((16,)))])
    for wrong, message in [
        ({"protocol": {}}, "'protocol' is none: .*scales"),
        ({"protocol": {"scales": []}}, "'protocol' is none: expected one test scale"),
        ({"models": "I"}, "'models' must be list"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_test_record(tmp_path, record | wrong)
    del record["protocol"]
    with pytest.raises(ValueError, match="lacks the field 'protocol'"):
        write_test_record(tmp_path, record)
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(ValueError, match=r"x\.json.* lacks the field 'dataset'"):
        read_test_records(tmp_path)


def test_the_papers_conclusions_hold_in_its_own_tables():
    """Sections 4.1 to 4.4. From D to E the error fell at one of three training scales only."""
    found = conclusions(paper_errors(), [("A", "B"), ("B", "D"), ("D", "E")])
    counts = {
        text: (sum(low < high for low, high in pairs), len(pairs)) for text, pairs in found.items()
    }
    assert list(counts.values()) == [(6, 6), (3, 5), (10, 10), (2, 2), (2, 2), (1, 1)]
    assert (25.6, 27.0) in found["jittering beats a fixed scale"]
    assert (27.3, 27.0) in found["the deeper network is better"]
    assert found["an ensemble beats its best network"] == [(23.7, 24.4)]


def test_each_seed_has_its_own_errors(trained):
    (record,) = fill(trained, [Cell("jittered", ("I",), Protocol((16,)))])
    records = [
        record | {"seed": seed, "top_k_accuracy": [top_1, 90, 91, 92, 93]}
        for seed, top_1 in ((1, 81.0), (0, 80.0))
    ]
    key = ("I",), (12, 20), Protocol((16,))
    assert errors_by_seed(records) == [{key: 20.0}, {key: 19.0}]
    with pytest.raises(ValueError, match=r"two records of seed 1 are of I, S = \[12, 20\], de"):
        errors_by_seed([*records, records[0] | {"epochs": 3}])


def test_conclusions_about_a_range_of_scales_need_one():
    fixed = {key: error for key, error in paper_errors().items() if key[1][0] == key[1][1]}
    found = conclusions(fixed, [("B", "D"), ("D", "E")])
    assert found["the deeper network is better"] and found["three test scales beat one"]
    assert found["jittering beats a fixed scale"] == found["both together beat either"] == []


def test_tables_without_cells_are_refused():
    data = load_data(image_size=16, train_images=60, test_images=20)
    with pytest.raises(ValueError, match="no cells"):
        miniature.fill_tables([], {}, data)
