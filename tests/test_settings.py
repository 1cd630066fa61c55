"""Settings: defaults < file < options, and errors that name the place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livewarp.adjustments import ADJUSTMENTS
from livewarp.errors import SettingsError
from livewarp.parameters import KNOBS, Parameters, define
from livewarp.settings import Settings, defaults, find_config, load_settings
from livewarp.warping import Warp
from samples import face_at

SHIPPED = Path(__file__).parents[1] / "config.toml"


def config(tmp_path: Path, text: str) -> Path:
    """A config file with this text."""
    path = tmp_path / "config.toml"
    path.write_text(text)
    return path


def test_the_shipped_config_equals_the_defaults() -> None:
    """Copying config.toml changes nothing."""
    shipped = tomllib.loads(SHIPPED.read_text())
    assert load_settings(SHIPPED).start_parameters() == Settings().start_parameters()
    for table, values in defaults().items():
        given = shipped[table]
        for key, value in values.items():
            assert given.get(key) == (list(value) if isinstance(value, tuple) else value), f"[{table}] {key}"


def test_the_shipped_config_shows_every_setting() -> None:
    """Each key stands in it with a comment above, those without a default as a comment."""
    text = SHIPPED.read_text()
    for table, values in defaults().items():
        section = text.split(f"[{table}]\n")[1].split("\n[")[0]
        for key in values:
            assert re.search(rf"^(# )?{key} = ", section, re.MULTILINE), f"[{table}] {key}"


def test_options_go_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    """Each layer changes what it names and nothing else."""
    path = config(tmp_path, "[video]\nwidth = 640\nheight = 480\n[parameters]\nthin = 0.1\neyes = 0.2\n")
    options = {"video": {"width": 800, "source": None}, "parameters": {"eyes": 0.9}}
    settings = load_settings(path, options)
    assert (settings.video.width, settings.video.height, settings.video.source) == (800, 480, "auto")
    parameters = settings.start_parameters()
    assert (parameters["thin"], parameters["eyes"], parameters["strength"]) == (0.1, 0.9, 1.0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[video]\nwidth = 5", r"\[video\] width: got 5, allowed: 16 to 7680"),
        ('[video]\nwidth = "wide"', r"\[video\] width: got 'wide', allowed: integer"),
        ("[video]\nfps = nan", r"\[video\] fps: got nan, allowed: 1 to 240"),
        ("[video]\nwidht = 640", r"\[video\] widht: unknown key; allowed: source, sinks, width"),
        ("[tracking]\nmax_faces = true", r"\[tracking\] max_faces: got True, allowed: integer"),
        ("[vidoe]\nwidth = 640", r"\[vidoe\]: unknown table; allowed: video, tracking"),
        ('[log]\nlevel = "loud"', r"\[log\] level: got 'loud', allowed: 'quiet', 'normal' or 'verbose'"),
        ("[parameters]\nthin = 2", r"\[parameters\] parameter thin: got 2, allowed: a number from 0 to 1.5"),
        ("[parameters]\nthick = 1", r"\[parameters\] unknown parameter 'thick'; allowed: enabled"),
        ("video = 3", r"\[video\]: got 3"),
        ("[video", "not valid TOML"),
    ],
)
def test_an_error_names_file_table_key_value_and_bounds(tmp_path: Path, text: str, told: str) -> None:
    """One line tells where it is wrong, what it got and what is allowed."""
    path = config(tmp_path, text)
    with pytest.raises(SettingsError, match=told) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binary_file_is_refused_in_words(tmp_path: Path) -> None:
    """A corrupt file is no traceback."""
    path = tmp_path / "config.toml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(SettingsError, match="not valid TOML"):
        load_settings(path)


def test_the_working_directory_comes_before_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """config.toml is looked for here first, then where the user keeps settings."""
    home = tmp_path / "home"
    (home / "livewarp").mkdir(parents=True)
    (home / "livewarp" / "config.toml").touch()
    monkeypatch.setattr("livewarp.settings.user_config_path", lambda name: home / name)
    monkeypatch.chdir(tmp_path)
    assert find_config() == home / "livewarp" / "config.toml"
    (tmp_path / "config.toml").touch()
    found = find_config()
    assert found is not None
    assert found.resolve() == tmp_path / "config.toml"


def test_an_explicit_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    """--config never falls back in silence."""
    with pytest.raises(SettingsError, match=r"gone\.toml.*No such file"):
        load_settings(find_config(tmp_path / "gone.toml"))


ELF = """
[adjustments.elf]
help = "A pointed chin."
minimum = 0
strokes = [{ kind = "shift", anchor = [8], radius = [0.4, 0.5], amount = [0, 0.1], paired = false }]
[parameters]
elf = 0.5
"""


@pytest.fixture
def elf(tmp_path: Path) -> Iterator[Settings]:
    """Settings with an adjustment of one's own, which is defined meanwhile."""
    settings = load_settings(config(tmp_path, ELF))
    (own,) = settings.own_adjustments()
    define(own)
    yield settings
    del ADJUSTMENTS["elf"], KNOBS["elf"]


