"""Whatever servers, factories, closings and callers do, the clients of endpoints are lent as promised."""

import asyncio
import gc
import os
import warnings
from collections import Counter
from collections.abc import Callable, Generator
from typing import Any, ClassVar
from unittest.mock import patch

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connpool_runtime import Method, Outcome, PoolClosed, Rejected, UnknownMember
from connpool_runtime.balancing.balancers import BY_CALL
from connpool_runtime.calls.error_judge import ErrorJudge
from connpool_runtime.errors import DrainTimeout
from connpool_runtime.middleware import Deadline, Retry, Timeout
from tests.runtime.forking import in_child
from tests.runtime.stage import Actor, Stage, TaskStage, ThreadStage, play, run_apart

FOREVER = 1e9
NEVER = 1e12  # seconds, that no example lasts
CLOSERS = 4  # helpers that close clients of one endpoint at a time
# By a thread in a real program, on the spot here.
LEFT_TO_A_THREAD = "connpool_runtime.checkout.checkout.run_beside_finalizer"
GRACE = 0.5  # seconds that closing has at least
NAMES = ["a", "b", "c"]
JUDGE = ErrorJudge(unknown="failure")  # as the stage makes its pools
ENDINGS: list[type[Exception] | None] = [None, None, ConnectionError, ValueError]
RULES = st.fixed_dictionaries(
    {
        "checked": st.booleans(),
        "max_size": st.integers(1, 3),
        "max_concurrency": st.sampled_from([1, 1, 2]),
        "min_size": st.integers(0, 1),
        "max_connecting": st.integers(1, 2),
        "max_lifetime": st.sampled_from([0, 30.0]),
        "idle_timeout": st.sampled_from([0, 20.0]),
    }
)
Steps = Generator["Hang", None, Any]


class Hang:
    """Something of the user's that has not ended: it goes on when the machine lets it."""

    def __init__(self, machine: "EndpointMachine", kind: str, client: "Client | None") -> None:
        self.kind = kind
        self.client = client
        self.actor: Actor | None = machine.stage.acting()
        self.over = False
        self.error: BaseException | None = None
        self.future: asyncio.Future[None] | None = None
        self._hanging = machine.hanging
        self._hanging.append(self)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.client}>"

    def let_go(self, error: BaseException | None = None) -> None:
        self.over, self.error = True, error
        if self.future is not None and not self.future.done():
            self.future.set_result(None)

    def ended(self) -> None:
        """Whoever was kept goes on: let go, cancelled or too late."""
        self.over = True
        self._hanging.remove(self)

    async def wait_in_task(self) -> None:
        self.future = asyncio.get_running_loop().create_future()
        try:
            await self.future
        finally:
            self.ended()
        if self.error is not None:
            raise self.error

    def wait_in_thread(self, stage: Stage) -> None:
        try:
            stage.current().pause(lambda: self.over)
        finally:
            self.ended()
        if self.error is not None:
            raise self.error


async def drive(steps: Steps) -> Any:
    """Run what is written for both kinds, in a task."""
    try:
        hang = next(steps)
        while True:
            try:
                await hang.wait_in_task()
            except BaseException as error:
                hang = steps.throw(error)
            else:
                hang = next(steps)
    except StopIteration as end:
        return end.value


def run(stage: Stage, steps: Steps) -> Any:
    """Do the same in a thread."""
    try:
        hang = next(steps)
        while True:
            try:
                hang.wait_in_thread(stage)
            except BaseException as error:
                hang = steps.throw(error)
            else:
                hang = next(steps)
    except StopIteration as end:
        return end.value


