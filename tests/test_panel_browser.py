"""The panel in a real browser: a headless Chromium against the program as a person starts it."""

from __future__ import annotations

import http.server
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from browser import Browser, BrowserError, Page, until
from livewarp.control.client import Client
from panel_browser_fixture import LIVE, Running, launch


@pytest.fixture
def daemon(panel_daemon: Running) -> Running:
    """The daemon that all tests of the panel share."""
    return panel_daemon


@pytest.fixture
def browser(panel_browser: Browser) -> Browser:
    """The browser that all tests of the panel share."""
    return panel_browser


@pytest.fixture
def open_page(open_panel: Callable[..., Page]) -> Callable[..., Page]:
    """Opens the panel, as it is after a start."""
    return open_panel


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The panel in a window of usual size."""
    return open_page()


def value_of(page: Page, name: str) -> float:
    """Where a slider stands."""
    return float(page.run(f"document.querySelector('#parameter-{name}').value"))


def is_on(page: Page, switch: str) -> bool:
    """Whether a switch below the picture shows that it is on."""
    return bool(page.run(f"document.querySelector('[data-switch={switch}]').ariaPressed === 'true'"))


def test_the_page_works_without_complaints(page: Page, daemon: Running) -> None:
    """Every parameter has its labelled control, figures come, and the browser finds nothing to complain about."""
    unlabelled = """[...document.querySelectorAll("button, input, [role=slider], canvas:not([hidden])")]
        .filter((e) => e.checkVisibility() && !e.ariaLabel && !e.labels?.length && !e.textContent.trim() && !e.title)
        .map((e) => e.outerHTML)"""
    assert page.run(unlabelled) == []
    described = daemon.call("describe")
    assert isinstance(described, dict)
    apart = {"enabled"}  # is the switch Bypass below the picture
    for name in described.keys() - apart:
        labels = f"document.querySelector('#parameter-{name}').labels?.length"
        named = f"document.querySelector('#parameter-{name}').getAttribute('aria-labelledby')"
        assert page.run(labels) == 1 or page.run(named) == f"parameter-{name}-label"
    page.until("Number(document.querySelector('#fps').textContent) > 1")
    page.until("document.querySelector('#figures-line').textContent.includes('1 face')")
    page.click("#figures summary")
    page.until("document.querySelector('#plot-time .line.p50').getAttribute('d')?.includes('L')")
    assert page.run("document.querySelector('#outputs').textContent") == "Preview only"
    assert page.complaints() == []


def test_the_steps_towards_a_call_are_told(page: Page, daemon: Running) -> None:
    """What is missing, with the command that helps; it is not called Running, and the webcam's controls are reached."""
    page.until("document.querySelector('#state-text').textContent === 'Demo portrait'")
    assert page.run("document.querySelector('#state').dataset.state") == "preview"
    steps = page.run("[...document.querySelectorAll('.steps li')].map((li) => li.innerText)")
    assert [step[0] for step in steps] == ["✗", "✗", "✗"]
    assert "livewarp doctor" in steps[1]
    page.click("#source")
    page.until("!!document.querySelector('#menu [role^=menuitem]')")
    page.run("[...document.querySelectorAll('#menu [role^=menuitem]')].at(-1).click()")
    page.until("document.querySelector('#webcam').open")
    assert (
        page.run("document.querySelector('#webcam-name').textContent") == daemon.call("camera")["camera"]
        or "No webcam is used"
    )
    page.click("#webcam .primary")
    page.click(".steps .square")
    page.until("!document.querySelector('.steps')")
    assert page.complaints() == []


def test_dragging_a_slider_changes_the_parameter(page: Page, daemon: Running) -> None:
    """A drag changes the parameter while it lasts, and the slider follows the hand and not its own echo."""
    page.run("""window.seen = []; document.querySelector('#parameter-thin').addEventListener('input',
        (event) => seen.push(Number(event.target.value)))""")
    left, top, width, height = page.box("#parameter-thin")
    y = top + height / 2
    page.mouse("mousePressed", left + 8, y)
    shown = []
    for i in range(1, 21):
        x = left + 8 + (width - 16) * i / 20
        page.mouse("mouseMoved", x, y)
        shown.append(value_of(page, "thin"))
    assert shown == pytest.approx([1.5 * i / 20 for i in range(1, 21)], abs=0.03)
    until(lambda: daemon.call("get", names=["thin"]) == {"thin": 1.5}, "the drag has arrived before it ends")
    page.mouse("mouseReleased", left + width - 8, y)
    assert value_of(page, "thin") == 1.5
    page.until("document.querySelector('[data-name=thin]').classList.contains('moved')")


