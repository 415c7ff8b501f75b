"""One seam for three sources: folders of all kinds, CIFAR-10 without the network, the split."""

import os
from http.client import IncompleteRead
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from vgglib import data as data_module
from vgglib import shapes
from vgglib.data import (
    CIFAR10_CLASSES,
    CIFAR10_FOLDER,
    SOURCES,
    Data,
    Split,
    load_data,
    read_folder_images,
    resize_and_crop,
    stratified_mask,
)


def split(count, value=0):
    return Split(torch.full((count, 3, 2, 2), value, dtype=torch.uint8), torch.arange(count) % 2)


# --------------------------------------------------------------------------------------------------
# A folder of images
# --------------------------------------------------------------------------------------------------


def test_a_folder_gives_three_splits(image_folder):
    data = load_data(image_folder, image_size=8, validation=0.4)
    assert (data.name, data.classes) == ("pets", ("cat", "dog"))
    assert [len(part) for part in (data.train, data.validation, data.test)] == [6, 4, 4]
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert (data.image_size, data.num_classes) == (8, 2)
    assert "6 + 4 + 4 images" in repr(data)


def test_pixels_and_labels_are_those_of_the_files(image_folder):
    data = load_data(str(image_folder), image_size=8)
    with Image.open(image_folder / "test" / "dog" / "1.png") as image:
        pixels = np.array(image)
    assert torch.equal(data.test.images[3], torch.from_numpy(pixels).permute(2, 0, 1))
    assert data.test.labels.tolist() == [0, 0, 1, 1]


def test_images_of_any_size_are_resized(image_folder, save_image):
    save_image(image_folder / "train" / "cat" / "wide.jpg", size=(40, 17))
    save_image(image_folder / "train" / "cat" / "tall.bmp", size=(3, 9))
    data = load_data(image_folder, image_size=16)
    assert data.train.images.shape[1:] == (3, 16, 16)


@pytest.mark.parametrize("mode", ["L", "RGBA", "LA"])
def test_images_of_other_modes_become_rgb(tmp_path, save_image, mode):
    save_image(tmp_path / "image.png", size=(5, 4), mode=mode)
    (image,) = read_folder_images(tmp_path)
    assert image.shape == (3, 4, 5) and image.dtype == torch.uint8
    if mode != "RGBA":
        assert torch.equal(image[0], image[2])


def test_a_palette_becomes_its_colors(tmp_path):
    image = Image.new("RGB", (4, 4), (250, 20, 30)).convert("P")
    image.save(tmp_path / "image.gif")
    (pixels,) = read_folder_images(tmp_path)
    expected = np.array(image.convert("RGB"))[0, 0]
    assert pixels[:, 0, 0].tolist() == expected.tolist() and pixels[0, 0, 0] > 200


def test_a_picture_that_the_camera_noted_as_turned_is_turned(tmp_path, save_image):
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn a quarter clockwise to view
    pixels = np.zeros((2, 3, 3), dtype=np.uint8)
    pixels[1, 0] = 255  # lower left, which comes to the upper left
    save_image(tmp_path / "image.png", pixels=pixels, exif=exif)
    (image,) = read_folder_images(tmp_path)
    assert image.shape == (3, 3, 2)
    assert image[0].nonzero().tolist() == [[0, 0]]


def test_files_that_file_managers_and_jupyter_leave_are_passed_over(image_folder, save_image):
    before = load_data(image_folder, image_size=8).fingerprint
    for name in (".DS_Store", "train/.DS_Store", "train/cat/.DS_Store", "train/cat/Thumbs.db"):
        (image_folder / name).write_bytes(b"x")
    save_image(image_folder / "train" / ".ipynb_checkpoints" / "0.png")
    save_image(image_folder / "train" / "cat" / ".ipynb_checkpoints" / "0.png")
    assert load_data(image_folder, image_size=8).fingerprint == before
    assert len(list(read_folder_images(image_folder))) == 14


def test_a_folder_of_a_single_class_is_refused(tmp_path, save_image):
    for path in ("train/pets/cat/0.png", "train/pets/dog/1.png", "test/pets/cat/0.png"):
        save_image(tmp_path / path)
    message = "train' has a single class, 'pets': two or more .* they are one folder too deep"
    with pytest.raises(ValueError, match=message):
        load_data(tmp_path, image_size=8)


