"""Which members are candidates: groups and their shares, panic, the cap, subsets, slow starts."""

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connpool_runtime.balancing.balancers import BALANCERS
from connpool_runtime.balancing.groups import draw_group
from connpool_runtime.balancing.picker import PickerFactory
from connpool_runtime.members.eligibility import Eligibility
from connpool_runtime.members.group import Candidates
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership


def members(
    count: int, prefix: str = "m", priority: int = 0, zone: str | None = None
) -> list[Member[Any]]:
    made = [Member(f"{prefix}{index}", "client") for index in range(count)]
    for member in made:
        member.priority, member.zone = priority, zone
    return made


def open_some(of: list[Member[Any]], count: int) -> None:
    for member in of[:count]:
        member.breaker._trip(0.0, False)


def membership_of(
    some: list[Member[Any]], eligibility: Eligibility, now: float = 0.0
) -> Membership[Any]:
    made = Membership[Any]("test", eligibility)
    for member in some:
        made.add(member)
    made.update(now)
    return made


def candidates(some: list[Member[Any]], eligibility: Eligibility, now: float = 0.0) -> Candidates:
    return membership_of(some, eligibility, now).candidates


def shares(found: Candidates) -> list[float]:
    """The shares of the groups, if there are several."""
    return [round(share, 3) for share, _ in found.groups] if len(found.groups) > 1 else []


def names(found: Candidates) -> set[str]:
    return {member.name[0] for member in found}


def test_of_equal_members_those_that_are_ready_are_candidates() -> None:
    """Nothing is grouped where nothing is preferred."""
    some = members(5)
    open_some(some, 2)
    found = candidates(some, Eligibility(), 0.0)
    assert list(found) == some[2:]
    assert [share for share, _ in found.groups] == [1.0]


@pytest.mark.parametrize(
    ("ill", "expected"),
    [(0, []), (2, []), (3, [0.98, 0.02]), (5, [0.7, 0.3]), (9, [0.14, 0.86]), (10, [])],
)
def test_a_share_spills_over_as_the_preferred_group_falls_ill(
    ill: int, expected: list[float]
) -> None:
    """With 1.4 times its usual load allowed, ten members keep all calls until three are out."""
    first, second = members(10, "a"), members(10, "b", priority=1)
    open_some(first, ill)
    found = candidates([*first, *second], Eligibility(), 0.0)
    assert shares(found) == expected
    assert names(found) == ({"a", "b"} if expected else {"b"} if ill == 10 else {"a"})


def test_groups_that_are_too_ill_together_share_in_proportion() -> None:
    """Nobody is left to spill to."""
    first, second = members(10, "a"), members(10, "b", priority=1)
    open_some(first, 8)
    open_some(second, 9)
    assert shares(candidates([*first, *second], Eligibility(), 0.0)) == [0.667, 0.333]


def test_the_own_zone_is_preferred_within_a_priority() -> None:
    """First the own zone, then other zones and none, then the next priority."""
    near, far = members(5, "n", zone="here"), members(5, "f", zone="there")
    nowhere, later = members(5, "o"), members(5, "l", priority=1, zone="here")
    everybody = [*later, *far, *near, *nowhere]
    eligibility = Eligibility(zone="here")
    assert names(candidates(everybody, eligibility)) == {"n"}
    open_some(near, 5)
    assert names(candidates(everybody, eligibility)) == {"f", "o"}
    open_some([*far, *nowhere], 10)
    assert names(candidates(everybody, eligibility)) == {"l"}


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=30))
def test_shares_add_up_and_everybody_in_a_group_is_ready(
    drawn: list[tuple[int, bool]],
) -> None:
    """However ill the groups are; and somebody is a candidate whenever somebody is ready."""
    some = members(len(drawn))
    for member, (level, _) in zip(some, drawn, strict=True):
        member.priority = level
    open_some([member for member, (_, ill) in zip(some, drawn, strict=True) if ill], len(some))
    found = candidates(some, Eligibility(), 0.0)
    assert all(member.ready for member in found)
    assert bool(found) is any(member.ready for member in some)
    if found:
        assert sum(share for share, _ in found.groups) == pytest.approx(1)


@pytest.mark.parametrize(
    ("share", "of", "others_open", "spared"),
    [
        *[(1.0, 3, 2, False), (0.5, 4, 1, False), (0.5, 4, 2, True), (0.5, 3, 1, True)],
        *[(0.1, 3, 0, False), (0.1, 3, 1, True), (0.0, 3, 0, True)],
    ],
)
def test_no_more_than_a_share_is_cut_off(
    share: float, of: int, others_open: int, spared: bool
) -> None:
    """The cap is a share of the members, at least one, or none if it is zero."""
    some = members(of)
    open_some(some, others_open)
    assert membership_of(some, Eligibility(max_ejection_share=share)).is_spared(some[-1]) is spared


