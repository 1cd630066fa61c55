"""Events: what changes, sent to whoever subscribed.

A topic is a value that can be read (the parameters, the state, ...); an event is that value after it
has changed. What the control methods change is published once they have changed it; what changes by
itself (state, stats, faces) is read by a greenlet, only while somebody is subscribed to it.

Guarantees: everything runs in greenlets of one hub; of each topic at most one event waits for a
subscriber, the newest; a subscriber that does not read is dropped, and nobody waits for it.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gevent
import gevent.event

from livewarp.errors import ParameterError

SAMPLED = ("state", "stats", "faces")
"""Topics that change by themselves."""

MIN_RATE_HZ, DEFAULT_RATE_HZ, MAX_RATE_HZ = 0.1, 10.0, 60.0
SLOW_S = 5.0  # an event is ready for this long: its subscriber does not read
# Members of the state that change while it does not: a clock, which runs at the reader's, too, and a counter.
_VOLATILE = frozenset({"since_s", "dropped"})

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Update:
    """A topic's value, ready for JSON."""

    topic: str
    data: Any

    @cached_property
    def text(self) -> str:
        """The data as JSON without line breaks; made once for all subscribers."""
        return json.dumps(self.data, allow_nan=False)


class Inbox:
    """The updates of some topics that wait for one reader. `Events.subscribe` makes it.

    Attributes
    ----------
    topics
        What it is about.
    dropped
        Whether it was ended because nobody read it.
    """

    def __init__(self, events: Events, topics: tuple[str, ...], rate_hz: float, clock: Callable[[], float]) -> None:
        self.topics = topics
        self.rate_hz = rate_hz
        self.dropped = False
        self._events = events
        self._clock = clock
        self._waiting: dict[str, Update] = {}
        self._ready_s = dict.fromkeys(topics, 0.0)  # when the waiting event, or the next one, may be taken
        self._open = True
        self._wake = gevent.event.Event()

    @property
    def ended(self) -> bool:
        """Whether it was closed or dropped: nothing comes any more."""
        return not self._open

    def get(self, timeout_s: float | None = None) -> Update | None:
        """The next event; None after the timeout, and once the subscription is closed or dropped."""
        deadline_s = float("inf") if timeout_s is None else self._clock() + timeout_s
        while self._open:
            now = self._clock()
            # The one that is ready for longest: a busy topic must not hold back the others.
            topic = min(self._waiting, key=self._ready_s.__getitem__, default=None)
            if topic is not None and self._ready_s[topic] <= now:
                self._ready_s[topic] = now + 1.0 / self.rate_hz
                return self._waiting.pop(topic)
            until_s = deadline_s if topic is None else min(deadline_s, self._ready_s[topic])
            if now >= deadline_s:
                return None
            self._wake.clear()
            self._wake.wait(None if until_s == float("inf") else until_s - now)
        return None

    def leave(self, topics: Iterable[str]) -> None:
        """Hear no more of these topics."""
        gone = set(topics)
        self.topics = tuple(topic for topic in self.topics if topic not in gone)
        for topic in gone:
            self._waiting.pop(topic, None)

    def close(self) -> None:
        """End it; a reader that waits wakes up. May be called more than once."""
        self._open = False
        self._waiting.clear()
        self._events.forget(self)
        self._wake.set()

    def put(self, event: Update) -> None:
        """Called by `Events`: let an event wait, in the place of the topic's last one."""
        now = self._clock()
        if event.topic not in self._waiting:
            self._ready_s[event.topic] = max(self._ready_s[event.topic], now)
        elif now - self._ready_s[event.topic] > SLOW_S:
            self.dropped = True
            self.close()
            return
        self._waiting[event.topic] = event
        self._wake.set()


