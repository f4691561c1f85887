"""Periodic workers, helpers, steps and `run_all`, for threads and for tasks alike."""

import asyncio
import gc
import math
import os
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from connpool_runtime._concurrency import tasks, threads
from connpool_runtime.deadlines import deadline, remaining
from tests.runtime.faces import PATIENCE, until

KINDS = [pytest.param(threads, id="threads"), pytest.param(tasks, id="tasks")]


class Owner:
    """Has work to do, and says when it is due next."""

    def __init__(self, due: float = math.inf) -> None:
        self.due = due
        self.rounds = 0
        self.on_round: Callable[[], object] = lambda: None

    def work(self) -> float:
        self.rounds += 1
        self.on_round()
        return self.due

    async def work_async(self) -> float:
        return self.work()


def worker_of(kind: Any, owner: Owner) -> Any:
    work = owner.work if kind is threads else owner.work_async
    return kind.PeriodicWorker("test", work, lambda: 0.0)


async def result_of(value: Any) -> Any:
    """Await what tasks give; threads have waited already."""
    return await value if asyncio.iscoroutine(value) else value


@pytest.mark.parametrize("kind", KINDS)
async def test_work_is_run_when_woken(kind: Any) -> None:
    """The first round comes at once, the next ones when somebody wakes the worker."""
    owner = Owner()
    worker = worker_of(kind, owner)
    worker.start()
    worker.start()  # once is enough
    await until(lambda: owner.rounds == 1)
    worker.wake()
    await until(lambda: owner.rounds == 2)
    worker.stop()
    await result_of(worker.join(PATIENCE))
    assert not worker.running
    worker.start()
    assert not worker.running


@pytest.mark.parametrize("kind", KINDS)
async def test_work_is_run_when_due(kind: Any) -> None:
    """A round tells when the next one is due, and it comes without being asked for."""
    owner = Owner(due=0.0)  # the clock stands still, so it is due at once again and again
    owner.on_round = lambda: setattr(owner, "due", 0.0 if owner.rounds < 3 else math.inf)
    worker = worker_of(kind, owner)
    worker.start()
    await until(lambda: owner.rounds == 3)
    worker.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_worker_is_woken_only_for_what_is_due_earlier(kind: Any) -> None:
    """`wake_by` wakes the worker for a time before its next round, and for no other."""
    owner = Owner(due=100.0)
    worker = worker_of(kind, owner)
    worker.start()
    await until(lambda: owner.rounds == 1)
    await asyncio.sleep(0.02)
    worker.wake_by(200.0)
    await asyncio.sleep(0.02)
    assert owner.rounds == 1
    worker.wake_by(50.0)
    await until(lambda: owner.rounds == 2)
    worker.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_worker_ends_with_its_owner(kind: Any) -> None:
    """A worker keeps nobody alive, and ends when its owner is gone."""
    ran = threading.Event()
    owner = Owner()
    owner.on_round = ran.set
    worker = worker_of(kind, owner)
    worker.start()
    await until(ran.is_set)
    await asyncio.sleep(0.02)
    dead = weakref.ref(owner)
    del owner
    gc.collect()
    assert dead() is None
    await until(lambda: not worker.running)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_worker_can_be_woken_by_another_thread(kind: Any) -> None:
    """`wake` and `stop` may come from any thread."""
    owner = Owner()
    worker = worker_of(kind, owner)
    worker.start()
    await until(lambda: owner.rounds == 1)
    await asyncio.to_thread(worker.wake)
    await until(lambda: owner.rounds == 2)
    await asyncio.to_thread(worker.stop)
    await until(lambda: not worker.running)


TENANT = ContextVar("tenant", default="nobody")


async def run_round(owner: Owner) -> None:
    owner.work()


def start_all(kind: Any, owner: Owner) -> int:
    """Run a round of an owner in each way that there is to start background work; return how many these are."""
    work = owner.work if kind is threads else owner.work_async
    worker_of(kind, owner).start()
    kind.Helpers("test").start(work)
    kind.Step("test", work)
    if kind is threads:
        return 3
    tasks.call_later(0.0, owner.work)
    tasks.spawn(asyncio.get_running_loop(), run_round, owner)
    return 5


@pytest.mark.parametrize("kind", KINDS)
async def test_background_work_takes_over_nothing_from_its_starter(kind: Any) -> None:
    """It outlives the caller that it happens to be started by: neither that caller's deadline nor its variables hold."""
    seen: list[tuple[str, float]] = []
    owner = Owner()
    owner.on_round = lambda: seen.append((TENANT.get(), remaining()))
    token = TENANT.set("mine")
    with deadline(5.0):
        started = start_all(kind, owner)
    TENANT.reset(token)
    await until(lambda: len(seen) == started)
    assert seen == [("nobody", math.inf)] * started


