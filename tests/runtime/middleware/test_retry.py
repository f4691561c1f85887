"""Retry: another member, idempotent methods only, back-off, streams until their first item."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from connpool_runtime import (
    AllMembersOpen,
    AsyncPool,
    BreakerState,
    Method,
    Outcome,
    PoolClosed,
    RetryPolicy,
    deadline,
)
from connpool_runtime.middleware import Retry, RetryBudget, Timeout
from connpool_runtime.middleware.retry import pushed_back
from tests.runtime.faces import Face, counted
from tests.runtime.middleware.naps import Naps

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


@pytest.fixture
def retrying(face: Face) -> Callable[..., Naps]:
    """Registers a Retry whose jitter is its upper bound."""

    def register(attempts: int = 3, **options: Any) -> Naps:
        naps = Naps(face)
        options = {"random": lambda: 1.0, "sleep": naps, **options}
        face.pool.register_middleware(Retry(attempts, **options))
        return naps

    return register


async def test_a_failed_call_is_tried_on_another_member(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """The caller sees a success; the failure is the first member's (B8)."""
    retrying()
    face.fail("a", 9)
    method = face.method(idempotent=True)
    assert [await face.call(method) for _ in range(3)] == ["b", "c", "b"]
    assert counted(face.stats())[SUCCESS] == 3


async def test_members_tried_before_are_avoided(face: Face, retrying: Callable[..., Naps]) -> None:
    """Three attempts meet three members, whatever the balancer would have drawn."""
    retrying()
    for balancer in ("random", "weighted_round_robin", "weighted_random", "round_robin"):
        before = {name: client.calls for name, client in face.clients.items()}
        for name in "abc":
            face.pool.uneject(name)
            face.fail(name)
        with pytest.raises(ConnectionError):
            await face.execute(balancer=balancer, idempotent=True)
        assert [face.clients[name].calls - before[name] for name in "abc"] == [1, 1, 1]


async def test_a_lone_member_is_tried_again(face: Face, retrying: Callable[..., Naps]) -> None:
    """Where there is no other member, the same one is better than none."""
    retrying()
    await face.remove("b")
    await face.remove("c")
    face.fail("a", 2)
    assert await face.call(face.method(idempotent=True)) == "a"


