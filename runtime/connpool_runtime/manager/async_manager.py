"""Many services in one process, with a pool for each, built on demand; for tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any, Self, TypeVar

from connpool_runtime._concurrency.tasks import (
    Helpers,
    new_mutex,
    on_signal,
    resolve,
    run_all,
    sleep,
    to_thread,
)
from connpool_runtime._log import log_failure
from connpool_runtime.checkout.time_limit import TimeLimit
from connpool_runtime.config.config import Config
from connpool_runtime.config.differences import (
    ServiceDifference,
    difference_of,
    service_difference,
)
from connpool_runtime.config.loading import read_config
from connpool_runtime.config.sections import ReloadSettings
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.discovery.async_file_changes import signature_of
from connpool_runtime.errors import NotFound, PoolClosed
from connpool_runtime.manager.async_config_watch import AsyncConfigWatch
from connpool_runtime.manager.async_pool_changes import change_pool, give_middleware
from connpool_runtime.manager.base import BaseManager
from connpool_runtime.manager.reload import ReloadResult
from connpool_runtime.registry.async_registry import AsyncRegistry
from connpool_runtime.registry.resources import close_resource, pool_in

__all__ = ["AsyncManager"]

HANDOVER = 1.0
"""Seconds for which a pool that was built anew still takes the calls of those who had asked for it before."""

P = TypeVar("P")
R = TypeVar("R")


class AsyncManager(BaseManager[P, AsyncRegistry[P]]):
    """One pool for each service, built when it is first needed. For the tasks of one event loop.

    Arguments:
        build: makes the pool, or the generated wrapper, of a service; may be a coroutine function.
            `services.open_async_pool` makes a pool of the service's kind.
        services: what is known from the start; `define` adds to it.
        name: what errors call this manager.
        create_timeout: seconds that a caller waits while another caller builds the same pool.
        drain_timeout: seconds that a pool that leaves waits for its calls.
        read: returns the config as it is now, for `reload`; `from_file` gives one.

    Raises:
        ConfigConflict: two services have the same name.
        ValueError: a number of seconds is not allowed.
    """

    def __init__(
        self,
        build: Callable[[ServiceConfig], Awaitable[P] | P],
        services: Iterable[ServiceConfig] = (),
        *,
        name: str = "manager",
        create_timeout: float = 30.0,
        drain_timeout: float = 30.0,
        read: Callable[[], Config] | None = None,
    ) -> None:
        registry: AsyncRegistry[P] = AsyncRegistry(
            name, create_timeout=create_timeout, drain_timeout=drain_timeout
        )
        super().__init__(registry, services, read)
        self._build = build
        self._reloading = new_mutex()
        self._leaving = Helpers(f"draining of {name!r}")
        self._watch: AsyncConfigWatch | None = None
        self._all_started = False
        self._changed_now: dict[str, P] = {}  # by the reload that runs

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        build: Callable[[ServiceConfig], Awaitable[P] | P],
        *,
        section: str = "services",
        env: str = "",
        environ: Mapping[str, str] | None = None,
        arguments: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Self:
        """Create a manager for the services of a file, which `reload` reads again.

        Arguments:
            path: the file; see `read_config` for this and the next four.
            build: makes the pool of a service.
            section: the key of the services in the file.
            env: the prefix of the environment variables that override the file.
            environ: the variables.
            arguments: values that override both, by key path.
            options: `name`, `create_timeout`, `drain_timeout`: they go before the file's section `manager`.

        Raises:
            InvalidConfigFile: something is wrong; the message has all of it.
            OSError: the file cannot be read.
        """
        given = {f"manager.{name}": value for name, value in options.items()} if section else {}
        read = partial(
            read_config,
            path,
            section=section,
            env=env,
            environ=environ,
            arguments={**given, **(arguments or {})},
        )
        seen = signature_of(Path(path))  # first: what is written while the file is read is a change
        config = read()
        chosen: dict[str, Any] = options if not section else config.manager.options()
        manager = cls(build, config.services.values(), read=read, **chosen)
        manager._begin_with(config, seen)
        manager._export_to(config.metrics)
        return manager

    async def get_pool(self, service: str) -> P:
        """Return the pool of a service, building it if there is none; of several callers, one builds it.

        Raises:
            NotFound: there is no such service.
            PoolClosed: the manager was stopped.
            AcquireTimeout: another caller was still building it.
            Exception: whatever building it raised.
        """
        built: list[ServiceConfig] = []
        pool = await self._make(service, built)
        if built and self.config(service) is not built[0]:  # a reload finished in between
            await self._catch_up(service, built[0])
            return self._pools.get(service)
        return pool

    async def _make(self, service: str, built: list[ServiceConfig]) -> P:
        """Return the pool of a service; if this call builds it, note with which config."""

        async def build() -> P:
            config = self.config(service)
            made = await self._built(config)
            built.append(config)
            return made

        self.config(service)  # so that the error is the manager's
        return await self._pools.get_or_create(service, build)

    async def _built(self, config: ServiceConfig, instead_of: P | None = None) -> P:
        """Build a pool, and export its numbers."""
        made = await resolve(self._build(config))
        pool, before = pool_in(made), pool_in(instead_of)
        if pool is not None:
            try:
                give_middleware(pool, config)
                for one in self._exports:
                    if before is not None:  # two pools of one name could not be told apart
                        one.remove(before)
                    one.add(pool, config.connector.kind)
            except BaseException:
                await resolve(close_resource(made, 0.0))
                raise
        return made

    async def execute(self, service: str, fn: Callable[[Any], Awaitable[R]], **options: Any) -> R:
        """Run a coroutine function on a client of a service, as one call of its pool.

        Arguments:
            service: whose.
            fn: gets the client; its result is returned.
            options: those of `AsyncPool.execute`.

        Raises:
            TypeError: what was built for the service is neither a pool nor a generated wrapper.
            Exception: what `get_pool` and `AsyncPool.execute` raise.
        """
        while True:
            resource = await self.get_pool(service)
            pool: Any = self._pool_of(service, resource)
            try:
                result: R = await pool.execute(fn, **options)
            except PoolClosed as error:
                # No member was called. A pool that a reload has just replaced has a successor.
                if error.pool != pool.name or not pool.closed or self.closed:
                    raise
                if await self.get_pool(service) is resource:
                    raise
            else:
                return result

    async def start(self, *services: str) -> None:
        """Build the pools of some services, or of all, now rather than on demand.

        Raises:
            ExceptionGroup: everything that went wrong; the other pools are there.
        """
        if not services:
            self._all_started = True
        errors = await run_all(self.get_pool, services or self.services)
        failed = [error for error in errors if error is not None]
        if failed:
            raise ExceptionGroup(f"starting {self.name!r}", failed)

    async def drain(self, service: str, drain_timeout: float | None = None) -> None:
        """Give a service's pool no new calls, wait for those in flight, and close it.

        The next `get_pool` builds another one.

        Arguments:
            service: whose.
            drain_timeout: seconds to wait; the manager's if not given.

        Raises:
            NotFound: it has no pool.
            ExceptionGroup: everything that went wrong; it has no pool any more all the same.
        """
        await self._pools.remove(service, drain_timeout)

    async def stop(self, drain_timeout: float | None = None) -> None:
        """Refuse everything from now on, drain and close all pools at once; calling it again does nothing.

        Arguments:
            drain_timeout: seconds that pools wait for their calls, those that a reload replaced or removed
                included; the manager's if not given.

        Raises:
            ExceptionGroup: everything that went wrong, after all was tried.
        """
        limit = TimeLimit(self._drain_limit(drain_timeout), monotonic)
        if self._watch is not None:
            self._watch.stop()
        await self._pools.close(drain_timeout)
        await self._leaving.join(limit.left)

    close = aclose = stop

    # Reloads

    async def reload(self) -> ReloadResult:
        """Read the config again and apply it. No call fails because of that; reloads run one after the other.

        What may change in a running pool changes in place: its options, its middleware, its endpoints, their
        weights, and how clients are opened: new ones are opened and verified first, then take the places of
        the old ones, which end their calls. A pool whose clients are opened by your own `build` function is
        built again by it, and the old pool is drained. Services that appear are there from now on; those that
        vanish are drained and closed. A config with errors changes nothing.

        Returns:
            The result; errors are in it, logged and counted, but not raised.
        """
        async with self._reloading:
            read, before = self._read, self._config
            if read is None or before is None:
                told = f"{self.name!r} was not made from a file, so there is nothing to read again"
                return self._ended(self._kept((told,)))
            if self.closed:
                return self._ended(self._kept((f"{self.name!r} is stopped",)))
            found = await to_thread(partial(self._read_anew, read))
            if isinstance(found, tuple):
                return self._ended(self._kept(found))
            return self._ended(await self._go_by(before, found))

    def _kept(self, errors: tuple[str, ...]) -> ReloadResult:
        return ReloadResult(applied=False, version=self._reloads.version, errors=errors)

    async def _go_by(self, before: Config, config: Config) -> ReloadResult:
        difference = difference_of(before, config)
        changes = [*difference.sentences]
        errors: list[str] = []
        services = dict(config.services)
        for name, found in difference.changed.items():
            old, new = before.services[name], services[name]
            try:
                await self._change(old, new, found)
                changes += found.sentences
            except Exception as error:
                services[name] = old
                errors.append(f"{name}: {_text_of(error)}; it goes on as it was")
        changes += [f"{service.name} is added" for service in difference.added]
        changes += [f"{name} is removed, and drains" for name in difference.removed]
        if not changes and not errors:
            return ReloadResult(applied=True, version=self._reloads.version)
        kept = [name for name in difference.changed if services[name] is before.services[name]]
        version = self._take_over(config.keeping(before, kept))
        for name, found in difference.changed.items():
            if name not in kept:
                errors += await self._change_late(before.services[name], services[name], found)
        for name in difference.removed:
            if self._pools.has(name):
                self._leaving.start(self._drain_late, name, self._pools.take(name))
        if self._all_started:
            errors += await self._start_added(difference.added)
        return ReloadResult(
            applied=True, version=version, changes=tuple(changes), errors=tuple(errors)
        )

    async def _change(
        self, before: ServiceConfig, after: ServiceConfig, difference: ServiceDifference
    ) -> None:
        """Change the pool of a service, or replace it by another one; does nothing if there is none.

        Changing a pool that is drained meanwhile may fail, which no longer matters: the next pool is built by
        the new config.
        """
        name = before.name
        resource = self._pool_now(name)
        if resource is None:
            return
        try:
            await self._change_resource(resource, before, after, difference)
        except Exception:
            if self.closed or self._pool_now(name) is resource:
                raise

    def _pool_now(self, name: str) -> P | None:
        """Return what was built for a service, None if there is nothing at this moment."""
        with suppress(NotFound, PoolClosed):
            return self._pools.get(name)
        return None

    async def _change_resource(
        self,
        resource: P,
        before: ServiceConfig,
        after: ServiceConfig,
        difference: ServiceDifference,
    ) -> None:
        name, pool = before.name, pool_in(resource)
        if pool is not None and await change_pool(pool, before, after, difference):
            self._changed_now[name] = resource
            return
        made = await self._built(after, resource)
        self._changed_now[name] = made
        try:
            old = self._pools.exchange(name, made)
        except BaseException:
            await resolve(close_resource(made, 0.0))
            raise
        self._leaving.start(self._retire, name, old)

    async def _change_late(
        self, before: ServiceConfig, after: ServiceConfig, difference: ServiceDifference
    ) -> list[str]:
        """Change a pool that was being built with the old config during a reload."""
        name = before.name
        changed, resource = self._changed_now.pop(name, None), self._pool_now(name)
        if resource is None or resource is changed:
            return []
        try:
            await self._change(before, after, difference)
        except Exception as error:
            return [f"{name}: {_text_of(error)}"]
        return []

    async def _catch_up(self, service: str, built_by: ServiceConfig) -> None:
        """Change a pool that was built with a config which a reload has replaced meanwhile."""
        async with self._reloading:
            now = self.config(service)
            found = service_difference(built_by, now)
            if found:
                await self._change(built_by, now, found)

    async def _start_added(self, added: Iterable[ServiceConfig]) -> list[str]:
        names = [service.name for service in added]
        errors = await run_all(lambda name: self._make(name, []), names)
        return [
            f"{name}: {_text_of(error)}; it is built when it is wanted"
            for name, error in zip(names, errors, strict=True)
            if error is not None
        ]

    async def _retire(self, name: str, resource: P) -> None:
        """Drain and close a replaced pool, once callers that have just got it had time to use it."""
        await sleep(HANDOVER)
        await self._drain_late(name, resource)

    async def _drain_late(self, name: str, resource: P) -> None:
        try:
            await resolve(close_resource(resource, self._drain_limit(None)))
        except Exception:
            log_failure(
                "closing the old pool of service %r failed",
                name,
                event_name="close_failed",
                manager=self.name,
                service=name,
            )

    def watch(self) -> AsyncConfigWatch:
        """Reload whenever the config file changes, until `stop`, or until the returned watch is closed.

        A change since the file was read is noticed, too.

        A file that is written in pieces is read once it no longer changes. With watchfiles (extra `files`)
        changes are noticed at once, without it within the `interval` of the file's section `reload`.

        Raises:
            ValueError: the manager was not made from a file.
        """
        if self._config is None:
            raise ValueError(f"{self.name!r} was not made from a file, so there is none to watch")
        if self._watch is None or self._watch.closed:
            seen = self._seen if self._watch is None else self._watch.seen
            self._watch = AsyncConfigWatch(
                self._config.file, self.reload, self._reload_settings, seen
            )
        return self._watch

    def reload_on_signal(self, number: int | None = None) -> Callable[[], object]:
        """Reload whenever a signal arrives, usually SIGHUP; return a function that restores the old handler.

        To be called in the main thread. The signal handler only starts the reload, in a task of its own.

        Arguments:
            number: of the signal; SIGHUP if not given.

        Raises:
            ValueError: this is not the main thread, or the system has no such signal.
        """
        import signal

        chosen = getattr(signal, "SIGHUP", None) if number is None else number
        if chosen is None:
            raise ValueError("this system has no SIGHUP: give the number of another signal")
        return on_signal(chosen, self._begin_reload)

    def _begin_reload(self) -> None:
        self._leaving.start(self._reload_logged)

    async def _reload_logged(self) -> None:
        try:
            await self.reload()
        except Exception:
            log_failure(
                "reloading the config of %r after a signal failed",
                self.name,
                event_name="reload_failed",
                manager=self.name,
            )

    def _reload_settings(self) -> ReloadSettings:
        return ReloadSettings() if self._config is None else self._config.reload

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop()


def _text_of(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
