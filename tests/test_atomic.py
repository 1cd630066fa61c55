"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from livewarp.system import atomic


@pytest.fixture
def usual_umask() -> Iterator[None]:
    """New files are readable by all and writable by their owner."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def permissions(path: Path) -> int:
    """The permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    """Inside the block the name still leads to the old text, after it to the new one, and nothing else is left."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic.replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [ValueError("damaged"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing_behind(tmp_path: Path, error: BaseException) -> None:
    """An exception inside the block comes out, the old file stays and the partial one is removed."""
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic.replacing(path) as partial:
            partial.write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_name_that_cannot_be_taken_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where a folder has the name, the error comes out and the partial file is removed."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "inside").touch()
    with pytest.raises(OSError, match="directory"), atomic.replacing(tmp_path / "a"):
        pass
    assert os.listdir(tmp_path) == ["a"]


def test_the_partial_file_is_hidden_and_of_the_same_kind(tmp_path: Path) -> None:
    """Its name begins with a dot and ends with the same suffix, and no two are the same."""
    first, second = (atomic.begin(tmp_path / "talk.mp4") for _ in range(2))
    assert first != second
    for partial in (first, second):
        assert partial.parent == tmp_path
        assert partial.name.startswith(".livewarp-")
        assert partial.suffix == ".mp4"


def test_text_on_the_disk_is_the_owners_alone_unless_it_is_shared(tmp_path: Path, usual_umask: None) -> None:
    """`write_whole` makes missing folders and a file for its owner; `SHARED` follows the umask as any new file."""
    path = tmp_path / "new" / "a.txt"
    atomic.write_whole(path, "ä")
    assert path.read_bytes() == "ä".encode()
    assert permissions(path) == 0o600
    atomic.write_whole(path, "b", atomic.SHARED)
    assert permissions(path) == 0o644


def test_bytes_are_on_the_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new file is synchronised while the name still leads to the old one."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    synced = []

    def fsync(handle: int) -> None:
        if stat.S_ISREG(os.fstat(handle).st_mode):  # the folder comes last
            synced.append((path.read_text(), os.pread(handle, 9, 0)))

    monkeypatch.setattr(os, "fsync", fsync)
    atomic.write_whole(path, "new")
    assert synced == [("old", b"new")]


def test_what_a_killed_process_left_is_removed_and_what_is_in_use_stays(tmp_path: Path) -> None:
    """A partial file that nobody has touched for a minute goes, unless somebody holds it; a person's own files stay."""
    abandoned, in_use = (atomic.begin(tmp_path / "clip.mp4") for _ in range(2))
    own = tmp_path / ".livewarp-notes.txt"
    own.touch()
    writer = os.open(in_use, os.O_RDWR)
    atomic.claim(writer)
    for path in (abandoned, in_use, own):
        os.utime(path, (1e9, 1e9))
    fresh = atomic.begin(tmp_path / "clip.mp4")
    newest = atomic.begin(tmp_path / "clip.mp4")
    assert set(tmp_path.iterdir()) == {in_use, own, fresh, newest}
    os.close(writer)
    os.utime(in_use, (1e9, 1e9))
    atomic.discard(atomic.begin(tmp_path / "clip.mp4"))
    assert set(tmp_path.iterdir()) == {own, fresh, newest}
