"""The endpoints that a health monitor watches, their schedules, and how check results change members."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from connpool_runtime._concurrency.forks import keep, new_lock
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.checkout import member_health
from connpool_runtime.checkout.checkout import AnyCheckout
from connpool_runtime.checkout.member_changes import Replacing, change_members
from connpool_runtime.checkout.replacing import replace_client
from connpool_runtime.clients.source import SingleClient
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.events.types import ClientReplaced, ReconnectFailed
from connpool_runtime.health.schedule import HealthChange, HealthSchedule, HealthSettings, NextStep
from connpool_runtime.members.labels import checked_labels
from connpool_runtime.members.member import Member
from connpool_runtime.settings import PoolSettings

__all__ = ["MonitoredPool", "TrackedEndpoint", "TrackedEndpoints", "ClientHandling", "rules_of"]

H = TypeVar("H")
Answer = Callable[[HealthSchedule, float, float], HealthChange]


class MonitoredPool(Protocol):
    """What the monitor of a pool's members needs from the pool."""

    @property
    def name(self) -> str:
        """The name of the pool in errors and events."""
        ...

    @property
    def settings(self) -> PoolSettings:
        """The settings that the pool was made with."""
        ...

    @property
    def members(self) -> tuple[Member[Any], ...]:
        """All members."""
        ...

    def add_client(
        self, client: Any, name: str, /, *, close: Any, validate: Any, labels: Any
    ) -> None:
        """Add a member."""
        ...


@dataclass(frozen=True, slots=True)
class ClientHandling:
    """How a client that a connector opened is closed and validated, and what its drain is waited for at."""

    close: Callable[[], object]
    validate: Callable[[], object]
    new_gate: Callable[[], Any]


class TrackedEndpoint(Generic[H]):
    """One endpoint, with its connector, member and schedule if it has them.

    Arguments:
        endpoint: its address.
        name: of its member.
    """

    def __init__(self, endpoint: str, name: str) -> None:
        self.endpoint = endpoint
        self.name = name
        self.discovered = False  # found by a source, which gives its labels
        self.forgotten = False  # its member is leaving or has left
        self.connector: H | None = None
        self.member: Member[Any] | None = None
        self.schedule: HealthSchedule | None = None
        self.seen = 0  # calls on the member at the last look
        # In a child process, until the monitor's first attempt to connect: whether the member's client was the
        # parent's.
        self.inherited = False


