"""Whether a wrapper goes on when servers restart, openings and closings hang, processes fork, readers leave early.

These are faults of the surroundings and not of one method, so each is tried once for each class: with its first
method that gives a plain answer, and where results are read bit by bit with the first method of each such kind.
Each scenario's docstring is its rule; a broken rule raises Wrong.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import signal
import threading
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from connpool_runtime import AsyncPool
from connpool_runtime._concurrency import tasks, threads
from connpool_runtime.checkout.replacing import replace_client
from tests.conformance import async_scenarios, scenarios
from tests.conformance.arguments import Given, required_only
from tests.conformance.corpus import Client
from tests.conformance.findings import Found
from tests.conformance.generation import generated
from tests.conformance.ground import Wrong, equal, fail
from tests.conformance.kinds import Kind, kind_of
from tests.conformance.loading import load_wrapper, pool_of
from tests.conformance.places import place
from tests.conformance.recorder import Record, Recorder
from tests.conformance.runtime_twin import own_signature
from tests.conformance.workshop import Workshop

PATIENCE = 20.0  # seconds that a scenario may take, and a child process
SOON = 0.05  # seconds to drain, where nothing is to be waited for
PLAIN = {
    False: (Kind.VALUE, Kind.BOUND, Kind.ANYTHING),
    True: (
        Kind.COROUTINE,
        Kind.AWAITABLE,
        Kind.AWAITED_OR_ENTERED,
        Kind.BOUND_OR_ENTERED,
    ),
}
READ = {
    False: (Kind.ITERATOR, Kind.GENERATOR, Kind.RETURNING_GENERATOR),
    True: (Kind.ASYNC_ITERATOR, Kind.ASYNC_GENERATOR),
}


class Server:
    """Opens clients, which are dead once it has been started again."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self._answer = answer
        self._records: list[Record] = []
        self.closed = 0

    def open(self) -> Recorder:
        """Open one client."""
        record = Record(reply=self._answer)
        self._records.append(record)
        return Recorder(record)

    @property
    def opened(self) -> int:
        """How many clients it has opened."""
        return len(self._records)

    def close(self, _client: Recorder) -> None:
        """Close one client."""
        self.closed += 1

    def restart(self) -> None:
        """End the connections of all clients."""
        for record in self._records:
            record.reply = lambda: fail(ConnectionResetError("the server was started again"))


