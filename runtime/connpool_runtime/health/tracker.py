"""The endpoints of a pool that are looked after, whatever the pool's colour: who they are, and what is due."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from threading import Lock
from typing import Any, Generic, TypeVar

from connpool_runtime.checkout import marking
from connpool_runtime.checkout.engine import Engine
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.events.types import ClientReplaced, ReconnectFailed
from connpool_runtime.health.schedule import Care, HealthRules, Step, Verdict
from connpool_runtime.members.member import Member
from connpool_runtime.pool.base import BasePool

__all__ = ["Ward", "Wards", "rules_of"]

H = TypeVar("H")
Answer = Callable[[Care, float, float], Verdict]


class Ward(Generic[H]):
    """One endpoint: its connector and its member while there are any, and what care it needs."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.connector: H | None = None
        self.member: Member[Any] | None = None
        self.care: Care | None = None
        self.seen = 0  # calls on the member at the last look


class Wards(Generic[H]):
    """The endpoints of one connector in one pool, and the answers of their servers.

    Args:
        pool: whose members they are.
        config: tells the intervals.
        endpoints: where they are.
    """

    def __init__(
        self, pool: BasePool[Any], config: ConnectorConfig, endpoints: Iterable[str]
    ) -> None:
        self.pool = pool
        self.engine: Engine[Any] = pool._engine  # pyright: ignore[reportPrivateUsage]
        self.all = [Ward[H](endpoint) for endpoint in endpoints]
        self.clock = pool.settings.clock
        self.random = pool.settings.random
        self._rules = rules_of(config)
        self._lock = Lock()  # guards the care of all wards
        self.stopped = False

    def begin(self, ward: Ward[H]) -> None:
        """Look after an endpoint from now on, whether or not it has a client."""
        connected = ward.member is not None
        ward.care = Care(self._rules, self.clock(), self.random(), connected=connected)

    def due(self) -> tuple[list[tuple[Ward[H], Step]], float]:
        """Return what is to be done now, and when to look again."""
        now, steps = self.clock(), list[tuple[Ward[H], Step]]()
        with self._lock:
            for ward in self.all:
                if ward.care is not None and not self.stopped:
                    step = ward.care.look(now, self.random(), used=_used(ward))
                    if step is not Step.WAIT:
                        steps.append((ward, step))
            waiting = [one.care.due_at for one in self.all if one.care and not one.care.busy]
        return steps, math.inf if self.stopped else min(waiting, default=math.inf)

    def passed(self, ward: Ward[H]) -> None:
        """A check passed."""
        self._settle(ward, None, Care.passed)

    def check_failed(self, ward: Ward[H], error: BaseException) -> bool:
        """A check failed; tell whether a new client is to be tried now."""
        self._settle(ward, error, Care.check_failed)
        return ward.care is not None and ward.care.busy

    def connect_failed(self, ward: Ward[H], error: BaseException) -> None:
        """No new client could be had."""
        verdict = self._settle(ward, error, Care.connect_failed)
        attempt = ward.care.attempts if ward.care is not None else 0
        event = ReconnectFailed(
            pool=self.pool.name,
            member=ward.endpoint,
            attempt=attempt,
            gave_up=verdict is Verdict.GAVE_UP,
            cause=error,
        )
        marking.tell(self.engine, event)

    def joined(self, ward: Ward[H], connector: H, client: Any, close: Any) -> Member[Any] | None:
        """Make a member of a new client; return the one it replaces, which is to be removed.

        Raises:
            PoolClosed: the pool was closed meanwhile; the client is still the caller's to close.
        """
        old, name = ward.member, self._free_name(ward.endpoint)
        self.pool.add_client(client, name, close=close)
        with self.engine.lock:
            ward.member = self.engine.membership.find(name)
        ward.connector, ward.seen = connector, 0
        if ward.care is not None:
            self._settle(ward, None, Care.passed)
            marking.tell(self.engine, ClientReplaced(pool=self.pool.name, member=name))
        return old

    def _free_name(self, endpoint: str) -> str:
        """Return the endpoint as a name; numbered while the member before has calls to end."""
        taken, name, number = {member.name for member in self.pool.members}, endpoint, 1
        while name in taken:
            number += 1
            name = f"{endpoint}#{number}"
        return name

    def _settle(self, ward: Ward[H], error: BaseException | None, answer: Answer) -> Verdict:
        care, member = ward.care, ward.member
        if care is None or self.stopped:
            return Verdict.NOTHING
        with self._lock:
            verdict = answer(care, self.clock(), self.random())
        if member is not None and verdict is Verdict.LET_BACK:
            marking.let_back(self.engine, member)
        elif member is not None and verdict is Verdict.CUT_OFF and error is not None:
            marking.cut_off(self.engine, member, error)
        return verdict


def rules_of(config: ConnectorConfig) -> HealthRules:
    """Return the numbers of a config."""
    return HealthRules(
        interval=config.health_interval,
        reconnect=config.reconnect,
        first_wait=config.reconnect_interval,
        longest_wait=config.reconnect_max_interval,
        attempts=config.reconnect_attempts,
    )


def _used(ward: Ward[Any]) -> bool:
    """Whether calls ran on the member since the last look, and it still gets some."""
    member = ward.member
    if member is None:
        return False
    calls, ward.seen = ward.seen, member.taken + member.failed + member.neutral
    return ward.seen != calls and member.ready
