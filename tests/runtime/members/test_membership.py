"""Who belongs to a pool, and who of them is available."""

import math

import pytest

from connpool_runtime import AllMembersOpen, NoMembers, Outcome, PoolClosed, UnknownMember
from connpool_runtime.breaker.breaker import BreakerSettings
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership

RULES = BreakerSettings(max_fails=1, cooldown=10.0)


def membership(*names: str) -> Membership[str]:
    made = Membership[str]("test")
    for name in names:
        made.add(Member(name, "client", 1, RULES))
    made.refresh()
    return made


def fail(member: Member[str], now: float, error: Exception | None = None) -> None:
    member.breaker.settle(None, member.breaker.generation, Outcome.FAILURE, now, error or OSError())


def available(made: Membership[str]) -> list[str]:
    made.refresh()
    return [member.name for member in made.available]


def test_available_are_those_that_admit_and_stay() -> None:
    """Open and leaving members are no candidates."""
    made = membership("a", "b", "c")
    fail(made.find("a"), 0.0)
    made.find("b").leaving = True
    assert available(made) == ["c"]


def test_the_cause_is_that_of_the_last_to_open() -> None:
    """Not of the one that will be back last: cooldowns are jittered, and grow."""
    made = Membership[str]("test")
    for name, cooldown in (("a", 10.0), ("b", 2.0)):
        made.add(Member(name, "client", 1, BreakerSettings(max_fails=1, cooldown=cooldown)))
    fail(made.find("a"), 0.0, OSError("a"))
    fail(made.find("b"), 1.0, OSError("b"))
    made.refresh()
    assert str(made.refusal(1.0).cause) == "b"


def test_a_half_open_member_is_available_until_its_probes_are_out() -> None:
    """Who may not be called next is no candidate."""
    made = membership("a")
    member = made.find("a")
    fail(member, 0.0)
    member.breaker.wake(10.0)
    assert available(made) == ["a"]
    member.breaker.admit(object(), 10.0)
    assert available(made) == []


def test_it_wakes_for_the_first_who_needs_it() -> None:
    """The earliest end of a cooldown or of a hanging probe; never, when nothing is pending."""
    made = membership("a", "b", "c")
    assert made.wake_at == math.inf
    fail(made.find("b"), 5.0)
    fail(made.find("c"), 3.0)
    made.refresh()
    assert made.wake_at == 13.0
    assert made.due(12.9) == []
    assert [member.name for member in made.due(13.0)] == ["c"]
    assert [member.name for member in made.due(15.0)] == ["b", "c"]


def test_a_leaving_member_does_not_wake_anybody() -> None:
    """Its breaker is of no interest any more."""
    made = membership("a")
    fail(made.find("a"), 0.0)
    made.find("a").leaving = True
    made.refresh()
    assert made.wake_at == math.inf


def test_the_last_one_to_open_gives_the_cause() -> None:
    """Of several causes the latest is reported; one opened by hand has none."""
    made = membership("a", "b", "c")
    fail(made.find("b"), 2.0, OSError("late"))
    fail(made.find("a"), 1.0, OSError("early"))
    made.find("c").breaker.open()
    made.refresh()
    refusal = made.refusal(4.0)
    assert isinstance(refusal, AllMembersOpen)
    assert (str(refusal.cause), refusal.retry_after) == ("late", 7.0)


def test_an_overdue_time_to_retry_is_zero() -> None:
    """It is never negative."""
    made = membership("a")
    fail(made.find("a"), 0.0)
    made.refresh()
    refusal = made.refusal(50.0)
    assert isinstance(refusal, AllMembersOpen)
    assert refusal.retry_after == 0.0


def test_refusals_say_the_most_important_thing() -> None:
    """Closed before empty before open; those that leave are not there."""
    made = membership("a")
    made.find("a").leaving = True
    assert isinstance(made.refusal(0.0), NoMembers)
    made.closed = True
    assert isinstance(made.refusal(0.0), PoolClosed)


def test_names_are_unique_and_findable() -> None:
    """A second member of a name is refused; an unknown name lists the known ones."""
    made = membership("a")
    with pytest.raises(ValueError, match="name 'a' is taken"):
        made.add(Member("a", "other"))
    with pytest.raises(UnknownMember, match="no member 'x'; it has 'a'"):
        made.find("x")
    with pytest.raises(UnknownMember, match="it has none"):
        membership().find("x")


def test_a_member_is_forgotten_once() -> None:
    """Forgetting tells whether it was there, and spares a successor of the same name."""
    made = membership("a")
    first = made.find("a")
    assert made.forget(first)
    made.add(Member("a", "successor"))
    assert not made.forget(first)
    assert made.find("a").client == "successor"


def test_a_closed_pool_takes_nobody() -> None:
    """Adding is refused."""
    made = membership()
    made.closed = True
    with pytest.raises(PoolClosed):
        made.add(Member("a", "client"))
