"""What the end of a call says about the member that ran it."""

from __future__ import annotations

from enum import Enum

__all__ = ["Outcome"]


class Outcome(Enum):
    """Success and failure count for the breaker; neutral does not."""

    SUCCESS = "success"
    FAILURE = "failure"
    NEUTRAL = "neutral"
