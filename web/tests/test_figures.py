"""The live figures, operated in a browser; their numbers are those of vgglib."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Locator, Page

import vgglib
from tools.browser import OPTIONS, find_browser
from tools.live_figures import middle
from tools.settings import ROOT
from vgglib import PCAColorShift
from vgglib.inspection import class_activation
from vgglib.published import PUBLIC_TRAININGS
from vgglib.records import record_name
from vgglib.trained import load_trained

FIGURES = Path("_static", "figures")


@pytest.fixture
def figure(visit: Callable) -> Callable:
    """``with figure("top_k") as (page, element):`` opens a figure's page; it must not complain."""

    @contextmanager
    def open_figure(name: str, path: str = "pages/play.html") -> Iterator[tuple[Page, Locator]]:
        with visit(path) as seen:
            element = seen.page.locator(f"[data-figure={name}]")
            seen.page.wait_for_selector(f"[data-figure={name}][data-ready=yes]")
            yield seen.page, element
            assert not seen.messages
            assert not seen.elsewhere

    return open_figure


def read(site: Path, name: str) -> dict:
    return json.loads((site / FIGURES / name).read_text())


def slide(element: Locator, label: str, value: float) -> None:
    element.get_by_label(label, exact=False).first.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )


def cells(table: Locator) -> list[list[str]]:
    return [row.split("\t") for row in table.locator("tbody tr").all_inner_texts()]


@pytest.mark.parametrize(("layers", "channels"), [(1, 64), (3, 128), (7, 512)])
def test_receptive_field(figure: Callable, layers: int, channels: int) -> None:
    with figure("receptive_field") as (_, element):
        slide(element, "layers of 3x3", layers)
        slide(element, "channels", channels)
        stack = [
            {"out_channels": channels, "layers": layers, "in_channels": channels, "bias": False}
        ]
        network = vgglib.VGG([stack], [{"out_features": 2}], in_channels=channels, image_size=16)
        rows = vgglib.trace(network).rows[:layers]
        side = rows[-1].receptive_field
        weights = f"{sum(row.parameters for row in rows):,}"
        assert cells(element)[0] == [f"{layers} x 3x3", f"{side} x {side}", weights, str(layers)]
        assert element.locator("rect.image").count() == side
        assert element.locator("rect.lit").count() == sum(2 * i + 1 for i in range(layers))


@pytest.mark.parametrize("name", ["A", "C", "D", "E", "III"])
def test_receptive_fields_of_networks_with_pools(figure: Callable, name: str) -> None:
    with figure("receptive_field") as (_, element):
        element.get_by_label("network").select_option(name)
        element.locator("summary").click()
        expected = [
            f"{row.receptive_field} x {row.receptive_field}"
            for row in vgglib.trace(name)
            if row.receptive_field is not None
        ]
        assert [row[-1] for row in cells(element)] == expected
        assert f"image: {expected[-1].split()[0]} px" in element.locator("svg").text_content()
        of_stack = element.locator("label", has_text="layers of 3x3").locator("output")
        assert of_stack.inner_text() == "\N{EN DASH}"  # the slider does not say what is drawn
        slide(element, "layers of 3x3", 3)
        assert element.get_by_label("network").input_value() == "your own"
        assert of_stack.inner_text() == "3"
        assert element.locator("details[open]").count() == 1  # what was opened stays open
        element.get_by_label("kernels").fill("3 3 3 3")
        assert of_stack.inner_text() == "4"


def test_receptive_field_of_kernels_and_strides_of_ones_own(figure: Callable) -> None:
    """Found by the gradient: the pixels that one output depends on."""
    layers = [(11, 4), (3, 2), (5, 1)]
    with figure("receptive_field") as (_, element):
        element.get_by_label("kernels").fill(" ".join(f"{k}/{s}" for k, s in layers))
        stack = torch.nn.Sequential(
            *(torch.nn.Conv1d(1, 1, kernel, stride, bias=False) for kernel, stride in layers)
        )
        for layer in stack:
            torch.nn.init.ones_(layer.weight)
        image = torch.zeros(1, 1, 200, requires_grad=True)
        stack(image)[0, 0, 2].backward()
        side = int(image.grad.count_nonzero())
        assert f"image: {side} px" in element.locator("svg").text_content()
        assert element.locator("rect.image").count() == side


