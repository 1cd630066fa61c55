"""Knobs of every kind: one of each, defined here alone, passes every border of livewarp."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from control_fixture import FakeDaemon, Line, control, misfit
from livewarp.cli.client.commands import COMMANDS
from livewarp.cli.file_commands import COMMANDS as FILE_COMMANDS
from livewarp.cli.options import load
from livewarp.control.client import Client
from livewarp.control.protocol.presets import Presets
from livewarp.daemon.kept import Kept
from livewarp.errors import ControlError, ParameterError, SettingsError
from livewarp.filtering.glide import Glide
from livewarp.knobs import TYPES, Choice, Colour, Knob, Name, Number, Switch, from_description
from livewarp.parameters import KNOBS, Parameters, effective, knob, unknown
from livewarp.settings import load_settings

FOUR = (
    Knob("lips_depth", Number(0.0, 1.5, "mm"), 0.0, "Depth.", "lips", ("rouge",), ("none", "thick"), True, True),
    Knob("lips_gloss", Switch(), False, "Gloss.", "lips", ("shine",), ("matt", "wet"), True, True),
    Knob("lips_colour", Colour(), "#c02040", "Colour.", "lips", ("red",), None, True, True),
    Knob("lips_shape", Choice(("natural", "cupid", "round")), "natural", "Shape.", "lips", (), None, True, True),
    Knob("lips_print", Name(), "plain", "Print.", "lips", ("own",), None, True, True),
)
NAMES = [knob.name for knob in FOUR]
VALUES = {
    "lips_depth": 1.25,
    "lips_gloss": True,
    "lips_colour": "#0a64ff",
    "lips_shape": "cupid",
    "lips_print": "my-print_2",
}
TYPED = {
    "lips_depth": "1.25",
    "lips_gloss": "on",
    "lips_colour": "#0A64FF",
    "lips_shape": "cupid",
    "lips_print": "my-print_2",
}
DEFAULTS = {knob.name: knob.default for knob in FOUR}


@pytest.fixture(autouse=True)
def _four() -> Iterator[None]:
    """One knob of each kind, while a test runs."""
    KNOBS.update({knob.name: knob for knob in FOUR})
    yield
    for name in NAMES:
        del KNOBS[name]


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    """Presets in a folder of their own."""
    return Presets(tmp_path / "presets")


@pytest.fixture
def daemon() -> FakeDaemon:
    """A daemon that has the four."""
    return FakeDaemon()


@pytest.fixture
def address(daemon: FakeDaemon, presets: Presets) -> Iterator[str]:
    """Where it answers."""
    with control(daemon, presets=presets) as server:
        yield str(server.address)


def run(*arguments: str, address: str = "") -> str:
    """What a command prints; it must end well."""
    group = click.Group("livewarp", commands=[*COMMANDS, *FILE_COMMANDS])
    result = CliRunner().invoke(group, arguments, env={"LIVEWARP_CONTROL": address})
    assert result.exit_code == 0, result.output
    return result.output


def config(tmp_path: Path, text: str) -> Path:
    """A config file with these parameters."""
    path = tmp_path / "config.toml"
    path.write_text(f"[parameters]\n{text}\n")
    return path


ASSIGNMENTS = "\n".join(f"{name} = {json.dumps(value)}" for name, value in VALUES.items())


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("lips_depth", 1, 1.0),
        ("lips_depth", 1.5, 1.5),
        ("lips_depth", 1.6, None),
        ("lips_depth", True, None),
        ("lips_depth", "1", None),
        ("lips_gloss", True, True),
        ("lips_gloss", 1, None),
        ("lips_gloss", "on", None),
        ("lips_colour", "#ABCDEF", "#abcdef"),
        ("lips_colour", "#abcde", None),
        ("lips_colour", "#abcdef\n", None),
        ("lips_colour", "red", None),
        ("lips_colour", "#12345\u0661", None),
        ("lips_colour", 0, None),
        ("lips_shape", "round", "round"),
        ("lips_shape", "Round", None),
        ("lips_shape", "", None),
        ("lips_shape", ["round"], None),
        ("lips_print", "a", "a"),
        ("lips_print", "../a", None),
        ("lips_print", "a.jpg", None),
        ("lips_print", "a\n", None),
        ("lips_print", "", None),
        ("lips_print", "a" * 41, None),
    ],
)
def test_check_gives_the_value_in_its_own_type(name: str, value: object, accepted: object) -> None:
    """Each kind accepts its own values, in one form, and the error for all others says what is allowed."""
    if accepted is not None:
        assert repr(Parameters(**{name: value})[name]) == repr(accepted)  # type: ignore[arg-type]
        return
    with pytest.raises(ParameterError) as caught:
        Parameters(**{name: value})  # type: ignore[arg-type]
    assert (caught.value.name, caught.value.got, caught.value.allowed) == (name, value, KNOBS[name].kind.allowed)


def test_what_is_typed_is_what_is_shown() -> None:
    """A person types what a table shows, and each kind reads it back."""
    for name, value in VALUES.items():
        kind = KNOBS[name].kind
        assert KNOBS[name].parse(TYPED[name]) == value
        assert KNOBS[name].parse(kind.show(value)) == value
        assert all(kind.check(kind.read(word)) is not None for word in kind.words)
    with pytest.raises(ParameterError, match="lips_shape: got 'oval', allowed: one of natural, cupid, round"):
        KNOBS["lips_shape"].parse("oval")
    with pytest.raises(ParameterError, match="lips_colour: got 'red', allowed: a colour as #rrggbb"):
        KNOBS["lips_colour"].parse("red")


def test_every_kind_comes_back_from_its_description() -> None:
    """A client makes the same knob of what `describe` says, and refuses a kind that it does not know."""
    assert {knob.kind.describe()["type"] for knob in FOUR} == TYPES.keys()
    for each in FOUR:
        described = json.loads(json.dumps(each.describe()))
        assert from_description(each.name, described).kind == each.kind
    with pytest.raises(ControlError, match="got curve, allowed: float, bool, colour, choice, name"):
        from_description("tone", {"type": "curve"})


def test_config_toml_gives_the_values_to_start_with(tmp_path: Path) -> None:
    """[parameters] takes colours and choices, and its errors name file, key, got and allowed."""
    path = config(tmp_path, ASSIGNMENTS)
    assert {name: load_settings(path).start_parameters()[name] for name in NAMES} == VALUES
    for text, told in (
        ('lips_shape = "oval"', r"lips_shape: got 'oval', allowed: one of natural, cupid, round"),
        ('lips_colour = "red"', r"lips_colour: got 'red', allowed: a colour as #rrggbb"),
        ("lips_gloss = 1", r"lips_gloss: got 1, allowed: true or false"),
        ("lips_depth = 2", r"lips_depth: got 2, allowed: a number from 0 to 1\.5"),
    ):
        with pytest.raises(SettingsError, match=rf"config\.toml: \[parameters\] parameter {told}"):
            load_settings(config(tmp_path, text))


def test_options_go_over_the_file(tmp_path: Path) -> None:
    """--set takes every kind as a person types it."""
    path = config(tmp_path, 'lips_colour = "#000000"')
    _, start = load(path, tuple(f"{name}={text}" for name, text in TYPED.items()))
    assert {name: start[name] for name in NAMES} == VALUES


def test_the_line_port_carries_every_kind(address: str) -> None:
    """`set`, `get`, `reset` and the event speak plain JSON values, as the schema says; only numbers are adjusted."""
    with Line(tuple(address.split(":"))) as line:  # type: ignore[arg-type]
        line.ask("subscribe", {"topics": ["parameters"]})
        first = line.reply()["params"]["data"]
        assert {name: first[name] for name in NAMES} == DEFAULTS
        assert line.ask("set", VALUES)["result"] == VALUES
        told = line.reply()["params"]["data"]
        assert {name: told[name] for name in NAMES} == VALUES
        document = line.ask("schema")["result"]
        assert misfit(told, document["$defs"]["parameters"], document) is None
        assert misfit({**told, "lips_shape": "oval"}, document["$defs"]["parameters"], document) is not None
        assert line.ask("get", {"names": NAMES})["result"] == VALUES
        error = line.ask("set", {"lips_depth": 0.5, "lips_shape": "oval"})["error"]
        assert (error["data"]["name"], error["data"]["got"]) == ("lips_shape", "oval")
        for name in ("lips_gloss", "lips_colour", "lips_shape"):
            error = line.ask("adjust", {"by": {name: 1}})["error"]
            assert (error["code"], error["data"]["name"]) == (-32602, name)
        assert line.ask("adjust", {"by": {"lips_depth": 0.5}})["result"] == {"lips_depth": 1.5}
        assert line.ask("reset", {"names": NAMES})["result"] == DEFAULTS


def test_describe_says_all_that_a_panel_needs(address: str) -> None:
    """`describe` has the kind's facts and the knob's words, the same members for every kind, as the schema says."""
    with Client(address) as client:
        described, document = client.call("describe"), client.call("schema")
    assert misfit(described, document["methods"]["describe"]["result"], document) is None
    facts = {name: (d["type"], d["min"], d["max"], d["choices"], d["unit"]) for name, d in described.items()}
    assert [facts[name] for name in NAMES] == [
        ("float", 0.0, 1.5, None, "mm"),
        ("bool", None, None, None, ""),
        ("colour", None, None, None, ""),
        ("choice", None, None, ["natural", "cupid", "round"], ""),
        ("name", None, None, None, ""),
    ]
    lips_depth = described["lips_depth"]
    assert (lips_depth["area"], lips_depth["group"], lips_depth["keywords"]) == ("lips", "lips", ["rouge"])
    assert (lips_depth["ends"], lips_depth["scaled"], lips_depth["in_presets"]) == (["none", "thick"], True, True)
    assert described["lips_colour"]["ends"] is None
    assert len({frozenset(d) for d in described.values()}) == 1


def test_presets_hold_every_kind(presets: Presets) -> None:
    """A saved preset gives back colours, choices and switches; what it does not name is neutral."""
    presets.save("mine", Parameters(**VALUES))
    for each in (presets, Presets(presets.folder)):
        assert {name: each.values("mine")[name] for name in NAMES} == VALUES
    assert tomllib.loads((presets.folder / "mine.toml").read_text()).items() >= VALUES.items()
    assert {name: presets.values("slim")[name] for name in NAMES} == DEFAULTS
    (presets.folder / "bad.toml").write_text('lips_colour = "red"')
    [problem] = presets.listing()["problems"]
    assert "lips_colour: got 'red', allowed: a colour as #rrggbb" in problem["what"]


def test_every_kind_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The next start has the values of the last, and the log names them as people write them."""
    kept = Kept(tmp_path / "kept.json")
    start, _ = kept.load(Parameters())
    kept.note(start.replace(**VALUES), False)
    kept.write()
    with caplog.at_level("INFO"):
        again, _ = Kept(tmp_path / "kept.json").load(Parameters())
    assert {name: again[name] for name in NAMES} == VALUES
    assert "lips_depth=1.25, lips_gloss=on, lips_colour=#0a64ff, lips_shape=cupid" in caplog.text
    changed, _ = Kept(tmp_path / "kept.json").load(Parameters(lips_colour="#ffffff"))
    assert changed["lips_colour"] == "#ffffff"  # its setting has changed since


