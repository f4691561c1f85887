"""Middleware that state their phases: what runs when, and that nothing but the price differs."""

import asyncio
import random
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from connpool_runtime import (
    AsyncPool,
    Call,
    LatencyStats,
    Method,
    NoMembers,
    Outcome,
    Phase,
    Pool,
    Proceed,
    deadline,
    remaining,
)
from connpool_runtime.errors import RateLimited
from connpool_runtime.middleware import (
    Deadline,
    ErrorLog,
    Fallback,
    Logging,
    RateLimit,
    Retry,
    RetryBudget,
    Timeout,
)
from tests.runtime.faces import Client, Face, TaskFace, ThreadFace, counted

NewFace: TypeAlias = Callable[..., Face]


class Noted:
    """A middleware of both kinds that notes what is asked of it."""

    def __init__(self, *phases: Phase, admits: object = None, name: str = "") -> None:
        self.phases = phases
        self.seen: list[str] = []
        self.admits = admits
        self.name = name

    def admit(self, pool: str, method: Method[Any, Any], args: tuple[Any, ...]) -> object:
        self.seen.append("admit")
        if isinstance(self.admits, Exception):
            raise self.admits
        return self.admits

    def attempt(
        self, pool: str, method: Method[Any, Any], invoke: Callable[[Any, Any], Any]
    ) -> Callable[[Any, Any], Any]:
        self.seen.append(f"attempt of {method.name}")

        def run(client: Any, args: Any) -> Any:
            self.seen.append("run")
            return invoke(client, args)

        return run

    def around(self, call: Call, proceed: Proceed) -> Any:
        self.seen.append("around")
        try:
            return proceed(call)
        except Exception as error:
            self.seen.append(f"{type(error).__name__} at attempt {call.attempt}")
            raise

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        self.seen.append("around")
        try:
            return await proceed(call)
        except Exception as error:
            self.seen.append(f"{type(error).__name__} at attempt {call.attempt}")
            raise


async def test_what_is_for_failures_is_not_run_around_a_success(face: Face) -> None:
    """A middleware with only the phase FAILED is left out of calls that succeed at once."""
    noted = Noted(Phase.FAILED)
    face.pool.register_middleware(noted)
    assert await face.calls(3) == ["a", "b", "c"]
    assert noted.seen == []


async def test_what_is_for_failures_meets_the_first_error_in_its_own_proceed(face: Face) -> None:
    """The attempt that failed is not made again: `proceed` raises its error, and the record knows it."""
    noted = Noted(Phase.FAILED)
    face.pool.register_middleware(noted)
    face.fail("a")
    (error,) = await face.calls(1)
    assert isinstance(error, ConnectionError)
    assert noted.seen == ["around", "ConnectionError at attempt 1"]
    assert [client.calls for client in face.clients.values()] == [1, 0, 0]
    assert counted(face.stats()) == {Outcome.SUCCESS: 0, Outcome.FAILURE: 1, Outcome.NEUTRAL: 0}
    assert [member.failures for member in face.stats().members] == [1, 0, 0]


async def test_a_refusal_of_the_pool_is_met_likewise(face: Face) -> None:
    """What the pool refuses before an attempt comes to `around` as from `proceed`, without an attempt."""
    noted = Noted(Phase.FAILED)
    face.pool.register_middleware(noted)
    for name in "abc":
        await face.remove(name)
    with pytest.raises(NoMembers):
        await face.call()
    assert noted.seen == ["around", "NoMembers at attempt 0"]


async def test_who_admits_is_asked_before_each_call(face: Face) -> None:
    """`admit` is run once per call, whichever form the call has."""
    noted = Noted(Phase.ADMIT, Phase.FAILED)
    face.pool.register_middleware(noted)
    face.fail("a")
    await face.calls(2)
    await face.execute()
    assert noted.seen.count("admit") == 3


async def test_a_refused_call_is_seen_outside_and_not_inside(face: Face) -> None:
    """The error of an `admit` goes through the middleware registered before, and through none behind."""
    outer, inner = Noted(Phase.FAILED), Noted(Phase.ADMIT, Phase.FAILED)
    refusing = Noted(Phase.ADMIT, admits=RateLimited("enough", pool="test", retry_after=1.0))
    for one in (outer, refusing, inner):
        face.pool.register_middleware(one)
    with pytest.raises(RateLimited):
        await face.call()
    assert outer.seen == ["around", "RateLimited at attempt 0"]
    assert inner.seen == []
    assert sum(client.calls for client in face.clients.values()) == 0
    assert counted(face.stats()) == {Outcome.SUCCESS: 0, Outcome.FAILURE: 0, Outcome.NEUTRAL: 1}


