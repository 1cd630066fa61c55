"""Networks that OpenCV runs by itself: read from the files that come with livewarp.

Guarantees: a network is used by one thread at a time, and lets go of the GIL while it computes.
"""

from __future__ import annotations

from pathlib import Path

import cv2

from livewarp.tracking.weights import Weights, find_weights


def open_network(weights: Weights, path: Path | None = None) -> cv2.dnn.Net:
    """A new network from its checked file.

    Notes
    -----
    OpenCV's number of threads is one for the whole process. It is set to one here: so small a network takes
    two threads half as much CPU time again (3.4 ms against 2.2, the face mesh), and on a busy machine longer, too.

    Raises
    ------
    ModelError
        The file is missing, damaged, or OpenCV cannot read it.
    """
    path = find_weights(path, weights)
    cv2.setNumThreads(1)
    try:
        if path.suffix == ".onnx":  # 20 % quicker than the classic engine (tools/convert_person.py)
            return cv2.dnn.readNetFromONNX(str(path), engine=cv2.dnn.ENGINE_NEW)
        # The new engine hides some of the outputs, the presence of a face among them.
        return cv2.dnn.readNetFromTFLite(str(path), engine=cv2.dnn.ENGINE_CLASSIC)
    except cv2.error as error:
        raise weights.error(f"OpenCV cannot read it: {' '.join(str(error).split())}", path) from error