class Subject:
    """A wrapper class with the methods that it is tried with."""

    def __init__(
        self, wrapper: type, plain: tuple[str, Given], read: list[tuple[str, Given]]
    ) -> None:
        self.wrapper = wrapper
        self.plain = plain
        self.read = read
        self.asynchronous = isinstance(pool_of(wrapper()), AsyncPool)

    def make(self, **options: Any) -> Any:
        """Return a new wrapper without members."""
        return self.wrapper(**options)

    def answer(self) -> Any:
        """What a client gives for the plain method."""
        return async_scenarios.answer(1) if self.asynchronous else 1

    def items(self) -> Any:
        """What a client gives for a method that is read."""
        return async_scenarios.produce(3, []) if self.asynchronous else scenarios.Items([1, 2, 3])

    async def call(self, wrapper: Any) -> None:
        """Call the plain method; beside the event loop if it blocks."""
        if self.asynchronous:
            await called(wrapper, *self.plain)
        else:
            await asyncio.to_thread(called, wrapper, *self.plain)

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method of the pool, which is to be awaited or blocks."""
        if self.asynchronous:
            result = function(*args, **kwargs)
            return await result if inspect.isawaitable(result) else result
        return await asyncio.to_thread(functools.partial(function, *args, **kwargs))


def called(wrapper: Any, path: str, given: Given) -> Any:
    """Call a method by its dotted path."""
    return functools.reduce(getattr, path.split("."), wrapper)(*given.args, **given.kwargs)


async def survives_restart(subject: Subject) -> None:
    """After a restart of the server one call fails at most, and none is given a connection from before."""
    server = Server(subject.answer)
    wrapper = subject.make(max_fails=3)
    pool = pool_of(wrapper)
    pool.add_endpoint(server.open, "a", close=server.close, initial_size=3)
    await subject.run(pool.warm_up)
    server.restart()
    failed = 0
    for _ in range(4):
        try:
            await subject.call(wrapper)
        except ConnectionResetError:
            failed += 1
    equal("calls that failed", failed, 1)
    await subject.run(pool.close, SOON)
    equal("clients that were opened and closed", server.closed, server.opened)


async def survives_hanging_factory(subject: Subject) -> None:
    """While one endpoint's factory hangs, calls on the other one succeed, and closing ends in time."""
    server, hung = Server(subject.answer), Hanging(subject)
    wrapper = subject.make(checkout_timeout=PATIENCE)
    pool = pool_of(wrapper)
    pool.add_endpoint(hung.open, "ill")
    pool.add_endpoint(server.open, "well")
    calls = [asyncio.create_task(subject.call(wrapper)) for _ in range(6)]
    try:
        ended: set[asyncio.Task[None]] = set()
        while len(ended) < 2:
            done, _ = await asyncio.wait({*calls} - ended, return_when=asyncio.FIRST_COMPLETED)
            ended |= done
        for task in ended:
            task.result()
        with suppress(ExceptionGroup):  # what was not closed in time is named
            await subject.run(pool.close, SOON)
    finally:
        hung.go_on()
        for task in calls:
            if subject.asynchronous:
                task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def survives_hanging_close(subject: Subject) -> None:
    """A client whose closing hangs holds up neither removal, nor calls, nor closing the pool."""
    hung = Hanging(subject)
    wrapper = subject.make()
    pool = pool_of(wrapper)
    pool.add_client(Recorder(Record(reply=subject.answer)), "ill", close=hung.hang)
    pool.add_client(Recorder(Record(reply=subject.answer)), "well")
    try:
        with suppress(TimeoutError):
            await subject.run(pool.remove_client, "ill", drain_timeout=SOON)
        await subject.call(wrapper)
        with suppress(ExceptionGroup):
            await subject.run(pool.close, SOON)
    finally:
        hung.go_on()


async def survives_fork(subject: Subject) -> None:
    """A child process that was forked while a client is held calls others, and nothing is held in it."""
    wrapper = subject.make(max_concurrency=1)
    pool: Any = pool_of(wrapper)
    for name in ("a", "b"):
        pool.add_client(Recorder(Record(reply=subject.answer)), name)
    lease = pool.lease()
    await lease.__aenter__() if subject.asynchronous else lease.__enter__()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads of the tests may run
        child = os.fork()
    if child == 0:
        _in_child(subject, wrapper)
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    equal("exit code of the child", os.waitstatus_to_exitcode(status), 0)
    equal("calls in flight in the parent", sum(m.in_flight for m in pool.stats().members), 1)
    if subject.asynchronous:
        await lease.__aexit__(None, None, None)
    else:
        lease.__exit__(None, None, None)
    equal("calls in flight afterwards", sum(m.in_flight for m in pool.stats().members), 0)


def _in_child(subject: Subject, wrapper: Any) -> None:
    signal.alarm(int(PATIENCE))  # which ends a child that hangs
    code = 1
    try:
        for _ in range(4):
            if subject.asynchronous:
                asyncio.run(subject.call(wrapper))
            else:
                called(wrapper, *subject.plain)
        code = 2 if sum(m.in_flight for m in pool_of(wrapper).stats().members) else 0
    finally:
        os._exit(code)


async def survives_break(subject: Subject) -> None:
    """When a reader leaves early, the client's stream is ended before anybody else is lent the client."""
    for path, given in subject.read:
        record = Record(reply=subject.items)
        wrapper = subject.make(max_concurrency=1, checkout_timeout=PATIENCE)
        pool_of(wrapper).add_client(Recorder(record), "a")
        log: list[Any] = []
        for _ in range(3):
            record.reply = functools.partial(_told, subject, log)
            await _read_one(subject, wrapper, path, given)
            record.reply = subject.answer
            await subject.call(wrapper)
        equal(f"streams of {path} that were ended", log, ["closed"] * 3)


def _told(subject: Subject, log: list[Any]) -> Any:
    if subject.asynchronous:
        return async_scenarios.produce(3, log)
    return scenarios.produce([1, 2, 3], log)


