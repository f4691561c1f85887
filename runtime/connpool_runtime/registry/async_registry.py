"""Pools, wrappers and connectors by name, for tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar, cast

from connpool_runtime._concurrency.interrupts import run_in_thread_if_interrupted
from connpool_runtime._concurrency.single_flight import AttemptState
from connpool_runtime._concurrency.tasks import ASYNC, Gate, resolve, run_all
from connpool_runtime.registry.base import BaseRegistry, check_name, identity_of
from connpool_runtime.registry.names import NameEntry
from connpool_runtime.registry.resources import check_resource

__all__ = ["AsyncRegistry"]

T = TypeVar("T")


class AsyncRegistry(BaseRegistry[T]):
    """Pools, generated wrappers and connectors by name. For the tasks of one event loop.

    A registry owns its resources: it closes one that is removed, and all of them when it is closed.

    Arguments:
        name: what errors call this registry.
        close: closes one resource; may be a coroutine function. Without it pools and wrappers are
            drained and closed, and anything else is closed by its method `close`.
        create_timeout: seconds that a caller waits while another caller creates the same resource.
            30, because a factory that connects takes seconds, and a longer wait helps no caller.
        drain_timeout: seconds that a pool that leaves waits for its calls; 30, as a pool's own.

    Raises:
        ValueError: a number of seconds is not allowed.
    """

    async def get_or_create(
        self, name: str, factory: Callable[[], Awaitable[T] | T], *, config: object = None
    ) -> T:
        """Return the resource of a name, creating it if there is none.

        Of several callers at once, one creates the resource and the others wait for it. If the factory fails,
        all of them get the error, and the next caller may try again; if the creating caller is cancelled, one
        of the others creates it.

        Arguments:
            name: not empty.
            factory: makes the resource; runs without any lock; may be a coroutine function.
            config: the config that the resource is made from, such as a connector's; if given, it must mean
                the same as that of the present resource.

        Raises:
            ConfigConflict: the present resource was made from another config.
            AcquireTimeout: another caller was still making it after `create_timeout`.
            PoolClosed: the registry was closed, before or meanwhile.
            Exception: whatever the factory raised.
        """
        check_name(name)
        identity = identity_of(config)
        while True:
            own: NameEntry[T] = NameEntry(name, identity, Gate())
            try:
                entry = self._claim(own)
                if entry is own:
                    return await self._make(own, factory)
            except BaseException as error:
                self._fail(own, error)  # does nothing, unless an interrupt kept it from being done
                raise
            if entry.state is AttemptState.RUNNING:
                await entry.gate.wait(self._create_timeout)
            if entry.is_done(late=self._still_making(entry)):
                return cast("T", entry.value)

    async def _make(self, entry: NameEntry[T], factory: Callable[[], Awaitable[T] | T]) -> T:
        made: list[T] = []
        try:
            made.append(await resolve(factory()))
            return self._fill(entry, made[0])
        except BaseException as error:
            self._fail(entry, error)
            if made and entry.state is not AttemptState.DONE:
                await resolve(self._close_one(made[0], 0.0))
            raise

    async def remove(self, name: str, drain_timeout: float | None = None) -> None:
        """Remove a resource, so that it is no longer found, then drain and close it.

        Arguments:
            name: whose.
            drain_timeout: seconds that a pool waits for its calls; the registry's if not given.

        Raises:
            NotFound: nothing has this name.
            DrainTimeout, ExceptionGroup, Exception: closing it went wrong; it is removed all the same.
        """
        limit = self._drain_limit(drain_timeout)
        await resolve(self._close_one(self._take_out(name), limit))

    async def health_check(self) -> dict[str, Exception | None]:
        """Check the servers of all connectors at once; return the error of each resource, or None.

        A pool asks no server: its error is that it has no member to call.
        """
        entries = self._entries()
        errors = await run_all(lambda entry: check_resource(entry.value), entries)
        return {entry.name: error for entry, error in zip(entries, errors, strict=True)}

    async def close(self, drain_timeout: float | None = None) -> None:
        """Refuse everything from now on, and drain and close all resources at once.

        Closing again does nothing.

        Arguments:
            drain_timeout: seconds that pools wait for their calls; the registry's if not given.

        Raises:
            ExceptionGroup: everything that went wrong, after all was tried.
        """
        limit = self._drain_limit(drain_timeout)
        beside = (
            False
            if ASYNC
            else run_in_thread_if_interrupted(f"closing {self.name!r}", self.close, drain_timeout)
        )
        if beside:
            return
        resources = self._take_all_out()
        errors = await run_all(
            lambda resource: self._close_one(resource, limit), resources, for_caller=True
        )
        failed = [error for error in errors if error is not None]
        if failed:
            raise ExceptionGroup(f"closing {self.name!r}", failed)

    aclose = close

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.close()
