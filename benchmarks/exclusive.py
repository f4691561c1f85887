"""A call on members that serve one call at a time, against a checkout of SQLAlchemy's QueuePool alone."""

from functools import partial
from typing import Any

from sqlalchemy.pool import QueuePool

from benchmarks import harness
from benchmarks.clients import NoopClient
from benchmarks.measurement import Bar, Measurement
from benchmarks.noop_client_pool import NoopClientPool

WHAT = "exclusive checkout + call + return, against SQLAlchemy QueuePool checkout + return alone"
BARS = {
    "exclusive": Bar(WHAT, 0.28, 0.2),
    "factory": Bar("the same, clients made on demand by a factory", 0.28, 0.2),
}
SIZE = 5


class NoopConnection:
    """What QueuePool needs of a DB-API connection."""

    def rollback(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def with_clients() -> NoopClientPool:
    """Return a wrapper whose members are there from the start."""
    wrapper = NoopClientPool(max_concurrency=1)
    for number in range(SIZE):
        wrapper.pool.add_client(NoopClient(), name=f"m{number}")
    return wrapper


def with_factory() -> NoopClientPool:
    """Return a wrapper with one endpoint, as QueuePool has it."""
    wrapper = NoopClientPool()
    wrapper.pool.add_endpoint(NoopClient, max_size=SIZE)
    return wrapper


def measure() -> Measurement:
    """Measure both and the peer, in turns; QueuePool is spared the rollback it would do on return."""
    creator: Any = NoopConnection  # all that QueuePool calls, not all of DB-API
    peer = QueuePool(creator, pool_size=SIZE, max_overflow=0, reset_on_return=None)
    cost = harness.nanoseconds(
        {
            "exclusive call": harness.of_calls(partial(with_clients().get, 42)),
            "exclusive call, factory": harness.of_calls(partial(with_factory().get, 42)),
            "QueuePool checkout + return": harness.of_calls(lambda: peer.connect().close()),
        }
    )
    queue_pool = cost["QueuePool checkout + return"]
    figures = {
        "exclusive": cost["exclusive call"] / queue_pool,
        "factory": cost["exclusive call, factory"] / queue_pool,
    }
    return Measurement(figures, cost)