async def test_only_idempotent_methods_are_retried(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A write that may have been done is not done again."""
    naps = retrying()
    face.fail("a")
    face.fail("b")
    with pytest.raises(ConnectionError, match="a is down"):
        await face.call(face.method())
    with pytest.raises(ConnectionError, match="b is down"):
        await face.execute()
    assert naps.taken == []


async def test_execute_is_retried_when_declared_idempotent(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """The caller knows what its function does."""
    retrying()
    face.fail("a")
    assert await face.execute(idempotent=True) == "b"


@pytest.mark.parametrize("error", [PoolClosed("of the client's own"), BlockingIOError("ignored")])
async def test_neutral_ends_are_final(
    face: Face, retrying: Callable[..., Naps], error: Exception
) -> None:
    """What says nothing about the server does not change by repetition."""
    naps = retrying()
    face.fail("a", error=error)
    with pytest.raises(type(error)):
        await face.call(face.method(idempotent=True, ignored=(BlockingIOError,)))
    assert naps.taken == []


async def test_expected_errors_are_final(face: Face, retrying: Callable[..., Naps]) -> None:
    """An answer is an answer."""
    naps = retrying()
    face.fail("a", error=FileNotFoundError())
    with pytest.raises(FileNotFoundError):
        await face.call(face.method(idempotent=True, expected=(FileNotFoundError,)))
    assert naps.taken == []


async def test_refusals_are_final(face: Face, retrying: Callable[..., Naps]) -> None:
    """When nobody knows when the breakers will close, waiting a little does not help (B8)."""
    naps = retrying()
    for name in "abc":
        face.pool.eject(name)
    with pytest.raises(AllMembersOpen):
        await face.call(face.method(idempotent=True))
    assert naps.taken == []


async def test_a_refusal_that_ends_soon_is_waited_for(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """AllMembersOpen says when the first member may be probed; then, and not before, is tried."""
    naps = retrying(base=0.1, cap=2.0)
    for name in "abc":
        await face.trip(name)
    naps.taken.clear()
    face.clock.sleep(8.5)
    assert await face.call(face.method(idempotent=True)) == "a"
    assert naps.taken == [pytest.approx(1.6)]


async def test_a_refusal_that_lasts_is_final(face: Face, retrying: Callable[..., Naps]) -> None:
    """Longer than the longest wait is too long."""
    naps = retrying(cap=2.0)
    for name in "abc":
        await face.trip(name)
    naps.taken.clear()
    with pytest.raises(AllMembersOpen):
        await face.call(face.method(idempotent=True))
    assert naps.taken == []


class Busy(ConnectionError):
    """A server's answer that says when to come back."""

    def __init__(self, retry_after: Any) -> None:
        super().__init__("busy")
        self.retry_after = retry_after


async def test_a_servers_push_back_is_obeyed(face: Face, retrying: Callable[..., Naps]) -> None:
    """What the error asks for is waited first, and the jitter on top."""
    naps = retrying(base=0.1)
    face.fail("a", error=Busy(1.5))
    assert await face.call(face.method(idempotent=True)) == "b"
    assert naps.taken == [pytest.approx(1.6)]


async def test_a_push_back_beyond_the_cap_ends_the_call(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Coming earlier than asked would be rude, waiting so long would be useless."""
    naps = retrying(cap=2.0)
    face.fail("a", error=Busy(30))
    with pytest.raises(Busy):
        await face.call(face.method(idempotent=True))
    assert naps.taken == []


@pytest.mark.parametrize(
    "asked", ["5", -1, float("nan"), [], object(), pytest.param(10**400, id="huge")]
)
async def test_what_is_no_time_to_wait_is_not_waited(
    face: Face, retrying: Callable[..., Naps], caplog: pytest.LogCaptureFixture, asked: Any
) -> None:
    """A function that returns it is logged like one that raises, and the call is tried again as if it had said nothing."""
    naps = retrying(base=0.1, retry_after=lambda _: asked)
    face.fail("a")
    assert await face.call(face.method(idempotent=True)) == "b"
    assert naps.taken == [pytest.approx(0.1)]
    assert "no time to wait" in caplog.text


async def test_infinity_is_a_time_to_wait(face: Face, retrying: Callable[..., Naps]) -> None:
    """It says that no other attempt is of use."""
    naps = retrying(base=0.1, retry_after=lambda _: float("inf"))
    face.fail("a")
    with pytest.raises(ConnectionError, match="a is down"):
        await face.call(face.method(idempotent=True))
    assert naps.taken == []


class Answered(Exception):
    """The answer of an HTTP server, as client libraries raise it."""

    def __init__(self, status: int, retry_after: str) -> None:
        super().__init__(f"HTTP {status}")
        headers = {"retry-after": retry_after}
        self.response = SimpleNamespace(status_code=status, headers=headers)


@pytest.mark.parametrize("seconds", ["1", "60"])
async def test_what_a_server_that_cannot_work_asks_for_binds_no_other(
    face: Face, retrying: Callable[..., Naps], seconds: str
) -> None:
    """A 503 with `Retry-After` is tried on another member at once, and opens the breaker of its own, as one without."""
    naps = retrying(base=0.0)
    face.fail("a", 9, error=Answered(503, seconds))
    method = face.method(idempotent=True)
    assert {await face.call(method) for _ in range(9)} == {"b", "c"}
    assert (naps.taken, face.member("a").breaker.state) == ([], BreakerState.OPEN)


async def test_a_server_without_another_is_waited_for(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A 503 with `Retry-After` is obeyed where no other member may be called, or all were tried."""
    naps = retrying(base=0.0, attempts=4)
    for name in "abc":
        face.fail(name, error=Answered(503, "1.5"))
    assert await face.call(face.method(idempotent=True)) in "abc"
    assert naps.taken == [1.5]
    for name in "bc":
        face.pool.eject(name)
    face.fail("a", error=Answered(503, "1.25"))
    assert await face.call(face.method(idempotent=True)) == "a"
    assert naps.taken == [1.5, 1.25]


async def test_a_server_without_another_of_its_role_is_waited_for(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Members that are not for this call are no others."""
    naps = retrying(base=0.0)
    face.pool.set_labels("a", {"role": "primary"})
    face.pool.set_labels("b", {"role": "replica"})
    face.pool.reconfigure(default_route="primary")
    face.fail("a", error=Answered(503, "1.5"))
    assert await face.call(face.method(idempotent=True)) == "a"
    assert naps.taken == [1.5]


async def test_a_limit_of_the_caller_holds_for_all_members(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A 429 says that the caller asks too often: another server would say the same."""
    naps = retrying(base=0.0)
    face.fail("a", error=Answered(429, "1.5"))
    assert await face.call(face.method(idempotent=True)) == "b"
    assert naps.taken == [1.5]


async def test_a_push_back_may_be_read_by_a_function(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Clients hide it in headers; a function that fails is as good as none."""
    naps = retrying(base=0.0, retry_after=lambda error: float(str(error)))
    face.fail("a", error=ConnectionError("0.25"))
    face.fail("b", error=ConnectionError("soon"))
    assert await face.call(face.method(idempotent=True)) == "c"
    assert naps.taken == [0.25]  # a wait of nothing is none


@pytest.mark.parametrize(
    ("value", "seconds"), [(2, 2), (0.5, 0.5), (-1, None), ("3", None), (None, None)]
)
def test_only_numbers_are_push_backs(value: Any, seconds: float | None) -> None:
    """An attribute of that name may be anything."""
    assert pushed_back(Busy(value)) == seconds


async def test_no_retry_begins_after_the_deadline(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A wait that would outlast the caller is not begun: the caller gets the error now."""
    naps = retrying(base=1.0)
    face.fail("a")
    face.fail("b")
    with deadline(1.0, clock=face.clock), pytest.raises(ConnectionError, match="a is down"):
        await face.call(face.method(idempotent=True))
    assert naps.taken == []
    with deadline(1.5, clock=face.clock):
        assert await face.call(face.method(idempotent=True)) == "c"


async def test_all_calls_together_stay_within_the_budget(
    new_face: Callable[..., Face],
) -> None:
    """When everything fails, a fifth of the calls is tried again, not all of them twice."""
    face = new_face("a", "b", "c", max_fails=0)
    budget = RetryBudget(share=0.2, minimum=0.0, clock=face.clock)
    naps = Naps(face)
    face.pool.register_middleware(Retry(3, base=0.001, budget=budget, sleep=naps))
    for client in face.clients.values():
        client.always = ConnectionError("down")
    for _ in range(20):
        with pytest.raises(ConnectionError):
            await face.call(face.method(idempotent=True))
    assert len(naps.taken) == 4
    numbers = {number.name: number.value for number in face.stats().middleware}
    assert numbers == {"retries": 4, "retries_over_budget": 20, "retry_budget": 0.0}


async def test_attempts_are_limited_and_the_last_error_raised(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """The first error is not lost: it ends the chain of contexts."""
    retrying(3)
    for name in "abc":
        face.fail(name)
    with pytest.raises(ConnectionError, match="c is down") as caught:
        await face.call(face.method(idempotent=True))
    link: BaseException | None = caught.value
    while link is not None and link.__context__ is not None:
        link = link.__context__
    assert str(link) == "a is down"
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 0}
    assert [member.failures for member in face.stats().members] == [1, 1, 1]


async def test_one_attempt_is_no_retry(face: Face, retrying: Callable[..., Naps]) -> None:
    """attempts counts all of them."""
    retrying(1)
    face.fail("a")
    with pytest.raises(ConnectionError):
        await face.call(face.method(idempotent=True))


async def test_an_error_raised_twice_is_raised_as_it_is(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A client that raises one and the same object gets no circle of contexts."""
    retrying(2)
    error = ConnectionError("the same")
    for name in "abc":
        face.fail(name, error=error)
    with pytest.raises(ConnectionError) as caught:
        await face.call(face.method(idempotent=True))
    assert caught.value is error
    assert error.__context__ is None


def links(error: BaseException) -> int:
    """How many errors hang on one, in a chain that ends."""
    count, link = 0, error.__context__
    while link is not None:
        count, link = count + 1, link.__context__
        assert count < 100, "the chain is a circle, or has no bound"
    return count


async def last_errors(new_face: Callable[..., Face], *calls: list[Exception]) -> list[Exception]:
    """Let each attempt of some calls end in the error given for it; return what the callers got."""
    face = new_face("a", "b", max_fails=0)
    face.pool.register_middleware(Retry(2, base=0.0, sleep=Naps(face)))
    attempts = iter([error for call in calls for error in call])

    def fails(client: object, args: object) -> Any:
        raise next(attempts)

    method: Method[Any, Any] = Method("get", fails, idempotent=True)
    return [await face.outcome(face.call(method)) for _ in calls]


async def test_a_kept_error_gets_no_longer_chain_with_each_call(
    new_face: Callable[..., Face],
) -> None:
    """Clients that keep their error and raise it in each call, as asyncio's streams do, are common."""
    kept = ConnectionError("kept")
    fresh = [ConnectionError(f"fresh {number}") for number in range(20)]
    assert await last_errors(new_face, *([one, kept] for one in fresh)) == [kept] * 20
    assert links(kept) == 1
    seen = await last_errors(new_face, *([kept, ConnectionError()] for _ in range(20)))
    assert {links(error) for error in seen} == {2}


async def test_kept_errors_make_no_circle_whatever_their_order(
    new_face: Callable[..., Face],
) -> None:
    """Of two kept errors that came in both orders one hangs on the other, and the next calls end."""
    one, two, three = (ConnectionError(name) for name in ("one", "two", "three"))
    assert await last_errors(
        new_face, [one, two], [two, one], [three, one], [three, two], [one, three], [two, three]
    ) == [two, one, one, two, three, three]
    assert [links(error) for error in (one, two, three)] == [1, 2, 0]


async def test_a_circle_of_the_clients_own_is_walked_once(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A chain of contexts may be a circle before a call meets it; the call ends all the same."""
    retrying(2)
    one, two = ConnectionError("one"), ConnectionError("two")
    one.__context__, two.__context__ = two, one
    face.fail("a", error=one)
    face.fail("b", error=ConnectionGroup("both", [ConnectionError("part"), one]))
    with pytest.raises(ConnectionGroup) as caught:
        await face.call(face.method(idempotent=True))
    assert caught.value.__context__ is one


class ConnectionGroup(ExceptionGroup[Exception]):
    """Several errors of one call."""


async def test_the_first_error_does_not_hang_on_an_error_that_holds_it(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Also where it is a part of a group, or the cause: that would be a circle."""
    retrying(2)
    last = ConnectionError("last")
    first = ConnectionGroup("parts", [ConnectionError("part"), last])
    face.fail("a", error=first)
    face.fail("b", error=last)
    with pytest.raises(ConnectionError, match="last"):
        await face.call(face.method(idempotent=True))
    assert last.__context__ is None


async def test_the_context_of_an_error_stays_its_own(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """What the client was handling tells more than the first attempt; also if the caller handles one."""
    retrying(2)
    context = OSError("socket")
    last = ConnectionError("last")
    last.__context__ = context
    face.fail("a")

    def fails(client: Any) -> Any:
        if client.name == "a":
            return client.next()
        try:
            raise context
        except OSError:
            raise last  # noqa: B904  # a client's code, with a context and without a cause

    method: Method[Any, Any] = Method("get", lambda client, args: fails(client), idempotent=True)
    meanwhile = LookupError("what the caller handles meanwhile")

    async def call() -> None:
        try:
            raise meanwhile
        except LookupError:
            await face.call(method)

    with pytest.raises(ConnectionError, match="last") as caught:
        await call()
    assert caught.value.__context__ is context
    assert context.__context__ is meanwhile


async def test_waits_double_up_to_the_cap(face: Face, retrying: Callable[..., Naps]) -> None:
    """Full jitter draws between nothing and a bound that doubles."""
    naps = retrying(7, base=0.1, cap=1.0)
    for name in "abc":
        face.fail(name, 9)
    with pytest.raises(ConnectionError):
        await face.call(face.method(idempotent=True))
    assert naps.taken == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


async def test_jitter_is_drawn_for_each_wait(face: Face, retrying: Callable[..., Naps]) -> None:
    """Clients that failed together do not come back together."""
    draws = iter([0.5, 0.25])
    naps = retrying(3, base=1.0, random=lambda: next(draws))
    for name in "abc":
        face.fail(name)
    with pytest.raises(ConnectionError):
        await face.call(face.method(idempotent=True))
    assert naps.taken == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"attempts": 0}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"base": -1}, "base"),
        ({"cap": float("nan")}, "cap"),
    ],
)
def test_its_numbers_are_validated(options: dict[str, Any], name: str) -> None:
    """Bad values are refused by name."""
    with pytest.raises(ValueError, match=f"^{name} must be"):
        Retry(**options)


async def test_a_stream_is_opened_again_before_its_first_item(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Generators fail when first asked: until then nothing was given away (B26)."""
    naps = retrying()
    face.fail("a")
    face.fail("b")
    items = await face.stream(2, face.method("items", idempotent=True))
    assert await items.rest() == ["c", "c"]
    assert len(naps.taken) == 2
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}
    assert [member.failures for member in face.stats().members] == [1, 1, 0]


async def test_a_stream_is_not_opened_again_after_an_item(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Items must not come twice."""
    naps = retrying()
    face.clients["a"].script.extend(["one", ConnectionError("cut")])
    items = await face.stream(9, face.method("items", idempotent=True))
    assert await items.next() == "one"
    with pytest.raises(ConnectionError, match="cut"):
        await items.next()
    assert naps.taken == []


async def test_the_attempts_of_a_stream_are_counted_over_its_openings(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A stream that always opens and never gives an item is not opened for ever."""
    naps = retrying(2)
    for name in "abc":
        face.fail(name)
    items = await face.stream(9, face.method("items", idempotent=True))
    with pytest.raises(ConnectionError, match="b is down"):
        await items.next()
    assert len(naps.taken) == 1


async def test_a_stream_that_cannot_be_opened_anywhere_raises(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """The last error arrives at the first item; the call counts as one failure."""
    retrying()
    for name in "abc":
        face.fail(name)
    items = await face.stream(9, face.method("items", idempotent=True))
    with pytest.raises(ConnectionError, match="c is down"):
        await items.next()
    assert await items.rest() == []
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 1, NEUTRAL: 0}
    assert face.in_flight() == 0


async def test_streams_of_other_methods_are_opened_once(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Not idempotent, not opened again."""
    retrying()
    face.fail("a")
    items = await face.stream(1)
    with pytest.raises(ConnectionError):
        await items.next()


async def test_a_dropped_stream_is_not_kept_by_an_error_of_its_first_attempt(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """A breaker remembers the last error, but not through it the frames and the stream in them."""
    retrying()
    face.fail("a")
    items = await face.stream(9, face.method("items", idempotent=True))
    await items.next()
    assert face.member("a").last_error is not None
    del items
    gc.collect()
    assert face.in_flight() == 0


async def test_entering_a_context_is_retried(face: Face, retrying: Callable[..., Naps]) -> None:
    """What fails on entering has not begun."""
    retrying()
    face.fail("a")
    async with face.session(face.method("session", idempotent=True)) as value:
        assert value == "b"
    assert face.in_flight() == 0


async def test_a_timed_out_attempt_is_tried_elsewhere() -> None:
    """An attempt timeout is a failure, so a retry around it goes to the next member."""

    class Client:
        def __init__(self, hangs: bool) -> None:
            self.hangs = hangs

        async def get(self) -> str:
            if self.hangs:
                await asyncio.sleep(60)
            return "fine"

    pool = AsyncPool[Client]("test", random=lambda: 0.0)
    pool.add_client(Client(True), "hangs")
    pool.add_client(Client(False), "works")
    pool.register_middleware(Retry(2, base=0))
    pool.register_middleware(Timeout(0.01))
    get: Method[Client, Awaitable[str]] = Method(
        "get", lambda client, args: client.get(), idempotent=True
    )
    assert await pool.call(get) == "fine"
    assert [member.failures for member in pool.stats().members] == [1, 0]


async def test_a_method_has_retries_of_its_own(face: Face, retrying: Callable[..., Naps]) -> None:
    """How often and how long, and False for never; the other methods go by the pool's."""
    naps = retrying(2, base=0.1)
    for name in "abc":
        face.clients[name].always = ConnectionError(name)
    often = face.method(idempotent=True, retry=RetryPolicy(attempts=3, base=0.4))
    never = face.method(idempotent=True, retry=False)
    calls = []
    for method in (often, never, face.method(idempotent=True)):
        with pytest.raises(ConnectionError):
            await face.call(method)
        calls.append(sum(client.calls for client in face.clients.values()))
        for name in "abc":
            face.pool.uneject(name)
    assert calls == [3, 4, 6]
    assert naps.taken == [0.4, 0.8, 0.1]


async def test_only_the_errors_that_a_policy_names_are_retried(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Also one that would be an answer, and no other one; and no method that is not idempotent."""
    retrying(3, base=0.0)
    policy = RetryPolicy(errors=(LookupError,))
    face.fail("a", error=LookupError("not here yet"))
    method = face.method(idempotent=True, expected=(LookupError,), retry=policy)
    assert await face.call(method) == "b"
    face.fail("c")
    with pytest.raises(ConnectionError):
        await face.call(method)
    face.fail("a", error=LookupError("not here yet"))
    with pytest.raises(LookupError):
        await face.call(face.method(retry=policy))


async def test_what_was_not_sent_is_tried_elsewhere_if_the_method_says_so(
    face: Face, retrying: Callable[..., Naps]
) -> None:
    """Though it is not idempotent, and though the pool's Retry would not; and the other way round."""
    retrying(3, base=0.0)
    face.fail("a", error=ConnectionRefusedError())
    assert await face.call(face.method(retry=RetryPolicy(unsent=True))) == "b"
    face.fail("c", error=ConnectionRefusedError())
    with pytest.raises(ConnectionRefusedError):
        await face.call(face.method())


@pytest.mark.parametrize(
    ("said", "error"),
    [({"attempts": 0}, ValueError), ({"base": -1.0}, ValueError), ({"errors": ("x",)}, TypeError)],
)
def test_a_policy_is_validated(said: dict[str, Any], error: type[Exception]) -> None:
    """Where it is made, by the name of what is wrong."""
    with pytest.raises(error, match=next(iter(said))):
        RetryPolicy(**said)
