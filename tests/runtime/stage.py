"""Many users of a pool who act one at a time and only when told: tasks, or threads that take turns.

Nothing waits for real: whoever waits for a signal, a gate or a number of seconds goes on when the
stage's clock or another user lets it. So one seed gives one course of events, in both kinds.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ClassVar
from unittest import mock

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from connpool_runtime import AsyncPool, Call, Pool, Proceed
from connpool_runtime._concurrency import threads
from connpool_runtime.checkout import time_limit
from connpool_runtime.pool import closings
from connpool_runtime.testing import FakeClock
from tests.runtime.faces import PATIENCE
from tests.runtime.forking import in_child
from tests.thorough import examples

LONG = 1500.0  # seconds that no machine takes
Work = Callable[[], Any]
Then = Callable[[Any], object]


class Actor:
    """One thing that a user does; `client` is where it runs now, `generation` that of its breaker."""

    def __init__(self) -> None:
        self.done = False
        self.error: BaseException | None = None
        self.client: Any = None
        self.generation: object = None

    def tell(self, outcome: BaseException | None) -> None:
        """Let the client's method, in which the actor is, return or raise."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """Cancel the actor, wherever it waits."""
        raise NotImplementedError


class Stage:
    """What both kinds have in common."""

    kind: str
    ways: ClassVar[dict[str, str]]  # what the steps of a lease and a stream are called

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.actors: list[Any] = []
        self.parents: list[object] = []  # kept from finalizers, in a child process

    def new_pool(self, **options: Any) -> Any:
        raise NotImplementedError

    def spawn(self, work: Work, then: Then = lambda _: None) -> Any:
        """Let a new actor work, as far as it comes; `then` gets the result, at once."""
        raise NotImplementedError

    passes_on: Any  # a middleware that has to see each call, and does nothing

    def enlist(self, actor: Actor) -> None:
        self.actors = [one for one in self.actors if not one.done]
        self.actors.append(actor)

    def current(self) -> Any:
        """Return the actor whose turn it is."""
        raise NotImplementedError

    def acting(self) -> Any:
        """Return the same; None if what runs is the pool's own."""
        raise NotImplementedError

    def settle(self) -> None:
        """Let all go on who can."""
        raise NotImplementedError

    def begin_anew(self) -> None:
        """Forget the users, in a child process: those of the parent never go on there."""
        self.parents.append(self.actors)
        self.actors = []

    def close(self) -> None:
        """Check that nobody is left."""
        assert all(actor.done for actor in self.actors)


def play(machine: type[RuleBasedStateMachine], count: int) -> None:
    """Run a state machine for a number of examples, or more where tests are thorough."""
    limits = settings(max_examples=examples(count), stateful_step_count=40, deadline=None)

    def run() -> None:
        run_state_machine_as_test(machine, settings=limits)  # type: ignore[no-untyped-call] # so in hypothesis

    run_apart(run)


def run_apart(work: Callable[[], None]) -> None:
    """Run what uses a stage in a process of its own.

    A stage of threads replaces what the pool's modules know of threads. A thread that a pool of another test has left
    would take part in the turns, whenever it wakes up, and no example would be played twice in the same way.
    """
    if hasattr(os, "fork"):
        answer = in_child(work, LONG)
        assert answer == "None", answer
    else:
        work()


class Turns:
    """Signal and gate of threads that take turns."""

    def __init__(self, stage: "ThreadStage", *, once: bool) -> None:
        self._stage = stage
        self._once = once
        self._came = False

    def set(self) -> bool:
        self._came = True
        return True

    open = set

    def wait(self, seconds: float) -> bool:
        until = self._stage.clock() + seconds
        self._stage.current().pause(lambda: self._came or self._stage.clock() >= until)
        came, self._came = self._came, self._came and not self._once
        return came


class ThreadActor(Actor):
    """A thread of which only one runs at a time; while it pauses, the test does."""

    def __init__(self, stage: "ThreadStage", work: Work, then: Then) -> None:
        super().__init__()
        self._stage = stage
        self._work = work
        self._then = then
        self._go = threading.Semaphore(0)
        self.ready: Callable[[], bool] | None = None
        self._thrown: BaseException | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._then(self._work())
        except BaseException as error:
            self.error = error
        self.done = True
        del self._work, self._then
        self._stage.back.release()

    def go(self) -> None:
        """Run until the next pause or the end."""
        stage, before = self._stage, self._stage.actor
        self.ready, stage.actor = None, self
        self._go.release()
        assert stage.back.acquire(timeout=PATIENCE), "a thread waits for something else"
        stage.actor = before
        if self.done:
            self.thread.join()

    def pause(self, ready: Callable[[], bool] | None) -> None:
        self.ready = ready
        self._stage.back.release()
        self._go.acquire()
        thrown, self._thrown = self._thrown, None
        if thrown is not None:
            raise thrown

    def tell(self, outcome: BaseException | None) -> None:
        self._thrown = outcome
        self.go()

    def interrupt(self) -> None:
        self.tell(KeyboardInterrupt())


class Beside:
    """A thread that the pool starts, as an actor: it runs when all go on who can."""

    def __init__(
        self,
        stage: "ThreadStage",
        target: Work,
        args: tuple[Any, ...] = (),
        **_: object,
    ) -> None:
        self._stage = stage
        self._actor = ThreadActor(stage, lambda: target(*args), lambda _: None)
        self.ident = None

    def start(self) -> None:
        stage, actor = self._stage, self._actor
        self.ident = id(self)
        stage.beside[actor] = self
        actor.ready = lambda: True
        stage.enlist(actor)
        actor.thread.start()

    def is_alive(self) -> bool:
        return self.ident is not None and not self._actor.done

    def join(self, timeout: float = 1e9) -> None:
        until = self._stage.clock() + timeout
        self._stage.current().pause(lambda: self._actor.done or self._stage.clock() >= until)