@pytest.mark.parametrize(
    ("kernels", "told"),
    [
        ("3 x", '"x" is no layer'),
        ("3/9", '"3/9" is no layer'),
        ("1/2 3", '"1/2" leaves pixels out'),
        ("", "write 1 to 30 layers"),
    ],
)
def test_kernels_that_cannot_be(figure: Callable, kernels: str, told: str) -> None:
    with figure("receptive_field") as (_, element):
        before = element.locator("svg rect").count()
        element.get_by_label("kernels").fill(kernels)
        assert told in element.get_by_role("alert").inner_text()
        assert element.locator("svg rect").count() == before


@pytest.mark.parametrize("name", ["A", "B", "C", "D", "E", "I", "II", "III"])
def test_configurations_have_the_numbers_of_vgglib(figure: Callable, name: str) -> None:
    with figure("configurations") as (_, element):
        element.get_by_label("configuration").select_option(name)
        element.locator("summary").click()
        expected = [
            [
                row.kind,
                " x ".join(map(str, row.output_shape)),
                f"{row.parameters:,}",
                f"{row.multiply_adds:,}",
                "image" if row.receptive_field is None else str(row.receptive_field),
            ]
            for row in vgglib.trace(name)
        ]
        trace = vgglib.trace(name)
        total = ["total", "", f"{trace.parameters:,}", f"{trace.multiply_adds:,}", ""]
        assert cells(element) == [*expected, total]
        assert element.locator("svg rect").count() == len(expected)
        element.get_by_label("fully connected").fill("12 3")
        assert element.locator("details[open]").count() == 1  # what was opened stays open


def test_a_network_of_ones_own(figure: Callable) -> None:
    with figure("configurations") as (_, element):
        element.get_by_label("convolutions").fill("8 8/5 | 16")
        assert element.get_by_label("configuration").input_value() == "your own"
        element.get_by_label("fully connected").fill("12 3")
        element.get_by_label("image, pixels").fill("21")
        stacks = [
            [{"out_channels": 8}, {"out_channels": 8, "kernel_size": 5}],
            [{"out_channels": 16}],
        ]
        linear = [{"out_features": 12}, {"out_features": 3}]
        trace = vgglib.trace(vgglib.VGG(stacks, linear, image_size=21))
        text = element.inner_text()
        assert f"{trace.parameters:,} parameters" in text
        assert f"{trace.multiply_adds:,} multiply-adds" in text


@pytest.mark.parametrize(
    ("label", "value", "told"),
    [
        ("convolutions", "64 | x", 'stack 2: "x" is no layer'),
        ("convolutions", "64 | | 64", "stack 2 is empty"),
        ("convolutions", "64/4", "a kernel of 4 is not odd"),
        ("fully connected", "", "fully connected layers: write numbers"),
        ("image, pixels", "0", "image: write a side from 1"),
        ("image, pixels", "3", "stack 2: nothing is left of an image of 3 px"),
    ],
)
def test_a_network_that_cannot_be(figure: Callable, label: str, value: str, told: str) -> None:
    with figure("configurations") as (_, element):
        before = element.locator("svg rect").count()
        element.get_by_label(label).fill(value)
        assert told in element.get_by_role("alert").inner_text()
        assert element.locator("svg rect").count() == before
        element.get_by_label("configuration").select_option("A")
        assert element.get_by_role("alert").inner_text() == ""


@pytest.mark.parametrize("scale", ["root", "eigenvalue"])
def test_color_shift(figure: Callable, scale: str) -> None:
    amplitudes = [1.5, -2.0, 0.5]
    components = vgglib.channel_statistics(vgglib.load_data("shapes").train.images).pca()
    transform = PCAColorShift(components.eigenvalues, components.eigenvectors, by=scale)
    image = torch.zeros(3, 1, 1)
    expected = transform.transform(image, {"a": torch.tensor(amplitudes)}).flatten()
    with figure("color_shift") as (_, element):
        element.get_by_label("times").select_option(scale)
        for label, value in zip(["a₁", "a₂", "a₃"], amplitudes, strict=True):
            slide(element, label, value)
        found = torch.tensor(json.loads(element.get_attribute("data-shift")))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
        assert f"red {255 * expected[0]:+.1f}".replace("-", "−") in element.inner_text()


