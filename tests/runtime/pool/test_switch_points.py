"""What the counts on the fast path rely on: statements in which no other thread runs and no interrupt strikes.

With the interpreter lock, threads switch and signal handlers run only where the interpreter looks for
them: at the start of functions, on backward jumps and after calls. The statements named here must have
none of these between their first load and their last store, on the interpreter that runs the test.
"""

import dis
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connpool_runtime import AsyncPool, Pool
from connpool_runtime._concurrency.threads import FREE_THREADED
from connpool_runtime.checkout import async_fast_path, fast_path
from connpool_runtime.clients.source import SingleClient
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member
from connpool_runtime.middleware import MethodBreaker
from connpool_runtime.middleware.concurrency import ConcurrencyLimit
from connpool_runtime.middleware.gradient import Window

# What only moves values; each new interpreter may add names of its own, to be looked up before they are added.
HARMLESS = {
    "BINARY_OP",
    "BUILD_TUPLE",
    "CACHE",
    "COPY",
    "EXTENDED_ARG",
    "LIST_EXTEND",
    "LIST_TO_TUPLE",
    "BUILD_LIST",
    "CALL_INTRINSIC_1",
    "LOAD_ATTR",
    "LOAD_COMMON_CONSTANT",
    "LOAD_CONST",
    "LOAD_DEREF",
    "LOAD_FAST",
    "LOAD_FAST_BORROW",
    "LOAD_FAST_BORROW_LOAD_FAST_BORROW",
    "LOAD_FAST_LOAD_FAST",
    "LOAD_SMALL_INT",
    "NOP",
    "NOT_TAKEN",
    "STORE_ATTR",
    "STORE_FAST",
    "STORE_FAST_LOAD_FAST",
    "STORE_FAST_STORE_FAST",
    "SWAP",
    "UNPACK_SEQUENCE",
}

STATEMENTS = [
    (Pool.call, "member.taken, generation = member.taken + 1, member.fast_generation"),
    (Pool.call, "member.taken, generation = member.taken - 1, member"),
    (Pool.call, "member.served += 1"),
    (AsyncPool.call, "member.taken, generation = member.taken + 1, member.fast_generation"),
    (AsyncPool.call, "member.taken, generation = member.taken - 1, member"),
    (AsyncPool.call, "member.served += 1"),
    *(
        (function, statement)
        for function in (
            Pool._call_in_phases,
            AsyncPool._call_in_phases,
            Pool._attempt,
            AsyncPool._attempt,
        )
        for statement in (
            "member.taken, generation = member.taken + 1, member.fast_generation",
            "member.taken, generation = member.taken - 1, member",
            "member.served += 1",
        )
    ),
    (Pool._call_in_phases, "call_count.calls += 1"),
    (AsyncPool._call_in_phases, "call_count.calls += 1"),
    (MethodBreaker.around, "count.calls += 1"),
    (MethodBreaker.around_async, "count.calls += 1"),
    *(
        (getattr(module, function), statement)
        for module in (fast_path, async_fast_path)
        for function, statement in (
            ("call_single", "member.taken, held = member.taken + 1, True"),
            ("call_single", "member.served, held = member.served + 1, False"),
            (
                "call_stored",
                "member.taken, entry.uses, held = member.taken + 1, entry.uses + 1, True",
            ),
            (
                "call_stored",
                "member.served, entry.uses, held = member.served + 1, entry.uses - 1, False",
            ),
        )
    ),
    (SingleClient.borrow, "owner.taken, borrower.held = owner.taken + 1, True"),
    (SingleClient.give_back, "owner.taken, borrower.held = owner.taken - 1, False"),
    (SingleClient.lend_ready, "owner.taken, borrower.held = owner.taken + 1, True"),
    (SingleClient.take_back_ready, "owner.served, borrower.held = owner.served + 1, False"),
    (
        ClientStore.lend_ready,
        "owner.taken, borrower.held, entry.uses = owner.taken + 1, True, entry.uses + 1",
    ),
    (
        ClientStore.take_back_ready,
        "owner.served, borrower.held, entry.uses = owner.served + 1, False, entry.uses - 1",
    ),
    (
        ClientStore.borrow,
        "owner.taken, borrower.held, entry.uses = owner.taken + 1, True, entry.uses + 1",
    ),
    (Member.count, "self.taken, self.served = self.taken + 1, self.served + 1"),
]


