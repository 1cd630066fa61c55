"""Checks of what a run needs: free ports and a processor that is fast enough."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from livewarp.control.address import Address, parse_address
from livewarp.doctor.case import is_free, owner_of
from livewarp.doctor.finding import Finding, note, ok, problem
from livewarp.errors import LivewarpError

if TYPE_CHECKING:
    from livewarp.doctor.case import Case

BENCHMARK_S = 2.0
_WARM_FRAMES = 10  # the face has to be found first, and what is compiled late is compiled once
LEAST_FPS = 10.0  # a call with less is no call
# Frames a second that this machine could do, over those asked for → in words.
_WORDS = ((4.0, "with ease"), (2.0, "with room to spare"), (1.3, "comfortably"), (1.0, "just about"))
_SMALLER = ((960, 540), (640, 360), (480, 270), (320, 180))


def ports(case: Case) -> Finding:
    """Whether the ports are free, and who has them otherwise."""
    control = case.settings.control
    try:
        addresses = {name: parse_address(getattr(control, name)) for name in ("address", "panel")}
    except LivewarpError as error:
        return problem(str(error), "livewarp run --control 127.0.0.1:8787 --panel 127.0.0.1:8788")
    if case.running is not None:
        state = case.running.state.get("state", "?")
        return ok(f"{case.running} runs already, and is {state}", pid=case.running.pid, state=state)
    taken = {name: address for name, address in addresses.items() if address.port and not is_free(address)}
    if not taken:
        return ok(f"free: {', '.join(map(str, addresses.values()))}")
    owners = {name: owner_of(address) for name, address in taken.items()}
    texts = []
    for name, address in taken.items():
        owner = owners[name]
        texts.append(f"{address} is taken by {f'{owner[1]} (pid {owner[0]})' if owner else 'another program'}")
    options = {"address": "--control", "panel": "--panel"}
    others = " ".join(f"{options[name]} {_next_free(address)}" for name, address in taken.items())
    return problem("; ".join(texts), f"livewarp run {others}", owners=owners)


def budget(case: Case, clock: Callable[[], float] = time.perf_counter) -> Finding:
    """How many frames a second this machine can filter at the size of the settings: measured, on the portrait."""
    from livewarp.filtering.filter import FaceFilter
    from livewarp.sources import DEFAULT_FPS, DEFAULT_HEIGHT, DEFAULT_WIDTH, open_source
    from livewarp.tracking import FaceTracker

    video, tracking = case.settings.video, case.settings.tracking
    width, height, fps = video.width or DEFAULT_WIDTH, video.height or DEFAULT_HEIGHT, video.fps or DEFAULT_FPS
    source = open_source("portrait", width, height, fps)
    try:
        face_filter = FaceFilter(tracker=FaceTracker.from_settings(tracking))
        frame = np.empty((source.height, source.width, 3), np.uint8)
        face_filter.warm_up(source.height, source.width)
        took_s: list[float] = []
        began_s = 0.0
        while len(took_s) <= _WARM_FRAMES or clock() - began_s < BENCHMARK_S:
            if len(took_s) == _WARM_FRAMES:
                began_s = clock()
            timestamp_s = source.read(frame)
            assert timestamp_s is not None  # the portrait never ends
            before_s = clock()
            face_filter.render(frame, face_filter.track(frame, timestamp_s), frame)
            took_s.append(clock() - before_s)
        del took_s[:_WARM_FRAMES]
        face_filter.close()
    finally:
        source.close()
    possible, p95_ms = 1.0 / float(np.mean(took_s)), 1e3 * float(np.percentile(took_s, 95))
    data = {"fps": round(possible, 1), "p95_ms": round(p95_ms, 2), "width": width, "height": height, "asked": fps}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    busy = f"; the machine is busy now (load {load:.1f})" if load > (os.cpu_count() or 1) else ""
    said = f"{width}x{height}: {possible:.0f} fps possible, {p95_ms:.1f} ms a frame (p95)"
    words = next((words for factor, words in _WORDS if possible >= factor * fps), None)
    if words is not None:
        return ok(f"{said}: {fps:g} fps {words}", **data)
    # The cost falls more slowly than the number of pixels: the face's own part stays.
    small = next((size for size in _SMALLER if size[0] * size[1] < 0.6 * width * height), _SMALLER[-1])
    verdict = problem if possible < LEAST_FPS else note
    remedy = f"livewarp run --width {small[0]} --height {small[1]}"
    return verdict(f"{said}: too slow for {fps:g} fps{busy}", remedy, **data)


def _next_free(address: Address) -> Address:
    """A free port near one that is taken."""
    near = (Address(address.host, port) for port in range(address.port + 2, min(address.port + 100, 65_536)))
    return next((other for other in near if is_free(other)), Address(address.host, 0))