class TrackedEndpoints(Generic[H]):
    """The endpoints of one connector in one pool. The monitor that owns it does the I/O. Safe for threads.

    Args:
        pool: whose members they are.
        checkout: of this pool.
        config: has the intervals.
        endpoints: where they are.
    """

    def __init__(
        self,
        pool: MonitoredPool,
        checkout: AnyCheckout,
        config: ConnectorConfig,
        endpoints: Iterable[str],
    ) -> None:
        self.pool = pool
        self._checkout = checkout
        self.all = {TrackedEndpoint[H](endpoint, endpoint): None for endpoint in endpoints}
        self.clock = pool.settings.clock
        self.random = pool.settings.random
        self._rules = rules_of(config)
        self._config = config
        self._lock = new_lock()  # guards the schedules of all endpoints
        self.stopped = False
        self.checks = Counter(success=0, failure=0)

    def begin(self, endpoint: TrackedEndpoint[H], *, now: bool = False) -> None:
        """Schedule checks of an endpoint that has a client, or attempts to connect for one that has none.

        Arguments:
            endpoint: the endpoint.
            now: whether it is to be connected to at once, whatever it has.
        """
        connected = endpoint.connector is not None
        schedule = HealthSchedule(self._rules, self.clock(), self.random(), connected=connected)
        if now:
            schedule.due_at = self.clock()
        endpoint.schedule = schedule

    def follow_rules(self, config: ConnectorConfig) -> None:
        """Use the intervals and labels of another config."""
        self._rules, before, self._config = rules_of(config), self._config, config
        if config.labels != before.labels:
            self._label_anew()
        for endpoint in tuple(self.all):
            if endpoint.schedule is not None:
                with self._lock:
                    endpoint.schedule.follow_rules(self._rules, self.clock(), self.random())

    def _label_anew(self) -> None:
        """Give the members of the connector's own endpoints the labels of the config."""
        own = [one.name for one in self.all if one.member is not None and not one.discovered]
        changes: list[tuple[str, Replacing]] = [(name, self._labelling(name)) for name in own]
        change_members(self._checkout, place=changes, new_gate=object)

    def _labelling(self, endpoint: str) -> Replacing:
        labels = checked_labels(self._config.labels_of(endpoint))
        return lambda placement: placement._replace(labels=labels)

    def release(self, endpoints: Iterable[TrackedEndpoint[H]], new_gate: Callable[[], Any]) -> None:
        """Drain the members of endpoints: they get no new calls, and their last call closes the client."""
        names = [one.member.name for one in endpoints if one.member is not None]
        change_members(self._checkout, release=names, new_gate=new_gate)

    def adopt(self, endpoint: TrackedEndpoint[H], *, now: bool = False) -> None:
        """Monitor one more endpoint, which has a member already or, with `now`, gets one at once."""
        endpoint.forgotten = False
        self.begin(endpoint, now=now)
        with self._lock:
            self.all[endpoint] = None

    def forget(self, endpoint: TrackedEndpoint[H]) -> None:
        """Stop monitoring an endpoint whose member leaves."""
        with self._lock:
            endpoint.forgotten = True
            self.all.pop(endpoint, None)

    def due(self) -> tuple[list[tuple[TrackedEndpoint[H], NextStep]], float]:
        """Return the steps that are due now, and when the next one will be."""
        now, steps = self.clock(), list[tuple[TrackedEndpoint[H], NextStep]]()
        with self._lock:
            for endpoint in self.all:
                if endpoint.schedule is not None and not self.stopped:
                    step = endpoint.schedule.look(now, self.random(), used=_used(endpoint))
                    if step is not NextStep.WAIT:
                        steps.append((endpoint, step))
            waiting = [
                one.schedule.due_at for one in self.all if one.schedule and not one.schedule.busy
            ]
        return steps, math.inf if self.stopped else min(waiting, default=math.inf)

    def passed(self, endpoint: TrackedEndpoint[H]) -> None:
        """Record that a check passed: the member is healthy."""
        self.checks["success"] += 1
        self._settle(endpoint, None, HealthSchedule.passed)

    def check_failed(self, endpoint: TrackedEndpoint[H], error: BaseException) -> bool:
        """Record that a check failed, which may make the member unhealthy; return whether to open a new client now."""
        self.checks["failure"] += 1
        self._settle(endpoint, error, HealthSchedule.check_failed)
        return endpoint.schedule is not None and endpoint.schedule.busy

    def connect_failed(self, endpoint: TrackedEndpoint[H], error: BaseException) -> None:
        """Record that no new client could be opened, and notify the pool's listeners."""
        change = self._settle(endpoint, error, HealthSchedule.connect_failed)
        attempt = endpoint.schedule.attempts if endpoint.schedule is not None else 0
        event = ReconnectFailed(
            pool=self.pool.name,
            member=endpoint.name,
            attempt=attempt,
            gave_up=change is HealthChange.GAVE_UP,
            cause=without_traceback(error),
        )
        member_health.emit(self._checkout, event)

    def joined(
        self, endpoint: TrackedEndpoint[H], connector: H, client: Any, handling: ClientHandling
    ) -> bool:
        """Add a member for a new client, or replace the client of the endpoint's old member.

        Returns:
            Whether that was done; if not, the endpoint is forgotten, and the client the caller's to close.

        Raises:
            PoolClosed: the pool was closed meanwhile; the client is still the caller's to close.
        """
        replaced = self._replaced(endpoint.member, client, handling)
        if replaced is None and endpoint.forgotten:
            return False
        endpoint.member = replaced or self._added(endpoint.name, client, handling)
        endpoint.connector, endpoint.seen = connector, 0
        if endpoint.schedule is not None:
            self._settle(endpoint, None, HealthSchedule.passed)
            name = endpoint.member.name
            member_health.emit(self._checkout, ClientReplaced(pool=self.pool.name, member=name))
        return True

    def after_fork(
        self, endpoint: TrackedEndpoint[H], handling: ClientHandling, reopen: Callable[[float], Any]
    ) -> None:
        """Let the next call, or the first round of the monitor, open a client for this process.

        Arguments:
            endpoint: whose member has a client of the parent's.
            handling: of the new client.
            reopen: opens it within so many seconds, and calls `reopened`.
        """
        before = endpoint.member
        keep(before, endpoint.connector)
        endpoint.connector, endpoint.seen = None, 0
        endpoint.inherited = before is not None
        there = {member.name: member for member in self.pool.members}
        endpoint.member = member = None if before is None else there.get(before.name)
        if member is not None and isinstance(member.source, SingleClient):
            member.reopen_with(member.source, reopen, handling.close, handling.validate)
        elif before is not None:  # it was removed from the pool by hand
            endpoint.schedule = None
            return
        self.begin(endpoint, now=True)

    def revive(self, start: Callable[[], bool]) -> None:
        """Let a call start the monitor, such as the first one in this process."""
        if not self.stopped:
            self._checkout.state.revivals.append(start)

    def reopening(self, endpoint: TrackedEndpoint[H]) -> Callable[[float], Any] | None:
        """Return the function that opens a client to replace the parent's; None if that is done."""
        member = endpoint.member
        if member is None or not isinstance(member.source, SingleClient):
            return None
        return member.source.reopen

    def reopened(self, endpoint: TrackedEndpoint[H], connector: H, client: Any) -> None:
        """Make the new client available to calls."""
        member, state = endpoint.member, self._checkout.state
        if member is None or not isinstance(member.source, SingleClient):
            return
        with state.after_lock, state.lock:
            member.reopened(member.source, client)
            self._checkout.router.changed_locked(member, member.breaker.state)
        endpoint.connector = connector
        self._settle(endpoint, None, HealthSchedule.passed)

    def _replaced(
        self, old: Member[Any] | None, client: Any, handling: ClientHandling
    ) -> Member[Any] | None:
        if old is None:
            return None
        return replace_client(
            self._checkout,
            old,
            client,
            close=handling.close,
            validate=handling.validate,
            new_gate=handling.new_gate,
        )

    def _added(self, name: str, client: Any, handling: ClientHandling) -> Member[Any]:
        labels = self._config.labels_of(name)
        self.pool.add_client(
            client, name, close=handling.close, validate=handling.validate, labels=labels
        )
        with self._checkout.state.after_lock, self._checkout.state.lock:
            return self._checkout.state.membership.find(name)

    def _settle(
        self, endpoint: TrackedEndpoint[H], error: BaseException | None, answer: Answer
    ) -> HealthChange:
        schedule, member = endpoint.schedule, endpoint.member
        if schedule is None or self.stopped:
            return HealthChange.NOTHING
        with self._lock:
            change = answer(schedule, self.clock(), self.random())
        if member is not None and change is HealthChange.HEALTHY:
            member_health.mark_healthy(self._checkout, member)
        elif member is not None and change is HealthChange.UNHEALTHY and error is not None:
            member_health.mark_unhealthy(self._checkout, member, error)
        return change


def rules_of(config: ConnectorConfig) -> HealthSettings:
    """Return the health settings in a config."""
    return HealthSettings(
        interval=config.health_interval,
        reconnect=config.reconnect,
        first_wait=config.reconnect_interval,
        longest_wait=config.reconnect_max_interval,
        attempts=config.reconnect_attempts,
    )


def _used(endpoint: TrackedEndpoint[Any]) -> bool:
    """Return whether calls ran on the member since the last look, and the member may still get calls."""
    member = endpoint.member
    if member is None:
        return False
    calls, endpoint.seen = endpoint.seen, member.in_flight + member.ended
    return endpoint.seen != calls and member.ready