@pytest.mark.parametrize("source", ["cifar-10", "Shapes"])
def test_an_unknown_source_is_refused(source):
    with pytest.raises(
        FileNotFoundError,
        match=f"no folder '{source}': expected {', '.join(map(repr, SOURCES))}, or a folder",
    ):
        load_data(source)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_folder_without_train_or_test_is_refused(image_folder, part):
    (image_folder / part).rename(image_folder / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"no folder '.*{part}': expected train/<class>"):
        load_data(image_folder)


def test_a_folder_without_classes_is_refused(tmp_path, save_image):
    save_image(tmp_path / "train" / "0.png")
    save_image(tmp_path / "test" / "0.png")
    with pytest.raises(ValueError, match="train' has no folder of a class: expected train/<class>"):
        load_data(tmp_path)


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_class_is_refused(image_folder, part):
    for file in (image_folder / part / "dog").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=f"{part}/dog' is empty: expected at least one image"):
        load_data(image_folder)


@pytest.mark.parametrize(("part", "other"), [("train", "test"), ("test", "train")])
def test_a_class_in_only_one_part_is_refused(image_folder, save_image, part, other):
    save_image(image_folder / other / "eel" / "0.png")
    with pytest.raises(ValueError, match=f"{part}' lacks the class eel, which '{other}' has"):
        load_data(image_folder)


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp"])
@pytest.mark.parametrize("share", [0, 0.1, 0.7])
def test_a_truncated_image_is_refused_by_its_name(image_folder, save_image, suffix, share):
    path = save_image(image_folder / "train" / "dog" / f"half.{suffix}", size=(32, 32))
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=f"half.{suffix}' is damaged or no image .*: replace or"):
        load_data(image_folder)


def test_text_under_the_name_of_an_image_is_refused(image_folder):
    (image_folder / "test" / "cat" / "no.jpg").write_text("no image")
    with pytest.raises(ValueError, match=r"no.jpg' is damaged or no image"):
        load_data(image_folder)


def test_a_file_that_is_no_image_is_refused(image_folder):
    (image_folder / "train" / "cat" / "notes.txt").write_text("these are cats")
    with pytest.raises(
        ValueError, match=r"notes.txt' is no image: expected files that end in .jpg"
    ):
        load_data(image_folder)


def test_an_image_of_16_bits_is_refused_and_not_made_white(tmp_path, save_image):
    save_image(tmp_path / "deep.png", pixels=np.full((4, 4), 30_000, dtype=np.uint16))
    with pytest.raises(ValueError, match=r"deep.png'.*more than 8 bits.*convert it to 8 bits"):
        list(read_folder_images(tmp_path))


def test_an_enormous_image_is_refused(tmp_path, save_image, monkeypatch):
    save_image(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"bomb.png' is damaged or no image .*exceeds limit"):
        list(read_folder_images(tmp_path))


@pytest.mark.parametrize("source", ["folder", "shapes"])
@pytest.mark.parametrize("image_size", [0, -1, "32", 32.0])
def test_an_impossible_image_size_is_refused(image_folder, source, image_size):
    source = image_folder if source == "folder" else source
    with pytest.raises(
        ValueError, match=f"image_size must be an int of 1 or more, got {image_size!r}"
    ):
        load_data(source, image_size=image_size)


def test_images_of_a_folder_are_read_when_they_are_asked_for(image_folder):
    images = read_folder_images(image_folder)
    next(images)
    for file in image_folder.glob("*/*/*.png"):
        file.write_text("damaged")
    with pytest.raises(ValueError, match="is damaged"):
        next(images)


# --------------------------------------------------------------------------------------------------
# Resizing
# --------------------------------------------------------------------------------------------------


def test_an_image_of_the_right_size_is_left_alone():
    image = torch.randint(256, (3, 8, 8), dtype=torch.uint8)
    assert resize_and_crop(image, 8) is image


@pytest.mark.parametrize("turned", [False, True])
def test_the_square_in_the_middle_is_kept(turned):
    image = torch.zeros(3, 10, 30, dtype=torch.uint8)
    image[..., 10:20] = 200
    output = resize_and_crop(image.mT if turned else image, 10)
    assert output.shape == (3, 10, 10) and (output == 200).all()


def test_the_mean_color_stays_when_an_image_shrinks():
    image = torch.randint(256, (3, 64, 64), dtype=torch.uint8)
    means = [x.float().mean(dim=(1, 2)) for x in (image, resize_and_crop(image, 8))]
    torch.testing.assert_close(*means, atol=1, rtol=0)


# --------------------------------------------------------------------------------------------------
# The validation split
# --------------------------------------------------------------------------------------------------


