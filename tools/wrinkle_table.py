"""The table of strokes that `draw_textures.py` draws: what age does to a face, as lines and soft patches.

Convention: face axes of `livewarp.face68`, the mean face from the front, IOD; x to the picture's right (the subject's
left), y down. One side is given, x > 0; the other is its mirror image, drawn with other irregularities.
"""

from __future__ import annotations

from dataclasses import dataclass

Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Crease:
    """A line that the skin folds along.

    Attributes
    ----------
    points
        On the line, through which a smooth curve is laid.
    depth
        0 to 1.
    width_iod
        Half the width of the groove.
    lips
        How bright the swollen skin beside the groove is, of `depth`: on the left of the way along the points (above a
        line that runs to the right), and on the right.
    taper
        Share of the length in which either end fades out.
    broken
        How much the depth varies along the line, 0 to 1.
    both
        Drawn on both sides of the face.
    odds
        How likely each person has it, a side.
    """

    points: Points
    depth: float
    width_iod: float
    lips: tuple[float, float] = (0.30, 0.45)
    taper: float = 0.3
    broken: float = 0.35
    both: bool = True
    odds: float = 1.0


@dataclass(frozen=True)
class Patch:
    """A soft ellipse of light (above 0) or shade: what stands out or has sunk in."""

    at: tuple[float, float]
    radius_iod: tuple[float, float]
    light: float
    turn_deg: float = 0.0
    both: bool = True


@dataclass(frozen=True)
class Grain:
    """Where fine lines run: how many, which way, how long and deep."""

    at: tuple[float, float]
    radius_iod: tuple[float, float]
    amount: float
    direction_deg: float
    fan: tuple[float, float] | None = None
    """They point away from here instead."""
    length_iod: float = 0.09
    depth: float = 1.0
    both: bool = True


