"""The built-in balancers, given candidates and randomness."""

import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from itertools import repeat
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connpool_runtime.balancing import weighted
from connpool_runtime.balancing.balancers import (
    BALANCERS,
    BY_CALL,
    check_balancer,
    check_weight,
    uses_weights,
)
from connpool_runtime.balancing.base import BalancerContext, GroupPicker
from connpool_runtime.members.group import Group
from connpool_runtime.members.member import Member
from tests.runtime.members.groups import group_of


def members(*weights: int) -> list[Member[str]]:
    return [Member(chr(97 + index), "client", weight) for index, weight in enumerate(weights)]


def picks(name: str, candidates: list[Member[str]], count: int, seed: int = 1) -> str:
    picker = picker_of(name, group_of(candidates), Random(seed).random)
    return "".join(picker.pick().name for _ in repeat(None, count))


def picker_of(name: str, group: Group, random: Callable[[], float] = lambda: 0.0) -> GroupPicker:
    picker = BALANCERS[name](group, BalancerContext(random, nullcontext()))
    group.pickers[name] = picker
    return picker


@pytest.mark.parametrize("name", BALANCERS)
def test_all_candidates_are_picked_and_no_others(name: str) -> None:
    """Every balancer draws from all of what it is given (B1)."""
    assert set(picks(name, members(1, 1, 1), 300)) == set("abc")


@pytest.mark.parametrize("name", BALANCERS)
def test_the_only_candidate_is_always_picked(name: str) -> None:
    """One healthy member of many gets every call: nobody draws once and gives up (B1)."""
    assert set(picks(name, members(7), 100)) == {"a"}


def test_round_robin_goes_round_and_ignores_weights() -> None:
    """One after the other."""
    pick = picker_of("round_robin", group_of(members(1, 9, 1))).pick
    assert "".join(pick().name for _ in range(7)) == "abcabca"


ROTATING = ["round_robin", "weighted_round_robin"]


@pytest.mark.parametrize("name", ROTATING)
def test_the_first_member_of_many_processes_is_any(name: str) -> None:
    """Each new picker starts at a random place, also when members joined one by one."""
    firsts: Counter[str] = Counter()
    random = Random(1).random
    for _ in range(3000):
        a, b, c = members(1, 1, 1)
        group = group_of([a, b])
        picker = picker_of(name, group, random)
        c.number = 2
        group.add(c)
        firsts[picker.pick().name] += 1
    assert all(abs(count - 1000) < 4 * 26 for count in firsts.values())


@pytest.mark.parametrize("name", ROTATING)
@given(
    data=st.data(),
    weights=st.lists(st.integers(1, 3), min_size=4, max_size=8),
    seed=st.integers(0, 2**16),
)
def test_who_stays_keeps_its_turns(
    name: str, data: st.DataObject, weights: list[int], seed: int
) -> None:
    """However others come and go, two members that stay get the same calls for each unit of weight."""
    weights = weights if name == "weighted_round_robin" else [1] * len(weights)
    everybody = members(*weights)
    group = group_of(everybody)
    picker = picker_of(name, group, Random(seed).random)
    staying, flapping = everybody[:2], everybody[2:]
    away: list[Member[str]] = []
    lead = 0.0
    for _ in range(60):
        if data.draw(st.booleans()):
            one = data.draw(st.sampled_from(flapping))
            if one in away:
                away.remove(one)
                group.add(one)
            else:
                away.append(one)
                group.remove(one)
        picked = picker.pick()
        assert picked not in away
        if picked in staying:
            sign = 1 if picked is staying[0] else -1
            lead += sign / picked.weight
            assert abs(lead) <= 1.5


@pytest.mark.parametrize("weights", [(1,) * 10, (3, 1, 4, 1, 5)])
@pytest.mark.parametrize("every", [2, 3, 7])
def test_a_member_that_flaps_costs_the_others_nothing(weights: tuple[int, ...], every: int) -> None:
    """One of several comes and goes every few calls: the others have their exact shares all the same."""
    *stable, flapping = everybody = members(*weights, 1)
    group = group_of(everybody)
    pick, there = picker_of("weighted_round_robin", group, Random(1).random), True
    shares: Counter[str] = Counter()
    for call in range(100 * sum(weights)):
        if call % every == 0:
            (group.remove if there else group.add)(flapping)
            there = not there
        shares[pick.pick().name] += 1
    turns = [shares[member.name] / member.weight for member in stable]
    assert max(turns) - min(turns) <= 1


