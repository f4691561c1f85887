"""The record of a client lent for longer than a call, used to find leaks."""

from __future__ import annotations

from types import FrameType

from connpool_runtime._concurrency.introspection import current_frame

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


def stack_outside_runtime() -> Stack:
    """Return the caller's stack, without the runtime's frames at its inner end.

    Sources are read only when the stack is shown.
    """
    frame: FrameType | None = current_frame()
    while frame is not None and frame.f_code.co_filename.startswith(_RUNTIME):
        frame = frame.f_back
    stack: Stack = []
    while frame is not None and len(stack) < DEPTH:
        code = frame.f_code
        stack.append((code.co_filename, frame.f_lineno, code.co_name))
        frame = frame.f_back
    return stack
