"""The tables of sources and sinks: what they list is what options, devices and doctor know."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from livewarp import sinks, sources
from livewarp.cli.main import cli
from livewarp.daemon.report import sources_of
from livewarp.doctor import checks, devices, webcams
from livewarp.doctor.case import Case
from livewarp.doctor.virtual_cameras import visible_sinks
from livewarp.errors import Problem, SettingsError
from livewarp.settings import Settings
from livewarp.sinks.places import CameraPlace
from livewarp.sources import Plan, Request, SourceChoice
from livewarp.sources.attached import AttachedCamera
from livewarp.sources.portrait import plan_portrait
from machine_fixture import FakeMachine


@pytest.mark.parametrize("form", [form for kind in (*sources.SOURCE_KINDS, *sinks.SINK_KINDS) for form in kind.forms])
def test_options_name_every_form(form: str) -> None:
    """`livewarp run --help` has all that --source and --sink take."""
    assert form in " ".join(CliRunner().invoke(cli, ["run", "--help"]).output.split())


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("auto", "auto"),
        ("webcam", "webcam"),
        ("webcam:12", "webcam"),
        ("webcam:/dev/video2", "webcam"),
        ("portrait", "portrait"),
        ("portrait:2", "portrait"),
        ("talk.mp4", ""),
        ("webcamera", ""),
        ("C:\\films\\talk.mp4", ""),
    ],
)
def test_a_text_asks_for_one_kind_of_source(wanted: str, name: str) -> None:
    """What stands before the colon names the kind; any other text is a path."""
    assert sources.source_kind(wanted).name == name


@pytest.mark.parametrize("wanted", ["", "webcam:", "webcam:x", "webcam:1000", "portrait:3"])
def test_a_kind_of_source_takes_its_own_forms_only(wanted: str) -> None:
    """What begins like a kind and is none of its forms is refused, with all forms."""
    with pytest.raises(SettingsError) as caught:
        sources.source_kind(wanted)
    assert caught.value.allowed == sources.ALLOWED


@pytest.mark.parametrize("wanted", ["/a.mp4", "a.mp4", "webcam:/dev/video0", "webcam:x", "", "webcam:1/../x"])
def test_what_may_be_a_path_counts_as_one(wanted: str) -> None:
    """A file, a device node and whatever is refused are kept from those who may not read files here."""
    assert sources.names_path(wanted)


@pytest.mark.parametrize("wanted", ["auto", "webcam", "webcam:1", "portrait"])
def test_what_names_no_path(wanted: str) -> None:
    """Kinds and indices are for everybody who reaches the port."""
    assert not sources.names_path(wanted)


def test_a_sink_says_whether_it_records(tmp_path: Path) -> None:
    """A file keeps what it gets, null does not; the file is the one that will be written."""
    wanted = f"file:{tmp_path / 'out.mp4'}"
    for text, records in (("null", False), (wanted, True)):
        [sink] = sinks.open_sinks(text, 64, 48, 25.0)
        assert sink.records is records
        sink.close()
    assert sinks.written_file(wanted) == tmp_path / "out.mp4"
    assert sinks.written_file("null") is None


def test_naming_sources_and_sinks_loads_nothing_heavy() -> None:
    """Commands that only check or complete such a text start without OpenCV and numpy."""
    script = "import sys; from livewarp import sinks, sources\n"
    script += "sources.check_source('webcam:0'); sinks.sink_kind('pipewire'); sources.names_path('a.mp4')\n"
    script += "assert not {'cv2', 'numpy', 'dlib', 'numba', 'pydantic'} & set(sys.modules), 'heavy'"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stderr


class Running:
    """What `sources_of` reads of an engine."""

    source_name = "card of colours"


@pytest.fixture
def more_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables with one more source, which is a device and can be chosen, and one more sink, which is a camera."""

    def plan(wanted: str, request: Request) -> Plan:
        return plan_portrait(wanted, request)

    more_sources = (
        sources.SourceKind(
            "card",
            ("card",),
            "card",
            plan,
            choices=lambda: [SourceChoice("card", "test card", "card")],
            devices=lambda machine: (AttachedCamera("card0", "card", "Test card", "paper", problem=Problem("torn")),),
        ),
        *sources.SOURCE_KINDS,
    )
    trouble = Problem("the screen is off", "switch it on")
    more_sinks = (
        *sinks.SINK_KINDS,
        sinks.SinkKind(
            "screen",
            ("screen",),
            "screen",
            lambda rest, geometry: None,
            camera=True,
            places=lambda machine: (CameraPlace("screen", "screen", "Screen", "the room", False, problem=trouble),),
        ),
    )
    for module in (sources, devices, sys.modules["livewarp.daemon.report"]):
        monkeypatch.setattr(module, "SOURCE_KINDS", more_sources)
    for module in (sinks, devices, checks):
        monkeypatch.setattr(module, "SINK_KINDS", more_sinks)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the machine is a Linux one")
def test_one_more_entry_is_one_more_kind(more_kinds: None, tmp_path: Path) -> None:
    """A source and a sink that are in the tables can be planned, chosen and listed, and doctor examines them."""
    assert sources.plan_source("card", 64, 48, 5.0).open().width == 64
    chosen = [entry for entry in sources_of(Running(), "card") if entry["current"]]  # type: ignore[arg-type]
    assert chosen == [{"source": "card", "name": "test card", "current": True}]
    machine = FakeMachine(tmp_path).machine
    text = devices.devices_as_text(machine)
    assert "--source card" in text
    assert "the screen is off" in text
    examined = Case(machine, Settings(video={"source": "card", "sinks": ["screen"]}))  # type: ignore[arg-type]
    assert "torn" in webcams.delivering_source(examined).text
    assert visible_sinks(examined).verdict == "ok"
    [check] = [check for check in checks.for_machine(examined) if check.name == "screen"]
    finding = check.run(examined)
    assert (finding.verdict, finding.text, finding.remedy) == ("problem", "the screen is off", ("switch it on",))