def test_a_drag_is_not_disturbed_from_elsewhere(page: Page, daemon: Running) -> None:
    """What another program sets while a slider is held is shown when it is let go."""
    left, top, width, height = page.box("#parameter-eyes")
    page.mouse("mousePressed", left + width / 2, top + height / 2)
    until(lambda: daemon.call("get", names=["eyes"]) == {"eyes": 0.5}, "the press has arrived")
    daemon.call("set", eyes=0.9, jaw=0.3)
    page.until("document.querySelector('#parameter-jaw').value === '0.3'")  # so that of the eyes has come, too
    assert value_of(page, "eyes") == 0.5
    page.mouse("mouseReleased", left + width / 2, top + height / 2)
    page.until("document.querySelector('#parameter-eyes').value === '0.9'")


def test_sets_are_coalesced(page: Page) -> None:
    """However fast a hand moves, one request is under way at a time, and the last value is the one that stays."""
    script = """(async () => {
        const open = window.fetch; let now = 0, most = 0, count = 0;
        window.fetch = async (...given) => {
            if (!String(given[0]).endsWith('/api/set')) return open(...given);
            count += 1; most = Math.max(most, ++now);
            try { return await open(...given); } finally { now -= 1; }
        };
        const slider = document.querySelector('#parameter-smile');
        for (let i = 0; i <= 300; i++) {
            slider.value = i / 300;
            slider.dispatchEvent(new Event('input'));
            if (i % 10 === 0) await new Promise((done) => setTimeout(done));
        }
        while (now) await new Promise((done) => setTimeout(done, 10));
        window.fetch = open;
        return [most, count];
    })()"""
    most, count = page.run(script)
    assert most == 1
    assert 1 < count < 100
    assert value_of(page, "smile") == 1.0


def test_a_command_moves_the_slider(page: Page, daemon: Running) -> None:
    """What the command line sets shows at once, as slider, number and changed group."""
    done = [sys.executable, "-m", "livewarp", "set", "chin_width=-0.4", "--control", daemon.control]
    subprocess.run(done, check=True, capture_output=True, timeout=500, env=daemon.environment)
    page.until("document.querySelector('#parameter-chin_width').value === '-0.4'")
    page.until("document.querySelector('[data-name=chin_width] .value').value === '-0.4'")
    page.until("document.querySelector('#groups').textContent.includes('1 changed')")


def test_two_tabs_show_the_same(open_page: Callable[..., Page]) -> None:
    """What one tab changes, another shows; a hidden tab closes its streams, and opens them again when it is shown."""
    one, two = open_page(), open_page()
    one.click("#parameter-jaw")
    one.press("Home")
    for page in (one, two):
        page.send("Page.bringToFront")
        page.until("document.querySelector('#parameter-jaw').value === '-1'")


def test_a_third_window_leaves_room_for_changes(
    open_page: Callable[..., Page], browser: Browser, daemon: Running
) -> None:
    """Two windows have the preview; a third works without, says so, and has it when one of them is closed."""
    # A tab that is covered is hidden, so the two windows are played by one: what holds the previews' locks.
    other = open_page()
    for number in (1, 2):
        hold = "() => new Promise((done) => { window.leave = done })"
        other.run(f"void navigator.locks.request('livewarp preview {number}', {hold})")
    third = browser.page()
    try:
        third.open(daemon.link)
        third.until("document.querySelector('#veil').textContent.includes('two other windows')")
        third.until("document.querySelector('#parameter-thin') !== null")
        third.run("document.querySelector('[data-switch=mirror]').click()")
        third.until("document.querySelector('[data-switch=mirror]').ariaPressed === 'true'")
        values = daemon.call("get")
        assert isinstance(values, dict)
        assert values["mirror"] is True
        assert third.run("document.querySelector('#screen').dataset.picture") != "live"
        other.run("window.leave()")
        third.until(LIVE)
    finally:
        third.close()


def test_a_double_click_or_a_key_resets(page: Page, daemon: Running) -> None:
    """A double-click resets a slider, as Delete does on the one with the focus, to what the settings say."""
    daemon.call("set", thin=0.9, jaw=0.5)
    page.until("document.querySelector('#parameter-jaw').value === '0.5'")
    page.click("#parameter-thin", times=2)
    until(lambda: daemon.call("get", names=["thin"]) == {"thin": 0.35}, "thin is reset")
    page.run("document.querySelector('#parameter-jaw').focus()")
    page.press("Delete")
    until(lambda: daemon.call("get", names=["jaw"]) == {"jaw": 0.0}, "jaw is reset")
    page.until("document.querySelector('#parameter-thin').value === '0.35'")


