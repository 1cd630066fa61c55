"""Gets what livewarp may not bring along, on a person's word: today the network that finds hair.

The only place that opens a connection to another machine; the daemon and every other command open none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from livewarp.errors import ModelError
from livewarp.fetch.conversion import convert_hair
from livewarp.fetch.download import Published, download, read_copy
from livewarp.fetch.tflite import read_graph
from livewarp.system.atomic import replacing
from livewarp.system.runtime import make_private
from livewarp.tracking.weights import HAIR, HAIR_SMALL, check_sha256, kept_path

# Google's, of MediaPipe, Apache-2.0; the checksum is the one that MediaPipe's own build asks for.
PUBLISHED = Published(
    "hair network",
    "https://storage.googleapis.com/mediapipe-assets/hair_segmentation.tflite",
    780_588,
    "d2c940c4fd80edeaf38f5d7387d1b4235ee320ed120080df67c663e749e77633",
)
SIDES_PX = {HAIR: 320, HAIR_SMALL: 256}
"""What the network is converted to: the side of its square picture."""


def fetch_hair(
    copy: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    published: Published = PUBLISHED,
) -> list[Path]:
    """Get the hair network, convert it and keep it.

    Parameters
    ----------
    copy
        Of the published file, on this machine; None: get it from its address.
    progress
        Called with the bytes that are there and all that there will be.
    published
        Which file, and where.

    Returns
    -------
    list of Path
        What is kept.

    Raises
    ------
    ModelError
        It cannot be had, is another file, or cannot be kept; what was there before stays.
    """
    graph = read_graph(download(published, progress) if copy is None else read_copy(published, copy))
    paths = []
    for weights, side_px in SIDES_PX.items():
        path = kept_path(weights)
        data = convert_hair(graph, side_px, side_px)
        try:
            make_private(path.parent)
            with replacing(path) as partial:
                partial.write_bytes(data)
                check_sha256(partial, weights)
        except OSError as error:
            what = f"{weights.name} {path}: cannot be kept: {error.strerror or error}"
            raise ModelError(what, remedy="make room there, or set XDG_CACHE_HOME to another folder") from error
        paths.append(path)
    return paths
