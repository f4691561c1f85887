"""Relative evidence: whether a member gives an unknown error more often than the other members do.

An error that no classifier knows is either about the call (a caller's mistake, a sold-out article) or
about the server. An error about the call comes from all members alike; an error about one server comes from
that server only. So unknown errors are compared between the members, and count against a member only when it
gave at least `least` of them, and the difference can hardly be chance, by one of two rules:

- *run*: its latest calls all ended with the error, and a run of that length is very unlikely at the other
  members' share of such errors;
- *share*: its share of such errors within the window is `EXCESS` above that of the other members together,
  and the likelihood ratio of "this member is different" against "all are alike" (the G-test of two
  proportions) is large.

Both rules require evidence that chance alone produces about once in a million comparisons.

With one member, or with too few calls on the others, there is nothing to compare with: the error is
neutral. Successes cost nothing: the calls of a member are counted anyway, and are read here only when an
unknown error comes in.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

__all__ = ["RelativeEvidence", "differs"]

M = TypeVar("M", bound=Hashable)

CHANCE = 1e-6
# nats; chi-squared with one degree of freedom exceeds twice that by chance once in a million, one-sided
LIKELIHOOD = 11.3
# probability that the true share of the others is higher than the bound assumed for it
DOUBT = 0.05
EXCESS = 0.2  # a member whose share of errors is higher by no more than this is kept
MAX_KINDS = 64  # kinds of errors in a window that are compared
# members whose calls are added up at each comparison; for more members the sum is cached for a while
FEW_MEMBERS = 64
FRESHNESS = 0.01  # share of the window for which the sum is cached


class _Half(Generic[M]):
    """The errors and calls since one moment: half a window."""

    __slots__ = ("baseline", "began", "errors", "total")  # `errors` by kind and member

    def __init__(self, began: float, ended: dict[M, int]) -> None:
        self.began = began
        self.baseline = ended  # how many calls of each member had ended by then
        self.total = sum(ended.values())
        self.errors: dict[Hashable, Counter[M]] = {}


class RelativeEvidence(Generic[M]):
    """Compares the members of a pool by the unknown errors they give. Guarded by the owner's lock.

    Arguments:
        window: seconds that are compared; what is older is forgotten by halves.
        least: errors of one kind within the window below which no member is blamed.
        ended: returns how many calls of each member have ended so far, errors included.
    """

    def __init__(self, window: float, least: int, ended: Callable[[], dict[M, int]]) -> None:
        self._window = window
        self._least = max(1, least)
        self._ended = ended
        self._halves: tuple[_Half[M], ...] = ()
        # when the calls of all members were last added up, and the sum
        self._total = (-math.inf, 0)
        # Of each member: the kind of its latest unknown error, how many of its calls had ended then, the length
        # of the run.
        self._runs: dict[M, tuple[Hashable, int, int]] = {}

    def is_outlier(self, member: M, ended: int, kind: Hashable, now: float) -> bool:
        """Record an unknown error; return whether it counts against the member.

        Arguments:
            member: which gave it.
            ended: how many calls of this member have ended so far, this one included.
            kind: of error; only errors of one kind are compared, as those of a type and a method.
            now: the time.
        """
        halves = self._halves = self._current(now)
        run = self._run(member, ended, kind)
        errors = halves[-1].errors
        if kind not in errors and len(errors) >= MAX_KINDS:
            return False
        errors.setdefault(kind, Counter())[member] += 1
        found = [half.errors[kind] for half in halves if kind in half.errors]
        mine = sum(counted[member] for counted in found)
        if mine < self._least:
            return False
        first = halves[0]
        calls = max(mine, ended - first.baseline.get(member, 0))
        others = sum(counted.total() for counted in found) - mine
        other_calls = max(others, self._all_ended(now) - first.total - calls)
        if other_calls <= 0:
            return False
        return (run >= self._least and _is_long(run, others, other_calls)) or differs(
            mine, calls, others, other_calls
        )

    def _run(self, member: M, ended: int, kind: Hashable) -> int:
        """Return how many of the member's latest calls in a row ended with this kind of error."""
        before, ended_before, run = self._runs.get(member, (kind, 0, 0))
        run = run + 1 if before == kind and ended == ended_before + 1 else 1
        self._runs[member] = (kind, ended, run)
        return run

    def forget(self, member: M) -> None:
        """Forget the errors of a member that was ejected or has left."""
        self._runs.pop(member, None)
        # Its calls are forgotten with its errors, else they would count as successes and make the others look
        # worse.
        ended = self._ended().get(member)
        for half in self._halves:
            if ended is not None:
                half.total += ended - half.baseline.get(member, 0)
                half.baseline[member] = ended
            for counted in half.errors.values():
                del counted[member]

    def _current(self, now: float) -> tuple[_Half[M], ...]:
        """Return the halves inside the window; begin a new one when it is time."""
        halves = self._halves
        if halves and now - halves[-1].began < self._window / 2:
            return halves
        kept = [half for half in halves[-1:] if now - half.began < self._window]
        return (*kept, _Half(now, self._ended()))

    def _all_ended(self, now: float) -> int:
        """Return how many calls of all members have ended.

        An older sum is too small rather than too large, which makes the others look worse.
        """
        taken_at, total = self._total
        few = len(self._halves[0].baseline) <= FEW_MEMBERS
        if few or not taken_at <= now <= taken_at + FRESHNESS * self._window:
            total = sum(self._ended().values())
            self._total = (now, total)
        return total


def _is_long(run: int, others: int, other_calls: int) -> bool:
    """Return whether a run of errors is too long for chance, given how often the other members give this error."""
    share = _upper(others, other_calls)
    return share < 1.0 and run * -math.log(share) >= -math.log(CHANCE)


def _upper(hits: int, calls: int) -> float:
    """Return the upper confidence bound of a share: few calls prove little.

    Exact where there was no hit ("rule of three"), else after Wilson.
    """
    if hits == 0:
        return 1.0 - math.pow(DOUBT, 1.0 / calls)
    z = 1.645  # the quantile of the normal distribution for `DOUBT`, one-sided
    share, square = hits / calls, z * z / calls
    spread = z * math.sqrt(share * (1 - share) / calls + square / (4 * calls))
    return (share + square / 2 + spread) / (1 + square)


def differs(
    mine: int, calls: int, others: int, other_calls: int, *, excess: float = EXCESS
) -> bool:
    """Return whether `mine` errors of `calls` are too many for chance beside `others` of `other_calls`.

    Arguments:
        mine: what one member has, of its `calls`.
        calls: of this member.
        others: what the other members have together, of their `other_calls`.
        other_calls: of these.
        excess: by how much the share must be higher at least.
    """
    share, other_share = mine / calls, others / other_calls
    if share - other_share < excess:
        return False
    together = (mine + others) / (calls + other_calls)
    strength = calls * _divergence(share, together)
    strength += other_calls * _divergence(other_share, together)
    return strength >= LIKELIHOOD


def _divergence(share: float, other: float) -> float:
    """Return the Kullback-Leibler divergence of two shares, in nats."""
    divergence = 0.0
    if share > 0:
        divergence += share * math.log(share / other)
    if share < 1:
        divergence += (1 - share) * math.log((1 - share) / (1 - other))
    return divergence