def test_everything_works_by_keyboard(page: Page, daemon: Running) -> None:
    """Slash searches, Tab leads to what was found, arrows move it, a number can be typed, space turns a switch."""
    page.run("document.activeElement.blur()")
    page.press("/")
    page.type("nose tip")
    page.until("document.querySelectorAll('#results .slider').length === 1")
    page.until("document.querySelector('#found').textContent === '1 found'")
    page.press("Enter")  # to the first that was found
    assert page.run("document.activeElement.id") == "parameter-nose_tip"
    assert page.run("document.activeElement.matches(':focus-visible')")
    page.press("ArrowRight", "ArrowRight")
    until(lambda: daemon.call("get", names=["nose_tip"]) == {"nose_tip": 0.02}, "two steps")
    page.run("document.querySelector('[data-name=nose_tip] .value').focus()")
    page.type("0.333")
    page.press("Enter")
    until(lambda: daemon.call("get", names=["nose_tip"]) == {"nose_tip": 0.333}, "the number that was typed")
    page.run("document.querySelector('#search').focus()")
    page.press("Escape")
    page.run("document.querySelector('[data-switch=mirror]').focus()")
    page.press(" ")
    until(lambda: daemon.call("get", names=["mirror"]) == {"mirror": True}, "mirrored")
    page.until("document.querySelector('[data-switch=mirror]').ariaPressed === 'true'")


def test_presets(page: Page, daemon: Running) -> None:
    """A preset is put on with one click and marked; one's own are saved, renamed and deleted, or it says why not."""
    page.click("[data-name=slim] button")
    until(lambda: daemon.call("get", names=["thin"]) == {"thin": 1.0}, "slim is on")
    page.until("document.querySelector('[data-name=slim] button').ariaPressed === 'true'")
    daemon.call("set", thin=0.8)
    page.until("document.querySelector('[data-name=slim] button').ariaPressed === 'mixed'")
    page.click("#save")
    page.type("../evil")
    page.press("Enter")
    page.until("document.querySelector('#ask-error').textContent.includes('letters')")
    page.run("document.querySelector('#ask-name').select()")
    page.type("my look")
    page.press("Enter")
    page.until("""document.querySelector('[data-name="my look"] button')?.ariaPressed === 'true'""")
    page.until("!document.querySelector('#ask').open")
    page.click('[data-name="my look"] .manage')
    page.press("ArrowDown", "ArrowDown", "Enter")
    page.until("document.querySelector('#ask').open")
    page.run("document.querySelector('#ask-name').select()")
    page.type("party")
    page.press("Enter")
    page.until("document.querySelector('[data-name=party]') && !document.querySelector('[data-name=\"my look\"]')")
    page.until("!document.querySelector('#ask').open")
    page.click("[data-name=party] .manage")
    page.press("End", "Enter")
    page.until("!document.querySelector('[data-name=party]')")
    listed = daemon.call("presets.list")
    assert isinstance(listed, dict)
    assert [preset["name"] for preset in listed["presets"] if not preset["shipped"]] == []


def test_the_split_compares(page: Page, daemon: Running) -> None:
    """The split shows before and after of one frame; its divider follows the mouse and the keys."""
    difference = """(() => {
        const [before, after] = ['before', 'after'].map((id) => {
            const canvas = document.getElementById(id);
            return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        });
        let most = 0;
        for (let i = 0; i < before.length; i += 4) most = Math.max(most, Math.abs(before[i] - after[i]));
        return most;
    })()"""
    page.click("[data-switch=split]")
    page.until("!document.querySelector('#divider').hidden")
    daemon.call("set", thin=1, eyes=1)
    page.until(f"{difference} > 60")  # the faces differ
    daemon.call("bypass", on=True)
    page.until(f"{difference} < 30")  # and nothing else does: the same frame, but for what JPEG does to it
    daemon.call("bypass", on=False)
    screen = page.box("#screen")
    left, top, width, height = page.box("#divider")
    page.mouse("mousePressed", left + width / 2, top + height / 2)
    page.mouse("mouseMoved", screen[0] + screen[2] * 0.25, top + height / 2)
    page.mouse("mouseReleased", screen[0] + screen[2] * 0.25, top + height / 2)
    assert page.run("document.querySelector('#divider').ariaValueNow") == "25"
    page.press("End", "ArrowLeft")
    assert page.run("document.querySelector('#divider').ariaValueNow") == "98"
    clip = page.run("getComputedStyle(document.querySelector('#before')).clipPath")
    assert clip.startswith("inset(0")
    page.press("Home")
    assert page.run("getComputedStyle(document.querySelector('#before')).clipPath") != clip


