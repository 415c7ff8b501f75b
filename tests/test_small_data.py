"""Every chapter runs on few images of a reader's own; what they cannot show is left out."""

import pytest

from tools.chapters import chapters, execute

CLASSES, TRAIN, TEST = 2, 20, 5  # the fewest; 3 of 50 and 30 of 20 have been tried, too


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A folder of drawn shapes: two classes of 20 training and 5 test images."""
    import torch
    from torchvision.io import write_png

    from vgglib.shapes import draw_shapes

    folder = tmp_path_factory.mktemp("data") / "few"
    for part, count, seed in (("train", TRAIN, 0), ("test", TEST, 1)):
        images, labels = draw_shapes(20 * count, seed=seed)
        for label in range(CLASSES):
            place = folder / part / f"class {label}"
            place.mkdir(parents=True)
            for number, index in enumerate(torch.nonzero(labels == label)[:count, 0]):
                write_png(images[index], str(place / f"{number}.png"))
    return folder


@pytest.mark.parametrize("path", chapters(), ids=lambda path: path.stem)
def test_a_chapter_runs_on_few_images(path, few, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = execute(path, {"DATA": str(few)})
    outputs = [o for cell in notebook.cells for o in cell.get("outputs", [])]
    text = "".join(o.text for o in outputs if o.output_type == "stream")
    assert "not yet." not in text, text
