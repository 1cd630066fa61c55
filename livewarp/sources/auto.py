"""The source `auto`: a webcam, else a camera of the PipeWire session, else the built-in portrait."""

from __future__ import annotations

import contextlib
import logging

from livewarp.errors import SourceError
from livewarp.sources.plan import Plan, Request, Source
from livewarp.sources.sessioncamera import plan_session
from livewarp.sources.sessionnodes import PREFIX, camera_nodes
from livewarp.sources.webcam import WebcamOpener

_log = logging.getLogger(__name__)


def plan_auto(wanted: str, request: Request) -> Plan:
    """A webcam, or the portrait while no webcam has delivered yet; afterwards always that webcam.

    A laptop with a MIPI camera has it in PipeWire alone; cameras that programs made are no webcams.
    """
    webcam = WebcamOpener("", request)
    chosen: list[Plan] = []  # the camera of the session that has delivered

    def open_any() -> Source:
        if chosen:
            return chosen[0].open()
        try:
            return webcam.open()
        except SourceError as error:
            if webcam.identity is not None:
                raise
            for node in camera_nodes():
                plan = plan_session(f"{PREFIX}:{node.name}", request)
                if not node.virtual:
                    with contextlib.suppress(SourceError):
                        source = plan.open()
                        chosen.append(plan)
                        return source
            _log.info("source: no webcam delivers (%s); using the built-in portrait", error)
            from livewarp.sources.portrait import plan_portrait
            from livewarp.sources.sitters import DEMO

            return plan_portrait(DEMO.name, request).open()

    return Plan(wanted, True, *request.geometry(), open_any)