async def test_background_tasks_ask_nothing_new_of_a_task_factory() -> None:
    """A program's factory of tasks need not know of contexts."""
    loop = asyncio.get_running_loop()

    def factory(loop: Any, work: Any, name: str | None = None) -> Any:
        return asyncio.Task(work, loop=loop, name=name)

    loop.set_task_factory(factory)
    ran: list[str] = []

    async def work() -> None:
        ran.append(TENANT.get())

    try:
        tasks.Helpers("test").start(work)
    finally:
        loop.set_task_factory(None)
    await until(lambda: ran == ["nobody"])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_round_may_end_its_own_worker(kind: Any) -> None:
    """Stopping from inside a round ends the worker, and joining from there does not wait for itself."""
    owner = Owner()
    worker = worker_of(kind, owner)
    owner.on_round = worker.stop
    worker.start()
    await until(lambda: not worker.running)
    assert owner.rounds == 1


def test_a_task_needs_a_loop() -> None:
    """Without an event loop nothing is started; the next one who starts the worker may have one."""
    owner = Owner()
    worker = worker_of(tasks, owner)
    worker.start()
    assert not worker.running

    async def with_loop() -> None:
        worker.start()
        await until(lambda: owner.rounds == 1)

    asyncio.run(with_loop())
    assert not worker.running
    asyncio.run(with_loop_again(worker, owner))


async def with_loop_again(worker: Any, owner: Owner) -> None:
    worker.start()
    await until(lambda: owner.rounds == 2)
    worker.stop()
    await worker.join(PATIENCE)


async def test_joining_cancels_a_late_task() -> None:
    """A task that does not end in time is cancelled."""
    entered = asyncio.Event()

    class Slow:
        async def work(self) -> float:
            entered.set()
            await asyncio.sleep(PATIENCE)
            return math.inf

    slow = Slow()
    worker = tasks.PeriodicWorker("test", slow.work, lambda: 0.0)
    worker.start()
    await entered.wait()
    worker.stop()
    await worker.join(0.01)
    assert not worker.running


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings(
    "ignore:This process"
)  # has the worker's thread, of which a child has none
def test_a_forked_child_can_start_its_own() -> None:
    """A child process has no thread until it starts the worker, and then has its own."""
    owner = Owner()
    worker = worker_of(threads, owner)
    worker.start()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            before, rounds = worker.running, owner.rounds
            ran = threading.Event()
            owner.on_round = ran.set
            worker.start()
            code = 0 if not before and ran.wait(PATIENCE) and owner.rounds > rounds else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert worker.running
    worker.stop()


@pytest.mark.parametrize("kind", KINDS)
async def test_run_all_returns_errors_in_order(kind: Any) -> None:
    """Every item is tried, and the errors come in the order of the items."""

    def work(item: int) -> None:
        if item % 2:
            raise ValueError(item)

    async def work_async(item: int) -> None:
        await asyncio.sleep(0)
        work(item)

    errors = await result_of(kind.run_all(work if kind is threads else work_async, range(4)))
    assert [repr(error) for error in errors] == ["None", "ValueError(1)", "None", "ValueError(3)"]
    assert await result_of(kind.run_all(work, [])) == []


@pytest.mark.parametrize("kind", KINDS)
async def test_run_all_keeps_its_limit(kind: Any) -> None:
    """No more items are worked on at a time than the limit says, and so many are."""
    running, most, lock, two = 0, 0, threading.Lock(), threading.Event()

    def enter(change: int) -> None:
        nonlocal running, most
        with lock:
            running += change
            most = max(most, running)
            if running == 2:
                two.set()

    def work(_: int) -> None:
        enter(1)
        assert two.wait(20)  # a busy machine may be slow to start the second thread
        threads.sleep(0.005)
        enter(-1)

    async def work_async(_: int) -> None:
        enter(1)
        await tasks.sleep(0.005)
        enter(-1)

    await result_of(kind.run_all(work if kind is threads else work_async, range(6), at_once=2))
    assert most == 2


@pytest.mark.parametrize("kind", KINDS)
async def test_a_step_gives_its_error_to_who_waits(kind: Any) -> None:
    """Whoever waits for a step gets what went wrong in it, or None."""

    def fail() -> None:
        raise ValueError("no")

    async def fail_async() -> None:
        fail()

    async def pass_async() -> None:
        pass

    failing = kind.Step("test", fail if kind is threads else fail_async)
    assert repr(await result_of(failing.wait(PATIENCE))) == "ValueError('no')"
    passing = kind.Step("test", (lambda: None) if kind is threads else pass_async)
    assert await result_of(passing.wait(PATIENCE)) is None
    assert not passing.hangs


@pytest.mark.parametrize("kind", KINDS)
async def test_a_step_that_hangs_keeps_nobody(kind: Any) -> None:
    """A step that takes too long is a timeout, even if it swallows cancellation, and hangs until it ends."""
    release = threading.Event()

    async def hang_async() -> None:
        while not release.is_set():
            try:
                await asyncio.sleep(0.001)
            except asyncio.CancelledError:
                continue

    step = kind.Step("test", (lambda: release.wait(PATIENCE)) if kind is threads else hang_async)
    assert not step.hangs
    assert isinstance(await result_of(step.wait(0.01)), TimeoutError)
    await until(lambda: step.hangs)
    release.set()
    await until(lambda: not step.hangs)


