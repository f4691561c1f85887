"""The changes that can be made to a running process, each run on the thread or event loop that owns the pool."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from anyio.to_thread import run_sync

from connpool_runtime._concurrency import tasks, threads
from connpool_runtime._log import extra, log_failure, runtime_logger
from connpool_runtime.admin.event_history import EventFeed
from connpool_runtime.admin.pool_owners import OwnedPools, Reloadable, ReloadResult, ShowsConfig
from connpool_runtime.admin.problems import Problem
from connpool_runtime.connectors.config.masking import masked
from connpool_runtime.errors import DrainTimeout, PoolClosed, UnknownMember
from connpool_runtime.members.labels import checked_labels
from connpool_runtime.members.member import Member
from connpool_runtime.options.validation import nearest
from connpool_runtime.pool.async_pool import AsyncPool
from connpool_runtime.pool.base import BasePool

__all__ = ["Actions"]

R = TypeVar("R")
Answer = dict[str, Any]

_LOOP_ANSWERS = 10.0  # seconds within which a loop has to start what was submitted to it


class Actions:
    """Changes pools without blocking the event loop of the caller.

    Arguments:
        pools: whose.
        feed: records each change.
        loop: the event loop that asynchronous pools belong to; None for the loop of the caller.
    """

    def __init__(
        self, pools: OwnedPools, feed: EventFeed, loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self._pools = pools
        self._feed = feed
        self._loop = loop
        self._drains: set[asyncio.Task[None]] = set()  # a loop refers to its tasks only weakly

    @property
    def by_path(self) -> Mapping[str, Callable[[Answer], Awaitable[Answer]]]:
        """The actions by the path of their route."""
        return {
            "/eject": self.eject,
            "/uneject": self.uneject,
            "/drain": self.drain,
            "/weight": self.weight,
            "/labels": self.labels,
            "/metrics-only": self.metrics_only,
            "/reload": self.reload,
        }

    async def eject(self, given: Answer) -> Answer:
        """Eject a member by hand."""
        name, pool, member = self._member(given)
        await self._run(pool, lambda: pool.eject(member.name))
        return self._done("ejected", name, member)

    async def uneject(self, given: Answer) -> Answer:
        """Uneject a member, and forget its failures."""
        name, pool, member = self._member(given)
        await self._run(pool, lambda: pool.uneject(member.name))
        return self._done("unejected", name, member)

    async def weight(self, given: Answer) -> Answer:
        """Change the weight of a member."""
        name, pool, member = self._member(given)
        weight = given.get("weight")
        before = member.weight
        await self._run(pool, lambda: pool.set_weight(member.name, cast("int", weight)))
        return self._done("weighted", name, member, before=before, weight=weight)

    async def labels(self, given: Answer) -> Answer:
        """Replace all labels of a member, as after a failover."""
        name, pool, member = self._member(given)
        if "labels" not in given:
            raise Problem(422, "`labels` must have all labels of the member; {} if it has none")
        try:
            labels = checked_labels(given["labels"] or {})
        except TypeError as error:
            raise Problem(422, masked(str(error))) from error
        before = dict(member.labels)
        await self._run(pool, lambda: pool.set_labels(member.name, labels))
        return self._done("labelled", name, member, before=before, labels=dict(labels))

    async def metrics_only(self, given: Answer) -> Answer:
        """Turn `metrics_only` on or off for the breakers of a service."""
        name, pool = self._service(given)
        on = given.get("on")
        if not isinstance(on, bool):
            raise Problem(422, f"`on` must be true or false, not {on!r}")
        await self._run(pool, lambda: pool.set_metrics_only(on))
        return self._done("metrics_only", name, None, on=on)

    async def drain(self, given: Answer) -> Answer:
        """Give a member no new calls, and close its client when those in flight have ended.

        With `wait` the answer comes when that is done.
        """
        name, pool, member = self._member(given)
        timeout, wait = given.get("timeout"), given.get("wait", False)
        if not isinstance(wait, bool):
            raise Problem(422, f"`wait` must be true or false, not {wait!r}")
        if timeout is not None and (
            isinstance(timeout, bool) or not isinstance(timeout, int | float)
        ):
            raise Problem(422, f"`timeout` must be a number of seconds, not {timeout!r}")
        if timeout is not None and not 0 <= timeout <= 3600:
            raise Problem(422, f"`timeout` must be from 0 to 3600 seconds, not {timeout!r}")
        if member.leaving:
            raise Problem(409, f"member {masked(member.name)!r} of {name!r} is leaving already")
        answer = self._done("draining", name, member, in_flight=member.in_flight)
        remove = _remover(pool, member.name, timeout)
        if wait:
            await self._run(pool, remove, longest=None)
            return {**answer, "done": "drained"}
        self._begin(pool, remove)
        return answer

    async def reload(self, _given: Answer) -> Answer:
        """Make the manager read its config again."""
        manager = self._pools.owner
        if not isinstance(manager, Reloadable):
            raise Problem(
                404, f"{_kind(manager)} has no config to reload: it was not made from one"
            )
        result: ReloadResult
        if inspect.iscoroutinefunction(manager.reload):
            result = await self._on_loop(manager.reload, longest=None)
        else:
            result = cast("ReloadResult", await run_sync(manager.reload))
        answer = {
            "applied": result.applied,
            "version": result.version,
            "changes": list(result.changes),
            "errors": list(result.errors),
        }
        self._feed.note("", "config_reloaded", member="", **answer)
        return answer

    async def config(self) -> Answer:
        """Return the config in force, with secrets masked."""
        manager = self._pools.owner
        if not isinstance(manager, ShowsConfig):
            raise Problem(404, f"{_kind(manager)} has no config to show: it was not made from one")
        return dict(await run_sync(manager.shown_config))

    # Finding the pool and the member

    def _service(self, given: Answer) -> tuple[str, BasePool[Any]]:
        pools = self._pools.pools()
        name = given.get("service")
        if name is None and len(pools) == 1:
            return next(iter(pools.items()))
        if not isinstance(name, str):
            raise Problem(422, f"`service` must name one of {_list(pools)}")
        if name not in pools:
            unbuilt = " yet" if name in self._pools.known else ""
            hint = "" if unbuilt or not pools else f": {nearest(name, pools)}"
            raise Problem(404, f"there is no pool of a service {name!r}{unbuilt}{hint}")
        return name, pools[name]

    def _member(self, given: Answer) -> tuple[str, BasePool[Any], Member[Any]]:
        name, pool = self._service(given)
        wanted = given.get("member")
        if not isinstance(wanted, str):
            raise Problem(422, f"`member` must name a member of {name!r}")
        shown = masked(wanted)
        same = [member for member in pool.members if masked(member.name) == shown]
        meant = [member for member in same if member.name == wanted] or same
        if not meant:
            names = [masked(member.name) for member in pool.members]
            hint = nearest(shown, names) if len(names) < 100 else "GET /stats lists them"
            raise Problem(404, f"service {name!r} has no member {shown!r}: {hint}")
        if len(meant) > 1:
            detail = f"{len(meant)} members of service {name!r} are shown as {shown!r}: give names to them"
            raise Problem(409, detail)
        return name, pool, meant[0]

    # Running on the right thread or loop

    async def _run(
        self,
        pool: BasePool[Any],
        work: Callable[[], R | Awaitable[R]],
        longest: float | None = _LOOP_ANSWERS,
    ) -> R:
        try:
            if isinstance(pool, AsyncPool):
                return await self._on_loop(work, longest)
            return cast("R", await run_sync(work))
        except (UnknownMember, PoolClosed, DrainTimeout) as error:
            raise Problem(409, masked(str(error))) from error
        except ValueError as error:
            raise Problem(422, masked(str(error))) from error

    async def _on_loop(self, work: Callable[[], R | Awaitable[R]], longest: float | None) -> R:
        """Run a function on the event loop of asynchronous pools."""

        async def run() -> R:
            result: Any = work()
            if inspect.isawaitable(result):
                result = await result
            return cast("R", result)

        loop = self._loop
        if loop is None or loop is asyncio.get_running_loop():
            return await run()
        coroutine = run()
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError:
            coroutine.close()
            raise Problem(409, "the event loop of the pools is closed") from None
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), longest)
        except TimeoutError:
            detail = (
                f"the event loop of the pools did not answer within {longest:g} s: it is blocked"
            )
            raise Problem(504, detail) from None

    def _begin(self, pool: BasePool[Any], remove: Callable[[], Any]) -> None:
        """Begin a drain without waiting for its end."""

        def in_thread() -> None:
            try:
                remove()
            except Exception:
                log_failure(
                    "draining a member of pool %r",
                    pool.name,
                    pool=pool.name,
                    event_name="drain_failed",
                )

        async def in_task() -> None:
            try:
                await self._on_loop(remove, None)
            except Exception:
                log_failure(
                    "draining a member of pool %r",
                    pool.name,
                    pool=pool.name,
                    event_name="drain_failed",
                )

        if isinstance(pool, AsyncPool):
            task = tasks.background_task(asyncio.get_running_loop(), in_task())
            self._drains.add(task)
            task.add_done_callback(self._drains.discard)
        else:
            threads.start(f"connpool drain of {pool.name}", in_thread)

    def _done(self, what: str, service: str, member: Member[Any] | None, **more: Any) -> Answer:
        name = "" if member is None else masked(member.name)
        runtime_logger().info(
            "admin: %s, service %r, member %r, %r",
            *(what, service, name, more),
            extra=extra(
                event_name="admin_action", reason=what, service=service, member=name or None
            ),
        )
        self._feed.note(service, what, member=name, by_hand=True, **more)
        answer = {"done": what, "service": service}
        return {**answer, **({"member": name} if name else {}), **more}


def _remover(pool: BasePool[Any], member: str, timeout: float | None) -> Callable[[], Any]:
    remove: Any = cast("Any", pool).remove_client
    return lambda: remove(member, drain_timeout=timeout)


def _kind(owner: object) -> str:
    return f"this {type(owner).__name__}"


def _list(names: object) -> str:
    return (
        ", ".join(repr(name) for name in cast("dict[str, object]", names))
        or "none: there is no pool"
    )
