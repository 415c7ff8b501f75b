"""The command for full-size tests, on small data and small networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from vgglib import imagenet
from vgglib.configurations import vgg
from vgglib.data import load_data
from vgglib.evaluation import top_k_error
from vgglib.experiments import run_experiment
from vgglib.protocols import Protocol, predict_by
from vgglib.recipes import RECIPES
from vgglib.trained import load_trained, save_trained
from vgglib.transforms import SubtractMean
from vgglib.weights import to_torchvision

SMALL = [
    "--networks",
    "A",
    "--crop",
    "32",
    "--width",
    "0.0625",
    "--scales",
    "32",
    "--device",
    "cpu",
    "--mean",
    *map(str, imagenet.MEAN),
]


@pytest.fixture
def images(tmp_path):
    """Seven classes of one color each, with one to three images, all of different sizes."""
    random = np.random.default_rng(0)
    for label in range(7):
        folder = tmp_path / "images" / f"class{label}"
        folder.mkdir(parents=True)
        color = random.integers(256, size=3)
        for number in range(1 + label % 3):
            noise = random.integers(-60, 60, size=(40 + 3 * label, 50 - 5 * number, 3))
            pixels = (color + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "images"


@pytest.fixture
def weights(tmp_path):
    return save_weights(tmp_path / "weights.pt", seed=0)


def save_weights(file, seed):
    """Random weights, and biases by which different images are of different classes."""
    torch.manual_seed(seed)
    network = small_network().eval()
    images = SubtractMean(imagenet.MEAN)(torch.rand(50, 3, 1, 1).expand(-1, -1, 32, 32))
    with torch.no_grad():
        network.classifier.fc3.weight.mul_(100)
        network.classifier.fc3.bias.sub_(network(images).mean(dim=0))
    torch.save(network.state_dict(), file)
    return file


def small_network(name="A"):
    return vgg(name, num_classes=7, image_size=32, width=1 / 16)


def errors_of(protocol, images, *files):
    """Top-1 and top-5 errors by hand, as the command prints them, and the classes named."""
    folders = imagenet.find_classes(images).values()
    found, labels = [], []
    for image, label in imagenet.read_files(imagenet.find_files(folders), []):
        views = []
        for file in files:
            network = small_network()
            network.load_state_dict(torch.load(file, weights_only=True))
            views.append(predict_by(protocol, network, image[None], SubtractMean(imagenet.MEAN)))
        found.append(torch.stack(views).mean(dim=0))
        labels.append(label)
    probabilities = torch.cat(found)
    errors = top_k_error(probabilities, torch.tensor(labels))
    return [f"{errors[0]:.1f}", f"{errors[4]:.1f}"], set(probabilities.argmax(dim=1).tolist())


def test_the_command_tests_every_image_and_prints_the_papers_table(images, weights, capsys):
    options = ["--images", str(images), "--weights", str(weights), *SMALL, "--precision", "float32"]
    imagenet.main([*options, "--scales", "32", "48", "--method", "both"])
    head, own, paper, cost = capsys.readouterr().out.splitlines()
    expected, named = errors_of(Protocol((32, 48), "both"), images, weights)
    assert len(named) > 1  # so that a wrong label would show
    assert own.startswith("A, dense and multi-crop at Q = 32, 48, 13 images")
    assert own.split()[-2:] == expected
    assert paper.startswith("the paper, Table 3, S = 256, dense at Q = 256")
    assert paper.split()[-2:] == ["29.6", "10.4"]
    assert len(head) == len(own) == len(paper)
    assert "billion multiply-adds" in cost


def test_an_ensemble_averages_its_networks(images, weights, tmp_path, capsys):
    both = [str(weights), str(save_weights(tmp_path / "other.pt", seed=1))]
    options = ["--images", str(images), "--weights", *both, *SMALL, "--precision", "float32"]
    imagenet.main([*options, "--networks", "A", "A"])
    own = capsys.readouterr().out.splitlines()[1]
    expected, _ = errors_of(Protocol((32,)), images, *both)
    alone, _ = errors_of(Protocol((32,)), images, weights)
    assert own.startswith("A+A, dense at Q = 32, 13 images")
    assert own.split()[-2:] == expected != alone


def test_labels_follow_the_order_of_the_folders(images):
    folders = imagenet.find_classes(images).values()
    assert [label for _, label in imagenet.find_files(folders, limit=1)] == list(range(7))
    labels = [label for _, label in imagenet.find_files(folders)]
    assert labels == [0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 5, 5, 6]


def test_the_limit_is_of_each_class(images, weights, capsys):
    imagenet.main(
        ["--images", str(images), "--weights", str(weights), *SMALL, "--scales", "32",
         "--limit", "1"]
    )  # fmt: skip
    assert "7 images" in capsys.readouterr().out


CLASSES = [f"class{label}" for label in range(7)]
IMAGENET = ["n01440764", *(f"n0{number}" for number in range(2000000, 2000998)), "n15075141"]


def test_a_checkpoint_of_a_training_will_do(weights):
    """Where the weights were averaged, the average is the network that was evaluated."""
    state = torch.load(weights, weights_only=True)
    halved = {name: weight / 2 for name, weight in state.items()}
    for checkpoint in ({"model": state}, {"model": halved, "average": state}):
        torch.save({**checkpoint, "history": {}}, weights)
        network, _ = imagenet.load_network(
            "A", str(weights), CLASSES, image_size=32, width=1 / 16, mean=imagenet.MEAN
        )
        assert torch.equal(network.classifier.fc1.weight, state["classifier.fc1.weight"])


@pytest.mark.parametrize("batch_norm", [False, True])
def test_torchvisions_weights_get_torchvisions_preprocessing(monkeypatch, tmp_path, batch_norm):
    """With a network that is no download: the right one is asked for, by its checksum, safely."""
    asked = {}
    options = {"image_size": 32, "width": 1 / 64, "batch_norm": batch_norm}
    small = vgg("D", num_classes=1000, **options)

    class Weights:
        class IMAGENET1K_V1:
            @staticmethod
            def get_state_dict(**how):
                asked.update(how)
                weights = to_torchvision(small)
                # The oldest of torchvision's files are without these counts.
                return {n: w for n, w in weights.items() if "num_batches_tracked" not in n}

    monkeypatch.setattr(
        imagenet.models, "get_model_weights", lambda name: asked.update(name=name) or Weights
    )
    by_hand = tmp_path / "vgg16.pth"
    torch.save(to_torchvision(small), by_hand)
    for weights in ("torchvision", str(by_hand)):
        network, transform = imagenet.load_network("D", weights, IMAGENET, **options)
        white = transform(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))
        expected = [(1 - m) / s for m, s in zip(imagenet.MEAN, imagenet.STD, strict=True)]
        assert white[0, :, 0, 0].tolist() == pytest.approx(expected)
        x = torch.randn(1, 3, 32, 32)
        with torch.no_grad():
            torch.testing.assert_close(network.eval()(x), small.eval()(x))
    name = "vgg16_bn" if batch_norm else "vgg16"
    assert asked == {"name": name, "check_hash": True, "weights_only": True}


def test_classes_in_another_order_are_not_tested_with_torchvisions_weights():
    """Folders 0 to 999 would sort as 0, 1, 10, 100, and every label would be wrong."""
    names = sorted(map(str, range(1000)))
    with pytest.raises(ValueError, match="folders n01440764 to n15075141, got 1000, 0 to 999"):
        imagenet.load_network("D", "torchvision", names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "nowhere.pt"], "there is no file 'nowhere.pt'"),
        (["--networks", "B"], "no weights of configuration B for 7 classes: .*stack1.conv2.weight"),
        (["--networks", "A", "B"], "2 networks and 1 weights"),
        (["--limit", "0"], "limit must be 1 or more"),
        (["--scales", "16"], "16x16 px is smaller than the network's reach"),
        (["--scales", "16", "--method", "crops"], "16 px is below the crop of 32 px"),
        (["--images", "nowhere"], "there is no folder 'nowhere'"),
        (["--weights", "torchvision"], "folders n01440764 to n15075141, got 7"),
        (["--networks", "C", "--weights", "torchvision"], "no weights for configuration C"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(images, weights, options, message):
    usual = ["--images", str(images), "--weights", str(weights), *SMALL]
    with pytest.raises(SystemExit, match=message) as stopped:
        imagenet.main([*usual, *options])
    assert "\n" not in str(stopped.value)


def test_weights_that_are_a_pickle_are_not_run(images, tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").touch, ())

    bomb = tmp_path / "bomb.pt"
    bomb.write_bytes(pickle.dumps(Bomb(), protocol=2))
    pickle.loads(bomb.read_bytes())
    (tmp_path / "ran").unlink()  # so it would have been run
    with pytest.raises(SystemExit, match="holds Python objects besides weights"):
        imagenet.main(["--images", str(images), "--weights", str(bomb), *SMALL])
    assert not (tmp_path / "ran").exists()


def test_weights_that_are_empty_are_refused(images, weights):
    weights.write_bytes(b"")
    with pytest.raises(SystemExit, match="is damaged or holds no weights"):
        imagenet.main(["--images", str(images), "--weights", str(weights), *SMALL])


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has 0 folders: expected one for each class"):
        imagenet.find_classes(tmp_path)


def test_what_was_measured_is_reported_and_damaged_images_are_named(images, weights, capsys):
    (images / "class5" / "1.png").write_bytes(b"no image")
    options = ["--images", str(images), "--weights", str(weights), *SMALL]
    with pytest.raises(SystemExit, match=r"class5/1\.png"):
        imagenet.main(options)
    assert "12 images" in capsys.readouterr().out
    imagenet.main([*options, "--limit", "1"])


def test_a_file_that_is_no_image_is_found_before_the_first_image_is_read(images):
    (images / "class6" / "notes.txt").write_text("x")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        imagenet.find_files(imagenet.find_classes(images).values())


def test_an_image_that_is_too_thin_to_be_tested_as_a_whole_is_left_out(tmp_path):
    for name, size in (("thin", (3300, 200)), ("wide", (3200, 200))):
        Image.new("RGB", size).save(tmp_path / f"{name}.png")
    left_out = []
    files = [(tmp_path / "thin.png", 0), (tmp_path / "wide.png", 1)]
    assert [label for _, label in imagenet.read_files(files, left_out)] == [1]
    assert "thin.png' is too thin to be tested as a whole: 3300x200 pixels" in left_out[0]


def test_a_class_without_images_is_named(images):
    for file in (images / "class3").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"no images below .*class3"):
        imagenet.find_files(imagenet.find_classes(images).values())


# --------------------------------------------------------------------------------------------------
# A checkpoint of one's own
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, save_image):
    """A folder of images, and the checkpoint of a network that was trained on it."""
    for part in ("train", "test"):
        for label, name in enumerate(("dark", "light", "middle")):
            for i in range(6):
                pixels = np.full((16, 16, 3), (20, 230, 120)[label] + i, dtype=np.uint8)
                save_image(tmp_path / "photos" / part / name / f"{i}.png", pixels=pixels)
    data = load_data(tmp_path / "photos", image_size=16)
    recipe = replace(RECIPES["classic"], epochs=1, width=1 / 16, color_std=0.0, batch_size=4)
    torch.manual_seed(2)
    options = {"checkpoints": tmp_path, "device": "cpu", "precision": "float32"}
    run = run_experiment("I", data, recipe, **options)
    (checkpoint,) = tmp_path.glob("*.pt")
    return tmp_path / "photos" / "test", checkpoint, run


def test_a_checkpoint_says_what_its_network_is_for(own, capsys):
    images, checkpoint, run = own
    imagenet.main(["--images", str(images), "--weights", str(checkpoint), "--networks", "I",
                   "--device", "cpu", "--precision", "float32"])  # fmt: skip
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("I, dense at Q = 16, 18 images")
    assert line.split()[-2:] == [f"{100 - run.test.top_1:.1f}", "0.0"]
    network, transform = imagenet.load_network("I", str(checkpoint), run_classes(images))
    assert torch.equal(network.classifier.fc1.weight, run.model.classifier.fc1.weight)
    assert transform.mean == run.preprocessing.mean


def test_a_file_of_save_trained_says_it_too(own):
    images, checkpoint, run = own
    classes = run_classes(images)
    file = str(save_trained(load_trained(checkpoint), checkpoint.with_name("own.safetensors")))
    network, transform = imagenet.load_network("I", file, classes)
    kept = run.model.classifier.fc1.weight.half().float()
    assert torch.equal(network.classifier.fc1.weight, kept)
    assert transform.mean == pytest.approx(run.preprocessing.mean)
    with pytest.raises(ValueError, match="for the classes dark, light, middle, and the folders"):
        imagenet.load_network("I", file, classes[::-1])
    with pytest.raises(ValueError, match=r"was trained with the mean .*: leave out --mean"):
        imagenet.load_network("I", file, classes, mean=(0.5, 0.5, 0.5))


def run_classes(images):
    return list(imagenet.find_classes(images))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mean", "0.4", "0.4", "0.4"], "was trained with the mean .*: leave out --mean"),
        (["--networks", "II"], "is of another network than II: expected the name"),
        (["--networks", "A"], "is of another network than A"),
        (["--width", "0.5"], "is of another network than I, width 0.5"),
        (["--crop", "24"], "is of another network than I, image_size 24"),
        (["--batch-norm"], "is of another network than I, batch_norm True"),
    ],
)
def test_options_that_contradict_a_checkpoint_are_refused(own, options, message):
    images, checkpoint, _ = own
    usual = ["--images", str(images), "--weights", str(checkpoint), "--networks", "I"]
    with pytest.raises(SystemExit, match=message):
        imagenet.main([*usual, *options])


def test_other_classes_than_the_checkpoints_are_refused(own):
    images, checkpoint, _ = own
    (images / "dark").rename(images / "black")
    with pytest.raises(SystemExit, match="for the classes dark, light, middle, and the folders"):
        imagenet.main(["--images", str(images), "--weights", str(checkpoint), "--networks", "I"])


def test_classes_are_compared_where_the_preprocessing_is_not_known(own):
    images, checkpoint, run = own
    state = torch.load(checkpoint, weights_only=True)
    state["use"]["mean"] = None
    state["average"] = run.model.state_dict()
    torch.save(state, checkpoint)
    options = {"image_size": 16, "width": 1 / 16, "mean": (0.5, 0.5, 0.5)}
    classes = run_classes(images)
    imagenet.load_network("I", str(checkpoint), classes, **options)
    with pytest.raises(ValueError, match="for the classes dark, light, middle, and the folders"):
        imagenet.load_network("I", str(checkpoint), classes[::-1], **options)
    state["use"]["network"]["conv_stacks"][0][0]["activation"] = "gelu"
    torch.save(state, checkpoint)
    with pytest.raises(ValueError, match="is of another network than I"):
        imagenet.load_network("I", str(checkpoint), classes, **options)
    state["use"]["network"] = None
    torch.save(state, checkpoint)
    with pytest.raises(ValueError, match="with layers or activations of its own: expected"):
        imagenet.load_network("I", str(checkpoint), classes, **options)


def test_a_checkpoint_of_slim_is_one(tmp_path, own):
    images, *_ = own
    data = load_data(images.parent)
    recipe = replace(RECIPES["fast"], epochs=1, small_epochs=0, width=1 / 4, batch_size=10)
    run_experiment("slim", data, recipe, checkpoints=tmp_path / "slim", device="cpu")
    (checkpoint,) = (tmp_path / "slim").glob("*.pt")
    network, _ = imagenet.load_network("slim", str(checkpoint), run_classes(images))
    assert network.global_pool


def test_a_damaged_image_does_not_hide_why_a_test_failed(own):
    images, checkpoint, _ = own
    next(images.rglob("*.png")).write_bytes(b"\x89PNG\r\n\x1a\n, and no more")
    state = torch.load(checkpoint, weights_only=True)
    for name, weight in state["model"].items():
        if name.endswith("weight"):
            weight.fill_(1e30)
    torch.save(state, checkpoint)
    with pytest.raises(SystemExit, match="NaN"):
        imagenet.main(["--images", str(images), "--weights", str(checkpoint), "--networks", "I"])


def test_where_no_image_can_be_read_each_is_named(own):
    images, checkpoint, _ = own
    for file in images.rglob("*.png"):
        file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(SystemExit, match="18 files cannot be used:"):
        imagenet.main(["--images", str(images), "--weights", str(checkpoint), "--networks", "I"])


def test_weights_that_do_not_say_their_mean_need_it(images, weights):
    usual = ["--images", str(images), "--weights", str(weights), *SMALL[: SMALL.index("--mean")]]
    with pytest.raises(SystemExit, match="does not say the mean of its training images: give --"):
        imagenet.main(usual)


def test_a_training_that_has_not_ended_is_told(own, capsys):
    images, checkpoint, _ = own
    state = torch.load(checkpoint, weights_only=True)
    state["identity"]["recipe's epochs"] = 3
    torch.save(state, checkpoint)
    imagenet.load_network("I", str(checkpoint), run_classes(images))
    assert capsys.readouterr().err.endswith("its training is at 1 of 3 epochs\n")


def test_the_same_options_as_the_checkpoints_are_no_contradiction(own):
    images, checkpoint, _ = own
    options = {"image_size": 16, "width": 1 / 16, "batch_norm": False}
    imagenet.load_network("I", str(checkpoint), run_classes(images), **options)


def test_scales_are_refused_before_weights_are_downloaded(images, monkeypatch):
    monkeypatch.setattr(imagenet, "load_network", lambda *_, **__: pytest.fail("loaded"))
    options = ["--networks", "A", "--scales", "16", "--weights", "torchvision", "--device", "cpu"]
    with pytest.raises(SystemExit, match="px is smaller than"):
        imagenet.main(["--images", str(images), *options])


def test_networks_of_several_sizes_need_scales():
    paper, small = (vgg("A", width=1 / 16, image_size=size) for size in (224, 32))
    assert imagenet.default_scale([(paper, None)]) == 256
    assert imagenet.default_scale([(small, None)]) == 32
    with pytest.raises(ValueError, match="of several sizes: give --scales"):
        imagenet.default_scale([(paper, None), (small, None)])


def test_without_an_image_there_is_no_error_rate():
    with pytest.raises(ValueError, match="there is no image to test on"):
        imagenet.measure_errors(Protocol((32,)), [], [])