async def test_who_admits_may_ask_for_all_to_be_run_around(face: Face) -> None:
    """When an `admit` returns true, all middleware are run around this call, though it succeeds."""
    outer, asking = Noted(Phase.FAILED), Noted(Phase.ADMIT, admits=True)
    face.pool.register_middleware(outer)
    face.pool.register_middleware(asking)
    assert await face.call() == "a"
    assert (outer.seen, asking.seen) == (["around"], ["admit", "around"])


async def test_what_is_around_attempts_is_asked_once_per_method(face: Face) -> None:
    """`attempt` gives the function that runs in the place of the method's own."""
    noted, get = Noted(Phase.ATTEMPT), face.method()
    face.pool.register_middleware(noted)
    assert [await face.call(get), await face.call(get)] == ["a", "b"]
    assert noted.seen == ["attempt of get", "run", "run"]


async def test_one_that_must_see_each_call_lets_all_be_run_around(face: Face) -> None:
    """Beside a middleware without phases the others are run around every call, in their order."""
    noted = Noted(Phase.FAILED)
    face.pool.register_middleware(noted)

    async def sees_all(call: Call, proceed: Proceed) -> object:
        noted.seen.append("inside")
        return await proceed(call)

    face.register(sees_all)
    assert await face.call() == "a"
    assert noted.seen == ["around", "inside"]


class NeedsAdmit:
    phases = (Phase.ADMIT,)

    def around(self, call: Call, proceed: Proceed) -> Any:
        return proceed(call)


class NeedsAttempt(NeedsAdmit):
    phases = (Phase.ATTEMPT,)


class NoPhase(NeedsAdmit):
    phases = ("admit",)


class Waits(NeedsAdmit):
    async def admit(self, pool: str, method: Method[Any, Any], args: tuple[Any, ...]) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (NeedsAdmit(), r"needs a method admit\(pool, method, args\)"),
        (NeedsAttempt(), r"needs a method attempt\(pool, method, invoke\)"),
        (NoPhase(), r"phases of NoPhase must be members of Phase, not \('admit',\)"),
        (Waits(), "admit of Waits must not wait"),
    ],
)
def test_phases_without_their_method_are_refused(wrong: Any, text: str) -> None:
    """Stating a phase without what it needs is refused when registered, in words."""
    with pytest.raises(TypeError, match=text):
        Pool[Any]("test").register_middleware(wrong)


# What differs between the two ways is the price: so whatever happens, all numbers are the same.


class SeesAll:
    """Does nothing, but has to see each call: so all others are run around it."""

    def around(self, call: Call, proceed: Proceed) -> Any:
        return proceed(call)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        return await proceed(call)


ERRORS: list[Callable[[], Exception]] = [
    ConnectionError,
    ConnectionError,
    ValueError,
    TimeoutError,
    lambda: KeyError("private"),
]


NO_LATENCY = LatencyStats(count=0, total=0.0, buckets=())


async def played(kind: type[Face], seed: int, *more: object, **options: Any) -> list[Any]:
    """Play a script of calls on three members; return what callers got and all numbers."""
    face = kind("a", "b", "c", random=lambda: 0.0, **options)
    draw, recorded = random.Random(seed), []

    def record(call: Call, error: BaseException) -> None:
        recorded.append((type(error).__name__, call.attempt, call.member and call.member.name))

    async def sleep(seconds: float) -> None:
        face.clock.sleep(seconds)

    budget = RetryBudget(clock=face.clock)
    pause: Any = face.clock.sleep if kind is ThreadFace else sleep
    rate = RateLimit(0.5, 60, clock=face.clock)
    for one in (
        Fallback("instead", errors=(RateLimited,)),
        ErrorLog(record),
        Logging(),
        Deadline(),
        rate,
        Retry(base=0.1, budget=budget, random=random.Random(seed).random, sleep=pause),
        *more,
    ):
        face.pool.register_middleware(one)
    get, order = face.method(idempotent=True), face.method()
    results: list[Any] = []
    for _ in range(120):
        for client in face.clients.values():
            if not client.script and draw.random() < 0.25:
                client.script.append(draw.choice(ERRORS)())
        result = await face.outcome(face.call(get if draw.random() < 0.8 else order))
        results.append(result if isinstance(result, str) else repr(result))
        face.clock.sleep(draw.choice([0.0, 0.1, 3.0]))
    stats = face.stats()
    methods = [replace(one, latency=NO_LATENCY) for one in stats.methods]
    members = [replace(one, retry_in=None) for one in stats.members]
    return [results, recorded, methods, members, stats.middleware, budget.balance, face.in_flight()]


