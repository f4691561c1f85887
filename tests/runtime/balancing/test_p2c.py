"""Balancers that look at how busy the members are, with seeded randomness."""

from collections import Counter
from contextlib import nullcontext
from itertools import repeat
from random import Random

import pytest

from connpool_runtime.balancing.base import BalancerContext, Picker
from connpool_runtime.balancing.p2c import SMALL, LeastRequest, Pair
from connpool_runtime.members.member import Member
from tests.runtime.members.groups import group_of


def members(*weights: int) -> list[Member[str]]:
    return [Member(f"m{index}", "client", weight) for index, weight in enumerate(weights)]


def picker(candidates: list[Member[str]], seed: int = 1) -> Picker:
    return LeastRequest(group_of(candidates), context(seed)).pick


def context(seed: int) -> BalancerContext:
    return BalancerContext(Random(seed).random, nullcontext())


def pairs(of: list[Member[str]], seed: int, count: int) -> list[Pair]:
    """Return those that are compared."""
    picker = LeastRequest(group_of(of), context(seed))
    draw = picker._rounds() if len(of) > SMALL else picker._table()
    return [draw() for _ in range(count)]


def test_of_two_the_less_busy_is_taken() -> None:
    """With two members there is one comparison, whatever is drawn."""
    candidates = members(1, 1)
    candidates[0].taken = 1
    pick = picker(candidates)
    assert {pick().name for _ in range(100)} == {"m1"}
    candidates[1].taken = 2
    assert {pick().name for _ in range(100)} == {"m0"}


def test_a_member_that_hangs_is_never_picked_while_others_are_idle() -> None:
    """Two different ones are compared, so a busy member cannot win against itself."""
    candidates = members(1, 1, 1)
    candidates[0].taken = 1
    pick = picker(candidates)
    assert Counter(pick().name for _ in range(3000)).keys() == {"m1", "m2"}


@pytest.mark.parametrize("count", [2, 3, 10, 1000])
def test_idle_members_have_equal_shares(count: int) -> None:
    """Where nothing tells members apart, each gets the same number of calls in a round."""
    candidates = members(*[1] * count)
    pick = picker(candidates)
    shares = Counter(pick().name for _ in range(count * 8))
    assert set(shares.values()) == {8}


@pytest.mark.parametrize("count", [2, 3, 10, SMALL])
def test_the_two_are_never_the_same(count: int) -> None:
    """Drawn without replacement, over the whole table."""
    for one, other in pairs(members(*[1] * count), 7, max(2048, 9 * count)):
        assert one is not other


def test_in_a_large_group_somebody_else_is_asked() -> None:
    """Where a round would compare each with itself, one that hangs is not picked either."""
    candidates = members(*[1] * 100)
    candidates[50].taken = 1
    pick = picker(candidates)
    assert "m50" not in {pick().name for _ in range(100 * 102)}


def test_everybody_meets_everybody_in_a_small_pool() -> None:
    """All ordered pairs occur, about equally often."""
    met = Counter((one.name, other.name) for one, other in pairs(members(1, 1, 1, 1), 3, 1024))
    assert len(met) == 12
    assert max(met.values()) < 2 * min(met.values())


def test_everybody_meets_many_in_a_large_pool() -> None:
    """In a pool of 1,000 each member is compared with about sixteen others in eight rounds."""
    met: dict[str, set[str]] = {}
    for one, other in pairs(members(*[1] * 1000), 3, 8000):
        met.setdefault(one.name, set()).add(other.name)
        met.setdefault(other.name, set()).add(one.name)
    assert min(len(others) for others in met.values()) >= 12


def test_slow_members_get_few_calls() -> None:
    """Ten workers and a member that answers ten times slower: it gets far less than its tenth."""
    candidates = members(*[1] * 10)
    pick = picker(candidates)
    shares: Counter[str] = Counter()
    running: list[tuple[int, Member[str]]] = []
    for now in range(20_000):
        for end, member in [one for one in running if one[0] <= now]:
            running.remove((end, member))
            member.served += 1
        member = pick()
        member.taken += 1
        shares[member.name] += 1
        running.append((now + (100 if member is candidates[0] else 10), member))
    assert shares["m0"] < 20_000 / 10 / 3


def test_weights_are_shares_of_the_calls_in_flight() -> None:
    """A member of weight 3 holds three times as many calls as one of weight 1."""
    candidates = members(3, 1)
    pick = picker(candidates)
    for _ in repeat(None, 400):
        pick().taken += 1
    assert [member.taken for member in candidates] == [300, 100]


def test_an_idle_heavy_member_goes_before_an_idle_light_one() -> None:
    """The call to come is counted as well, or weights would be blind to idle members."""
    pick = picker(members(5, 1))
    assert {pick().name for _ in range(50)} == {"m0"}


def test_another_seed_gives_another_order() -> None:
    """Many clients that start together do not all begin with the same member."""
    candidates = members(*[1] * 50)
    orders = {tuple(picker(candidates, seed)().name for _ in range(50)) for seed in range(5)}
    assert len(orders) == 5