def instructions_of(
    function: Callable[..., Any], statement: str
) -> Iterator[list[dis.Instruction]]:
    """Give the instructions of each line of a function that has a text."""
    source, first = inspect.getsourcelines(function)
    lines = {first + at for at, line in enumerate(source) if line.strip() == statement}
    assert lines, f"{function.__qualname__} has no line {statement!r}"
    found: dict[int, list[dis.Instruction]] = {line: [] for line in lines}
    line = None
    for instruction in dis.get_instructions(function):
        if instruction.starts_line is not None:
            starts: Any = getattr(instruction, "line_number", instruction.starts_line)
            line = starts
        if line in lines:
            found[line].append(instruction)
    yield from found.values()


@pytest.mark.skipif(
    FREE_THREADED, reason="without the interpreter lock every call takes the slow path"
)
@pytest.mark.parametrize(
    ("function", "statement"), STATEMENTS, ids=lambda value: getattr(value, "__qualname__", None)
)
def test_nothing_switches_within(function: Callable[..., Any], statement: str) -> None:
    """Between the first load and the last store of such a statement the interpreter looks at nothing else."""
    for found in instructions_of(function, statement):
        names = [instruction.opname for instruction in found]
        first = next(at for at, name in enumerate(names) if name.startswith("LOAD_"))
        last = max(at for at, name in enumerate(names) if name.startswith("STORE_"))
        assert {name for name in names[first:last] if name not in HARMLESS} == set()
        assert any(name.startswith("STORE_ATTR") for name in names)


BRANCHES = {
    "COMPARE_OP",
    "IS_OP",
    "JUMP_FORWARD",
    "LOAD_GLOBAL",
    "POP_JUMP_FORWARD_IF_FALSE",
    "POP_JUMP_FORWARD_IF_NONE",
    "POP_JUMP_FORWARD_IF_NOT_NONE",
    "POP_JUMP_FORWARD_IF_TRUE",
    "POP_JUMP_IF_FALSE",
    "POP_JUMP_IF_NONE",
    "POP_JUMP_IF_NOT_NONE",
    "POP_JUMP_IF_TRUE",
    "RESUME",
    "RETURN_CONST",
    "RETURN_VALUE",
    "TO_BOOL",
    "UNARY_NOT",
}


# A look and the change that relies on it, in two lines.
LOOKS = [
    (
        "if slots.inside < slots.limit and not slots.waiters and not FREE_THREADED:",
        "slots.inside, inside = slots.inside + 1, True",
    ),
    ("if inside and not slots.waiters:", "slots.inside, inside = slots.inside - 1, False"),
]


@pytest.mark.skipif(FREE_THREADED, reason="without the interpreter lock nobody enters without ours")
@pytest.mark.parametrize("lines", LOOKS, ids=["enter", "leave"])
@pytest.mark.parametrize(
    "function",
    [ConcurrencyLimit.around, ConcurrencyLimit.around_async],
    ids=lambda one: one.__name__,
)
def test_nothing_switches_between_a_look_and_its_change(
    function: Callable[..., Any], lines: tuple[str, str]
) -> None:
    """From the look at who is inside to the change of their number nothing is called, and jumps go only forward."""
    source = [line.strip() for line in inspect.getsource(function).splitlines()]
    assert source[source.index(lines[0]) + 1] == lines[1]
    looks, changes = (list(instructions_of(function, line)) for line in lines)
    for look, change in zip(looks, changes, strict=True):
        names = [one.opname for one in change]
        last = max(at for at, name in enumerate(names) if name.startswith("STORE_"))
        found = [*look, *change[:last]]
        assert {one.opname for one in found} - HARMLESS - BRANCHES == set()
        assert all(one.argval > one.offset for one in found if "JUMP" in one.opname)


@pytest.mark.skipif(
    FREE_THREADED, reason="without the interpreter lock latencies are added under ours"
)
@pytest.mark.parametrize(
    "function", [ConcurrencyLimit.around, ConcurrencyLimit.around_async, Window.add]
)
def test_latencies_are_added_in_one_step(function: Callable[..., Any]) -> None:
    """The count of a window and its sum change together."""
    lines = {line.strip() for line in inspect.getsource(function).splitlines()}
    (statement,) = (one for one in lines if ".count + 1," in one)
    for found in instructions_of(function, statement):
        names = [one.opname for one in found]
        last = max(at for at, name in enumerate(names) if name.startswith("STORE_ATTR"))
        assert set(names[:last]) - HARMLESS == set()


def test_a_call_within_would_be_noticed() -> None:
    """The check fails for a statement with a call between its loads and stores."""

    def careless(member: Any, draw: Callable[[], int]) -> None:
        member.taken, member.held = draw(), True

    (found,) = instructions_of(careless, "member.taken, member.held = draw(), True")
    assert {one.opname for one in found} - HARMLESS