def test_each_class_gives_the_same_fraction():
    labels = torch.arange(4).repeat_interleave(torch.tensor([10, 20, 50, 100]))
    assert labels[stratified_mask(labels, 0.2)].bincount().tolist() == [2, 4, 10, 20]


@pytest.mark.parametrize(("fraction", "drawn"), [(0.01, 1), (0.99, 2)])
def test_each_class_gives_at_least_one_sample_and_keeps_one(fraction, drawn):
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    assert labels[stratified_mask(labels, fraction)].bincount().tolist() == [drawn, drawn]


def test_the_draw_depends_on_the_seed_alone():
    labels = torch.arange(100) % 2
    torch.manual_seed(1)
    first = stratified_mask(labels, 0.3, seed=5)
    torch.manual_seed(2)
    before = torch.get_rng_state()
    assert torch.equal(stratified_mask(labels, 0.3, seed=5), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(stratified_mask(labels, 0.3, seed=6), first)


def test_training_and_validation_are_disjoint_and_together_the_whole(image_folder):
    data = load_data(image_folder, image_size=8, validation=0.4)
    parts = [{image.numpy().tobytes() for image in s.images} for s in (data.train, data.validation)]
    with_all = {
        np.array(Image.open(file)).transpose(2, 0, 1).tobytes()
        for file in image_folder.glob("train/*/*")
    }
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == with_all


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 10, float("nan")])
def test_an_impossible_fraction_is_refused(image_folder, fraction):
    with pytest.raises(ValueError, match="validation fraction must be between 0 and 1"):
        load_data(image_folder, validation=fraction)


@pytest.mark.parametrize("name", ["shapes", "cifar10"])
def test_a_folder_of_the_name_of_a_built_in_set_is_refused(image_folder, name):
    other = image_folder.rename(image_folder.with_name(name))
    with pytest.raises(ValueError, match=f"{name}' has the name of a built-in data set"):
        load_data(other)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("train/dog/puppies/1.png", "train/dog/puppies' is a folder within a class"),
        ("test/1.png", "test' has images beside the folders of the classes: expected train/"),
    ],
)
def test_images_that_would_be_left_out_are_refused(image_folder, save_image, place, message):
    save_image(image_folder / place)
    with pytest.raises(ValueError, match=message):
        load_data(image_folder)


def test_a_class_of_a_single_training_image_is_refused():
    with pytest.raises(ValueError, match="class 1 has a single training image: two are needed"):
        stratified_mask(torch.tensor([0, 0, 1]), 0.5)


# --------------------------------------------------------------------------------------------------
# Splits and fingerprints
# --------------------------------------------------------------------------------------------------


def test_a_split_is_a_data_set():
    part = split(4)
    image, label = part[1]
    assert (image.shape, label.item(), len(list(part))) == ((3, 2, 2), 1, 4)