async def _read_one(subject: Subject, wrapper: Any, path: str, given: Given) -> None:
    if subject.asynchronous:
        async for _ in called(wrapper, path, given):
            break
        gc.collect()
        await async_scenarios.a_few_turns()
    else:
        for _ in called(wrapper, path, given):
            break
        gc.collect()


async def survives_replacement(subject: Subject) -> None:
    """A client that takes another's place under its name gets the calls, and the one that is held ends by itself."""
    before, after = Record(reply=subject.answer), Record(reply=subject.answer)
    wrapper = subject.make()
    pool: Any = pool_of(wrapper)
    pool.add_client(Recorder(before), "a")
    lease = pool.lease()
    await lease.__aenter__() if subject.asynchronous else lease.__enter__()
    # As discovery does it when an endpoint has another address, and a health check for a connection that was lost.
    replace_client(
        pool._checkout,
        pool.members[0],
        Recorder(after),
        close=lambda: None,
        validate=None,
        new_gate=tasks.Gate if subject.asynchronous else threads.Gate,
    )
    await subject.call(wrapper)
    equal("calls of the new client", len(after.calls), 1)
    equal("calls of the old client", len(before.calls), 0)
    if subject.asynchronous:
        await lease.__aexit__(None, None, None)
    else:
        lease.__exit__(None, None, None)
    (member,) = pool.stats().members
    equal("the member and its calls in flight", (member.name, member.in_flight), ("a", 0))


class Hanging:
    """What does not end before `go_on`: a factory, or a closing."""

    def __init__(self, subject: Subject) -> None:
        self._gate: Any = asyncio.Event() if subject.asynchronous else threading.Event()
        self.open: Callable[[], Any] = self._open_async if subject.asynchronous else self._open
        self.hang: Callable[..., Any] = self._gate.wait
        self._answer = subject.answer

    def go_on(self) -> None:
        """Let everybody go on."""
        self._gate.set()

    def _open(self) -> Recorder:
        self._gate.wait(PATIENCE)
        return Recorder(Record(reply=self._answer))

    async def _open_async(self) -> Recorder:
        await self._gate.wait()
        return Recorder(Record(reply=self._answer))


SCENARIOS: tuple[Callable[[Subject], Awaitable[None]], ...] = (
    survives_restart,
    survives_hanging_factory,
    survives_hanging_close,
    survives_fork,
    survives_break,
    survives_replacement,
)


def subject_of(workshop: Workshop, client: Client) -> Subject | None:
    """Return a wrapper with methods to try, None if none of its methods gives a plain answer."""
    wrapper = load_wrapper(workshop, client)
    made = wrapper()
    asynchronous = isinstance(pool_of(made), AsyncPool)
    found: dict[Kind, tuple[str, Given]] = {}
    for entry in generated(workshop, client).ledger:
        if entry.fate != "wrapped":
            continue
        member = place(workshop, client, entry.name)
        signature = own_signature(made, member.path)
        if signature is None:
            continue
        if member.is_method:
            kind = kind_of(member.owner, member.name, member.revealed, of_part="." in member.path)
        elif (
            "UnaryUnary" in member.revealed
        ):  # of a gRPC stub, which has objects in place of methods
            kind = Kind.AWAITABLE if asynchronous else Kind.VALUE
        else:
            kind = Kind.ANYTHING
        found.setdefault(kind, (member.path, required_only(signature)))
    plain = [found[kind] for kind in PLAIN[asynchronous] if kind in found]
    read = [found[kind] for kind in READ[asynchronous] if kind in found]
    return Subject(wrapper, plain[0], read) if plain else None


def check_faults(workshop: Workshop, client: Client) -> list[Found]:
    """Try each fault with a wrapper of its own."""
    subject = subject_of(workshop, client)
    if subject is None:
        return [("", "no method of it gives a plain answer")]
    found: list[Found] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for scenario in SCENARIOS:
            try:
                asyncio.run(asyncio.wait_for(scenario(subject), PATIENCE))
            except Exception as error:
                how = str(error) if isinstance(error, Wrong) else f"{type(error).__name__}: {error}"
                found.append(("", f"[{scenario.__name__}] {scenario.__doc__} But {how}"))
    return found
