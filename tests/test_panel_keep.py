"""The panel loses nothing: undo and redo, the look that is on and edited, files; in a real browser."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from browser import Page, until
from panel_browser_fixture import Running

CHIP = "document.querySelector('#presets [data-name={}] button')"


@pytest.fixture
def daemon(panel_daemon: Running) -> Running:
    """The daemon that all tests of the panel share."""
    return panel_daemon


@pytest.fixture
def page(open_panel: Callable[..., Page]) -> Page:
    """The panel in a window of usual size."""
    return open_panel()


def value(daemon: Running, name: str) -> object:
    """The value that the daemon uses."""
    values = daemon.call("get", names=[name])
    assert isinstance(values, dict)
    return values[name]


def chord(page: Page, key: str, shift: bool = False) -> None:
    """Press a key with Ctrl."""
    page.run(f"""document.activeElement.dispatchEvent(new KeyboardEvent('keydown',
        {{ key: '{key}', ctrlKey: true, shiftKey: {json.dumps(shift)}, bubbles: true, cancelable: true }}))""")


def test_ctrl_z_undoes_what_anybody_changed(page: Page, daemon: Running) -> None:
    """Ctrl+Z takes back what another client changed, Ctrl+Shift+Z does it again; buttons say what is possible."""
    daemon.call("set", eyes=0.7)
    page.until("!document.querySelector('#undo').disabled")
    page.until("document.querySelector('#parameter-eyes').value === '0.7'")
    chord(page, "z")
    until(lambda: value(daemon, "eyes") == 0.25, "undone")
    page.until("document.querySelector('#toast-text').textContent === 'Undone: Eyes'")
    chord(page, "Z", shift=True)
    until(lambda: value(daemon, "eyes") == 0.7, "done again")
    page.until("document.querySelector('#redo').disabled")
    page.click("#undo")
    until(lambda: value(daemon, "eyes") == 0.25, "undone again")


def test_a_look_over_one_s_own_values_is_undone_in_its_toast(page: Page, daemon: Running) -> None:
    """A click on a look that replaces what was set by hand says so, and its Undo brings that back."""
    daemon.call("set", eyes=0.7, jaw=0.2)
    page.until("document.querySelector('#parameter-jaw').value === '0.2'")
    page.click("#presets [data-name=doll] button")
    page.until("document.querySelector('#toast-undo').checkVisibility() && !document.querySelector('#toast').inert")
    page.click("#toast-undo")
    until(lambda: (value(daemon, "eyes"), value(daemon, "jaw")) == (0.7, 0.2), "the values are back")
    page.until(f"{CHIP.format('doll')}.ariaPressed === 'false'")


def test_an_edited_look_is_updated_or_reverted(page: Page, daemon: Running) -> None:
    """A look that was edited says so, goes back with Revert, keeps it with Update; a deleted one comes back."""
    try:
        daemon.call("presets.save", name="mine", replace=True)
        page.until(f"{CHIP.format('mine')}?.ariaPressed === 'true'")
        daemon.call("set", eyes=0.6)
        page.until(f"{CHIP.format('mine')}.textContent === 'mine • edited'")
        page.click("#presets [data-name=mine] .edit + .edit")
        until(lambda: value(daemon, "eyes") == 0.25, "reverted")
        page.until(f"{CHIP.format('mine')}.textContent === 'mine'")
        daemon.call("set", eyes=0.6)
        page.until("document.querySelector('#presets [data-name=mine] .edit') !== null")
        page.click("#presets [data-name=mine] .edit")
        until(lambda: daemon.call("presets.active") == {"name": "mine", "edited": False}, "updated")
        page.click("#presets [data-name=mine] .manage")
        page.press("End", "Enter")
        page.until(f"{CHIP.format('mine')} === null")
        page.click("#toast-undo")
        page.until(f"{CHIP.format('mine')} !== null")
        assert value(daemon, "eyes") == 0.6
    finally:
        daemon.call("presets.delete", name="mine")


def test_a_look_is_imported_from_a_file(page: Page, daemon: Running) -> None:
    """A file that was exported becomes a look of its name, in any script; a taken name gets a number."""
    text = daemon.call("presets.export", name="slim")
    assert isinstance(text, dict)
    take = f"""(() => {{
        const files = new DataTransfer();
        files.items.add(new File([{json.dumps(text["text"])}], '周末.toml'));
        const field = document.querySelector('#import-file');
        field.files = files.files;
        field.dispatchEvent(new Event('change'));
    }})()"""
    try:
        page.run(take)
        page.until("document.querySelector('#presets [data-name=周末]') !== null")
        page.run(take)
        page.until("""document.querySelector('#presets [data-name="周末 2"]') !== null""")
    finally:
        daemon.call("presets.delete", name="周末")
        daemon.call("presets.delete", name="周末 2")
