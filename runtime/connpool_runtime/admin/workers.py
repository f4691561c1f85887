"""Shows and controls all workers of one name on this host as if they were one process."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event, Thread, main_thread
from time import monotonic
from typing import Any, TypeVar

from anyio.to_thread import run_sync

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.threads import background_thread
from connpool_runtime._log import log_failure
from connpool_runtime.admin.aggregation import merged
from connpool_runtime.admin.client import Document, NotReached, Process, Refused
from connpool_runtime.admin.ended_workers import EndedWorkers, identity_of
from connpool_runtime.admin.event_history import EventRing
from connpool_runtime.admin.health import Health
from connpool_runtime.admin.problems import Problem
from connpool_runtime.admin.run_folder import RunningProcess, running

__all__ = ["WorkerActions", "WorkerEvents", "WorkerNumbers", "Workers"]

R = TypeVar("R")

_AT_A_TIME = 16  # workers that are queried at once
_EVERY = 0.5  # seconds between polls for events
_PATHS = ("/eject", "/uneject", "/drain", "/weight", "/labels", "/metrics-only", "/reload")
_LONGEST = 90.0  # seconds for a change, which may wait for a drain


class Workers:
    """The workers of one name in a run folder. Safe for threads.

    Arguments:
        folder: the run folder.
        name: which they share.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name

    def ask(self, question: Callable[[Process], R]) -> dict[int, R | NotReached | Refused]:
        """Query all workers that exist now, at once; return the answers by process id."""
        there = running(self.folder, self.name)
        if not there:
            return {}
        with ThreadPoolExecutor(min(_AT_A_TIME, len(there))) as executor:
            answers = executor.map(partial(_answer, question), there)
            return {one.pid: answer for one, answer in zip(there, answers, strict=True)}


def _answer(question: Callable[[Process], R], one: RunningProcess) -> R | NotReached | Refused:
    process = Process(f"worker {one.pid}", "http://localhost", one.socket, one.token)
    try:
        return question(process)
    except (NotReached, Refused) as error:
        return error


