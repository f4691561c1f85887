"""The list of what begins anew in a child process."""

import gc
import threading
import weakref
from typing import ClassVar

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
