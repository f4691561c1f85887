"""What one call of a scripted client does, beside returning a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Fails", "Hangs", "Late", "Slow"]


@dataclass(frozen=True, slots=True)
class Fails:
    """The call raises an error; an exception by itself as a step means the same."""

    error: BaseException


@dataclass(frozen=True, slots=True)
class Hangs:
    """The call waits until `Script.release`, then gives an answer.

    An asynchronous call can be cancelled, as by a `Timeout`, or because it lost a race.
    """

    answer: Any = None


@dataclass(frozen=True, slots=True)
class Late:
    """The same, but ignoring cancellation: its answer comes when no caller waits for it any more."""

    answer: Any = None


@dataclass(frozen=True, slots=True)
class Slow:
    """The call takes so many seconds of the script's clock, then gives an answer."""

    seconds: float
    answer: Any = None
