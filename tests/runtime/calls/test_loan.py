"""Where a lease was taken, for the message about one that is held for too long."""

import gc
import weakref

from connpool_runtime.calls.loan import stack_outside_runtime


class Thing:
    """Something that a caller has in a variable."""


def call() -> weakref.ref[Thing]:
    thing = Thing()
    assert stack_outside_runtime()[0][2] == "call"
    return weakref.ref(thing)


def test_looking_at_the_stack_keeps_nothing_alive() -> None:
    """What the callers have in their variables goes when they return, and not when garbage is collected next."""
    gc.disable()
    try:
        assert call()() is None
    finally:
        gc.enable()
