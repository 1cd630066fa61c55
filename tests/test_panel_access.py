"""The panel for everybody: axe-core finds nothing in any tab, and keys and zoom reach all; in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from browser import Page, until
from panel_browser_fixture import Running

AXE = Path(__file__).parents[1] / "out" / "axe" / "package" / "axe.min.js"
TABS = ("looks", "shape", "skin", "hair", "background", "picture", "favourites", "changed")
RUN = """document.body.dataset.link === 'open' && axe.run(document, { resultTypes: ['violations'] }).then(
    ({ violations }) => document.body.dataset.link === 'open' && {
        found: violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 120)}`)),
    })"""


@pytest.fixture
def daemon(panel_daemon: Running) -> Running:
    """The daemon that all tests of the panel share."""
    return panel_daemon


def broken_rules(page: Page) -> object:
    """What axe-core finds; asked again where the connection was lost meanwhile, as all is inert then."""
    return page.until(RUN)["found"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_panel: Callable[..., Page], daemon: Running, scheme: str) -> None:
    """No tab, search result, edited look, problem or dialog breaks a rule of axe-core, in light and in dark."""
    if not AXE.is_file():
        pytest.skip("no axe-core here (out/axe: `npm pack axe-core`, as .ci/run does)")
    page = open_panel(prefers_color_scheme=scheme, prefers_reduced_motion="reduce")
    page.run(AXE.read_text(encoding="utf-8") + "; 0")
    daemon.call("presets.load", name="doll")
    daemon.call("set", eyes=0.2)
    page.until("document.querySelector('#presets .edited') !== null")
    page.run("""import('/notices.js').then(({ showProblems }) =>
        showProblems([{ what: 'a long problem '.repeat(20), remedy: '`livewarp reload` takes it over' }]))""")
    for tab in TABS if scheme == "light" else ("looks", "background"):
        page.run(f"document.querySelector('#tab-{tab}').click()")
        assert broken_rules(page) == [], tab
    page.run("""(() => {
        const field = document.querySelector('#search');
        field.value = 'eyes';
        field.dispatchEvent(new Event('input'));
        document.querySelector('#figures').open = true;
    })()""")
    assert broken_rules(page) == []
    page.run("document.activeElement.blur()")
    page.press("?")
    page.until("document.querySelector('#keys').open")
    assert broken_rules(page) == []


# What people want, and how: a selector is clicked, a text is typed, a key is pressed.
TASKS = {
    "make my eyes bigger and keep it": (["/", "big eyes", "Enter"], "document.activeElement.id === 'parameter-eyes'"),
    "what did I change": (["click:#tab-changed"], "document.querySelector('#tab-title').textContent === 'Changed'"),
    "undo": (["ctrl+z"], "document.querySelector('#parameter-jaw').value === '0'"),
    "see myself as a doll": (["click:#presets [data-name=doll] button"], "DOLL"),
    "how was I before": (["c"], "!document.querySelector('#divider').hidden"),
    "show nothing of me, now": (["b"], "document.querySelector('#screen').dataset.mode === 'blank'"),
    "look closer": (["f"], "document.querySelector('[data-switch=zoom]').ariaPressed === 'true'"),
    "hide my room": (["click:#tab-background", "click:[data-name=background] [value=blur]"], "BLUR"),
    "which keys are there": (["?"], "document.querySelector('#keys').open"),
    "half of all that": (["click:#master .value", "0.5", "Enter"], "HALF"),
}


@pytest.mark.parametrize("task", TASKS)
def test_ten_tasks_take_three_steps(open_panel: Callable[..., Page], daemon: Running, task: str) -> None:
    """Each of ten things that people want takes at most three clicks, words or keys."""
    steps, done = TASKS[task]
    assert len(steps) <= 3
    page = open_panel()
    daemon.call("set", jaw=0.5)
    page.until("document.querySelector('#parameter-jaw').value === '0.5'")
    page.run("document.activeElement.blur()")
    for step in steps:
        if step.startswith("click:"):
            page.click(step.removeprefix("click:"))
        elif step == "ctrl+z":
            page.run(
                "document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'z', ctrlKey: true, bubbles: true }))"
            )
        elif len(step) == 1 or step == "Enter":
            page.press(step)
        else:
            page.type(step)
    if done.isupper():
        wanted = {
            "DOLL": ("presets.active", {"name": "doll", "edited": False}),
            "BLUR": ("get", {"background": "blur"}),
            "HALF": ("get", {"strength": 0.5}),
        }[done]
        names = {} if wanted[0] != "get" else {"names": list(wanted[1])}
        until(lambda: daemon.call(wanted[0], **names) == wanted[1], task)
    else:
        page.until(done)


def test_a_page_at_twice_its_size_is_whole(open_panel: Callable[..., Page]) -> None:
    """At 200 % in a usual window, and from 390 to 2,560 px, nothing sticks out, and every tab can be reached."""
    for width, height in ((640, 400), (390, 844), (1024, 768), (2560, 1440)):
        page = open_panel(width, height)
        for tab in TABS:
            page.run(f"document.querySelector('#tab-{tab}').click()")
            assert page.run("document.scrollingElement.scrollWidth") <= width, (width, tab)


def test_a_problem_can_be_copied_put_away_and_mended(open_panel: Callable[..., Page], daemon: Running) -> None:
    """A problem lies over the page, which does not move; what the daemon can do is a button; put away, it is gone."""
    page = open_panel()
    before = page.box("#screen")
    daemon.call("blank", on=True)
    page.until("document.querySelector('#screen').dataset.mode === 'blank'")
    problem = json.dumps({"what": "kept values ignored", "remedy": "`livewarp blank off` shows the picture"})
    press = """import('/notices.js').then(({ showProblems }) => {
        showProblems([%s]);
        const box = document.querySelector('#screen').getBoundingClientRect();
        document.querySelector('#problems %s').click();
        return [box.left, box.top, box.width, box.height, document.querySelector('#problems').children.length];
    })"""
    *box, there = page.run(press % (problem, "button:not(.square)"))
    assert (tuple(box), there) == (before, 1)
    page.until("document.querySelector('#screen').dataset.mode === ''")
    *_, there = page.run(press % (problem, "[aria-label=\\'Put this problem away\\']"))
    assert there == 0
