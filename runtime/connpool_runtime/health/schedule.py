"""Decides when to check an endpoint, what the result means, and when to connect anew.

The numbers are those of Envoy's health checks and gRPC's connection back-off: two checks that fail
make a member unhealthy, one that passes makes it healthy; waits between attempts to connect grow, all
give or take a fifth, so that many clients do not come at once. Time and randomness are arguments;
the owner of a `HealthSchedule` guards it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from connpool_runtime.backoff import growing, jittered

__all__ = ["HealthSchedule", "HealthSettings", "NextStep", "HealthChange"]

UNHEALTHY_AFTER = 2  # failed checks in a row that make a member unhealthy


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSettings:
    """The settings of a schedule.

    Arguments:
        interval: seconds between checks; 0 is never.
        reconnect: whether an unhealthy client is replaced by a new one.
        first_wait: seconds before the second attempt to connect.
        longest_wait: seconds that the growing waits between attempts end at.
        attempts: how many attempts fail before no more are made.
    """

    interval: float = 10.0
    reconnect: bool = True
    first_wait: float = 1.0
    longest_wait: float = 120.0
    attempts: float = math.inf


class NextStep(Enum):
    """What has to be done about an endpoint now."""

    WAIT = "wait"
    CHECK = "check"
    CONNECT = "connect"


class HealthChange(Enum):
    """What a result changes."""

    NOTHING = "nothing"
    UNHEALTHY = "unhealthy"
    HEALTHY = "healthy"
    GAVE_UP = "gave up"


class HealthSchedule:
    """The schedule of one endpoint: whether it has a client, whether that is healthy, when to check again.

    Args:
        rules: the numbers.
        now: the time.
        draw: a random float in [0, 1).
        connected: whether there is a client.
    """

    __slots__ = (
        "_settings",
        "attempts",
        "busy",
        "connect_at",
        "connected",
        "due_at",
        "failed_checks",
        "unhealthy",
    )

    def __init__(self, rules: HealthSettings, now: float, draw: float, *, connected: bool) -> None:
        self._settings = rules
        self.connected = connected
        self.unhealthy = False
        self.failed_checks = 0
        self.attempts = 0
        self.busy = False  # a step has begun and not ended
        self.connect_at = math.inf
        if connected:
            self.due_at = self._next_check(now, draw)
        else:
            self.due_at = self._next_attempt(now, draw)

    def follow_rules(self, rules: HealthSettings, now: float, draw: float) -> None:
        """Use other settings; the next step is due when they say."""
        self._settings = rules
        if self.busy:
            return
        if not self.connected:
            self.connect_at = self.due_at = self._next_attempt(now, draw)
        elif not self.unhealthy:
            self.due_at = self._next_check(now, draw)

    @property
    def gave_up(self) -> bool:
        """Whether no more attempts to connect are made."""
        return self.attempts >= self._settings.attempts

    def look(self, now: float, draw: float, *, used: bool) -> NextStep:
        """Return the step that is due now; the caller takes it and reports its result.

        Args:
            now: the time.
            draw: a random float in [0, 1).
            used: whether calls ran on the member since the last look and it still gets some: then
                they make a check unnecessary.
        """
        if self.busy or now < self.due_at:
            return NextStep.WAIT
        if self.connected and not self.unhealthy and used:
            self.due_at = self._next_check(now, draw)
            return NextStep.WAIT
        self.busy = True
        return NextStep.CHECK if self.connected else NextStep.CONNECT

    def passed(self, now: float, draw: float) -> HealthChange:
        """Record that a check passed, or that a new client was opened and verified."""
        self.busy, self.unhealthy, self.connected = False, False, True
        self.failed_checks = self.attempts = 0
        self.connect_at = math.inf
        self.due_at = self._next_check(now, draw)
        return HealthChange.HEALTHY

    def check_failed(self, now: float, draw: float) -> HealthChange:
        """Record that a check failed. `busy` stays set if a new client is to be opened at once."""
        self.failed_checks += 1
        newly_unhealthy = not self.unhealthy and self.failed_checks >= UNHEALTHY_AFTER
        if newly_unhealthy:
            self.unhealthy, self.connect_at = True, now
        self.busy = self.wants_client(now)
        # Before the next regular check: to confirm the first failure, and not to miss the recovery.
        wait = min(self._settings.interval or math.inf, self._settings.first_wait)
        self.due_at = now + jittered(wait, draw)
        return HealthChange.UNHEALTHY if newly_unhealthy else HealthChange.NOTHING

    def wants_client(self, now: float) -> bool:
        """Return whether to open a new client to replace the unhealthy one."""
        return (
            self.unhealthy
            and self._settings.reconnect
            and not self.gave_up
            and now >= self.connect_at
        )

    def connect_failed(self, now: float, draw: float) -> HealthChange:
        """Record that no new client could be opened."""
        self.busy = False
        self.attempts += 1
        self.connect_at = self._next_attempt(now, draw)
        if self.connected:
            # The old client is still checked meanwhile: many recover by themselves.
            self.due_at = min(self.connect_at, self._next_check(now, draw))
        else:
            self.due_at = self.connect_at
        return HealthChange.GAVE_UP if self.gave_up else HealthChange.NOTHING

    def _next_check(self, now: float, draw: float) -> float:
        interval = self._settings.interval
        return now + jittered(interval, draw) if interval else math.inf

    def _next_attempt(self, now: float, draw: float) -> float:
        if not self._settings.reconnect or self.gave_up:
            return math.inf
        rules = self._settings
        return now + growing(self.attempts + 1, rules.first_wait, rules.longest_wait, draw)