def test_a_round_too_long_to_write_out_is_as_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The turns in a heap are those of the round that is written out, also after changes."""
    sequences = []
    for most in (weighted.MOST_TURNS, 3):
        monkeypatch.setattr(weighted, "MOST_TURNS", most)
        everybody = members(5, 1, 3, 2)
        group = group_of(everybody)
        picker = picker_of("weighted_round_robin", group)
        picked = [picker.pick().name for _ in range(25)]
        group.remove(everybody[2])
        picked += [picker.pick().name for _ in range(20)]
        group.add(everybody[2])
        picked += [picker.pick().name for _ in range(25)]
        sequences.append("".join(picked))
    assert sequences[0] == sequences[1]


def test_a_round_is_written_out_again_when_it_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Growing past the limit and shrinking again changes nobody's share."""
    monkeypatch.setattr(weighted, "MOST_TURNS", 12)
    everybody = members(2, 2, 2, 2, 2, 2, 2)
    group = group_of(everybody)
    picker = picker_of("weighted_round_robin", group, Random(1).random)
    for leaving in everybody[3:]:
        group.remove(leaving)
        shares = Counter(picker.pick().name for _ in range(2 * group.size))
        assert set(shares.values()) == {2}
        assert len(shares) == group.size


def test_random_is_even() -> None:
    """Equal chances, within four standard deviations."""
    shares = Counter(picks("random", members(1, 9, 1), 9000))
    assert all(abs(count - 3000) < 4 * 45 for count in shares.values())


def test_weighted_random_keeps_the_proportions() -> None:
    """Chances in proportion to the weights, within four standard deviations."""
    shares = Counter(picks("weighted_random", members(1, 2, 7), 10000))
    assert abs(shares["a"] - 1000) < 4 * 30
    assert abs(shares["b"] - 2000) < 4 * 40
    assert abs(shares["c"] - 7000) < 4 * 46


@pytest.mark.parametrize("draw", [0.0, 1 - 2**-53])
@pytest.mark.parametrize("name", ["random", "weighted_random"])
def test_the_ends_of_the_random_range_pick_somebody(name: str, draw: float) -> None:
    """The smallest and the largest draw are the first and the last member."""
    candidates = members(1, 2, 3)
    pick = picker_of(name, group_of(candidates), lambda: draw).pick
    assert pick() is (candidates[0] if draw == 0 else candidates[-1])


def test_weighted_round_robin_spreads_everybody() -> None:
    """The heavy member has no more turns in a row than it must, nor have the light ones."""
    pick = picker_of("weighted_round_robin", group_of(members(5, 1, 1))).pick
    assert "".join(pick().name for _ in range(14)) == "abaaaca" * 2


@pytest.mark.parametrize("weights", [(1, 2, 1), (3, 2, 1), (10, 1, 5, 4), (1,) * 100, (7, 3) * 20])
def test_weighted_round_robin_is_even_at_any_time(weights: tuple[int, ...]) -> None:
    """In any stretch of calls a member has its share, give or take a few calls."""
    everybody = members(*weights)
    picker, total = picker_of("weighted_round_robin", group_of(everybody)), sum(weights)
    shares: Counter[Member[str]] = Counter()
    for calls in range(1, total + 1):
        shares[picker.pick()] += 1
        assert all(abs(shares[one] - one.weight * calls / total) < 2 for one in everybody)


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 2, 1), (10, 1, 5, 4), (5000, 3, 1)])
def test_weighted_round_robin_is_exact_over_a_round(weights: tuple[int, ...]) -> None:
    """In as many picks as the weights add up to, each member has exactly its share."""
    shares = Counter(picks("weighted_round_robin", members(*weights), sum(weights)))
    assert [shares[chr(97 + index)] for index in range(len(weights))] == list(weights)


