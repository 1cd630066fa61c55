"""The worker beside the loop: newest wins, in turns, nobody waits, errors come out, the end is bounded."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import livewarp.worker
from livewarp.worker import Task, Worker


class Gate:
    """A job that waits until it may go on, and notes in which order jobs were done."""

    def __init__(self) -> None:
        self.begun, self.open = threading.Semaphore(0), threading.Semaphore(0)
        self.done: list[Any] = []

    def run(self, job: Any) -> Any:
        """The job's own value."""
        self.begun.release()
        assert self.open.acquire(timeout=500)
        self.done.append(job)
        return job


@pytest.fixture
def worker() -> Iterator[Worker]:
    """One with a thread."""
    worker = Worker()
    yield worker
    worker.close()


def result_of(worker: Worker, task: Task[Any, Any]) -> Any:
    """Its next result."""
    assert worker._thread is not None
    while (result := task.poll()) is None:
        worker._thread.join(0.01)  # no sleep: waits for the thread, which does not end
    return result


def test_the_newest_job_of_a_kind_wins(worker: Worker) -> None:
    """Of what was submitted while one was under way only the last is done; nobody waited."""
    gate = Gate()
    task = worker.add(gate.run)
    assert not task.busy
    task.submit(0)
    assert gate.begun.acquire(timeout=500)
    for job in range(1, 10):
        task.submit(job)  # the first one has not ended
    assert task.busy
    assert task.poll() is None
    gate.open.release(2)
    while result_of(worker, task) != 9:
        pass
    assert gate.done == [0, 9]
    assert task.poll() is None


def test_kinds_take_turns(worker: Worker) -> None:
    """One that always has something to do keeps no other one waiting for more than a job."""
    gate = Gate()
    eager, modest = worker.add(gate.run), worker.add(gate.run)
    eager.submit("eager 0")
    for n in range(1, 5):
        assert gate.begun.acquire(timeout=500)
        eager.submit(f"eager {n}")
        modest.submit(f"modest {n}")
        gate.open.release()
    gate.open.release(4)
    assert result_of(worker, modest)
    kinds = [job.split()[0] for job in gate.done]
    assert "modest" in kinds[:2]
    assert all(pair != ("eager", "eager") for pair in itertools.pairwise(kinds))


def test_in_place_a_job_is_done_when_submit_returns() -> None:
    """A synchronous worker has no thread: the result, or the error, is there at once."""
    before = threading.active_count()
    worker = Worker(synchronous=True)
    task = worker.add(lambda job: job // 2)
    task.submit(8)
    assert (task.busy, task.poll(), task.poll()) == (False, 4, None)
    failing = worker.add(lambda job: 1 // job)
    failing.submit(0)
    with pytest.raises(ZeroDivisionError):
        failing.poll()
    worker.close()
    assert threading.active_count() == before


def test_an_error_comes_out_of_poll_and_the_others_go_on(worker: Worker) -> None:
    """What a job raises is raised where its result would be; the thread lives, for this task and for others."""
    failing, other = worker.add(lambda job: 1 // job), worker.add(lambda job: job + 1)
    failing.submit(0)
    with pytest.raises(ZeroDivisionError):
        result_of(worker, failing)
    failing.submit(1)
    other.submit(1)
    assert (result_of(worker, failing), result_of(worker, other)) == (1, 2)


def test_a_task_that_was_removed_has_no_more_turns(worker: Worker) -> None:
    """What it submits is not done."""
    gate = Gate()
    gone, other = worker.add(gate.run), worker.add(lambda job: job)
    worker.remove(gone)
    gone.submit("gone")
    other.submit("other")
    assert result_of(worker, other) == "other"
    assert gate.done == []


@pytest.mark.parametrize("is_stuck", [False, True])
def test_the_end_is_bounded(is_stuck: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`close` ends the thread, twice if need be; one that hangs in a job is left behind."""
    monkeypatch.setattr(livewarp.worker, "CLOSE_S", 0.05 if is_stuck else 30.0)
    worker, gate = Worker(), Gate()
    task = worker.add(gate.run)
    close: Callable[[], None] = worker.close
    if is_stuck:
        task.submit(1)
        assert gate.begun.acquire(timeout=500)
    close()
    close()
    assert worker._thread is not None
    assert worker._thread.is_alive() == is_stuck
    gate.open.release()
    worker._thread.join(500)
    assert not worker._thread.is_alive()
