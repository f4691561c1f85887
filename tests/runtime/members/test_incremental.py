"""A membership that changes step by step is the same as one that is worked out from scratch."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connpool_runtime import Outcome
from connpool_runtime.breaker.breaker import BreakerSettings
from connpool_runtime.members.eligibility import Eligibility
from connpool_runtime.members.group import Group
from connpool_runtime.members.member import Member
from connpool_runtime.members.membership import Membership
from connpool_runtime.members.priority_set import PrioritySet
from tests.runtime.members.recomputed import is_spared, recompute
from tests.thorough import examples

RULES = BreakerSettings(max_fails=1, cooldown=10.0)
ELIGIBILITY = st.builds(
    Eligibility,
    overprovisioning_factor=st.sampled_from([1.0, 1.4, 1.4, 2.0]),
    zone=st.sampled_from([None, "here"]),
    subset_size=st.sampled_from([None, None, 1, 3]),
    client_id=st.sampled_from(["one", "another"]),
    max_ejection_share=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    panic_threshold=st.sampled_from([0.0, 0.5, 0.8]),
    slow_start=st.sampled_from([0.0, 5.0]),
)


class Changes(RuleBasedStateMachine):
    """Members come, fail, are cut off by hand or by health checks, come back, leave; time passes."""

    @initialize(eligibility=ELIGIBILITY)
    def begin(self, eligibility: Eligibility) -> None:
        self.rules = eligibility
        self.membership = Membership[Any]("test", eligibility)
        self.now = 100.0
        self.selected = set[str]()

    def some(self, data: st.DataObject) -> Member[Any]:
        return data.draw(st.sampled_from(self.membership.members))

    def follow(self, *members: Member[Any]) -> None:
        self.membership.update(self.now, *members)

    @rule(
        count=st.integers(1, 4),
        priority=st.integers(0, 2),
        zone=st.sampled_from(["here", "there"]),
        limit=st.sampled_from([float("inf"), float("inf"), 3]),
        role=st.sampled_from(["primary", "replica"]),
    )
    def join(self, count: int, priority: int, zone: str, limit: float, role: str) -> None:
        for _ in range(count):
            member = Member[Any](self.membership.next_name(), "client", 1, RULES, None, limit)
            member.priority, member.zone, member.labels = priority, zone, {"role": role}
            member.breaker.closed_at = self.now
            self.membership.add(member)
        self.follow()

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data(), cause=st.sampled_from([None, OSError()]))
    def check_health(self, data: st.DataObject, cause: OSError | None) -> None:
        (member := self.some(data)).unreachable = cause
        self.follow(member)

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        member = self.some(data)
        breaker, spare = member.breaker, self.membership.is_spared(member)
        breaker.settle(None, breaker.generation, Outcome.FAILURE, self.now, OSError(), spare=spare)
        self.follow(member)

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data())
    def probe(self, data: st.DataObject) -> None:
        member = self.some(data)
        member.breaker.admit(object(), self.now)
        self.follow(member)

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data(), way=st.sampled_from(["open", "reset", "recover"]))
    def force(self, data: st.DataObject, way: str) -> None:
        breaker = (member := self.some(data)).breaker
        {
            "open": breaker.open,
            "reset": breaker.reset,
            "recover": lambda: breaker.recover(self.now),
        }[way]()
        self.follow(member)

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        (member := self.some(data)).leaving = True
        self.follow(member)

    @precondition(lambda self: any(one.leaving for one in self.membership.members))
    @rule()
    def come_back(self) -> None:
        member = next(member for member in self.membership.members if member.leaving)
        member.leaving = False
        self.follow(member)

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data(), weight=st.integers(1, 4))
    def weigh(self, data: st.DataObject, weight: int) -> None:
        member = self.some(data)
        self.membership.weigh(member, weight)
        assert member.weight == weight
        self.follow(member)

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data(), priority=st.integers(0, 2), zone=st.sampled_from(["here", "there"]))
    def move(self, data: st.DataObject, priority: int, zone: str) -> None:
        member = self.some(data)
        member.priority, member.zone = priority, zone
        self.follow(member)

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data(), labels=st.sampled_from([{}, {"role": "primary"}, {"role": "replica"}]))
    def label(self, data: st.DataObject, labels: dict[str, str]) -> None:
        (member := self.some(data)).labels = labels
        self.follow(member)

    @rule(role=st.sampled_from(["primary", "replica", "nobody"]))
    def select(self, role: str) -> None:
        self.membership.select_locked(frozenset({("role", role)}), self.now)
        self.selected.add(role)

    @precondition(lambda self: any(one.leaving for one in self.membership.members))
    @rule()
    def forget(self) -> None:
        gone = next(member for member in self.membership.members if member.leaving)
        assert self.membership.forget(gone)

    @rule(seconds=st.sampled_from([1.0, 5.0, 10.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        for member in self.membership.due(self.now):
            assert member.wake_at <= self.now
            member.wake(self.now)
            self.follow(member)
        self.follow()

    @precondition(lambda self: self.membership.members)
    @rule(data=st.data(), steps=st.integers(0, 12))
    def be_interrupted(self, data: st.DataObject, steps: int) -> None:
        """Break off somewhere within a change; the next look finds what is left to do."""
        member = self.some(data)
        member.unreachable = None if member.unreachable else OSError()
        with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
            left = [steps]
            for owner, name in BREAKABLE:
                patch.setattr(owner, name, breaking(getattr(owner, name), left))
            self.follow(member)
        self.follow(member)

    @invariant()
    def it_is_as_worked_out(self) -> None:
        if not hasattr(self, "membership"):
            return
        membership, members = self.membership, self.membership.members
        right = recompute(members, self.rules, self.now)
        found = membership.candidates
        assert membership.panic is right.panic
        assert list(membership.available if found else ()) == right.available
        assert [share for share, _ in found.groups] == pytest.approx(right.shares)
        assert len(found) == len(right.available)
        assert {one for one in right.available if one.ready} == set(right.available)
        warming = {one for one in right.available if found.is_warming(one)}
        assert (warming if found.slow_start else set()) == right.warming
        assert membership.limited is right.limited
        assert membership.has_roles is any(one.labels for one in members)
        wake_at = right.wake_at
        for role in self.selected:
            alike = [member for member in members if member.labels.get("role") == role]
            right_ones = recompute(alike, self.rules, self.now, panic=right.panic)
            chosen = membership.selected(frozenset({("role", role)}))
            assert chosen is not None
            assert list(chosen.members if chosen else ()) == right_ones.available
            assert [share for share, _ in chosen.groups] == pytest.approx(right_ones.shares)
            assert {one for one in members if chosen.has(one)} == set(right_ones.available)
            wake_at = min(wake_at, right_ones.wake_at)
        assert membership.wake_at == wake_at
        for member in members:
            assert membership.is_spared(member) is is_spared(member, members, self.rules)


BREAKABLE = [
    (Membership, "_count"),
    *((PrioritySet, name) for name in ("follow", "_sum_up", "_enter", "choose")),
    *((Group, name) for name in ("add", "remove")),
]


def breaking(function: Any, left: list[int]) -> Any:
    """Return a function that is broken off, before or after, when `left` is counted down."""

    def broken(*args: Any, **named: Any) -> Any:
        for act in (lambda: None, lambda: function(*args, **named)):
            result = act()
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        return result

    return broken


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=examples(150), stateful_step_count=40, deadline=None)