def test_a_split_can_be_taken_by_positions_or_a_mask():
    part = split(4)
    assert part.take(torch.tensor([1, 3])).labels.tolist() == [1, 1]
    assert part.take(part.labels == 0).labels.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            torch.zeros(2, 3, 4, 4),
            torch.zeros(2).long(),
            "expected uint8 images.* got torch.float32",
        ),
        (
            torch.zeros(2, 2, 4, 4).byte(),
            torch.zeros(2).long(),
            r"expected RGB images .*2, 2, 4, 4",
        ),
        (torch.zeros(2, 3, 4, 4).byte(), torch.zeros(3).long(), r"expected labels of shape \(2,\)"),
        (
            torch.zeros(2, 3, 4, 4).byte(),
            torch.zeros(2),
            "labels must be integers, got torch.float32",
        ),
    ],
)
def test_a_split_of_the_wrong_form_is_refused(images, labels, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Split(images, labels)


def test_the_fingerprint_changes_with_one_pixel_one_label_and_one_sample_moved():
    def fingerprint(train, validation):
        return Data("d", ("a", "b"), train, validation, split(2)).fingerprint

    pixel, label = split(4), split(4)
    pixel.images[3, 2, 1, 1] += 1
    label.labels[0] = 1
    found = [
        fingerprint(split(4), split(2)),
        fingerprint(pixel, split(2)),
        fingerprint(label, split(2)),
        fingerprint(split(2), split(4)),
    ]
    assert len(set(found)) == 4
    assert fingerprint(split(4), split(2)) == found[0]


def test_the_fingerprint_of_a_folder_changes_with_one_pixel(image_folder):
    before = load_data(image_folder, image_size=8).fingerprint
    path = image_folder / "train" / "cat" / "0.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert load_data(image_folder, image_size=8).fingerprint != before


# --------------------------------------------------------------------------------------------------
# The built-in shapes
# --------------------------------------------------------------------------------------------------


def test_shapes_are_the_default_and_the_same_for_the_same_seed():
    first, again, other = (
        load_data(train_images=40, test_images=20, validation=0.25, seed=seed) for seed in (0, 0, 1)
    )
    assert (first.name, first.classes) == ("shapes", shapes.CLASSES)
    assert [len(part) for part in (first.train, first.validation, first.test)] == [30, 10, 20]
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_seeds_share_no_images(monkeypatch):
    monkeypatch.setattr(
        shapes, "TEST_LIGHT", shapes.TRAIN_LIGHT
    )  # lest light alone tell them apart
    parts = [load_data(train_images=20, test_images=20, seed=s, validation=0.5) for s in (0, 1)]
    images = [
        image.numpy().tobytes()
        for data in parts
        for part in (data.train, data.validation, data.test)
        for image in part.images
    ]
    assert len(set(images)) == len(images) == 80


# --------------------------------------------------------------------------------------------------
# CIFAR-10
# --------------------------------------------------------------------------------------------------


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    """A download that writes small files in CIFAR-10's binary format, and what they hold."""
    rng = np.random.default_rng(0)
    labels = np.arange(120, dtype=np.uint8) % 10
    pixels = rng.integers(0, 256, (120, 3, 32, 32), dtype=np.uint8)
    calls = []

    def download(url, root, md5):
        calls.append((url, md5))
        folder = tmp_path / CIFAR10_FOLDER
        folder.mkdir()
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
        for i, name in enumerate(names):
            part = slice(20 * i, 20 * i + 20)
            table = np.concatenate([labels[part, None], pixels[part].reshape(20, -1)], axis=1)
            table.tofile(folder / name)

    monkeypatch.setattr(data_module, "download_and_extract_archive", download)
    monkeypatch.setattr(data_module, "_is_whole", lambda file: file.is_file())
    return pixels, calls


def test_cifar10_is_downloaded_and_read(tmp_path, cifar10):
    pixels, calls = cifar10
    data = load_data("cifar10", root=tmp_path)
    assert calls == [(data_module.CIFAR10_URL, data_module.CIFAR10_MD5)]
    assert (data.name, data.classes) == ("cifar10", CIFAR10_CLASSES)
    assert [len(part) for part in (data.train, data.validation, data.test)] == [90, 10, 20]
    assert torch.equal(data.test.images, torch.from_numpy(pixels[100:]))
    assert data.test.labels.tolist() == [*range(10)] * 2


def test_the_training_batches_stand_in_their_order(tmp_path, cifar10):
    pixels, _ = cifar10
    data = load_data("cifar10", root=tmp_path, validation=0.5)
    order = {image.tobytes(): i for i, image in enumerate(pixels)}
    positions = [order[image.numpy().tobytes()] for image in data.train.images]
    assert positions == sorted(positions) and len(positions) == 50
    assert data.train.labels.tolist() == [position % 10 for position in positions]


def test_cifar10_that_is_there_is_not_downloaded_again(tmp_path, cifar10):
    _, calls = cifar10
    load_data("cifar10", root=tmp_path)
    load_data("cifar10", root=tmp_path)
    assert len(calls) == 1


def test_a_file_of_another_length_is_not_whole(tmp_path):
    file = tmp_path / "test_batch.bin"
    assert not data_module._is_whole(file)
    for length, whole in ((30_730_000 - 1, False), (30_730_000, True)):
        with file.open("wb") as stream:
            stream.truncate(length)
        assert data_module._is_whole(file) is whole


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route to host"),
        RuntimeError("File not found or corrupted."),
        EOFError("Compressed file ended"),
        IncompleteRead(b"", 100),
        OSError(28, "No space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_failed_download_gives_one_message_and_leaves_nothing(tmp_path, monkeypatch, error):
    def download(url, root, md5):
        (tmp_path / "cifar-10-binary.tar.gz").write_bytes(b"the first half")
        raise error

    monkeypatch.setattr(data_module, "download_and_extract_archive", download)
    with pytest.raises(
        RuntimeError,
        match=r"download of CIFAR-10 from https.* failed or is damaged .*: run it again",
    ):
        load_data("cifar10", root=tmp_path)
    assert not os.listdir(tmp_path)


def test_cifar10_has_one_image_size(tmp_path):
    with pytest.raises(ValueError, match="cifar10 has images of 32x32, got image_size 64"):
        load_data("cifar10", root=tmp_path, image_size=64)