@pytest.mark.parametrize("kind", [ThreadFace, TaskFace])
@pytest.mark.parametrize(
    "options",
    [{}, {"balancer": "weighted_round_robin"}, {"unknown_errors": "relative"}],
    ids=["round_robin", "weighted", "relative"],
)
@pytest.mark.parametrize("seed", range(6))
async def test_a_call_in_phases_comes_to_what_a_call_inside_middleware_comes_to(
    kind: type[Face], options: dict[str, Any], seed: int
) -> None:
    """The same script gives the same results, records, counts, breakers and budget in both ways."""
    in_phases = await played(kind, seed, **options)
    assert in_phases == await played(kind, seed, SeesAll(), **options)
    retries = next(one.value for one in in_phases[4] if one.name == "retries")
    assert (retries > 20, len(in_phases[1]) > 2) == (True, True)  # or the script was too tame


def test_counts_in_phases_are_exact() -> None:
    """Under threads that switch all the time no call, retry or payment into the budget is lost."""

    class Client:
        def __init__(self) -> None:
            self.calls = 0

        def get(self) -> int:
            self.calls += 1
            if self.calls % 7 == 0:
                raise ConnectionError
            return 1

    get: Method[Client, int] = Method("get", lambda client, args: client.get(), idempotent=True)
    budget = RetryBudget(share=1.0, minimum=0.0)
    in_phases = Pool[Client]("test", max_fails=0)
    for _ in range(3):
        in_phases.add_client(Client())
    in_phases.register_middleware(RateLimit(1e9))
    in_phases.register_middleware(Retry(9, base=0.0, budget=budget))
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda: [in_phases.call(get) for _ in range(500)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    stats = in_phases.stats()
    (counts,) = stats.methods
    retries = next(one.value for one in stats.middleware if one.name == "retries")
    attempts = sum(one.successes + one.failures for one in stats.members)
    assert (counts.successes, counts.failures, stats.in_flight) == (4000, 0, 0)
    assert attempts == 4000 + retries
    assert budget.balance == 4000 - retries


async def test_a_call_that_is_run_around_all_the_same_is_counted_once(face: Face) -> None:
    """A middleware that only counts calls counts those that another one wants to be run around, too."""
    budget = RetryBudget(share=1.0, minimum=0.0, clock=face.clock)
    face.pool.register_middleware(asking := Noted(Phase.ADMIT, admits=True))
    face.pool.register_middleware(Retry(budget=budget))
    await face.calls(3)
    asking.admits = None
    await face.calls(2)
    assert budget.balance == 5
    asking.admits = RateLimited("enough", pool="test", retry_after=1.0)
    await face.calls(2)
    assert budget.balance == 5


FORMS: dict[str, Any] = {
    "client": {"max_concurrency": 1},
    "endpoint": {"max_size": 1},
    "endpoint whose clients are shared": {"max_size": 1, "max_concurrency": 4},
}


def add(face: Face, form: str, *clients: Client) -> None:
    """Replace the members of a pool by members with a limit."""
    for client in clients:
        if form == "client":
            face.pool.add_client(client, client.name, **FORMS[form])
        else:
            face.pool.add_endpoint(lambda client=client: client, client.name, **FORMS[form])


@pytest.mark.parametrize("form", FORMS)
async def test_members_with_a_limit_keep_their_fast_path(face: Face, form: str) -> None:
    """On members with a limit an attempt that failed is settled once, and the call goes on."""
    for name in "abc":
        await face.remove(name)
    clients = [Client("x"), Client("y")]
    add(face, form, *clients)
    noted = Noted(Phase.FAILED)
    face.pool.register_middleware(noted)
    face.pool.register_middleware(Retry(base=0.0))
    get = face.method(idempotent=True)
    assert {await face.call(get) for _ in range(4)} == {"x", "y"}
    assert noted.seen == []
    for client in clients[:1]:
        client.script.extend([ConnectionError(), ConnectionError()])
    assert {await face.call(get) for _ in range(4)} <= {"x", "y"}
    assert set(noted.seen) == {"around"}
    stats = face.stats()
    assert [one.failures for one in stats.members] == [2, 0]
    assert counted(stats) == {Outcome.SUCCESS: 8, Outcome.FAILURE: 0, Outcome.NEUTRAL: 0}
    assert stats.in_flight == 0


@pytest.mark.parametrize("form", ["client", "endpoint", "shared client"])
@pytest.mark.parametrize("limit", [Timeout(50), Deadline(50), Deadline()])
async def test_a_call_that_is_bounded_keeps_its_fast_path(
    new_face: NewFace, limit: Any, form: str
) -> None:
    """Who has a time limit, and meets a member that is free, is not run around by all middleware."""
    face = new_face()
    if form == "endpoint":
        face.pool.add_endpoint(lambda: Client("x"), "x", max_size=1, min_size=1)
        await face.call()
    else:
        face.pool.add_client(Client("x"), "x", max_concurrency=1 if form == "client" else None)
    seen: list[float] = []
    noted = Noted(Phase.FAILED, Phase.ATTEMPT)
    noted.attempt = lambda _pool, _method, invoke: (  # type: ignore[method-assign]
        lambda client, args: (seen.append(remaining()), invoke(client, args))[1]
    )
    for one in (Retry(base=0.0), limit, noted):
        face.pool.register_middleware(one)
    with warnings.catch_warnings(), deadline(40):
        warnings.simplefilter("ignore", RuntimeWarning)  # a `Pool` cannot cancel
        assert [await face.call() for _ in range(3)] == ["x"] * 3
    assert noted.seen == []
    assert len(seen) == 3
    assert all(30 < left <= 40 for left in seen)


async def test_no_member_is_blamed_for_a_middleware_that_fails(face: Face) -> None:
    """What puts something around the client's function is asked before a member is taken."""
    noted = Noted(Phase.ATTEMPT, Phase.FAILED)

    def fails(*_: object) -> Any:
        raise ConnectionError("of the middleware's own")

    noted.attempt = fails  # type: ignore[method-assign]
    face.pool.register_middleware(noted)
    errors = [await face.outcome(face.call()) for _ in range(9)]
    assert {str(error) for error in errors} == {"of the middleware's own"}
    assert [one.failures for one in face.stats().members] == [0, 0, 0]
    assert face.in_flight() == 0
    assert sum(client.calls for client in face.clients.values()) == 0


@pytest.mark.parametrize("form", ["client", "endpoint", "shared client"])
async def test_members_that_are_well_keep_their_fast_path(new_face: NewFace, form: str) -> None:
    """While a breaker is open nothing but the clock is looked at more; when it is time the member is probed."""
    face = new_face(max_fails=1, cooldown=10.0)
    clients = {name: Client(name) for name in "abc"}
    for name, client in clients.items():
        if form == "endpoint":
            face.pool.add_endpoint(lambda client=client: client, name, max_size=1)
        else:
            face.pool.add_client(client, name, max_concurrency=1 if form == "client" else None)
    get = face.method()
    noted = Noted(Phase.FAILED, Phase.ATTEMPT)
    face.pool.register_middleware(noted)
    assert {await face.call(get) for _ in range(3)} == set("abc")
    clients["b"].script.append(ConnectionError())
    for _ in range(3):
        await face.outcome(face.call(get))
    assert face.member("b").breaker.state.value == "open"
    noted.seen.clear()
    assert [await face.call(get) for _ in range(4)].count("b") == 0
    assert noted.seen == ["run"] * 4
    face.clock.sleep(11.0)
    assert "b" in [await face.call(get) for _ in range(3)]
    assert face.member("b").breaker.state.value == "closed"
    noted.seen.clear()
    assert {await face.call(get) for _ in range(3)} == set("abc")
    assert noted.seen == ["run"] * 3
    assert face.in_flight() == 0


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch, face: Face) -> list[Call]:
    """The attempts that took the way on which a call may have to wait."""
    calls: list[Call] = []

    def noting(checkout: Any, lease: Any, call: Call) -> Any:
        calls.append(call)
        return acquire(checkout, lease, call)

    module = sys.modules[type(face.pool).__module__]
    acquire: Callable[..., Any] = vars(module)["acquire"]
    monkeypatch.setattr(module, "acquire", noting)
    return calls