class Client:
    """A client that knows who has it, and in what state its conversation is."""

    def __init__(self, server: "Server") -> None:
        self.server = server
        self.machine = server.machine
        self.epoch = server.epoch
        self.holders = 0
        self.closings = 0
        self.closed = False
        self.cut_off = False  # the conversation, in the middle; until it is validated

    def __repr__(self) -> str:
        return f"<{self.server.name}{self.server.clients.index(self)}>"

    @property
    def dead(self) -> bool:
        return self.epoch < self.server.epoch

    def take(self, *, to_validate: bool = False) -> None:
        """Somebody has the client from now on."""
        assert not self.closings, "used after it was closed"
        assert self.holders < self.server.max_concurrency, "in the hands of too many"
        shared = self.server.max_concurrency > 1  # and tells the answers apart
        assert to_validate or shared or not self.cut_off, "lent with an answer on its way"
        self.holders += 1

    def give(self, error: BaseException | None = None) -> None:
        """And from now on no more."""
        self.holders -= 1
        if error is not None and not isinstance(error, Exception):
            self.cut_off = True

    def _get(self) -> Steps:
        self.take()
        try:
            if not self.dead:
                yield Hang(self.machine, "call", self)
            if self.dead:
                raise ConnectionResetError
        except BaseException as error:
            self.give(error)
            raise
        self.give()
        return self

    def _close(self) -> Steps:
        assert self.holders == 0, "closed under a caller"
        assert not self.closings, "closed twice"
        self.closings += 1
        try:
            if self.server.closes == "hangs":
                yield Hang(self.machine, "close", self)
        except Exception:  # which is no reason to try again
            self.closed = True
            raise
        self.closed = True

    def get(self) -> Any:
        return run(self.machine.stage, self._get())

    def close(self) -> None:
        run(self.machine.stage, self._close())

    async def aget(self) -> Any:
        return await drive(self._get())

    async def aclose(self) -> None:
        await drive(self._close())

    def items(self) -> "Items":
        self.take()
        return Items(self)

    aitems = items


class Items:
    """A stream of a client, which ends when and how the machine says."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.machine = client.machine
        self.machine.streams.append(self)
        self.given = 0
        self.abandoned = False
        self.ended = False

    def end(self, outcome: Outcome, error: BaseException | None = None) -> None:
        assert not self.ended
        self.ended = True
        self.machine.streams.remove(self)
        self.machine.called["items", outcome] += 1
        self.client.give(error)

    def _next(self) -> Steps:
        command, self.machine.command = self.machine.command, None
        try:
            if self.client.dead:
                raise ConnectionResetError
            if command == "hang":
                yield Hang(self.machine, "item", self.client)
            elif isinstance(command, Exception):
                raise command
        except BaseException as error:
            self.end(JUDGE(ITEMS, error).outcome, error)
            raise
        if command == "stop":
            self.end(Outcome.SUCCESS)
            return False
        self.given += 1
        return True

    def _leave(self) -> Steps:
        """End the conversation before its end, which may take a while, or fail."""
        try:
            if self.machine.leaving_hangs:
                yield Hang(self.machine, "leave", self.client)
        except BaseException as error:
            outcome = Outcome.NEUTRAL if self.abandoned else JUDGE(ITEMS, error).outcome
            self.client.cut_off = True
            self.end(outcome, error)
            raise
        self.end(Outcome.SUCCESS if self.given else Outcome.NEUTRAL)

    def __repr__(self) -> str:
        return f"<items of {self.client}>"

    def __aiter__(self) -> "Items":
        return self

    def __iter__(self) -> "Items":
        return self

    def __next__(self) -> None:
        if not run(self.machine.stage, self._next()):
            raise StopIteration

    def close(self) -> None:
        run(self.machine.stage, self._leave())

    async def __anext__(self) -> None:
        if not await drive(self._next()):
            raise StopAsyncIteration

    async def aclose(self) -> None:
        await drive(self._leave())


ITEMS: Method[Client, Any] = Method("items", lambda client, _: client)


class Server:
    """Where an endpoint's clients go to; it outlives the member."""

    def __init__(self, machine: "EndpointMachine", name: str, rules: dict[str, Any]) -> None:
        self.machine = machine
        self.name = name
        self.max_size = rules["max_size"]
        self.max_concurrency = rules["max_concurrency"]
        self.max_connecting = rules["max_connecting"]
        self.epoch = 0
        self.opening = 0
        self.clients: list[Client] = []
        self.opens = self.validates = self.closes = "at once"
        self.member: Any = None

    def __repr__(self) -> str:
        return f"<server {self.name}>"

    @property
    def open(self) -> list[Client]:
        return [client for client in self.clients if not client.closings]

    def _make(self) -> Steps:
        self.opening += 1
        try:
            if self.opens == "fails":
                raise ConnectionRefusedError
            if self.opens != "at once":
                stubborn = self.opens == "is stubborn"
                try:
                    yield Hang(self.machine, "open", None)
                except asyncio.CancelledError:
                    if not stubborn:
                        raise
            client = Client(self)
            self.clients.append(client)
            return client
        finally:
            self.opening -= 1

    def _validate(self, client: Client) -> Steps:
        client.take(to_validate=True)
        try:
            if self.validates == "hangs":
                yield Hang(self.machine, "validate", client)
            if client.dead:
                raise ConnectionResetError
        except BaseException as error:
            client.give(error)
            raise
        client.give()
        fit = self.validates != "says no"
        client.cut_off = client.cut_off and not fit
        return fit

    def make(self) -> Client:
        return run(self.machine.stage, self._make())  # type: ignore[no-any-return]

    def validate(self, client: Client) -> bool:
        return run(self.machine.stage, self._validate(client))  # type: ignore[no-any-return]

    async def amake(self) -> Client:
        return await drive(self._make())  # type: ignore[no-any-return]

    async def avalidate(self, client: Client) -> bool:
        return await drive(self._validate(client))  # type: ignore[no-any-return]