def test_a_change_glides_as_its_kind_does() -> None:
    """Numbers and colours pass through what lies between; switches and choices are there from the first frame on."""
    glide = Glide(0.2)
    glide.at(Parameters(lips_colour="#000000"), 0.0)
    end = Parameters(**(VALUES | {"lips_colour": "#ff8000"}))
    half = glide.at(end, 0.1)
    assert half["lips_depth"] == pytest.approx(0.625)
    assert (half["lips_gloss"], half["lips_colour"], half["lips_shape"]) == (True, "#804000", "cupid")
    assert glide.at(end, 0.2) is end


def test_strength_scales_what_says_so_once() -> None:
    """Strength and enabled go into the knobs that they scale, into no other, and a second time changes nothing."""
    values = effective(Parameters(**VALUES, thin=0.5, strength=0.5, mirror=True, overlay=True))
    assert (values["lips_depth"], values["thin"]) == (0.625, 0.25)
    assert (values["lips_gloss"], values["lips_colour"], values["lips_shape"]) == (True, "#0a64ff", "cupid")
    assert effective(values) == values
    off = effective(Parameters(**VALUES, thin=0.5, enabled=False, mirror=True, overlay=True))
    assert (off["lips_depth"], off["thin"], off["lips_gloss"]) == (0.0, 0.0, False)
    assert (off["mirror"], off["overlay"]) == (True, True)
    assert all(value == 0.0 for name, value in off.items() if KNOBS[name].kind == Number(-1.0, 1.0))


