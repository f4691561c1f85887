"""Shares of failures and of slow calls, as sync and async pools judge them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import BreakerChanged, BreakerState
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.calls.lease import Lease
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.middleware import Retry
from tests.runtime.faces import Face

CLOSED, OPEN = BreakerState.CLOSED, BreakerState.OPEN
RATES = {"max_fails": 0, "failure_rate_threshold": 0.5, "minimum_calls": 10}
SLOW = {"slow_call_duration": 1.0, "slow_call_rate_threshold": 0.5, "minimum_calls": 4}
# The fast path, and the locked one for a client and for the clients of an endpoint.
PATHS = pytest.mark.parametrize("path", ["unlimited", "limited", "endpoint"])


class SlowClient:
    """Takes as long as it is told to, by the pool's clock."""

    seconds = 0.0
    error: Exception | None = None
    face: Face

    def get(self) -> str:
        self.face.clock.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        return "done"

    async def aget(self) -> str:
        await asyncio.sleep(0)
        return self.get()

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


def slow_face(
    new_face: Callable[..., Face], path: str = "unlimited", **options: object
) -> tuple[Face, SlowClient]:
    if path == "limited":
        options["max_concurrency"] = 2
    face, client = new_face(**SLOW, **options), SlowClient()
    client.face = face
    if path == "endpoint":
        face.pool.add_endpoint(lambda: client, "slow")
    else:
        face.pool.add_client(client, "slow")
    return face, client


async def test_every_other_call_failing_opens_the_breaker(new_face: Callable[..., Face]) -> None:
    """Successes in between are counted, though they leave the short way for it."""
    face = new_face("a", **RATES)
    for _ in range(5):
        face.fail("a")
        await face.calls(1)
        assert face.member("a").breaker.state is CLOSED
        await face.calls(1)
    assert face.member("a").breaker.state is OPEN


async def test_a_healthy_member_is_steady_with_rates(new_face: Callable[..., Face]) -> None:
    """Until something fails no success has to be told to the breaker, nor when that is long past."""
    face = new_face("a", **RATES)
    await face.calls(5)
    assert face.member("a").steady_generation is not None
    face.fail("a")
    await face.calls(2)
    assert face.member("a").steady_generation is None
    face.clock.sleep(10)
    await face.calls(1)
    assert face.member("a").steady_generation is not None


@pytest.mark.skipif(
    FREE_THREADED, reason="without the interpreter lock every call takes the slow path"
)
@pytest.mark.parametrize("kind", ["none", "retry", "around"])
async def test_each_success_after_a_failure_is_counted(
    new_face: Callable[..., Face], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The calls stay on the fast path all the same: none of them takes the member by a lease."""
    face = new_face("a", **RATES)
    if kind == "retry":
        face.pool.register_middleware(Retry(attempts=1))
    elif kind == "around":
        face.register(through)
    face.fail("a")
    await face.calls(1)
    leases: list[object] = []
    claim = Checkout.claim

    def counted(self: Checkout[Any], lease: Lease[Any], *rest: Any) -> Any:
        leases.append(lease)
        return claim(self, lease, *rest)

    monkeypatch.setattr(Checkout, "claim", counted)
    await face.calls(20)
    window = face.member("a").breaker.window
    assert window is not None
    assert (window.calls, window.failures) == (21, 1)
    assert leases == []


@pytest.mark.parametrize("options", [{"max_concurrency": 1}, {"max_concurrency": 9}])
async def test_each_success_after_a_failure_is_counted_with_a_limit(
    new_face: Callable[..., Face], options: dict[str, Any]
) -> None:
    """The locked fast path tells each of them once, too, and gives the member back."""
    face = new_face("a", **RATES, **options)
    face.fail("a")
    await face.calls(21)
    window = face.member("a").breaker.window
    assert window is not None
    assert (window.calls, window.failures, face.in_flight()) == (21, 1, 0)


@PATHS
async def test_slow_calls_open_the_breaker(new_face: Callable[..., Face], path: str) -> None:
    """Also when all of them are slow from the first one on, and on the short way."""
    face, client = slow_face(new_face, path)
    client.seconds = 1.5
    await face.calls(3)
    assert face.member("slow").breaker.state is CLOSED
    await face.calls(1)
    assert face.member("slow").breaker.state is OPEN


@PATHS
async def test_each_slow_call_is_counted_once(new_face: Callable[..., Face], path: str) -> None:
    """Between quick ones, with and without middleware."""
    face, client = slow_face(new_face, path)
    for middleware in range(2):
        face.pool.uneject("slow")
        for client.seconds in (0.1, 1.5, 0.1, 0.1, 0.1, 1.5, 0.1):
            await face.calls(1)
        window = face.member("slow").breaker.window
        assert window is not None
        assert (window.calls, window.slow) == (6, 2), f"with {middleware} middleware"
        face.register(through)


@PATHS
@pytest.mark.parametrize("retried", [False, True])
async def test_a_failure_is_as_slow_as_it_was(
    new_face: Callable[..., Face], path: str, retried: bool
) -> None:
    """A quick failure is no slow call, a slow one is, whoever goes on with the call."""
    face, client = slow_face(new_face, path, max_fails=0)
    if retried:
        face.pool.register_middleware(Retry(2, sleep=face.sleep))
    for client.seconds, slow in ((0.1, 0), (1.5, 1), (0.1, 1)):
        client.error = ConnectionError()
        await face.calls(1)
        window = face.member("slow").breaker.window
        assert window is not None
        assert window.slow == slow


async def through(call: object, proceed: Callable[[object], object]) -> object:
    return await proceed(call)  # type: ignore[misc]


async def test_a_lease_is_never_slow(new_face: Callable[..., Face]) -> None:
    """How long a member is held is its holder's business."""
    face, _ = slow_face(new_face)
    for _ in range(9):
        async with face.lease():
            face.clock.sleep(100)
    assert face.member("slow").fast_generation is not None


async def test_a_dry_run_tells_but_does_not_act(new_face: Callable[..., Face]) -> None:
    """Events say that nobody is really cut off; the member goes on."""
    face = new_face("a", metrics_only=True)
    face.fail("a", 3)
    await face.calls(3)
    assert await face.call() == "a"
    face.clock.sleep(10)
    assert await face.calls(2) == ["a", "a"]
    changes = [event for event in face.events if isinstance(event, BreakerChanged)]
    assert [event.after.value for event in changes] == ["open", "half_open", "closed"]
    assert not any(event.enforced for event in changes if event.after is not CLOSED)


async def test_cooldowns_grow_and_are_jittered_by_default(new_face: Callable[..., Face]) -> None:
    """The second one is longer, and both are shorter than they could be by up to a fifth."""
    options = {"cooldown": 5.0, "cooldown_factor": None, "cooldown_jitter": None}
    face = new_face("a", **options, random=lambda: 0.5)
    await face.trip("a")
    assert face.stats().members[0].retry_in == pytest.approx(4.5)
    face.clock.sleep(5)
    face.fail("a")
    await face.calls(1)
    assert face.stats().members[0].retry_in == pytest.approx(9)
