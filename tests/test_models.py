"""The choice of landmark model and detector: found wherever livewarp is installed, and changed while it runs."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livewarp.arrays import BgrFrame
from livewarp.errors import ModelError, SettingsError
from livewarp.filtering.filter import FaceFilter
from livewarp.live.loading import Loading
from livewarp.live.switching import ModelSwitch
from livewarp.settings import TrackingSettings
from livewarp.sources.headmotion import still
from livewarp.sources.portrait import PortraitSource
from livewarp.tracking import FaceTracker, weights
from livewarp.tracking import tracker as tracker_module
from livewarp.tracking.kit import Kit, make_kit
from livewarp.tracking.landmarks import LandmarkModel
from livewarp.tracking.mesh import MeshLandmarks
from livewarp.tracking.models import AUTO, DETECTOR_OF, DETECTORS, MODELS, chosen_model, detector_for, load_model

ROOT = Path(__file__).resolve().parents[1]

# Runs where dlib and its weights cannot be had.
WITHOUT_DLIB = """
import sys
from importlib.machinery import PathFinder
find = PathFinder.find_spec
gone = ("dlib", "face_recognition_models")
PathFinder.find_spec = lambda name, *where: None if name.partition(".")[0] in gone else find(name, *where)
"""


@pytest.fixture(scope="module")
def frame() -> BgrFrame:
    """The portrait."""
    source = PortraitSource(640, 360, motion=still)
    out = np.empty((360, 640, 3), np.uint8)
    source.render(0, out)
    return out


@pytest.mark.parametrize("which", [weights.FACE_MESH, weights.BLAZE_FACE], ids=lambda w: w.name)
def test_the_networks_come_with_livewarp(which: weights.Weights) -> None:
    """They are there, byte for byte what models/README.md says, with the licence and the notice beside them."""
    path = weights.find_weights(None, which)
    weights.check_sha256(path, which)
    assert path.read_bytes()[4:8] == b"TFL3"
    folder = ROOT / "models"
    assert "Apache License" in (folder / "LICENSE.Apache-2.0").read_text()
    notice, readme = (folder / "NOTICE").read_text(), (folder / "README.md").read_text()
    assert path.name in notice
    assert which.sha256 in readme
    assert f"{which.size:,}" in readme


def test_a_wheel_holds_the_networks_and_their_licence(tmp_path: Path) -> None:
    """Built without a network, as pip builds it; the weights that are not free for any use are an extra."""
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "LICENSE", "README.md", "livewarp", "models"):
        (tree / name).symlink_to(ROOT / name)
    program = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    command = [sys.executable, "-W", "ignore", "-c", program, str(tmp_path)]
    # Its build folders go to a temporary place, not into the repository.
    (tree / "setup.cfg").write_text(f"[egg_info]\negg_base = {tmp_path}\n[build]\nbuild_base = {tmp_path / 'build'}\n")
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        for which in (weights.FACE_MESH, weights.BLAZE_FACE):
            assert archive.getinfo(f"livewarp/{which.file}").file_size == which.size
        for text in ("LICENSE.Apache-2.0", "NOTICE"):
            assert f"livewarp/models/{text}" in names
        (about,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        lines = archive.read(about).decode().splitlines()
    (needs,) = (line for line in lines if line.startswith("Requires-Dist: face_recognition_models"))
    assert 'extra == "dlib-weights"' in needs


def test_make_installs_the_default_models_weights() -> None:
    """The extra is among the pins of both goals, so that `make` brings the default model."""
    for name in ("requirements.txt", "requirements-dev.txt"):
        assert "face-recognition-models==0.3.0" in (ROOT / name).read_text()
    assert "--extra=dlib-weights" in (ROOT / "tools" / "pin.py").read_text()


def test_the_mesh_needs_neither_dlib_nor_its_weights(tmp_path: Path) -> None:
    """Where both are missing, an image is filtered with `--model mesh`, and the default model says what helps."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    said = {}
    for model in ("mesh", "dlib"):
        program = f"{WITHOUT_DLIB}\nfrom livewarp.cli.main import main\nsys.argv[1:] = {['sheet', 'portrait']!r} + "
        program += f"[{str(tmp_path / f'{model}.png')!r}, '--adjustment', 'thin', '--model', {model!r}]\nmain()"
        said[model] = subprocess.run(
            [sys.executable, "-c", program], env=environ, capture_output=True, text=True, timeout=500
        )
    assert said["mesh"].returncode == 0, said["mesh"].stderr
    assert (tmp_path / "mesh.png").stat().st_size > 10_000
    assert said["dlib"].returncode != 0
    assert "pip install" in said["dlib"].stderr
    assert "--model mesh" in said["dlib"].stderr
    assert said["dlib"].stderr.splitlines()[-1].startswith("livewarp: landmark weights: package")


