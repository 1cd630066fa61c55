"""One small worker beside the loop, which tasks of several kinds share: the newest job of each kind wins.

What takes longer than a frame has time for (a search for faces, a mask, a thumbnail) is done here, and its
result is used by whichever frame comes then. A job and a result are values that nobody changes afterwards.

Guarantees: `submit`, `poll` and `busy` never wait, for there is no lock. A task that waits has its turn before
another one has two. Synchronous, a job is done where it is submitted: the same jobs give the same results.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

CLOSE_S = 5.0  # for the job under way to end; beyond, its thread is left behind

Job = TypeVar("Job")
Result = TypeVar("Result")


class Task(Generic[Job, Result]):
    """Jobs of one kind; made by `Worker.add`, used by one thread.

    Attributes
    ----------
    busy
        Whether a job waits or is under way. As soon as it is not, the result can be polled.
    """

    def __init__(self, run: Callable[[Job], Result], wake: Callable[[], None] | None) -> None:
        self._run = run
        self._wake = wake  # None: in place
        # Both hold one: what is newer takes the place of what is older, in one step that no other thread divides.
        self._waiting: deque[Job] = deque(maxlen=1)
        self._ended: deque[tuple[Result | None, BaseException | None]] = deque(maxlen=1)
        self._running = False

    @property
    def busy(self) -> bool:
        """See above."""
        return bool(self._waiting) or self._running

    def submit(self, job: Job) -> None:
        """Do this job next, in place of one that still waits; in place and now where the worker is synchronous."""
        self._waiting.append(job)
        if self._wake is None:
            self.work()
        else:
            self._wake()

    def poll(self) -> Result | None:
        """The result of the newest job that has ended, once; None: none has since the last call.

        Raises
        ------
        BaseException
            What that job raised.
        """
        try:
            result, error = self._ended.popleft()
        except IndexError:
            return None
        if error is not None:
            raise error
        return result

    def work(self) -> None:
        """Do the job that waits, if there is one; for the worker."""
        if not self._waiting:
            return
        self._running = True  # before the job is taken: at no moment does it count as neither
        job = self._waiting.popleft()
        try:
            self._ended.append((self._run(job), None))
        except BaseException as error:  # raised again in the thread that polls
            self._ended.append((None, error))
        self._running = False


class Worker:
    """A thread for tasks.

    Parameters
    ----------
    synchronous
        Have no thread; jobs are done where they are submitted.
    """

    def __init__(self, synchronous: bool = False) -> None:
        self._tasks: tuple[Task[Any, Any], ...] = ()  # replaced whole
        self._adding = threading.Lock()  # between threads that add and remove
        self._bell: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._stop = False
        self._thread: threading.Thread | None = None
        if not synchronous:
            self._thread = threading.Thread(target=self._run, name="worker", daemon=True)
            self._thread.start()

    @property
    def synchronous(self) -> bool:
        """Whether it has no thread."""
        return self._thread is None

    def add(self, run: Callable[[Job], Result]) -> Task[Job, Result]:
        """A new kind of job and what does it, in the worker's thread only; from any thread."""
        task = Task(run, None if self._thread is None else self._ring)
        with self._adding:
            self._tasks = (*self._tasks, task)
        return task

    def remove(self, task: Task[Any, Any]) -> None:
        """Begin no job of this kind any more; from any thread. One that is under way ends unheard."""
        with self._adding:
            self._tasks = tuple(t for t in self._tasks if t is not task)

    def close(self) -> None:
        """End the thread; waits for the job under way, at most `CLOSE_S`. May be called more than once."""
        self._stop = True
        self._ring()
        if self._thread is not None:
            self._thread.join(CLOSE_S)

    def _ring(self) -> None:
        self._bell.put(None)

    def _run(self) -> None:
        """The thread: each ring is answered by one round, in which every task has its turn."""
        while True:
            self._bell.get()
            for task in self._tasks:
                if self._stop:
                    return
                task.work()
