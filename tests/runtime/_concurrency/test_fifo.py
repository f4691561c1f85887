"""Lines of waiters, and permits that are handed over along them."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connpool_runtime._concurrency.fifo import FifoPermits, Permit, PermitState, WaitLine
from tests.thorough import examples

INSIDE, WAITING, OUTSIDE = PermitState.INSIDE, PermitState.WAITING, PermitState.OUTSIDE


class Gate:
    """Tells how often it was opened."""

    def __init__(self) -> None:
        self.opened = 0

    def open(self) -> None:
        self.opened += 1


class Waiter:
    def __init__(self, name: str) -> None:
        self.name = name
        self.gate = Gate()


def line_of(names: str) -> tuple[WaitLine[Waiter], list[Waiter]]:
    line: WaitLine[Waiter] = WaitLine()
    waiters = [Waiter(name) for name in names]
    for waiter in waiters:
        line.join(waiter)
    return line, waiters


def woken(waiters: list[Waiter]) -> str:
    assert all(waiter.gate.opened <= 1 for waiter in waiters)
    return "".join(waiter.name for waiter in waiters if waiter.gate.opened)


def test_a_line_is_served_in_its_order() -> None:
    """Serving ends at the first who cannot be served, although others could."""
    line, waiters = line_of("abcd")
    line.leave(waiters[1])
    line.leave(waiters[1])  # a second time changes nothing
    line.serve(lambda waiter: waiter.name != "c")
    assert woken(waiters) == "a"
    assert [waiter.name for waiter in line] == ["c", "d"]


def test_a_line_may_be_served_past_who_cannot_be() -> None:
    """Where waiters want different things, those who can be served are, in their order."""
    line, waiters = line_of("abcd")
    asked: list[str] = []

    def grant(waiter: Waiter) -> bool:
        asked.append(waiter.name)
        return waiter.name in "bd"

    line.serve_any(grant)
    assert asked == list("abcd")
    assert woken(waiters) == "bd"
    assert len(line) == 2
    line.dismiss()
    assert woken(waiters) == "abcd"
    assert len(line) == 0


def test_an_interrupted_grant_is_asked_for_again() -> None:
    """A waiter stays in line until it is woken, so what an interrupt left over can be done again."""
    line, waiters = line_of("a")

    def interrupted(_waiter: Waiter) -> bool:
        raise KeyboardInterrupt

    try:
        line.serve(interrupted)
    except KeyboardInterrupt:
        assert len(line) == 1
    line.serve(lambda _: True)
    assert woken(waiters) == "a"


def test_who_comes_first_is_served_first() -> None:
    """A free slot goes to the oldest waiter, and nobody passes those who wait."""
    slots = FifoPermits(1, 9)
    tickets = [Permit() for _ in range(3)]
    gates = [Gate() for _ in tickets]
    assert [slots.enter(*pair) for pair in zip(tickets, gates, strict=True)] == [True] * 3
    assert [ticket.state for ticket in tickets] == [INSIDE, WAITING, WAITING]
    slots.limit = 2
    assert not slots.enter(Permit())
    slots.leave(tickets[0])
    assert [ticket.state for ticket in tickets] == [OUTSIDE, INSIDE, INSIDE]
    assert [gate.opened for gate in gates] == [0, 1, 1]


def test_the_queue_is_bounded() -> None:
    """Beyond it nobody waits."""
    slots = FifoPermits(1, 1)
    assert [slots.enter(Permit(), Gate()) for _ in range(3)] == [True, True, False]


def test_who_gave_up_is_passed_over() -> None:
    """The slot goes to the next one who still waits."""
    slots = FifoPermits(1, 9)
    first, gone, last = Permit(), Permit(), Permit()
    for ticket in (first, gone, last):
        slots.enter(ticket, Gate())
    slots.leave(gone)
    assert (first.state, last.state) == (INSIDE, WAITING)
    slots.leave(first)
    assert (gone.state, last.state) == (OUTSIDE, INSIDE)
    assert (gone.gate.opened, last.gate.opened) == (0, 1)
    slots.leave(last)
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
        if self.slots.enter(ticket, Gate() if waits else None):
            self.tickets.append(ticket)
        else:
            assert ticket.state is OUTSIDE

    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        if self.tickets:
            ticket = data.draw(st.sampled_from(self.tickets))
            waiting = [one for one in self.tickets if one.state is WAITING and one is not ticket]
            self.slots.leave(ticket)
            admitted = [one for one in waiting if one.state is INSIDE]
            assert admitted == waiting[: len(admitted)]
            assert [one.gate.opened for one in waiting] == [one.state is INSIDE for one in waiting]
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


SlotsMachine.TestCase.settings = settings(max_examples=examples(50), stateful_step_count=30)
TestSlots = SlotsMachine.TestCase
