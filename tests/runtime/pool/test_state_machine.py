"""Whatever users, servers, hands and time do to a pool, in whatever order, its promises hold."""

import asyncio
import gc
import math
import os
import warnings
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from typing import Any, ClassVar
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connpool_runtime import BreakerState, Method, Outcome, PoolClosed, Rejected
from connpool_runtime._concurrency import tasks, threads
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL
from connpool_runtime.calls.error_judge import ErrorJudge
from connpool_runtime.checkout.replacing import replace_client
from connpool_runtime.errors import DrainTimeout
from connpool_runtime.middleware import Retry
from tests.runtime.forking import in_child
from tests.runtime.stage import Actor, Stage, TaskStage, ThreadStage, play


class Missing(Exception):
    """An answer that proves that the server works."""


class Refused(Exception):
    """An error that is nobody's fault."""


class Unrelated(Exception):
    """An error of the caller's own, which the pool hears nothing of."""


ENDINGS: dict[str, tuple[type[Exception] | None, Outcome]] = {
    "ok": (None, Outcome.SUCCESS),
    "expected": (Missing, Outcome.SUCCESS),
    "fails": (ConnectionError, Outcome.FAILURE),
    "fails again": (ConnectionResetError, Outcome.FAILURE),
    "ignored": (Refused, Outcome.NEUTRAL),
    "unknown": (ValueError, Outcome.FAILURE),
}
JUDGE = ErrorJudge(unknown="failure")  # as the stage makes its pools
POLICY: dict[str, Any] = {"expected": (Missing,), "ignored": (Refused,)}
ENDING = st.sampled_from(list(ENDINGS))
FOREVER = 1e9
# By a thread in a real program, on the spot here.
LEFT_TO_A_THREAD = "connpool_runtime.checkout.checkout.run_beside_finalizer"


def last_of(members: Any, _call: object) -> Any:
    """Pick the member that has joined last, as a balancer of the user's own."""
    return members[-1]


def error_of(ending: str) -> Exception | None:
    kind = ENDINGS[ending][0]
    return kind() if kind else None


class Client:
    """A client whose calls end when and how the machine says."""

    def __init__(self, machine: "PoolMachine", name: str, limit: int | None) -> None:
        self.machine = machine
        self.stage = machine.stage
        self.name = name
        self.limit = math.inf if limit is None else limit
        self.holders = 0
        self.closed = 0
        self.ended: Counter[Outcome] = Counter()
        self.known: Any = None

    @property
    def member(self) -> Any:
        if self.known is None:
            self.known = next(one for one in self.machine.pool.members if one.client is self)
        return self.known

    def take(self) -> object:
        """Somebody has the client from now on; return the generation this began in."""
        breaker = self.member.breaker
        self.holders += 1
        assert not self.closed
        assert self.holders <= self.limit
        assert not self.member.leaving
        assert breaker.state is not BreakerState.OPEN or self.member.panic
        return breaker.generation

    def give(self, outcome: Outcome) -> None:
        """And from now on no more."""
        self.holders -= 1
        self.ended[outcome] += 1

    def _enter(self) -> Actor:
        actor: Actor = self.stage.current()
        actor.client, actor.generation = self, self.take()
        return actor

    def _leave(self, actor: Actor, error: BaseException | None) -> None:
        actor.client = None
        self.give(JUDGE(GET, error).outcome if error else Outcome.SUCCESS)

    def get(self) -> str:
        actor: Any = self._enter()
        try:
            actor.pause(None)
        except BaseException as error:
            self._leave(actor, error)
            raise
        self._leave(actor, None)
        return self.name

    async def aget(self) -> str:
        actor: Any = self._enter()
        actor.paused = asyncio.get_running_loop().create_future()
        try:
            await actor.paused
        except BaseException as error:
            self._leave(actor, error)
            raise
        self._leave(actor, None)
        return self.name

    def items(self) -> Iterator[str]:
        self.take()
        return self._items()

    def _items(self) -> Iterator[str]:
        while not isinstance(self.machine.command, StopIteration):
            if self.machine.command is not None:
                raise self.machine.command
            yield self.name

    def aitems(self) -> AsyncIterator[str]:
        self.take()
        return self._aitems()

    async def _aitems(self) -> AsyncIterator[str]:
        for item in self._items():
            yield item

    def pages(self) -> Iterator[str]:
        """Give pages for ever; whoever leaves has the client until this generator has ended."""
        self.take()
        return self._pages()

    def _pages(self) -> Iterator[str]:
        try:
            while True:
                yield self.name
        finally:
            self._end_of_pages()

    def apages(self) -> AsyncIterator[str]:
        self.take()
        return self._apages()

    async def _apages(self) -> AsyncIterator[str]:
        try:
            while True:
                yield self.name
        finally:
            self._end_of_pages()

    def _end_of_pages(self) -> None:
        self.give(Outcome.SUCCESS)
        self.machine.called["pages", Outcome.SUCCESS] += 1

    def close(self) -> None:
        assert self.holders == 0
        self.closed += 1

    async def aclose(self) -> None:
        self.close()