@pytest.mark.parametrize("name", BALANCERS)
def test_what_a_member_costs_does_not_depend_on_its_weight(name: str) -> None:
    """Nothing is written out for each unit of a weight: a weight of 200,000 takes no 100 kB."""
    light, heavy, late = members(1, 200_000, 200_000)
    tracemalloc.start()
    try:
        group = group_of([light, heavy])
        picker = picker_of(name, group, Random(1).random)
        group.add(late)
        group.remove(heavy)
        assert {picker.pick(), picker.pick()} <= {light, late}
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


class CountingGuard:
    """Tells whether it is held, and how often it was taken."""

    taken = 0
    held = False

    def __enter__(self) -> None:
        assert not self.held
        self.held = True
        self.taken += 1

    def __exit__(self, *_: object) -> None:
        self.held = False


def test_the_turns_of_a_long_round_move_under_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    """A heap is more than one atomic step, so each pick takes the guard once (B2)."""
    monkeypatch.setattr(weighted, "MOST_TURNS", 2)
    guard = CountingGuard()
    context = BalancerContext(Random(1).random, guard)
    picker = BALANCERS["weighted_round_robin"](group_of(members(2, 1)), context)
    for _ in range(5):
        picker.pick()
    assert guard.taken == 5
    assert not guard.held


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize("count", [1, 5, 150])
@given(seed=st.integers(0, 2**16))
@settings(max_examples=20)
def test_only_members_of_the_group_are_picked(name: str, count: int, seed: int) -> None:
    """Whoever has left is never picked, and whoever is there is, after any changes."""
    draw, everybody = Random(seed), members(*[1 + index % 3 for index in range(count)])
    group = group_of(everybody)
    for _ in range(40):
        one = draw.choice(everybody)
        there = one in group.members and group.size > 0
        (group.remove if there else group.add)(one)
        if group.size:
            picker = group.pickers.get(name) or picker_of(name, group, draw.random)
            assert {picker.pick() for _ in range(5)} <= set(group.members)
    missing = set(group.members) if group.size else set()
    for _ in range(100 * count):
        if missing:
            missing.discard(picked := group.pickers[name].pick())
            picked.taken += 1
    assert not missing


@pytest.mark.parametrize("wanted", [*BALANCERS, *BY_CALL, lambda candidates, call: candidates[0]])
def test_names_and_functions_are_balancers(wanted: object) -> None:
    """Known names and functions pass."""
    check_balancer(wanted)


@pytest.mark.parametrize(
    ("wanted", "hint"), [("roundrobin", "did you mean 'round_robin'"), ("zzz", "'zzz'"), (3, "3")]
)
def test_an_unknown_balancer_is_refused_with_the_known_names(wanted: object, hint: str) -> None:
    """The message names the setting, the value, what is allowed and the nearest name."""
    with pytest.raises(
        ValueError, match=r"balancer must be 'round_robin', .* or a function"
    ) as caught:
        check_balancer(wanted)
    assert hint in str(caught.value)


@pytest.mark.parametrize("name", BALANCERS)
def test_those_that_ignore_weights_are_known(name: str) -> None:
    """A balancer uses weights if and only if a heavier member gets more of the calls."""
    candidates = members(1, 9)
    for member in candidates:
        member.taken = 1  # in flight, so that the busier one can be told for its weight
    shares = Counter(picks(name, candidates, 2000))
    assert uses_weights(name) == (shares["b"] > 1400)


def test_a_function_may_use_weights() -> None:
    """Nobody knows what it looks at; a ring of hashes has more points for a heavier member."""
    check_weight(7, "consistent_hash")
    check_weight(7, lambda members, call: members[0])


def test_a_weight_that_is_ignored_is_refused() -> None:
    """The message names those that know weights."""
    check_weight(1, "round_robin")
    check_weight(2, "least_request")
    with pytest.raises(ValueError, match=r"^weight must be 1 with .*'random'.*'weighted_random'"):
        check_weight(2, "random")


@pytest.mark.parametrize(
    ("balancer", "most"), [("weighted_random", 10**9), ("consistent_hash", 1000)]
)
def test_a_weight_that_is_too_large_is_refused(balancer: str, most: int) -> None:
    """The message names the balancer and its largest weight, which passes."""
    check_weight(most, balancer)
    with pytest.raises(ValueError, match=f"^weight must be at most {most:,} with .*'{balancer}'"):
        check_weight(most + 1, balancer)