class EndpointMachine(RuleBasedStateMachine):
    """The model knows which clients there are, who has them, and what hangs."""

    new_stage: ClassVar[type[Stage]]

    @initialize(
        balancer=st.sampled_from(["round_robin", "random", "least_request", "peak_ewma", *BY_CALL]),
        max_fails=st.sampled_from([0, 2]),
        patience=st.sampled_from([0.5, 3.0, FOREVER]),
        max_clients=st.sampled_from([None, None, 1, 2]),
        first=RULES,
        second=RULES,
        bounded=st.booleans(),
        seen=st.booleans(),
    )
    def begin(
        self,
        balancer: str,
        max_fails: int,
        patience: float,
        max_clients: int | None,
        first: dict[str, Any],
        second: dict[str, Any],
        bounded: bool,
        seen: bool,
    ) -> None:
        """One pool for all that follows, and two endpoints to begin with."""
        gc.collect()  # the pool of the last example
        gc.freeze()  # so that collecting takes no time
        gc.disable()  # finalizers run at the same steps each time an example is played
        self.left_by_finalizers: list[Callable[[], object]] = []
        self.patch = patch(LEFT_TO_A_THREAD, self.left_by_finalizers.append)
        self.patch.start()
        self.stage = self.new_stage()
        self.max_clients = max_clients
        self.pool = self.stage.new_pool(
            balancer=balancer,
            random=lambda: 0.5,
            max_fails=max_fails,
            cooldown=10.0,
            cooldown_jitter=0.0,
            max_clients=max_clients,
            checkout_timeout=patience,
            drain_timeout=FOREVER,
        )
        if bounded:  # by middleware that is around the client's function alone
            self.pool.register_middleware(Deadline(NEVER))
            if self.stage.kind == "tasks":
                self.pool.register_middleware(Timeout(NEVER))
        if seen:  # by middleware that is around each call
            self.pool.register_middleware(self.stage.passes_on)
        self.command: Any = None  # what a stream does next
        self.leaving_hangs = False  # leaving a stream does
        self.servers: list[Server] = []
        self.hanging: list[Hang] = []
        self.streams: list[Items] = []
        self.handles: dict[Items, Any] = {}  # what their readers have
        self.leases: list[tuple[Any, Client]] = []
        self.users: list[Any] = []
        self.others: list[Any] = []  # who remove, close, warm up
        self.called: Counter[tuple[str, Outcome]] = Counter()
        self.refused = 0
        self.has_middleware = self.closing = self.forked = False
        self.started = 0
        self.method = self.method_of("get", "method")
        self.lease_method: Method[Client, Client] = Method("lease", lambda client, _: client)
        self.add("a", first)
        self.add("b", second)

    def method_of(self, name: str, way: str, **policy: Any) -> Method[Any, Any]:
        function = self.stage.ways[way]
        return Method(name, lambda client, _: getattr(client, function)(), **policy)

    # Endpoints

    @rule(name=st.sampled_from(NAMES), rules=RULES)
    def join(self, name: str, rules: dict[str, Any]) -> None:
        """An endpoint joins, maybe one of a name that was there before."""
        self.add(name, rules)

    def add(self, name: str, rules: dict[str, Any]) -> None:
        server = Server(self, name, rules)
        blocking = self.stage.kind == "threads"
        factory = server.make if blocking else server.amake
        check = server.validate if blocking else server.avalidate
        validate = check if rules["checked"] else None
        options = {key: value for key, value in rules.items() if key != "checked"}
        taken = any(member.name == name for member in self.pool.members)
        try:
            self.pool.add_endpoint(factory, name, validate=validate, **options)
        except PoolClosed:
            assert self.closing
            return
        except ValueError:
            assert taken
            return
        assert not self.closing
        assert not taken
        server.member = next(one for one in self.pool.members if one.name == name)
        self.servers.append(server)
        self.step()

    @rule(name=st.sampled_from(NAMES), seconds=st.sampled_from([0.0, 5.0, FOREVER]))
    def remove(self, name: str, seconds: float) -> None:
        """An endpoint leaves when its calls have ended, or the time to drain."""
        self.act(lambda: self.pool.remove_client(name, drain_timeout=seconds))

    @rule()
    def warm_up(self) -> None:
        """Clients are opened for nobody yet."""
        self.act(self.pool.warm_up)

    @rule(name=st.sampled_from(NAMES), out=st.booleans())
    def eject(self, name: str, out: bool) -> None:
        """A hand cuts an endpoint off, or lets it in again."""
        if any(member.name == name for member in self.pool.members):
            (self.pool.eject if out else self.pool.uneject)(name)
            self.step()

    def act(self, work: Callable[[], Any]) -> Any:
        actor = self.stage.spawn(work)
        self.others.append(actor)
        self.step()
        return actor

    # Servers

    @precondition(lambda self: self.servers)
    @rule(data=st.data())
    def restart(self, data: Any) -> None:
        """A server restarts: whoever is connected to it hears that, sooner or later."""
        server = data.draw(st.sampled_from(self.servers), label="who")
        server.epoch += 1
        for hang in [one for one in self.hanging if one.client and one.client.server is server]:
            if hang.kind in ("call", "item", "validate"):
                hang.let_go(ConnectionResetError())
        self.step()

    @precondition(lambda self: self.servers)
    @rule(
        data=st.data(),
        opens=st.sampled_from(["at once", "hangs", "fails", "is stubborn"]),
        validates=st.sampled_from(["at once", "hangs", "says no"]),
        closes=st.sampled_from(["at once", "hangs"]),
    )
    def change(self, data: Any, opens: str, validates: str, closes: str) -> None:
        """From now on a server is well, slow or ill."""
        server = data.draw(st.sampled_from(self.servers), label="who")
        server.opens, server.validates, server.closes = opens, validates, closes

    @precondition(lambda self: self.hanging)
    @rule(data=st.data(), ending=st.sampled_from(ENDINGS))
    def let_go(self, data: Any, ending: type[Exception] | None) -> None:
        """What hangs goes on: a call, an opening, a validation, a closing."""
        hang = data.draw(st.sampled_from(self.hanging), label="what")
        hang.let_go(None if ending is None else ending())
        self.step()

    @rule(seconds=st.sampled_from([0.5, 3.0, 11.0, 25.0]))
    def wait(self, seconds: float) -> None:
        """Time passes: patience, rests and cooldowns end, clients grow old."""
        self.stage.clock.sleep(seconds)
        self.step()

    # Callers

    @precondition(lambda self: self.servers)
    @rule(times=st.integers(1, 4))
    def call(self, times: int) -> None:
        """Callers come; each gets a client, waits or is refused."""
        for _ in range(times):
            self.use(lambda: self.pool.call(self.method), "get")

    def use(self, work: Any, name: str, then: Any = lambda _: None) -> Any:
        actor = self.stage.spawn(work, then)
        actor.name = name
        self.users.append(actor)
        self.started += 1
        self.step()
        return actor

    @precondition(lambda self: self.users)
    @rule(data=st.data())
    def interrupt(self, data: Any) -> None:
        """A caller is cancelled: in line, while a client is opened or validated, or in the call."""
        data.draw(st.sampled_from(self.users), label="which").interrupt()
        self.step()

    @precondition(lambda self: self.busy)
    @rule(data=st.data())
    def cut_off(self, data: Any) -> None:
        """A call, a validation or an opening is cut off in the middle, and others come at once."""
        data.draw(st.sampled_from(self.busy), label="which").interrupt()
        self.step()
        self.call(times=3)

    @precondition(lambda self: self.servers)
    @rule()
    def stream(self) -> None:
        """Somebody opens a stream."""
        method = self.method_of("items", "items")

        def then(handle: Any) -> None:
            self.handles[handle._source] = handle

        if self.stage.kind == "threads":
            self.use(lambda: self.pool.stream(method), "items", then)
        else:
            self.use(lambda: self.pool.stream(method).__aenter__(), "items", then)

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), command=st.sampled_from([None, "stop", "hang", ConnectionError]))
    def read(self, data: Any, command: Any) -> None:
        """A reader takes the next item, meets the end or an error, or is cancelled meanwhile."""
        items = self.draw_stream(data)
        self.command = command() if isinstance(command, type) else command
        actor = self.step_of(items, "next")
        if command == "hang" and not actor.done:
            actor.interrupt()
            self.step()
        assert actor.done
        if items.ended:
            del self.handles[items]

    @precondition(lambda self: self.handles)
    @rule(data=st.data(), politely=st.booleans(), hangs=st.booleans())
    def leave(self, data: Any, politely: bool, hangs: bool) -> None:
        """A reader leaves before the end: it closes the stream, or forgets it."""
        items = self.draw_stream(data)
        # A thread's finalizer waits on the spot, here in the machine's own.
        self.leaving_hangs = hangs and (politely or self.stage.kind == "tasks")
        if politely:
            self.step_of(items, "close")
            del self.handles[items]
        else:
            self.forget(items)
        self.leaving_hangs = False

    def forget(self, items: Items) -> None:
        """Leave it to the garbage collector to end a stream."""
        items.abandoned = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del self.handles[items]
            gc.collect()  # a task that is done is part of a cycle, and so are errors
        while self.left_by_finalizers:
            self.left_by_finalizers.pop()()
        self.step()

    def draw_stream(self, data: Any) -> Items:
        found: Items = data.draw(st.sampled_from(list(self.handles)), label="which")
        return found

    def step_of(self, items: Items, way: str) -> Any:
        actor = self.stage.spawn(getattr(self.handles[items], self.stage.ways[way]))
        self.step()
        return actor

    @precondition(lambda self: self.servers)
    @rule()
    def lease(self) -> None:
        """Somebody takes a client for several steps."""
        lease = self.pool.lease(self.lease_method)

        def then(client: Client) -> None:
            client.take()
            self.leases.append((lease, client))

        self.use(getattr(lease, self.stage.ways["enter"]), "lease", then)

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), ending=st.sampled_from([*ENDINGS, asyncio.CancelledError]))
    def end_lease(self, data: Any, ending: type[BaseException] | None) -> None:
        """It is given back, well, after an error, or cut off in the middle."""
        self.exit(data.draw(st.sampled_from(self.leases), label="which"), ending)

    def exit(self, held: tuple[Any, Client], ending: type[BaseException] | None) -> None:
        self.leases.remove(held)
        lease, client = held
        error = None if ending is None else ending()
        client.give(error)
        outcome = Outcome.SUCCESS if error is None else JUDGE(self.lease_method, error).outcome
        self.called["lease", outcome] += 1
        actor = self.stage.spawn(
            lambda: getattr(lease, self.stage.ways["exit"])(ending, error, None)
        )
        self.step()
        assert actor.done

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

    @precondition(lambda self: self.started > 10)
    @rule(seconds=st.sampled_from([0.0, 2.0]))
    def close(self, seconds: float) -> None:
        """The pool is closed, once or again, and in time whatever hangs."""
        self.closing = True
        actor = self.act(lambda: self.pool.close(seconds))
        for passes in (seconds, GRACE):
            if not actor.done:
                self.wait(passes)
        assert actor.done, "closing takes too long"

    @precondition(lambda self: self.started > 5 and self.present and not self.forked)
    @rule()
    def fork(self) -> None:
        """The process forks, wherever everybody is: the child begins anew, and here nothing changes."""
        if not hasattr(os, "fork"):
            return
        self.forked = True
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            assert in_child(self.begin_anew) == "served by a fresh client"

    def begin_anew(self) -> str:
        """Nothing is in flight in the child, its call gets a client of its own, and it closes no other."""
        parents = self.users, self.others, self.hanging
        self.stage.begin_anew()
        self.users, self.others, self.hanging = [], [], []
        inherited = [client for server in self.servers for client in server.clients]
        closings = [client.closings for client in inherited]
        stats = self.pool.stats()
        assert stats.in_flight == stats.waiting == 0
        while self.leases:  # which belong to calls of the parent's
            self.exit(self.leases[0], None)
            assert self.pool.stats().in_flight == 0
        for server in self.servers:
            server.opens = server.validates = server.closes = "at once"
        for member in self.present:
            self.pool.uneject(member.name)
        self.stage.clock.sleep(FOREVER)  # for the rests after failures
        served: list[Client] = []
        actor = self.stage.spawn(lambda: self.pool.call(self.method), served.append)
        self.all_go_on(actor)
        assert actor.error is None, actor.error
        assert served[0] not in inherited
        closing = self.stage.spawn(self.pool.close)
        self.all_go_on(closing)
        assert closing.error is None, closing.error
        assert [client.closings for client in inherited] == closings
        own = [one for server in self.servers for one in server.clients if one not in inherited]
        assert [client.closings for client in own] == [1] * len(own)
        self.stage.parents.append(parents)
        return "served by a fresh client"

    def all_go_on(self, actor: Any) -> None:
        """Let an actor, and whatever it meets, come to its end."""
        for _ in range(10):
            for hang in list(self.hanging):
                hang.let_go()
            self.stage.settle()
        assert actor.done

    @property
    def present(self) -> list[Any]:
        """The members, but for those that are leaving."""
        return [] if self.closing else [one for one in self.pool.members if not one.leaving]

    # What must hold

    @property
    def busy(self) -> list[Any]:
        """Callers in a factory, a validation or a call."""
        kept = [hang.actor for hang in self.hanging]
        return [actor for actor in self.users if actor in kept]

    def step(self) -> None:
        """Let all go on who can, and look who was served."""
        line = self.pool._state.queue.waiters
        ahead: list[Any] = list(line)
        self.stage.settle()
        served = [index for index, waiter in enumerate(ahead) if waiter.lease.held]
        waiting = [index for index, waiter in enumerate(ahead) if waiter in line]
        assert not served or not waiting or max(served) < min(waiting), "somebody was overtaken"
        for actor in [actor for actor in self.users if actor.done]:
            self.users.remove(actor)
            self.finished(actor)
        for actor in [actor for actor in self.others if actor.done]:
            self.others.remove(actor)
            self.may_have_failed(actor.error)

    def finished(self, actor: Any) -> None:
        error = actor.error
        assert not isinstance(error, AssertionError), error
        if isinstance(error, Rejected):
            self.refused += 1
            assert not isinstance(error, PoolClosed) or self.closing
        elif actor.name == "get" or error is not None:
            outcome = JUDGE(self.method, error).outcome if error else Outcome.SUCCESS
            self.called[actor.name, outcome] += 1

    def may_have_failed(self, error: BaseException | None) -> None:
        """Members may be unknown or late, servers ill; anything else is no excuse."""
        if isinstance(error, ExceptionGroup):
            for one in error.exceptions:
                self.may_have_failed(one)
        else:
            excuses = (UnknownMember, DrainTimeout, ConnectionError, ValueError, TimeoutError)
            assert error is None or isinstance(error, excuses), error

    @invariant()
    def there_are_not_too_many_clients(self) -> None:
        """Neither of an endpoint nor in all; those that must wait for their closing do not count."""
        total = 0
        for server in self.servers:
            store = server.member.source
            size = server.opening + len(server.open) - len(store.to_close)
            assert size <= server.max_size
            assert server.opening <= server.max_connecting
            total += size
            closing = [one for one in self.hanging if one.kind == "close"]
            if (
                not self.closing
                and len([c for c in closing if c.client.server is server]) < CLOSERS
            ):
                assert not store.to_close, "a client is not closed"
        assert self.max_clients is None or total <= self.max_clients

    @invariant()
    def who_holds_what_is_known(self) -> None:
        """In flight is who is in a factory, a validation, a call, a stream or a lease."""
        in_flight = sum(member.in_flight for member in self.pool.members)
        assert in_flight == len(self.busy) + len(self.streams) + len(self.leases)

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Who is not busy is in line; and then there is no client for it, and none may be opened."""
        lost = len(self.users) - len(self.busy)
        assert self.pool.stats().waiting == lost
        assert not self.pool._state.lock.locked()
        if lost:
            available = self.pool._state.membership.available
            assert available
            for server in self.servers:
                if server.member in available:
                    assert not server.member.free
                    assert not [one for one in server.open if self.is_idle(one)]

    def is_idle(self, client: Client) -> bool:
        return client.holders == 0 and client not in client.server.member.source.to_close

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
        assert known <= neutral <= known + self.refused

    @invariant()
    def closed_is_for_ever(self) -> None:
        """A closed pool has no new clients."""
        assert self.pool.closed is self.closing

    def teardown(self) -> None:
        """In the end all is well again, a call is served, and then nothing is left."""
        gc.enable()
        if not hasattr(self, "pool"):
            return
        try:
            self.end_well()
        finally:
            self.patch.stop()

    def end_well(self) -> None:
        """Let everything end, and look whether nothing is left."""
        self.recover()
        if not self.closing and any(not member.leaving for member in self.pool.members):
            self.is_served()
        if not self.closing:
            self.closing = True
            self.act(self.pool.close)
        self.recover()
        assert not self.pool.members
        assert not self.hanging
        for client in [client for server in self.servers for client in server.clients]:
            assert client.holders == 0
            assert client.closings == 1
            assert client.closed
        assert self.pool.stats().in_flight == self.pool.stats().waiting == 0
        self.counts_add_up()
        self.stage.close()

    def recover(self) -> None:
        """Servers are well, whatever hangs goes on, everybody ends, and time passes."""
        for server in self.servers:
            server.opens = server.validates = server.closes = "at once"
        for member in self.pool.members:
            self.pool.uneject(member.name)
        for _ in range(100):
            for hang in list(self.hanging):
                hang.let_go()
            while self.leases:
                self.exit(self.leases[0], None)
            for items in list(self.handles):
                self.step_of(items, "close")
                del self.handles[items]
            self.step()
            if not (self.users or self.others or self.streams or self.hanging):
                break
            self.wait(25.0)
        else:
            raise AssertionError("somebody does not end")
        self.wait(25.0)

    def is_served(self) -> None:
        """Each endpoint may have one call fail, which meets a client that died while it was idle."""
        errors: list[BaseException] = []
        for _ in range(len(self.pool.members) + 1):
            actor = self.use(lambda: self.pool.call(self.method), "get")
            self.recover()
            assert actor.done
            if actor.error is None:
                return
            errors.append(actor.error)
        raise AssertionError(f"no call is served: {errors}")


class ThreadMachine(EndpointMachine):
    """A `Pool`."""

    new_stage = ThreadStage


class TaskMachine(EndpointMachine):
    """An `AsyncPool`."""

    new_stage = TaskStage


@pytest.mark.parametrize("machine", [ThreadMachine, TaskMachine])
def test_closing_has_one_limit(machine: type[EndpointMachine]) -> None:
    """A factory that hangs and a closing that hangs are not waited for one after the other."""
    run_apart(lambda: close_while_much_hangs(machine()))


def close_while_much_hangs(machine: EndpointMachine) -> None:
    """Close a pool whose endpoint opens one client, and closes another."""
    rules = {"checked": True, "max_connecting": 1, "max_lifetime": 0, "idle_timeout": 0}
    rules["max_concurrency"] = 1
    ill = {"min_size": 1, "max_size": 1, **rules}
    well = {"min_size": 0, "max_size": 2, **rules}
    machine.begin("round_robin", 0, 0.5, None, well, ill, bounded=False, seen=False)
    for _ in machine.servers:
        machine.lease()
    held = next(one for one in machine.leases if one[1].server.name == "b")
    machine.exit(held, ConnectionError)
    server = held[1].server
    server.closes, server.opens, server.validates = "hangs", "is stubborn", "says no"
    machine.lease()
    assert {hang.kind for hang in machine.hanging} == {"close", "open"}
    machine.close(0.0)
    machine.teardown()


def test_threads() -> None:
    """Whatever happens, a `Pool` of endpoints keeps to the model."""
    play(ThreadMachine, 100)


def test_tasks() -> None:
    """Whatever happens, an `AsyncPool` of endpoints keeps to the model."""
    play(TaskMachine, 150)


@pytest.mark.parametrize("machine", [ThreadMachine, TaskMachine])
def test_a_client_that_expired_in_a_forgotten_stream_is_closed(
    machine: type[EndpointMachine],
) -> None:
    """The end of a stream in a finalizer is followed up at once, although no other call may ever come."""
    run_apart(lambda: forget_a_stream(machine()))


def forget_a_stream(machine: EndpointMachine) -> None:
    """Have a client grow too old in a stream that nobody reads to its end."""
    rules = {"checked": False, "max_connecting": 1, "idle_timeout": 0, "max_concurrency": 1}
    rules |= {"max_lifetime": 30.0, "min_size": 0, "max_size": 1}
    machine.begin("round_robin", 0, 0.5, None, rules, rules, bounded=False, seen=False)
    machine.stream()
    machine.wait(25.0)
    machine.wait(25.0)
    (items,) = machine.handles
    machine.forget(items)
    assert items.client.closed
    machine.teardown()
