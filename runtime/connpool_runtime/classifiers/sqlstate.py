"""SQLSTATE, the five characters by which PostgreSQL reports what went wrong."""

from __future__ import annotations

from connpool_runtime.classifiers.verdict import (
    MayRetry,
    Verdict,
    answer,
    failure,
    neutral,
    pushed_back,
    unreached,
)

__all__ = ["ANSWER_CLASSES", "STATES", "sqlstate_verdict"]

STATES = {
    # A standby cannot be told from a transaction that its caller made read-only, so the members are compared.
    "25006": None,
    "25P03": neutral("idle too long in a transaction"),
    "53100": failure("disk full"),
    "57014": neutral("query cancelled", MayRetry.YES),
    "57P01": failure("server is shutting down"),
    "57P02": failure("server crashed"),
    "57P03": unreached("server is starting up"),
    "57P05": failure("idle too long"),
    "08001": unreached("connect failed"),
    "08004": unreached("connection rejected"),
    "XX000": None,
}
"""States that say something else than their class does."""

_CLASSES = {
    "08": failure("connection lost"),
    "28": unreached("authentication failed"),
    "53": pushed_back("out of resources"),
    "58": failure("system error"),
    "F0": failure("configuration file error"),
    "XX": failure("data corrupted"),
}

ANSWER_CLASSES = frozenset({
    "02", "03", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23", "24", "25", "26", "27", "2B",
    "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "54", "55", "57", "P0",
})  # fmt: skip
"""The first two characters of states that are about the statement: its data, its rights, other transactions."""


def sqlstate_verdict(state: object) -> Verdict | None:
    """Return the verdict for an SQLSTATE; None for one that is unknown or ambiguous."""
    if not isinstance(state, str) or len(state) != 5:
        return None
    if state in STATES:
        return STATES[state]
    group = state[:2]
    return answer(f"SQLSTATE {state}") if group in ANSWER_CLASSES else _CLASSES.get(group)
