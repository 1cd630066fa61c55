"""The source `auto`: a webcam, else the built-in portrait."""

from __future__ import annotations

import logging

from livewarp.errors import SourceError
from livewarp.sources.plan import Plan, Request, Source
from livewarp.sources.webcam import WebcamOpener

_log = logging.getLogger(__name__)


def plan_auto(wanted: str, request: Request) -> Plan:
    """A webcam, or the portrait while no webcam has delivered yet; afterwards always that webcam."""
    webcam = WebcamOpener("", request)

    def open_any() -> Source:
        try:
            return webcam.open()
        except SourceError as error:
            if webcam.identity is not None:
                raise
            _log.info("source: no webcam delivers (%s); using the built-in portrait", error)
            from livewarp.sources.portrait import plan_portrait
            from livewarp.sources.sitters import DEMO

            return plan_portrait(DEMO.name, request).open()

    return Plan(wanted, True, *request.geometry(), open_any)
