"""What must hold for results that need no event loop: values, iterators, context managers.

Each scenario's docstring is its rule; a broken rule raises Wrong.
"""

from __future__ import annotations

import gc
import inspect
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from types import TracebackType

from tests.conformance.ground import Ground, equal, fail, raised, same
from tests.conformance.kinds import Kind
from tests.conformance.recorder import Sentinel

Scenario = Callable[[Ground], None]


def value_returns(ground: Ground) -> None:
    """A value comes back as it is, and the call is a success."""
    value = Sentinel("value")
    ground.start(lambda: value)
    same("the result", ground.call(), value)
    ground.settled(successes=1)


def value_raises(ground: Ground) -> None:
    """The client's error comes through as it is, and the call is a failure."""
    error = OSError("the client's")
    ground.start(lambda: fail(error))
    raised("the error", error, ground.call)
    ground.settled(failures=1)


def bound_held(ground: Ground) -> None:
    """A value that lives on its connection keeps the member until it is gone."""
    value: Sentinel | None = Sentinel("value")
    reference = weakref.ref(value)
    ground.start(lambda: reference())
    result = ground.call()
    same("the result", result, value)
    ground.busy()
    del value, result
    gc.collect()
    ground.settled(successes=1)


def client_returned(ground: Ground) -> None:
    """For a client that returns itself the wrapper returns itself, and the call is over."""
    ground.start(lambda: ground.client)
    same("the result", ground.call(), ground.wrapper)
    ground.settled(successes=1)


# ---------------------------------------------------------------- iterators


class Items:
    """An iterator as clients write them: not a generator, and told to stop by `close`."""

    def __init__(self, items: list[object], error: Exception | None = None) -> None:
        self.items = iter(items)
        self.error = error
        self.closed = False

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        for item in self.items:
            return item
        if self.error is not None:
            raise self.error
        raise StopIteration

    def close(self) -> None:
        self.closed = True


def produce(
    items: list[object], log: list[object], error: Exception | None = None
) -> Generator[object, object, str]:
    """A generator that logs what is sent to it, and how it ends."""
    try:
        for item in items:
            log.append((yield item))
        if error is not None:
            raise error
    except GeneratorExit:
        log.append("closed")
        raise
    return "the end"


def items_end(ground: Ground) -> None:
    """The member is taken until the last item; then the call is a success."""
    ground.start(lambda: Items([1, 2]))
    items = iter(ground.call())
    equal("the first item", next(items), 1)
    ground.busy()
    equal("the others", list(items), [2])
    ground.settled(successes=1)


def items_raise(ground: Ground) -> None:
    """An error between items comes through, and the call is a failure."""
    error = OSError("the client's")
    ground.start(lambda: Items([1], error))
    items = iter(ground.call())
    next(items)
    raised("the error", error, lambda: next(items))
    ground.settled(failures=1)


def items_closed(ground: Ground) -> None:
    """Closing early closes the client's iterator; after an item the call was a success."""
    source = Items([1, 2])
    ground.start(lambda: source)
    items = ground.call()
    next(items)
    items.close()
    equal("the client's iterator is closed", source.closed, True)
    ground.settled(successes=1)


def items_abandoned(ground: Ground) -> None:
    """Dropping the iterator frees the member."""
    ground.start(lambda: Items([1, 2]))
    items = ground.call()
    next(items)
    ground.busy()
    del items
    gc.collect()
    ground.settled(successes=1)


def opened_at_once(ground: Ground) -> None:
    """A function that returns an iterator runs when it is called."""
    ground.start(lambda: Items([1]))
    items = ground.call()
    equal("calls of the client", len(ground.record.calls), 1)
    items.close()
    ground.settled(neutrals=1)


def opened_late(ground: Ground) -> None:
    """A generator function does not run before the first item is asked for."""
    ground.start(lambda: Items([1]))
    items = ground.call()
    equal("it is a generator", inspect.isgenerator(items), True)
    equal("calls of the client", ground.record.calls, [])
    items.close()
    ground.settled()


def generator_talks(ground: Ground) -> None:
    """What is sent goes to the client's generator."""
    log: list[object] = []
    ground.start(lambda: produce([1, 2], log))
    items = ground.call()
    next(items)
    equal("the answer to what was sent", items.send("sent"), 2)
    equal("the others", list(items), [])
    equal("what the generator got", log, ["sent", None])
    ground.settled(successes=1)


def generator_returns(ground: Ground) -> None:
    """The return value of the client's generator comes back."""
    ground.start(lambda: produce([], []))
    try:
        next(ground.call())
    except StopIteration as end:
        equal("the return value", end.value, "the end")
    ground.settled(successes=1)


def generator_closed(ground: Ground) -> None:
    """Closing early closes the client's generator."""
    log: list[object] = []
    ground.start(lambda: produce([1, 2], log))
    items = ground.call()
    next(items)
    items.close()
    equal("what the generator got", log, ["closed"])
    ground.settled(successes=1)


# ---------------------------------------------------------------- context managers


class Manager(AbstractContextManager[object]):
    """A context manager that remembers what it was told at its end."""

    def __init__(self, value: object, *, suppress: bool = False) -> None:
        self.value = value
        self.suppress = suppress
        self.told: list[object] = []

    def __enter__(self) -> object:
        return self.value

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.told.append(error)
        return self.suppress


def context_ends(ground: Ground) -> None:
    """The member is taken inside the block; then the call is a success."""
    manager = Manager(Sentinel("value"))
    ground.start(lambda: manager)
    with ground.call() as value:
        same("the value", value, manager.value)
        ground.busy()
    equal("what the client's manager was told", manager.told, [None])
    ground.settled(successes=1)


def context_raises(ground: Ground) -> None:
    """An error in the block reaches the client's manager and the caller; it is a failure."""
    manager, error = Manager(1), OSError("the block's")
    ground.start(lambda: manager)

    def block() -> None:
        with ground.call():
            raise error

    raised("the error", error, block)
    equal("what the client's manager was told", manager.told, [error])
    ground.settled(failures=1)


def context_suppresses(ground: Ground) -> None:
    """An error that the client's manager suppresses does not reach the caller."""
    manager = Manager(1, suppress=True)
    ground.start(lambda: manager)
    with ground.call():
        fail(OSError("the block's"))
    ground.free()


def context_abandoned(ground: Ground) -> None:
    """A block that is never left frees the member when it is dropped."""
    ground.start(lambda: Manager(1))
    manager = ground.call()
    manager.__enter__()
    ground.busy()
    del manager
    gc.collect()
    ground.free()


def context_unused(ground: Ground) -> None:
    """A context manager that is never entered takes no member."""
    ground.start(lambda: Manager(1))
    ground.call()
    ground.settled()


ITERATING = (
    items_end,
    items_raise,
    items_closed,
    items_abandoned,
    generator_talks,
    generator_closed,
)
SCENARIOS: dict[Kind, tuple[Scenario, ...]] = {
    Kind.VALUE: (value_returns, value_raises),
    Kind.ANYTHING: (value_returns, value_raises),
    Kind.NEVER: (value_raises,),
    Kind.BOUND: (bound_held, value_raises),
    Kind.CLIENT: (client_returned, bound_held, value_raises),
    Kind.ITERATOR: (*ITERATING, opened_at_once),
    Kind.GENERATOR: (*ITERATING, opened_late),
    Kind.RETURNING_GENERATOR: (*ITERATING, opened_late, generator_returns),
    Kind.CONTEXT: (
        context_ends,
        context_raises,
        context_suppresses,
        context_abandoned,
        context_unused,
    ),
}
