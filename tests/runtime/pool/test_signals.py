"""Closing in a signal handler or a finalizer that interrupts the runtime where it holds a lock."""

import signal
import subprocess
import sys
import threading
import time
from textwrap import dedent
from typing import Any

import pytest

from connpool_runtime import Pool
from connpool_runtime.registry.registry import Registry
from tests.waiting import eventually

ENOUGH = 30  # seconds, after which a process hangs

CLOSES = """
    import os, signal, sys, threading, time
    from connpool_runtime import Pool
    from connpool_runtime.middleware import Bulkhead, MethodBreaker, RateLimit, Retry

    calls = 0
    class Client:
        def get(self):
            global calls
            calls += 1
            if calls % 3 == 0:
                raise ConnectionError
        def close(self): pass

    pool = Pool(close=Client.close, {options})
    for one in ({middleware}): pool.register_middleware(one)
    for _ in range(3): pool.add_client(Client())

    def bye(*_):
        try: pool.close(0.1)
        except ExceptionGroup: pass  # the call that the handler interrupted is still in flight
        {end}

    signal.signal(signal.SIGTERM, bye)
    threading.Timer({delay}, os.kill, (os.getpid(), signal.SIGTERM)).start()
    while not pool.closed:
        try: pool.execute(lambda c: c.get(), idempotent=True)
        except ConnectionError: pass
        except Exception as error:
            if not pool.closed: raise
    pass
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGTERM")
@pytest.mark.parametrize("end", ["os._exit(0)", "sys.exit(0)", "pass"])
@pytest.mark.parametrize(
    ("options", "middleware"),
    [
        ("max_fails=0", ""),
        ("max_concurrency=8", ""),
        ("", "RateLimit(1e9), Bulkhead(9), Retry(base=0.0), MethodBreaker()"),
    ],
    ids=["failures", "limited", "middleware"],
)
def test_a_process_that_closes_in_its_handler_ends(options: str, middleware: str, end: str) -> None:
    """SIGTERM at any moment of a thread that calls, with failures: the process ends, every time."""
    processes = []
    for number in range(4):
        text = dedent(CLOSES).format(
            options=options,
            middleware=middleware and middleware + ",",
            end=end,
            delay=0.05 + 0.013 * number,
        )
        command = [sys.executable, "-c", text]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        if len(processes) % 2 == 0:
            processes[-1].wait(ENOUGH)
    ended: list[Any] = []
    for process in processes:
        try:
            _out, err = process.communicate(timeout=ENOUGH)
            ended.append((process.returncode, err.decode()[-500:]))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            ended.append("hangs")
    assert ended == [(0, "")] * 4


def interrupting(lock: Any, work: Any) -> float:
    """Run something in a signal handler that interrupts this thread while it holds a lock."""
    seconds: list[float] = []

    def handle(*_: object) -> None:
        began = time.monotonic()
        work()
        seconds.append(time.monotonic() - began)

    before = signal.signal(signal.SIGUSR1, handle)
    try:
        hold = compile(
            HOLD, Pool.__init__.__code__.co_filename, "exec"
        )  # as a line of the runtime's own
        exec(hold, {"lock": lock, "signal": signal})
    finally:
        signal.signal(signal.SIGUSR1, before)
    return seconds[0]


HOLD = """
def hold():
    with lock:
        signal.raise_signal(signal.SIGUSR1)
hold()
"""

needs_signals = pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="needs SIGUSR1")


@needs_signals
def test_a_handler_does_not_wait_for_its_own_thread() -> None:
    """It returns at once where its thread holds the pool's lock; the pool is closed after that."""
    closed = threading.Event()
    pool = Pool[object]()
    pool.add_client(object(), "a", close=closed.set)
    assert interrupting(pool._state.lock, pool.close) < 5
    assert closed.wait(20)
    assert eventually(lambda: not pool.members)


@needs_signals
def test_a_handler_may_close_whatever_holds_pools() -> None:
    """The same for a registry, under whichever lock of the runtime's the thread was interrupted."""
    registry, pool = Registry[Pool[object]](), Pool[object]()
    registry.add("a", pool)
    other = Pool[object]()
    assert interrupting(other._state.lock, registry.close) < 5
    assert eventually(lambda: registry.closed and pool.closed)


def test_closing_elsewhere_waits_as_ever() -> None:
    """Where this thread holds no lock, `close` returns when all is closed, however busy others are."""
    pool, done = Pool[object](), threading.Event()
    closed: list[str] = []
    pool.add_client(object(), "a", close=lambda: (time.sleep(0.2), closed.append("a")))

    def look() -> None:
        while not done.is_set():
            pool.stats()

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    pool.close()
    assert closed == ["a"]
    done.set()
    for thread in threads:
        thread.join()


def test_a_listener_may_close_and_wait() -> None:
    """Inside of a call, but without a lock: it is closed when `close` returns."""
    pool = Pool[object](max_fails=1, panic_threshold=0)
    closed: list[str] = []
    pool.add_client(object(), "a", close=lambda: closed.append("a"))
    seen: list[list[str]] = []

    def listen(event: object) -> None:
        if not seen:
            seen.append([])
            pool.close(5.0)
            seen[0] += closed

    pool.subscribe(listen)

    def fail(_: object) -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        pool.execute(fail)
    assert seen == [["a"]]
