"""A synchronous call through what services register: retries, deadlines, limits, the recommended bundle."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from itertools import cycle
from typing import Any

import stamina
import stamina.instrumentation
import tenacity

from benchmarks import harness
from benchmarks.calls import pool_of
from benchmarks.clients import NoopClient
from benchmarks.measurement import Bar, Measurement
from benchmarks.noop_client_pool import NoopClientPool
from connpool_runtime import BreakerState, Call, Method, Pool, Proceed, deadline
from connpool_runtime.middleware import (
    AdaptiveLimit,
    Bulkhead,
    Deadline,
    MethodBreaker,
    RateLimit,
    Retry,
    RetryBudget,
    in_order,
)

LONG = 3600.0  # seconds: a deadline that is never reached

BARS = {
    "Retry": Bar("sync call with Retry, against a bare no-op call", 10, 8),
    "Retry and Deadline": Bar("with Retry and Deadline, inside `with deadline(...)`", 16, 12),
    "bundle": Bar("with the recommended bundle: Retry, Deadline, logs", 18, 14),
    "RateLimit": Bar("with RateLimit alone", 25, 16),
    "Bulkhead": Bar("with Bulkhead alone", 25, 16),
    "AdaptiveLimit": Bar("with AdaptiveLimit alone", 25, 16),
    "MethodBreaker": Bar("with MethodBreaker alone", 25, 16),
    "function": Bar("with a function as middleware", 25, 16),
    "hash and Retry": Bar("with Retry, consistent hash of a text", 25, 16),
    "peak EWMA and Retry": Bar("with Retry, peak EWMA", 25, 16),
    "exclusive and Retry": Bar("with Retry, members of one call at a time"),
    "exclusive and function": Bar("with a function as middleware, members of one call at a time"),
    "exclusive hash": Bar("with Retry, consistent hash of a text, members of one call at a time"),
    "exclusive peak EWMA": Bar("with Retry, peak EWMA, members of one call at a time"),
    "exclusive route": Bar("with Retry, a route to two of three members of one call at a time"),
    "one ejected": Bar(
        "with Retry, members of one call at a time, with a Deadline of its own too, one of three members ejected"
    ),
    "retried": Bar("a call that fails once and is retried once, without a wait", 400, 250),
    "tenacity": Bar(
        "sync call with Retry, added cost, against tenacity's retry around a bare call", 0.06, 0.04
    ),
    "stamina": Bar("the same against stamina's", 0.06, 0.04),
}
KEYED: Method[NoopClient, None] = Method(
    "get", lambda client, args: client.get(args[0]), hash_key=0
)


class FailsFirst(NoopClient):
    """Fails every second call of all clients together, so that each call of a pool fails once."""

    def __init__(self, fails: Iterator[bool]) -> None:
        self._fails = fails

    def get(self, user_id: int, *, fields: Any = ()) -> None:
        """Return nothing, or fail."""
        if next(self._fails):
            raise ConnectionError


def with_middleware(*middleware: Any, balancer: str = "round_robin") -> NoopClientPool:
    """Return a wrapper of three members with these middleware."""
    wrapper = pool_of(3, balancer)
    for one in middleware:
        wrapper.pool.register_middleware(one)
    return wrapper


def passes_on(call: Call, proceed: Proceed) -> Any:
    """Do nothing, as a function of the user's can."""
    return proceed(call)


def measure() -> Measurement:
    """Measure the bare call, each of ours, and the peers, in turns."""
    with ExitStack() as stack:
        stack.callback(stamina.instrumentation.set_on_retry_hooks, None)
        stamina.instrumentation.set_on_retry_hooks([])  # no logs: what retrying alone costs
        loops = {f"call with {name}": loop for name, loop in _ours().items()}
        bare = NoopClient()
        by_tenacity = tenacity.retry(
            stop=tenacity.stop_after_attempt(3), retry=tenacity.retry_if_exception_type(OSError)
        )(bare.get)
        by_stamina = stamina.retry(on=OSError, attempts=3)(bare.get)
        cost = harness.nanoseconds(
            {
                "bare call": harness.of_calls(partial(bare.get, 42)),
                **loops,
                "bare call with tenacity": harness.of_calls(partial(by_tenacity, 42)),
                "bare call with stamina": harness.of_calls(partial(by_stamina, 42)),
            }
        )
    figures = {name: cost[f"call with {name}"] / cost["bare call"] for name in _ours()}
    added = cost["call with Retry"] - cost["bare call"]
    for peer in ("tenacity", "stamina"):
        figures[peer] = added / (cost[f"bare call with {peer}"] - cost["bare call"])
    return Measurement(figures, cost)


