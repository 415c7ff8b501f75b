"""Images in folders: layouts, links, bad files of all kinds, and how a file becomes a tensor."""

import os
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from vgglib import folders
from vgglib.data import SOURCES, load_data
from vgglib.folders import image_files, read_folder_images, read_image, suffixes
from vgglib.statistics import channel_statistics

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
        ValueError, match=r"notes.txt' is no image: expected .jpg, .png or what else"
    ):
        load_data(image_folder)


def test_an_image_of_16_bits_is_refused_and_not_made_white(tmp_path, save_image):
    save_image(tmp_path / "deep.png", pixels=np.full((4, 4), 30_000, dtype=np.uint16))
    with pytest.raises(ValueError, match=r"deep.png'.*more than 8 bits.*convert it to 8 bits"):
        list(read_folder_images(tmp_path))


def test_an_enormous_image_is_refused(tmp_path, save_image, monkeypatch):
    save_image(tmp_path / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match=r"bomb.png' is larger than Pillow allows .*make it"):
        list(read_folder_images(tmp_path))


@pytest.mark.parametrize("source", ["folder", "shapes"])
@pytest.mark.parametrize(
    ("image_size", "error", "message"),
    [
        (0, ValueError, "image_size must be at least 1, got 0"),
        (-1, ValueError, "image_size must be at least 1, got -1"),
        ("32", TypeError, r"image_size must be an int, got '32' \(str\)"),
        (32.0, TypeError, r"image_size must be an int, got 32.0 \(float\)"),
    ],
)
def test_an_impossible_image_size_is_refused(image_folder, source, image_size, error, message):
    source = image_folder if source == "folder" else source
    with pytest.raises(error, match=message):
        load_data(source, image_size=image_size)


def test_an_impossible_fraction_is_refused_before_anything_is_loaded(monkeypatch, image_folder):
    monkeypatch.setattr("vgglib.data._load_folder", lambda **options: pytest.fail("loaded"))
    with pytest.raises(ValueError, match=r"the validation fraction must be in \[0, 1\), got 1.5"):
        load_data(image_folder, validation=1.5)


def test_images_of_a_folder_are_read_when_they_are_asked_for(image_folder):
    images = read_folder_images(image_folder)
    next(images)
    for file in image_folder.glob("*/*/*.png"):
        file.write_text("damaged")
    with pytest.raises(ValueError, match="13 files cannot be used"):
        next(images)


def test_pgm_and_others_are_read_and_what_other_programs_would_run_is_not(tmp_path):
    assert {".pgm", ".jfif", ".jpe", ".jp2", ".tga"} <= suffixes()
    assert not {".eps", ".ps", ".mpg", ".h5"} & suffixes()
    for name in ("gray.pgm", "photo.jfif", "photo.jpe"):
        Image.new("L", (4, 4), 100).save(tmp_path / name, "PPM" if name[-3:] == "pgm" else "JPEG")
    assert [image[0, 0, 0].item() for image in read_folder_images(tmp_path)] == [100, 100, 100]


def test_transparent_places_are_white_whatever_color_is_stored_there(tmp_path):
    for name, color in (("black", (0, 0, 0, 0)), ("white", (255, 255, 255, 0))):
        Image.new("RGBA", (4, 4), color).save(tmp_path / f"{name}.png")
    half = Image.new("RGBA", (4, 4), (200, 0, 0, 51))
    half.save(tmp_path / "x_half.png")
    seen = [image[:, 0, 0].tolist() for image in read_folder_images(tmp_path)]
    assert seen == [[255] * 3, [255] * 3, [244, 204, 204]]


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_a_color_that_stands_for_transparent_is_white(tmp_path, mode):
    image = Image.new(mode, (4, 4), 0)
    image.save(tmp_path / "image.png", transparency=0 if mode != "RGB" else (0, 0, 0))
    assert (read_image(tmp_path / "image.png") == 255).all()


def test_links_to_classes_files_and_folders_are_followed_by_all(image_folder, tmp_path, save_image):
    plain = channel_statistics(image_folder / "train")
    elsewhere = image_folder.rename(tmp_path / "elsewhere")
    for part in ("train", "test"):
        (image_folder / part).mkdir(parents=True)
        (image_folder / part / "cat").symlink_to(elsewhere / part / "cat")
        (image_folder / part / "dog").mkdir()
        for file in (elsewhere / part / "dog").iterdir():
            (image_folder / part / "dog" / file.name).symlink_to(file)
    linked = channel_statistics(image_folder / "train")
    assert linked.pixels == plain.pixels == 10 * 64
    assert torch.equal(linked.mean, plain.mean)
    assert len(load_data(image_folder, image_size=8).test) == 4


