"""The lock that guards a few statements."""

import sys
import threading
from typing import Any

import pytest

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.locks import is_held_here
from tests.runtime.alarms import interrupted, needs_alarms
from tests.waiting import eventually


@needs_alarms
def test_an_interrupt_leaves_no_lock_taken() -> None:
    """Wherever a signal handler raises in a thread that takes a lock again and again, the lock is free afterwards.

    CPython 3.14 runs handlers between taking and the beginning of the block, and there half of the interrupts strike.
    """
    lock = new_lock()

    def take() -> None:
        with lock:
            pass

    for _ in interrupted(take, 300):
        assert not lock.locked()


def test_nobody_enters_while_the_lock_is_held() -> None:
    """Neither another thread nor, in a signal handler, the thread that holds the lock."""
    lock, entered = new_lock(), list[Any]()

    def enter() -> None:
        with lock:
            entered.append(True)

    with lock:
        other = threading.Thread(target=enter)
        other.start()
        assert lock.locked()
        assert is_held_here(lock, 0.0)
        if sys.version_info[:2] == (3, 14):  # elsewhere it would wait for itself
            with pytest.raises(RuntimeError, match="signal handler or finalizer"), lock:
                pass
            assert lock.locked()
        assert entered == []
    assert eventually(lambda: entered == [True])
    other.join()
    assert not is_held_here(lock, 1.0)


def test_a_lock_that_another_thread_holds_is_not_held_here() -> None:
    """It is only not free yet."""
    lock, held, go_on = new_lock(), threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            go_on.wait(60.0)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(60.0)
    threading.Timer(0.01, go_on.set).start()
    assert not is_held_here(lock, 60.0)
    other.join()