def test_missing_networks_are_named_with_the_remedy(tmp_path: Path) -> None:
    """The error says which file it is and what brings it."""
    with pytest.raises(ModelError, match=r"face mesh .*gone\.tflite.*git -C \S+ checkout -- models"):
        weights.find_weights(tmp_path / "gone.tflite", weights.FACE_MESH)


def test_auto_is_dlib_where_its_weights_are_else_the_mesh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the weights the mesh is used, and one line says so with the command; weights named by path are used."""
    caplog.set_level("INFO", "livewarp")
    named = weights.find_weights()
    assert chosen_model(AUTO) == "dlib"
    assert caplog.records == []
    monkeypatch.setattr(weights, "find_spec", lambda name: None)
    assert chosen_model(AUTO) == "mesh"
    assert isinstance(FaceTracker()._kit.model, MeshLandmarks)
    assert weights.LANDMARKS_68.remedy in caplog.records[0].getMessage()
    assert chosen_model(AUTO, named) == "dlib"
    with pytest.raises(ModelError):
        FaceTracker(weights=tmp_path / "gone.dat")


def test_what_a_choice_needs_is_known() -> None:
    """The doctor looks for these: with HOG, dlib's model needs its own weights alone; the mesh never needs those."""
    assert weights.needed("dlib", "hog") == (weights.LANDMARKS_68,)
    assert weights.needed("dlib", "auto") == (weights.LANDMARKS_68, weights.FACE_MESH, weights.BLAZE_FACE)
    assert weights.needed("mesh", "auto") == (weights.FACE_MESH, weights.BLAZE_FACE)


def test_settings_and_names_agree() -> None:
    """What the settings allow is what there is; `auto` means a detector for every model."""
    fields = TrackingSettings.model_fields
    assert fields["model"].annotation.__args__ == (AUTO, *MODELS)
    assert set(fields["detector"].annotation.__args__) == {AUTO, *DETECTORS}
    assert set(DETECTOR_OF) == set(MODELS)
    assert detector_for("mesh", "hog") == "hog"
    with pytest.raises(SettingsError, match="allowed: dlib, mesh"):
        load_model("shape")
    with pytest.raises(SettingsError, match="allowed: auto, hog, blaze"):
        detector_for("dlib", "haar")


@pytest.mark.parametrize("model", list(MODELS))
@pytest.mark.parametrize("detector", list(DETECTORS))
def test_every_model_goes_with_every_detector(frame: BgrFrame, model: str, detector: str) -> None:
    """Each pair finds and follows the portrait."""
    tracker = FaceTracker.from_settings(TrackingSettings(model=model, detector=detector))  # type: ignore[arg-type]
    for index in range(3):
        (face,) = tracker.update(frame, index / 30)
    assert face.confidence == 1.0