def test_blank_shows_the_privacy_picture(page: Page, daemon: Running) -> None:
    """Blank shows the privacy picture, to compare viewers too, and says so; nothing of the camera stays on the page."""
    level = """(() => {
        const canvas = document.querySelector('#after');
        const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let sum = 0; for (let i = 0; i < data.length; i += 4) sum += data[i + 2];
        return sum / (data.length / 4);
    })()"""
    page.click("[data-switch=split]")
    page.until("!document.querySelector('#divider').hidden")
    bright = page.run(level)
    page.click("[data-switch=blank]")
    page.until("document.querySelector('#screen').dataset.mode === 'blank'")
    page.until(f"{level} < {bright / 2}")
    page.until("document.querySelector('#before').hidden && document.querySelector('#divider').hidden")
    page.until("document.querySelector('#state').textContent.trim() === 'Blanked'")
    assert "privacy" in page.run("document.querySelector('#badge').textContent")
    daemon.call("blank", on=False)
    page.until(f"{level} > {bright / 2}")
    assert not is_on(page, "blank")


def test_nothing_is_encoded_for_a_hidden_page(page: Page, daemon: Running) -> None:
    """A hidden page takes neither frames nor events; shown again, it does."""

    def watching() -> int:
        state = daemon.call("state")
        assert isinstance(state, dict)
        return int(state["viewers"])

    until(lambda: watching() >= 1, "the page watches")
    before = watching()
    hide = """Object.defineProperty(document, 'hidden', { value: %s, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'))"""
    page.run(hide % "true")
    until(lambda: watching() == before - 1, "the page watches no more")
    daemon.call("set", thin=0.11)
    page.run(hide % "false")
    page.until("document.querySelector('#parameter-thin').value === '0.11'")
    until(lambda: watching() == before, "the page watches again")


def test_a_problem_shows_with_its_remedy(page: Page, daemon: Running) -> None:
    """What is wrong shows with how to mend it, and goes when it is well again."""
    path = re.search(r"socket: (\S+)", daemon.log)
    assert path is not None
    try:
        with Client(f"unix:{path[1]}") as client:  # any source may be named there only
            client.call("source.switch", {"source": "webcam:/dev/video987"})
        page.until("document.querySelector('#problems .notice strong')?.textContent.includes('video987')")
        assert page.run("document.querySelector('#problems .remedy').textContent.length") > 0
        page.until("document.querySelector('#state').dataset.state === 'stalled'")
    finally:
        daemon.call("source.switch", source="portrait")
    page.until("!document.querySelector('#problems').textContent.includes('video987')")
    page.until(LIVE)


def test_a_restart_is_picked_up(browser: Browser, tmp_path: Path) -> None:
    """Without a daemon the page says so and cannot be used; a new one on the same port is picked up by itself."""
    daemon = Running(tmp_path)
    page = browser.page()
    try:
        page.open(daemon.link)
        page.until(LIVE)
        daemon.call("set", thin=0.9)
        page.until("document.querySelector('#parameter-thin')?.value === '0.9'")
        address = daemon.address
        daemon.end()
        page.until("!document.querySelector('#lost').hidden")
        assert page.run("document.querySelector('main').inert")
        assert page.run("document.querySelector('#screen').dataset.picture") != "live"
        assert page.run("document.querySelector('#state').textContent.trim()") == "Not connected"
        daemon = Running(tmp_path, panel=address)
        page.until(LIVE)
        page.until("document.querySelector('#parameter-thin').value === '0.35'")
        assert page.run("document.querySelector('#lost').hidden && !document.querySelector('main').inert")
    finally:
        page.close()
        daemon.end()


