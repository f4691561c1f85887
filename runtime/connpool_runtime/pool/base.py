"""What `Pool` and `AsyncPool` share: members, listeners, middleware, stats."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, Unpack, cast

from connpool_runtime._concurrency.introspection import is_awaitable, is_coroutine_function
from connpool_runtime.balancing.balancers import Balancer, check_balancer, check_weight
from connpool_runtime.calls.method import Method
from connpool_runtime.calls.middleware_chain import (
    Registration,
    refuse_duplicate,
    registration_of,
)
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.checkout.member_changes import Replacing, change_members
from connpool_runtime.checkout.opening import stores_of
from connpool_runtime.checkout.state import Readiness
from connpool_runtime.clients.source import UseBrokenOff
from connpool_runtime.clients.store import ClientStore
from connpool_runtime.errors import NotReady, PoolClosed
from connpool_runtime.members.labels import Labels, checked_labels
from connpool_runtime.members.member import Member
from connpool_runtime.members.new_client import NewClient
from connpool_runtime.options.validation import is_text, whole_number
from connpool_runtime.pool.draining import Draining
from connpool_runtime.settings import PoolOptions, PoolSettings

if TYPE_CHECKING:
    from connpool_runtime.checkout.state import BackgroundWorker, Sweeper
    from connpool_runtime.clients.settings import EndpointOptions
    from connpool_runtime.events.types import Listener
    from connpool_runtime.stats.types import DiscoveryStats, PoolStats

__all__ = ["LEASE", "BasePool", "execute_method", "known"]

C = TypeVar("C")

_ENDPOINT_ARGUMENTS = (
    *("factory", "name", "weight", "close", "validate", "configure", "reset"),
    *("priority", "zone", "labels"),
)

LEASE: Method[Any, Any] = Method("lease", lambda client, _: client)
_EXECUTE: Method[Any, Any] = Method("execute", lambda client, args: args[0](client))
_EXECUTE_AGAIN: Method[Any, Any] = Method(
    "execute", lambda client, args: args[0](client), idempotent=True
)


def execute_method(idempotent: bool) -> Method[Any, Any]:
    """Return the method record under which a user's function is run."""
    return _EXECUTE_AGAIN if idempotent else _EXECUTE


def _awaitable_of(fn: Callable[[Any], object], client: object) -> object:
    """Run a function of `AsyncPool.execute` that is not a coroutine function, but should return an awaitable."""
    found = fn(client)
    if is_awaitable(found):
        return found
    name = getattr(fn, "__name__", repr(fn))
    raise TypeError(
        f"execute() of an AsyncPool awaits what the function returns, and {name} returned"
        f" {type(found).__name__}: pass a coroutine function (async def)"
    )


def known(balancer: str | Balancer | None) -> str | Balancer | None:
    """Return the balancer of one call, refusing an unknown name."""
    if balancer is not None:
        check_balancer(balancer)
    return balancer


def _no_gate() -> None:
    """Return no gate, where no member is drained."""


class _Monitor(Protocol):
    @property
    def checks(self) -> Counter[str]: ...

    def stop(self) -> None: ...


class _Follower(_Monitor, Protocol):
    @property
    def closed(self) -> bool: ...

    def stats(self) -> DiscoveryStats: ...

    def follow_pool(self) -> None: ...


