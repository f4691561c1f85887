"""The short way of an attempt on members with a limit: what it leaves to the long one."""

from collections import OrderedDict
from typing import Any

import pytest

from connpool_runtime import Method, Outcome, Pool
from connpool_runtime.calls.lease import Lease, WaitingCall
from connpool_runtime.checkout.try_acquire import give_back_success, try_acquire
from tests.runtime.faces import Client

GET = Method[Client, Any]("get", lambda client, _: client.get())


class Attempt:
    """One attempt on a pool of two exclusive members, a and b, of which round robin picks a."""

    def __init__(self) -> None:
        self.pool = Pool[Client]("test", max_concurrency=1, max_fails=1, random=lambda: 0.0)
        for name in "ab":
            self.pool.add_client(Client(name), name)
        self.checkout = self.pool._checkout
        self.members = self.pool.members
        self.call = self.checkout.new_call(GET)
        self.lease = Lease[Client]()
        path = self.checkout.state.locked_fast_path
        assert path is not None
        self.path = path

    def wait_in_line(self) -> None:
        """Somebody waits for a member."""
        waiters = OrderedDict([(WaitingCall(Lease(), None, 0.0), None)])
        self.path = (*self.path[:4], waiters)

    def begin(self) -> bool:
        return try_acquire(self.checkout, self.path, self.lease, self.call)

    def end(self) -> bool:
        return give_back_success(self.checkout, self.path, self.lease, self.call)


def test_a_member_is_taken_and_given_back() -> None:
    """The call knows its member, and its verdict; the member counts a success."""
    attempt = Attempt()
    a, _ = attempt.members
    assert attempt.begin()
    assert (attempt.lease.member, attempt.lease.client) == (a, a.client)
    assert (attempt.call.member, attempt.call.attempt, attempt.call.tried) == (a, 1, [a])
    assert a.in_flight == 1
    assert attempt.end()
    assert (a.in_flight, a.served, attempt.call.outcome) == (0, 1, Outcome.SUCCESS)
    assert not attempt.lease.held


@pytest.mark.parametrize("why", ["who waits comes first", "it is busy", "it is ejected"])
def test_a_member_that_is_not_free_for_the_taking_is_left_to_the_long_way(why: str) -> None:
    """Which begins with the member that was picked."""
    attempt = Attempt()
    a, _ = attempt.members
    if why == "who waits comes first":
        attempt.wait_in_line()
    elif why == "it is busy":
        a.taken += 1
    else:
        a.begin_change()
    assert not attempt.begin()
    assert attempt.call.given is a
    assert not attempt.lease.held
    assert attempt.call.attempt == 0


@pytest.mark.parametrize("why", ["somebody waits", "the breaker has changed"])
def test_a_success_that_something_follows_from_is_left_to_the_recorder(why: str) -> None:
    """Such as handing the member to who waits; the lease is still held."""
    attempt = Attempt()
    a, _ = attempt.members
    assert attempt.begin()
    if why == "somebody waits":
        attempt.wait_in_line()
    else:
        a.begin_change()
    assert not attempt.end()
    assert attempt.lease.held
    assert a.in_flight == 1


def test_another_member_is_taken_than_those_that_were_tried() -> None:
    """If the balancer gives one soon; when all were tried it is left to the long way."""
    attempt = Attempt()
    a, b = attempt.members
    attempt.call.tried = [a]
    assert attempt.begin()
    assert attempt.lease.member is b
    assert attempt.end()
    attempt.lease = Lease()
    assert not attempt.begin()
    assert not attempt.lease.held


def test_a_success_proves_the_unknown_errors_of_other_members() -> None:
    """As on the long way: what failed there and works here was the member's fault."""
    attempt = Attempt()
    a, b = attempt.members
    attempt.call.suspects = [(a, a.breaker.generation, KeyError())]
    attempt.call.tried = [a]
    assert attempt.begin()
    assert attempt.end()
    assert attempt.call.suspects is None
    assert [one.breaker.state.value for one in (a, b)] == ["open", "closed"]