@pytest.mark.parametrize("k", [1, 3, 10])
def test_top_k(figure: Callable, site: Path, k: int) -> None:
    content = read(site, "predictions.json")
    ranks = torch.tensor(content["ranks"])
    probabilities = torch.tensor(content["probabilities"])
    labels = torch.tensor(content["labels"])
    # The ranks of those that are shown are those of their probabilities.
    own = probabilities.gather(1, labels[:, None])
    assert torch.equal((probabilities > own).sum(dim=1), ranks[: len(labels)])
    with figure("top_k") as (_, element):
        slide(element, "k", k)
        right = 100 * (ranks < k).double().mean().item()
        assert f"Top-{k}: right for {right:.1f} % of 1,000 test images." in element.inner_text()
        assert element.locator("figure.right").count() == int((ranks[: len(labels)] < k).sum())


@contextmanager
def running(figure: Callable, name: str = "photographs") -> Iterator[tuple[Page, Locator]]:
    with figure("try_it", "pages/try_it.html") as (page, element):
        element.get_by_label("network for").select_option(name)
        element.get_by_role("button").click()
        page.wait_for_selector("[data-figure=try_it][data-runs]")
        yield page, element


def after(page: Page, element: Locator, act: Callable[[], None]) -> dict[str, torch.Tensor]:
    """What the network was asked after something was done, and what it answered."""
    runs = int(element.get_attribute("data-runs"))
    act()
    page.wait_for_function(
        "before => document.querySelector('[data-figure=try_it]').dataset.runs > before", arg=runs
    )
    asked = element.evaluate("element => element.asked")
    shapes = {"planes": (3, 32, 32), "logits": (2, -1), "heat": (32, 32)}
    return {name: torch.tensor(asked[name]).view(shape) for name, shape in shapes.items()}


def test_the_browser_computes_what_torch_computes_of_photographs(
    figure: Callable, site: Path
) -> None:
    trained = load_trained("slim")
    credits = json.loads((ROOT / "assets" / "pictures" / "credits.json").read_text())
    with running(figure) as (page, element):
        buttons = element.locator(".pictures button")
        assert buttons.count() == len(credits) + 1  # the last is noise
        for i, credit in enumerate(credits):
            asked = after(page, element, buttons.nth(i).click)
            # The browser's pixels are the picture's.
            photograph = Image.open(site / "_static" / "pictures" / credit["file"])
            expected = trained.transform(middle(photograph.convert("RGB")))
            assert (asked["planes"] - expected).abs().mean() < 0.5 / 255, credit
            images = torch.stack([asked["planes"], asked["planes"].flip(-1)])
            with torch.no_grad():
                logits = trained.model(images)
            torch.testing.assert_close(asked["logits"], logits, rtol=0, atol=1e-3)
            mean = logits.softmax(dim=1).mean(dim=0)
            best = mean.argmax()
            heat = class_activation(trained.model, images[:1], best[None], pool=3)[0]
            torch.testing.assert_close(asked["heat"], heat, rtol=0, atol=1e-3)
            told = element.inner_text()
            assert f"evidence for: {trained.classes[best]}" in told
            assert f"{100 * mean[best]:.1f} %" in element.locator(".bar").first.inner_text()
            assert credit["author"] in told and element.locator(".credit a").count() == 1
            none = (
                "none of the 10"
                if credit["shows"] is None
                else f"Right would be: {credit['shows']}."
            )
            assert none in told
        assert element.locator(".bar").count() == 5
        assert element.locator(".maps canvas").count() == 2 * 24
        assert "filters of the first layer, 2 x 2 pixels" in element.inner_text()
        # Another class has its evidence elsewhere.
        choose = element.get_by_label("evidence for").select_option
        of_ship = after(page, element, lambda: choose("ship"))
        ship = torch.tensor([trained.classes.index("ship")])
        heat = class_activation(trained.model, images[:1], ship, pool=3)[0]
        torch.testing.assert_close(of_ship["heat"], heat, rtol=0, atol=1e-3)


def test_what_its_confidence_was_worth_is_told(figure: Callable, site: Path) -> None:
    sure = read(site, "networks.json")["photographs"]["sure"]
    with running(figure) as (page, element):
        asked = after(page, element, element.locator(".pictures button").first.click)
        probability = asked["logits"].softmax(dim=1).mean(dim=0).max().item()
        (among,) = (r for r in sure if r["above"] < probability <= r["to"])
        told = element.locator(".answer").inner_text()
        assert f"it is {100 * probability:.0f} % sure" in told
        share = f"{100 * among['right'] / among['images']:.1f} %"
        assert f"it was right in {share} ({among['right']:,} of {among['images']:,})" in told


