"""Opens the members of a connector, checks idle ones, and replaces clients that stay broken; for tasks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any, Generic, TypeVar, cast

from connpool_runtime._concurrency.forks import renew_after_fork
from connpool_runtime._concurrency.is_async import ASYNC
from connpool_runtime._concurrency.tasks import Gate, Helpers, PeriodicWorker, run_all
from connpool_runtime._log import log_failure
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.connectors.config.base import ConnectorConfig
from connpool_runtime.connectors.config.errors import ConnectorError
from connpool_runtime.connectors.protocols import AsyncConnector
from connpool_runtime.connectors.type_check import check_connector_type
from connpool_runtime.errors import PoolClosed
from connpool_runtime.health.schedule import NextStep
from connpool_runtime.health.tracker import (
    ClientHandling,
    MonitoredPool,
    TrackedEndpoint,
    TrackedEndpoints,
)
from connpool_runtime.members.member import Member

__all__ = ["AsyncHealthMonitor"]

C = TypeVar("C")


_AT_ONCE = 16  # connections opened at a time when a pool starts


class AsyncHealthMonitor(Generic[C]):
    """Keeps the members of one connector in one pool healthy, until the pool is closed.

    A worker looks what is due; each check and each attempt to connect has a task of its own and its
    own deadline, so that a server that hangs keeps no other waiting.

    Args:
        pool: gets a member for each endpoint, named after it.
        checkout: of this pool.
        connector: says how to connect; its own client is not used.
        endpoints: where to; None are those of the connector's config, and if there are none so far,
            `track` brings them.
    """

    def __init__(
        self,
        pool: MonitoredPool,
        checkout: Checkout[C],
        connector: AsyncConnector[C],
        endpoints: Iterable[str] | None = None,
    ) -> None:
        if ASYNC:
            check_connector_type(pool.name, connector, for_tasks=True)
        else:
            check_connector_type(pool.name, connector, for_tasks=False)
        self._connector = connector
        self._pool = pool
        found = connector.config.endpoints if endpoints is None else tuple(endpoints)
        self._endpoints: TrackedEndpoints[AsyncConnector[C]] = TrackedEndpoints(
            pool, checkout, connector.config, connector.config.at(*found).endpoints if found else ()
        )
        name = f"health of {pool.name}"
        self._steps = Helpers(name)
        self._worker = PeriodicWorker(name, self._take_due_steps, self._endpoints.clock)
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Start anew in a child process: clients are reopened there, and nothing is unhealthy."""
        for endpoint in self._endpoints.all:
            connector = self._connector.fresh(endpoint.endpoint)
            reopen = partial(self._reopen, endpoint, connector)
            self._endpoints.after_fork(endpoint, _handling_of(connector), reopen)
        self._endpoints.revive(self._worker.try_start)

    async def open(self) -> None:
        """Connect to all endpoints, several at a time, and monitor them from then on.

        Raises:
            ConnectorError: no endpoint gave a client; those that did not are tried again otherwise.
        """
        endpoints = tuple(self._endpoints.all)
        connectors = [self._connector.fresh(endpoint.endpoint) for endpoint in endpoints]
        kept: list[AsyncConnector[C]] = []
        try:
            errors = await run_all(lambda one: one.connect(), connectors, at_once=_AT_ONCE)
            if None not in errors:
                raise cast("Exception", errors[0])
            # One after the other, so that the members have the order of the endpoints.
            for endpoint, connector, error in zip(endpoints, connectors, errors, strict=True):
                if error is None:
                    self._endpoints.joined(
                        endpoint, connector, connector.client, _handling_of(connector)
                    )
                    kept.append(connector)
                # the connector of a user may raise anything
                elif not isinstance(error, ConnectorError):
                    raise error
        finally:
            for connector in connectors:
                if connector not in kept:
                    await connector.close()
        for endpoint in endpoints:
            self._endpoints.begin(endpoint)
        self._worker.start()

    def track(
        self, name: str, endpoint: str, connector: AsyncConnector[C], member: Member[C]
    ) -> TrackedEndpoint[AsyncConnector[C]]:
        """Monitor one more endpoint, which has a member; return the handle for `forget` and `adopt`.

        Arguments:
            name: of the member.
            endpoint: where a new client is opened, should this one stay broken.
            connector: that opened the member's client.
            member: gets a new client then.
        """
        tracked: TrackedEndpoint[AsyncConnector[C]] = TrackedEndpoint(endpoint, name)
        tracked.connector, tracked.member, tracked.discovered = connector, member, True
        self.adopt(tracked)
        return tracked

    def adopt(self, endpoint: TrackedEndpoint[AsyncConnector[C]]) -> None:
        """Monitor an endpoint whose member has joined or returned."""
        self._endpoints.adopt(endpoint)
        self._wake_worker()

    def forget(self, endpoint: TrackedEndpoint[AsyncConnector[C]]) -> None:
        """Stop monitoring an endpoint whose member leaves."""
        self._endpoints.forget(endpoint)

    @property
    def config(self) -> ConnectorConfig:
        """The config of the connector."""
        return self._connector.config

    def follow_rules(self, connector: AsyncConnector[C]) -> None:
        """Use the intervals of another connector from now on, for checks and for attempts to connect."""
        self._connector = connector
        self._endpoints.follow_rules(connector.config)
        self._worker.wake()

    async def change(self, connector: AsyncConnector[C], *, anew: bool) -> None:
        """Switch to another connector: new endpoints are opened, missing ones drain and leave.

        Calls notice nothing: a new client takes a member's place once it was opened and verified, and the
        old one is closed by the last of its calls. One that could not be opened leaves the old one in its
        place, and is tried again.

        Arguments:
            connector: says how to connect from now on; its own client is not used.
            anew: whether members that stay get new clients, because the old ones were opened otherwise.

        Raises:
            ConnectorError: none of the clients that were to be opened could be; nothing has changed.
            PoolClosed: the pool was closed.
        """
        wanted = dict.fromkeys(connector.config.endpoints)
        there = {endpoint.endpoint: endpoint for endpoint in self._endpoints.all}
        added = [TrackedEndpoint[AsyncConnector[C]](one, one) for one in wanted if one not in there]
        stay = [there[one] for one in wanted if one in there]
        opening = [*added, *(stay if anew else ())]
        errors = await self._open_clients(connector, opening)
        for endpoint, error in zip(opening, errors, strict=True):
            if error is not None:
                # The member goes on until there is a client of the new config.
                endpoint.connector = None
            self._endpoints.adopt(endpoint, now=error is not None)
        gone = [endpoint for name, endpoint in there.items() if name not in wanted]
        for endpoint in gone:
            self._endpoints.forget(endpoint)
        self._endpoints.release(gone, Gate)
        self._wake_worker()

    async def _open_clients(
        self, connector: AsyncConnector[C], opening: list[TrackedEndpoint[AsyncConnector[C]]]
    ) -> list[Exception | None]:
        """Open clients by another connector, and put them into the pool; return the error of each endpoint.

        Raises:
            ConnectorError: none of them could be opened; nothing has changed.
        """
        connectors = [connector.fresh(endpoint.endpoint) for endpoint in opening]
        kept: list[AsyncConnector[C]] = []
        try:
            errors = await run_all(lambda one: one.connect(), connectors, at_once=_AT_ONCE)
            if errors and None not in errors:
                raise cast("Exception", errors[0])
            self.follow_rules(connector)
            for endpoint, opened, error in zip(opening, connectors, errors, strict=True):
                if error is None and self._endpoints.joined(
                    endpoint, opened, opened.client, _handling_of(opened)
                ):
                    kept.append(opened)
        finally:
            for one in connectors:
                if one not in kept:
                    await one.close()
        return errors

    @property
    def checks(self) -> Counter[str]:
        """The number of checks, by "success" and "failure"."""
        return self._endpoints.checks

    def stop(self) -> None:
        """Stop checking for good; running checks are cancelled."""
        self._endpoints.stopped = True
        self._worker.stop()
        self._steps.cancel()

    def _wake_worker(self) -> None:
        if not self._worker.try_start():
            self._endpoints.revive(self._worker.try_start)
        self._worker.wake()

    async def _take_due_steps(self) -> float:
        steps, due = self._endpoints.due()
        for endpoint, step in steps:
            self._steps.start(self._do, endpoint, step)
        return due

    async def _do(self, endpoint: TrackedEndpoint[AsyncConnector[C]], step: NextStep) -> None:
        try:
            if step is NextStep.CONNECT or not await self._check(endpoint):
                await self._reconnect(endpoint)
        except PoolClosed:
            self.stop()
        except BaseException as error:  # the connector of a user may raise anything
            if isinstance(error, Exception):
                log_failure(
                    "monitoring %r of pool %r failed",
                    *(endpoint.endpoint, self._pool.name),
                    event_name="health_check_failed",
                    pool=self._pool.name,
                    member=endpoint.endpoint,
                )
            self._endpoints.connect_failed(endpoint, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._worker.wake()

    async def _check(self, endpoint: TrackedEndpoint[AsyncConnector[C]]) -> bool:
        """Check a member; return whether it may keep its client."""
        connector = endpoint.connector
        assert connector is not None
        try:
            await connector.health_check()
        except ConnectorError as error:
            return not self._endpoints.check_failed(endpoint, error)
        self._endpoints.passed(endpoint)
        return True

    async def _reconnect(self, endpoint: TrackedEndpoint[AsyncConnector[C]]) -> None:
        try:
            await self._connect(endpoint)
        except ConnectorError as error:
            self._endpoints.connect_failed(endpoint, error)

    async def _connect(self, endpoint: TrackedEndpoint[AsyncConnector[C]]) -> None:
        # A check of a client fails when the pool closes it meanwhile; threads go on after `stop`.
        if self._endpoints.stopped:
            return
        inherited, endpoint.inherited = endpoint.inherited, False
        reopen = self._endpoints.reopening(endpoint)
        if reopen is not None:
            await reopen(self._connector.config.connect_timeout)
        if reopen is not None or inherited:  # or a call opened it first
            return
        template = self._connector
        connector = template.fresh(endpoint.endpoint)
        kept = False
        try:
            client = await connector.connect()
            # The config changed meanwhile: the next attempt uses the new one.
            kept = template is self._connector and self._endpoints.joined(
                endpoint, connector, client, _handling_of(connector)
            )
        finally:
            if not kept:
                await connector.close()

    async def _reopen(
        self,
        endpoint: TrackedEndpoint[AsyncConnector[C]],
        connector: AsyncConnector[C],
        limit: float,
    ) -> None:
        """Open a client to replace the parent's; all callers that want it wait for one attempt."""
        client = await connector.connect(min(limit, connector.config.connect_timeout))
        self._endpoints.reopened(endpoint, connector, client)

    def __repr__(self) -> str:
        endpoints = ", ".join(endpoint.endpoint for endpoint in self._endpoints.all)
        return f"<{type(self).__name__} of {self._pool.name!r}: {endpoints}>"


def _handling_of(connector: AsyncConnector[Any]) -> ClientHandling:
    return ClientHandling(connector.close, connector.health_check, Gate)