def test_a_link_to_nothing_and_a_link_into_itself_are_refused(image_folder):
    (image_folder / "train" / "cat" / "lost.png").symlink_to("nowhere.png")
    with pytest.raises(ValueError, match=r"lost.png' is a link to nothing: mend or remove it"):
        load_data(image_folder)
    with pytest.raises(ValueError, match=r"lost.png' is a link to nothing"):
        channel_statistics(image_folder)
    (image_folder / "train" / "cat" / "lost.png").unlink()
    (image_folder / "train" / "eel").symlink_to("nowhere")
    with pytest.raises(ValueError, match="eel' is a link to nothing"):
        load_data(image_folder)
    (image_folder / "train" / "eel").unlink()
    (image_folder / "train" / "again").symlink_to(image_folder)
    with pytest.raises(ValueError, match="again' is a link to a folder that it lies in"):
        image_files(image_folder)


def test_wrong_files_of_all_classes_and_splits_are_named_at_once(image_folder):
    (image_folder / "train" / "cat" / "notes.txt").touch()
    (image_folder / "train" / "dog" / "notes.txt").touch()
    (image_folder / "test" / "dog" / "lost.png").symlink_to("nowhere.png")
    with pytest.raises(ValueError) as caught:
        load_data(image_folder)
    lines = str(caught.value).split("\n")
    assert lines[0] == "3 files cannot be used:" and len(lines) == 4
    for line, name in zip(lines[1:], ("cat/notes", "dog/notes", "test/dog/lost"), strict=True):
        assert name in line


def test_the_statistics_of_a_folder_name_all_bad_files(image_folder):
    for name in ("cat", "dog"):
        (image_folder / "train" / name / "bad.png").write_text("no image")
    with pytest.raises(ValueError, match="2 files cannot be used"):
        channel_statistics(image_folder)


def test_a_damaged_note_of_how_to_turn_a_picture_leaves_it_as_it_is(tmp_path, monkeypatch):
    Image.new("RGB", (4, 2), (9, 9, 9)).save(tmp_path / "photo.jpg")

    def fail(*arguments, **options):
        raise TypeError("unexpected tag")

    monkeypatch.setattr(folders.ImageOps, "exif_transpose", fail)
    assert read_image(tmp_path / "photo.jpg").shape == (3, 2, 4)


def test_an_error_of_any_kind_names_the_file(tmp_path, save_image, monkeypatch):
    def fail(*arguments):
        raise NotImplementedError("unimplemented pixel format")

    path = save_image(tmp_path / "photo.png")
    monkeypatch.setattr(folders, "_upright_rgb", fail)
    with pytest.raises(ValueError, match=r"photo.png' is damaged or no image \(unimplemented"):
        read_image(path)


def test_bad_files_of_all_splits_are_named_at_once_ten_and_how_many_more(image_folder):
    for part, count in (("train", 8), ("test", 4)):
        for i in range(count):
            (image_folder / part / "dog" / f"bad{i}.png").write_text("no image")
    with pytest.raises(ValueError) as caught:
        load_data(image_folder)
    lines = str(caught.value).split("\n")
    assert lines[0] == "12 files cannot be used:" and lines[-1] == "  and 2 more"
    assert len(lines) == 12 and "train/dog/bad0.png" in lines[1] and "test/dog" in lines[9]


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_without_test_another_split_is_taken_for_it_with_a_word(image_folder, name):
    (image_folder / "test").rename(image_folder / name)
    with pytest.warns(UserWarning, match=f"no folder 'test': the images in '{name}' are taken"):
        data = load_data(image_folder, image_size=8, validation=0.4)
    assert [len(part) for part in data.splits.values()] == [6, 4, 4]


def test_a_validation_split_of_ones_own_is_the_validation_split(image_folder, save_image):
    for name in ("cat", "dog"):
        save_image(image_folder / "val" / name / "0.png")
    data = load_data(image_folder, image_size=8)
    assert [len(part) for part in data.splits.values()] == [10, 2, 4]
    (image_folder / "valid").mkdir()
    with pytest.raises(ValueError, match="has 'val' and 'valid': expected one of them"):
        load_data(image_folder)


