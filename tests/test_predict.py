"""A photo named by a checkpoint, through the command and by hand."""

import argparse
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from torchvision.transforms import v2

import vgglib
from vgglib.data import CIFAR10_CLASSES, load_data
from vgglib.evaluation import predict
from vgglib.experiments import run_experiment
from vgglib.folders import read_image
from vgglib.predict import main
from vgglib.recipes import RECIPES
from vgglib.records import book_results, read_records, record_name
from vgglib.trained import describe_use, load_trained, save_trained


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A checkpoint whose weights were averaged, and the experiment that left it."""
    folder = tmp_path_factory.mktemp("checkpoints")
    recipe = replace(RECIPES["quick"], epochs=1, width=1 / 16, averaging=0.9)
    data = load_data(train_images=60, test_images=20)
    run = run_experiment("I", data, recipe, checkpoints=folder, device="cpu")
    (checkpoint,) = folder.glob("*.pt")
    return checkpoint, run


def test_the_five_best_with_the_mirror_image_averaged(trained, tmp_path, save_image, capsys):
    checkpoint, run = trained
    photo = save_image(tmp_path / "photo.jpg", size=(60, 40))
    main([str(photo), "--weights", str(checkpoint)])
    head, *lines = capsys.readouterr().out.splitlines()
    (own,) = predict(run.model, read_image(photo, 32)[None], run.test_transform)
    best = own.topk(5)
    names = [vgglib.load_data(train_images=20, test_images=10).classes[i] for i in best.indices]
    expected = [f"{100 * p:.1f} %  {n}" for p, n in zip(best.values.tolist(), names, strict=True)]
    assert head == str(photo) and [line.strip() for line in lines] == expected


def test_the_network_of_a_checkpoint_is_that_of_the_training(trained):
    checkpoint, run = trained
    network = load_trained(checkpoint)
    assert network.classes == vgglib.shapes.CLASSES and not network.model.training
    for name, weight in run.model.state_dict().items():
        assert torch.equal(network.model.state_dict()[name], weight)
    assert network.transform.mean == run.preprocessing.mean


def test_bad_photos_are_named_and_the_others_are_told(trained, tmp_path, save_image, capsys):
    good = save_image(tmp_path / "good.png")
    (tmp_path / "bad.png").write_text("no image")
    photos = [str(tmp_path / name) for name in ("lost.png", "bad.png")]
    with pytest.raises(SystemExit) as stopped:
        main([*photos, str(good), "--weights", str(trained[0])])
    assert "no file" in str(stopped.value) and "bad.png' is damaged" in str(stopped.value)
    assert capsys.readouterr().out.startswith(str(good))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        (b"no weights", "is damaged"),
        ({"weight": torch.zeros(1)}, "does not say what it is for"),
        ({"model": {}, "args": argparse.Namespace(a=1)}, "holds Python objects besides weights"),
        ([1, 2], "holds list: expected a dict"),
    ],
)
def test_other_files_are_refused_in_a_line(tmp_path, content, message):
    file = tmp_path / "weights.pt"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        torch.save(content, file)
    with pytest.raises(SystemExit, match=message) as stopped:
        main(["photo.jpg", "--weights", str(file)])
    assert "\n" not in str(stopped.value)


def test_weights_that_are_no_numbers_are_refused(trained, tmp_path):
    state = torch.load(trained[0], weights_only=True)
    state["average"]["classifier.fc1.bias"][0] = np.nan
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(ValueError, match=r"classifier.fc1.bias' has numbers that are not finite"):
        load_trained(tmp_path / "nan.pt")


def test_of_crops_the_network_sees_as_much_as_in_its_training(tmp_path, save_image):
    recipe = replace(RECIPES["quick"], epochs=1, width=1 / 16, crop=16, training_scale=(24, 24))
    data = load_data(train_images=60, test_images=20)
    run = run_experiment("I", data, recipe, checkpoints=tmp_path, device="cpu")
    (checkpoint,) = tmp_path.glob("*.pt")
    trained = load_trained(checkpoint)
    assert (trained.model.image_size, trained.scale) == ((16, 16), 24)
    photo = save_image(tmp_path / "photo.png", size=(24, 24))
    (own,) = predict(run.model, read_image(photo)[None], run.test_transform)
    name, percent = trained.name_image(photo, 1)[0]
    assert trained.classes[own.argmax()] == name
    assert percent == pytest.approx(100 * own.max().item(), abs=0.01)


def test_logits_without_a_class_are_never_named(trained, tmp_path, save_image):
    network = load_trained(trained[0])
    few = replace(network, classes=network.classes[:2])
    photo = save_image(tmp_path / "photo.png")
    known = dict(network.name_image(photo, 10))
    assert few.name_image(photo) == sorted(
        ((name, known[name]) for name in few.classes), key=lambda pair: -pair[1]
    )


def test_settings_of_numpy_are_trained_with_and_go_on(tmp_path):
    data = load_data(train_images=60, test_images=20)
    rate = np.logspace(-3, -1, 3)[1]
    recipe = replace(RECIPES["quick"], epochs=1, width=1 / 16, learning_rate=rate)
    runs = [run_experiment("I", data, recipe, checkpoints=tmp_path, device="cpu") for _ in range(2)]
    assert runs[0].training.history == runs[1].training.history
    load_trained(next(tmp_path.glob("*.pt")))


def test_a_home_folder_is_one_for_writing_as_for_reading(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    data = load_data(train_images=60, test_images=20)
    recipe = replace(RECIPES["quick"], epochs=1, width=1 / 16)
    run_experiment("I", data, recipe, checkpoints="~/c", results="~/r", device="cpu")
    (record,) = read_records("~/r")
    assert load_trained("~/c/" + record_name(record).replace(".json", ".pt"))
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("steps", "scale"),
    [
        ([v2.Resize(40), v2.CenterCrop(24)], 40),
        ([v2.Resize((40, 40)), v2.CenterCrop(24)], 40),
        ([v2.CenterCrop(24)], None),
        ([v2.Resize((40, 48)), v2.CenterCrop(24)], None),
        ([v2.Resize(None, max_size=40), v2.CenterCrop(24)], None),
        ([v2.Resize(24)], 24),
    ],
)
def test_of_what_scale_a_crop_was_is_noted_or_nothing(steps, scale):
    mean = vgglib.SubtractMean((0.5, 0.5, 0.5))
    model = vgglib.vgg("I", image_size=24, width=1 / 16)
    use = describe_use(model, list("abcdefghij"), v2.Compose([*steps, mean]))
    assert (use["mean"] is not None, use["scale"]) == (scale is not None, scale)


def test_of_whole_images_of_another_size_than_its_own_nothing_is_noted():
    model = vgglib.vgg("slim", image_size=32, width=1 / 8)
    larger = v2.Compose([v2.Resize(40), vgglib.SubtractMean((0.5, 0.5, 0.5))])
    assert describe_use(model, list("abcdefghij"), larger)["mean"] is None


def test_an_activation_of_ones_own_is_trained_and_goes_on(tmp_path):
    """A checkpoint holds no code, so the network cannot be built from it."""
    data = load_data(train_images=60, test_images=20)
    recipe = replace(RECIPES["quick"], epochs=1, width=1 / 16)
    augment, preprocess = vgglib.make_transforms(data, recipe)
    options = {"train_transform": augment, "test_transform": preprocess, "device": "cpu"}
    convolutions = [[{"out_channels": 4, "pool": 4, "activation": torch.nn.Hardswish}]]
    histories = []
    for _ in range(2):
        torch.manual_seed(0)
        model = vgglib.VGG(convolutions, [{"out_features": 10}], image_size=32)
        run = vgglib.train(model, data, recipe, checkpoint=tmp_path / "run.pt", **options)
        histories.append(run.history)
    assert histories[0] == histories[1]
    with pytest.raises(ValueError, match="does not say what it is for"):
        load_trained(tmp_path / "run.pt")


@pytest.mark.parametrize("change", ["activation", "head", "bias"])
def test_a_network_that_was_changed_by_hand_is_not_taken_for_another(tmp_path, change):
    """It trains and resumes; but its descriptors alone would build another network."""
    recipe = replace(RECIPES["quick"], epochs=1, width=1 / 16)
    data = load_data(train_images=60, test_images=20)
    model = vgglib.make_network("I", data, recipe)
    if change == "activation":
        model.classifier.activation1 = torch.nn.Tanh()
    elif change == "bias":
        first = model.features.stack1.conv1
        size = first.in_channels, first.out_channels, first.kernel_size
        model.features.stack1.conv1 = torch.nn.Conv2d(*size, padding=1, bias=False)
    else:
        last = model.classifier[-1]
        model.classifier.fc2 = torch.nn.Sequential(torch.nn.Dropout(0.1), last)
    augment, preprocess = vgglib.make_transforms(data, recipe)
    options = {"train_transform": augment, "test_transform": preprocess, "device": "cpu"}
    for _ in range(2):
        vgglib.train(model, data, recipe, checkpoint=tmp_path / "run.pt", **options)
    with pytest.raises(ValueError, match="does not say what it is for"):
        load_trained(tmp_path / "run.pt")


def test_a_network_in_a_file_of_half_the_size_is_the_same(trained, tmp_path):
    checkpoint, run = trained
    first = load_trained(checkpoint)
    first = replace(first, record="mine.json")
    file = save_trained(first, tmp_path / "kept" / "mine.safetensors")
    weights = sum(4 * w.numel() for w in first.model.parameters())
    assert file.stat().st_size < 0.5 * weights + 10_000
    second = load_trained(file)
    assert (second.classes, second.scale, second.epochs) == (first.classes, first.scale, (1, 1))
    assert second.transform.mean == first.transform.mean and second.warning == ""
    assert (second.record, load_trained(checkpoint).record) == ("mine.json", "")
    data = load_data(train_images=20, test_images=50)
    one, two = (predict(t.model, data.test.images, t.transform) for t in (first, second))
    assert two == pytest.approx(one, abs=5e-3)
    assert next(second.model.parameters()).dtype == torch.float32


def test_a_network_comes_with_the_package_by_its_name(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(vgglib.trained, "book_results", lambda: tmp_path)
    save_trained(load_trained(trained[0]), tmp_path / "networks" / "small.safetensors")
    assert vgglib.load_trained("small").classes == vgglib.shapes.CLASSES
    with pytest.raises(FileNotFoundError, match="no network of that name: small comes with the"):
        load_trained("smal")


def test_files_that_say_nothing_of_their_use_are_refused(trained, tmp_path):
    network = load_trained(trained[0])
    with pytest.raises(ValueError, match=r"ends in .safetensors, got .*mine.pt"):
        save_trained(network, tmp_path / "mine.pt")
    weights = {"weight": torch.zeros(3)}
    safetensors.torch.save_file(weights, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match=r"does not say .*: expected a file of vgglib\.trained"):
        load_trained(tmp_path / "weights.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"no header")
    with pytest.raises(ValueError, match=r"bad\.safetensors' is damaged"):
        load_trained(tmp_path / "bad.safetensors")
    network.model.features.pool1 = torch.nn.AvgPool2d(2)
    with pytest.raises(ValueError, match="not what its settings describe"):
        save_trained(network, tmp_path / "mine.safetensors")


def test_slim_comes_with_the_package_and_is_that_of_its_record():
    """Whose predictions are kept: on the built-in images it gives nothing that can be compared."""
    slim = vgglib.load_trained("slim")
    assert slim.classes == CIFAR10_CLASSES and slim.warning == ""
    records = {record_name(r): r for r in read_records(book_results())}
    record = records[slim.record]
    assert (record["model"], record["recipe"], record["dataset"]) == ("slim", "fast", "cifar10")
    assert record["seed"] == 0 and record["epochs"] == vgglib.RECIPES["fast"].epochs
    file = book_results() / "networks" / "slim.safetensors"
    assert file.stat().st_size < 10e6


def test_a_network_for_no_squares_names_no_photo(trained, tmp_path, save_image):
    photo = save_image(tmp_path / "photo.jpg", size=(60, 40))
    other = vgglib.vgg("I", width=1 / 16, image_size=(32, 24))
    with pytest.raises(ValueError, match="expected one for squares of RGB"):
        replace(load_trained(trained[0]), model=other).name_image(photo)


def test_weights_that_do_not_fit_their_description_are_refused(trained, tmp_path):
    state = torch.load(trained[0], weights_only=True)
    del state["average"]["classifier.fc1.bias"]
    torch.save(state, tmp_path / "changed.pt")
    with pytest.raises(ValueError, match="not of the network described beside them"):
        load_trained(tmp_path / "changed.pt")
