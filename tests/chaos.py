"""Random sequences of faults and commands, each of which its number brings again.

python tests/chaos.py --from 0 --sequences 1000     # all of them; stops at the first that fails, and names it
python tests/chaos.py --only 4711                   # that one, told step by step
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos_house import BACK_S, FPS, House, house
from livewarp.parameters import KNOBS
from scripted import SHAPE
from scripted_world import CAMERA_FAULTS

Act = Callable[[House, random.Random], str]
NUMBERS = [name for name, k in KNOBS.items() if isinstance(k.default, float) and name != "strength"]
PRESETS = ("slim", "one", "two", "Ünï", "../x", "", "a" * 300)
DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "emptied": lambda text: b"",
    "cut": lambda text: text[: len(text) // 2],
    "garbage": lambda text: os.urandom(64),
    "deep": lambda text: b"[" * 30_000,
    "newer": lambda text: text.replace(b'"version": 1', b'"version": 2'),
    "flipped": lambda text: text[:40] + bytes([text[40] ^ 0x10]) + text[41:] if len(text) > 40 else text,
    "no object": lambda text: b"[1, 2, 3]",
}


def ask(house: House, method: str, params: Any = None) -> Any:
    """One request; its reply, noted where it changed something."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {} if params is None else params}
    before = house.expected()
    expect(house, method, params or {})
    reply = house.send(message)
    if reply is None:  # the process died under way: it has happened or not
        house.answered = False
    elif "error" in reply:
        house.values, house.blank, house.frozen, house.entries = before
    else:
        take(house, method, reply["result"])
    return reply


def expect(house: House, method: str, params: dict[str, Any]) -> None:
    """What the switches will be, if it is done."""
    if method in ("blank", "freeze"):
        name = "frozen" if method == "freeze" else method
        setattr(house, name, params.get("on", not getattr(house, name)))
        if name == "frozen" and house.frozen:
            house.hold()


def take(house: House, method: str, result: Any) -> None:
    """What the values are now."""
    if method in ("set", "adjust", "reset", "presets.load", "mirror"):
        house.note(result)
    elif method == "bypass":
        house.note({"enabled": not result["bypass"]})
    elif method == "reload":
        house.take_settings(result["parameters"])


def value_of(rng: random.Random) -> dict[str, Any]:
    """Values of knobs, of which some may be refused."""
    chosen: dict[str, Any] = {name: rng.choice((0.0, 0.25, 0.5, -0.25, 1.0, 7.0)) for name in rng.sample(NUMBERS, 2)}
    if rng.random() < 0.1:
        chosen[rng.choice(("thn", "mirror", "enabled", "overlay"))] = rng.choice((True, False, "x", None))
    return chosen


def a_set(house: House, rng: random.Random) -> str:
    """Values, relative ones, or back to the settings."""
    kind = rng.choice(("set", "adjust", "reset", "reset all", "mirror", "bypass"))
    if kind == "set":
        params: Any = value_of(rng)
    elif kind == "adjust":
        params = {"by": {rng.choice(NUMBERS): rng.choice((-0.5, 0.1, 3.0))}, "strict": rng.random() < 0.5}
    elif kind == "reset":
        params = {"names": rng.sample(NUMBERS, 3)}
    else:
        params = {}
    ask(house, kind.split()[0], params)
    return f"{kind} {params}"


def a_switch(house: House, rng: random.Random) -> str:
    """Blank or freeze."""
    name, on = rng.choice(("blank", "blank", "freeze")), rng.choice((True, False, None))
    ask(house, name, {} if on is None else {"on": on})
    return f"{name} {on}"


def a_preset(house: House, rng: random.Random) -> str:
    """One is kept, put on, renamed or deleted."""
    verb, name = rng.choice(("save", "load", "delete", "rename", "list")), rng.choice(PRESETS)
    params: dict[str, Any] = {} if verb == "list" else {"name": name}
    params |= {"replace": True} if verb == "save" else {"to": rng.choice(PRESETS)} if verb == "rename" else {}
    ask(house, f"presets.{verb}", params)
    return f"presets.{verb} {params}"