def test_a_folder_without_splits_is_divided_with_a_word(image_folder):
    with pytest.warns(UserWarning, match="a fifth of each class is drawn as the test split"):
        data = load_data(image_folder / "train", image_size=8, validation=0.25)
    assert [len(part) for part in data.splits.values()] == [6, 2, 2]
    assert data.test.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("images", "validation", "message"),
    [
        (2, 0.1, r"class 'dog' has too few training images, 2: expected 3 .*\(test, validation\)"),
        (1, 0, r"class 'dog' has too few training images, 1: expected 2 or more.*\(test\)"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*drawn as the test split")
def test_a_class_with_too_few_images_to_draw_from_is_named(
    image_folder, images, validation, message
):
    for number in range(images, 5):
        (image_folder / "train" / "dog" / f"{number}.png").unlink()
    with pytest.raises(ValueError, match=message):
        load_data(image_folder / "train", image_size=8, validation=validation)


def test_folders_of_other_names_are_named(image_folder):
    (image_folder / "train").rename(image_folder / "Training")
    with pytest.raises(FileNotFoundError, match=r"no folder '.*train'.*; there are Training, test"):
        load_data(image_folder)


def test_a_letter_stored_in_two_ways_is_one_class(image_folder):
    for part, name in (("train", "caf\u00e9"), ("test", "cafe\u0301")):
        (image_folder / part / "cat").rename(image_folder / part / name)
    data = load_data(image_folder, image_size=8)
    assert data.classes == ("caf\u00e9", "dog") and len(data.test) == 4
    (image_folder / "train" / "cafe\u0301").mkdir()
    with pytest.raises(ValueError, match="two folders named 'caf\u00e9', whose letters"):
        load_data(image_folder)


# --------------------------------------------------------------------------------------------------
# Resizing
# --------------------------------------------------------------------------------------------------


def test_an_image_of_the_right_size_is_left_alone(tmp_path, save_image):
    path = save_image(tmp_path / "image.png")
    assert torch.equal(read_image(path, 8), read_image(path))


@pytest.mark.parametrize("turned", [False, True])
def test_the_square_in_the_middle_is_kept(tmp_path, save_image, turned):
    pixels = np.zeros((10, 30, 3), dtype=np.uint8)
    pixels[:, 10:20] = 200
    if turned:
        pixels = pixels.swapaxes(0, 1)
    output = read_image(save_image(tmp_path / "image.png", pixels=pixels), 10)
    assert output.shape == (3, 10, 10) and (output == 200).all()


def test_the_square_is_that_of_the_whole_image_rescaled(tmp_path, save_image):
    path = save_image(tmp_path / "image.png", size=(40, 20))
    with Image.open(path) as image:
        whole = np.array(image.resize((16, 8), Image.Resampling.BILINEAR))
    assert read_image(path, 8).permute(1, 2, 0).tolist() == whole[:, 4:12].tolist()


def test_the_mean_color_stays_when_an_image_shrinks(tmp_path, save_image):
    path = save_image(tmp_path / "image.png", size=(64, 64))
    means = [read_image(path, size).float().mean(dim=(1, 2)) for size in (None, 8)]
    torch.testing.assert_close(*means, atol=1, rtol=0)


def test_of_a_thin_image_nothing_but_the_square_is_rescaled(tmp_path, monkeypatch):
    Image.new("RGB", (20_000, 4), (1, 2, 3)).save(tmp_path / "thin.png")
    sizes = []
    resize = Image.Image.resize

    def watched(self, size, *arguments, **options):
        sizes.append(size)
        return resize(self, size, *arguments, **options)

    monkeypatch.setattr(Image.Image, "resize", watched)
    assert read_image(tmp_path / "thin.png", 224)[:, 0, 0].tolist() == [1, 2, 3]
    assert sizes == [(224, 224)]


def test_large_images_are_read_one_at_a_time(tmp_path, save_image, monkeypatch):
    monkeypatch.setattr(folders, "_LARGE", 10)
    monkeypatch.setattr(folders.os, "cpu_count", lambda: 4)
    paths = [save_image(tmp_path / f"{i}.png") for i in range(8)]
    together, most, lock = 0, 0, threading.Lock()
    upright = folders._upright_rgb

    def slowly(image):
        nonlocal together, most
        with lock:
            together += 1
            most = max(most, together)
        image.load()
        threading.Event().wait(0.01)
        with lock:
            together -= 1
        return upright(image)

    monkeypatch.setattr(folders, "_upright_rgb", slowly)
    folders.read_squares(paths, 4)
    assert most == 1
    monkeypatch.setattr(folders, "_LARGE", 1000)
    folders.read_squares(paths, 4)
    assert most > 1


# --------------------------------------------------------------------------------------------------
# Fingerprints
# --------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_of_the_files_and_not_of_how_a_machine_rescales(
    image_folder, monkeypatch
):
    one = load_data(image_folder, image_size=6)
    monkeypatch.setattr(folders, "_square", lambda image, size: image.resize((size, size), 0))
    other = load_data(image_folder, image_size=6)
    assert not torch.equal(one.train.images, other.train.images)
    assert one.fingerprint == other.fingerprint
    different = [
        load_data(image_folder, image_size=8),
        load_data(image_folder, image_size=6, seed=1),
        load_data(image_folder, image_size=6, validation=0.4),
    ]
    os.replace(image_folder / "test" / "cat" / "0.png", image_folder / "test" / "cat" / "2.png")
    different.append(load_data(image_folder, image_size=6))
    assert len({data.fingerprint for data in (one, *different)}) == 5


def test_the_fingerprint_of_a_folder_changes_with_one_pixel(image_folder):
    before = load_data(image_folder, image_size=8).fingerprint
    path = image_folder / "train" / "cat" / "0.png"
    with Image.open(path) as image:
        pixels = np.array(image)
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    assert load_data(image_folder, image_size=8).fingerprint != before


def test_a_file_that_may_not_be_read_is_named(tmp_path, save_image, monkeypatch):
    save_image(tmp_path / "secret.png")

    def refuse(*args, **options):
        raise PermissionError(13, "not allowed")

    monkeypatch.setattr(Image, "open", refuse)
    with pytest.raises(ValueError, match=r"secret.png' may not be read: change its permissions"):
        list(read_folder_images(tmp_path))