@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("form", FORMS)
async def test_a_call_that_is_seen_takes_a_ready_client_at_once(
    face: Face, waited: list[Call], form: str, *, repeats: bool
) -> None:
    """Middleware that has to see each call does not make members with a limit dear; what is not ready takes the long way."""
    for name in "abc":
        await face.remove(name)
    clients = [Client("x"), Client("y")]
    add(face, form, *clients)
    noted = Noted()
    del noted.phases
    face.pool.register_middleware(noted)
    if repeats:
        face.pool.register_middleware(Retry(base=0.0))
    get = face.method(idempotent=True, expected=(KeyError,))
    assert {await face.call(get) for _ in range(4)} == {"x", "y"}
    assert len(waited) == (0 if form == "client" else 2)  # who opens a client
    waited.clear()
    assert [await face.call(get) for _ in range(4)].count("x") == 2
    assert waited == []
    clients[0].script.append(KeyError("an answer"))
    results = [await face.outcome(face.call(get)) for _ in range(2)]
    assert [type(one) for one in results].count(KeyError) == 1
    clients[0].script.append(ConnectionError())
    results = [await face.outcome(face.call(get)) for _ in range(2)]
    assert [type(one) for one in results].count(ConnectionError) == (0 if repeats else 1)
    stats = face.stats()
    assert [one.failures for one in stats.members] == [1, 0]
    assert [one.answers for one in stats.members] == [1, 0]
    assert stats.in_flight == 0
    attempts = 12 + repeats
    assert sum(one.successes for one in stats.members) == attempts - 2
    assert stats.uses.count == attempts
    assert face.member("x").taken == face.member("x").served
    assert noted.seen.count("around") == 12