@pytest.mark.parametrize("kind", KINDS)
async def test_helpers_are_waited_for(kind: Any) -> None:
    """Joining waits for helpers that run, so long as it may."""
    release, done = threading.Event(), list[str]()

    def help_with(name: str) -> None:
        release.wait(PATIENCE)
        done.append(name)

    async def help_async(name: str) -> None:
        await asyncio.to_thread(help_with, name)

    helpers = kind.Helpers("test")
    helpers.start(help_with if kind is threads else help_async, "a")
    await result_of(helpers.join(0.01))
    assert done == []
    release.set()
    await result_of(helpers.join(PATIENCE))
    assert done == ["a"]


async def test_helping_tasks_can_be_cancelled() -> None:
    """Cancelling ends all tasks that run."""
    helpers, cancelled = tasks.Helpers("test"), list[bool]()

    async def wait() -> None:
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            cancelled.append(True)

    helpers.start(wait)
    await asyncio.sleep(0)
    helpers.cancel()
    await helpers.join(PATIENCE)
    assert cancelled == [True]


def test_a_helper_that_is_being_started_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for helpers while another thread starts one waits for that one's end, too."""
    helpers, done, begun, go = (
        threads.Helpers("helper"),
        list[str](),
        threading.Event(),
        threading.Event(),
    )
    real = threading.Thread.start

    def slowly(thread: threading.Thread) -> None:
        if thread.name == "helper":
            begun.set()
            go.wait(10.0)
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", slowly)
    starter = threading.Thread(target=lambda: helpers.start(done.append, "work"))
    starter.start()
    assert begun.wait(10.0)
    timer = threading.Timer(0.02, go.set)
    timer.start()
    helpers.join(10.0)
    assert done == ["work"]
    starter.join()
    timer.join()


def test_a_helper_that_never_begins_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an interrupt kept a thread from being started, waiting for the helpers ends."""
    helpers = threads.Helpers("helper")
    monkeypatch.setattr(threads, "STARTING", 0.01)
    helpers._running.add(threading.Thread())
    helpers.join(10.0)


class Panic(BaseException):
    """What Rust's bindings raise."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [Panic, OSError, asyncio.CancelledError])
async def test_a_round_that_fails_does_not_end_the_worker(
    kind: Any, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the code of a user raises in a round, a leaked cancellation included, is logged, and later rounds come."""
    monkeypatch.setattr(kind, "AFTER_FAILURE", 0.0)
    owner = Owner()

    def fail_twice() -> None:
        if owner.rounds < 3:
            raise error

    owner.on_round = fail_twice
    worker = worker_of(kind, owner)
    worker.start()
    await until(lambda: owner.rounds == 3)
    assert worker.running
    worker.stop()
    await result_of(worker.join(PATIENCE))


async def test_a_worker_that_is_cancelled_ends() -> None:
    """A cancellation of the task itself, as at the end of the event loop, is no failure of a round."""
    entered = asyncio.Event()

    class Waits:
        async def work(self) -> float:
            entered.set()
            await asyncio.sleep(PATIENCE)
            return math.inf

    owner = Waits()
    worker = tasks.PeriodicWorker("test", owner.work, lambda: 0.0)
    worker.start()
    await entered.wait()
    (task,) = [one for one in tasks._workers if one.get_loop() is asyncio.get_running_loop()]
    task.cancel()
    await until(lambda: not worker.running)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Have the system refuse to start threads until this is undone."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    return monkeypatch


def test_a_worker_without_a_thread_tries_again_later(
    no_threads: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that got no thread logs that, does not ask again at once, and starts when asked later."""
    now, owner = [0.0], Owner()
    worker = threads.PeriodicWorker("test", owner.work, lambda: now[0])
    assert [worker.try_start() for _ in range(3)] == [False] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "test cannot start now, and is tried again"
    ]
    no_threads.undo()
    assert not worker.try_start()
    now[0] += threads.AFTER_FAILURE
    assert worker.try_start()
    worker.stop()
    worker.join(PATIENCE)


@pytest.mark.usefixtures("no_threads")
def test_work_is_done_by_its_caller_where_there_are_no_threads() -> None:
    """Helpers, steps and `run_all` do their work in the caller's thread, and nobody waits for threads that never begin."""
    helpers, done = threads.Helpers("test"), list[object]()
    helpers.start(done.append, 1)
    assert not helpers._running
    assert threads.run_all(done.append, [2, 3], at_once=2) == [None, None]
    step = threads.Step("test", lambda: done.append(4))
    assert step.wait(0.0) is None
    assert done == [1, 2, 3, 4]


@pytest.mark.usefixtures("no_threads")
def test_ctrl_c_ends_a_step_that_its_caller_runs() -> None:
    """An interrupt of a step that has no thread of its own reaches the caller."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        threads.Step("test", interrupted)


def test_the_rest_of_the_work_is_done_when_threads_run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """When only some threads can be started, all items are worked on all the same."""
    real, left, done = threading.Thread.start, [2], list[int]()

    def start(thread: threading.Thread) -> None:
        if not left[0]:
            raise RuntimeError("can't start new thread")
        left[0] -= 1
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    assert threads.run_all(done.append, range(10)) == [None] * 10
    assert sorted(done) == list(range(10))