def an_edit(house: House, rng: random.Random) -> str:
    """config.toml is edited, well or badly, and perhaps read again."""
    text = rng.choice(
        (
            *("", "[parameters]\nthin = 0.5\n", "[parameters]\nthin = 0.25\neyes = 0.5\n", "[parameters]\nthin = 9\n"),
            *("[parameters", "\x00", "a = " + "[" * 5_000, "[video]\nwidth = 640\n"),
        )
    )
    before = house.config.read_bytes()
    house.config.write_text(text)
    reply = ask(house, "reload") if rng.random() < 0.7 else {}
    if reply and "error" in reply:
        house.config.write_bytes(before)  # the person sees that it is wrong
    elif "9" in text or text[:1] in ("\x00", "a") or text == "[parameters":
        house.config.write_bytes(before)
    return f"config.toml {text[:40]!r}, {'reload' if reply else 'not read'}"


def nonsense(house: House, rng: random.Random) -> str:
    """A message that is none; changes nothing."""
    message: Any = rng.choice(
        (
            *([], {}, 7, None, "blank", [[]], {"jsonrpc": "2.0", "method": "blank"}, {"jsonrpc": "1.0", "id": 1}),
            *({"jsonrpc": "2.0", "id": 1, "method": "blank", "params": {"on": "yes"}}, [None] * 101),
            {"jsonrpc": "2.0", "id": 1, "method": "set", "params": {"thin": math.inf}},
        )
    )
    if message == {"jsonrpc": "2.0", "method": "blank"}:
        ask(house, "blank")  # it is one: a notification, which `ask` knows how to expect
        return "blank"
    reply = house.send(message)
    assert house.disk.dead or "error" in (reply[0] if isinstance(reply, list) else reply)
    return f"nonsense {message!r:.40}"