async def test_a_slow_call_that_is_seen_is_judged(new_face: NewFace) -> None:
    """On members with a limit a slow success counts for the breaker, whether middleware sees the call or not."""
    for seen in (False, True):
        face = new_face(
            slow_call_rate_threshold=0.5,
            slow_call_duration=1.0,
            minimum_calls=4,
            max_concurrency=1,
        )
        client = Client("x")
        client.next = lambda face=face: face.clock.sleep(2.0)  # type: ignore[method-assign]
        face.pool.add_client(client, "x")
        if seen:
            noted = Noted()
            del noted.phases
            face.pool.register_middleware(noted)
        await face.calls(4)
        assert face.member("x").breaker.state.value == "open"


class Looks(Noted):
    """Notes how much time is left when it is run around a call."""

    def __init__(self) -> None:
        super().__init__(Phase.FAILED)
        self.left: list[float] = []

    def around(self, call: Call, proceed: Proceed) -> Any:
        self.left.append(remaining())
        return proceed(call)

    async def around_async(self, call: Call, proceed: Proceed) -> Any:
        self.left.append(remaining())
        return await proceed(call)


@pytest.mark.parametrize("limited", [None, 1])
async def test_a_first_attempt_uses_up_time_of_its_call(
    new_face: NewFace, limited: int | None
) -> None:
    """What goes on after a first attempt on the fast path has the seconds that this attempt left over."""
    face = new_face(max_concurrency=limited)

    class Slow(Client):
        def next(self) -> Any:
            face.clock.sleep(30.0)
            return super().next()

    face.pool.add_client(slow := Slow(), "slow")
    slow.always = ConnectionError()
    looks = Looks()
    for one in (Deadline(50.0), looks):
        face.pool.register_middleware(one)
    with pytest.raises(ConnectionError):
        await face.call()
    (left,) = looks.left
    assert 10 < left <= 20


async def test_a_timeout_in_phases_cancels_and_blames_the_member() -> None:
    """`Timeout` alone or with `Retry` puts its limit around the method itself; a hanging member is a failure."""

    class Client:
        def __init__(self, hangs: bool) -> None:
            self.hangs = hangs
            self.cancelled = False

        async def get(self) -> str:
            if self.hangs:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    self.cancelled = True
                    raise
            return "fine"

    get: Method[Client, Any] = Method("get", lambda client, args: client.get(), idempotent=True)
    pool = AsyncPool[Client]("test", random=lambda: 0.0)
    pool.add_client(hanging := Client(True), "hangs")
    pool.add_client(Client(False), "works")
    pool.register_middleware(Retry(2, base=0))
    pool.register_middleware(Timeout(0.01))
    assert await pool.call(get) == "fine"
    assert hanging.cancelled
    assert [one.failures for one in pool.stats().members] == [1, 0]
    last = pool.stats().members[0].last_error
    assert last is not None
    assert (last.type, last.counted_as) == ("connpool_runtime.AttemptTimeout", "failure")