def test_the_browser_computes_what_torch_computes_of_shapes(figure: Callable, site: Path) -> None:
    expected = torch.tensor(read(site, "predictions.json")["logits"])
    with running(figure, "shapes") as (page, element):
        buttons = element.locator(".pictures button")
        assert buttons.count() == 11  # the last is noise
        for i in range(10):
            asked = after(page, element, buttons.nth(i).click)
            torch.testing.assert_close(asked["logits"][0], expected[i], rtol=0, atol=1e-4)
            assert asked["logits"][0].argmax() == expected[i].argmax()
        filters = read(site, "networks.json")["shapes"]["filters"]
        assert element.locator(".maps canvas").count() == 2 * len(filters)
        assert "filters of the first layer, 3 x 3 pixels" in element.inner_text()
        # The color shift changes what the network sees.
        shifted = after(page, element, lambda: slide(element, "color shift, a₁", 2.0))
        assert (shifted["logits"] - asked["logits"]).abs().max() > 0.1
        # From one network to the other and back.
        element.get_by_label("network for").select_option("photographs")
        assert "slim" in element.inner_text().lower()
        assert element.locator(".bar").count() == 0
        element.get_by_role("button", name="Start it").click()
        page.wait_for_selector(".pictures img")


def test_the_square_is_moved_and_resized(figure: Callable) -> None:
    with running(figure) as (page, element):
        whole = after(page, element, element.locator(".pictures button").nth(2).click)
        near = after(page, element, lambda: slide(element, "square: size", 40))
        assert (near["planes"] - whole["planes"]).abs().mean() > 0.02
        # Hardly a taxi is left in it then, and the network is less sure of one.
        automobile = [a["logits"].softmax(dim=1).mean(dim=0)[1] for a in (whole, near)]
        assert automobile[0] > 0.5 and automobile[1] < 0.3
        left = after(page, element, lambda: slide(element, "square: across", 0))
        stage = element.locator("canvas.stage")
        box = stage.bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
        dragged = after(page, element, page.mouse.down)
        # Dragged to the border, it stays within the picture.
        torch.testing.assert_close(dragged["planes"], left["planes"], rtol=0, atol=0.02)
        page.mouse.up()
        across = element.get_by_label("square: across").input_value()
        assert across == "0"
        # The square is as high as the picture: there is nothing to move up or down.
        slide(element, "square: size", 100)
        assert element.get_by_label("square: down").is_disabled()
        assert element.get_by_label("square: across").is_enabled()


def test_a_part_is_covered_by_pointer_and_by_keys(figure: Callable) -> None:
    with running(figure) as (page, element):
        before = after(page, element, element.locator(".pictures button").first.click)["planes"]
        view = element.locator("canvas[tabindex]")
        covered = after(page, element, lambda: view.hover(position={"x": 64, "y": 64}))["planes"]
        mean = (covered == 0).all(dim=0)
        assert mean.sum() == 64 and mean[12:20, 12:20].all()
        assert torch.equal(covered[:, ~mean], before[:, ~mean])
        free = after(page, element, lambda: page.mouse.move(0, 0))["planes"]
        assert torch.equal(free, before)
        view.focus()
        page.keyboard.press("Alt+ArrowUp")  # not the figure's
        moved = after(page, element, lambda: page.keyboard.press("ArrowLeft"))["planes"]
        assert (moved == 0).all(dim=0)[12:20, 10:18].all()
        free = after(page, element, lambda: page.keyboard.press("Escape"))["planes"]
        assert torch.equal(free, before)


def test_noise_is_told_to_be_none_of_the_classes(figure: Callable) -> None:
    with running(figure) as (page, element):
        asked = after(page, element, element.get_by_role("button", name="noise").click)
        assert asked["planes"].std() > 0.2
        assert "Random colors show none of the 10" in element.inner_text()


