"""What a snapshot changes: decisions without a clock."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connpool_runtime.discovery import Endpoint, NoEndpoints
from connpool_runtime.discovery.reconcile import (
    LONGEST_HOLD,
    Changes,
    KnownEndpoints,
    reconcile,
    surplus,
)

endpoint_sets = st.dictionaries(
    st.sampled_from("abcdef"), st.tuples(st.integers(1, 3), st.integers(1, 3))
).map(
    lambda found: {
        name: Endpoint(f"h:{port}", name, weight) for name, (port, weight) in found.items()
    }
)


@given(endpoint_sets, endpoint_sets)
def test_changes_lead_from_one_to_the_other(
    before: dict[str, Endpoint], after: dict[str, Endpoint]
) -> None:
    """Carried out, they make of what is known exactly the snapshot; of the same nothing changes."""
    changes = reconcile(before, after.values())
    made = dict(before)
    for gone in changes.removed:
        del made[gone.id]
    for new in (*changes.added, *(one for _, one in (*changes.moved, *changes.changed))):
        made[new.id] = new
    assert made == after
    assert all(old.address != new.address for old, new in changes.moved)
    assert all(old.address == new.address for old, new in changes.changed)
    assert bool(changes) == (before != after)
    assert not reconcile(after, after.values())


def known(**options: object) -> KnownEndpoints:
    defaults = {"allow_empty": False, "removal_delay": 0.0, "flap_delay": 5.0}
    return KnownEndpoints(**{**defaults, **options}, now=0.0)  # type: ignore[arg-type]


def ids(changes: Changes) -> tuple[list[str], list[str]]:
    return [one.id for one in changes.added], [one.id for one in changes.removed]


A, B = Endpoint("a:1"), Endpoint("b:1")


def test_an_empty_answer_is_not_believed() -> None:
    """What is known stays, and the answer counts as a failure; with `allow_empty` it is believed."""
    state = known()
    state.accept([A], 1.0)
    with pytest.raises(NoEndpoints, match="1 known"):
        state.accept([], 3.0, "registry")
    assert list(state.wanted) == ["a:1"]
    assert state.stale_for(4.0) == 3.0
    believing = known(allow_empty=True)
    believing.accept([A], 1.0)
    assert ids(believing.accept([], 2.0)) == ([], ["a:1"])


def test_the_age_is_that_of_the_last_good_answer() -> None:
    """It is zero as long as answers are good, and begins with the start if there was none."""
    state = known()
    assert state.stale_for(2.0) == 2.0
    state.accept([A], 3.0)
    assert state.stale_for(90.0) == 0.0
    state.fail()
    assert state.stale_for(90.0) == 87.0
    state.accept([A], 91.0)
    assert state.stale_for(92.0) == 0.0


def test_who_is_back_in_time_was_never_gone() -> None:
    """With `removal_delay` an endpoint is removed only after it has been missing for so long."""
    state = known(removal_delay=10.0)
    state.accept([A, B], 0.0)
    assert not state.accept([A], 1.0)
    assert state.next_removal == 11.0
    assert not state.accept([A, B], 2.0)
    assert state.next_removal == math.inf
    assert not state.accept([A], 3.0)
    assert not state.remove_due(12.9)
    assert state.remove_due(13.0) == (B,)
    assert list(state.wanted) == ["a:1"]


def test_who_comes_and_goes_is_kept_longer_each_time() -> None:
    """The first removal is at once, the next is held, and each one after that for twice as long."""
    state = known()
    state.accept([A, B], 0.0)
    assert ids(state.accept([A], 0.0))[1] == ["b:1"]
    now, holds = 0.0, []
    for _ in range(6):
        state.accept([A, B], now)
        assert not state.accept([A], now)
        holds.append(state.next_removal - now)
        now = state.next_removal
        assert state.remove_due(now) == (B,)
    assert holds == [5.0, 10.0, 20.0, 40.0, LONGEST_HOLD, LONGEST_HOLD]
    now += 61.0
    state.accept([A, B], now)
    assert ids(state.accept([A], now))[1] == ["b:1"], "a minute later it is forgotten"


def test_nothing_is_remembered_for_ever() -> None:
    """Endpoints that never come back leave no trace after a minute."""
    state = known()
    for number in range(100):
        state.accept([A, Endpoint(f"x{number}:1")], float(number))
    state.accept([A], 300.0)
    state.remove_due(300.0)
    state.accept([A], 400.0)
    assert state._departures == {}


@pytest.mark.parametrize(
    ("wanted", "joined", "failed", "leaving", "may_leave"),
    [
        (5, 0, 0, 5, 0),  # all are replaced, and no new one is there yet
        (5, 2, 0, 5, 2),  # one for one
        (5, 5, 0, 5, 5),
        (5, 0, 5, 5, 0),  # nothing new can be opened: the old ones are better than none
        (5, 1, 4, 5, 5),  # who could not be opened is not waited for
        (3, 3, 0, 2, 2),  # fewer are wanted
        (0, 0, 0, 4, 4),  # nobody is wanted, and that is believed
        (4, 3, 0, 1, 0),
    ],
)
def test_old_members_stay_until_new_ones_are_there(
    wanted: int, joined: int, failed: int, leaving: int, may_leave: int
) -> None:
    """So many may leave that the pool has as many members as it is to have."""
    found = surplus(wanted=wanted, joined=joined, failed=failed, leaving=leaving)
    assert found == may_leave
