"""The palette of the whole book: figures, drawings, logo, live figures.

Colors are those of Okabe & Ito (2008), which color-blind readers can tell apart.
"""

BLUE, ORANGE, GREEN, RED, SKY, PINK, YELLOW, BLACK = COLORS = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000",
)  # fmt: skip

#: Of text in drawings, legible on white and on black.
GRAY = "#767676"
#: Of grids, and of what is not meant.
PALE = "#DDDDDD"

CHANNEL_COLORS = {"red": RED, "green": GREEN, "blue": BLUE}
#: Of the first, second and third principal component.
AXIS_COLORS = (BLACK, RED, BLUE)
#: The color of each kind of layer.
LAYER_COLORS = {"conv": SKY, "maxpool": RED, "FC": GREEN}
#: Of the slabs of the logo, legible on white and on black.
LOGO_COLORS = ("#4C9BE8", "#3FAE8F", "#E0A030", "#D9604C")
