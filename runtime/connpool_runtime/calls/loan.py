"""What is noted of a client that is lent for longer than a call, to find out who does not give it back."""

from __future__ import annotations

from inspect import currentframe
from types import FrameType

__all__ = ["Loan", "stack_outside_runtime"]

DEPTH = 32  # of a stack: what lies farther out tells nobody anything more
_RUNTIME = __file__.rpartition("calls")[0]

Stack = list[tuple[str, int, str]]
"""File, line and function of each frame, innermost first."""


class Loan:
    """Who has a client, since when, and where it was taken.

    Attributes:
        method: of the call.
        since: in seconds of the pool's clock.
        stack: of who took it.
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
        from traceback import FrameSummary, StackSummary  # imports textwrap, which few need

        frames = [FrameSummary(*frame, lookup_line=False) for frame in reversed(self.stack)]
        return tuple(line.rstrip("\n") for line in StackSummary.from_list(frames).format())


def stack_outside_runtime() -> Stack:
    """Return the stack of the caller, without the frames of the runtime at its inner end.

    Sources are not read: that is left to who looks at it.
    """
    frame: FrameType | None = currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_RUNTIME):
        frame = frame.f_back
    stack: Stack = []
    while frame is not None and len(stack) < DEPTH:
        code = frame.f_code
        stack.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return stack
