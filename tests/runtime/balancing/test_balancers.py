"""The built-in balancers, given candidates and randomness."""

from collections import Counter
from contextlib import nullcontext
from itertools import repeat
from random import Random

import pytest

from connpool_runtime.balancing.balancers import (
    BALANCERS,
    BY_CALL,
    check_balancer,
    check_weight,
    uses_weights,
)
from connpool_runtime.balancing.types import BalancerContext
from connpool_runtime.members.member import Member


def members(*weights: int) -> list[Member[str]]:
    return [Member(chr(97 + index), "client", weight) for index, weight in enumerate(weights)]


def picks(name: str, candidates: list[Member[str]], count: int, seed: int = 1) -> str:
    pick = BALANCERS[name](candidates, BalancerContext(Random(seed).random, nullcontext()))
    return "".join(pick().name for _ in repeat(None, count))


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
    assert picks("round_robin", members(1, 9, 1), 7) == "abcabca"


def test_round_robin_goes_on_where_it_was() -> None:
    """A pool whose members come and go does not start with the first one each time."""
    candidates = members(1, 1, 1)
    candidates[0].taken = 4
    assert picks("round_robin", candidates, 3) == "bca"


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
    pick = BALANCERS[name](candidates, BalancerContext(lambda: draw, nullcontext()))
    assert pick() is (candidates[0] if draw == 0 else candidates[-1])


def test_weighted_round_robin_spreads_the_heavy_member() -> None:
    """The sequence for 5, 1, 1 is nginx's."""
    assert picks("weighted_round_robin", members(5, 1, 1), 14) == "aabacaa" * 2


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 2, 1), (10, 1, 5, 4)])
def test_weighted_round_robin_is_exact_over_a_round(weights: tuple[int, ...]) -> None:
    """In as many picks as the weights add up to, each member has exactly its share."""
    shares = Counter(picks("weighted_round_robin", members(*weights), sum(weights)))
    assert [shares[chr(97 + index)] for index in range(len(weights))] == list(weights)


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


def test_weighted_round_robin_moves_its_credits_under_the_guard() -> None:
    """Its state is several numbers, so each pick takes the guard once (B2)."""
    guard = CountingGuard()
    pick = BALANCERS["weighted_round_robin"](
        members(2, 1), BalancerContext(Random(1).random, guard)
    )
    for _ in range(5):
        pick()
    assert guard.taken == 5
    assert not guard.held


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