CREASES = (
    # Between the brows, and across the root of the nose.
    Crease(
        ((0.100, -0.360), (0.080, -0.280), (0.070, -0.200), (0.084, -0.115)), 0.46, 0.0078, (0.35, 0.35), 0.45, 0.12
    ),
    Crease(((0.142, -0.305), (0.126, -0.240), (0.130, -0.180)), 0.18, 0.0062, (0.30, 0.30), 0.48, 0.12),
    Crease(((-0.085, -0.045), (0.00, -0.060), (0.085, -0.045)), 0.40, 0.0064, taper=0.42, broken=0.15, both=False),
    Crease(((-0.065, 0.008), (0.00, -0.004), (0.065, 0.008)), 0.20, 0.0058, taper=0.42, broken=0.15, both=False),
    # Crow's feet.
    Crease(((0.570, -0.045), (0.640, -0.095), (0.705, -0.155)), 0.48, 0.0056, taper=0.42, broken=0.35, odds=0.8),
    Crease(((0.575, -0.015), (0.665, -0.045), (0.765, -0.075)), 0.66, 0.0060, taper=0.42, broken=0.35, odds=0.8),
    Crease(((0.580, 0.018), (0.680, 0.018), (0.790, 0.030)), 0.78, 0.0062, taper=0.42, broken=0.35, odds=0.8),
    Crease(((0.575, 0.050), (0.665, 0.080), (0.760, 0.130)), 0.74, 0.0062, taper=0.42, broken=0.35, odds=0.8),
    Crease(((0.560, 0.080), (0.635, 0.135), (0.700, 0.210)), 0.58, 0.0060, taper=0.42, broken=0.35, odds=0.8),
    Crease(((0.540, 0.110), (0.590, 0.180), (0.625, 0.265)), 0.34, 0.0056, taper=0.42, broken=0.35, odds=0.8),
    # Below the eye: the lid's own line, the edge of the bag, the trough beside the nose.
    Crease(((0.220, 0.075), (0.300, 0.118), (0.400, 0.120), (0.490, 0.078)), 0.40, 0.0062, (0.25, 0.40), 0.38, 0.15),
    Crease(
        ((0.185, 0.090), (0.245, 0.175), (0.350, 0.225), (0.470, 0.205), (0.550, 0.150)),
        0.46,
        0.0092,
        (0.40, 0.25),
        0.40,
        0.15,
    ),
    Crease(((0.255, 0.205), (0.345, 0.275), (0.455, 0.280)), 0.22, 0.0080, (0.30, 0.20), 0.45, 0.15),
    # From the nose to the mouth, from the mouth to the chin, and the cheek beside them.
    Crease(
        ((0.205, 0.450), (0.272, 0.540), (0.332, 0.660), (0.378, 0.790), (0.388, 0.885)),
        0.66,
        0.0110,
        (0.32, 0.05),
        0.32,
        0.08,
    ),
    Crease(((0.312, 0.868), (0.346, 0.945), (0.362, 1.035), (0.352, 1.125)), 0.38, 0.0105, (0.28, 0.08), 0.45, 0.10),
    Crease(((0.432, 0.640), (0.480, 0.750), (0.490, 0.870), (0.462, 0.985)), 0.22, 0.0085, (0.32, 0.20), 0.45, 0.15),
    Crease(((0.515, 0.610), (0.572, 0.740), (0.578, 0.870)), 0.11, 0.0080, (0.30, 0.20), 0.45, 0.15),
    # The chin.
    Crease(
        ((-0.175, 1.090), (-0.06, 1.068), (0.06, 1.068), (0.175, 1.090)),
        0.42,
        0.0105,
        (0.20, 0.45),
        0.42,
        0.15,
        both=False,
    ),
    Crease(((-0.11, 1.180), (0.00, 1.168), (0.11, 1.182)), 0.20, 0.0110, both=False),
    # Above and below the red of the lips.
    *(
        Crease(
            ((x * 1.18, 0.632 + 0.1 * x), (x * 1.08, 0.682), (x, 0.738 + 0.12 * x)),
            depth,
            0.0062,
            (0.35, 0.35),
            0.5,
            odds=0.5,
        )
        for x, depth in ((0.030, 0.16), (0.072, 0.24), (0.110, 0.20), (0.150, 0.25), (0.190, 0.20), (0.228, 0.15))
    ),
    *(
        Crease(((x, 0.992), (x * 1.05, 1.02), (x * 1.10, 1.048)), depth, 0.0060, (0.35, 0.35), 0.5, odds=0.5)
        for x, depth in ((0.045, 0.13), (0.095, 0.17), (0.150, 0.14))
    ),
)


@dataclass(frozen=True)
class Forehead:
    """How the lines of a forehead are drawn at random: rows of pieces, never ruled.

    Attributes
    ----------
    lowest_iod, highest_iod
        Height of the first row, and where no further one is.
    apart_iod
        Least and greatest distance of two rows.
    half_width_iod
        Of a row.
    pieces
        Least and greatest number of them in a row.
    missing
        How likely a piece is not there.
    depth, width_iod
        Least and greatest of a piece.
    """

    lowest_iod: float = -0.405
    highest_iod: float = -0.74
    apart_iod: tuple[float, float] = (0.075, 0.125)
    half_width_iod: float = 0.47
    pieces: tuple[int, int] = (1, 3)
    missing: float = 0.12
    depth: tuple[float, float] = (0.30, 0.95)
    width_iod: tuple[float, float] = (0.0045, 0.0075)
    fragments: int = 6
    """Short lines beside the rows."""


FOREHEAD = Forehead()

