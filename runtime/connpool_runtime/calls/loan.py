"""The record of a client lent for longer than a call, used to find leaks."""

from __future__ import annotations

import sys
from types import FrameType

__all__ = ["Loan", "stack_outside_runtime"]

DEPTH = 32  # frames; those farther out say nothing more
_RUNTIME = __file__.rpartition("calls")[0]

Stack = list[tuple[str, int, str]]
"""File, line and function of each frame, innermost first."""


class Loan:
    """Who holds a client, since when, and where it was taken.

    Attributes:
        method: of the call.
        since: in seconds of the pool's clock.
        stack: of the code that took it.
        told: whether a leak was suspected already.
    """

    __slots__ = ("method", "since", "stack", "told")

    def __init__(self, method: str, since: float, stack: Stack) -> None:
        self.method = method
        self.since = since
        self.stack = stack
        self.told = False

    def lines(self) -> tuple[str, ...]:
        """Return the stack as a traceback shows it, innermost last; reads the sources."""
        # imports textwrap, which few programs need
        from traceback import FrameSummary, StackSummary

        frames = [FrameSummary(*frame, lookup_line=False) for frame in reversed(self.stack)]
        return tuple(line.rstrip("\n") for line in StackSummary.from_list(frames).format())


def _current_frame() -> FrameType | None:
    """Return the caller's frame, as `inspect.currentframe`, which imports much.

    It is kept by no variable of the caller beyond its use: a frame in one of its own variables is a cycle.
    """
    return sys._getframe(1)  # pyright: ignore[reportPrivateUsage]  # it is documented


def stack_outside_runtime() -> Stack:
    """Return the caller's stack, without the runtime's frames at its inner end.

    Sources are read only when the stack is shown.
    """
    frame = _current_frame()
    while frame is not None and frame.f_code.co_filename.startswith(_RUNTIME):
        frame = frame.f_back
    stack: Stack = []
    while frame is not None and len(stack) < DEPTH:
        code = frame.f_code
        stack.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return stack
