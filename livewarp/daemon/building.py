"""Builds the parts of the loop from Settings."""

from __future__ import annotations

import logging
from collections.abc import Callable

from livewarp.filtering.filter import FaceFilter
from livewarp.live.engine import Engine
from livewarp.live.limits import Demand, Limits
from livewarp.parameters import Parameters, Wanted
from livewarp.settings import Settings
from livewarp.sinks import Sink, open_sinks
from livewarp.sinks.preview import Preview
from livewarp.sources import Plan, Source, plan_source
from livewarp.tracking import FaceTracker
from livewarp.tracking.models import chosen_model
from livewarp.tracking.weights import weights_path

_log = logging.getLogger(__name__)


def build_engine(
    settings: Settings,
    wanted: Wanted,
    limits: Limits,
    preview: Preview,
    panel_url: str,
    on_end: Callable[[], None],
    opened: Callable[[Source], Source] = lambda source: source,
) -> tuple[Engine, Plan]:
    """The engine, which owns the sinks, and the source that it begins with.

    Parameters
    ----------
    opened
        Called with the source each time that it has been opened, in the thread that reads it.

    Raises
    ------
    LivewarpError
        The source or a sink cannot be had; the sinks that were opened before are closed.
    """
    video = settings.video
    plan = plan_source(video.source, video.width, video.height, video.fps, video.loop, video.fit).then(opened)
    _log.info("source: %s", plan.name)

    model = chosen_model(settings.tracking.model, weights_path(settings.tracking.weights))
    tracking = settings.tracking.model_copy(update={"model": model})
    settings = settings.model_copy(update={"tracking": tracking})

    def make() -> FaceFilter:
        return make_filter(settings, wanted.parameters)

    engine = Engine(
        plan,
        make,
        wanted,
        every_sink(settings, plan, panel_url),
        preview,
        model=model,
        limits=limits,
        demand=Demand(video.on_demand, video.grace),
        on_end=on_end,
    )
    return engine, plan


def make_filter(settings: Settings, parameters: Parameters) -> FaceFilter:
    """The filter with its model; takes a second."""
    return FaceFilter(parameters, FaceTracker.from_settings(settings.tracking, live=True), settings.warping.glide)


def every_sink(settings: Settings, plan: Plan, panel_url: str) -> list[Sink]:
    """Open every sink of the settings, or none."""
    sinks: list[Sink] = []
    try:
        for name in settings.video.sinks:
            opened = open_sinks(name, plan.width, plan.height, plan.fps, panel_url, settings.video.force)
            sinks += opened
            for sink in opened:
                _log.info("sink: %s", sink.name)
    except BaseException:
        for sink in sinks:
            sink.close()
        raise
    return sinks