def test_the_commands_take_and_show_every_kind(address: str) -> None:
    """`set` takes what a person types, `get` and `describe` show it, and += is for numbers."""
    said = run("set", *(f"{name}={text}" for name, text in TYPED.items()), address=address)
    assert said.splitlines() == [
        "lips_depth: 0 -> 1.25",
        "lips_gloss: off -> on",
        "lips_colour: #c02040 -> #0a64ff",
        "lips_shape: natural -> cupid",
        "lips_print: plain -> my-print_2",
    ]
    assert run("get", "lips_colour", "lips_shape", address=address).split() == [
        *("lips_colour", "#0a64ff"),
        *("lips_shape", "cupid"),
    ]
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in run("describe", address=address).splitlines()}
    assert rows["lips_depth"] == "1.25 0 0 to 1.5 mm Depth."
    assert rows["lips_gloss"] == "on off on, off Gloss."
    assert rows["lips_colour"] == "#0a64ff #c02040 #rrggbb Colour."
    assert rows["lips_shape"] == "cupid natural natural, cupid, round Shape."
    group = click.Group("livewarp", commands=list(COMMANDS))
    result = CliRunner().invoke(group, ["set", "--control", address, "lips_shape+=1"])
    assert (result.exit_code, "for a parameter that is a number" in result.output) == (2, True)