@pytest.mark.parametrize(("before", "after"), [("dlib", "mesh"), ("mesh", "dlib")])
def test_a_switch_keeps_the_face_and_moves_its_points_without_a_jump(frame: BgrFrame, before: str, after: str) -> None:
    """Same id and confidence; the points move by under 1 % of the IOD a frame; in the end they are the new model's."""
    tracker = FaceTracker(model=before)
    for index in range(10):
        (last,) = tracker.update(frame, index / 30)
    tracker.use_model(after)
    steps = []
    for index in range(10, 60):
        (face,) = tracker.update(frame, index / 30)
        assert (face.id, face.confidence) == (1, 1.0)
        steps.append(np.linalg.norm(face.landmarks - last.landmarks, axis=1).mean() / face.pose.iod_px)
        assert abs(math.degrees(face.pose.yaw - last.pose.yaw)) < 3
        last = face
    assert max(steps) < 0.01
    (other,), (fresh,) = (FaceTracker(model=model).update(frame, 0.0) for model in (before, after))
    # The models differ by more than that.
    assert np.linalg.norm(other.landmarks - fresh.landmarks, axis=1).mean() > 0.015 * fresh.pose.iod_px
    assert np.linalg.norm(last.landmarks - fresh.landmarks, axis=1).mean() < 0.01 * fresh.pose.iod_px


def test_a_switch_loads_beside_the_loop_and_the_last_request_counts(frame: BgrFrame) -> None:
    """`request` returns while another one is loaded; whatever fails is a problem, and the model stays."""
    face_filter = FaceFilter(tracker=FaceTracker())
    loading = Loading(lambda: face_filter, (360, 640), lambda error: pytest.fail(str(error)))
    loading.start()
    loading.wait()
    switch = ModelSwitch(loading, "dlib")
    let_go, begun, wanted = threading.Event(), threading.Event(), []
    really = face_filter.use_model

    def slowly(model: str) -> None:
        wanted.append(model)
        begun.set()
        assert let_go.wait(500)
        if len(wanted) == 1:
            raise ModelError("face mesh: gone", remedy="bring it back")
        really(model)

    face_filter.use_model = slowly  # type: ignore[method-assign]
    switch.request("mesh")
    assert begun.wait(500)
    switch.request("dlib")
    switch.request("mesh")
    assert switch.model == "dlib"
    assert len(face_filter.track(frame, 0.0).faces) == 1  # frames go on meanwhile
    let_go.set()
    threads = [t for t in threading.enumerate() if t.name == "loading model"]
    for thread in threads:
        thread.join(60)
    assert wanted == ["mesh", "mesh"]
    assert (switch.model, switch.problem) == ("mesh", None)
    assert len(face_filter.track(frame, 1 / 30).faces) == 1
    assert face_filter._tracker._kit.model.tells_faces

    def broken(model: str) -> None:
        raise ModelError("landmark weights: gone", remedy="bring them back")

    face_filter.use_model = broken  # type: ignore[method-assign]
    switch.request("dlib")
    for thread in [t for t in threading.enumerate() if t.name == "loading model"]:
        thread.join(60)
    assert switch.model == "mesh"
    assert switch.problem is not None
    assert (switch.problem.what, switch.problem.remedy) == (
        "model dlib cannot be used: landmark weights: gone",
        "bring them back",
    )
    face_filter.close()


def test_a_live_switch_ends_the_search_of_the_model_before(frame: BgrFrame) -> None:
    """The worker has one task, the new detector's, and is the tracker's only thread, until the tracker is closed."""
    tracker = FaceTracker(model="dlib", live=True)
    tracker.update(frame, 0.0)
    worker = tracker.worker
    (old,) = worker._tasks
    tracker.use_model("mesh")
    tracker.update(frame, 1 / 30)
    (new,) = worker._tasks
    assert new is not old
    assert new is tracker._kit.finder._task
    assert len([t for t in threading.enumerate() if t.name == "worker"]) == 1
    tracker.close()
    assert not [t for t in threading.enumerate() if t.name == "worker"]


def test_a_switch_that_fails_of_anything_can_be_tried_again() -> None:
    """Memory, a damaged cache, a bug: each is a problem, the model stays, and the next request is carried out."""
    face_filter = FaceFilter(tracker=FaceTracker())
    loading = Loading(lambda: face_filter, (360, 640), lambda error: pytest.fail(str(error)))
    loading.run()
    switch = ModelSwitch(loading, "dlib")
    for error in (MemoryError(), ValueError("a bug"), OSError(28, "No space left on device")):

        def broken(model: str, error: Exception = error) -> None:
            raise error

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(face_filter, "use_model", broken)
            ask_for(switch, "mesh")
        assert switch.model == "dlib"
        assert switch.problem is not None
        assert repr(error) in switch.problem.what
        assert switch.problem.remedy
    ask_for(switch, "mesh")
    assert (switch.model, switch.problem) == ("mesh", None)
    face_filter.close()


