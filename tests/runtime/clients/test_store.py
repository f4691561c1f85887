"""The clients of one endpoint that its factory made, and what their upkeep finds due."""

import math
from typing import Any

import pytest

from connpool_runtime.backoff import growing
from connpool_runtime.clients.maintenance import missing, next_chore, prune
from connpool_runtime.clients.settings import EndpointSettings
from connpool_runtime.clients.store import Entry, Quota, Stock


def stock_of(*clients: str, now: float = 0.0, validate: Any = None, **options: Any) -> Stock[str]:
    stock = Stock[str](EndpointSettings(**options), lambda: True, str, None, validate)
    for client in clients:
        add(stock, client, now)
    return stock


def add(stock: Stock[str], client: str, now: float = 0.0) -> Entry[str]:
    entry = stock.entry_of(client, now, 0.0)
    stock.entries = (*stock.entries, entry)
    stock.put(entry)
    return entry


def test_the_last_used_is_on_top_and_the_old_are_passed_over() -> None:
    """Clients that are retired, full or expired are never given out."""
    stock = stock_of("a", "b", "c", max_age=100)
    stock.retire(stock.entries[2])
    top = stock.top(0.0)
    assert top is not None
    assert top.client == "b"
    assert stock.top(100.0) is None
    assert list(stock.trash) == ["c", "b", "a"]


def test_as_many_may_be_opened_as_all_limits_allow() -> None:
    """max_size, max_connecting, the rest after a failure, the pool's quota, and closing."""
    assert not stock_of("a", "b", max_size=2).may_open
    stock = stock_of(max_connecting=1)
    assert stock.may_open
    stock.lending = 1
    assert not stock.may_open
    stock.lending = 0
    stock.refused(OSError(), 0.0, 0.5)
    assert not stock.may_open
    stock.wake(1.0)
    assert stock.may_open
    stock.clear()
    assert not stock.may_open


def test_a_quota_counts_all_stocks_but_those_that_are_gone() -> None:
    """Whatever is open or being opened, in all endpoints together."""
    quota = Quota(3)
    first, second = stock_of("a", "b"), stock_of()
    quota.add(first)
    quota.add(second)
    assert quota.left()
    second.restocking = 1
    assert not quota.left()
    first.clear()
    assert quota.left()
    quota.add(stock_of())
    assert first not in quota.stocks
    assert Quota(None).left()


def test_there_is_room_for_what_clients_can_take() -> None:
    """Idle uses, or one more client; a retired one counts for nothing."""
    stock = stock_of("a", max_size=1, max_concurrency=2)
    assert stock.has_room(1)
    assert not stock.has_room(2)
    stock.entries[0].uses = 1
    stock.retire(stock.entries[0])
    assert not stock.has_room(1)
    assert stock.size == 1


def test_failures_at_a_time_are_one_incident() -> None:
    """The rest grows with each failure in a row, not with each caller that met it."""
    stock = stock_of()
    for _ in range(3):
        stock.refused(OSError(), 0.0, 0.5)
    assert (stock.failed, stock.failures, stock.retry_at) == (3, 1, 1.0)
    assert stock.unreachable
    add(stock, "a")
    assert (stock.failures, stock.retry_at, stock.unreachable) == (0, math.inf, False)


@pytest.mark.parametrize(("tries", "seconds"), [(1, 1.0), (2, 1.6), (3, 2.56), (50, 120.0)])
def test_the_back_off_grows_up_to_its_cap(tries: int, seconds: float) -> None:
    """1.6 times each time, give or take a fifth."""
    assert growing(tries, 1.0, 120.0, 0.5) == pytest.approx(seconds)
    assert growing(tries, 1.0, 120.0, 0.0) == pytest.approx(0.8 * seconds)


def test_a_look_is_needed_after_idling_or_doubt() -> None:
    """With a check; without one a client is used as it is."""
    stock = stock_of("a", validate=bool)
    (entry,) = stock.entries
    assert stock.at_hand(0.9) is entry
    assert stock.at_hand(1.0) is None
    assert stock.questionable(entry, 1.0)
    assert not stock.questionable(entry, 0.9)
    entry.doubtful = True
    assert stock.at_hand(0.0) is None
    assert stock.questionable(entry, 0.0)
    assert stock_of("a").at_hand(500.0) is not None


def test_a_doubtful_client_without_a_check_is_retired() -> None:
    """Nobody else gets it; it is closed when its last use has ended."""
    stock = stock_of("a")
    (entry,) = stock.entries
    entry.uses = 1
    stock.put_back(entry, 0.0, doubtful=True)
    assert list(stock.trash) == []
    entry.uses = 0
    stock.sweep()
    assert list(stock.trash) == ["a"]
    assert stock.size == 0


def test_upkeep_retires_the_surplus_that_idled() -> None:
    """The longest idle first, down to min_size; the expired whatever the minimum."""
    stock = stock_of(min_size=1, idle_timeout=10, max_age=100)
    for at, client in enumerate("abc"):
        add(stock, client, float(at))
    assert next_chore(stock) == 10.0
    prune(stock, 11.0)
    assert list(stock.trash) == ["a", "b"]
    assert next_chore(stock) == 102.0
    prune(stock, 102.0)
    assert list(stock.trash) == ["a", "b", "c"]
    assert missing(stock)
    assert next_chore(stock) == math.inf


def test_zero_switches_expiry_off() -> None:
    """Neither idling nor age ends a client then."""
    stock = stock_of("a", idle_timeout=0, max_age=0)
    prune(stock, 1e9)
    assert (next_chore(stock), len(stock.entries)) == (math.inf, 1)


def test_the_minimum_is_tried_again_after_the_rest() -> None:
    """While nothing may be opened there is nothing to do, until it is over."""
    stock = stock_of("a", min_size=2)
    stock.refused(OSError(), 0.0, 0.5)
    assert not missing(stock)
    assert next_chore(stock) == 1.0
