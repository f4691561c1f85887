"""Members whose clients are made on demand, by a factory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from connpool_runtime._validation import whole_number
from connpool_runtime.balancing.balancers import check_weight
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.members.member import Member
from connpool_runtime.pool.base import BasePool

if TYPE_CHECKING:
    from connpool_runtime.checkout.state import BackgroundWorker
    from connpool_runtime.clients.settings import EndpointOptions

__all__ = ["AsyncEndpoints", "Endpoints"]

C = TypeVar("C")

_ARGUMENTS = ("factory", "name", "weight", "close", "validate", "priority", "zone")


class _Endpoints(BasePool[C]):
    def _add(
        self,
        factory: Callable[[], Any],
        name: str | None,
        weight: int,
        close: Callable[[Any], object] | None,
        validate: Callable[[Any], object] | None,
        place: tuple[int, str | None],
        options: EndpointOptions,
    ) -> None:
        from connpool_runtime.checkout.opener import closing_of
        from connpool_runtime.clients.settings import EndpointSettings

        check_weight(weight, self.settings.balancer)
        whole_number("priority", place[0], least=0)
        if options.get("max_concurrency") is None:
            options["max_concurrency"] = self.settings.max_concurrency
        settings = EndpointSettings.of(options, also=_ARGUMENTS)
        engine = self._engine
        store = ClientStore[C](
            settings, engine.quota.left, factory, close or self._close_client, validate
        )
        with engine.lock:
            given = engine.membership.next_name() if name is None else name
            rules, ending = engine.settings.breaker_settings(), closing_of(engine, store)
            # It has as many clients as it needs; a call gets its own from the lease.
            client = cast("C", None)
            member = Member(given, client, weight, rules, ending, store=store)
            member.priority, member.zone = place
            engine.membership.add(member)
            engine.quota.add(store)
            if engine.housekeeper is None:
                engine.housekeeper = self._new_housekeeper()
            self._joined_locked(member)
        engine.act()

    def _new_housekeeper(self) -> BackgroundWorker:
        raise NotImplementedError

    def _cold(self) -> list[tuple[Member[C], int]]:
        """Return the endpoints to warm up, and how many clients each shall have."""
        return [
            (member, max(member.store.settings.initial_size, member.store.settings.min_size))
            for member in self.members
            if member.store is not None and not member.leaving
        ]

    def _warmed(self, errors: list[Exception]) -> None:
        if errors:
            raise ExceptionGroup(f"warming up pool {self.name!r}", errors)


class Endpoints(_Endpoints[C]):
    """Endpoints of a pool for threads."""

    def add_endpoint(
        self,
        factory: Callable[[], C],
        name: str | None = None,
        weight: int = 1,
        *,
        close: Callable[[C], object] | None = None,
        validate: Callable[[C], object] | None = None,
        priority: int = 0,
        zone: str | None = None,
        **options: Unpack[EndpointOptions],
    ) -> None:
        """Add an endpoint, whose clients are opened when calls need them.

        It is one member to the balancer and the breaker, however many clients it has. The client
        used last is used next, so that surplus ones become idle and are closed. One that failed,
        or whose only user was interrupted, is validated before its next use; without `validate`
        it is closed. Nothing is opened here: see `warm_up`.

        Arguments:
            factory: opens one client, on the thread of the call that needs it, and has to end by
                itself: a blocking call cannot be interrupted. What it raises is evidence that the
                endpoint cannot be reached; the call goes to another one.
            name: unique in this pool; m1, m2, ... if not given.
            weight: share of the calls, for balancers that know weights; at least 1.
            close: closes one client; default is the pool's way.
            validate: checks one client; False, or any error, says that it is not fit for use.
            priority: endpoints of a higher number are called when too few of the lower ones are well.
            zone: where the endpoint is; those of the pool's own zone are preferred.
            options: see `EndpointSettings`; `max_concurrency` defaults to the pool's, if that
                has one.

        Raises:
            ValueError: the name is taken, or an option is not allowed.
            PoolClosed: the pool was closed.
        """
        self._add(factory, name, weight, close, validate, (priority, zone), options)

    def _new_housekeeper(self) -> BackgroundWorker:
        from connpool_runtime.checkout.housekeeper import Housekeeper

        return Housekeeper(self._engine)

    def warm_up(self) -> None:
        """Open `initial_size` clients of every endpoint, one after the other.

        Raises:
            ExceptionGroup: what factories raised; the other endpoints are warm.
        """
        from connpool_runtime.checkout.opener import open_one

        errors: list[Exception] = []
        for member, wanted in self._cold():
            try:
                while member.store is not None and member.store.size < wanted:
                    if not open_one(self._engine, member):
                        break
            except Exception as error:
                errors.append(error)
        self._warmed(errors)


class AsyncEndpoints(_Endpoints[C]):
    """Endpoints of a pool for tasks."""

    def add_endpoint(
        self,
        factory: Callable[[], C | Awaitable[C]],
        name: str | None = None,
        weight: int = 1,
        *,
        close: Callable[[C], object] | None = None,
        validate: Callable[[C], object] | None = None,
        priority: int = 0,
        zone: str | None = None,
        **options: Unpack[EndpointOptions],
    ) -> None:
        """Add an endpoint, whose clients are opened when calls need them; see `Pool.add_endpoint`.

        All three functions may be coroutine functions. Opening counts into the time that a call
        may wait, `checkout_timeout`, and is cancelled at its end.

        Raises:
            ValueError: the name is taken, or an option is not allowed.
            PoolClosed: the pool was closed.
        """
        self._add(factory, name, weight, close, validate, (priority, zone), options)

    def _new_housekeeper(self) -> BackgroundWorker:
        from connpool_runtime.checkout.housekeeper import AsyncHousekeeper

        return AsyncHousekeeper(self._engine)

    async def warm_up(self) -> None:
        """Open `initial_size` clients of every endpoint, one after the other.

        Raises:
            ExceptionGroup: what factories raised; the other endpoints are warm.
        """
        from connpool_runtime.checkout.opener import open_one_async

        errors: list[Exception] = []
        for member, wanted in self._cold():
            try:
                while member.store is not None and member.store.size < wanted:
                    if not await open_one_async(self._engine, member):
                        break
            except Exception as error:
                errors.append(error)
        self._warmed(errors)