GET: Method[Client, str] = Method("get", lambda client, args: client.get(), **POLICY)


class Use:
    """A lease or a stream in the hands of a user."""

    def __init__(self, thing: Any, client: Client, method: str) -> None:
        self.thing = thing
        self.client = client
        self.method = method
        self.items = 0
        self.generation = client.member.breaker.generation

    @property
    def outcome(self) -> Outcome:
        """What it comes to if it ends now."""
        return Outcome.SUCCESS if self.items else Outcome.NEUTRAL


class PoolMachine(RuleBasedStateMachine):
    """The model knows who holds which client, how everything ended, and who waits."""

    new_stage: ClassVar[type[Stage]]

    @initialize(
        balancer=st.sampled_from([*BALANCERS, *BY_CALL, last_of]),
        routed=st.booleans(),
        limit=st.sampled_from([None, None, 1, 2]),
        max_fails=st.sampled_from([0, 1, 1, 2, 3]),
        probes=st.integers(1, 2),
        slow_call_rate_threshold=st.sampled_from([0.0, 0.0, 0.5]),
        panic=st.sampled_from([0.0, 0.0, 0.5]),
        ejected=st.sampled_from([1.0, 0.5]),
        patience=st.sampled_from([0.0, 3.0, FOREVER]),
        max_waiting=st.sampled_from([0, 2, 100]),
        seen=st.booleans(),
    )
    def begin(
        self,
        balancer: str | Callable[..., Any],
        routed: bool,
        limit: int | None,
        max_fails: int,
        probes: int,
        slow_call_rate_threshold: float,
        panic: float,
        ejected: float,
        patience: float,
        max_waiting: int,
        seen: bool,
    ) -> None:
        """One pool with two members for all that follows."""
        gc.collect()  # the pool of the last example
        gc.freeze()  # so that collecting takes no time
        gc.disable()  # finalizers run at the same steps each time an example is played
        self.left_by_finalizers: list[Callable[[], object]] = []
        self.patch = patch(LEFT_TO_A_THREAD, self.left_by_finalizers.append)
        self.patch.start()
        self.stage = self.new_stage()
        self.limit = limit
        self.probes = probes
        self.panics = panic > 0.0
        # All members have the role that all calls are for, so routes change which way calls take, and nothing else.
        self.labels = {"role": "all"} if routed else None
        self.pool = self.stage.new_pool(
            balancer=balancer,
            default_route="all" if routed else None,
            random=lambda: 0.5,
            max_concurrency=limit,
            max_fails=max_fails,
            cooldown=10.0,
            cooldown_jitter=0.0,
            half_open_calls=probes,
            probe_timeout=FOREVER,
            slow_call_rate_threshold=slow_call_rate_threshold,
            slow_call_duration=5.0,
            minimum_calls=2,
            panic_threshold=panic,
            max_ejection_share=ejected,
            checkout_timeout=patience,
            max_waiting=max_waiting,
            drain_timeout=FOREVER,
        )
        if seen:  # by middleware that is around each call
            self.pool.register_middleware(self.stage.passes_on)
        self.command: BaseException | None = None  # what streams give next
        self.clients: list[Client] = []
        self.leaving: list[tuple[Actor, Client]] = []
        self.replaced: list[Client] = []
        self.forked = False
        self.users: list[Actor] = []
        self.uses: list[Use] = []
        self.called: Counter[tuple[str, Outcome]] = Counter()
        self.refused: Counter[str] = Counter()
        self.has_middleware = self.closing = False
        self.started = 0
        self.method = self.method_of("get", "method")
        for _ in range(2):
            self.add(None)

    def method_of(self, name: str, way: str, **policy: Any) -> Method[Any, Any]:
        function = self.stage.ways[way]
        return Method(name, lambda client, _: getattr(client, function)(), **POLICY, **policy)

    # Members

    @rule(limit=st.sampled_from([None, 1, 2]))
    def add(self, limit: int | None) -> None:
        """A member joins; with a limit of its own, or the pool's."""
        if len(self.pool.members) >= 5:
            return
        client = Client(self, f"m{len(self.clients)}", self.limit if limit is None else limit)
        try:
            self.pool.add_client(client, client.name, max_concurrency=limit, labels=self.labels)
        except PoolClosed:
            assert self.closing
            return
        assert not self.closing
        self.clients.append(client)
        self.step()

    @precondition(lambda self: len(self.present) > 1)
    @rule(data=st.data(), timeout=st.sampled_from([0.0, 5.0, FOREVER]))
    def remove(self, data: Any, timeout: float) -> None:
        """A member leaves when its calls have ended, or the time to drain."""
        client = data.draw(st.sampled_from(self.present), label="who")
        work = lambda: self.pool.remove_client(client.name, drain_timeout=timeout)  # noqa: E731
        self.leaving.append((self.stage.spawn(work), client))
        self.step()

    @precondition(lambda self: self.named)
    @rule(data=st.data())
    def replace(self, data: Any) -> None:
        """A new client takes a member's name and place, even of one that leaves; the old one drains."""
        old = data.draw(st.sampled_from(self.named), label="whose")
        cut_off_by_hand = old.member.breaker.forced_open
        names = [member.name for member in self.pool.members]
        client = Client(self, old.name, None)
        client.limit = old.limit

        async def change_in_task() -> None:
            change()

        def change() -> None:
            new = replace_client(
                self.pool._checkout,
                old.member,
                client,
                close=getattr(client, self.stage.ways["end"]),
                validate=None,
                new_gate=threads.Gate if self.stage.kind == "threads" else tasks.Gate,
            )
            assert new is client.member
            assert not cut_off_by_hand or not new.ready

        self.clients.append(client)
        self.replaced.append(old)
        changer = self.stage.spawn(change if self.stage.kind == "threads" else change_in_task)
        assert changer.done
        assert changer.error is None, changer.error
        assert [member.name for member in self.pool.members] == names
        self.step()
        self.has_drained(old)

    def has_drained(self, client: Client) -> None:
        """A client that was replaced is closed by its last call, and not before."""
        if client in self.replaced:
            assert client.closed == (client.holders == 0)

    @rule()
    def open_breaker(self) -> None:
        """A hand cuts a member off."""
        for client in self.present[:1]:
            self.pool.eject(client.name)
            assert not client.member.ready
            self.step()

    @rule()
    def reset_breaker(self) -> None:
        """A hand lets all members in again."""
        for client in self.present:
            self.pool.uneject(client.name)
            assert client.member.ready
        self.step()

    # Calls

    @rule(times=st.integers(1, 3))
    def call(self, times: int) -> None:
        """Callers come; each gets to a client, waits in line or is refused."""
        for _ in range(times):
            self.use(lambda: self.pool.call(self.method), "get")

    def use(self, work: Any, name: str, then: Any = lambda _: None) -> None:
        actor = self.stage.spawn(work, then)
        actor.name = name
        self.users.append(actor)
        self.started += 1
        self.step()

    @precondition(lambda self: self.in_clients)
    @rule(data=st.data(), ending=ENDING)
    def end(self, data: Any, ending: str) -> None:
        """A call ends, in time or late."""
        actor = data.draw(st.sampled_from(self.in_clients), label="which")
        client = actor.client
        with_checks = self.watch(client, actor.generation, ENDINGS[ending][1])
        actor.tell(error_of(ending))
        self.step()
        with_checks()
        self.has_drained(client)

    @precondition(lambda self: self.in_clients)
    @rule(data=st.data())
    def crash(self, data: Any) -> None:
        """A server goes down: all calls on it fail, and soon it will be probed."""
        client = data.draw(st.sampled_from(self.in_clients), label="whose").client
        for actor in [one for one in self.in_clients if one.client is client]:
            actor.tell(ConnectionError())
            self.step()
        self.wait(data.draw(st.sampled_from([0.0, 11.0]), label="seconds"))
        self.call(times=3)

    @precondition(lambda self: self.unfinished)
    @rule(data=st.data())
    def interrupt(self, data: Any) -> None:
        """A caller is cancelled, in the client or in the line."""
        actor = data.draw(st.sampled_from(self.unfinished), label="which")
        client = actor.client
        with_checks = self.watch(client, actor.generation, Outcome.NEUTRAL) if client else None
        actor.interrupt()
        self.step()
        assert actor.done
        if with_checks:
            with_checks()

    def watch(self, client: Client, generation: object, outcome: Outcome) -> Any:
        """Return what checks that a result which is late or neutral has not moved the breaker."""
        breaker = client.member.breaker
        due = breaker.wake_at <= self.stage.clock()
        changes = generation is breaker.generation and outcome is not Outcome.NEUTRAL
        # One that waits for this client to read some pages gets it now, reads on its own, and may be a probe.
        read_through = any(user.name == "pages" and not user.done for user in self.users)

        def seen() -> tuple[object, ...]:
            of_state = (breaker.state, breaker.generation, breaker.until, breaker.trips)
            return *of_state, breaker.failures, breaker.cause

        before = seen()

        def check() -> None:
            if not changes and not due and not read_through:
                assert seen() == before

        return check

    # Leases and streams

    @rule()
    def lease(self) -> None:
        """Somebody takes a member for several steps."""
        lease = self.pool.lease(Method("lease", lambda client, _: client, **POLICY))

        def then(client: Client) -> None:
            client.take()
            self.uses.append(Use(lease, client, "lease"))

        self.use(getattr(lease, self.stage.ways["enter"]), "lease", then)

    @rule()
    def stream(self) -> None:
        """Somebody opens a stream."""
        method = self.method_of("items", "items")

        def then(stream: Any) -> None:
            self.uses.append(Use(stream, stream.member.client, "items"))

        if self.stage.kind == "threads":
            self.use(lambda: self.pool.stream(method), "items", then)
        else:
            self.use(lambda: self.pool.stream(method).__aenter__(), "items", then)

    @precondition(lambda self: self.uses)
    @rule(data=st.data(), ending=ENDING)
    def end_use(self, data: Any, ending: str) -> None:
        """A lease is given back, well or after an error; a stream comes to its end."""
        use = data.draw(st.sampled_from(self.uses), label="which")
        error, outcome = error_of(ending), ENDINGS[ending][1]
        with_checks = self.watch(use.client, use.generation, outcome)
        self.settled(use, outcome)
        if use.method == "lease":
            self.act_on(use, "exit", error and type(error), error, None)
        else:
            self.command = error or StopIteration()
            raised = self.act_on(use, "next")
            expected = StopIteration if self.stage.kind == "threads" else StopAsyncIteration
            assert raised is error if error else isinstance(raised, expected)
            self.command = None
        with_checks()
        self.has_drained(use.client)

    @precondition(lambda self: self.uses)
    @rule(data=st.data())
    def go_on(self, data: Any) -> None:
        """A stream gives an item."""
        use = data.draw(st.sampled_from(self.uses), label="which")
        if use.method == "items":
            assert self.act_on(use, "next") is None
            use.items += 1

    @precondition(lambda self: self.uses)
    @rule(data=st.data(), politely=st.booleans())
    def abandon(self, data: Any, politely: bool) -> None:
        """A stream is closed before its end; leases and streams are forgotten."""
        use = data.draw(st.sampled_from(self.uses), label="which")
        with_checks = self.watch(use.client, use.generation, use.outcome)
        self.settled(use, use.outcome)
        if politely and use.method == "items":
            assert self.act_on(use, "close") is None
        else:
            self.forget(use)
            self.step()
        with_checks()

    @rule(
        pages=st.integers(1, 2),
        way=st.sampled_from(["break", "break out of a block", "raise in a block"]),
    )
    def break_out(self, pages: int, way: str) -> None:
        """A reader leaves its loop over a stream: by `break`, with a block around it or without, or by an error."""
        method = self.method_of("pages", "pages")
        leave = self.leave_loop if self.stage.kind == "threads" else self.leave_async_loop
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            self.use(lambda: leave(method, pages, way), "pages")
            gc.collect()
            self.step()

    def leave_loop(self, method: Method[Any, Any], pages: int, way: str) -> None:
        stream = self.pool.stream(method)
        with nullcontext() if way == "break" else stream:
            for number, _ in enumerate(stream, 1):
                if number == pages:
                    if way == "raise in a block":
                        raise Unrelated
                    break

    async def leave_async_loop(self, method: Method[Any, Any], pages: int, way: str) -> None:
        stream = self.pool.stream(method)
        async with nullcontext() if way == "break" else stream:
            number = 0
            async for _ in stream:
                number += 1
                if number == pages:
                    if way == "raise in a block":
                        raise Unrelated
                    break

    def forget(self, use: Use) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del use.thing
            gc.collect()  # a task that is done is part of a cycle, and so are errors

    def settled(self, use: Use, outcome: Outcome) -> None:
        self.uses.remove(use)
        use.client.give(outcome)
        self.called[use.method, outcome] += 1

    def act_on(self, use: Use, way: str, *args: Any) -> BaseException | None:
        step = getattr(use.thing, self.stage.ways[way])
        actor = self.stage.spawn(lambda: step(*args))
        self.step()
        assert actor.done
        return actor.error  # type: ignore[no-any-return]

    # The rest of the world

    @rule(seconds=st.sampled_from([0.5, 3.0, 6.0, 11.0]))
    def wait(self, seconds: float) -> None:
        """Time passes: cooldowns and patience end."""
        self.stage.clock.sleep(seconds)
        self.step()

    @precondition(lambda self: not self.has_middleware and self.started > 5)
    @rule()
    def retry(self) -> None:
        """From now on calls that fail are tried again."""
        self.has_middleware = True

        async def no_wait(_: float) -> None:
            pass

        sleep = no_wait if self.stage.kind == "tasks" else lambda _: None
        self.pool.register_middleware(Retry(2, sleep=sleep))
        self.method = self.method_of("get", "method", idempotent=True)

    @precondition(lambda self: self.started > 15 and not self.closing)
    @rule()
    def close(self) -> None:
        """The pool is closed; whoever has a member keeps it until done."""
        self.closing = True
        self.leaving += [(self.stage.spawn(self.pool.close), client) for client in self.present]
        self.step()
        assert self.pool.closed

    @precondition(lambda self: self.present and self.started > 5 and not self.forked)
    @rule(ending=ENDING)
    def fork(self, ending: str) -> None:
        """The process forks, wherever everybody is: the child begins anew, and here nothing changes."""
        if not hasattr(os, "fork"):
            return
        self.forked = True
        self.call(times=3)  # so that somebody is in a call, and in line
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            answer = in_child(lambda: self.begin_anew(ending))
            assert answer == "served and closed", answer

    def begin_anew(self, ending: str) -> str:
        """In the child nobody is in flight, who was leaving has left, and a call is served."""
        present, uses = self.present, self.uses
        self.stage.begin_anew()
        self.users, self.uses, self.leaving, self.replaced = [], [], [], []
        for client in self.clients:
            client.holders, client.known, client.ended = 0, None, Counter()
        self.clients = present
        assert sorted(one.name for one in self.pool.members) == sorted(one.name for one in present)
        assert self.pool.stats().in_flight == self.pool.stats().waiting == 0
        for use in uses:  # which belongs to a call of the parent's
            args = (None, None, None) if use.method == "lease" else ()
            self.act_on(use, "exit" if use.method == "lease" else "close", *args)
            assert self.pool.stats().in_flight == 0
        for client in present:
            if client.member.breaker.forced_open or client.member.unreachable:
                self.pool.uneject(client.name)
        self.stage.clock.sleep(3600.0)  # for the cooldowns
        served = self.stage.spawn(lambda: self.pool.call(self.method_of("get", "method")))
        assert served.client in present, served.error
        served.tell(error_of(ending))
        self.stage.settle()
        assert served.done
        assert type(served.error) is (ENDINGS[ending][0] or type(None))
        closing = self.stage.spawn(self.pool.close)
        self.stage.settle()
        assert closing.done
        assert closing.error is None
        assert [client.closed for client in present] == [1] * len(present)
        return "served and closed"

    # What must hold

    @property
    def present(self) -> list[Client]:
        gone = [client for _, client in self.leaving] + self.replaced
        return [client for client in self.clients if client not in gone]

    @property
    def named(self) -> list[Client]:
        """The clients whose members are in the pool under their names, those that are leaving included."""
        return [] if self.closing else [member.client for member in self.pool.members]

    @property
    def unfinished(self) -> list[Actor]:
        return [actor for actor in self.users if not actor.done]

    @property
    def in_clients(self) -> list[Actor]:
        return [actor for actor in self.unfinished if actor.client is not None]

    def step(self) -> None:
        """Let all go on who can, and look who was served."""
        while self.left_by_finalizers:
            self.left_by_finalizers.pop()()
        line = self.pool._state.queue.waiters
        ahead: list[Any] = list(line)
        self.stage.settle()
        served = [index for index, waiter in enumerate(ahead) if waiter.lease.held]
        waiting = [index for index, waiter in enumerate(ahead) if waiter in line]
        assert not served or not waiting or max(served) < min(waiting), "somebody was overtaken"
        for actor in [actor for actor in self.users if actor.done]:
            self.users.remove(actor)
            self.finished(actor)
        for remover, client in self.leaving:
            if remover.done and remover.error is None:
                assert client.closed == 1
            assert remover.error is None or isinstance(remover.error, DrainTimeout)

    def finished(self, actor: Any) -> None:
        error = actor.error
        if isinstance(error, Rejected):
            self.refused[type(error).__name__] += 1
            assert not self.closing or isinstance(error, PoolClosed)
        elif actor.name == "get" or not isinstance(error, Unrelated | None):
            outcome = JUDGE(GET, error).outcome if error else Outcome.SUCCESS
            self.called[actor.name, outcome] += 1

    @invariant()
    def every_member_has_its_holders(self) -> None:
        """What is in flight is what somebody holds, and each ending was counted once."""
        for member in self.pool.members:
            client = member.client
            assert member.in_flight == client.holders
            assert member.served + member.answered == client.ended[Outcome.SUCCESS]
            assert member.failed == client.ended[Outcome.FAILURE]
            assert member.neutral == client.ended[Outcome.NEUTRAL]

    @invariant()
    def counts_add_up(self) -> None:
        """Calls = successes + failures + neutrals, refusals among the latter or apart."""
        stats = self.pool.stats()
        for method in stats.methods:
            answered = method.successes + method.answers
            assert answered == self.called[method.name, Outcome.SUCCESS]
            assert method.failures == self.called[method.name, Outcome.FAILURE]
        neutral = sum(method.neutrals for method in stats.methods)
        known = sum(n for (_, outcome), n in self.called.items() if outcome is Outcome.NEUTRAL)
        assert known <= neutral <= known + self.refused.total()
        if not self.has_middleware:
            assert dict(stats.rejections) == dict(self.refused)

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Who neither runs nor is done is in line; and then nobody available is free."""
        lost = [actor for actor in self.unfinished if actor.client is None]
        stats = self.pool.stats()
        assert stats.waiting == len(lost)
        assert not self.pool._state.lock.locked()
        if lost:
            available = self.pool._state.membership.available
            assert available
            assert not [member for member in available if member.free]

    @invariant()
    def breakers_are_probed_sparingly(self) -> None:
        """A half-open member has no more probes than allowed, unless there is panic."""
        for client in self.clients:
            breaker = client.member.breaker
            if breaker.state is BreakerState.HALF_OPEN and not self.panics:
                calls = [one for one in self.in_clients if one.generation is breaker.generation]
                uses = [one for one in self.uses if one.generation is breaker.generation]
                assert len(calls) + len(uses) <= self.probes

    @invariant()
    def closed_is_for_ever(self) -> None:
        """And so is the closing of a client."""
        assert self.pool.closed is self.closing
        assert all(client.closed <= 1 for client in self.clients)

    def teardown(self) -> None:
        """In the end nothing is left: everybody ends, everything is closed."""
        gc.enable()
        if not hasattr(self, "pool"):
            return
        try:
            self.end_well()
        finally:
            self.patch.stop()

    def end_well(self) -> None:
        """Let everything end, and look whether nothing is left."""
        for _ in range(1000):
            for actor in self.in_clients:
                actor.tell(None)
                self.step()  # or a slow end may open the breaker before who waits has begun
            for use in list(self.uses):
                self.settled(use, Outcome.SUCCESS if use.method == "lease" else use.outcome)
                self.act_on(
                    use, *(("exit", None, None, None) if use.method == "lease" else ["close"])
                )
            self.step()
            if not self.unfinished and not self.uses:
                break
            if not self.in_clients:
                self.wait(11.0)
                for actor in self.unfinished:
                    if actor.client is None:
                        actor.interrupt()
        if not self.closing:
            self.close()
        self.step()
        assert not self.pool.members
        assert all(client.holders == 0 and client.closed == 1 for client in self.clients)
        assert self.pool.stats().in_flight == self.pool.stats().waiting == 0
        self.counts_add_up()
        self.stage.close()


class ThreadMachine(PoolMachine):
    """A `Pool`."""

    new_stage = ThreadStage


class TaskMachine(PoolMachine):
    """An `AsyncPool`."""

    new_stage = TaskStage


def test_threads() -> None:
    """Whatever happens, a `Pool` of clients keeps to the model."""
    play(ThreadMachine, 150)


def test_tasks() -> None:
    """Whatever happens, an `AsyncPool` of clients keeps to the model."""
    play(TaskMachine, 150)
