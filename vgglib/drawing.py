"""A network as a row of volumes, drawn to scale from its shape trace."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from vgglib.colors import GRAY, LAYER_COLORS
from vgglib.tracing import Trace

_SLANT = 0.3  # the side of a map goes to the right and up: a look from the front and above


@dataclass(frozen=True, repr=False)
class Drawing:
    """A drawing as SVG, which notebooks show as a picture.

    Attributes:
        svg: the whole file.
    """

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"Drawing of {len(self.svg)} characters"


def draw_volumes(trace: Trace, *, height: float = 160.0, description: str = "") -> Drawing:
    """Draw the outputs of all layers, as in the pictures that VGG is known by, but to scale.

    A box is as high and as deep as the map, and as thick as the map has channels. Vectors of
    features have no side: they are bars, as long as they have features. Each of the three scales is
    the same for all layers. Normalizations change no shape and are left out.

    Args:
        trace: of any network, see :func:`~vgglib.tracing.trace`.
        height: of the first map in the drawing.
        description: for readers who do not see the drawing; by default the layers in a sentence.
    """
    rows = [r for r in trace if r.kind.startswith(tuple(LAYER_COLORS))]
    maps = [r for r in rows if len(r.output_shape) > 1]
    vectors = [r for r in rows if len(r.output_shape) == 1]
    side = max(max(r.output_shape[1:]) for r in maps)
    most_channels = max(r.output_shape[0] for r in maps)
    most_features = max((r.output_shape[0] for r in vectors), default=1)
    x, middle, parts, former = 4.0, height / 2 + 30, [], None
    for row in rows:
        kind = next(kind for kind in LAYER_COLORS if row.kind.startswith(kind))
        shape = " x ".join(map(str, row.output_shape))
        if kind == "FC":
            tall, thick, depth = max(2.0, 0.8 * height * row.output_shape[0] / most_features), 4, 0
        else:
            tall, wide = (max(1.5, height * pixels / side) for pixels in row.output_shape[1:])
            thick = max(1.5, 0.16 * height * row.output_shape[0] / most_channels)
            depth = 0.25 * wide
        parts.append(f"<g><title>{row.layer}, {row.kind}: {shape}</title>")
        parts += _box(x, middle + tall / 2, thick, tall, depth, LAYER_COLORS[kind])
        parts.append("</g>")
        if kind == "conv" and row.output_shape[1:] != former:
            former = row.output_shape[1:]
            text = "x".join(map(str, dict.fromkeys(former)))  # a square by one of its sides
            parts.append(_text(x, middle + height / 2 + 16, text + " px" * (max(former) == side)))
            parts.append(_text(x, middle + height / 2 + 30, f"{row.output_shape[0]} ch."))
        x += thick + 0.45 * depth + (9 if kind == "maxpool" else 4)
    right = x + 0.25 * height * 0.3
    size = f"0 0 {right:.0f} {height + 66:.0f}"
    words = description or f"{len(rows)} layers, from {maps[0].kind} to {rows[-1].kind}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" role="img"'
    return Drawing("\n".join([f'{head} aria-label="{escape(words)}">', *parts, "</svg>\n"]))


def _box(x: float, bottom: float, thick: float, tall: float, depth: float, fill: str) -> list[str]:
    """Front, top and side of a box, of which the last two are darker."""
    rise = depth * _SLANT
    faces = [([(0, 0), (thick, 0), (thick, -tall), (0, -tall)], 1.0)]
    if depth:
        top = [(0, -tall), (thick, -tall), (thick + depth, -tall - rise), (depth, -tall - rise)]
        side = [(thick, 0), (thick + depth, -rise), (thick + depth, -tall - rise), (thick, -tall)]
        faces = [(side, 0.55), (top, 0.8), *faces]
    shapes = []
    for corners, opacity in faces:
        points = " ".join(f"{x + dx:.1f},{bottom + dy:.1f}" for dx, dy in corners)
        shapes.append(f'<polygon points="{points}" fill="#fff"/>')  # what is behind stays behind
        shapes.append(f'<polygon points="{points}" fill="{fill}" fill-opacity="{opacity}"/>')
    return shapes


def _text(x: float, y: float, text: str) -> str:
    look = f'font-family="sans-serif" font-size="11" fill="{GRAY}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {look}>{text}</text>'