def test_a_picture_of_ones_own(figure: Callable, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    second = Image.fromarray(generator.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    wide = Image.new("RGBA", (52, 32))
    wide.paste(second, (10, 0))  # what is seen is the square in the middle
    wide.save(tmp_path / "own.png")
    (tmp_path / "no.png").write_bytes(b"no picture")
    mean = load_trained("slim").transform
    with running(figure) as (page, element):
        choose = element.locator("input[type=file]").set_input_files
        asked = after(page, element, lambda: choose(tmp_path / "own.png"))
        expected = mean(torch.from_numpy(np.array(second)).permute(2, 0, 1))
        torch.testing.assert_close(asked["planes"], expected, rtol=0, atol=1e-5)
        assert "may be unlike all of them" in element.locator(".answer").inner_text()
        choose(tmp_path / "no.png")
        page.wait_for_function("document.querySelector('.problem').textContent.includes('PNG')")
        # What is transparent is white, as in training.
        planes = after(page, element, lambda: slide(element, "square: across", 0))["planes"]
        white = mean(torch.ones(3, 32, 10))
        torch.testing.assert_close(planes[:, :, :10], white, rtol=0, atol=1e-5)


def test_a_picture_gives_way_only_to_a_later_one(figure: Callable, tmp_path: Path) -> None:
    """What fails does not stop one on its way, and what comes too late is not shown."""
    Image.new("RGB", (32, 32)).save(tmp_path / "slow.png")
    (tmp_path / "no.png").write_bytes(b"no picture")
    hold = """() => {
        const decode = window.createImageBitmap;
        window.createImageBitmap = (file) => file.name === "slow.png"
            ? new Promise((resolve) => { window.release = () => resolve(decode(file)); })
            : decode(file);
    }"""
    with running(figure) as (page, element):
        page.evaluate(hold)
        choose = element.locator("input[type=file]").set_input_files
        choose(tmp_path / "slow.png")
        choose(tmp_path / "no.png")
        page.wait_for_function("document.querySelector('.problem').textContent.includes('PNG')")
        black = load_trained("slim").transform(torch.zeros(3, 32, 32))
        asked = after(page, element, lambda: page.evaluate("release()"))
        torch.testing.assert_close(asked["planes"], black, rtol=0, atol=1e-6)
        choose(tmp_path / "slow.png")
        later = after(page, element, element.locator(".pictures button").nth(2).click)
        page.evaluate("release()")
        page.wait_for_timeout(300)
        asked = after(page, element, lambda: slide(element, "square: size", 99))
        assert (asked["planes"] - later["planes"]).abs().mean() < 0.05


def test_a_picture_is_dropped(figure: Callable) -> None:
    """A file that the page makes itself, since a browser under test has no desktop."""
    with running(figure) as (page, element):
        drop = """async element => {
            const canvas = new OffscreenCanvas(40, 40);
            canvas.getContext("2d").fillRect(0, 0, 40, 40);
            const transfer = new DataTransfer();
            transfer.items.add(new File([await canvas.convertToBlob()], "black.png"));
            element.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer }));
        }"""
        asked = after(page, element, lambda: element.evaluate(drop))
        black = load_trained("slim").transform(torch.zeros(3, 32, 32))
        torch.testing.assert_close(asked["planes"], black, rtol=0, atol=1e-6)


def test_a_picture_is_taken_with_the_camera(browser: Browser, address: str) -> None:
    """With the camera that Chromium has for tests: green, with something that moves."""
    fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    other = browser.browser_type.launch(executable_path=find_browser(), args=[*OPTIONS, *fake])
    page = other.new_page()
    page.goto(f"{address}pages/try_it.html")
    element = page.locator("[data-figure=try_it]")
    element.get_by_role("button").click()
    page.wait_for_selector("[data-figure=try_it][data-runs]")
    take = element.get_by_role("button", name="Take a picture").click
    red, green, blue = after(page, element, take)["planes"].mean(dim=(1, 2))
    assert green > max(red, blue) + 0.2
    assert "stays on your machine" in element.locator(".credit").inner_text()
    other.close()


def test_without_a_camera_it_says_so(figure: Callable) -> None:
    with running(figure) as (page, element):
        element.get_by_role("button", name="Take a picture").click()
        page.wait_for_function("document.querySelector('.problem').textContent.includes('camera')")
        # The next picture takes the message away.
        after(page, element, element.locator(".pictures button").nth(3).click)
        assert element.locator(".problem").inner_text() == ""


def test_on_the_first_page_it_is_a_picture_until_it_is_wanted(visit: Callable, site: Path) -> None:
    with visit("index.html") as seen:
        element = seen.page.locator("[data-figure=try_it]")
        picture = element.locator("img")
        box = picture.bounding_box()
        assert box["y"] + box["height"] < 900 and box["width"] > 400  # on the first screen
        with Image.open(site / FIGURES / "first_look.webp") as still:
            size = (picture.get_attribute("width"), picture.get_attribute("height"))
            assert tuple(map(int, size)) == still.size
        element.get_by_role("button").click()
        seen.page.wait_for_selector("[data-figure=try_it][data-runs]")
        assert element.locator(".pictures button").count() == 13
        assert element.locator("img[src*=first_look]").count() == 0
        assert not seen.messages and not seen.elsewhere


def test_once_loaded_it_works_offline(figure: Callable) -> None:
    with running(figure) as (page, element):
        page.context.set_offline(True)
        asked = after(page, element, lambda: slide(element, "square: size", 50))
        assert asked["logits"].isfinite().all()
        other = after(page, element, element.locator(".pictures button").nth(7).click)
        assert (other["planes"] - asked["planes"]).abs().mean() > 0.05
        page.context.set_offline(False)


def test_a_network_that_does_not_arrive_is_told_and_asked_for_again(visit: Callable) -> None:
    with visit("pages/try_it.html") as seen:
        seen.page.wait_for_selector("[data-figure=try_it][data-ready=yes]")
        button = seen.page.locator("[data-figure=try_it]").get_by_role("button")
        told = seen.page.locator("[data-figure=try_it] [role=status]")

        def refuse(status: int) -> Callable:
            return lambda route: route.fulfill(status=status)

        for name, status in {"*.wasm": 500, "photographs.onnx": 404}.items():
            seen.page.route(f"**/{name}", refuse(status))
            button.click()
            told.filter(has_text=str(status)).wait_for()
            seen.page.unroute(f"**/{name}")
            # The program is offered until it has arrived, whatever else failed.
            assert ("for the program" in button.inner_text()) == (name == "*.wasm")
        assert "It does not start here: the server has no photographs.onnx" in told.inner_text()
        # By the keyboard one is on the first picture then.
        button.focus()
        button.press("Enter")
        seen.page.wait_for_selector("[data-figure=try_it][data-runs]")
        seen.page.wait_for_function("document.activeElement.matches('.pictures button')")
        assert told.inner_text() == ""


def test_from_disk_the_figures_play_and_one_says_what_it_needs(browser, site: Path) -> None:
    page = browser.new_page()
    page.goto((site / "pages" / "play.html").resolve().as_uri())
    page.wait_for_selector("[data-figure=color_shift][data-ready=yes]")
    element = page.locator("[data-figure=color_shift]")
    before = element.inner_text()
    slide(element, "a₁", 2.0)
    assert element.inner_text() != before
    slide(page.locator("[data-figure=top_k]"), "k", 10)
    assert "Top-10: right for 100.0 %" in page.locator("[data-figure=top_k]").inner_text()
    assert page.locator("[data-figure=configurations] svg rect").count()
    page.goto((site / "pages" / "try_it.html").resolve().as_uri())
    page.wait_for_selector("[data-figure=try_it][data-ready=yes]")
    told = page.locator("[data-figure=try_it]").inner_text()
    assert "make serve" in told and "python3 -m http.server" in told
    page.close()


def test_the_network_is_small(site: Path) -> None:
    """And what the button says of the sizes is true."""
    networks = read(site, "networks.json")
    for about in networks.values():
        size = (site / FIGURES / about["file"]).stat().st_size
        assert size == about["bytes"] < 10_000_000
    runtime = (site / FIGURES / "onnxruntime" / "ort-wasm-simd-threaded.wasm").read_bytes()
    assert 13.5e6 < len(runtime) < 14.5e6 and len(gzip.compress(runtime)) < 4e6


def test_without_scripts_there_are_pictures(browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "pages/play.html")
    assert page.locator("[data-figure] > img").count() == 6
    page.goto(address + "pages/try_it.html")
    assert "needs a browser that runs scripts" in page.locator("[data-figure]").inner_text()
    context.close()


@pytest.mark.parametrize("data", ["cifar10", "shapes"])
def test_each_record_is_a_point_that_leads_to_it(figure: Callable, data: str) -> None:
    records = [r for r in vgglib.read_records(ROOT / "results") if r["dataset"] == data]
    others = PUBLIC_TRAININGS if data == "cifar10" else {}
    with figure("trainings") as (_, element):
        element.get_by_label("data").select_option(data)
        assert element.get_attribute("data-shown") == str(len(records))
        points = element.locator(".drawing a")
        assert points.count() == len(records) + len(others)
        record = records[0]
        link = element.locator(f".drawing a[href$='{quote(record_name(record))}']")
        link.focus()
        told = element.locator("p[aria-live]").inner_text()
        assert f"{record['model']} by {record['recipe']}, seed {record['seed']}" in told
        assert f"{record['top_k_accuracy'][0]:.2f} %" in told
        element.locator("summary").click()
        rows = cells(element)
        assert sum(int(row[1] or 0) for row in rows) == len(records)
        for name, (accuracy, cost) in others.items():
            assert [f"{name} (others)", "", f"{accuracy:.2f}", f"{cost:g}"] in rows


def test_points_are_gone_through_with_the_arrow_keys(figure: Callable) -> None:
    with figure("trainings") as (page, element):
        told = element.locator("p[aria-live]")
        stops = element.locator(".drawing a[tabindex='0']")
        assert stops.count() == 1
        stops.focus()
        found = [told.inner_text()]
        for key in ("ArrowRight", "ArrowLeft", "End", "Home"):
            page.keyboard.press(key)
            found.append(told.inner_text())
        assert found[0] == found[2] == found[4] and len({*found}) == 3
        costs = [float(text.split(" for ")[1].split()[0]) for text in found]
        assert costs[0] <= costs[1] <= costs[3]
        assert stops.count() == 1


def test_trainings_of_one_recipe(figure: Callable) -> None:
    records = vgglib.read_records(ROOT / "results")
    chosen = [r for r in records if (r["dataset"], r["recipe"]) == ("cifar10", "classic")]
    with figure("trainings") as (_, element):
        element.get_by_label("recipes").select_option("classic")
        assert element.get_attribute("data-shown") == str(len(chosen))
        # Other images have other recipes, and the choice begins anew.
        element.get_by_label("data").select_option("shapes")
        assert element.get_by_label("recipes").input_value() == "all"


def test_two_trainings_are_replayed(figure: Callable) -> None:
    records = {
        f"{r['model']}, {r['recipe']}, seed {r['seed']}": r
        for r in vgglib.read_records(ROOT / "results")
        if r["dataset"] == "cifar10"
    }
    with figure("replay") as (page, element):
        offered = element.get_by_label("first training").locator("option").all_inner_texts()
        validated = [n for n, r in records.items() if r["validation_top_1"] is not None]
        assert sorted(offered) == sorted(validated)  # the others have no curve
        for label in ("first training", "second training"):
            name = element.get_by_label(label).input_value()
            accuracies = records[name]["history"]["validation_top_1"]
            line = f"{name}: epoch {len(accuracies)} of {len(accuracies)}, {accuracies[-1]:.2f} %"
            assert line in element.inner_text()
        first = element.get_by_label("first training").input_value()
        slide(element, "epoch", 3)
        accuracy = records[first]["history"]["validation_top_1"][2]
        assert f"{first}: epoch 3 of" in element.inner_text()
        assert f"{accuracy:.2f} %" in element.inner_text()
        curve = element.locator("polyline").first.get_attribute("points")
        assert len(curve.split()) == 3
        element.get_by_role("button").click()
        element.get_by_role("slider", name="epoch").focus()
        page.wait_for_function("document.querySelector('[data-figure=replay]').dataset.epoch > 2")
        assert element.get_by_role("slider", name="epoch").evaluate(
            "e => e === document.activeElement"
        )
        element.get_by_role("button", name="Stop").click()
        assert element.get_by_role("button", name="Replay").count() == 1
        # Networks that learned nothing: one accuracy for all epochs.
        for label, seed in (("first training", 0), ("second training", 1)):
            element.get_by_label(label).select_option(f"III, start paper, seed {seed}")
        assert "NaN" not in element.inner_html() and "10.00 %" in element.inner_text()


def test_where_a_plateau_lowered_the_rate_is_marked(figure: Callable, site: Path) -> None:
    own = read(site, "trainings.json")["own"]
    fell = next(t for t in own if t["data"] == "cifar10" and t["drops"])
    name = f"{fell['network']}, {fell['recipe']}, seed {fell['seed']}"
    with figure("replay") as (_, element):
        for label in ("first training", "second training"):
            element.get_by_label(label).select_option(name)
        # Twice in each of two charts.
        assert element.locator("line.drop").count() == 4 * len(fell["drops"])
        assert f"the rate fell before epoch {fell['drops'][0]}" in element.inner_text()
