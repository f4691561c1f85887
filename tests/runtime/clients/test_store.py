"""The clients of one endpoint that its factory made, and what their upkeep finds due."""

import math
from typing import Any

import pytest

from connpool_runtime.backoff import growing
from connpool_runtime.clients.maintenance import next_due, retire_expired, shortfall
from connpool_runtime.clients.pooled_client import PooledClient
from connpool_runtime.clients.settings import EndpointSettings
from connpool_runtime.clients.source import CLEAN, EndOfUse
from connpool_runtime.clients.store import ClientQuota, ClientStore


def store_of(
    *clients: str, now: float = 0.0, validate: Any = None, **options: Any
) -> ClientStore[str]:
    store = ClientStore[str](EndpointSettings(**options), lambda: True, str, None, validate)
    for client in clients:
        add(store, client, now)
    return store


def add(store: ClientStore[str], client: str, now: float = 0.0) -> PooledClient[str]:
    entry = store.entry_of(client, now, 0.0)
    store.entries = (*store.entries, entry)
    store.put(entry)
    return entry


def test_the_last_used_is_on_top_and_the_old_are_passed_over() -> None:
    """Clients that are retired, full or expired are never given out."""
    store = store_of("a", "b", "c", max_lifetime=100)
    store.retire(store.entries[2])
    top = store.borrowable(0.0)
    assert top is not None
    assert top.client == "b"
    assert store.borrowable(100.0) is None
    assert list(store.to_close) == ["c", "b", "a"]


def test_as_many_may_be_opened_as_all_limits_allow() -> None:
    """max_size, max_connecting, the rest after a failure, the pool's quota, and closing."""
    assert not store_of("a", "b", max_size=2).may_open
    store = store_of(max_connecting=1)
    assert store.may_open
    store.opening_for_caller = 1
    assert not store.may_open
    store.opening_for_caller = 0
    store.refused(OSError(), 0.0, 0.5)
    assert not store.may_open
    store.wake(1.0)
    assert store.may_open
    store.clear()
    assert not store.may_open


def test_a_quota_counts_all_stocks_but_those_that_are_gone() -> None:
    """Whatever is open or being opened, in all endpoints together."""
    quota = ClientQuota(3)
    first, second = store_of("a", "b"), store_of()
    quota.add(first)
    quota.add(second)
    assert quota.left()
    second.opening_idle = 1
    assert not quota.left()
    first.clear()
    assert quota.left()
    quota.add(store_of())
    assert first not in quota.stores
    assert ClientQuota(None).left()


def test_there_is_room_for_what_clients_can_take() -> None:
    """Idle uses, or one more client; a retired one counts for nothing."""
    store = store_of("a", max_size=1, max_concurrency=2)
    assert store.has_room(1)
    assert not store.has_room(2)
    store.entries[0].uses = 1
    store.retire(store.entries[0])
    assert not store.has_room(1)
    assert store.size == 1


def test_failures_at_a_time_are_one_incident() -> None:
    """The rest grows with each failure in a row, not with each caller that met it."""
    store = store_of()
    for _ in range(3):
        store.refused(OSError(), 0.0, 0.5)
    assert (store.failed, store.failures, store.retry_at) == (3, 1, 1.0)
    assert store.unreachable
    add(store, "a")
    assert (store.failures, store.retry_at, store.unreachable) == (0, math.inf, False)


@pytest.mark.parametrize(("tries", "seconds"), [(1, 1.0), (2, 1.6), (3, 2.56), (50, 120.0)])
def test_the_back_off_grows_up_to_its_cap(tries: int, seconds: float) -> None:
    """1.6 times each time, give or take a fifth."""
    assert growing(tries, 1.0, 120.0, 0.5) == pytest.approx(seconds)
    assert growing(tries, 1.0, 120.0, 0.0) == pytest.approx(0.8 * seconds)


def test_a_look_is_needed_after_idling_or_doubt() -> None:
    """With a check; without one a client is used as it is."""
    store = store_of("a", validate=bool)
    (entry,) = store.entries
    assert store.peek_idle(0.9) is entry
    assert store.peek_idle(1.0) is None
    assert store.questionable(entry, 1.0)
    assert not store.questionable(entry, 0.9)
    entry.needs_validation = True
    assert store.peek_idle(0.0) is None
    assert store.questionable(entry, 0.0)
    assert store_of("a").peek_idle(500.0) is not None


def test_a_doubtful_client_without_a_check_is_retired() -> None:
    """Nobody else gets it; it is closed when its last use has ended."""
    store = store_of("a")
    (entry,) = store.entries
    entry.uses = 1
    store.put_back(entry, 0.0, needs_validation=True)
    assert list(store.to_close) == []
    entry.uses = 0
    store.sweep()
    assert list(store.to_close) == ["a"]
    assert store.size == 0


def test_upkeep_retires_the_surplus_that_idled() -> None:
    """The longest idle first, down to min_size; the expired whatever the minimum."""
    store = store_of(min_size=1, idle_timeout=10, max_lifetime=100)
    for at, client in enumerate("abc"):
        add(store, client, float(at))
    assert next_due(store) == 10.0
    retire_expired(store, 11.0)
    assert list(store.to_close) == ["a", "b"]
    assert next_due(store) == 102.0
    retire_expired(store, 102.0)
    assert list(store.to_close) == ["a", "b", "c"]
    assert shortfall(store)
    assert next_due(store) == math.inf


def test_zero_switches_expiry_off() -> None:
    """Neither idling nor age ends a client then."""
    store = store_of("a", idle_timeout=0, max_lifetime=0)
    retire_expired(store, 1e9)
    assert (next_due(store), len(store.entries)) == (math.inf, 1)