def a_batch(house: House, rng: random.Random) -> str:
    """Several at once, with a bad one among them."""
    values = {rng.choice(NUMBERS): rng.choice((0.0, 0.5))}
    on = rng.random() < 0.5
    calls = [("set", values), ("set", {"thn": 1}), ("blank", {"on": on}), ("state", {}), ("stats", {}), ("get", {})]
    reply = house.send([{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(calls)])
    house.note(values)
    house.blank = on
    if reply is None:
        house.answered = False
    else:
        assert ["error" in each for each in reply] == [False, True, False, False, False, False]
        json.dumps(reply, allow_nan=False)
    return f"batch {values}, blank {on}"


def a_look(house: House, rng: random.Random) -> str:
    """What changes nothing."""
    method = rng.choice(("state", "stats", "describe", "schema", "sources", "version", "presets.list"))
    reply = ask(house, method)
    assert reply is None or "result" in reply, reply
    return method


def a_camera_fault(house: House, rng: random.Random) -> str:
    """Unplugged, in use, hanging, silent, old, another size, or well again."""
    fault = rng.choice((*CAMERA_FAULTS, "", "", "changes its size"))
    if fault == "changes its size":
        usual = (SHAPE[1], SHAPE[0])
        house.world.size = (64, 30) if house.world.size == usual else usual
    else:
        house.world.fault = fault
    return f"the camera {fault or 'is well'}"


def an_output(house: House, rng: random.Random) -> str:
    """Viewers come and go; a sink is lost."""
    what = rng.choice(("nobody watches", "somebody watches", "a sink fails", "preview"))
    if what == "a sink fails":
        house.failing.failure = OSError("gone")
    elif what == "preview":
        house.watch_preview()
    else:
        house.sink.watched = house.failing.watched = what.startswith("somebody")
    return what


def time_goes_wrong(house: House, rng: random.Random) -> str:
    """The wall clock is set, or the whole process is stopped for a while."""
    if rng.random() < 0.5:
        house.offset_s += rng.choice((-86_400.0, 3.0, 1e7, -1e7))
        return "the clock is set"
    asleep_s = rng.choice((0.3, 1.5, 30.0))
    house.sleep(asleep_s)
    return f"stopped for {asleep_s} s"


def the_disk(house: House, rng: random.Random) -> str:
    """It is full, or has room again."""
    house.disk.full = not house.disk.full
    return "the disk is full" if house.disk.full else "the disk has room"


def an_end(house: House, rng: random.Random) -> str:
    """Stopped, or killed at rest or at one of the next file operations; and started again."""
    how = rng.choice(("stop", "kill", "kill at a file operation"))
    if how == "stop":
        house.settle()
        house.disk_was_full = house.disk.full
        house.stop()
        house.restart(lost=house.disk_was_full)
        return "stopped and started"
    if how == "kill":
        house.settle()
        house.disk_was_full = house.disk.full
        house.kill()
        house.restart(lost=house.disk_was_full)
        return "killed at rest and started"
    house.settle()
    if house.disk.full:
        return "nothing"
    before, house.answered = house.expected(), True
    house.disk.dies_after = rng.randrange(8)
    told = rng.choice((a_set, a_switch, a_preset, a_batch))(house, rng)
    house.settle()
    house.before = (before, house.answered) if house.disk.dead else None
    house.kill()
    house.restart()
    return f"killed at a file operation of: {told}"


def a_damage(house: House, rng: random.Random) -> str:
    """Stopped; the file of kept values comes to harm; started."""
    house.settle()
    if house.disk.full or not house.kept.path.exists():
        return "nothing"
    house.disk_was_full = False
    house.stop()
    how = rng.choice(tuple(DAMAGE))
    house.kept.path.write_bytes(DAMAGE[how](house.kept.path.read_bytes()))
    house.restart(lost=True)
    return f"kept values {how}"


ACTS: tuple[tuple[Act, int], ...] = (
    *((a_set, 6), (a_switch, 6), (a_preset, 3), (an_edit, 2), (nonsense, 2), (a_batch, 2), (a_look, 2)),
    *((a_camera_fault, 8), (an_output, 4), (time_goes_wrong, 3), (the_disk, 2), (an_end, 3), (a_damage, 1)),
)


def play(seed: int, folder: Path, said: Callable[[str], None] = lambda text: None) -> None:
    """One sequence, from its seed alone; AssertionError where something that must always hold does not."""
    rng = random.Random(seed)
    with house(folder, recording=rng.random() < 0.1) as made:
        for _ in range(rng.randint(3, 12)):
            [act] = rng.choices([act for act, _ in ACTS], [weight for _, weight in ACTS])
            told = act(made, rng)
            seconds = rng.choice((0.025, 0.1, 0.4, 1.2, 3.0))
            said(f"{told}; {seconds} s")
            made.live(seconds)
            made.settle()
            made.expect_values()
        made.recover()
        frames = made.world.frames
        made.wait(lambda: made.world.frames > frames and made.shows_the_camera(), BACK_S + 2 / FPS)
        said("over")
        made.settle()
        made.expect_values()
        assert made.daemon._engine.abandoned_threads == 0
        assert [p for p in made.daemon.state()["problems"] if "failing" not in p["what"]] == []


def tell(text: str) -> None:
    """To the person who waits."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """As many as are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--only", type=int)
    parser.add_argument("--go-on", action="store_true", help="name all that fail")
    args = parser.parse_args()
    logging.disable(logging.CRITICAL if args.only is None else logging.NOTSET)
    seeds = range(args.first, args.first + args.sequences) if args.only is None else [args.only]
    began_s, failed = time.monotonic(), []
    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="livewarp-chaos-") as folder:
            try:
                play(seed, Path(folder), tell if args.only is not None else lambda text: None)
            except Exception as error:
                failed.append(seed)
                tell(f"{seed} fails: {error!r}")
                if not args.go_on:
                    raise
    tell(f"{len(seeds)} sequences in {time.monotonic() - began_s:.0f} s, {len(failed)} failed: {failed}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