class WorkerNumbers:
    """The stats of all workers together, ended ones included. Safe for threads.

    Arguments:
        workers: which.
        age: seconds that numbers may be old.
        clock: monotonic seconds.
    """

    def __init__(
        self, workers: Workers, age: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._workers = workers
        self._age = age
        self._clock = clock
        self._looking = new_lock()
        self._taken_at: float | None = None
        self._last: dict[int, Document] = {}
        self._ended = EndedWorkers(workers.folder, workers.name)
        self._document: Document = {}

    def document(self) -> Document:
        """Return the document of `/stats`; it must not be changed.

        Raises:
            Problem: there is no worker.
        """
        with self._looking:
            now = self._clock()
            if self._taken_at is None or now - self._taken_at >= self._age:
                self._document = self._look()
                self._taken_at = now
            return self._document

    def text(self) -> bytes:
        """Return the document of `/stats` as JSON."""
        return json.dumps(self.document()).encode()

    def forget(self) -> None:
        """Drop cached stats, so that the next request reads new ones."""
        self._taken_at = None

    def health(self, required: tuple[str, ...] | None) -> Health:
        """Return the health of the services: unavailable if they are so in all workers."""
        answers = self._workers.ask(lambda process: process.health())
        well, reasons = 0, list[str]()
        for pid, answer in answers.items():
            if isinstance(answer, tuple):
                ready, told = answer
                well += ready
                reasons += [f"worker {pid}: {reason}" for reason in told["reasons"]]
            else:
                reasons.append(f"worker {pid}: it does not answer")
        if not answers:
            return Health("unavailable", (f"no worker {self._workers.name!r} is registered",))
        if not well:
            return Health("unavailable", tuple(reasons))
        return Health("degraded" if reasons else "ok", tuple(reasons))

    def _look(self) -> Document:
        answers = self._workers.ask(lambda process: process.get("/stats"))
        silent: list[int] = []
        for pid, answer in answers.items():
            if isinstance(answer, dict):
                self._last[pid] = answer
            else:
                silent.append(pid)
        counters, ended = self._ended.look(frozenset(self._last.keys() & answers.keys()))
        # A worker that has ended since it answered is counted among the ended ones by now.
        self._last = {
            pid: document
            for pid, document in self._last.items()
            if pid in answers and identity_of(document) not in ended
        }
        if not self._last:
            where = f"{self._workers.folder}"
            raise Problem(503, f"no worker {self._workers.name!r} is registered in {where}")
        document = merged(list(self._last.values()), counters)
        document["process"]["silent"] = silent
        return document


class WorkerEvents:
    """The events of all workers, polled in a thread. Safe for threads.

    Arguments:
        workers: which.
        size: how many are kept.
    """

    def __init__(self, workers: Workers, size: int) -> None:
        self._workers = workers
        self._lock = new_lock()
        self._ring = EventRing(size)
        self._known: dict[int, int] = {}
        self._ended = Event()
        self._thread: Thread | None = None

    @property
    def closed(self) -> bool:
        """Whether polling has ended."""
        return self._ended.is_set()

    def follow(self) -> None:
        """Start polling, unless it runs already."""
        with self._lock:
            if self._thread is None and not self.closed:
                self._thread = background_thread("connpool worker events", self._run)
                self._thread.start()

    def after(self, sequence: int) -> tuple[int, list[Document]]:
        """Return how many events after a number are lost, and those that are not; see `EventRing`."""
        return self._ring.after(sequence)

    def close(self) -> None:
        """Stop polling."""
        self._ended.set()

    def _run(self) -> None:
        failed = False
        while not self._ended.wait(_EVERY) and main_thread().is_alive():
            try:
                self._poll()
                failed = False
            except Exception:  # of the run folder, say, that others may look into for a while
                if not failed:
                    log_failure("polling workers for events failed", event_name="admin_failed")
                failed = True

    def _poll(self) -> None:
        answers = self._workers.ask(self._new_of)
        new = [
            {**told, "worker": pid}
            for pid, answer in answers.items()
            if isinstance(answer, list)
            for told in answer
            if "id" in told
        ]
        new.sort(key=lambda told: told["time"])
        self._known = {pid: known for pid, known in self._known.items() if pid in answers}
        for told in new:
            self._known[told["worker"]] = told["id"]
            self._ring.add(told)

    def _new_of(self, process: Process) -> list[Document]:
        pid = int(process.label.rpartition(" ")[2])
        return list(process.events(False, self._known.get(pid, 0)))


class WorkerActions:
    """Carries out the same change in all workers.

    Arguments:
        workers: which.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    @property
    def by_path(self) -> Mapping[str, Callable[[Document], Awaitable[Document]]]:
        """The actions by the path of their route."""
        return {path: partial(self._everywhere, path) for path in _PATHS}

    async def config(self) -> Document:
        """Return the config of one worker: all were made from the same."""
        return next(iter(await self._answers(lambda process: process.get("/config"))))

    async def _everywhere(self, path: str, given: Document) -> Document:
        answers = await self._answers(lambda process: process.post(path, given, _LONGEST))
        same = {key: value for key, value in answers[0].items() if key not in ("worker", "failed")}
        return {**same, "workers": answers}

    async def _answers(self, question: Callable[[Process], Document]) -> list[Document]:
        """Return the answers of all workers.

        Raises:
            Problem: there is no worker, or none has done it.
        """
        answers: dict[int, Any] = await run_sync(self._workers.ask, question)
        done: list[Document] = [
            {"worker": pid, **answer} for pid, answer in answers.items() if isinstance(answer, dict)
        ]
        failed = {pid: answer for pid, answer in answers.items() if isinstance(answer, Exception)}
        if not answers:
            raise Problem(503, f"no worker {self._workers.name!r} is registered")
        if not done:
            first = next(iter(failed.values()))
            raise Problem(first.status if isinstance(first, Refused) else 503, str(first))
        return [*done, *({"worker": pid, "failed": str(error)} for pid, error in failed.items())]