def _ours() -> dict[str, harness.TimedLoop]:
    keyed = with_middleware(Retry(), balancer="consistent_hash").pool
    keyed_exclusive = _exclusive(Retry(), balancer="consistent_hash").pool
    wrappers = {
        "Retry": with_middleware(Retry()),
        "bundle": with_middleware(*in_order()),
        "RateLimit": with_middleware(RateLimit(1e9)),
        "Bulkhead": with_middleware(Bulkhead(100)),
        "AdaptiveLimit": with_middleware(AdaptiveLimit()),
        "MethodBreaker": with_middleware(MethodBreaker()),
        "function": with_middleware(passes_on),
        "peak EWMA and Retry": with_middleware(Retry(), balancer="peak_ewma"),
        "exclusive and Retry": _exclusive(Retry()),
        "exclusive and function": _exclusive(passes_on),
        "exclusive peak EWMA": _exclusive(Retry(), balancer="peak_ewma"),
        "one ejected": _with_one_ejected(),
    }
    return {
        **{name: harness.of_calls(partial(one.get, 42)) for name, one in wrappers.items()},
        "Retry and Deadline": _inside_a_deadline(with_middleware(Retry(), Deadline()).get),
        "hash and Retry": harness.of_calls(partial(keyed.call, KEYED, ("user:42",))),
        "exclusive hash": harness.of_calls(partial(keyed_exclusive.call, KEYED, ("user:42",))),
        "exclusive route": harness.of_calls(partial(_with_replicas().call, READ, (42,))),
        "retried": harness.of_calls(partial(_failing().call, RETRIED, (42,))),
    }


def _exclusive(*middleware: Any, balancer: str = "round_robin") -> NoopClientPool:
    """Return a wrapper of three members that take one call at a time."""
    wrapper = NoopClientPool(max_concurrency=1, balancer=balancer)
    for _ in range(3):
        wrapper.pool.add_client(NoopClient())
    for one in middleware:
        wrapper.pool.register_middleware(one)
    return wrapper


def _with_replicas() -> Pool[NoopClient]:
    """Return a pool of a primary and two replicas that take one call at a time."""
    pool = Pool[NoopClient](methods=(READ,), max_concurrency=1)
    for role in ("primary", "replica", "replica"):
        pool.add_client(NoopClient(), labels={"role": role})
    pool.register_middleware(Retry())
    return pool


def _with_one_ejected() -> NoopClientPool:
    """Return a wrapper of three exclusive members; the breaker of one stays open."""

    def fail(_: NoopClient) -> None:
        raise ConnectionError

    wrapper = NoopClientPool(max_concurrency=1, max_fails=1, cooldown=LONG)
    for _ in range(3):
        wrapper.pool.add_client(NoopClient())
    with suppress(ConnectionError):
        wrapper.pool.execute(fail)
    assert sum(one.state is BreakerState.OPEN for one in wrapper.pool.stats().members) == 1
    for one in (Deadline(LONG), Retry()):
        wrapper.pool.register_middleware(one)
    return wrapper


READ: Method[NoopClient, None] = Method(
    "read", lambda client, args: client.get(args[0]), idempotent=True, route="replica"
)
RETRIED: Method[NoopClient, None] = Method(
    "get", lambda client, args: client.get(args[0]), idempotent=True
)


def _failing() -> Pool[NoopClient]:
    fails = cycle([True, False])
    pool = Pool[NoopClient]()
    for _ in range(3):
        pool.add_client(FailsFirst(fails))
    budget = RetryBudget(share=1.0, minimum=1e6)
    pool.register_middleware(Retry(base=0.0, budget=budget))
    return pool


def _inside_a_deadline(call: Callable[[int], object]) -> harness.TimedLoop:
    plain = harness.of_calls(partial(call, 42))

    def loop(count: int) -> float:
        with deadline(LONG):
            return plain(count)

    return loop
