"""Drives a headless Chromium of the system over its own debugging protocol, for tests that need a real browser.

The protocol comes over a pipe (`--remote-debugging-pipe`): JSON messages that end with a zero byte. So
no driver, no open port and no package is needed, only the system's `chromium`.
https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TIMEOUT_S = 500.0  # a page that needs so long has failed; two busy cores are slow

_ARGUMENTS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-sync",
    "--hide-scrollbars",
    "--mute-audio",
    "--password-store=basic",
    "--use-mock-keychain",
    "--window-size=1280,800",
)
_KEYS = {  # name: (code, virtual key, text)
    "Enter": ("Enter", 13, "\r"),
    "Tab": ("Tab", 9, ""),
    "Escape": ("Escape", 27, ""),
    "Delete": ("Delete", 46, ""),
    "ArrowLeft": ("ArrowLeft", 37, ""),
    "ArrowUp": ("ArrowUp", 38, ""),
    "ArrowRight": ("ArrowRight", 39, ""),
    "ArrowDown": ("ArrowDown", 40, ""),
    "Home": ("Home", 36, ""),
    "End": ("End", 35, ""),
    " ": ("Space", 32, " "),
    "/": ("Slash", 191, "/"),
}


def find_chromium() -> str | None:
    """Where the system's Chromium is; None: it has none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def until(condition: Callable[[], Any], what: str = "") -> Any:
    """Ask again and again until there is an answer that counts as true; that answer."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while not (answer := condition()):
        assert time.monotonic() < deadline_s, f"not within {TIMEOUT_S:g} s: {what or condition}"
        threading.Event().wait(0.02)
    return answer


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are none of 3 and 4."""
    ends = os.pipe()
    moved = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
    for end in ends:
        os.close(end)
    return moved[0], moved[1]


class BrowserError(Exception):
    """The browser refused a command, a script threw, or the browser ended."""


