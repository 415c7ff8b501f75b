"""The command for full-size tests, on small data and small networks."""

import numpy as np
import pytest
import torch
from PIL import Image

from vgglib import imagenet
from vgglib.architecture import to_torchvision, vgg
from vgglib.evaluation import top_k_error
from vgglib.protocols import Protocol, predict_by
from vgglib.transforms import SubtractMean

SMALL = ["--network", "A", "--crop", "32", "--width", "0.0625", "--device", "cpu"]


@pytest.fixture
def images(tmp_path):
    """Seven classes with two images each, all of different sizes."""
    random = np.random.default_rng(0)
    for label in range(7):
        folder = tmp_path / "images" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(2):
            pixels = random.integers(256, size=(40 + 3 * label, 50 - 5 * number, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return tmp_path / "images"


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "weights.pt"
    torch.save(small_network().state_dict(), file)
    return file


def small_network():
    return vgg("A", num_classes=7, image_size=32, width=1 / 16)


def test_the_command_tests_every_image_and_prints_the_papers_table(images, weights, capsys):
    options = ["--images", str(images), "--weights", str(weights), *SMALL, "--precision", "float32"]
    imagenet.main([*options, "--scales", "32", "48", "--method", "both"])
    printed = capsys.readouterr().out
    network = small_network()
    network.load_state_dict(torch.load(weights, weights_only=True))
    probabilities = [
        predict_by(Protocol((32, 48), "both"), network, image[None], SubtractMean(imagenet.MEAN))
        for image, _ in imagenet.read_classes(images)
    ]
    errors = top_k_error(torch.cat(probabilities), torch.arange(7).repeat_interleave(2))
    own = next(line for line in printed.splitlines() if line.startswith("A, dense and multi-crop"))
    assert "14 images" in own
    assert own.split()[-2:] == [f"{errors[0]:.1f}", f"{errors[4]:.1f}"]
    paper = printed.splitlines()[printed.splitlines().index("paper, Table 3: A, S = 256,") + 1]
    assert paper.split()[-2:] == ["29.6", "10.4"]


def test_labels_follow_the_order_of_the_folders(images):
    assert [label for _, label in imagenet.read_classes(images, limit=1)] == list(range(7))
    assert len(list(imagenet.read_classes(images))) == 14


def test_the_limit_is_of_each_class(images, weights, capsys):
    imagenet.main(
        ["--images", str(images), "--weights", str(weights), *SMALL, "--scales", "32",
         "--limit", "1"]
    )  # fmt: skip
    assert "7 images" in capsys.readouterr().out


def test_a_checkpoint_of_a_training_will_do(images, weights):
    state = torch.load(weights, weights_only=True)
    torch.save({"model": state, "history": {}}, weights)
    network, _ = imagenet.load_network(
        "A", str(weights), num_classes=7, image_size=32, width=1 / 16
    )
    assert torch.equal(
        network.state_dict()["classifier.fc1.weight"], state["classifier.fc1.weight"]
    )


def test_torchvisions_weights_get_torchvisions_preprocessing(monkeypatch):
    """With a network that is no download: the right one is asked for, by its checksum, safely."""
    asked = {}
    small = vgg("D", num_classes=1000, image_size=32, width=1 / 64)

    class Weights:
        class IMAGENET1K_V1:
            @staticmethod
            def get_state_dict(**options):
                asked.update(options)
                return to_torchvision(small)

    monkeypatch.setattr(
        imagenet.models, "get_model_weights", lambda name: asked.update(name=name) or Weights
    )
    network, transform = imagenet.load_network(
        "D", "torchvision", num_classes=1000, image_size=32, width=1 / 64
    )
    assert asked == {"name": "vgg16", "check_hash": True, "weights_only": True}
    white = transform(torch.full((1, 3, 32, 32), 255, dtype=torch.uint8))
    expected = [(1 - m) / s for m, s in zip(imagenet.MEAN, imagenet.STD, strict=True)]
    assert white[0, :, 0, 0].tolist() == pytest.approx(expected)
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network.eval()(x), small.eval()(x))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "nowhere.pt"], "there is no file 'nowhere.pt'"),
        (["--network", "B"], "holds no weights of configuration B for 7 classes"),
        (["--scales", "16"], "16x16 px is smaller than the network's reach"),
        (["--scales", "16", "--method", "crops"], "16 px is below the crop of 32 px"),
        (["--images", "nowhere"], "there is no folder 'nowhere'"),
        (["--weights", "torchvision"], "tell ImageNet's 1000 classes apart, the folder has 7"),
        (["--network", "C", "--weights", "torchvision"], "no weights for configuration C"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(images, weights, options, message):
    usual = ["--images", str(images), "--weights", str(weights), *SMALL, "--scales", "32"]
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
    with pytest.raises(SystemExit, match="holds no weights"):
        imagenet.main(["--images", str(images), "--weights", str(bomb), *SMALL])
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has 0 folders: expected one for each class"):
        imagenet.class_folders(tmp_path)


def test_a_damaged_image_is_named(images, weights):
    (images / "class3" / "0.png").write_bytes(b"no image")
    with pytest.raises(SystemExit, match=r"class3/0\.png"):
        imagenet.main(["--images", str(images), "--weights", str(weights), *SMALL])
