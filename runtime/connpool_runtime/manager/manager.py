# Made by tools/derive_sync.py from async_manager.py; edit that.
"""Many services in one process: a pool for each, made on demand, for threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from connpool_runtime._concurrency.threads import run_all
from connpool_runtime.manager.base import BaseManager
from connpool_runtime.manager.services import ServiceConfig, read_services
from connpool_runtime.registry.registry import Registry

__all__ = ["Manager"]

P = TypeVar("P")
R = TypeVar("R")


class Manager(BaseManager[P, Registry[P]]):
    """A pool for each service, made when it is first wanted. Safe for threads.

    Arguments:
        build: makes the pool, or the generated wrapper, of a service.
            `services.open_pool` makes a pool of the service's kind.
        services: what is known from the start; `define` adds to it.
        name: what errors call this manager.
        create_timeout: seconds that a caller waits for another one who is building the same pool.
        drain_timeout: seconds that a pool that leaves waits for its calls.

    Raises:
        ConfigConflict: two services have the same name.
        ValueError: a number of seconds is not allowed.
    """

    def __init__(
        self,
        build: Callable[[ServiceConfig], P],
        services: Iterable[ServiceConfig] = (),
        *,
        name: str = "manager",
        create_timeout: float = 30.0,
        drain_timeout: float = 30.0,
    ) -> None:
        registry: Registry[P] = Registry(
            name, create_timeout=create_timeout, drain_timeout=drain_timeout
        )
        super().__init__(registry, services)
        self._build = build

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        build: Callable[[ServiceConfig], P],
        *,
        section: str = "services",
        **options: Any,
    ) -> Self:
        """Make a manager of the services of a file; see `read_services`, and this class for the options."""
        return cls(build, read_services(path, section), **options)

    def get_pool(self, service: str) -> P:
        """Return the pool of a service, building it if there is none; of several callers one builds it.

        Raises:
            NotFound: there is no such service.
            PoolClosed: the manager was stopped.
            AcquireTimeout: another caller was still building it.
            Exception: whatever building it raised.
        """
        config = self.config(service)
        return self._pools.get_or_create(service, lambda: self._build(config))

    def execute(self, service: str, fn: Callable[[Any], R], **options: Any) -> R:
        """Run a function on a client of a service, as one call of its pool.

        Arguments:
            service: whose.
            fn: gets the client; its result is returned.
            options: those of `Pool.execute`.

        Raises:
            TypeError: what was built for the service is neither a pool nor a generated wrapper.
            Exception: what `get_pool` and `Pool.execute` raise.
        """
        pool: Any = self._pool_of(service, self.get_pool(service))
        result: R = pool.execute(fn, **options)
        return result

    def start(self, *services: str) -> None:
        """Build the pools of these services, or of all, at once rather than on demand.

        Raises:
            ExceptionGroup: everything that went wrong; the other pools are there.
        """
        errors = run_all(self.get_pool, services or self.services)
        failed = [error for error in errors if error is not None]
        if failed:
            raise ExceptionGroup(f"starting {self.name!r}", failed)

    def drain(self, service: str, drain_timeout: float | None = None) -> None:
        """Give a service's pool no new calls, wait for those in flight, close it.

        The next `get_pool` builds another one.

        Arguments:
            service: whose.
            drain_timeout: seconds to wait; the manager's if not given.

        Raises:
            NotFound: it has no pool.
            ExceptionGroup: everything that went wrong; it has no pool any more all the same.
        """
        self._pools.remove(service, drain_timeout)

    def stop(self, drain_timeout: float | None = None) -> None:
        """Refuse everything for ever, and drain and close all pools, all at once; again does nothing.

        Arguments:
            drain_timeout: seconds that pools wait for their calls; the manager's if not given.

        Raises:
            ExceptionGroup: everything that went wrong, after all was tried.
        """
        self._pools.close(drain_timeout)

    close = stop

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.stop()
