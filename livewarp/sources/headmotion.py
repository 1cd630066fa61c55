"""How the head of the built-in portrait moves: a pose for every point in time.

Guarantees: a motion is a pure function of time, so any frame can be made again, at any frame rate.

Convention: `livewarp.face68`. x to the picture's right, y down, unit: inter-ocular distance (IOD) of
the portrait at scale 1; angles in radians, relative to the portrait as it was taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from livewarp.easing import smoothstep


@dataclass(frozen=True, slots=True)
class HeadPose:
    """Where the sitter is, how her head is turned and how far her eyes are open.

    Attributes
    ----------
    x, y
        How far she has moved from her place, IOD of the portrait at scale 1; right and down.
    scale
        Her size: above 1 she is nearer. Tested from 0.6 to 1.6.
    roll, yaw, pitch
        Rotation of the head on its neck, radians, signs as in `livewarp.face68.Pose`. Tested up to 0.35.
    openness
        Of both eyes: 0 closed, 1 as in the portrait.
    exit
        Share of the way out of the picture: 1, she is just out on its right; -1, on its left.
    """

    x: float = 0.0
    y: float = 0.0
    scale: float = 1.0
    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    openness: float = 1.0
    exit: float = 0.0


Motion = Callable[[float], HeadPose]
"""The pose at a time, s."""

# Seconds within each minute.
_LEAVES_S = 48.0
_SLIDE_S = 1.7
_AWAY_S = 2.0

# Seconds from the start of a blink. Upper lids come down in about 80 ms, rest for a moment and take
# twice as long to rise; a spontaneous blink lasts 200 to 300 ms (VanderWerf et al. 2003).
_CLOSED_S = 0.08
_OPENS_S = 0.13
_BLINK_S = 0.28
_BLINK_EVERY_S = 4.0


def natural(t: float) -> HeadPose:
    """A person in front of a webcam: sways, turns, nods, nears, blinks, leaves once a minute.

    Parameters
    ----------
    t
        Time, s; 0 is the portrait itself.

    Notes
    -----
    Sums of sines with periods that have no short common multiple. Source: own choice; the speeds stay
    below one IOD a second, but for the slide out of the picture and back.
    """

    def wave(period_s: float) -> float:
        return math.sin(2.0 * math.pi * t / period_s)

    out, side = _exit(t)
    turn = 4.0 * out * (1.0 - out) * side  # looks where she goes
    return HeadPose(
        x=0.28 * wave(9.7) + 0.09 * wave(3.9),
        y=0.07 * wave(7.3) + 0.03 * wave(2.3),
        scale=1.0 + 0.14 * wave(19.0),
        roll=math.radians(5.0 * wave(11.3) + 2.0 * wave(4.3)),
        yaw=math.radians((1.0 - abs(turn)) * (9.0 * wave(6.7) + 3.0 * wave(2.9)) + 9.0 * turn),
        pitch=math.radians(5.0 * wave(8.9) + 2.0 * wave(3.3)),
        openness=blinking(t),
        exit=out * side,
    )


def still(t: float) -> HeadPose:
    """The portrait itself, at any time."""
    return HeadPose()


def sine(frequency_hz: float, amplitude_iod: float) -> Motion:
    """From side to side: x is a sine of that frequency and amplitude (zero to peak), nothing else moves."""

    def motion(t: float) -> HeadPose:
        return replace(still(t), x=amplitude_iod * math.sin(2.0 * math.pi * frequency_hz * t))

    return motion


def blinking(t: float) -> float:
    """Openness of the eyes at time `t`, s: one blink every four seconds or so, at uneven intervals."""
    slot = math.floor(t / _BLINK_EVERY_S)
    # Steps of the golden angle never repeat: 1.4 to 6.6 s from blink to blink, each in its own slot.
    since = t - (slot + 0.5) * _BLINK_EVERY_S - 1.4 * math.sin(slot * 2.39996)
    if since <= 0.0 or since >= _BLINK_S:
        return 1.0
    if since < _CLOSED_S:
        return 1.0 - smoothstep(since / _CLOSED_S)
    return smoothstep((since - _OPENS_S) / (_BLINK_S - _OPENS_S))


def _exit(t: float) -> tuple[float, float]:
    """Share of the way out (0 to 1) and the side: the picture's right in even minutes, else its left."""
    minute, second = divmod(t, 60.0)
    since = second - _LEAVES_S
    out = smoothstep(since / _SLIDE_S) - smoothstep((since - _SLIDE_S - _AWAY_S) / _SLIDE_S)
    return out, -1.0 if minute % 2 else 1.0
