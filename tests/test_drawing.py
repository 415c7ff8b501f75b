import re
import xml.etree.ElementTree as ElementTree

import pytest

import vgglib
from vgglib.drawing import draw_volumes


@pytest.mark.parametrize("name", list(vgglib.CONFIGURATIONS))
def test_has_a_box_for_each_layer_and_nothing_sticks_out(name):
    trace = vgglib.trace(name)
    svg = ElementTree.fromstring(draw_volumes(trace).svg)
    space = {"svg": "http://www.w3.org/2000/svg"}
    titles = [title.text for title in svg.iterfind(".//svg:title", space)]
    drawn = [row for row in trace if row.kind not in ("batch norm", "LRN")]
    assert [title.split(",")[0] for title in titles] == [row.layer for row in drawn]
    width, height = map(float, svg.get("viewBox").split()[2:])
    for polygon in svg.iterfind(".//svg:polygon", space):
        for point in polygon.get("points").split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= width and 0 <= y <= height


def test_is_to_scale():
    svg = draw_volumes(vgglib.trace("D"), height=224.0).svg

    def front(layer):
        """Thickness and height of a box, of its last polygon."""
        group = re.search(rf"<g><title>{re.escape(layer)},.*?</g>", svg, re.DOTALL)[0]
        points = re.findall(r'points="([^"]*)"', group)[-1].split()
        xs, ys = zip(*(map(float, point.split(",")) for point in points), strict=True)
        return max(xs) - min(xs), max(ys) - min(ys)

    thick, tall = front("features.stack3.conv1")
    assert tall == pytest.approx(56, abs=0.2)
    assert thick == pytest.approx(front("features.stack5.conv1")[0] / 2, abs=0.2)
    assert front("classifier.fc3")[1] == pytest.approx(front("classifier.fc1")[1] / 4.096, rel=0.01)


def test_is_a_picture_in_notebooks_and_short_in_text():
    drawing = draw_volumes(vgglib.trace("I"), description='network "I" & co')
    assert drawing._repr_svg_() == drawing.svg
    assert ElementTree.fromstring(drawing.svg).get("aria-label") == 'network "I" & co'
    assert len(repr(drawing)) < 60


@pytest.mark.parametrize("size", [(32, 64), (64, 32)])
def test_a_map_that_is_no_square_is_as_deep_as_it_is_wide(size):
    svg = ElementTree.fromstring(draw_volumes(vgglib.trace("I", image_size=size)).svg)
    space = {"svg": "http://www.w3.org/2000/svg"}
    first = svg.find("svg:g", space)
    points = [
        [tuple(map(float, point.split(","))) for point in polygon.get("points").split()]
        for polygon in first.iterfind("svg:polygon", space)
    ]
    (bottom, back, *_), front = points[0], points[-1]
    tall = max(y for _, y in front) - min(y for _, y in front)
    assert 4 * (back[0] - bottom[0]) / tall == pytest.approx(size[1] / size[0], rel=0.01)
    assert svg.find("svg:text", space).text == f"{size[0]}x{size[1]} px"
