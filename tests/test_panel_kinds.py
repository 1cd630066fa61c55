"""The four kinds of knob in the panel: one of each, defined by these tests, in the program and a real browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from browser import Browser, Page, until
from panel_browser_fixture import LIVE, Running, launch

# What a module of livewarp does to have more knobs: it declares them, and touches nothing else.
DEFINE = """
from livewarp.knobs import Choice, Colour, Knob, Number, Switch
from livewarp.parameters import KNOBS
for knob in (
    Knob("lamp_power", Number(-0.5, 1.5), 0.25, "Light.", "lamp", ("lux",), ("dimmer", "brighter"), in_presets=True),
    Knob("lamp_warmth", Number(2000, 9000, "K"), 4000, "Its white.", "lamp", ends=("warmer", "colder")),
    Knob("lamp_on", Switch(), False, "Whether it shines.", "lamp", in_presets=True),
    Knob("lamp_tint", Colour(), "#ffcc88", "Its tint.", "lamp", ("gel", "filter foil"), in_presets=True),
    Knob("lamp_place", Choice(("above", "left_side", "behind")), "above", "Where it hangs.", "lamp", in_presets=True),
):
    KNOBS[knob.name] = knob
from livewarp.cli.main import main
main()
"""
HELD = {"lamp_power": 0.25, "lamp_on": False, "lamp_tint": "#ffcc88", "lamp_place": "above"}
OTHERS = {"lamp_power": 1.5, "lamp_on": True, "lamp_tint": "#0a1b2c", "lamp_place": "behind"}
SHOWN = """(() => {
    const input = (name) => document.getElementById(`parameter-${name}`);
    return {
        lamp_power: Number(input('lamp_power').value),
        lamp_on: input('lamp_on').checked,
        lamp_tint: input('lamp_tint').value,
        lamp_place: input('lamp_place').dataset.value,
    };
})()"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A daemon that has one knob of each kind more, and a second number with large bounds."""
    running = Running(tmp_path_factory.mktemp("daemon"), program=("-c", DEFINE))
    yield running
    running.end()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A browser for all tests here."""
    browser = launch(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, daemon: Running) -> Iterator[Page]:
    """The panel, with all values at their start."""
    daemon.call("reset")
    page = browser.page()
    page.open(daemon.link)
    page.until(LIVE)
    page.until("document.querySelector('#parameter-lamp_place') !== null")
    page.run("document.querySelector('#tab-more').click()")  # where groups stand that the panel does not know
    until(lambda: page.run(SHOWN) == HELD, "the page shows the values at their start")
    yield page
    assert page.complaints() == []
    page.close()


def values_of(daemon: Running, *names: str) -> object:
    """The values that the daemon uses."""
    return daemon.call("get", names=list(names or HELD))


def focus(page: Page, name: str, part: str = "") -> None:
    """Put the keyboard's focus on a knob's input, or on another part of its row."""
    page.run(f"document.querySelector({part!r} ? '[data-name={name}] {part}' : '#parameter-{name}').focus()")


def test_each_kind_is_changed_in_the_page(page: Page, daemon: Running) -> None:
    """A slider by mouse, a switch, a colour and a choice: what a person changes arrives in the daemon."""
    left, top, width, height = page.box("#parameter-lamp_power")
    page.mouse("mousePressed", left + width - 4, top + height / 2)
    page.mouse("mouseReleased", left + width - 4, top + height / 2)
    page.click("#parameter-lamp_on")
    # The picker is a window of the system's: this is what it does to the page.
    page.run("""(() => {
        const swatch = document.querySelector('#parameter-lamp_tint');
        swatch.value = '#0a1b2c';
        swatch.dispatchEvent(new Event('input', { bubbles: true }));
    })()""")
    page.click("[data-name=lamp_place] [value=behind]")
    until(lambda: values_of(daemon) == OTHERS, "all four have arrived")
    assert page.run("document.querySelector('[data-name=lamp_tint] .value').value") == "#0a1b2c"
    page.until("document.querySelector('#groups').textContent.includes('4 changed')")


def test_each_kind_works_by_keyboard(page: Page, daemon: Running) -> None:
    """Keys alone change each kind: arrows, space, a colour that is typed, which is refused where it is none."""
    focus(page, "lamp_power")
    page.press("End", "ArrowLeft")
    focus(page, "lamp_on")
    page.press(" ")
    focus(page, "lamp_tint", ".value")
    page.type("C0FFEE")
    page.press("Enter")
    focus(page, "lamp_place", ":checked")
    page.press("ArrowDown")
    changed = {"lamp_power": 1.49, "lamp_on": True, "lamp_tint": "#c0ffee", "lamp_place": "left_side"}
    until(lambda: values_of(daemon) == changed, "all four have arrived")
    focus(page, "lamp_tint", ".value")
    page.type("teal")
    page.press("Enter")
    page.until("document.querySelector('[data-name=lamp_tint] .value').value === '#c0ffee'")
    assert values_of(daemon) == changed


def test_each_kind_is_changed_from_outside(page: Page, daemon: Running) -> None:
    """What the command line sets shows in the page, whatever kind it is."""
    words = [f"{name}={str(value).lower()}" for name, value in OTHERS.items()]
    command = [sys.executable, "-c", DEFINE, "set", *words, "--control", daemon.control]
    subprocess.run(command, check=True, capture_output=True, timeout=500, env=daemon.environment)
    until(lambda: page.run(SHOWN) == OTHERS, "the page shows what was set")
    assert page.run("document.querySelector('[data-name=lamp_tint] .value').value") == "#0a1b2c"


@pytest.mark.parametrize("how", ["button", "key", "group"])
def test_each_kind_is_reset(page: Page, daemon: Running, how: str) -> None:
    """The button of a row, Delete on its input and the button of its group bring each kind back."""
    daemon.call("set", **OTHERS)
    until(lambda: page.run(SHOWN) == OTHERS, "the page shows what was set")
    page.until("document.querySelectorAll('.row.moved').length === 4")
    if how == "group":
        page.click("[aria-label='Reset Lamp']")
    for name in HELD if how != "group" else ():
        if how == "button":
            page.click(f"[data-name={name}] .reset")
        else:
            focus(page, name, ":checked" if name == "lamp_place" else "")
            page.press("Delete")
    until(lambda: values_of(daemon) == HELD, "all four are back")
    until(lambda: page.run(SHOWN) == HELD, "the page shows it")
    page.until("document.querySelectorAll('.row.moved').length === 0")


def test_a_preset_holds_each_kind(page: Page, daemon: Running) -> None:
    """A preset is saved with all four kinds, loaded with one click, and marked only while all four are as it says."""
    pressed = "document.querySelector('[data-name=lamps] button')?.ariaPressed"
    daemon.call("set", **OTHERS)
    daemon.call("presets.save", name="lamps", replace=True)
    page.until(f"{pressed} === 'true'")
    for name, value in HELD.items():
        daemon.call("set", **{name: value})
        page.until(f"{pressed} === 'mixed'")
        page.click("#presets [data-name=lamps] button")
        until(lambda: values_of(daemon) == OTHERS, f"{name} is as the preset says")
        page.until(f"{pressed} === 'true'")
    daemon.call("presets.delete", name="lamps")


def test_the_bounds_are_each_knob_s_own(page: Page, daemon: Running) -> None:
    """Bounds other than -1 to 1 have their zero mark, fill, a step of their size, and no value beyond them."""
    style = "Number(document.querySelector('#parameter-{}').style.getPropertyValue('{}'))"
    assert page.run(style.format("lamp_power", "--zero")) == 0.25
    daemon.call("set", lamp_power=-0.5)
    page.until("document.querySelector('#parameter-lamp_power').value === '-0.5'")
    assert [page.run(style.format("lamp_power", end)) for end in ("--from", "--to")] == [0, 0.25]
    assert (
        page.run(style.format("lamp_warmth", "--zero")) == 0
    )  # the bounds leave zero out: the bar begins at the least
    focus(page, "lamp_warmth")
    page.press("ArrowRight")
    until(lambda: values_of(daemon, "lamp_warmth") == {"lamp_warmth": 4010}, "a step that suits the bounds")
    focus(page, "lamp_warmth", ".value")
    page.type("12000")
    page.press("Enter")
    until(lambda: values_of(daemon, "lamp_warmth") == {"lamp_warmth": 9000}, "no more than the bound")


def test_words_for_both_ends(page: Page, daemon: Running) -> None:
    """A number's two ends have their words beside the slider, and a screen reader hears the one that holds."""
    assert page.run(
        "[...document.querySelectorAll('[data-name=lamp_power] .captions span')].map((e) => e.textContent)"
    ) == [
        "dimmer",
        "brighter",
    ]
    spoken = "document.querySelector('#parameter-lamp_power').ariaValueText"
    assert page.run(spoken) == "0.25, brighter"
    daemon.call("set", lamp_power=-0.1)
    page.until(f"{spoken} === '-0.1, dimmer'")
    daemon.call("set", lamp_power=0)
    page.until(f"{spoken} === '0'")


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("lamp", ["lamp_power", "lamp_warmth", "lamp_on", "lamp_tint", "lamp_place"]),
        ("lux", ["lamp_power"]),
        ("lamp foil", ["lamp_tint"]),
        ("hangs", ["lamp_place"]),
    ],
)
def test_search_knows_names_groups_keywords_and_help(page: Page, words: str, found: list[str]) -> None:
    """The search finds a knob by its name, its group, a keyword, and where none has the words there by its help."""
    focus(page, "lamp_on")
    page.press("/")
    page.type(words)
    rows = "[...document.querySelectorAll('#results .row')].map((row) => row.dataset.name)"
    until(lambda: page.run(rows) == found, f"{words} finds {found}")
