"""The line of those who wait for a member."""

from connpool_runtime.calls.lease import Lease, WaitingCall
from connpool_runtime.calls.wait_queue import WaitQueue
from connpool_runtime.errors import PoolError
from connpool_runtime.members.group import Candidates, Group
from connpool_runtime.members.member import Member


def waiter(since: float = 0.0) -> WaitingCall:
    return WaitingCall(Lease[str](), None, since)


def test_the_oldest_is_the_first() -> None:
    """First come, first served; who leaves from the middle is passed over."""
    line, callers = WaitQueue((1.0,)), [waiter() for _ in range(3)]
    for caller in callers:
        line.join(caller)
    anybody = Member("a", "a")
    assert line.first_for(anybody) is callers[0]
    assert line.leave(callers[1])
    line.serve(callers[0], 0.0)
    assert line.first_for(anybody) is callers[2]


def test_leaving_twice_is_harmless() -> None:
    """Tells whether the caller was still there."""
    line, caller = WaitQueue((1.0,)), waiter()
    line.join(caller)
    assert [line.leave(caller), line.leave(caller)] == [True, False]
    assert line.first_for(Member("a", "a")) is None


class Only:
    """The only members that may serve a call."""

    def __init__(self, *members: Member[str]) -> None:
        group = Group()
        for member in members:
            group.add(member)
        self.kind = members
        self._candidates = Candidates(((1.0, group),) if members else ())

    def candidates_locked(self) -> Candidates:
        return self._candidates

    def refusal_locked(self) -> PoolError:
        return PoolError()


def test_a_member_serves_the_oldest_of_those_who_may_have_it() -> None:
    """Who waits for others is passed over, and keeps nobody from a member."""
    line, (a, b) = WaitQueue((1.0,)), (Member("a", "a"), Member("b", "b"))
    a.number, b.number = 1, 2
    first, second = (WaitingCall(Lease[str](), None, 0.0, Only(one)) for one in (b, a))
    line.join(first)
    assert (line.awaits(a), line.awaits(b), line.routed) == (False, True, True)
    line.join(second)
    assert line.first_for(a) is second
    anybody = waiter()
    line.join(anybody)
    line.leave(second)
    assert (line.first_for(a), line.first_for(b), line.routed) == (anybody, first, True)
    line.leave(first)
    assert (line.first_for(b), line.routed) == (anybody, False)


def test_an_interrupt_leaves_nobody_who_has_left() -> None:
    """Who has left the line, and for an interrupt was not struck off everywhere, is not served and takes no place."""
    line, caller, next_one = WaitQueue((1.0,)), waiter(), waiter()
    line.join(caller)
    line.join(next_one)
    del line.waiters[caller]  # all that `leave` has done when an interrupt strikes
    assert line.for_the_same() == [(next_one,)]
    assert line.first_for(Member("a", "a")) is next_one
    line.leave(next_one)
    assert line.for_the_same() == []


def test_only_those_who_were_served_are_measured() -> None:
    """How long one waited who gave up is no waiting time; served twice counts once."""
    line, served, left = WaitQueue((1.0,)), waiter(10.0), waiter(10.0)
    line.join(served)
    line.join(left)
    line.leave(left)
    line.serve(served, 10.5)
    line.serve(served, 11.5)
    assert [bucket.count for bucket in line.waits.buckets] == [1, 0]
    assert line.waits.buckets[0].total == 0.5


def test_a_freed_member_matters_only_if_somebody_waits() -> None:
    """An empty line owes nothing to anybody."""
    line, member = WaitQueue((1.0,)), Member("a", "a")
    line.free(member)
    assert not line.due
    line.join(waiter())
    line.free(member)
    assert line.due
    assert list(line.freed) == [member]


def test_waiting_is_over_with_a_member_or_a_refusal() -> None:
    """One of the two, whatever woke the caller."""
    granted, plain = waiter(), waiter()
    granted.lease.held = True
    assert (granted.over, plain.over) == (True, False)