@pytest.mark.parametrize("size", [(1280, 800), (1920, 1080), (390, 844), (320, 568)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits(open_page: Callable[..., Page], size: tuple[int, int], scheme: str) -> None:
    """In a wide window, on a phone, in light and dark: nothing sticks out sideways, and the theme is the wished one."""
    page = open_page(*size, prefers_color_scheme=scheme)
    assert page.run("document.scrollingElement.scrollWidth") <= size[0]
    ground = page.run("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground))) < 200) == (scheme == "dark")
    page.click("#theme")
    page.until(f"getComputedStyle(document.documentElement).backgroundColor !== {json.dumps(ground)}")
    page.run("localStorage.clear()")


def test_motion_can_be_reduced(open_page: Callable[..., Page]) -> None:
    """Who wants less motion gets no transitions."""
    page = open_page(prefers_reduced_motion="reduce")
    moving = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length"
    assert page.run(moving) == 0


class _Elsewhere(http.server.BaseHTTPRequestHandler):
    """Another origin's page, empty."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>elsewhere</title><body>")

    def log_message(self, *arguments: object) -> None:
        """Nothing."""


@pytest.fixture
def elsewhere(browser: Browser) -> Iterator[Page]:
    """A page of another origin on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    page = browser.page()
    page.open(f"http://127.0.0.1:{server.server_port}/")
    yield page
    page.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_another_page_can_read_nothing(elsewhere: Page, daemon: Running) -> None:
    """Another origin's fetch, in every mode, gets nothing that it could read."""
    for path in (
        "/api/get",
        "/api/state",
        "/snapshot.jpg",
        "/preview.mjpeg",
        "/split.mjpeg",
        "/api/events?topics=state",
    ):
        with pytest.raises(BrowserError, match="Failed to fetch"):
            elsewhere.run(f"fetch('{daemon.url}{path}').then((response) => response.text())")
        # Without CORS the browser itself would keep the answer back; Cross-Origin-Resource-Policy does so, too.
        with pytest.raises(BrowserError, match="Failed to fetch"):
            elsewhere.run(f"fetch('{daemon.url}{path}', {{ mode: 'no-cors' }}).then((response) => response.type)")


@pytest.mark.parametrize("path", ["/snapshot.jpg", "/preview.mjpeg", "/split.mjpeg", "/icon.svg"])
def test_another_page_can_show_no_picture(elsewhere: Page, daemon: Running, path: str) -> None:
    """An <img> of another origin shows nothing of the panel, though it sends no Origin."""
    script = f"""new Promise((done) => {{
        const image = new Image();
        image.onload = () => done('shown');
        image.onerror = () => done('refused');
        image.src = '{daemon.url}{path}';
    }})"""
    assert elsewhere.run(script) == "refused"


def test_another_page_can_listen_to_nothing(elsewhere: Page, daemon: Running) -> None:
    """An EventSource of another origin is refused."""
    script = f"""new Promise((done) => {{
        const source = new EventSource('{daemon.url}/api/events?topics=parameters');
        source.addEventListener('parameters', () => done('heard'));
        source.onerror = () => done(source.readyState === EventSource.CLOSED ? 'refused' : 'lost');
    }})"""
    assert elsewhere.run(script) == "refused"


def test_another_page_can_change_nothing(elsewhere: Page, daemon: Running) -> None:
    """Fetches and forms of another origin change nothing, whatever content type they claim."""
    before = daemon.call("get")
    for kind in ("text/plain", "application/json", "application/x-www-form-urlencoded"):
        for mode in ("cors", "no-cors"):
            options = json.dumps(
                {"method": "POST", "mode": mode, "headers": {"Content-Type": kind}, "body": '{"thin":1}'}
            )
            with pytest.raises(BrowserError, match="Failed to fetch"):
                elsewhere.run(f"fetch('{daemon.url}/api/set', {options}).then((response) => response.text())")
    # A form sends {"thin":1,"=":0}: JSON as far as it can.
    elsewhere.run(f"""new Promise((done) => {{
        const frame = document.createElement('iframe');
        frame.name = 'target';
        frame.onload = done;
        document.body.append(frame);
        const form = document.createElement('form');
        Object.assign(form, {{ method: 'post', enctype: 'text/plain', target: 'target' }});
        form.action = '{daemon.url}/api/set';
        const input = document.createElement('input');
        Object.assign(input, {{ name: '{{"thin":1,"', value: '":0}}' }});
        form.append(input);
        document.body.append(form);
        form.submit();
    }})""")
    assert daemon.call("get") == before


def test_a_name_that_is_rebound_is_refused(tmp_path: Path, daemon: Running) -> None:
    """A page under a foreign name that leads to this machine (DNS rebinding) sees and changes nothing."""
    port = daemon.address.rpartition(":")[2]
    browser = launch(tmp_path, "--host-resolver-rules=MAP evil.example 127.0.0.1")
    try:
        page = browser.page()
        page.open(f"http://evil.example:{port}/")
        assert "Host: got" in page.run("document.body.textContent")
        # The name is the page's own origin, so that nothing but the check of Host stands in its way.
        change = (
            "fetch('/api/set', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{\"thin\":1}'})"
        )
        for request in (change, "fetch('/api/get')", "fetch('/snapshot.jpg')", "fetch('/api/events?topics=state')"):
            assert page.run(f"{request}.then((response) => response.status)") == 403
    finally:
        browser.close()
