"""Compares a run with an old one: faster, slower, or only noise.

Where both runs filtered the same frames, frame is compared with frame; else the distributions, by a rank
test. Either way frames are taken in blocks of a second or so, since a machine's speed drifts, and block medians
are what is resampled. The yardstick, which is the same work in every version, takes out how fast the
machine was.

Notes
-----
Source: the percentile bootstrap, and Mann and Whitney's U with the normal approximation, of the textbooks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from livewarp.bench.record import Run
from livewarp.filtering.stages import READ, SEND, STAGES
from livewarp.live.stats import LATENCY

BLOCK = 25  # frames
RESAMPLES = 4000
CONFIDENCE = 95.0  # %
SIGNIFICANT = 0.05
# Two runs of one commit on an otherwise idle machine differ by this much more than the blocks within a run do:
# where memory happened to lie, which core it was.
SAME = 0.05

WHAT = {"latency": LATENCY, **{stage.name: i for i, stage in enumerate(STAGES) if i not in (READ, SEND)}}


@dataclass(frozen=True)
class Change:
    """One figure, new to old.

    Attributes
    ----------
    ratio, low, high
        New time by old, corrected by the yardstick, and its 95 % interval.
    paired
        Whether frame was compared with frame.
    p
        Of the rank test; None: paired.
    """

    run: str
    what: str
    old_ms: float
    new_ms: float
    ratio: float
    low: float
    high: float
    paired: bool
    p: float | None

    @property
    def is_noise(self) -> bool:
        """Whether it may as well be nothing."""
        within = self.low <= 1.0 <= self.high or abs(math.log(self.ratio)) < math.log1p(SAME)
        return within or (self.p is not None and self.p > SIGNIFICANT)

    def __str__(self) -> str:
        percent = 100 * (self.ratio - 1)
        words = "noise" if self.is_noise else f"{abs(percent):.0f} % {'slower' if percent > 0 else 'faster'}"
        how = "paired" if self.p is None else f"rank test, p = {self.p:.3f}"
        interval = f"{100 * (self.low - 1):+.1f} to {100 * (self.high - 1):+.1f} %"
        times = f"{self.what:8} {self.old_ms:8.2f} → {self.new_ms:7.2f} ms"
        return f"{times}  {percent:+6.1f} %  ({interval}; {how})  {words}"


def compare(old: Sequence[Run], new: Sequence[Run]) -> tuple[list[Change], list[str]]:
    """What changed in the runs that both have, and the names of new ones that the old ones do not have."""
    before = {run.key: run for run in old}
    changes: list[Change] = []
    alone: list[str] = []
    for run in new:
        if (was := before.get(run.key)) is None:
            alone.append(run.name)
            continue
        changes += [
            _change(was, run, what, column)
            for what, column in WHAT.items()
            if was.rows[:, column].any() and run.rows[:, column].any()  # the stage ran in both
        ]
    return changes, alone


def machine_drift(old: Run, new: Run) -> float:
    """How much longer the yardstick took, new by old; 1 where there is none."""
    if not len(old.yardstick_s) or not len(new.yardstick_s):
        return 1.0
    return float(np.median(new.yardstick_s) / np.median(old.yardstick_s))


def _change(old: Run, new: Run, what: str, column: int) -> Change:
    rng = np.random.default_rng(0)
    before, after = old.rows[:, column], new.rows[:, column]
    drift = math.log(machine_drift(old, new))
    paired = old.deterministic and new.deterministic
    p = None
    if paired:
        n = min(len(before), len(after))
        ran = (before[:n] > 0.0) & (after[:n] > 0.0)
        ratios = _blocks(np.log(after[:n][ran] / before[:n][ran]))
        drawn = ratios[rng.integers(0, len(ratios), (RESAMPLES, len(ratios)))]
        middle, spread = float(np.median(ratios)), np.median(drawn, axis=1)
    else:
        before, after = before[before > 0.0], after[after > 0.0]
        a, b = _blocks(np.log(before)), _blocks(np.log(after))
        p = rank_test(a, b)
        drawn_a = np.median(a[rng.integers(0, len(a), (RESAMPLES, len(a)))], axis=1)
        drawn_b = np.median(b[rng.integers(0, len(b), (RESAMPLES, len(b)))], axis=1)
        middle, spread = float(np.median(b) - np.median(a)), drawn_b - drawn_a
    tail = (100.0 - CONFIDENCE) / 2
    low, high = (float(v) for v in np.percentile(spread, [tail, 100.0 - tail]))
    return Change(
        run=new.name,
        what=what,
        old_ms=1e3 * float(np.median(before)),
        new_ms=1e3 * float(np.median(after)),
        ratio=math.exp(middle - drift),
        low=math.exp(low - drift),
        high=math.exp(high - drift),
        paired=paired,
        p=p,
    )


def _blocks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Medians of `BLOCK` values each, the last ones with the rest."""
    count = max(1, len(values) // BLOCK)
    return np.array([np.median(part) for part in np.array_split(values, count)])


def rank_test(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Two-sided p of Mann and Whitney's U: that a value of the one is as likely above one of the other as below."""
    n, m = len(a), len(b)
    both = np.concatenate([a, b])
    _, place, count = np.unique(both, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]  # ties share the mean of theirs
    u = rank[:n].sum() - n * (n + 1) / 2
    ties = float((count**3 - count).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    if variance <= 0.0:
        return 1.0
    z = max(abs(u - n * m / 2) - 0.5, 0.0) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2))
