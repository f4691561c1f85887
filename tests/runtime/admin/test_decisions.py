"""What is decided without looking at anything: health, quantiles, documents."""

import math

import pytest

from connpool_runtime.admin.health import ServiceHealth, health_of, member_health
from connpool_runtime.admin.quantiles import quantile
from connpool_runtime.admin.stats_document import service_document
from connpool_runtime.admin.stats_from_document import pool_stats_of
from connpool_runtime.middleware import Retry
from tests.runtime.admin.pools import GET, break_member, shop_pool

BUCKETS = ((0.1, 50), (0.2, 90), (1.0, 99), (math.inf, 100))


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.25, 0.05), (0.5, 0.1), (0.7, 0.15), (0.99, 1.0), (0.995, 1.0), (1, 1.0)],
)
def test_quantiles(share: float, expected: float) -> None:
    """Within a bucket samples are spread evenly; beyond the last bound no more is known than that bound."""
    assert quantile(BUCKETS, share) == pytest.approx(expected)


def test_no_samples_have_no_quantile() -> None:
    """Without samples there is no quantile, rather than zero."""
    assert quantile(((0.1, 0), (math.inf, 0)), 0.5) is None
    assert quantile((), 0.5) is None


@pytest.mark.parametrize(
    ("facts", "word"),
    [
        ({}, "ready"),
        ({"leaving": True}, "leaving"),
        ({"ready": False, "state": "open", "ejected": True}, "ejected"),
        ({"ready": False, "state": "open"}, "open"),
        ({"ready": False, "healthy": False}, "unreachable"),
        ({"ready": False, "state": "half_open"}, "half_open"),
        ({"state": "open"}, "ready"),  # in a panic, or when breakers only count
    ],
)
def test_a_member_is_in_one_word(facts: dict[str, object], word: str) -> None:
    """What keeps a member from calls is said in one word; one that takes calls is ready whatever its breaker."""
    usual = {"ready": True, "state": "closed", "ejected": False, "healthy": True, "leaving": False}
    assert member_health(**{**usual, **facts}) == word  # type: ignore[arg-type]  # a table


def test_nothing_is_ready_enough() -> None:
    """A manager without pools is ready: they are made when they are wanted."""
    assert health_of([], stopped=False, required=None).status == "ok"
    assert health_of([], stopped=True, required=None).status == "unavailable"


def test_a_pool_without_members_is_not_ready() -> None:
    """A closed pool, and one without members, make the process unready, and say which it is."""
    closed = ServiceHealth("a", True, {"ready": 1})
    empty = ServiceHealth("b", False, {})
    told = health_of([closed, empty], stopped=False, required=None)
    assert told.reasons == ("service 'a': its pool is closed", "service 'b': it has no members")


def test_a_document_holds_the_stats() -> None:
    """What a document says about a service can be read back as the stats that it was made from."""
    pool = shop_pool()
    pool.register_middleware(Retry())
    for _ in range(5):
        pool.call(GET)
    break_member(pool, "m2")
    pool.add_endpoint(lambda: shop_pool().members[0].client, "endpoint")
    pool.warm_up()
    stats = pool.stats()
    pauses: list[int] = []
    assert pool_stats_of("shop", service_document(pool, stats, lambda: pauses.append(1))) == stats
