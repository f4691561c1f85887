"""Applying a balancer to one call."""

from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from connpool_runtime import Call, InvalidPick, Method
from connpool_runtime.balancing.balancers import Balancer
from connpool_runtime.balancing.picker import CallPicker, PickerFactory
from connpool_runtime.members.group import Candidates
from connpool_runtime.members.member import Member
from tests.runtime.members.groups import group_of

GET: Method[str, None] = Method("get", lambda client, args: None)

KEYED: Method[str, None] = Method("get", lambda client, args: None, hash_key=0)


def picking(default: str | Balancer = "round_robin", draw: float = 0.0) -> PickerFactory:
    return PickerFactory(default, lambda: draw, nullcontext)


def members(names: str) -> Candidates:
    return Candidates(((1.0, group_of(Member(name, name) for name in names)),))


def call(balancer: str | Balancer | None = None) -> Call:
    made = Call("test", GET)
    made.balancer = balancer
    return made


def test_a_picker_is_made_once_for_the_same_candidates() -> None:
    """The sequence goes on from call to call, and others have their own."""
    one = picking()
    candidates = members("abc")
    assert "".join(one.choose(call(), candidates).name for _ in range(4)) == "abca"
    assert one.picker(candidates) == one.picker(candidates)
    assert one.choose(call(), members("xyz")).name == "x"


def test_every_pick_may_be_guarded() -> None:
    """Where no step is atomic by itself, each is taken under a guard of its picker."""
    held: list[str] = []

    class Guard:
        def __enter__(self) -> None:
            held.append("in")

        def __exit__(self, *_: object) -> None:
            held.append("out")

    one = PickerFactory("round_robin", lambda: 0.0, Guard, guard_all=True)
    assert one.choose(call(), members("ab")).name == "a"
    assert held == ["in", "out"]


def test_each_balancer_has_its_own_sequence() -> None:
    """Calls with another balancer do not disturb the default one's turn."""
    one, candidates = picking(), members("abc")
    names = [one.choose(call(), candidates).name, one.choose(call("random"), candidates).name]
    assert [*names, one.choose(call(), candidates).name] == ["a", "a", "b"]


def test_members_tried_before_are_passed_over() -> None:
    """By drawing again, and by looking for one if the draws do not help."""
    one, candidates = picking("random"), members("abc")
    retried = call()
    for expected in "abc":
        member = one.choose(retried, candidates)
        assert member.name == expected
        retried.begin(member)
    assert one.choose(retried, candidates).name == "a"


def test_draws_are_repeated_before_the_search() -> None:
    """The next draw that meets somebody new is taken, so that retries are spread too."""
    draws = iter([0.0, 0.0, 0.99])
    one, candidates = PickerFactory("random", lambda: next(draws), nullcontext), members("abc")
    retried = call()
    retried.begin(candidates.members[0])
    assert one.choose(retried, candidates).name == "c"


def test_a_function_is_offered_the_untried_first() -> None:
    """And all of them, when all were tried."""
    seen = []

    def first(candidates: object, call: object) -> Member[str]:
        seen.append([member.name for member in candidates])  # type: ignore[attr-defined]
        return candidates[0]  # type: ignore[index, no-any-return]

    one, candidates = picking(first), members("ab")
    assert one.needs_call
    retried = call()
    for _ in range(3):
        retried.begin(one.choose(retried, candidates))
    assert seen == [["a", "b"], ["b"], ["a", "b"]]


def test_a_stranger_is_refused() -> None:
    """Equal names do not make a candidate; the message tells who was to be picked from."""
    one = picking(lambda candidates, call: Member("a", "a"))
    with pytest.raises(InvalidPick, match=r"not one of its candidates \(a, b\)"):
        one.choose(call(), members("ab"))


def call_picker(balancer: str | Balancer, candidates: Candidates) -> CallPicker:
    pick = picking(balancer).call_picker_locked(candidates)
    assert pick is not None
    return pick


def test_a_function_sees_a_whole_call_on_the_fast_path() -> None:
    """What a call records before its first attempt is there, though it is made when looked at."""
    seen: list[Call] = []

    def last(candidates: Sequence[Member[str]], call: Call) -> Member[str]:
        seen.append(call)
        return candidates[-1]

    candidates = members("ab")
    assert call_picker(last, candidates)(KEYED, ("k",)).name == "b"
    (one,) = seen
    assert (one.pool, one.method, one.args, one.key) == ("pool", KEYED, ("k",), "k")
    assert (one.attempt, one.member, one.verdict, list(one.tried)) == (0, None, None, [])


def test_a_stranger_is_refused_on_the_fast_path() -> None:
    """As on the slow path."""
    pick = call_picker(lambda candidates, call: Member("a", "a"), members("ab"))
    with pytest.raises(InvalidPick, match=r"not one of its candidates \(a, b\)"):
        pick(GET, ())


@pytest.mark.parametrize("args", [("key",), (b"key",), (7,), (1.5,), (("a", 1),), ("\ud800",)])
def test_a_key_has_one_member_on_both_paths(args: tuple[object, ...]) -> None:
    """The fast path hashes the commonest keys by itself, to the same point."""
    candidates, one = members("abcdefgh"), picking("consistent_hash")
    fast = one.call_picker_locked(candidates)
    assert fast is not None
    assert fast(KEYED, args) is one.choose(Call("test", KEYED, args), candidates)


@pytest.mark.parametrize("args", [(), (None,)])
def test_a_call_without_a_key_goes_where_least_is_done(args: tuple[object, ...]) -> None:
    """On the fast path as on the slow one."""
    candidates = members("ab")
    candidates.members[0].taken = 1
    assert call_picker("consistent_hash", candidates)(KEYED, args).name == "b"