@pytest.mark.parametrize(
    ("before", "begun", "words"),
    [
        ((), "lips_s", ["lips_shape="]),
        ((), "lips_shape=", ["lips_shape=natural", "lips_shape=cupid", "lips_shape=round"]),
        ((), "lips_gloss=of", ["lips_gloss=off"]),
        (("lips_shape", "="), "c", ["cupid"]),  # as bash splits the word
        (("lips_shape",), "=", ["natural", "cupid", "round"]),
        ((), "lips_colour=", []),
        ((), "gone=", []),
        (("thin=1",), "lips_g", ["lips_gloss="]),
    ],
)
def test_values_complete(
    address: str, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...], begun: str, words: list[str]
) -> None:
    """A shell offers the choices of a choice and the words of a switch, however it splits at the equals sign."""
    monkeypatch.setenv("LIVEWARP_CONTROL", address)
    group = click.Group("livewarp", commands=list(COMMANDS))
    found = ShellComplete(group, {}, "livewarp", "_LIVEWARP_COMPLETE").get_completions(["set", *before], begun)
    assert [item.value for item in found] == words


def test_preset_commands_show_what_a_preset_changes(address: str) -> None:
    """Of a preset a person sees what it changes, not every colour and choice at its default."""
    assert "lips" not in run("preset", "natural", address=address)
    run("set", *(f"{name}={text}" for name, text in TYPED.items()), address=address)
    run("preset", "save", "mine", address=address)
    [mine] = [line for line in run("preset", "list", address=address).splitlines() if line.startswith("mine")]
    assert mine.endswith("lips_depth 1.25, lips_gloss on, lips_colour #0a64ff, lips_shape cupid, lips_print my-print_2")


def test_parameters_lists_every_kind() -> None:
    """`livewarp parameters` shows range and value of each kind, without a daemon."""
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in run("parameters").splitlines()}
    assert rows["lips_depth"] == "0 to 1.5 mm 0 Depth."
    assert rows["lips_shape"] == "natural, cupid, round natural Shape."


def test_an_unknown_name_suggests_the_nearest() -> None:
    """A slip of the finger is answered with the name that was meant, nonsense with the list alone."""
    with pytest.raises(ParameterError, match=r"allowed: enabled, .*; did you mean lips_depth\?"):
        knob("lips_dept")
    assert unknown("qqqq", KNOBS).remedy == ""
    assert unknown("x" * 100_000, KNOBS).remedy == ""


# Words that are the thing itself, so that no prefix is missing.
PLAIN = {"nostrils", "smile", "upper_lip", "lower_lip", "under_eye", "smile_lines", "teeth", "eye_bright", "hide_alone"}
PLAIN.add("pupils")


def test_names_say_what_they_are_about() -> None:
    """A knob of the eyes, brows, nose, mouth, skin or background begins with that name, but for words of their own."""
    for each in KNOBS.values():
        if each.group in ("eyes", "brows", "nose", "mouth", "skin", "background") and each not in FOUR:
            assert each.name.startswith(each.group.removesuffix("s")) != (each.name in PLAIN)


def test_every_knob_has_words_for_those_who_search() -> None:
    """Each built-in knob has keywords, and words for both ends if it has such, none twice or as its name is."""
    for each in KNOBS.values():
        if each not in FOUR:
            assert (each.ends is None) == isinstance(each.kind, (Colour, Choice, Name))
            assert len(set(each.ends or "ab")) == 2
            assert each.keywords
            assert len(set(each.keywords)) == len(each.keywords)
            assert not {each.name, each.help} & set(each.keywords)


@pytest.mark.parametrize(
    ("text", "value"), [("50%", 0.5), ("0,5", 0.5), (" .5 ", 0.5), ("-20 %", -0.2), ("%", None), ("1,0,0", None)]
)
def test_numbers_as_people_write_them(text, value):
    """A number may be a percentage, and have a decimal comma."""
    assert Number(-1, 1).read(text) == value
