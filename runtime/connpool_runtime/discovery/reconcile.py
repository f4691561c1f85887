"""Compares snapshots of a source: what is new, changed, kept although it vanished, and what may leave.

Time is an argument. What is decided here is carried out by `tracker.py` and the pools.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connpool_runtime.discovery.endpoint import Endpoint
from connpool_runtime.discovery.errors import NoEndpoints

__all__ = ["Changes", "KnownEndpoints", "reconcile", "surplus"]

FLAP_WINDOW = 60.0  # seconds after which it is forgotten that an endpoint came and went
LONGEST_HOLD = 60.0  # the longest time, in seconds, that a flapping endpoint is kept


@dataclass(frozen=True, slots=True)
class Changes:
    """The differences between two snapshots. `moved` and `changed` hold pairs of old and new.

    Attributes:
        added: endpoints of new ids.
        removed: those whose ids are gone.
        moved: of the same id and at another address, so that a new client is needed.
        changed: at the same address, with another weight, zone, priority, tags or metadata.
    """

    added: tuple[Endpoint, ...] = ()
    removed: tuple[Endpoint, ...] = ()
    moved: tuple[tuple[Endpoint, Endpoint], ...] = ()
    changed: tuple[tuple[Endpoint, Endpoint], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.moved or self.changed)


def reconcile(known: Mapping[str, Endpoint], snapshot: Iterable[Endpoint]) -> Changes:
    """Return the differences between the known endpoints, by id, and a snapshot.

    Arguments:
        known: the endpoints so far.
        snapshot: all endpoints that there are now, each id once.
    """
    added: list[Endpoint] = []
    moved: list[tuple[Endpoint, Endpoint]] = []
    changed: list[tuple[Endpoint, Endpoint]] = []
    there = set[str]()
    for endpoint in snapshot:
        there.add(endpoint.id)
        before = known.get(endpoint.id)
        if before is None:
            added.append(endpoint)
        elif before.address != endpoint.address:
            moved.append((before, endpoint))
        elif before != endpoint:
            changed.append((before, endpoint))
    removed = [endpoint for name, endpoint in known.items() if name not in there]
    return Changes(tuple(added), tuple(removed), tuple(moved), tuple(changed))


def surplus(*, wanted: int, joined: int, failed: int, leaving: int) -> int:
    """Return how many leaving members may go before more of the new ones have joined.

    As many leaving members stay as are needed for the pool to have its intended number of members, not
    counting those that could not be opened; all of them stay as long as no new one could be opened.

    Arguments:
        wanted: the number of endpoints that the pool should have.
        joined: how many of these are members.
        failed: how many of these could not be opened when last tried.
        leaving: members whose endpoints are gone.
    """
    if not wanted:
        return leaving
    if not joined:
        return 0
    return min(leaving, max(0, joined + leaving - (wanted - failed)))


@dataclass(slots=True)
class _Departures:
    """How often an endpoint left lately."""

    count: int
    last: float


class KnownEndpoints:
    """The endpoints of one source, as far as its answers are accepted. Not locked.

    Arguments:
        allow_empty: whether an answer without endpoints is believed.
        removal_delay: seconds for which an endpoint must be missing before it is removed.
        flap_delay: the same for one that was removed within the last minute already; twice as long with
            each further time, up to a minute.
        now: the time.
    """

    def __init__(
        self, *, allow_empty: bool, removal_delay: float, flap_delay: float, now: float
    ) -> None:
        self._allow_empty = allow_empty
        self._removal_delay = removal_delay
        self._flap_delay = flap_delay
        self.wanted: dict[str, Endpoint] = {}
        self._missing: dict[str, float] = {}  # when each missing endpoint is to be removed
        self._departures: dict[str, _Departures] = {}
        self._good_at = now  # time of the last accepted answer
        self._failing = True

    def follow_settings(
        self, *, allow_empty: bool, removal_delay: float, flap_delay: float
    ) -> None:
        """Use other settings; endpoints that are missing already are removed at their scheduled time."""
        self._allow_empty, self._removal_delay = allow_empty, removal_delay
        self._flap_delay = flap_delay

    @property
    def next_removal(self) -> float:
        """When the next missing endpoint is to be removed; `inf` if none is missing."""
        return min(self._missing.values(), default=math.inf)

    def stale_for(self, now: float) -> float:
        """Return for how many seconds the source has given no good answer; 0 if the last one was good."""
        return max(0.0, now - self._good_at) if self._failing else 0.0

    def fail(self) -> None:
        """Note that the source failed, or that its answer was rejected; the endpoints are kept."""
        self._failing = True

    def accept(self, snapshot: Iterable[Endpoint], now: float, source: str = "") -> Changes:
        """Accept an answer, and return the immediate changes.

        Arguments:
            snapshot: all endpoints, each id once.
            now: the time.
            source: its name, for the error.

        Raises:
            NoEndpoints: there are none, and `allow_empty` is not set; nothing changes.
        """
        found = tuple(snapshot)
        if not found and not self._allow_empty:
            self._failing = True
            kept = f"the {len(self.wanted)} known ones are kept" if self.wanted else "none is known"
            raise NoEndpoints(
                f"{source} answers that there is no endpoint; {kept}, unless `allow_empty` is set",
                source=source,
            )
        self._failing, self._good_at = False, now
        changes = reconcile(self.wanted, found)
        for endpoint in found:
            self._missing.pop(endpoint.id, None)
        for gone in changes.removed:
            if gone.id not in self._missing:
                self._missing[gone.id] = now + self._hold(gone.id, now)
        self._put(changes)
        return Changes(changes.added, self.remove_due(now), changes.moved, changes.changed)

    def restore(self, snapshot: Iterable[Endpoint], good_at: float) -> Changes:
        """Start with the endpoints of an earlier time, until the source answers."""
        self._good_at = good_at
        changes = reconcile(self.wanted, snapshot)
        self._put(changes)
        return Changes(changes.added, (), changes.moved, changes.changed)

    def remove_due(self, now: float) -> tuple[Endpoint, ...]:
        """Remove the endpoints that have been missing for long enough, and return them."""
        due = [name for name, when in self._missing.items() if when <= now]
        self._forget_old_departures(now)
        for name in due:
            del self._missing[name]
            before = self._departures.get(name)
            self._departures[name] = _Departures(before.count + 1 if before else 1, now)
        return tuple(self.wanted.pop(name) for name in due)

    def _put(self, changes: Changes) -> None:
        for endpoint in changes.added:
            self.wanted[endpoint.id] = endpoint
        for _, endpoint in (*changes.moved, *changes.changed):
            self.wanted[endpoint.id] = endpoint

    def _hold(self, name: str, now: float) -> float:
        before = self._departures.get(name)
        if before is None or now - before.last > FLAP_WINDOW:
            return self._removal_delay
        grown = self._flap_delay * 2.0 ** min(before.count - 1, 10)
        return max(self._removal_delay, min(LONGEST_HOLD, grown))

    def _forget_old_departures(self, now: float) -> None:
        old = [name for name, past in self._departures.items() if now - past.last > FLAP_WINDOW]
        for name in old:
            del self._departures[name]
