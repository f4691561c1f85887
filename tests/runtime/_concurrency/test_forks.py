"""The list of what begins anew in a child process."""

import builtins
import gc
import importlib
import threading
import weakref
from pathlib import Path
from typing import ClassVar

import pytest

from connpool_runtime._concurrency import forks as under_test
from connpool_runtime._concurrency.forks import keep, new_lock, renew_after_fork
from tests.runtime.forking import forks, in_child

pytestmark = forks


class Renewed:
    """Counts its new beginnings."""

    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name
        renew_after_fork(self)

    def after_fork(self) -> None:
        self.log.append(self.name)
        if self.name == "broken":
            raise ValueError(self.name)


def test_a_lock_is_free_in_a_child() -> None:
    """A lock that another thread holds at the fork can be taken in the child, and not in the parent."""
    lock = new_lock()
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            taken.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    assert in_child(lambda: lock.acquire(timeout=5)) == "True"
    assert not lock.acquire(blocking=False)
    done.set()
    holder.join()


def test_objects_begin_anew_in_their_order() -> None:
    """The older first; one that fails keeps no other from it."""
    log: list[str] = []
    objects = [Renewed(log, name) for name in ("first", "broken", "last")]
    assert objects
    assert in_child(lambda: log) == "['first', 'broken', 'last']"
    assert log == []


def test_nothing_is_kept_alive() -> None:
    """Locks and objects that nobody has any more are gone, from the list too."""
    lock, renewed = new_lock(), Renewed([], "x")
    gone = weakref.ref(lock), weakref.ref(renewed)
    before = len(under_test._renewables)
    del lock, renewed
    gc.collect()
    assert [one() for one in gone] == [None, None]
    assert len(under_test._renewables) < before


def test_what_is_kept_is_never_finalized() -> None:
    """No finalizer of what belongs to the parent runs in the child."""

    class Client:
        said: ClassVar[list[str]] = []

        def __del__(self) -> None:
            self.said.append("goodbye")

    clients = [Client()]

    def child() -> object:
        keep(*clients)
        clients.clear()
        gc.collect()
        return Client.said

    assert in_child(child) == "[]"


class Import:
    """The import of a module in another thread, which takes until it is told to end."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.end = threading.Event(), threading.Event()
        self.name = f"slow_{id(self)}"
        (folder / f"{self.name}.py").write_text(
            "import builtins\nbuiltins.slow_import.begun.set()\nbuiltins.slow_import.end.wait()\nvalue = 42\n"
        )
        monkeypatch.syspath_prepend(folder)
        monkeypatch.setattr(builtins, "slow_import", self, raising=False)
        self.thread = threading.Thread(target=importlib.import_module, args=[self.name])
        self.thread.start()
        self.begun.wait()

    def value(self) -> int:
        return int(importlib.import_module(self.name).value)


def test_a_fork_waits_for_the_imports_of_other_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that another thread was importing is whole in the child, and not half of one that it waits for."""
    slow = Import(tmp_path, monkeypatch)
    looks = iter(range(3))
    monkeypatch.setattr(under_test, "sleep", lambda _: next(looks, None) is None and slow.end.set())
    monkeypatch.setattr(under_test, "_LONGEST_IMPORT", 60.0)
    assert in_child(slow.value, 20) == "42"
    slow.thread.join()


def test_a_fork_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import may wait for the very thread that forks: then there is a child, which does without the module."""
    slow = Import(tmp_path, monkeypatch)
    monkeypatch.setattr(under_test, "_LONGEST_IMPORT", 0.01)
    assert in_child(lambda: "here") == "here"
    slow.end.set()
    slow.thread.join()


def test_a_fork_in_the_midst_of_an_import_does_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that forks when it is imported is not waited for: it would be, for nothing, at each fork."""
    (tmp_path / "forks_when_imported.py").write_text(
        "from tests.runtime.forking import in_child\nanswer = in_child(lambda: 'here')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    waits: list[float] = []
    monkeypatch.setattr(under_test, "sleep", waits.append)
    other = threading.Event()
    beside = threading.Thread(target=other.wait)
    beside.start()
    try:
        assert importlib.import_module("forks_when_imported").answer == "here"
    finally:
        other.set()
        beside.join()
    assert waits == []