class BasePool(Generic[C]):
    """The part of `Pool` and `AsyncPool` that does not wait. Safe for threads."""

    _blocking: ClassVar[bool]  # whether callers are threads
    _way: ClassVar[str]  # the name of the method by which middleware runs around a call

    def __init__(
        self,
        name: str = "pool",
        *,
        methods: Iterable[Method[C, Any]] = (),
        close: Callable[[C], object] | None = None,
        **options: Unpack[PoolOptions],
    ) -> None:
        if not is_text(cast("object", name)):
            raise TypeError(f"the name of a pool must be a string, not {name!r}: Pool(name)")
        settings = PoolSettings.of(options, also=("name", "methods", "close"))
        methods = tuple(methods)
        self._checkout = Checkout[C](name, settings, methods, blocking=self._blocking)
        self._state = self._checkout.state
        self._draining = Draining(self._checkout)
        self._monitors: list[_Monitor] = []  # health monitors of members that connectors opened
        self._discoveries: list[_Follower] = []  # followers of sources of endpoints
        self._close_client = close
        self._state.sweepers = tuple(self._new_sweepers(settings))
        self._state.maintenance_due = bool(self._state.sweepers)
        self._named_middleware: dict[str, Registration] = {}

    @property
    def name(self) -> str:
        """The name of this pool in errors, stats and metrics."""
        return self._state.name

    @property
    def settings(self) -> PoolSettings:
        """The current settings."""
        return self._state.settings

    @property
    def members(self) -> tuple[Member[C], ...]:
        """The members, including those that are leaving."""
        return self._state.membership.members

    @property
    def clients(self) -> tuple[C, ...]:
        """The clients of all members; of an endpoint with a factory, those that are open."""
        return tuple(client for member in self.members for client in member.clients)

    @property
    def closed(self) -> bool:
        """Whether the pool was closed."""
        return self._state.membership.closed

    def add_client(
        self,
        client: C,
        name: str | None = None,
        weight: int = 1,
        *,
        close: Callable[[], object] | None = None,
        validate: Callable[[], object] | None = None,
        max_concurrency: int | None = None,
        priority: int = 0,
        zone: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Add a member, which takes calls at once.

        A client that serves one call at a time is taken out of use after a call on it was broken off
        in the middle, by a cancellation, a timeout or an interrupt: the answer may still be on its
        way, and the next caller would get it. With `validate` it is asked before its next use, and
        gets no calls if it is not fit; without, it gets none until a health check or `uneject`.

        Arguments:
            client: what the methods of this pool are called on.
            name: unique in this pool; m1, m2, ... if not given.
            weight: share of the calls, for balancers that know weights; from 1 to 1,000,000,000, with
                "consistent_hash" to 1,000.
            close: closes the client when its member leaves; default is the pool's way.
            validate: checks whether a client of one call at a time may be used again after a call that
                failed or was broken off; False, or any error, says that it may not. In an `AsyncPool`
                also a coroutine function.
            max_concurrency: calls at a time on this member; the setting of that name if not given.
            priority: members of a higher number are called when too few of the lower ones are healthy.
            zone: where the member is; those of the pool's own zone are preferred.
            labels: what is known about the member, as {"role": "replica"}, for routes of methods and `calling`.

        Raises:
            TypeError: the name is not a string, the labels do not map strings to strings, the client is a
                class, a coroutine, None, a string or other data, or the client is asynchronous and the pool
                is not.
            ValueError: the name is taken, a number is not a whole number of at least 1, or the pool's
                balancer ignores weights and this one is not 1.
            PoolClosed: the pool was closed.
        """
        new = NewClient(
            client, name, weight, close, validate, max_concurrency, priority, zone, labels
        )
        self.add_clients([new])

    def add_clients(self, clients: Iterable[NewClient[C]]) -> None:
        """Add several members, all of them or none. They take calls from the same moment on.

        Arguments:
            clients: the arguments of `add_client` for each, as `NewClient(client, name="a", weight=2)`.

        Raises:
            TypeError: an argument is not a `NewClient`, or one of the reasons of `add_client` applies.
            ValueError: a name is taken or there twice, a number is not a whole number of at least 1, or
                the pool's balancer ignores weights and one is not 1.
            PoolClosed: the pool was closed.
        """
        limited = [
            (self._checked(one), self._limit_of(one), checked_labels(one.labels)) for one in clients
        ]
        state = self._state
        with state.after_lock, state.lock:
            state.membership.check_names(one.name for one, *_ in limited if one.name is not None)
            for one, limit, labels in limited:
                name = state.membership.next_name() if one.name is None else one.name
                breaker, close = state.settings.breaker_settings(), self._closing_of(one)
                member = Member(
                    name, one.client, one.weight, breaker, close, limit, validate=one.validate
                )
                self._join_locked(member, one.priority, one.zone, labels)
            self._checkout.router.follow_locked()

    def _checked(self, one: NewClient[C]) -> NewClient[C]:
        """Return a new client, after refusing values that would only fail when called."""
        if not isinstance(cast("object", one), NewClient):
            raise TypeError(
                f"add_clients needs a NewClient for each member, as in NewClient(client, name), not a"
                f" {type(one).__name__}"
            )
        given = cast("object", one.name)
        if given is not None and not is_text(given):
            raise TypeError(
                f"the name of a member must be a string, not {given!r}: add_client(client, name)"
            )
        self._checkout.client_types.check_added(one.client)
        return one

    def _check_factory(self, factory: object) -> None:
        """Refuse what cannot open a client: calls would only be told that its endpoint cannot be reached."""
        if not callable(factory):
            raise TypeError(
                f"the factory of an endpoint must be a function that opens a client, not a"
                f" {type(factory).__name__}: use `add_client` to add an open client, and `add_connector` or"
                " `discover` to connect to addresses"
            )
        if self._blocking and is_coroutine_function(factory):
            raise TypeError(
                f"the factory of an endpoint is a coroutine function, but pool {self.name!r} is for synchronous clients"
            )

    def _executable(self, fn: Callable[[C], Any]) -> Callable[[C], Any]:
        """Return the function that `execute` runs, after refusing a function for the other kind of pool."""
        if is_coroutine_function(fn):
            if self._blocking:
                raise TypeError(
                    f"execute() of pool {self.name!r} runs functions of threads, and this one is a coroutine"
                    " function: an AsyncPool runs those"
                )
            return fn
        return fn if self._blocking else partial(_awaitable_of, fn)

    def _limit_of(self, one: NewClient[C]) -> float:
        """Return the limit of concurrent calls for a new client, after checking all its numbers."""
        check_weight(one.weight, self.settings.balancer)
        whole_number("priority", one.priority, least=0)
        own = one.max_concurrency
        limit = self.settings.max_concurrency if own is None else own
        if limit is None:
            return math.inf
        whole_number("max_concurrency", limit, least=1)
        return limit

    def _closing_of(self, one: NewClient[C]) -> Callable[[], object] | None:
        if one.close is None and self._close_client is not None:
            return partial(self._close_client, one.client)
        return one.close

    def _add_store(
        self,
        store: ClientStore[C],
        close_all: Callable[[], object],
        name: str | None,
        weight: int,
        priority: int,
        zone: str | None,
        labels: Mapping[str, str] | None,
    ) -> None:
        """Add a member whose clients are opened on demand."""
        check_weight(weight, self.settings.balancer)
        whole_number("priority", priority, least=0)
        known = checked_labels(labels)
        state = self._state
        with state.after_lock, state.lock:
            given = state.membership.next_name() if name is None else name
            breaker = state.settings.breaker_settings()
            # Each call gets a client from the store; the member itself has none.
            member = Member(given, cast("C", None), weight, breaker, close_all, source=store)
            self._join_locked(member, priority, zone, known)
            self._checkout.router.follow_locked()
            state.quota.add(store)
            if state.housekeeper is None:
                state.housekeeper = self._new_housekeeper()

    def _new_store(
        self,
        factory: Callable[[], Any],
        close: Callable[[Any], object] | None,
        validate: Callable[[Any], object] | None,
        configure: Callable[[Any], object] | None,
        reset: Callable[[Any], object] | None,
        options: EndpointOptions,
    ) -> ClientStore[C]:
        from connpool_runtime.clients.settings import EndpointSettings

        self._check_factory(factory)
        if options.get("max_concurrency") is None:
            options["max_concurrency"] = self.settings.max_concurrency
        settings = EndpointSettings.of(options, also=_ENDPOINT_ARGUMENTS)
        may_grow = self._state.quota.left
        close = close or self._close_client
        if reset is not None and settings.max_concurrency != 1:
            raise ValueError(
                f"reset needs max_concurrency=1, not {settings.max_concurrency}: resetting a client would disturb"
                " the other calls that use it"
            )
        return ClientStore[C](settings, may_grow, factory, close, validate, configure, reset)

    def _new_housekeeper(self) -> BackgroundWorker:
        raise NotImplementedError

    def _new_sweepers(self, settings: PoolSettings) -> Iterable[Sweeper]:
        raise NotImplementedError

    def _join_locked(
        self, member: Member[C], priority: int, zone: str | None, labels: Labels
    ) -> None:
        """Add a member; the caller lets the router follow."""
        state = self._state
        member.priority, member.zone, member.labels = priority, zone, labels
        member.breaker.closed_at = state.clock()
        state.membership.add(member)
        if state.events.has_listeners:
            from connpool_runtime.events.types import MemberAdded

            state.events.queue(MemberAdded(pool=state.name, member=member.name))

    def _not_warm(self) -> list[tuple[Member[C], ClientStore[C], int]]:
        """Return each endpoint with its store and the number of clients that it should have open."""
        return [
            (member, store, max(store.settings.initial_size, store.settings.min_size))
            for member, store in stores_of(self._state)
            if not member.leaving
        ]

    def eject(self, name: str) -> None:
        """Eject a member by hand, until `uneject`."""
        self._force(name, lambda member: member.breaker.open())

    def uneject(self, name: str) -> None:
        """Close a member's breaker by hand and forget its failures.

        Lends an exclusive client again that was taken out of use because its last call was broken off.
        """

        def change(member: Member[C]) -> None:
            member.breaker.reset()
            member.latency.forget()
            if isinstance(member.unreachable, UseBrokenOff):
                member.unreachable = None

        self._force(name, change)

    def _force(self, name: str, change: Callable[[Member[C]], None]) -> None:
        state = self._state
        with state.after_lock, state.lock:
            member = state.membership.find(name)
            before = member.breaker.state
            member.begin_change()
            change(member)
            self._checkout.router.changed_locked(member, before)

    def suspend(self) -> None:
        """Make new calls wait, even for free members, until `resume`; running calls go on. Safe for threads.

        Each waits `checkout_timeout` at most, in the one line, which has room for `max_waiting`; a call that
        may not wait is refused with `PoolExhausted`. So nothing fails while servers are exchanged within that
        time. `in_flight` of the stats is 0 when the last call has ended. Harmless when it is suspended already.

        Raises:
            PoolClosed: the pool was closed.
        """
        self._suspend(True)

    def resume(self) -> None:
        """Let calls go on after `suspend`, waiting calls first. Safe for threads.

        Raises:
            PoolClosed: the pool was closed.
        """
        self._suspend(False)

    @property
    def suspended(self) -> bool:
        """Whether new calls wait for `resume`."""
        return self._state.suspended

    def _suspend(self, suspended: bool) -> None:
        state = self._state
        with state.after_lock, state.lock:
            if state.membership.closed:
                raise PoolClosed(f"pool {state.name!r} is closed", pool=state.name)
            state.suspended = suspended
            self._checkout.router.reroute_locked()
            if not suspended:
                state.queue.free(*state.membership.may_serve)

    def _begin_waiting(self, members: int, new_signal: Callable[[], Any]) -> Readiness | None:
        """Register a wait for healthy members; None if there are enough already."""
        state = self._state
        waiting = Readiness(members, new_signal())
        with state.after_lock, state.lock:
            if not self._is_ready_locked(waiting):
                state.readiness[waiting] = None
                return waiting
        return None

    def _is_ready(self, waiting: Readiness) -> bool:
        state = self._state
        with state.after_lock, state.lock:
            return self._is_ready_locked(waiting)

    def _is_ready_locked(self, waiting: Readiness) -> bool:
        membership = self._state.membership
        if membership.closed:
            raise PoolClosed(f"pool {self.name!r} is closed", pool=self.name)
        self._checkout.router.wake_locked()
        return membership.has_healthy(waiting.members)

    def _not_ready(self, members: int, seconds: float) -> NotReady:
        from connpool_runtime.pool.readiness import not_ready

        state = self._state
        with state.after_lock, state.lock:
            membership = state.membership
            others = len(membership.members) - len(membership.used)
            return not_ready(state.name, membership.used, members, seconds, others)

    def resize(
        self, name: str, *, min_size: int | None = None, max_size: int | None = None
    ) -> None:
        """Change how many clients an endpoint may have and keeps open. Safe for threads; does not wait.

        More are opened when calls need them, or at once up to `min_size`. Of those that are too many, idle ones
        are closed at once, the others when their calls have ended.

        Arguments:
            name: of the endpoint.
            min_size: clients that are kept open; what it was if not given.
            max_size: clients that may be open at a time; what it was if not given.

        Raises:
            UnknownMember: no member has this name.
            ValueError: the member has one client of its own, a number is not allowed, or `min_size` is larger
                than `max_size`.
        """
        state = self._state
        with state.after_lock, state.lock:
            member = state.membership.find(name)
            store = member.source
            if not isinstance(store, ClientStore):
                raise ValueError(
                    f"member {name!r} of pool {state.name!r} was added with one client; only members added by"
                    " add_endpoint can be resized"
                )
            store.resize(min_size, max_size)
            state.queue.free(member)
            state.maintenance_due = True
            self._checkout.router.follow_locked(member)

    @property
    def metrics_only(self) -> bool:
        """Whether breakers change state and notify listeners, but eject no member."""
        return self.settings.metrics_only

    def set_metrics_only(self, on: bool) -> None:
        """Turn `metrics_only` on or off: with it, breakers eject no member. Safe for threads.

        Their states stay as they are: one that is open ejects its member as soon as this is off again.
        Members opened by hand are ejected all the same.

        Arguments:
            on: as the setting `metrics_only`.

        Raises:
            ValueError: `on` is neither True nor False.
        """
        self.reconfigure(metrics_only=on)

    def set_weight(self, name: str, weight: int) -> None:
        """Change the weight of a member.

        Its breaker, its counts and the calls that run on it stay as they are. Safe for threads.

        Arguments:
            name: of the member.
            weight: share of the calls, for balancers that know weights; from 1 to 1,000,000,000, with
                "consistent_hash" to 1,000.

        Raises:
            UnknownMember: no member has this name.
            ValueError: the weight is not a whole number of at least 1, or the pool's balancer ignores
                weights.
            PoolClosed: the pool was closed.
        """
        check_weight(weight, self.settings.balancer)
        self._place(name, lambda placement: placement._replace(weight=weight))

    def set_priority(self, name: str, priority: int) -> None:
        """Move a member to another priority, as `add_client` explains it. Safe for threads.

        Its breaker, its counts and the calls that run on it stay as they are.

        Arguments:
            name: of the member.
            priority: members of a higher number are called when too few of the lower ones are healthy.

        Raises:
            UnknownMember: no member has this name.
            ValueError: the priority is not a whole number of at least 0.
            PoolClosed: the pool was closed.
        """
        whole_number("priority", priority, least=0)
        self._place(name, lambda placement: placement._replace(priority=priority))

    def set_zone(self, name: str, zone: str | None) -> None:
        """Change the zone of a member; those in the pool's own zone are preferred. Safe for threads.

        Its breaker, its counts and the calls that run on it stay as they are.

        Arguments:
            name: of the member.
            zone: where it is; None if that is unknown.

        Raises:
            UnknownMember: no member has this name.
            TypeError: the zone is neither a string nor None.
            PoolClosed: the pool was closed.
        """
        if not isinstance(cast("object", zone), str | None):
            raise TypeError(f"zone must be a string or None, not {zone!r}")
        self._place(name, lambda placement: placement._replace(zone=zone))

    def set_labels(self, name: str, labels: Mapping[str, str]) -> None:
        """Replace all labels of a member. Safe for threads.

        The next call goes by it, as when a replica has become the primary. Its breaker, its counts and the calls
        that run on it stay as they are. What a source of endpoints says of it later takes their place.

        Arguments:
            name: of the member.
            labels: names and values, all of them strings, as {"role": "primary"}; {} for none.

        Raises:
            UnknownMember: no member has this name.
            TypeError: the labels do not map strings to strings.
            PoolClosed: the pool was closed.
        """
        known = checked_labels(labels)
        self._place(name, lambda placement: placement._replace(labels=known))

    def _place(self, name: str, change: Replacing) -> None:
        state = self._state
        with state.after_lock, state.lock:
            state.membership.find(name)
        change_members(self._checkout, place=[(name, change)], new_gate=_no_gate)

    def reconfigure(self, **options: Unpack[PoolOptions]) -> None:
        """Change options of a running pool: all that `PoolSettings` says may change in one.

        Members, their breakers and the calls that run stay as they are; later calls go by the new options.
        Options that are not given stay, None is the default. A member that was added with a
        `max_concurrency` of its own keeps it; calls over a limit that has become smaller end as they
        would have. Safe for threads, and without waiting.

        Arguments:
            options: see `PoolSettings`.

        Raises:
            ValueError: an option is not allowed, or may not change; nothing has changed.
            PoolClosed: the pool was closed.
        """
        from connpool_runtime.checkout.reconfigure import change_settings

        given = {name: value for name, value in options.items() if value is not None}
        kept = {
            name: value for name, value in self.settings.options().items() if name not in options
        }
        change_settings(self._checkout, PoolSettings.of({**kept, **given}))
        self._arrange_calls()
        for one in self._discoveries:
            one.follow_pool()

    def set_middleware(self, middleware: Mapping[str, object]) -> None:
        """Register middleware around all later calls, replacing those that this method registered before.

        They get the places of their roles, as `in_order` gives them, among those that were registered,
        which stay. One that was there under the same name and is the same object goes on. Calls that run
        end inside those with which they began.

        Arguments:
            middleware: by names of your own.

        Raises:
            TypeError: one is not for pools of this kind.
            ValueError: one has the same role as one that was registered, and it is not one that may repeat.
        """
        from connpool_runtime.middleware.order import by_role

        made = {name: registration_of(one, self._way) for name, one in middleware.items()}
        state = self._state
        with state.after_lock, state.lock:
            named = set(map(id, self._named_middleware.values()))
            own = [one for one in state.middleware if id(one) not in named]
            chain = by_role([*made.values(), *own], lambda one: one.middleware)
            self._named_middleware = made
            state.middleware = tuple(chain)
        self._arrange_calls()

    @property
    def named_middleware(self) -> Mapping[str, object]:
        """The middleware that `set_middleware` has registered, by name."""
        return {name: one.middleware for name, one in self._named_middleware.items()}

    @property
    def monitors(self) -> tuple[Any, ...]:
        """The health monitors of members that `add_connector` opened, one for each connector."""
        return tuple(self._monitors)

    @property
    def discoveries(self) -> tuple[Any, ...]:
        """What `discover` has returned, as far as it is not closed."""
        return tuple(one for one in self._discoveries if not one.closed)

    def _arrange_calls(self) -> None:
        """Choose how later calls run, by what the middleware and the balancer need."""
        raise NotImplementedError

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call a function on every event from now on; return a function that ends that.

        The listener runs after the fact, without locks, on the thread or task whose call brought
        the event about; events arrive in order. What it raises is logged and affects no call.

        Raises:
            TypeError: the listener is not a function, or is a coroutine function, which nobody would await.
        """
        # imported now, because later a lock would be held
        import_module("connpool_runtime.events.types")
        state = self._state
        with state.after_lock, state.lock:
            state.events.subscribe(listener)

        def end() -> None:
            with state.after_lock, state.lock:
                state.events.unsubscribe(listener)

        return end

    def stats(self) -> PoolStats:
        """Return the current stats."""
        from connpool_runtime.pool.collect_stats import collect_stats

        stats = collect_stats(self._state)
        checked = (*self._monitors, *self._discoveries)
        if not checked:
            return stats
        from dataclasses import (
            replace,  # whose import takes a fifth of the time that the runtime's takes
        )

        checks = Counter[str]()
        for one in checked:
            checks.update(one.checks)
        return replace(
            stats,
            discovery=tuple(one.stats() for one in self._discoveries if not one.closed),
            health_checks=tuple(sorted(checks.items())),
        )

    def __repr__(self) -> str:
        members = " ".join(map(repr, self.members)) or "no members"
        closed = " closed" if self.closed else ""
        return f"<{type(self).__name__} {self.name!r}{closed} {members}>"

    def _add_middleware(self, middleware: object) -> None:
        """Register a middleware inside those that are there."""
        made, state = registration_of(middleware, self._way), self._state
        with state.after_lock, state.lock:
            refuse_duplicate(state.name, middleware, state.middleware)
            state.middleware = (*state.middleware, made)
        self._arrange_calls()

    def _stop_monitors(self) -> None:
        for one in (*self._discoveries, *self._monitors):
            one.stop()
        for sweeper in self._state.sweepers:
            sweeper.stop()