class Events:
    """Tells subscribers what has changed.

    Parameters
    ----------
    read
        How each topic's value is read, by topic; values are ready for JSON.
    clock
        Monotonic time, s.
    """

    def __init__(self, read: Mapping[str, Callable[[], Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = dict(read)
        self._clock = clock
        self._subscriptions: set[Inbox] = set()
        self._last: dict[str, str] = {}  # the essence of what was sent last, of each topic
        self._failing: set[str] = set()
        self._sampler: gevent.Greenlet | None = None
        self._wanted = gevent.event.Event()

    @property
    def topics(self) -> tuple[str, ...]:
        """All that can be subscribed to."""
        return tuple(self._read)

    def subscribe(self, topics: Iterable[str], rate_hz: float = DEFAULT_RATE_HZ) -> Inbox:
        """Start to collect events for a reader; the first of each topic is its value now.

        Parameters
        ----------
        rate_hz
            At most so many events of each topic a second; in between, the newest replaces the others.

        Raises
        ------
        ParameterError
            A topic that there is not, none at all, or a rate out of bounds.
        """
        topics = tuple(dict.fromkeys(topics))
        for topic in topics:
            if topic not in self._read:
                raise ParameterError("topics", topic, ", ".join(self._read))
        if not topics:
            raise ParameterError("topics", [], f"one or more of {', '.join(self._read)}")
        if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
            raise ParameterError("rate_hz", rate_hz, f"a number from {MIN_RATE_HZ:g} to {MAX_RATE_HZ:g}")
        subscription = Inbox(self, topics, rate_hz, self._clock)
        for topic in topics:
            event = Update(topic, self._read[topic]())
            self._spread(event)  # what is read here counts as sent: those who listen already must hear of it, too
            subscription.put(event)
        self._subscriptions.add(subscription)
        if self._sample_rate_hz() > 0.0:
            self._wanted.set()
            if self._sampler is None:
                self._sampler = gevent.spawn(self._sample)
        return subscription

    def publish(self, *topics: str) -> None:
        """Send those of these topics that have changed to their subscribers."""
        for topic in topics:
            if any(topic in subscription.topics for subscription in self._subscriptions):
                event = self._event(topic)
                if event is not None:
                    self._spread(event)

    def close(self) -> None:
        """End all subscriptions; may be called more than once."""
        for subscription in list(self._subscriptions):
            subscription.close()
        if self._sampler is not None:
            self._sampler.kill()
            self._sampler = None

    def forget(self, subscription: Inbox) -> None:
        """Called by a subscription that ends."""
        self._subscriptions.discard(subscription)

    def _spread(self, event: Update) -> None:
        """Put an event that differs from the topic's last one into the inboxes of those who listen."""
        essence = _essence(event)
        if self._last.get(event.topic) != essence:
            self._last[event.topic] = essence
            for subscription in [s for s in self._subscriptions if event.topic in s.topics]:
                subscription.put(event)

    def _event(self, topic: str) -> Update | None:
        """The topic's value now; None, and a line in the log once an episode, where it cannot be read."""
        try:
            event = Update(topic, self._read[topic]())
            event.text  # noqa: B018  # what is not JSON shows here, not at the subscribers
        except Exception:
            if topic not in self._failing:
                log.exception("events: %s cannot be read", topic)
            self._failing.add(topic)
            return None
        self._failing.discard(topic)
        return event

    def _sample_rate_hz(self) -> float:
        """How often those that change by themselves are wanted; 0: by nobody."""
        wanted = [s.rate_hz for s in self._subscriptions if not set(SAMPLED).isdisjoint(s.topics)]
        return max(wanted, default=0.0)

    def _sample(self) -> None:
        """Greenlet: read what changes by itself, while somebody is subscribed to it."""
        while (rate_hz := self._sample_rate_hz()) > 0.0:
            self._wanted.clear()
            self._wanted.wait(1.0 / rate_hz)  # a new subscriber may want it more often
            self.publish(*SAMPLED)
        self._sampler = None


def _essence(event: Update) -> str:
    """The part of an event that differs only where something has changed."""
    return json.dumps(_without_volatile(event.data)) if event.topic == "state" else event.text


def _without_volatile(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _without_volatile(value) for name, value in data.items() if name not in _VOLATILE}
    return [_without_volatile(value) for value in data] if isinstance(data, list) else data
