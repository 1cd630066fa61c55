"""A texture of one's own, made in the panel: key points marked on a picture, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

from browser import Page, until
from livewarp.appearance.unwrapping import NAMES
from livewarp.face68 import MEAN_FACE
from panel_browser_fixture import Running

WIDTH, HEIGHT = 300, 360  # of the picture, px
DROP = f"""(async () => {{
    const canvas = Object.assign(document.createElement('canvas'), {{ width: {WIDTH}, height: {HEIGHT} }});
    const context = canvas.getContext('2d');
    context.fillStyle = '#a03050';
    context.fillRect(40, 60, 220, 240);
    const blob = await new Promise((done) => canvas.toBlob(done, 'image/png'));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([blob], 'Face Paint!.png', {{ type: 'image/png' }}));
    const drop = new DragEvent('drop', {{ dataTransfer, bubbles: true, cancelable: true }});
    document.querySelector('#panel').dispatchEvent(drop);
}})()"""
WORDS = {
    "Right eye, outer corner": "right_eye_outer",
    "Right eye, inner corner": "right_eye_inner",
    "Left eye, inner corner": "left_eye_inner",
    "Left eye, outer corner": "left_eye_outer",
    "Right corner of the mouth": "right_mouth_corner",
    "Left corner of the mouth": "left_mouth_corner",
    "Chin, its lowest point": "chin",
    "Edge of the face before the right ear": "right_ear",
}
NEXT = "document.querySelector('#mark-next').textContent"
COUNT = "document.querySelectorAll('#marks li').length"


def test_a_texture_is_made_by_marking_points(open_panel: Callable[..., Page], panel_daemon: Running) -> None:
    """A dropped picture is marked by clicks and keys, with undo and zoom, is drawn at once, and can be removed."""
    page = open_panel(tab="skin")

    def known() -> bool:
        described = panel_daemon.call("describe")
        assert isinstance(described, dict)
        return "face_paint" in described

    page.run(DROP)
    page.until("document.querySelector('#texture').open && document.querySelector('#texture').dataset.picture === ''")
    assert page.run("document.querySelector('#texture-name').value") == "Face Paint"
    left, top, width, height = page.box("#stage")
    at = {name: (0.5 + 0.3 * float(MEAN_FACE[i, 0]), 0.35 + 0.25 * float(MEAN_FACE[i, 1])) for name, i in NAMES.items()}

    def click() -> None:
        x, y = at[WORDS[page.run(NEXT)]]
        for kind in ("mousePressed", "mouseReleased"):
            page.mouse(kind, left + x * width, top + y * height)

    click()
    click()
    assert page.run(COUNT) == 2
    page.click("#mark-undo")
    assert (page.run(COUNT), page.run(NEXT)) == (1, "Right eye, inner corner")
    page.run("document.querySelector('#sheet').focus()")
    page.press("+")
    assert page.box("#stage")[2] > 1.3 * width
    page.press("0")
    assert page.box("#stage") == (left, top, width, height)
    for _ in range(3):
        click()
    assert page.run(NEXT) == "Tip of the nose"
    page.press("n")  # passed over
    for _ in range(3):
        click()
    assert page.run("document.querySelector('#texture-add').disabled")
    page.run("document.querySelector('#sheet').focus()")
    page.press("Enter", "Delete")  # marks where the cross is, and takes it back
    assert page.run(COUNT) == 7
    click()
    page.until("!document.querySelector('#texture-add').disabled")
    page.click("#texture-add")
    until(known, "it is a parameter")
    until(lambda: panel_daemon.call("get", names=["face_paint"]) == {"face_paint": 0.8}, "and drawn")
    page.until("document.activeElement.id === 'parameter-face_paint'")
    page.click("#own-manage")
    page.until("document.querySelector('#menu').matches(':popover-open')")
    page.click("#menu [role=menuitem]")
    page.until("document.querySelector('#ask').open")
    page.click("#ask-done")
    until(lambda: not known(), "it is gone")
    page.until("document.querySelector('#parameter-face_paint') === null")
    assert page.complaints() == []
