"""Draw the logo and the icon, the stacks of a VGG as slabs, and the picture of the first page.

python -m tools.logo

The logo is there as PNG too, for the cards that stand for a page elsewhere. Chromium turns the one
into the other.
"""

from __future__ import annotations

import vgglib
from tools.browser import open_browser
from tools.settings import ROOT
from vgglib.colors import LOGO_COLORS
from vgglib.drawing import draw_volumes

# Height of the maps and number of channels, each in units of the drawing.
SLABS = ((44, 5), (32, 8), (22, 12), (14, 18))
SLANT = 0.35  # how far a slab's depth goes up for each unit that it goes to the right


def slabs(left: float, bottom: float, gap: float, scale: float = 1.0) -> tuple[str, float]:
    """The slabs as SVG, and where they end at the right."""
    parts = []
    for (height, depth), color in zip(SLABS, LOGO_COLORS, strict=True):
        h, d = height * scale, depth * scale
        width, rise = 0.42 * h, 0.42 * h * SLANT  # the map itself, seen from the side
        top = bottom - h
        faces = (
            # the front, whose width is the depth in channels; then the top; then the side
            ([(0, 0), (d, 0), (d, -h), (0, -h)], 1.0),
            ([(0, -h), (d, -h), (d + width, -h - rise), (width, -h - rise)], 0.75),
            ([(d, 0), (d + width, -rise), (d + width, -h - rise), (d, -h)], 0.5),
        )
        for corners, opacity in faces:
            points = " ".join(f"{left + x:.1f},{bottom + y:.1f}" for x, y in corners)
            parts.append(f'  <polygon points="{points}" fill="{color}" fill-opacity="{opacity}"/>')
        assert top > 0
        left += d + width + gap
    return "\n".join(parts), left - gap


def svg(width: float, height: float, content: str) -> str:
    """A drawing of that size."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' role="img" aria-label="VGG">\n{content}\n</svg>\n'
    )


def to_png(drawing: str, width: int) -> bytes:
    """An SVG as PNG, so many pixels wide, on nothing."""
    with open_browser() as browser:
        page = browser.new_page()
        page.set_content(f'<div style="width: {width}px">{drawing}</div>')
        return page.locator("svg").screenshot(omit_background=True)


if __name__ == "__main__":
    drawing, right = slabs(4, 58, 6)
    logo = svg(right + 4, 62, drawing)
    (ROOT / "assets" / "logo.svg").write_text(logo)
    (ROOT / "assets" / "logo.png").write_bytes(to_png(logo, 640))
    picture = draw_volumes(vgglib.trace("D"), description="Configuration D, to scale")
    (ROOT / "assets" / "vgg16.svg").write_text(picture.svg)
    drawing, right = slabs(1, 46, 1.5, scale=0.62)
    (ROOT / "assets" / "favicon.svg").write_text(svg(right + 1, right + 1, drawing))
