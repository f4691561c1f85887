"""What happens to the fleet while callers go on: a rolling restart, and a server that is killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

from connpool_runtime import BreakerState, MemberStats, PoolClosed
from fleet.registry import Registry
from fleet.servers import Servers
from fleet.services import Service

PATIENCE = 30.0  # seconds that a pool has to follow; it takes a fraction of one
POLL = 0.02


class Stage:
    """One service with its servers, and what the registry calls them.

    Args:
        service: as callers see it.
        servers: that it has.
        registry: where they are entered.
    """

    def __init__(self, service: Service, servers: Servers, registry: Registry) -> None:
        self.service = service
        self.servers = servers
        self._registry = registry

    def replace(self, name: str) -> None:
        """Withdraw a server, let its calls end, end it, and start another one in its place."""
        self.servers.withdraw(name)
        self._wait(lambda: self._member(name) is None, f"let {name} go")
        self.servers.stop(name)
        self.servers.start(name)
        self.wait_for(name)

    def kill(self, name: str) -> None:
        """Kill a server under load, and wait until the pool has noticed and ejected it."""
        self.servers.kill(name)
        self._wait(lambda: not self._is_called(name), f"cut {name} off")

    def bury(self, name: str) -> None:
        """Do what a registry does that has noticed the death of a server: forget it."""
        self.servers.withdraw(name)
        self.servers.stop(name)
        self._wait(lambda: self._member(name) is None, f"let {name} go")

    def revive(self, name: str) -> None:
        """Start another server in the place of the dead one."""
        self.servers.start(name)
        self.wait_for(name)

    def wait_for(self, name: str) -> None:
        """Wait until the pool calls a server."""
        self._wait(lambda: self._is_called(name), f"call {name}")

    def _member(self, name: str) -> MemberStats | None:
        wanted = self._registry.member(self.service.name, name)
        members = self.service.pool.stats().members
        return next((member for member in members if member.name == wanted), None)

    def _is_called(self, name: str) -> bool:
        member = self._member(name)
        if member is None or member.leaving:
            return False
        return member.healthy and member.state is BreakerState.CLOSED

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        end = monotonic() + PATIENCE
        while not condition():
            if self.service.pool.closed:  # an interrupt may leave a thread behind that waits here
                raise PoolClosed(f"{self.service.name} is closed")
            if monotonic() > end:
                raise TimeoutError(f"{self.service.name} did not {what} within {PATIENCE:g} s")
            sleep(POLL)


def rolling_restart(stages: Sequence[Stage]) -> None:
    """Replace every server by a new one, as a release does: of each service one at a time."""
    for name in stages[0].servers.names:
        with ThreadPoolExecutor(len(stages)) as releases:
            for release in [releases.submit(stage.replace, name) for stage in stages]:
                release.result()