class ThreadStage(Stage):
    """Users of a `Pool`."""

    kind = "threads"
    ways: ClassVar[dict[str, str]] = {
        "enter": "__enter__",
        "exit": "__exit__",
        "next": "__next__",
        "close": "close",
        "method": "get",
        "pages": "pages",
        "end": "close",
        "items": "items",
    }

    @staticmethod
    def passes_on(call: Call, proceed: Proceed) -> Any:
        """Run the rest of the call."""
        return proceed(call)

    def __init__(self) -> None:
        super().__init__()
        self.actors: list[ThreadActor] = []
        self.actor: ThreadActor | None = None
        self.back = threading.Semaphore(0)
        self.beside: dict[ThreadActor | None, Beside] = {}
        of_threads = {
            "Signal": partial(Turns, self, once=True),
            "Gate": partial(Turns, self, once=False),
            "Thread": partial(Beside, self),
            "current_thread": self._running,
            "get_ident": lambda: id(self._running()),
            "monotonic": self.clock,
        }
        self._patches = [
            mock.patch.multiple(threads, **of_threads),
            mock.patch.object(closings, "Latch", partial(Turns, self, once=False)),
            # Else a machine that stands still for half a second ends limits, in one run of an example and not in the next.
            mock.patch.object(time_limit, "monotonic", self.clock),
        ]
        for patch in self._patches:
            patch.start()

    def new_pool(self, **options: Any) -> Any:
        options = {"unknown_errors": "failure", "panic_threshold": 0.0, **options}
        return Pool("test", close=lambda client: client.close(), clock=self.clock, **options)

    def spawn(self, work: Work, then: Then = lambda _: None) -> ThreadActor:
        actor = ThreadActor(self, work, then)
        self.enlist(actor)
        actor.thread.start()
        actor.go()
        return actor

    def current(self) -> ThreadActor:
        assert self.actor is not None
        return self.actor

    def acting(self) -> ThreadActor | None:
        return self.actor

    def _running(self) -> object:
        return self.beside.get(self.actor, self.actor)

    def settle(self) -> None:
        while ready := [one for one in self.actors if one.ready and one.ready()]:
            for actor in ready:
                actor.go()

    def close(self) -> None:
        for patch in self._patches:
            patch.stop()
        super().close()


class TaskActor(Actor):
    """A task."""

    def __init__(self, work: Work, then: Then) -> None:
        super().__init__()
        self._work = work
        self._then = then
        self.paused: asyncio.Future[None] | None = None
        self.task: asyncio.Task[None]

    async def run(self) -> None:
        try:
            self._then(await self._work())
        except BaseException as error:
            self.error = error
        self.done = True
        del self._work, self._then

    def tell(self, outcome: BaseException | None) -> None:
        assert self.paused is not None
        if outcome is None:
            self.paused.set_result(None)
        else:
            self.paused.set_exception(outcome)

    def interrupt(self) -> None:
        self.task.cancel()


class FakeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a clock that goes when it is told to."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._now = clock

    def time(self) -> float:
        return self._now()

    def run_dry(self) -> None:
        """Run whatever can run now."""
        while self._ready or any(  # type: ignore[attr-defined]
            not timer.cancelled() and timer.when() <= self.time()
            for timer in self._scheduled  # type: ignore[attr-defined]
        ):
            self.call_soon(self.stop)
            self.run_forever()


class TaskStage(Stage):
    """Users of an `AsyncPool`."""

    kind = "tasks"
    ways: ClassVar[dict[str, str]] = {
        "enter": "__aenter__",
        "exit": "__aexit__",
        "next": "__anext__",
        "close": "aclose",
        "method": "aget",
        "pages": "apages",
        "end": "aclose",
        "items": "aitems",
    }

    @staticmethod
    async def passes_on(call: Call, proceed: Proceed) -> Any:
        """Run the rest of the call."""
        return await proceed(call)

    def __init__(self) -> None:
        super().__init__()
        self._loop = FakeLoop(self.clock)
        self._of: dict[Any, TaskActor] = {}

    def new_pool(self, **options: Any) -> Any:
        options = {"unknown_errors": "failure", "panic_threshold": 0.0, **options}
        return AsyncPool("test", close=lambda client: client.aclose(), clock=self.clock, **options)

    def spawn(self, work: Callable[[], Awaitable[Any]], then: Then = lambda _: None) -> TaskActor:
        actor = TaskActor(work, then)
        self.enlist(actor)
        actor.task = self._loop.create_task(actor.run())
        self._of[actor.task] = actor
        self.settle()
        return actor

    def current(self) -> TaskActor:
        return self._of[asyncio.current_task()]

    def acting(self) -> TaskActor | None:
        return self._of.get(asyncio.current_task())

    def settle(self) -> None:
        self._loop.run_dry()

    def begin_anew(self) -> None:
        super().begin_anew()
        self.parents.append((self._loop, self._of))
        self._loop, self._of = FakeLoop(self.clock), {}

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self.settle()
        left = asyncio.all_tasks(self._loop)
        self._loop.close()
        assert not left
        super().close()
