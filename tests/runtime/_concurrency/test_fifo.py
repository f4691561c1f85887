"""Slots and their queue."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connpool_runtime._concurrency.fifo import FifoPermits, Permit, PermitState

INSIDE, WAITING, OUTSIDE = PermitState.INSIDE, PermitState.WAITING, PermitState.OUTSIDE
GATE = object()


def test_who_comes_first_is_served_first() -> None:
    """A free slot goes to the oldest waiter, and nobody passes those who wait."""
    slots = FifoPermits(1, 9)
    tickets = [Permit() for _ in range(3)]
    assert [slots.enter(ticket, GATE) for ticket in tickets] == [True] * 3
    assert [ticket.state for ticket in tickets] == [INSIDE, WAITING, WAITING]
    slots.limit = 2
    assert not slots.enter(Permit())
    assert slots.leave(tickets[0]) == tickets[1:]


def test_the_queue_is_bounded() -> None:
    """Beyond it nobody waits."""
    slots = FifoPermits(1, 1)
    assert [slots.enter(Permit(), GATE) for _ in range(3)] == [True, True, False]


def test_who_gave_up_is_passed_over() -> None:
    """The slot goes to the next one who still waits."""
    slots = FifoPermits(1, 9)
    first, gone, last = Permit(), Permit(), Permit()
    for ticket in (first, gone, last):
        slots.enter(ticket, GATE)
    assert slots.leave(gone) == []
    assert slots.leave(first) == [last]
    assert slots.leave(last) == []
    assert (slots.inside, slots.waiting) == (0, 0)


class SlotsMachine(RuleBasedStateMachine):
    """Whatever happens in whatever order, slots are neither lost nor given twice."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = FifoPermits(2, 3)
        self.tickets: list[Permit] = []

    @rule(waits=st.booleans())
    def come(self, waits: bool) -> None:
        ticket = Permit()
        if self.slots.enter(ticket, GATE if waits else None):
            self.tickets.append(ticket)
        else:
            assert ticket.state is OUTSIDE

    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        if self.tickets:
            ticket = data.draw(st.sampled_from(self.tickets))
            waiting = [one for one in self.tickets if one.state is WAITING and one is not ticket]
            admitted = self.slots.leave(ticket)
            assert admitted == waiting[: len(admitted)]
            self.slots.leave(ticket)  # a second time changes nothing

    @rule(limit=st.integers(1, 4))
    def resize(self, limit: int) -> None:
        self.slots.limit = limit
        self.slots.admit()

    @invariant()
    def the_counts_are_true(self) -> None:
        states = [ticket.state for ticket in self.tickets]
        assert self.slots.inside == states.count(INSIDE)
        assert self.slots.waiting == states.count(WAITING) <= 3

    @invariant()
    def nobody_waits_before_a_free_slot(self) -> None:
        assert not self.slots.waiting or self.slots.inside >= self.slots.limit


SlotsMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30)
TestSlots = SlotsMachine.TestCase
