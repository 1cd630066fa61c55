"""The panel with many knobs: found by words, shown by tabs, changed by every way there is; in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from browser import Page, until
from panel_browser_fixture import Running

ROWS = "[...document.querySelectorAll('#groups .group:not([hidden]) .row:not([hidden])')].map((e) => e.dataset.name)"
FOUND = "[...document.querySelectorAll('#results .row, #cards li:not([hidden])')].map((e) => e.dataset.name)"


@pytest.fixture
def page(open_panel: Callable[..., Page]) -> Page:
    """The panel in a window of usual size."""
    return open_panel()


@pytest.fixture
def daemon(panel_daemon: Running) -> Running:
    """The daemon that all tests of the panel share."""
    return panel_daemon


def search(page: Page, words: str) -> list[str]:
    """What the page shows for these words: knobs and looks."""
    page.run(f"""(() => {{
        const field = document.querySelector('#search');
        field.value = {json.dumps(words)};
        field.dispatchEvent(new Event('input'));
    }})()""")
    found: list[str] = page.run(FOUND)
    return found


def said(page: Page) -> str:
    """What the page says of a search."""
    return str(page.run("document.querySelector('#found').textContent"))


def value(daemon: Running, name: str) -> object:
    """The value that the daemon uses."""
    values = daemon.call("get", names=[name])
    assert isinstance(values, dict)
    return values[name]


def test_people_find_things_by_their_own_words(page: Page) -> None:
    """Everyday words, other forms, synonyms and a typo find the knob or look that they mean, among the first."""
    for words, meant in {
        "lips": "upper_lip",
        "slim": "thin",
        "big eyes": "eyes",
        "make my eyes bigger": "eyes",
        "doll": "doll",
        "eyebrows": "brow_height",
        "wrinkle": "wrinkles",
        "flip": "mirror",
        "hide my room": "background",
        "blurred": "background_blur",
        "double chin": "thin",
        "older": "age",
        "whiter teeth": "teeth",
        "smlie": "smile",
        "dark circles": "under_eye",
        "grandma": "grandparent",
        "strong jaw": "jaw",
    }.items():
        assert meant in search(page, words)[:6], words
        assert "found" in said(page), words


def test_what_is_not_found_says_what_is_near(page: Page) -> None:
    """Where nothing has all the words, the page says so and shows what is near, if anything is."""
    assert "eyes" in search(page, "purple eyes zebra")
    assert said(page) == "Nothing is called “purple eyes zebra”. Near it:"
    assert search(page, "qqqq") == []
    assert "qqqq" in said(page)
    page.run("document.querySelector('#search').focus()")
    page.press("Escape")
    assert page.run("document.querySelector('#search').value") == ""
    assert "thin" in page.run(ROWS)


def test_each_knob_stands_in_one_tab(page: Page, daemon: Running) -> None:
    """Tabs are made of the groups that the daemon describes: each knob is in one of them, and none of them is empty."""
    described = daemon.call("describe")
    assert isinstance(described, dict)
    tabs = page.run("[...document.querySelectorAll('#tabs button')].map((tab) => tab.dataset.tab)")
    kinds = [tab for tab in tabs if tab not in {"looks", "favourites", "changed"}]
    seen: list[str] = []
    for tab in kinds:
        page.run(f"document.querySelector('#tab-{tab}').click()")
        rows = page.run(ROWS)
        assert rows
        seen += rows
    assert sorted(seen) == sorted(described.keys() - {"enabled", "strength"})
    assert kinds[:4] == ["shape", "skin", "hair", "background"]
    page.run("document.querySelector('#tab-shape').focus(); document.querySelector('#tab-shape').click()")
    page.press("ArrowDown")
    assert page.run("document.activeElement.id") == "tab-skin"
    assert page.run("document.querySelector('#tab-title').textContent") == "Skin & make-up"


def test_favourites_and_changed_gather_rows(page: Page, daemon: Running) -> None:
    """A star puts a knob into Favourites, a change into Changed, where it stays under the hand when it is reset."""
    page.run("document.querySelector('[data-name=jaw] .star').click()")
    page.run("document.querySelector('#tab-favourites').click()")
    assert page.run(ROWS) == ["jaw"]
    daemon.call("set", eyes=0.4, teeth=0.5)
    page.until("document.querySelector('#tab-changed .count').textContent === '2'")
    page.run("document.querySelector('#tab-changed').click()")
    assert page.run(ROWS) == ["eyes", "teeth"]
    page.click("[data-name=teeth] .reset")
    page.until("document.querySelector('#tab-changed .count').textContent === '1'")
    assert page.run(ROWS) == ["eyes", "teeth"]
    page.click("#reset-tab")
    until(lambda: value(daemon, "eyes") == 0.25, "all is reset")
    page.run("document.querySelector('[data-name=jaw] .star').click()")


def test_a_tab_is_reset_alone(page: Page, daemon: Running) -> None:
    """Reset of a tab brings its own knobs back, and no others."""
    daemon.call("set", eyes=0.4, teeth=0.5)
    page.until("!document.querySelector('#reset-tab').hidden")
    page.click("#reset-tab")
    until(lambda: value(daemon, "eyes") == 0.25, "the shape is reset")
    assert value(daemon, "teeth") == 0.5


def test_a_slider_is_fine_with_shift_and_ignores_a_wheel_without_focus(page: Page, daemon: Running) -> None:
    """Shift makes a step a tenth; the wheel moves a slider that has the focus, and scrolls the page over another."""

    def wheel() -> None:
        left, top, width, height = page.box("#parameter-jaw")
        place = {"x": left + width / 2, "y": top + height / 2}
        page.send("Input.dispatchMouseEvent", {"type": "mouseWheel", **place, "deltaX": 0, "deltaY": -40})

    wheel()
    page.run("document.querySelector('#parameter-jaw').focus()")
    page.run("""document.querySelector('#parameter-jaw').dispatchEvent(
        new KeyboardEvent('keydown', { key: 'ArrowRight', shiftKey: true, bubbles: true, cancelable: true }))""")
    until(lambda: value(daemon, "jaw") == 0.001, "a tenth of a step, and nothing of the wheel")
    wheel()
    until(lambda: value(daemon, "jaw") == 0.011, "a step of the wheel")


def test_a_knob_that_is_held_back_says_how_far(page: Page, daemon: Running) -> None:
    """Where knobs that pull at one place are limited, their rows say how much of them is at work."""
    daemon.call("set", thin=1.5, jaw=-1, cheeks=-1, chin_width=-1)
    page.until("!document.querySelector('[data-name=jaw] .limit').hidden")
    assert page.run("document.querySelector('[data-name=jaw] .limit').textContent").endswith("% at work")
    daemon.call("reset")
    page.until("document.querySelector('[data-name=jaw] .limit').hidden")


def test_tracks_are_seen_and_targets_are_large(open_panel: Callable[..., Page]) -> None:
    """In both themes a track stands out from its ground by 3:1; on a phone buttons and sliders are 44 px high."""
    contrast = """(() => {
        const probe = document.createElement('i');
        document.body.append(probe);
        const light = (name) => {
            probe.style.color = `var(${name})`;
            const part = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            const [r, g, b] = getComputedStyle(probe).color.match(/[\\d.]+/g).map((v) => part(v / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05;
        };
        const [a, b] = [light('--track'), light('--card')];
        probe.remove();
        return Math.max(a, b) / Math.min(a, b);
    })()"""
    for scheme in ("light", "dark"):
        page = open_panel(390, 844, prefers_color_scheme=scheme)
        assert page.run(contrast) >= 3
        small = """['#panel button', '#panel .slider', '#panel summary', '#tabs button', '.find input']
            .flatMap((kind) => [...document.querySelectorAll(kind)])
            .filter((e) => e.checkVisibility({ visibilityProperty: true }))
            .map((e) => [e.closest('label') ?? e]).flat()
            .filter((e) => e.getBoundingClientRect().height < 44).map((e) => e.outerHTML.slice(0, 80))"""
        assert page.run(small) == []