def ask_for(switch: ModelSwitch, model: str) -> None:
    """Request a model and wait until the switch has ended."""
    switch.request(model)
    for thread in [t for t in threading.enumerate() if t.name == "loading model"]:
        thread.join(60)


def test_no_kit_is_lost_however_switches_meet(frame: BgrFrame) -> None:
    """One that is published while another is adopted is adopted next, and whatever is used still searches."""
    tracker = FaceTracker(model="dlib", live=True)
    tracker.update(frame, 0.0)
    close = tracker._kit.finder.close

    def publish_amid() -> None:
        close()
        tracker.use_model("dlib")

    tracker._kit.finder.close = publish_amid  # type: ignore[method-assign]
    tracker.use_model("mesh")
    tracker.update(frame, 1 / 30)
    assert tracker._kit.model.tells_faces
    for index in range(2, 4):
        tracker.update(frame, index / 30)
    assert not tracker._kit.model.tells_faces
    tracker._kit.finder.close = close  # type: ignore[method-assign]
    for wanted in (["mesh", "dlib"], ["dlib", "mesh"], ["dlib", "dlib"]):
        for model in wanted:
            tracker.use_model(model)
        for index in range(3):
            tracker.update(frame, 1000.0 + index / 30)  # after a gap: whoever is there is searched for
        assert tracker._kit.model.tells_faces == (wanted[-1] == "mesh")
        assert tracker.worker._tasks == (tracker._kit.finder._task,)
    tracker.close()


def test_a_model_is_loaded_once(frame: BgrFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is switched there and back: networks that come and go leave holes in the memory."""
    loaded: list[object] = []

    def load(model: str | LandmarkModel, *others: Any) -> Kit:
        loaded.append(model)
        return make_kit(model, *others)

    monkeypatch.setattr(tracker_module, "make_kit", load)
    tracker = FaceTracker(model="dlib")
    for index in range(6):
        tracker.use_model(("mesh", "dlib")[index % 2])
        tracker.update(frame[:8, :8], index / 30)
    assert loaded == ["dlib", "mesh"]
    tracker.close()


def test_confidence_is_measured_by_what_is_usual() -> None:
    """Evidence that is low from the beginning is no doubt; that falls to less than half is; that is gone is the end."""
    from livewarp.tracking.doubt import Presence, score_of

    appearance = np.zeros((20, 20), np.float32)
    for own in (0.5, 0.7, 0.9):
        doubt = Presence(score_of(own), appearance, 0.0)
        beliefs = []
        for n, share in enumerate((1.0, 0.9, 0.6, 0.4, 0.1)):
            doubt.record_score(score_of(share * own), appearance, n / 30)
            beliefs.append(doubt.belief)
        assert beliefs[:2] == [1.0, 1.0]
        assert beliefs == sorted(beliefs, reverse=True)
        assert beliefs[3] < 0.5
        assert beliefs[4] == 0.0
        assert not doubt.is_gone(0.2)
        doubt.record_score(score_of(0.0), appearance, 0.3)
        assert doubt.is_gone(2.0)


def test_the_turn_of_the_head_fades_with_the_model(frame: BgrFrame) -> None:
    """What only the mesh knows of the pose is added to the fit's, and taken back where a model does not tell it."""
    tracker = FaceTracker(model="mesh")
    (face,) = tracker.update(frame, 0.0)
    (track,) = tracker._tracks
    head = replace(face.pose)
    assert np.abs(track.turn).max() > 0.0
    tracker.use_model("dlib")
    for index in range(1, 60):
        tracker.update(frame, index / 30)
    assert np.abs(track.turn).max() < 1e-3
    assert abs(tracker._tracks[0].pose.roll - head.roll) < math.radians(3)
