"""When the next frame goes out, who watches, and what the tracker may cost: small pure clocks of the loop."""

from __future__ import annotations

SLACK_S = 0.02  # a frame may come so late before the last one is sent again: thread scheduling, a camera's jitter
_FOLLOW = 0.05  # how much of a frame's lateness moves the slots: follows a camera's phase, not its lateness

OVERLOAD_S = 2.0  # over budget for so long: one step cheaper
RECOVERY_S = 10.0  # far enough below it for so long: one step back
MAX_RECOVERY_S = 160.0
RELAPSE_S = 30.0  # overloaded again so soon after a step back: wait twice as long before the next one
LOAD_LOW = 0.6  # of the budget; what a step saves is less than the rest
MAX_ECONOMY = 3  # effects are shed first, landmarks last
SPARE_S = 5.0  # so much below the budget for so long: there is time for more than is needed
LOAD_SPARE = 0.35  # of the budget
SPARE_CORES = 4  # at least, for what runs beside the loop must take no time from a call
_LOAD_SETTLES_S = 0.5


class Pace:
    """Slots of one period each, every one of which gets one frame.

    Guarantees: over any time at least as many frames as periods go out, whatever the source does,
    and of a source that is faster not many more. Nobody runs after the past.

    Parameters
    ----------
    period_s
        1 / fps.
    """

    def __init__(self, period_s: float, now: float) -> None:
        self._period_s = period_s
        self._slack_s = max(period_s / 2, SLACK_S)
        self.slot_s = now

    @property
    def patience_s(self) -> float:
        """Until when to wait for the source to fill the slot."""
        return self.slot_s + self._slack_s

    def early(self, now: float) -> bool:
        """Whether a frame that comes now is one more than there are slots for."""
        return now < self.slot_s - self._period_s / 2

    def hurry(self, now: float) -> None:
        """The next slot is now at the latest."""
        self.slot_s = min(self.slot_s, now)

    def filled(self, now: float, period_s: float | None = None, fresh: bool = False) -> None:
        """Something has been sent: on to the next slot, `period_s` later where it is not the usual time."""
        late_s = min(max(now - self.slot_s, -self._slack_s), self._slack_s) if fresh else 0.0
        self.slot_s = max(self.slot_s + (period_s or self._period_s) + _FOLLOW * late_s, now)


class Attendance:
    """Whether somebody watches, or did a moment ago.

    Parameters
    ----------
    on_demand
        False: it counts as if somebody always did.
    grace_s
        How long the last one counts after leaving.
    """

    def __init__(self, on_demand: bool, grace_s: float) -> None:
        self._on_demand = on_demand
        self._grace_s = grace_s
        self._watched_s: float | None = None  # when somebody watched last

    def deserted(self, now: float, watched: bool) -> bool:
        """Whether nobody has watched for long enough; at first, whether nobody does."""
        if watched or not self._on_demand:
            self._watched_s = now
        return self._watched_s is None or now - self._watched_s > self._grace_s


class Governor:
    """Lowers the tracker's cost in steps while frames take longer than there is time.

    Parameters
    ----------
    budget_s
        1 / fps.

    Attributes
    ----------
    economy
        0 full, up to `MAX_ECONOMY`.
    load
        Share of the budget that frames take, smoothed.
    has_spare_time
        Whether there is time for what is better and not needed.
    """

    def __init__(self, budget_s: float, cores: int = 1) -> None:
        self._budget_s = budget_s
        self._cores = cores
        self._spare_s: float | None = None  # since when there is time to spare
        self._recovery_s = RECOVERY_S
        self._last_s: float | None = None
        self._over_s: float | None = None  # since when
        self._under_s: float | None = None
        self._eased_s = -RELAPSE_S
        self.economy = 0
        self.load = 0.0
        self.has_spare_time = False

    def record(self, now: float, busy_s: float) -> bool:
        """One frame took so long; whether `economy` has changed."""
        dt_s = min(now - self._last_s, 1.0) if self._last_s is not None else self._budget_s
        self._last_s = now
        self.load += (busy_s / self._budget_s - self.load) * min(dt_s / _LOAD_SETTLES_S, 1.0)
        self._spare_s = (self._spare_s if self._spare_s is not None else now) if self.load < LOAD_SPARE else None
        if self.load > LOAD_LOW or self._cores < SPARE_CORES:
            self.has_spare_time = False
        elif self._spare_s is not None and now - self._spare_s >= SPARE_S:
            self.has_spare_time = True
        self._over_s = (self._over_s if self._over_s is not None else now) if self.load > 1.0 else None
        self._under_s = (self._under_s if self._under_s is not None else now) if self.load < LOAD_LOW else None
        if self._over_s is not None and now - self._over_s >= OVERLOAD_S and self.economy < MAX_ECONOMY:
            relapsed = now - self._eased_s < RELAPSE_S
            self._recovery_s = min(self._recovery_s * 2, MAX_RECOVERY_S) if relapsed else self._recovery_s
            self._over_s = now
            self.economy += 1
            return True
        if self._under_s is not None and now - self._under_s >= self._recovery_s and self.economy > 0:
            self._under_s = self._eased_s = now
            self.economy -= 1
            return True
        return False
