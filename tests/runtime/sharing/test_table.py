"""Who shares which client, and who waits: decisions only."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connpool_runtime._concurrency.single_flight import AttemptState
from connpool_runtime.sharing.reference_counts import (
    SharedEntry,
    SharedReference,
    Waiter,
    short_key,
)
from connpool_runtime.sharing.table import SharedClientTable
from tests.thorough import examples

LINGER = 10.0
KEYS = ["a", "b", "c", "d"]


class Gate:
    """Opens once, as the real ones do."""

    def __init__(self) -> None:
        self.is_open = False

    def open(self) -> None:
        assert not self.is_open
        self.is_open = True


class Table(SharedClientTable[str]):
    """A table and the caller who does what it says."""

    def __init__(self, max_clients: float = 2, idle_ttl: float = LINGER) -> None:
        super().__init__(max_clients, idle_ttl, Gate)
        self.now = 0.0
        self.closed_clients: list[str] = []

    def ask(self, key: str) -> tuple[SharedReference[str], Waiter[str] | None]:
        reference: SharedReference[str] = SharedReference()
        waiter = self.request(key, reference)
        return reference, waiter

    def take(self, key: str) -> SharedReference[str]:
        """Ask, open if that is our task, and have it."""
        reference, waiter = self.ask(key)
        assert waiter is None
        return self.open(reference)

    def open(self, reference: SharedReference[str]) -> SharedReference[str]:
        entry = share_of(reference)
        if reference.opens:
            self.opened(entry, f"client of {entry.key}", self.now, check_at=self.now + 5.0)
        return reference

    def back(self, reference: SharedReference[str]) -> bool:
        done = self.release(reference, self.now)
        self.close_departed()
        return done

    def close_departed(self) -> None:
        while entry := self.index.claim(self):
            self.closed_clients.append(entry.key)
            self.gone(self)


def share_of(reference: SharedReference[str]) -> SharedEntry[str]:
    assert reference.entry is not None
    return reference.entry


def test_equal_keys_share() -> None:
    """The first who asks for a key opens the client, all others get that one."""
    table = Table()
    first, second = table.take("a"), table.take("a")
    assert (first.opens, second.opens) == (True, False)
    assert share_of(first) is share_of(second)
    assert share_of(first).references == 2


def test_given_back_once() -> None:
    """Giving back twice does not take the reference of somebody else (B17)."""
    table = Table(idle_ttl=0.0)
    first, second = table.take("a"), table.take("a")
    assert table.back(first)
    assert not table.back(first)
    assert share_of(second).references == 1
    assert table.closed_clients == []
    table.back(second)
    assert table.closed_clients == ["a"]


def test_linger() -> None:
    """A client that nobody has stays for `idle_ttl`, and for good if somebody comes."""
    table = Table()
    table.back(table.take("a"))
    table.now = LINGER - 1
    table.expire(table.now)
    again = table.take("a")
    assert not again.opens
    table.now = 3 * LINGER
    table.expire(table.now)
    table.back(again)
    assert table.closed_clients == []
    assert table.index.next_due(LINGER) == 5.0  # its check; it leaves only later
    table.now = 4 * LINGER
    table.expire(table.now)
    table.close_departed()
    assert table.closed_clients == ["a"]


def test_failed_opening() -> None:
    """All who waited for an opening that failed learn of it, and it leaves nothing (B21)."""
    table = Table(max_clients=1)
    opener, (waiting, line) = table.ask("a")[0], table.ask("a")
    assert line is None
    error = ConnectionError("refused")
    table.failed(share_of(opener), error)
    assert share_of(waiting).error is error
    assert share_of(waiting).gate.is_open
    assert table.back(waiting)
    assert table.back(opener)
    assert table.index.size == 0
    assert table.take("a").opens


def test_interrupted_opening() -> None:
    """When the opener is interrupted, those who waited get no error but another try."""
    table = Table()
    opener, waiting = table.ask("a")[0], table.ask("a")[0]
    table.withdraw(opener, table.now)
    assert share_of(waiting).state is AttemptState.ABANDONED
    assert share_of(waiting).error is None
    table.back(waiting)
    assert table.request("a", waiting) is None
    assert waiting.opens


def test_eviction_takes_the_longest_unused() -> None:
    """At the limit the client that was unused longest leaves; the new one opens when it is closed (F3)."""
    table = Table()
    for key in "ab":
        table.now += 1
        table.back(table.take(key))
    table.now += 1
    table.back(table.take("a"))
    reference, waiter = table.ask("c")
    assert waiter is not None
    assert not waiter.gate.is_open
    table.close_departed()
    assert table.closed_clients == ["b"]
    assert waiter.gate.is_open
    assert table.leave_line(reference)
    assert reference.opens


def test_the_limit_is_one_of_open_clients() -> None:
    """Clients that are retired but in use, or being closed, count against the limit (B20)."""
    table = Table(max_clients=1, idle_ttl=0.0)
    old = table.take("a")
    table.retire(share_of(old), table.now)
    _, waiter = table.ask("a")
    assert waiter is not None
    table.release(old, table.now)
    assert not waiter.gate.is_open
    table.close_departed()
    assert waiter.gate.is_open
    assert table.index.size == 1


def test_first_come_first_served() -> None:
    """Room goes to who waits longest; who leaves the line is passed over."""
    table = Table(max_clients=1, idle_ttl=0.0)
    holder = table.take("a")
    quitter, patient, last = table.ask("b")[0], table.ask("c")[0], table.ask("d")[0]
    assert not table.leave_line(quitter)
    table.back(holder)
    assert (quitter.held, patient.held, last.held) == (False, True, False)
    assert table.waiting == 1


def test_a_grant_that_nobody_wants_goes_on() -> None:
    """Who is granted room and is gone already passes it on."""
    table = Table(max_clients=1, idle_ttl=0.0)
    holder = table.take("a")
    gone, next_one = table.ask("b")[0], table.ask("c")[0]
    table.back(holder)
    assert gone.held
    table.withdraw(gone, table.now)
    assert next_one.held
    assert next_one.opens


def test_waiters_of_one_key_share() -> None:
    """When room comes for a key, all who wait for that key entry it, in whatever place they are."""
    table = Table(max_clients=1, idle_ttl=0.0)
    holder = table.take("a")
    references = [table.ask(key)[0] for key in "bcb"]
    table.back(holder)
    assert [one.held for one in references] == [True, False, True]
    assert [one.opens for one in references] == [True, False, False]


def test_retired_in_use() -> None:
    """A client that is retired in use is closed by the last who gives it back, no sooner (B18)."""
    table = Table(max_clients=3)
    holders = [table.take("a"), table.take("a")]
    table.retire(share_of(holders[0]), table.now)
    assert table.take("a").opens
    table.back(holders[0])
    assert table.closed_clients == []
    table.back(holders[1])
    assert table.closed_clients == ["a"]


def test_late_check() -> None:
    """A check that ends after its client left, or after the end of all, changes nothing (B30)."""
    table = Table(idle_ttl=0.0)
    holder = table.take("a")
    entry = share_of(holder)
    table.now = 5.0
    assert table.due_checks(table.now) == [entry]
    assert table.due_checks(table.now) == []
    table.checked(entry, False, 6.0, check_at=11.0)
    table.now = 11.0
    assert table.due_checks(table.now) == [entry]
    table.back(holder)
    assert table.closed_clients == []  # a check is a use: nobody closes a client beneath it
    table.checked(entry, True, 12.0, check_at=17.0)
    assert (entry.healthy, entry.checked_at) == (False, 6.0)
    table.close_departed()
    assert table.closed_clients == ["a"]

    other = table.take("b")
    table.close(table.now)
    table.checked(share_of(other), False, 13.0, check_at=18.0)
    assert share_of(other).healthy


def test_close() -> None:
    """Closing lets the unused leave, sends the waiting away, and is over when the last client is closed (B19)."""
    table = Table()
    holder = table.take("a")
    table.back(table.take("b"))
    table.take("b")
    _, waiter = table.ask("c")
    table.close(table.now)
    assert waiter is not None
    assert waiter.gate.is_open
    assert not waiter.reference.held
    assert not table.empty.is_open
    table.back(holder)
    table.close(table.now)
    assert table.closed_clients == ["a"]
    assert not table.empty.is_open


def test_an_empty_table_closes_at_once() -> None:
    """With nobody there, closing is over at once, however often it is done."""
    table = Table()
    table.close(0.0)
    table.close(0.0)
    assert table.empty.is_open


@pytest.mark.parametrize("key", ["redis:" + "0123456789abcdef" * 4, "0123456789abcdef"])
def test_short_keys(key: str) -> None:
    """People see the kind and eight characters of a key."""
    assert short_key(key) in ("redis:01234567", "01234567")


class Sharing(RuleBasedStateMachine):
    """Callers ask, get, wait, give up, give back, are interrupted; clients fail, are retired, closed."""

    def __init__(self) -> None:
        super().__init__()
        self.table: SharedClientTable[str] = SharedClientTable(2, LINGER, Gate)
        self.now = 0.0
        self.mine: list[SharedReference[str]] = []
        self.open_clients: set[SharedEntry[str]] = set()

    def pick(
        self, data: st.DataObject, fits: Callable[[SharedReference[str]], Any]
    ) -> SharedReference[str] | None:
        fitting = [reference for reference in self.mine if fits(reference)]
        return data.draw(st.sampled_from(fitting)) if fitting else None

    @rule(key=st.sampled_from(KEYS))
    @precondition(lambda self: not self.table.closed)
    def ask(self, key: str) -> None:
        reference: SharedReference[str] = SharedReference()
        self.table.request(key, reference)
        self.mine.append(reference)

    @rule(data=st.data())
    def open(self, data: st.DataObject) -> None:
        reference = self.pick(data, opening)
        if reference is not None:
            entry = share_of(reference)
            self.open_clients.add(entry)
            self.table.opened(entry, "client", self.now, self.now + 5)

    @rule(data=st.data(), error=st.sampled_from([ConnectionError("down"), None]))
    def fail(self, data: st.DataObject, error: Exception | None) -> None:
        reference = self.pick(data, opening)
        if reference is not None:
            self.table.failed(share_of(reference), error)

    @rule(data=st.data(), twice=st.booleans())
    def give_back(self, data: st.DataObject, twice: bool) -> None:
        reference = self.pick(data, lambda one: one.held and not opening(one))
        if reference is not None:
            before = share_of(reference).references
            assert self.table.release(reference, self.now)
            assert not (twice and self.table.release(reference, self.now))
            assert share_of(reference).references == before - 1
            self.mine.remove(reference)

    @rule(data=st.data())
    def interrupt(self, data: st.DataObject) -> None:
        reference = self.pick(data, lambda _: True)
        if reference is not None:
            self.table.withdraw(reference, self.now)
            self.mine.remove(reference)

    @rule(data=st.data())
    def retire(self, data: st.DataObject) -> None:
        reference = self.pick(data, lambda one: one.held)
        if reference is not None:
            self.table.retire(share_of(reference), self.now)

    @rule(seconds=st.sampled_from([1.0, LINGER]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.table.expire(self.now)
        for entry in self.table.due_checks(self.now):
            self.table.checked(entry, True, self.now, self.now + 5)

    @rule()
    def close_one(self) -> None:
        entry = self.table.index.claim(self)
        if entry is not None:
            self.open_clients.remove(entry)
            self.table.gone(self)

    @rule()
    def close(self) -> None:
        self.table.close(self.now)

    @invariant()
    def counts_are_of_holders(self) -> None:
        """Every count is the number of callers who hold the entry."""
        for entry in {share_of(one) for one in self.mine if one.held} | set(self.table.index):
            held = [one for one in self.mine if one.held and one.entry is entry]
            assert entry.references == len(held)

    @invariant()
    def nothing_in_use_departs(self) -> None:
        """What somebody has is open, or on its way to it; never closed."""
        for one in self.mine:
            if one.held:
                assert not share_of(one).leaving

    @invariant()
    def the_limit_holds(self) -> None:
        """No more clients are open than are allowed, however they came and go."""
        assert len(self.open_clients) <= self.table.index.size <= 2

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Nobody waits while there is room, or could be: an unused client leaves for who waits."""
        if self.table.waiting and not self.table.index.leaving:
            assert self.table.index.size == 2
            assert self.table.index.unused() == []

    def teardown(self) -> None:
        for reference in self.mine:
            self.table.withdraw(reference, self.now)
        self.table.close(self.now)
        while self.table.index.departed:
            self.close_one()
        assert self.table.empty.is_open
        assert self.open_clients == set()


def opening(reference: SharedReference[str]) -> bool:
    return reference.held and reference.opens and share_of(reference).state is AttemptState.RUNNING


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