def test_those_opened_by_hand_do_not_count_for_the_cap() -> None:
    """They were cut off for another reason."""
    some = members(2)
    some[0].breaker.open()
    assert not membership_of(some, Eligibility(max_ejection_share=0.5)).is_spared(some[1])


@pytest.mark.parametrize(("ill", "panic"), [(0, False), (5, False), (6, True), (10, True)])
def test_panic_is_when_fewer_than_the_share_are_well(ill: int, panic: bool) -> None:
    """Half of ten: five well are enough, four are not."""
    some = members(10)
    open_some(some, ill)
    assert membership_of(some, Eligibility(panic_threshold=0.5)).panic is panic


def chosen(count: int, client: str, of: list[Member[Any]]) -> set[str]:
    eligibility = Eligibility(subset_size=count, client_id=client)
    return {member.name for member in candidates(of, eligibility)}


def test_a_subset_is_the_same_every_time() -> None:
    """For one client, whatever the order of the members."""
    some = members(50)
    assert chosen(5, "client-1", some) == chosen(5, "client-1", some[::-1])
    assert chosen(5, "client-1", some) != chosen(5, "client-2", some)
    assert chosen(99, "client-1", some) == {member.name for member in some}


@given(st.integers(0, 39), st.text(max_size=5))
@settings(deadline=None)
def test_a_member_that_goes_changes_one_of_a_subset_at_most(gone: int, client: str) -> None:
    """Rendezvous hashing moves as little as can be."""
    some = members(40)
    before = chosen(8, client, some)
    after = chosen(8, client, some[:gone] + some[gone + 1 :])
    assert len(before - after) == (1 if some[gone].name in before else 0)


def test_subsets_of_many_clients_use_all_members_about_equally() -> None:
    """No server is nobody's or everybody's."""
    some = members(20)
    used = Counter(name for client in range(200) for name in chosen(5, f"c{client}", some))
    assert len(used) == 20
    assert max(used.values()) < 2 * min(used.values())


def pickers(found: Candidates, name: str, now: float, seed: int = 1) -> Callable[[], Member[Any]]:
    factory = PickerFactory(name, Random(seed).random, nullcontext, clock=lambda: now)
    return factory.picker_locked(found)


@pytest.mark.parametrize("name", BALANCERS)
def test_groups_get_their_shares(name: str) -> None:
    """Whatever the balancer within each of them."""
    first, second = members(10, "a"), members(4, "b", priority=1)
    open_some(first, 5)
    found = candidates([*first, *second], Eligibility(), 0.0)
    pick = pickers(found, name, 0.0)
    picked = Counter(pick().name[0] for _ in range(5000))
    assert abs(picked["a"] - 3500) < 4 * 33
    random = Random(2).random
    drawn = Counter(draw_group(found, random).members[0].name[0] for _ in range(5000))
    assert abs(drawn["a"] - 3500) < 4 * 33


def warming(found: Candidates) -> set[str]:
    return {member.name for member in found if found.is_warming(member)}


@pytest.mark.parametrize("name", BALANCERS)
@pytest.mark.parametrize(("age", "weight"), [(0.0, 0.1), (2.0, 0.1), (10.0, 0.5), (19.0, 0.95)])
def test_a_newcomer_warms_up(name: str, age: float, weight: float) -> None:
    """Its share of the calls is that of its age, with any balancer, and a tenth at least."""
    some = members(4)
    some[0].breaker.closed_at = 100.0
    found = candidates(some, Eligibility(slow_start=20.0), 100.0 + age)
    assert warming(found) == {"m0"}
    pick = pickers(found, name, 100.0 + age)
    picked = Counter(pick().name for _ in range(8000))
    assert picked["m0"] / 8000 == pytest.approx(weight / (3 + weight), abs=0.02)


def test_who_is_warm_is_plain_again() -> None:
    """After the time nothing is left to pay for."""
    some = members(3)
    some[0].breaker.closed_at = 100.0
    assert candidates(some, Eligibility(slow_start=20.0), 120.0).slow_start == 0


def test_when_all_are_new_nobody_warms_up() -> None:
    """There would be nobody to take the calls meanwhile."""
    some = members(3)
    for member in some:
        member.breaker.closed_at = 100.0
    assert candidates(some, Eligibility(slow_start=20.0), 101.0).slow_start == 0


def test_warming_weights_stay_smooth() -> None:
    """Smooth weighting goes on between those that are warm: neither gets two calls more."""
    some = members(3)
    some[0].breaker.closed_at = 100.0
    found = candidates(some, Eligibility(slow_start=20.0), 110.0)
    pick = pickers(found, "weighted_round_robin", 110.0)
    lead = 0
    for _ in range(2000):
        lead += {"m1": 1, "m2": -1}.get(pick().name, 0)
        assert abs(lead) <= 2