def test_the_minimum_is_tried_again_after_the_rest() -> None:
    """While nothing may be opened there is nothing to do, until it is over."""
    store = store_of("a", min_size=2)
    store.refused(OSError(), 0.0, 0.5)
    assert not shortfall(store)
    assert next_due(store) == 1.0


class Owner:
    """The member that a store belongs to."""

    taken = 0


class Borrower:
    """The lease that a client is lent to."""

    held = False
    entry: PooledClient[str] | None = None


@pytest.mark.parametrize(
    ("end", "max_concurrency", "is_doubtful"),
    [
        (CLEAN, 1, False),
        (EndOfUse(failed=True), 1, True),
        (EndOfUse(failed=True), 2, True),
        (EndOfUse(broken_off=True), 1, True),
        (EndOfUse(broken_off=True), 2, False),
    ],
)
def test_a_client_is_validated_after_a_use_that_speaks_against_it(
    end: EndOfUse, max_concurrency: int, *, is_doubtful: bool
) -> None:
    """A failure does, and a use that was broken off if nobody else uses the client: its answer may still come."""
    store = store_of("a", validate=bool, max_concurrency=max_concurrency)
    owner, borrower = Owner(), Borrower()
    assert store.borrow(owner, borrower, 0.0)
    store.give_back(owner, borrower, 1.0, end)
    assert store.entries[0].needs_validation is is_doubtful


def test_a_disconnect_puts_the_other_clients_in_doubt() -> None:
    """Their server went away, too: they are validated before their next use."""
    store = store_of("a", "b", validate=bool, max_concurrency=1)
    owner, borrower = Owner(), Borrower()
    assert store.borrow(owner, borrower, 0.0)
    store.give_back(owner, borrower, 1.0, EndOfUse(failed=True, disconnected=True))
    assert [entry.needs_validation for entry in store.entries] == [True, True]


class Counting(ClientStore[str]):
    """A store that counts how often its clients are listed anew."""

    listed = 0

    def __setattr__(self, name: str, value: object) -> None:
        self.__dict__["listed"] = self.listed + (name in ("entries", "retiring"))
        super().__setattr__(name, value)


@pytest.mark.parametrize("lose", [ClientStore.distrust, retire_expired, None])
def test_many_clients_are_retired_at_once(lose: Any) -> None:
    """However many a disconnect, a pause or the end takes, the lists are made anew as often as for one."""
    listed: list[int] = []
    for size in (1, 100):
        store = Counting(EndpointSettings(max_size=size, idle_timeout=5), lambda: True, str, None)
        for number in range(size):
            add(store, str(number))
        before = store.listed
        if lose is None:
            store.clear()
        else:
            lose(store, 10.0)
        listed.append(store.listed - before)
        assert len(store.to_close) == size
        assert not store.entries
    assert listed[0] == listed[1]


class Holder:
    """A member, or a lease."""

    def __init__(self) -> None:
        self.taken = self.served = 0
        self.held = False
        self.entry: PooledClient[Any] | None = None


def test_a_client_that_is_ready_is_lent_up_to_its_limit() -> None:
    """The last use takes it from the idle ones, and the first that ends brings it back."""
    store, owner = store_of("a", max_concurrency=2), Holder()
    first, second, third = Holder(), Holder(), Holder()
    assert store.lend_ready(owner, first, 1.0)
    assert store.idle == [*store.entries]
    assert store.lend_ready(owner, second, 1.0)
    assert store.idle == []
    assert not store.lend_ready(owner, third, 1.0)
    assert (first.held, second.held, third.held, owner.taken) == (True, True, False, 2)
    assert store.take_back_ready(owner, first, 2.0)
    assert store.take_back_ready(owner, second, 3.0)
    assert (first.held, second.held, owner.taken, owner.served) == (False, False, 2, 2)
    (entry,) = store.entries
    assert (store.idle, entry.uses, entry.used_at) == ([entry], 0, 3.0)


def test_a_client_at_its_limit_is_not_lent_although_it_is_on_top() -> None:
    """As an interrupt leaves it that strikes before the client is taken from the idle ones."""
    store = store_of("a", max_concurrency=2)
    store.entries[0].uses = 2
    assert not store.lend_ready(Holder(), Holder(), 1.0)


def test_whoever_shares_a_client_has_shown_that_it_works() -> None:
    """A client that is in use is not validated because its last use is long ago; one in doubt, or expired, is left to others."""
    store = store_of("a", validate=bool, max_concurrency=3, max_lifetime=100)
    (entry,) = store.entries
    assert not store.lend_ready(Holder(), Holder(), 50.0)
    entry.uses = 1
    assert store.lend_ready(Holder(), Holder(), 50.0)
    entry.needs_validation = True
    assert not store.lend_ready(Holder(), Holder(), 50.0)
    entry.needs_validation = False
    assert not store.lend_ready(Holder(), Holder(), 100.0)


@pytest.mark.parametrize("why", ["retired", "expired", "to be opened"])
def test_a_client_that_is_not_lent_on_is_not_taken_back_just_like_that(why: str) -> None:
    """It has to be closed after its last use, which `give_back` sees to."""
    store, owner, borrower = store_of("a", max_concurrency=2, max_lifetime=100), Holder(), Holder()
    assert store.lend_ready(owner, borrower, 1.0)
    if why == "retired":
        store.retire(*store.entries)
    elif why == "to be opened":
        borrower.entry = None
    assert not store.take_back_ready(owner, borrower, 100.0 if why == "expired" else 2.0)
    assert borrower.held
    assert owner.served == 0
