"""Pictures that a browser sends to stand behind people or to be drawn: real HTTP, good files and hostile ones."""

from __future__ import annotations

import functools
import io
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from PIL import Image

from control_fixture import FakeDaemon
from livewarp.appearance import collection
from livewarp.appearance import own as own_textures
from livewarp.appearance.own import read as read_texture
from livewarp.appearance.unwrapping import NAMES
from livewarp.face68 import MEAN_FACE
from livewarp.filtering import pictures
from livewarp.filtering.behind import _AGAIN_FRAMES, Scenery
from livewarp.parameters import Parameters
from livewarp.sinks.preview import Preview
from livewarp.sources.image import GIVEN_BYTES
from livewarp.worker import Worker
from panel_fixture import Reply, ask, serve_panel

ADD = "/api/backgrounds.add?name="


@pytest.fixture
def own() -> Path:
    """Where a person's own are kept."""
    return pictures.own_folder()


@pytest.fixture
def browse(own: Path, tmp_path: Path) -> Iterator[Callable[..., Reply]]:
    """Sends one request to a panel."""
    with serve_panel(FakeDaemon(), Preview(), tmp_path) as panel:
        yield functools.partial(ask, panel.address)


def encoded(kind: str, size_wh: tuple[int, int] = (64, 32), **options: object) -> bytes:
    """A picture, red on its left and blue on its right."""
    picture = Image.new("RGB", size_wh, (220, 0, 0))
    picture.paste((0, 0, 220), (size_wh[0] // 2, 0, *size_wh))
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def turned() -> Image.Exif:
    """What a camera writes that was held on its side."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "where I live"
    return exif


def bomb() -> bytes:
    """A PNG of some hundred bytes that says it has 50000x50000 px."""
    whole = encoded("PNG")
    head = b"IHDR" + (50_000).to_bytes(4, "big") * 2 + whole[24:29]
    return whole[:12] + head + zlib.crc32(head).to_bytes(4, "big") + whole[33:]


def test_a_picture_comes_over_http_and_goes(browse: Callable[..., Reply], own: Path) -> None:
    """It is kept upright under a plain name, without what the camera wrote; listed, seen small, replaced, removed."""
    jpeg = encoded("JPEG", (640, 320), quality=95, exif=turned())
    reply = browse("POST", ADD + "My%20Beach%20(2)", jpeg, Content_Type="image/jpeg")
    assert (reply.status, reply.json) == (200, {"name": "my-beach-2"})
    kept = (own / "my-beach-2.jpg").read_bytes()
    assert b"where I live" not in kept
    picture = cv2.imdecode(np.frombuffer(kept, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (640, 320, 3)
    assert picture[50, 160, 2] > 200 > 50 > picture[-50, 160, 2]  # red above
    assert browse("GET", "/api/backgrounds.list").json["backgrounds"][-1] == {"name": "my-beach-2", "shipped": False}
    small = browse("GET", "/backgrounds/my-beach-2.jpg")
    assert small.headers["Content-Type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(small.body, np.uint8), cv2.IMREAD_COLOR).shape == (180, 320, 3)
    again = functools.partial(browse, "POST", body=encoded("WEBP"), Content_Type="image/webp")
    assert again(path=ADD + "my-beach-2").status == 400
    assert again(path=ADD + "my-beach-2&replace=1").status == 200
    assert browse("POST", "/api/backgrounds.remove", {"name": "my-beach-2"}).status == 200
    assert browse("GET", "/backgrounds/my-beach-2.jpg").status == 400
    assert not list(own.iterdir())


@pytest.mark.parametrize(
    ("name", "body", "headers", "status"),
    [
        ("a", b"GIF89a", {"Content_Type": "image/gif"}, 415),
        ("a", encoded("PNG"), {"Content_Type": "text/plain"}, 415),
        ("a", encoded("PNG"), {"Content_Type": "multipart/form-data"}, 415),
        ("a", encoded("PNG"), {"Content_Type": "image/png", "Authorization": None}, 401),
        ("a", encoded("PNG"), {"Content_Type": "image/png", "Sec_Fetch_Site": "cross-site"}, 403),
        ("", encoded("PNG"), {"Content_Type": "image/png"}, 400),
        ("..%2F", encoded("PNG"), {"Content_Type": "image/png"}, 400),
        ("dawn", encoded("PNG"), {"Content_Type": "image/png"}, 400),
        ("a", encoded("BMP"), {"Content_Type": "image/png"}, 400),
        ("a", b"", {"Content_Type": "image/png"}, 400),
        ("a", encoded("JPEG")[:-60], {"Content_Type": "image/jpeg"}, 400),
        ("a", encoded("PNG")[:60], {"Content_Type": "image/png"}, 400),
        ("a", bomb(), {"Content_Type": "image/png"}, 400),
        ("a", encoded("PNG"), {"Content_Type": "image/png", "Content_Length": str(GIVEN_BYTES + 1)}, 413),
    ],
)
def test_what_is_no_picture_is_refused(
    browse: Callable[..., Reply], own: Path, name: str, body: bytes, headers: dict[str, str | None], status: int
) -> None:
    """Another type, no permission, no name, damaged, cut off, too large by bytes or by header: nothing is kept."""
    assert browse("POST", ADD + name, body, **headers).status == status
    assert not own.exists() or not list(own.iterdir())


POINTS = {name: [float(160 + 90 * MEAN_FACE[at, 0]), float(100 + 90 * MEAN_FACE[at, 1])] for name, at in NAMES.items()}
TEXTURE = "/api/textures.add?" + urlencode({"name": "Tiger 2", "points": json.dumps(POINTS), "blend": "paint"})


def test_a_texture_comes_over_http_and_goes(browse: Callable[..., Reply]) -> None:
    """It is placed by its points on the picture as it is seen upright, listed, replaced only when asked, removed."""
    jpeg = encoded("JPEG", (240, 320), quality=95, exif=turned())  # upright 320x240, red above
    reply = browse("POST", TEXTURE, jpeg, Content_Type="image/jpeg")
    assert (reply.status, reply.json) == (200, {"name": "Tiger 2", "parameter": "tiger_2"})
    [path] = collection.files()
    kept = read_texture(path)
    assert kept.blend == "paint"
    middle = kept.picture[:, own_textures.WIDTH // 2]
    assert middle[150, 2] > 200 > 50 > middle[-150, 2]  # red above, blue below: it was turned upright
    collection.install_textures()  # as the daemon does for textures.reload; this one plays it
    row = {"name": "Tiger 2", "parameter": "tiger_2", "blend": "paint"}
    assert browse("GET", "/api/textures.list").json == {"textures": [row]}
    assert browse("POST", TEXTURE, jpeg, Content_Type="image/jpeg").status == 400
    assert browse("POST", TEXTURE + "&replace=1", jpeg, Content_Type="image/jpeg").status == 200
    assert browse("POST", "/api/textures.remove", {"name": "tiger-2"}).status == 200
    assert collection.files() == []
    collection.install_textures()


@pytest.mark.parametrize(
    ("query", "body", "headers", "status"),
    [
        ({}, encoded("PNG"), {"Content_Type": "text/plain"}, 415),
        ({}, encoded("PNG"), {"Authorization": None}, 401),
        ({}, encoded("PNG"), {"Sec_Fetch_Site": "cross-site"}, 403),
        ({"name": "../x"}, encoded("PNG"), {}, 400),
        ({"name": "thin"}, encoded("PNG"), {}, 400),
        ({"blend": "melt"}, encoded("PNG"), {}, 400),
        ({"points": "[["}, encoded("PNG"), {}, 400),
        ({"points": "{}"}, encoded("PNG"), {}, 400),
        ({"points": json.dumps({name: [9, 9] for name in POINTS})}, encoded("PNG"), {}, 400),
        ({"points": json.dumps(POINTS | {"chin": [1e9, 0]})}, encoded("PNG", (320, 240)), {}, 400),
        ({}, encoded("PNG")[:60], {}, 400),
        ({}, bomb(), {}, 400),
        ({}, encoded("PNG"), {"Content_Length": str(GIVEN_BYTES + 1)}, 413),
    ],
)
def test_what_is_no_texture_is_refused(
    browse: Callable[..., Reply], query: dict[str, str], body: bytes, headers: dict[str, str | None], status: int
) -> None:
    """No picture, no permission, no name, or points that place nothing: nothing is kept."""
    text = urlencode({"name": "tiger", "points": json.dumps(POINTS)} | query)
    reply = browse("POST", f"/api/textures.add?{text}", body, **{"Content_Type": "image/png"} | headers)
    assert reply.status == status
    assert collection.files() == []


@pytest.mark.parametrize("path", ["/backgrounds/nosuch.jpg", "/backgrounds/..%2f..%2fx.jpg", "/backgrounds/.jpg"])
def test_only_a_name_is_shown(browse: Callable[..., Reply], path: str) -> None:
    """What is no background's name is refused."""
    assert browse("GET", path).status in {400, 404}


def test_a_picture_that_is_replaced_is_shown_anew(own: Path) -> None:
    """Live, what is shown follows its file, and stays when that is removed."""
    worker = Worker(synchronous=True)
    behind = Scenery(worker)
    behind._synchronous = False
    pictures.add_given(encoded("PNG"), "mine")
    values = Parameters(background="picture", background_picture="mine")

    def corner() -> int:
        for _ in range(_AGAIN_FRAMES + 1):
            pixels = behind.pixels(values, np.full((4, 6, 3), 90, np.uint8), 90, 160)
        return int(pixels[5, 5, 2])

    assert corner() > 180
    path = own / "mine.jpg"
    assert cv2.imwrite(str(path), np.zeros((90, 160, 3), np.uint8))
    assert corner() < 20
    path.unlink()
    assert corner() < 20
    assert behind.problem is None