PATCHES = (
    # Hooded lids: the fold sags, the brow's bone stands out.
    Patch((0.370, -0.105), (0.140, 0.024), -0.26, 6.0),
    Patch((0.500, -0.075), (0.075, 0.030), -0.16, 30.0),
    Patch((0.410, -0.165), (0.130, 0.032), 0.12, 5.0),
    # Bags, and the shade under them and beside the nose.
    Patch((0.350, 0.135), (0.105, 0.030), 0.26, 3.0),
    Patch((0.330, 0.218), (0.140, 0.030), -0.34, 12.0),
    Patch((0.205, 0.125), (0.034, 0.060), -0.30, -28.0),
    # Cheeks: the pad slides down, hollows form above the jaw and at the temples.
    Patch((0.450, 0.400), (0.130, 0.090), 0.12, 22.0),
    Patch((0.570, 0.720), (0.095, 0.190), -0.19, 12.0),
    Patch((0.725, -0.120), (0.085, 0.150), -0.26),
    Patch((0.660, 0.330), (0.090, 0.090), 0.08),
    # The fold beside the nose and mouth, and the bulge above it.
    Patch((0.318, 0.640), (0.042, 0.150), -0.24, -24.0),
    Patch((0.430, 0.600), (0.060, 0.150), 0.12, -22.0),
    Patch((0.340, 0.900), (0.050, 0.060), -0.13, -10.0),
    # Jowls.
    Patch((0.352, 1.030), (0.046, 0.105), -0.20, -6.0),
    Patch((0.470, 1.080), (0.070, 0.085), 0.12),
    Patch((0.350, 1.205), (0.075, 0.055), -0.20, -28.0),
    Patch((0.580, 1.010), (0.055, 0.140), -0.18, 28.0),
    Patch((0.000, 1.085), (0.150, 0.034), -0.15, both=False),
    Patch((0.000, 1.240), (0.120, 0.060), 0.08, both=False),
    # The upper lip grows flat, the groove in it goes; the root of the nose deepens.
    Patch((0.000, 0.660), (0.030, 0.050), 0.06, both=False),
    Patch((0.115, 0.300), (0.028, 0.120), -0.12, -8.0),
    Patch((0.000, -0.060), (0.090, 0.026), -0.14, both=False),
    Patch((0.000, -0.300), (0.050, 0.090), -0.08, both=False),
)

GRAINS = (
    Grain((0.00, -0.56), (0.46, 0.20), 1.0, 0.0, length_iod=0.12, depth=0.7, both=False),
    Grain((0.69, 0.05), (0.13, 0.16), 1.5, 0.0, fan=(0.47, 0.01)),
    Grain((0.36, 0.15), (0.17, 0.07), 1.7, 12.0, length_iod=0.07, depth=0.7),
    Grain((0.55, 0.36), (0.18, 0.18), 0.9, 62.0, depth=0.55),
    Grain((0.52, 0.75), (0.14, 0.26), 0.7, 78.0, depth=0.4),
    Grain((0.00, 0.68), (0.24, 0.05), 1.2, 88.0, length_iod=0.06, both=False),
    Grain((0.36, 1.05), (0.14, 0.14), 0.7, 84.0, depth=0.6),
    Grain((0.00, 1.20), (0.22, 0.12), 0.6, 0.0, length_iod=0.06, both=False),
    Grain((0.10, -0.16), (0.07, 0.10), 0.8, 88.0, length_iod=0.06),
)

PORES = (
    (0.0, 0.36, 0.20, 0.20, 1.0),
    (0.28, 0.38, 0.16, 0.14, 0.9),
    (-0.28, 0.38, 0.16, 0.14, 0.9),
    (0.0, 1.18, 0.18, 0.10, 0.6),
)
"""x, y, radii and amount: nose, the cheeks beside it, chin."""

SPOTS = (
    # Where pigment gathers: x, y, spread in x and y, share of the spots. Cheekbones, temples, forehead, jaw.
    (0.52, 0.34, 0.12, 0.13, 0.36),
    (0.68, 0.02, 0.08, 0.15, 0.26),
    (0.28, -0.58, 0.22, 0.12, 0.24),
    (0.45, 0.95, 0.15, 0.13, 0.10),
    (0.10, 0.25, 0.08, 0.15, 0.04),
)

# Where nothing is drawn. Half ellipses would do for lids; these leave a margin for landmarks that err.
CLEAR = (
    # x, y, radii, soft edge.
    (0.355, 0.000, 0.165, 0.062, 0.018),
    (-0.355, 0.000, 0.165, 0.062, 0.018),
    (0.000, 0.855, 0.290, 0.105, 0.016),
    (0.105, 0.545, 0.060, 0.030, 0.012),
    (-0.105, 0.545, 0.060, 0.030, 0.012),
)
