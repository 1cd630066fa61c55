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


DRAWN = "[...document.querySelectorAll('#cards canvas[data-drawn]')].length"


def test_looks_are_tried_on_one_s_own_face(open_panel: Callable[..., Page], daemon: Running) -> None:
    """Cards show each look on the face, focus tries one over the preview and sets nothing, and blank takes all away."""
    page = open_panel(tab="looks")
    before = daemon.call("get")
    page.until(f"{DRAWN} >= 2")
    page.run("document.querySelector('#cards [data-name=doll] .wear').focus()")
    page.until("!document.querySelector('#trying').hidden")
    assert "doll" in page.run("document.querySelector('#trying-tag').textContent")
    assert daemon.call("get") == before
    daemon.call("blank", on=True)
    page.until(f"{DRAWN} === 0 && document.querySelector('#trying').hidden")
    daemon.call("blank", on=False)
    page.until(f"{DRAWN} >= 1")
    page.run("document.querySelector('#tab-shape').click()")
    page.until("document.querySelector('#trying').hidden")


def test_zoom_shows_the_face_and_backslash_shows_before(page: Page) -> None:
    """Zoom fills the preview with the face; while the backslash is held, the picture before the filter is."""
    page.run("document.querySelector('[data-switch=zoom]').click()")
    # A square around the face, as shares of the frame, is much of the screen: what is shown is a part of the frame.
    page.until("""import('/panel.js').then(({ screen }) => {
        const [, , width] = screen.place([0, 0, 0.2, 0.2]);
        return width > 0.35;
    })""")
    press = """document.body.dispatchEvent(new KeyboardEvent('{}', {{ key: '\\\\', bubbles: true }}))"""
    page.run(press.format("keydown"))
    page.until("document.querySelector('#screen').hasAttribute('data-split')")
    assert page.run("getComputedStyle(document.querySelector('#before')).clipPath") == "none"
    page.run(press.format("keyup"))
    page.until("!document.querySelector('#screen').hasAttribute('data-split')")


def test_a_dropped_picture_stands_behind(page: Page, daemon: Running) -> None:
    """A picture that is dropped on the page is the background at once; another file is refused in words."""
    drop = """(async () => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 36 });
        canvas.getContext('2d').fillRect(0, 0, 40, 36);
        const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
        const dataTransfer = new DataTransfer();
        for (const [part, name, type] of %s) dataTransfer.items.add(new File([part ?? blob], name, { type }));
        document.body.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }));
    })()"""
    page.run(drop % "[['text', 'notes.txt', 'text/plain']]")
    page.until("document.querySelector('#toast-text').textContent.includes('notes.txt is neither')")
    page.run(drop % "[[null, 'My Beach.png', 'image/png']]")
    until(lambda: value(daemon, "background_picture") == "my-beach", "the picture is behind")
    assert value(daemon, "background") == "picture"
    page.until("document.querySelector('[data-name=background] [value=picture]').checked")
    daemon.call("reset")
    daemon.call("backgrounds.remove", name="my-beach")