class Browser:
    """A headless Chromium with a profile of its own.

    Parameters
    ----------
    executable
        From `find_chromium`.
    profile
        An empty folder.
    arguments
        For its command line, beside the usual ones.
    """

    def __init__(self, executable: str, profile: Path, *arguments: str) -> None:
        commands_in, commands_out = _pipe()
        answers_in, answers_out = _pipe()
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's own does not work for root

        # A shell puts the pipes where Chromium expects them: 3 to read from, 4 to write to.
        script = f'exec "$@" 3<&{commands_in} 4>&{answers_out} {commands_in}<&- {answers_out}>&-'
        command = [executable, *_ARGUMENTS, *sandbox, f"--user-data-dir={profile}", *arguments, "about:blank"]
        self._process = subprocess.Popen(
            ["/bin/bash", "-c", script, "bash", *command],
            pass_fds=(commands_in, answers_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(commands_in)
        os.close(answers_out)
        self._commands = os.fdopen(commands_out, "wb", buffering=0)
        self._answers = os.fdopen(answers_in, "rb")
        self._ids = itertools.count(1)
        self._arrived = threading.Condition()
        self._replies: dict[int, dict[str, Any]] = {}
        self._events: list[dict[str, Any]] = []
        self._ended = False
        self._reader = threading.Thread(target=self._read, name="browser", daemon=True)
        self._reader.start()

    def page(self, width: int = 1280, height: int = 800, **media: str) -> Page:
        """A new page of that size; `media`: features of it, as in prefers_color_scheme="dark"."""
        target = self.send("Target.createTarget", {"url": "about:blank"})
        session = self.send("Target.attachToTarget", {"targetId": target["targetId"], "flatten": True})
        page = Page(self, target["targetId"], session["sessionId"])
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.resize(width, height)
        features = [{"name": name.replace("_", "-"), "value": value} for name, value in media.items()]
        page.send("Emulation.setEmulatedMedia", {"features": features})
        return page

    def send(self, method: str, params: dict[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        """One command and its result."""
        id_ = next(self._ids)
        message = {"id": id_, "method": method, "params": params or {}}
        if session is not None:
            message["sessionId"] = session
        self._commands.write(json.dumps(message).encode() + b"\0")
        with self._arrived:
            done = self._arrived.wait_for(lambda: id_ in self._replies or self._ended, TIMEOUT_S)
            if not done or id_ not in self._replies:
                raise BrowserError(f"{method}: {'the browser has ended' if self._ended else 'no answer'}")
            reply = self._replies.pop(id_)
        if "error" in reply:
            raise BrowserError(f"{method}: {reply['error']['message']}")
        return dict(reply["result"])

    def events(self, session: str, method: str) -> list[dict[str, Any]]:
        """The params of that page's events so far."""
        with self._arrived:
            return [e["params"] for e in self._events if e.get("sessionId") == session and e["method"] == method]

    def close(self) -> None:
        """End it."""
        try:
            self._commands.write(json.dumps({"id": 0, "method": "Browser.close"}).encode() + b"\0")
            self._process.wait(TIMEOUT_S)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        self._reader.join(TIMEOUT_S)
        self._commands.close()
        self._answers.close()

    def _read(self) -> None:
        """Thread: sort what the browser says."""
        pending = bytearray()
        while chunk := os.read(self._answers.fileno(), 1 << 16):
            pending += chunk
            *whole, rest = pending.split(b"\0")
            pending = bytearray(rest)
            with self._arrived:
                for text in whole:
                    message = json.loads(text)
                    if "id" in message:
                        self._replies[message["id"]] = message
                    else:
                        self._events.append(message)
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()


class Page:
    """One tab."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    def send(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """One command to this tab and its result."""
        return self._browser.send(method, params, self._session)

    def open(self, url: str) -> None:
        """Go there; returns when the page has been loaded."""
        before = len(self._browser.events(self._session, "Page.loadEventFired"))
        result = self.send("Page.navigate", {"url": url})
        if result.get("errorText"):
            raise BrowserError(f"{url}: {result['errorText']}")
        until(lambda: len(self._browser.events(self._session, "Page.loadEventFired")) > before, f"{url} is loaded")

    def run(self, script: str) -> Any:
        """The value of an expression; promises are awaited."""
        params = {"expression": script, "awaitPromise": True, "returnByValue": True, "userGesture": True}
        result = self.send("Runtime.evaluate", params)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description") or details["text"])
        return result["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait for an expression to become true; its value."""
        return until(lambda: self.run(script), script)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element, which is scrolled to; CSS px of the window."""
        script = f"""(() => {{
            const found = document.querySelector({json.dumps(selector)});
            found.scrollIntoView({{ block: "nearest", behavior: "instant" }});
            const box = found.getBoundingClientRect();
            return [box.left, box.top, box.width, box.height];
        }})()"""
        left, top, width, height = self.run(script)
        return left, top, width, height

    def mouse(self, kind: str, x: float, y: float, clicks: int = 1) -> None:
        """One event of the mouse: "mousePressed", "mouseMoved" or "mouseReleased"."""
        button = "none" if kind == "mouseMoved" and not clicks else "left"
        params = {"type": kind, "x": x, "y": y, "button": button, "buttons": int(kind != "mouseReleased")}
        self.send("Input.dispatchMouseEvent", {**params, "clickCount": clicks})

    def click(self, selector: str, times: int = 1) -> None:
        """Click in the middle of an element, or double-click."""
        left, top, width, height = self.box(selector)
        x, y = left + width / 2, top + height / 2
        for clicks in range(1, times + 1):
            self.mouse("mousePressed", x, y, clicks)
            self.mouse("mouseReleased", x, y, clicks)

    def press(self, *keys: str) -> None:
        """Press keys one after the other: one of the few named ones, or a character."""
        for key in keys:
            code, virtual, text = _KEYS.get(key, (f"Key{key.upper()}", ord(key[0].upper()), key))
            params = {"key": key, "code": code, "windowsVirtualKeyCode": virtual}
            self.send("Input.dispatchKeyEvent", {"type": "keyDown", **params, **({"text": text} if text else {})})
            self.send("Input.dispatchKeyEvent", {"type": "keyUp", **params})

    def type(self, text: str) -> None:
        """Write text where the focus is."""
        self.send("Input.insertText", {"text": text})

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Give the window another size, CSS px."""
        params = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.send("Emulation.setDeviceMetricsOverride", params)

    def screenshot(self, path: Path | None = None) -> bytes:
        """The page as PNG, also into a file."""
        png = base64.b64decode(self.send("Page.captureScreenshot", {"format": "png"})["data"])
        if path is not None:
            path.write_bytes(png)
        return png

    def complaints(self) -> list[str]:
        """What the browser has put into its console as an error: scripts that threw, what the policy refused."""
        thrown = self._browser.events(self._session, "Runtime.exceptionThrown")
        logged = self._browser.events(self._session, "Log.entryAdded")
        return [e["exceptionDetails"]["exception"]["description"] for e in thrown] + [
            e["entry"]["text"] for e in logged if e["entry"]["level"] == "error"
        ]

    def close(self) -> None:
        """Close the tab."""
        self._browser.send("Target.closeTarget", {"targetId": self._target})