def test_a_persons_own_adjustment_is_a_parameter_like_any_other(elf: Settings) -> None:
    """Defined at start, it has a knob and a value, and it moves what its strokes say."""
    assert elf.start_parameters()["elf"] == 0.5
    assert KNOBS["elf"].describe()["min"] == 0
    frame = np.random.default_rng(1).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    face = face_at(100, 60, 50)
    parameters = Parameters(**(dict.fromkeys(ADJUSTMENTS, 0.0) | {"elf": 0.5}))
    changed = (Warp().apply(frame, [face], parameters) != frame).any(axis=2)
    chin = face.landmarks[8].round().astype(int)
    assert changed[chin[1], chin[0]]
    assert not changed[:100].any()


DEFINED_BEFORE = """
import sys
from pathlib import Path
from livewarp.adjustments import Adjustment, Stroke
from livewarp.parameters import define
define(Adjustment("elf", "face", "", ("", ""), (), (Stroke("shift", (8,), (0.4, 0.5), (0.0, 0.1)),)))
from livewarp.settings import load_settings
print(*(own.name for own in load_settings(Path(sys.argv[1])).own_adjustments()))
"""


def test_what_is_built_in_does_not_depend_on_the_order_of_imports(tmp_path: Path) -> None:
    """An own adjustment that was defined before the settings were imported is no built-in one; a built-in one stays."""
    done = subprocess.run(
        [sys.executable, "-c", DEFINED_BEFORE, str(config(tmp_path, ELF))], capture_output=True, text=True, timeout=500
    )
    assert (done.stdout, done.stderr) == ("elf\n", "")
    define(ADJUSTMENTS["thin"])
    with pytest.raises(SettingsError, match="is built in"):
        load_settings(config(tmp_path, ELF.replace("elf", "thin")))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[adjustments.thin]\nstrokes = [STROKE]", r"\[adjustments\.thin\]: is built in"),
        ("[adjustments.Elf]\nstrokes = [STROKE]", r"\[adjustments\.Elf\]"),
        ("[adjustments.elf]\nhelp = 'no strokes'", r"\[adjustments\.elf\] strokes: .*[Rr]equired"),
        ("[adjustments.elf]\nstrokes = []", r"\[adjustments\.elf\] strokes: got .*at least 1"),
        (
            "[adjustments.elf]\nstroke = [STROKE]\nstrokes = [STROKE]",
            r"elf\] stroke: unknown key; allowed: help, ends, keywords",
        ),
        ("[adjustments.elf]\nstrokes = [STROKE]\ndefault = 2", r"elf\] default: got 2, allowed: -1 to 1"),
        (
            "[adjustments.elf]\nstrokes = [{ kind = 'push', anchor = [8], radius = [1, 1], amount = [0, 0] }]",
            r"elf\] strokes\.0\.kind: got 'push', allowed: 'shift' or 'scale'",
        ),
        (
            "[adjustments.elf]\nstrokes = [{ kind = 'shift', anchor = [68], radius = [1, 1], amount = [0, 0] }]",
            r"elf\] strokes\.0\.anchor\.0: got 68, allowed: less than 68",
        ),
        (
            "[adjustments.elf]\nstrokes = [{ kind = 'shift', anchor = [8], radius = [1, 9], amount = [0, 0] }]",
            r"elf\] strokes\.0\.radius\.1: got 9, allowed: less than or equal to 3",
        ),
        (
            "[adjustments.elf]\nstrokes = [{ kind = 'shift', anchor = [8], radius = [1], amount = [0, 0] }]",
            r"elf\] strokes\.0\.radius",
        ),
        (
            "[adjustments.elf]\nstrokes = [{ kind = 'shift', where = 8 }]",
            r"elf\] strokes\.0\.",
        ),
    ],
)
def test_a_wrong_adjustment_of_ones_own_names_the_key(tmp_path: Path, text: str, told: str) -> None:
    """The error leads to the very number that is wrong."""
    stroke = "{ kind = 'shift', anchor = [8], radius = [1, 1], amount = [0, 0.1] }"
    with pytest.raises(SettingsError, match=told) as caught:
        load_settings(config(tmp_path, text.replace("STROKE", stroke)))
    assert "\n" not in str(caught.value)


def test_the_example_in_the_docs_is_one(tmp_path: Path) -> None:
    """What docs/adjustments.md tells people to write is accepted."""
    page = (SHIPPED.parent / "docs" / "adjustments.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    (own,) = load_settings(config(tmp_path, example)).own_adjustments()
    assert (own.name, len(own.strokes)) == ("elf", 2)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"x = " + b"[" * 30_000, "nested too deeply"),
        ("[video]".encode("utf-16"), "UTF-16"),
        (b"#" * 1_000_001, "over 1000000 bytes"),
        (None, "no regular file"),
    ],
)
def test_a_config_that_cannot_be_one_is_one_line(tmp_path, content, said):
    """A file that is nested without end, in another encoding, a giant or a pipe is refused; none of them hangs."""
    path = tmp_path / "config.toml"
    if content is None:
        os.mkfifo(path)
    else:
        path.write_bytes(content)
    with pytest.raises(SettingsError, match=said):
        load_settings(path)


def test_a_byte_order_mark_is_read_over(tmp_path):
    """A config that Notepad wrote begins with a byte order mark and has lines that end in CR LF."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"\xef\xbb\xbf[parameters]\r\nthin = 0.5\r\n")
    assert load_settings(path).parameters == {"thin": 0.5}
