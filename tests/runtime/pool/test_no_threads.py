"""A process that gets no more threads, as at a limit of its container or at the interpreter's end."""

import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import Method, Pool
from connpool_runtime._concurrency import threads
from connpool_runtime.connectors.custom import CustomConnector
from connpool_runtime.testing import FakeClock
from tests.runtime.faces import PATIENCE

Refuse = Callable[[bool], None]


class Line:
    """A client that can be out of order."""

    broken = False
    closed = 0

    def ask(self) -> str:
        if self.broken:
            raise ConnectionError("out of order")
        return "well"

    def close(self) -> None:
        self.closed += 1


ASK = Method[Line, str]("ask", lambda line, args: line.ask())


@pytest.fixture(params=["start", "__init__"])
def refuse(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """A switch: whether the system refuses to start threads, or the interpreter to make them."""
    name: str = request.param
    real, refused = getattr(threading.Thread, name), list[bool]([False])

    def step(thread: threading.Thread, *args: Any, **more: Any) -> None:
        if refused[-1]:
            raise RuntimeError("can't start new thread")
        real(thread, *args, **more)

    monkeypatch.setattr(threading.Thread, name, step)
    return refused.append


def test_a_call_succeeds_although_the_housekeeper_cannot_start(refuse: Refuse) -> None:
    """No call of an endpoint fails, and no error of a client is replaced, because a background thread cannot start."""
    clock, lines = FakeClock(), list[Line]()

    def connect() -> Line:
        lines.append(Line())
        return lines[-1]

    with Pool[Line]("lines", clock=clock) as pool:
        pool.add_endpoint(connect, "a", min_size=1, close=Line.close)
        refuse(True)
        assert pool.call(ASK) == "well"
        lines[0].broken = True
        with pytest.raises(ConnectionError):
            pool.call(ASK)
        assert pool.call(ASK) == "well"
        numbers = pool.stats().members[0].clients
        assert numbers is not None
        assert numbers.failed == 0
    assert [line.closed for line in lines] == [1, 1]


def test_the_housekeeper_starts_when_there_are_threads_again(refuse: Refuse) -> None:
    """What could not start in the background is started by a later call."""
    clock, line = FakeClock(), Line()
    line.broken = True
    with Pool[Line]("lines", clock=clock) as pool:
        pool.add_endpoint(lambda: line, "a")
        refuse(True)
        with pytest.raises(ConnectionError):
            pool.call(ASK)
        refuse(False)
        clock.sleep(threads.AFTER_FAILURE)
        with pytest.raises(ConnectionError):
            pool.call(ASK)
        assert any("housekeeper of pool 'lines'" in one.name for one in threading.enumerate())


def test_members_join_although_no_sweep_can_start(refuse: Refuse) -> None:
    """Adding a member to a pool that compares members does not fail because the thread for that cannot start."""
    refuse(True)
    with Pool[Line]("lines", outlier_success_rate_stdev=1.9) as pool:
        pool.add_client(Line(), "a")
        assert pool.call(ASK) == "well"


def test_connectors_do_without_threads(refuse: Refuse) -> None:
    """A connector connects and checks in its caller's thread where it gets none of its own."""
    refuse(True)
    connector = CustomConnector(lambda _: Line(), "127.0.0.1:1", check=Line.ask)
    assert connector.connect().ask() == "well"
    connector.health_check()
    connector.client.broken = True
    with pytest.raises(Exception, match="not healthy"):
        connector.health_check()
    connector.close()


def test_what_a_call_is_to_start_waits_for_a_call_that_can(refuse: Refuse) -> None:
    """The monitor of a member that joined, like all that the first call of a child process starts, starts once it can."""
    clock = FakeClock()
    with Pool[Line]("lines", clock=clock) as pool:
        pool.add_client(Line(), "a")
        refuse(True)
        answers, asked = [True, False, False], list[str]()

        def start() -> bool:
            asked.append("a worker")
            return answers.pop()

        state = pool._state
        state.revivals.append(start)
        state.maintenance_due = True
        for _ in range(4):
            pool.execute(Line.ask)
        assert len(asked) == 3
        assert not state.revivals


def test_a_pool_is_closed_by_what_runs_at_the_end_of_the_interpreter() -> None:
    """Clients are closed by an `atexit` function, when some Pythons start no threads any more."""
    program = """
import atexit
from connpool_runtime import Pool
pool = Pool("lines")
pool.add_endpoint(lambda: "line", "a", close=print)
pool.execute(len)
atexit.register(pool.close)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (ended.stdout, ended.stderr) == ("line\n", "")


IN_A_SUBINTERPRETER = """
from connpool_runtime import Method, Pool
from connpool_runtime.middleware import Retry

class Line:
    calls = closed = 0
    def ask(self):
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError("out of order")
        return "well"
    def close(self):
        Line.closed += 1

ask = Method("ask", lambda line, args: line.ask(), idempotent=True)
with Pool("lines", close=Line.close) as pool:
    pool.register_middleware(Retry(4, base=0.0))
    for name in "ab":
        pool.add_client(Line(), name)
    pool.add_endpoint(Line, "c", min_size=1, close=Line.close)
    answers = {pool.call(ask) for _ in range(30)}
assert answers == {"well"}, answers
assert Line.closed >= 3, Line.closed
"""


def test_a_subinterpreter_has_pools_too() -> None:
    """It makes no thread that its end would not wait for, so its pools do without, as where the system gives none."""
    interpreters = pytest.importorskip("concurrent.interpreters")
    made = interpreters.create()
    try:
        made.exec(f"import sys; sys.path[:] = {sys.path!r}")
        made.exec(IN_A_SUBINTERPRETER)
    finally:
        made.close()
