"""The lock that guards a few statements."""

import signal
import sys
import threading
from typing import Any

import pytest

from connpool_runtime._concurrency.forks import new_lock
from connpool_runtime._concurrency.locks import is_held_here
from tests.waiting import eventually

INTERRUPTS = 300


class Interrupted(Exception):
    """Raised by the signal handler."""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_an_interrupt_leaves_no_lock_taken() -> None:
    """Wherever a signal handler raises in a thread that takes a lock again and again, the lock is free afterwards.

    CPython 3.14 runs handlers between taking and the beginning of the block, and there half of the interrupts strike.
    """
    lock = new_lock()

    def interrupt(*_: object) -> None:
        raise Interrupted

    def take_again_and_again(seconds: float) -> None:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        while True:
            with lock:
                pass

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for number in range(INTERRUPTS):
            with pytest.raises(Interrupted):
                take_again_and_again(0.0005 + number * 1e-6)
            assert not lock.locked()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


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
