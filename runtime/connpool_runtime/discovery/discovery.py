# Made by tools/derive_sync.py from async_discovery.py; edit that.
"""Follows a source of endpoints: opens members of a pool, changes them in place, and drains those that are gone.

One worker does all of it, so that changes are made one after the other. Everything that may hang has a thread
of its own: a request to the source, the opening of a client, the closing of one.
"""

from __future__ import annotations

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, Unpack, cast

from connpool_runtime._concurrency.forks import keep, new_lock, renew_after_fork
from connpool_runtime._concurrency.threads import (
    Gate,
    Helpers,
    Latch,
    PeriodicWorker,
    Step,
    time_limit,
)
from connpool_runtime._log import LogFields, extra, log_failure, runtime_logger
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.backoff import growing, jittered
from connpool_runtime.balancing.balancers import most_weight
from connpool_runtime.checkout import member_health
from connpool_runtime.checkout.checkout import Checkout
from connpool_runtime.checkout.member_changes import Placement, change_members
from connpool_runtime.checkout.replacing import replace_client
from connpool_runtime.clients.source import SingleClient
from connpool_runtime.connectors.config.errors import ConnectorError
from connpool_runtime.connectors.config.labels import of_all
from connpool_runtime.connectors.custom import close_itself
from connpool_runtime.connectors.protocols import Connector
from connpool_runtime.discovery import snapshot_file
from connpool_runtime.discovery.connector_endpoint import connector_endpoint
from connpool_runtime.discovery.endpoint import Endpoint, snapshot_of
from connpool_runtime.discovery.errors import (
    DiscoveryError,
    DiscoveryTimeout,
    NoEndpoints,
    SourceFailed,
    reason_of,
)
from connpool_runtime.discovery.reconcile import Changes, KnownEndpoints
from connpool_runtime.discovery.settings import DiscoveryOptions, DiscoverySettings
from connpool_runtime.discovery.source import Source
from connpool_runtime.discovery.tracker import EndpointTracker, Entry, Job, Opened
from connpool_runtime.errors import PoolClosed, reportable
from connpool_runtime.events.types import (
    DiscoveryFailed,
    DiscoveryRecovered,
    DiscoveryUpdated,
    EndpointMoved,
    ReconnectFailed,
)
from connpool_runtime.health.monitor import HealthMonitor
from connpool_runtime.health.tracker import MonitoredPool
from connpool_runtime.members.labels import checked_labels
from connpool_runtime.members.new_client import NewClient
from connpool_runtime.stats.types import DiscoveryStats

if TYPE_CHECKING:
    from connpool_runtime.events.types import Event

__all__ = ["Discovery", "DiscoveredPool"]

C = TypeVar("C")

TOLD = 3  # endpoints whose failures one message lists
FOR_EVER = 1e8  # seconds; no event loop waits for longer
SHORTEST_PAUSE = 0.05  # seconds between two requests to the source, whatever it asks for
# multiple of the time for opening, after which an attempt is given up even if it has not ended
PATIENCE = 1.2


class DiscoveredPool(MonitoredPool, Protocol):
    """What discovery needs from a pool."""

    def add_clients(self, clients: Iterable[NewClient[Any]], /) -> None:
        """Add members."""
        ...


class _Question:
    """One request to the source, until its answer has been processed."""

    def __init__(self, now: float, seconds: float) -> None:
        self.seconds = seconds  # time limit of the request
        self.deadline = now + seconds
        self.ended = self.given_up = False
        self.answer: tuple[Endpoint, ...] = ()
        self.error: BaseException | None = None
        self.step: Step | None = None


class Discovery(Generic[C]):
    """Keeps the members of a pool in step with a source of endpoints. Made by `Pool.discover`.

    Safe for threads. It ends with `close`, or with its pool.

    Arguments:
        pool: gets the members, each named after the id of its endpoint.
        checkout: of this pool.
        source: says which endpoints there are.
        connect: a connector, or a function of the endpoint that opens
            a client (or returns a connector).
        check: whether a new client is fit for use; False, or any error, says that it is not.
        warm_up: what a new client does before it gets calls.
        close: closes a client; None is the pool's way, or else the client's own method for it.
        settings: the numbers.
    """

    def __init__(
        self,
        pool: DiscoveredPool,
        checkout: Checkout[C],
        source: Source,
        connect: Connector[C] | Callable[[Endpoint], Any],
        *,
        check: Callable[[C], object] | None,
        warm_up: Callable[[C], object] | None,
        close: Callable[[C], object] | None,
        settings: DiscoverySettings,
    ) -> None:
        _refuse_unfit(pool.name, source, connect)
        self._pool = pool
        self._checkout = checkout
        self._source = source
        self._source_name = source.name
        self._connect = connect
        self._check = check
        self._warm_up = warm_up
        self._close_client = close
        self._settings = settings
        self._clock = pool.settings.clock
        self._random = pool.settings.random
        self._most_weight = most_weight(pool.settings.balancer)
        self._stopped = False
        self._monitor: HealthMonitor[C] | None = None
        if _is_connector(connect):
            self._monitor = HealthMonitor(pool, checkout, cast("Connector[C]", connect), ())
        self._lock = new_lock()  # guards everything below
        self._changes: deque[Changes] = deque()  # decided on, and still to be carried out
        self._answered = False
        self._known = KnownEndpoints(
            allow_empty=settings.allow_empty,
            removal_delay=settings.removal_delay,
            flap_delay=settings.flap_delay,
            now=self._clock(),
        )
        self._tracker = EndpointTracker(
            settings.connect_backoff, settings.connect_backoff_max, self._random
        )
        self._waiting: list[tuple[int, Latch]] = []
        self._next_source: tuple[Source, tuple[Endpoint, ...]] | None = None
        self._errors: Counter[str] = Counter()
        self._updates = 0
        self._saving = self._unsaved = False
        self._last_success = 0.0
        self._last_error: BaseException | None = None
        # Used by the worker only.
        self._question: _Question | None = None
        self._ask_at = -math.inf
        self._failures = 0
        self._openers = 0
        name = f"discovery of {pool.name}"
        self._helpers = Helpers(name)
        self._worker = PeriodicWorker(name, self._round, self._clock)
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Ask the source again in a child process, and reopen what was being opened there."""
        keep(self._question, *self._tracker.running, *self._tracker.done)
        self._lock = new_lock()
        self._question, self._ask_at, self._openers = None, -math.inf, 0
        self._waiting, self._saving = [], False
        self._tracker.begin_anew(self._clock())
        if self._stopped:
            return
        for name, entry in self._tracker.wanted.items():
            if entry.joined is not None and entry.tracked is None:
                self._reopen_after_fork(name, entry.joined)
        self._checkout.state.revivals.append(self._worker.try_start)

    # The public interface

    @property
    def source(self) -> Source:
        """The source that is followed."""
        return self._source

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints of the last good answer, including those that have no member yet."""
        with self._lock:
            return tuple(self._known.wanted.values())

    @property
    def has_connector(self) -> bool:
        """Whether a connector opens the clients, and not a user's function."""
        return self._monitor is not None

    @property
    def closed(self) -> bool:
        """Whether following the source has ended."""
        return self._stopped

    def stats(self) -> DiscoveryStats:
        """Return the current stats."""
        with self._lock:
            tracker, last = self._tracker, self._last_error
            return DiscoveryStats(
                source=self._source_name,
                endpoints=len(self._known.wanted),
                joined=tracker.joined,
                opening=len(tracker.wanted) - tracker.joined - tracker.failed,
                failed=tracker.failed,
                leaving=len(tracker.leaving) + len(tracker.draining),
                updates=self._updates,
                errors=tuple(sorted(self._errors.items())),
                stale=self._known.stale_for(self._clock()),
                last_success=self._last_success,
                last_error=None if last is None else _text_of(last),
            )

    @property
    def checks(self) -> Counter[str]:
        """The number of health checks of its members, by "success" and "failure"."""
        return Counter() if self._monitor is None else self._monitor.checks

    def wait_ready(self, count: int = 1, timeout: float | None = None) -> None:
        """Wait until a number of endpoints have a member that takes calls.

        Arguments:
            count: how many.
            timeout: seconds to wait; None is without limit.

        Raises:
            DiscoveryTimeout: there are not so many in time; the message says what is missing.
            PoolClosed: the pool, or this handle, was closed.
        """
        seconds = math.inf if timeout is None else timeout
        self._wait_for(count, seconds)
        if self._stopped:
            raise PoolClosed(
                f"pool {self._pool.name!r} does not follow {self._source_name} any more",
                pool=self._pool.name,
            )
        if self._tracker.joined < count:
            raise self._too_late(count, seconds)

    def change(
        self,
        *,
        source: Source | None = None,
        connector: Connector[C] | None = None,
        anew: bool = False,
        **options: Unpack[DiscoveryOptions],
    ) -> None:
        """Change the source, the settings or the way clients are opened, without disturbing calls.

        A new source has to answer first: then its endpoints replace those of the old one, as if the old
        source had given that answer. New clients replace old ones as they are opened.

        Arguments:
            source: replaces the present source, which is closed.
            connector: opens clients from now on, if a connector has opened them so far.
            anew: whether members that stay get new clients, because the old ones were opened otherwise.
            options: those of `discover`; one that is not given has its default.

        Raises:
            SourceFailed: the new source has not given a good answer; nothing has changed.
            ConnectorError: the new connector cannot open a client; nothing has changed.
            PoolClosed: this is closed.
        """
        settings = DiscoverySettings.of(options, also=("source", "connector", "anew"))
        if self._stopped:
            raise PoolClosed(f"{self!r} is closed", pool=self._pool.name)
        answer: tuple[Endpoint, ...] = ()
        if connector is not None and anew:
            self._prove(connector)
        if source is not None:
            answer = self._first_answer(source, settings)
        with self._lock:
            self._settings = settings
            self._known.follow_settings(
                allow_empty=settings.allow_empty,
                removal_delay=settings.removal_delay,
                flap_delay=settings.flap_delay,
            )
            self._tracker.follow_settings(settings.connect_backoff, settings.connect_backoff_max)
            if connector is not None and self._monitor is not None:
                self._connect = connector
                self._monitor.follow_rules(connector)
                if anew:
                    self._tracker.reopen_all(self._clock())
            if source is not None:
                self._next_source = source, answer
        if connector is not None:
            self._place_anew()  # labels may have changed
        self._worker.wake()

    def _prove(self, connector: Connector[C]) -> None:
        """Refuse a connector that can open no client of the first few endpoints.

        Raises:
            ConnectorError: no client could be opened.
        """
        with self._lock:
            known = list(self._known.wanted.values())[:TOLD]
        first: Exception | None = None
        for endpoint in known:
            one = connector.fresh(connector_endpoint(connector.config, endpoint))
            try:
                one.connect()
            except ConnectorError as error:
                first = first or error
            else:
                return
            finally:
                one.close()
        if first is not None:
            raise first

    def _first_answer(self, source: Source, settings: DiscoverySettings) -> tuple[Endpoint, ...]:
        """Return the first answer of a new source; a source that fails is closed.

        Raises:
            SourceFailed: it has not answered, or its answer is empty and `allow_empty` is not set.
        """
        name, found = source.name, list[tuple[Endpoint, ...]]()

        def ask() -> None:
            found.append(snapshot_of(source.fetch(settings.fetch_timeout), name))

        step = Step(f"source {name}", ask)
        error = step.wait(source.wait + settings.fetch_timeout)
        if error is None and found and (found[0] or settings.allow_empty):
            return found[0]
        self._helpers.start(self._close_source, source)
        if error is None:
            raise SourceFailed(
                f"{name} says that there is no endpoint", source=name, reason="empty"
            )
        if isinstance(error, DiscoveryError):
            raise error
        raise SourceFailed(f"{name}: {_text_of(error)}", source=name, reason=reason_of(error))

    def follow_pool(self) -> None:
        """Apply a change of the pool's balancer: the new one may use larger weights, or ignore them."""
        most = most_weight(self._pool.settings.balancer)
        with self._lock:
            changed, self._most_weight = most != self._most_weight, most
        if changed:
            self._place_anew()

    def _place_anew(self) -> None:
        with self._lock:
            joined = [one.endpoint for one in self._tracker.wanted.values() if one.joined]
        place = [(one.id, self._placing(one)) for one in joined]
        change_members(self._checkout, place=place, new_gate=Gate)

    def close(self) -> None:
        """Stop following the source. The members stay in the pool as if added by hand."""
        self._end()
        self._worker.join(0.5)

    def __enter__(self) -> Discovery[C]:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = " closed" if self._stopped else ""
        joined, endpoints = self._tracker.joined, len(self._known.wanted)
        return (
            f"<{type(self).__name__} of {self._pool.name!r} by {self._source_name}{state}:"
            f" {joined} of {endpoints} endpoints>"
        )

    # Start and end

    def start(self) -> None:
        """Start following the source, and wait up to `start_timeout` for the first member.

        Raises:
            DiscoveryTimeout: there is none; nothing is followed any more.
        """
        settings = self._settings
        self._worker.start()
        if not settings.start_timeout:
            return
        begun = False
        try:
            try:
                self._first_member(settings.start_timeout)
            except DiscoveryTimeout:
                if not self._restore():
                    raise
                self._first_member(settings.connect_timeout)
            begun = True
        finally:
            if not begun:
                self.close()

    def _first_member(self, seconds: float) -> None:
        """Wait for the first member, or for an answer that has no endpoints."""
        if self._settings.allow_empty:
            self._wait_for(0, seconds)
            if not self._known.wanted and self._answered:
                return
        self.wait_ready(1, seconds)

    def _wait_for(self, count: int, seconds: float) -> bool:
        """Wait for a number of members, or with 0 for the first answer; return whether it came, or discovery ended."""
        latch = Latch()
        with self._lock:
            if self._stopped or self._is_reached(count):
                return True
            self._waiting.append((count, latch))
        try:
            return latch.wait(min(seconds, FOR_EVER))
        finally:
            with self._lock:
                self._waiting = [one for one in self._waiting if one[1] is not latch]

    def _is_reached(self, count: int) -> bool:
        return self._tracker.joined >= count if count else self._answered

    def stop(self) -> None:
        """Stop everything because the pool is being closed. Requests and openings that hang are left behind."""
        self._end()
        if self._monitor is not None:
            self._monitor.stop()

    def _end(self) -> None:
        """Stop asking the source and opening clients; members opened by a connector are still checked."""
        if self._stopped:
            return
        self._stopped = True
        self._worker.stop()
        with self._lock:
            waiting, self._waiting = self._waiting, []
            unwanted = self._tracker.give_up_all()
        for _, latch in waiting:
            latch.open()
        question = self._question
        if question is not None and question.step is not None:
            question.step.cancel()
        for opened in unwanted:
            self._helpers.start(self._close_opened, opened)
        self._helpers.start(self._close_source, self._source)
        if self._next_source is not None:
            self._helpers.start(self._close_source, self._next_source[0])

    def _close_source(self, source: Source) -> None:
        try:
            source.close()
        except Exception:
            log_failure(
                "closing source %s of pool %r failed",
                *(source.name, self._pool.name),
                **self._fields("close_failed"),
            )

    # The worker

    def _round(self) -> float:
        """Do what is due; return when more will be due."""
        try:
            return self._do_due(self._clock())
        except PoolClosed:
            self.stop()
            return math.inf
        except Exception:
            log_failure(
                "discovery of pool %r by %s failed",
                *(self._pool.name, self._source_name),
                **self._fields("discovery_failed"),
            )
            return self._clock() + 1.0

    def _do_due(self, now: float) -> float:
        if self._next_source is not None:
            self._take_next_source(now)
        self._look_at_answer(now)
        with self._lock:
            removed = self._known.remove_due(now)
            if removed:
                self._changes.append(Changes(removed=removed))
        if removed:
            self._save_later()
        while self._changes:
            self._carry_out(self._changes.popleft(), now)
        self._join_opened(now)
        self._let_leave()
        self._start_openers(now)
        with self._lock:
            reached = [latch for count, latch in self._waiting if self._is_reached(count)]
            self._waiting = [one for one in self._waiting if one[1] not in reached]
            question, may_open = self._question, self._openers < self._settings.max_connecting
            due = min(
                self._ask_at if question is None else question.deadline,
                self._known.next_removal,
                self._tracker.next_due if may_open else math.inf,
                min((job.deadline for job in self._tracker.running), default=math.inf),
            )
        for latch in reached:
            latch.open()
        return due

    # Requests to the source

    def _take_next_source(self, now: float) -> None:
        """Switch to another source, which has answered already."""
        with self._lock:
            found, self._next_source = self._next_source, None
            if found is None:
                return
            before, self._source = self._source, found[0]
            self._source_name = self._source.name
            question, self._question = self._question, None
            self._failures = 0
        if question is not None and question.step is not None:
            question.step.cancel()
        self._helpers.start(self._close_source, before)
        self._believe(found[1], now)

    def _look_at_answer(self, now: float) -> None:
        """Process an answer that has arrived, give up a request that takes too long, and ask again when it is time."""
        question = self._question
        if question is not None and question.ended:
            self._question = None
            if question.given_up:
                self._ask_at = now  # nothing was asked meanwhile: another request would hang too
            elif question.error is None:
                self._believe(question.answer, now)
            else:
                self._fail(question.error, now)
        elif question is not None and question.deadline <= now:
            question.given_up, question.deadline = True, math.inf
            if question.step is not None:
                question.step.wait(0.0)
            text = f"{self._source_name} has not answered within {question.seconds:g} s"
            self._fail(SourceFailed(text, reason="timeout", source=self._source_name), now)
        if self._question is None and now >= self._ask_at:
            self._ask(now)

    def _ask(self, now: float) -> None:
        source, name = self._source, self._source_name
        timeout, worker = self._settings.fetch_timeout, self._worker
        question = self._question = _Question(now, source.wait + timeout)

        def ask() -> None:
            try:
                question.answer = snapshot_of(source.fetch(timeout), name)
            except BaseException as error:
                question.error = error
                raise
            finally:
                question.ended = True
                worker.wake()

        question.step = Step(f"source {name}", ask)

    def _believe(self, answer: tuple[Endpoint, ...], now: float) -> None:
        with self._lock:
            stale, news = self._known.stale_for(now), False
            refusal: NoEndpoints | None = None
            try:
                changes = self._known.accept(answer, now, self._source_name)
            except NoEndpoints as caught:
                refusal = caught
            else:
                news = bool(changes) or not self._answered
                self._changes.append(changes)
                self._answered, self._last_success = True, time.time()
                self._updates += news
                self._tracker.look_for_lost(self._checkout.state.membership.by_name, now)
        if refusal is not None:
            self._fail(refusal, now)
            return
        self._ask_at = now + max(SHORTEST_PAUSE, jittered(self._source.interval, self._random()))
        failed, self._failures = self._failures, 0
        if failed:
            runtime_logger().info(
                "%s answers pool %r again",
                *(self._source_name, self._pool.name),
                extra=extra(**self._fields("discovery_recovered", seconds=stale)),
            )
            self._emit(
                DiscoveryRecovered(pool=self._pool.name, source=self._source_name, stale=stale)
            )
        if news:
            self._save_later()

    def _fail(self, error: BaseException, now: float) -> None:
        error = without_traceback(error)
        self._failures += 1
        with self._lock:
            self._known.fail()
            self._errors[reason_of(error)] += 1
            self._last_error = error
            stale, known = self._known.stale_for(now), bool(self._known.wanted)
        settings = self._settings
        self._ask_at = now + growing(
            self._failures, settings.retry_backoff, settings.retry_backoff_max, self._random()
        )
        if self._failures == 1:
            runtime_logger().warning(
                "pool %r has no good answer of %s, and keeps what it knows: %s",
                self._pool.name,
                self._source_name,
                _text_of(error),
                extra=extra(
                    **self._fields(
                        "discovery_failed",
                        reason=reason_of(error),
                        error_type=type(error).__qualname__,
                        seconds=stale,
                    )
                ),
            )
            self._emit(
                DiscoveryFailed(
                    pool=self._pool.name, source=self._source_name, cause=error, stale=stale
                )
            )
        if not known:
            self._restore()

    # The snapshot file

    def _save_later(self) -> None:
        """Save the answer to the snapshot file in the background; one helper at a time, so that the last one stays."""
        if self._settings.snapshot_file is None:
            return
        with self._lock:
            self._unsaved = True
            start, self._saving = not self._saving, True
        if start:
            self._helpers.start(self._save)

    def _save(self) -> None:
        path = cast("str", self._settings.snapshot_file)
        while True:
            with self._lock:
                if not self._unsaved:
                    self._saving = False
                    return
                self._unsaved = False
                endpoints, when = tuple(self._known.wanted.values()), self._last_success
            try:
                snapshot_file.save(path, self._source_name, endpoints, when)
            except OSError as error:  # calls do not depend on the file
                self._note_file_error(error)

    def _restore(self) -> bool:
        """Start with the last good answer from the snapshot file; return whether there was one."""
        path = self._settings.snapshot_file
        if path is None:
            return False
        try:
            found = snapshot_file.load(path, self._source_name)
        except (OSError, ValueError) as error:
            self._note_file_error(error)
            return False
        if found is None:
            return False
        endpoints, when = found
        age = max(0.0, time.time() - when)
        with self._lock:
            if not self._known.wanted:
                self._changes.append(self._known.restore(endpoints, self._clock() - age))
                self._last_success = when
        runtime_logger().warning(
            "pool %r begins with what %s has answered %.0f s ago",
            self._pool.name,
            self._source_name,
            age,
            extra=extra(**self._fields("discovery_restored", seconds=age)),
        )
        self._worker.wake()
        return True

    def _note_file_error(self, error: Exception) -> None:
        with self._lock:
            self._errors["snapshot_file"] += 1
            self._last_error = without_traceback(error)
        runtime_logger().warning(
            "the snapshot of %s: %s",
            *(self._source_name, error),
            extra=extra(
                **self._fields("snapshot_file_failed", error_type=type(error).__qualname__)
            ),
        )

    def _fields(self, event_name: str, /, **more: Unpack[LogFields]) -> LogFields:
        """Return the fields of a log record, completed by those of all records of this discovery."""
        more["event_name"] = event_name
        more["pool"], more["source"] = self._pool.name, self._source_name
        return more

    # Applying an answer

    def _carry_out(self, changes: Changes, now: float) -> None:
        if not changes:
            return
        with self._lock:
            plan = self._tracker.apply(changes, now)
        if plan.place or plan.restore:
            back = change_members(
                self._checkout,
                place=[(one.id, self._placing(one)) for one in (*plan.place, *plan.restore)],
                restore=[one.id for one in plan.restore],
                new_gate=Gate,
            )
            for name in back:
                with self._lock:
                    entry = self._tracker.restored(name)
                if self._monitor is not None and entry.tracked is not None:
                    self._monitor.adopt(entry.tracked)
        name, source = self._pool.name, self._source_name
        for before, after in changes.moved:
            self._emit(
                EndpointMoved(
                    pool=name,
                    member=after.id,
                    source=source,
                    before=before.address,
                    after=after.address,
                )
            )
        self._emit(
            DiscoveryUpdated(
                pool=name,
                source=source,
                added=tuple(one.id for one in changes.added),
                removed=tuple(one.id for one in changes.removed),
                changed=tuple(one.id for _, one in (*changes.moved, *changes.changed)),
            )
        )

    def _placement(self, endpoint: Endpoint) -> Placement:
        # The pool's balancer may ignore weights, or take smaller ones; the source's weights are for other pools, too.
        weight = min(endpoint.weight, self._most_weight)
        labels = {} if self._monitor is None else of_all(self._monitor.config.labels)
        known = checked_labels({**labels, **endpoint.metadata})
        return Placement(weight, endpoint.priority, endpoint.zone, known)

    def _placing(self, endpoint: Endpoint) -> Callable[[Placement], Placement]:
        placement = self._placement(endpoint)
        return lambda _before: placement

    def _let_leave(self) -> None:
        with self._lock:
            self._tracker.drained(self._checkout.state.membership.by_name)
            released = self._tracker.release()
        if released:
            for entry in released:
                self._forget(entry)
            names = [entry.endpoint.id for entry in released]
            change_members(self._checkout, release=names, new_gate=Gate)

    def _forget(self, entry: Entry) -> None:
        if self._monitor is not None and entry.tracked is not None:
            self._monitor.forget(entry.tracked)

    # New members

    def _join_opened(self, now: float) -> None:
        """Add the clients that were opened to the pool, all at the same moment."""
        with self._lock:
            ready, unwanted, failed = self._tracker.collect(now)
        for opened in unwanted:
            self._helpers.start(self._close_opened, opened)
        for entry in failed:
            self._tell_failure(entry)
        if ready:
            self._add([one for one in ready if not self._replace(*one)], now)

    def _replace(self, entry: Entry, opened: Opened) -> bool:
        """Replace the client that an endpoint has so far; return False if it has none."""
        endpoint = entry.endpoint
        member = self._checkout.state.membership.by_name.get(endpoint.id)
        ours = entry.joined is not None or endpoint.id in self._tracker.draining
        if member is None or not ours:
            return False
        self._forget(entry)
        new = replace_client(
            self._checkout,
            member,
            opened.client,
            close=opened.close,
            validate=opened.validate,
            new_gate=Gate,
        )
        if new is None:
            return False
        change_members(
            self._checkout, place=[(endpoint.id, self._placing(endpoint))], new_gate=Gate
        )
        self._joined(entry, endpoint, opened)
        return True

    def _add(self, ready: list[tuple[Entry, Opened]], now: float) -> None:
        try:
            self._pool.add_clients([self._new_client(*one) for one in ready])
        except Exception as error:
            if len(ready) > 1 and not isinstance(error, PoolClosed):
                for one in ready:  # one of them has a name that is taken, for example
                    self._add([one], now)
                return
            for entry, opened in ready:
                self._helpers.start(self._close_opened, opened)
                with self._lock:
                    self._tracker.fail(entry, error.with_traceback(None), now)
                self._tell_failure(entry)
            if isinstance(error, PoolClosed):
                raise
            return
        for entry, opened in ready:
            self._joined(entry, entry.endpoint, opened)

    def _new_client(self, entry: Entry, opened: Opened) -> NewClient[Any]:
        weight, priority, zone, labels = self._placement(entry.endpoint)
        return NewClient(
            opened.client,
            entry.endpoint.id,
            weight,
            opened.close,
            opened.validate,
            priority=priority,
            zone=zone,
            labels=labels,
        )

    def _joined(self, entry: Entry, endpoint: Endpoint, opened: Opened) -> None:
        with self._lock:
            self._tracker.join(entry, endpoint)
        member = self._checkout.state.membership.by_name.get(endpoint.id)
        if self._monitor is not None and member is not None:
            place = connector_endpoint(opened.connector.config, endpoint)
            entry.tracked = self._monitor.track(endpoint.id, place, opened.connector, member)

    def _tell_failure(self, entry: Entry) -> None:
        event = ReconnectFailed(
            pool=self._pool.name,
            member=entry.endpoint.id,
            attempt=entry.attempts,
            gave_up=False,
            cause=entry.error or TimeoutError(),
        )
        self._emit(event)

    # Clients

    def _start_openers(self, now: float) -> None:
        jobs: list[Job] = []
        with self._lock:
            self._openers -= self._tracker.give_up_late(now)
            while self._openers < self._settings.max_connecting and not self._stopped:
                job = self._tracker.next_job(now, self._connect_timeout * PATIENCE)
                if job is None:
                    break
                self._openers += 1
                jobs.append(job)
        for job in jobs:
            self._helpers.start(self._open_some, job)

    @property
    def _connect_timeout(self) -> float:
        if self._monitor is not None:
            return cast("Connector[C]", self._connect).config.connect_timeout
        return self._settings.connect_timeout

    def _open_some(self, first: Job) -> None:
        """Make one attempt after the other to open clients, until none is due."""
        job: Job | None = first
        while job is not None:
            going_on = False
            try:
                self._try(job)
                going_on = True
            finally:
                # Also after an error that is not an `Exception`, which ends this helper: another one may take
                # its place.
                job = self._job_after(job, going_on=going_on)
        self._worker.wake()  # it may have looked when no place was free

    def _job_after(self, job: Job, *, going_on: bool) -> Job | None:
        """Return a helper's next attempt; None if the helper ends."""
        with self._lock:
            if job.given_up:  # another helper has taken this one's place
                return None
            found = None
            if going_on and not self._stopped:
                found = self._tracker.next_job(self._clock(), self._connect_timeout * PATIENCE)
            if found is None:
                self._openers -= 1
            return found

    def _try(self, job: Job) -> None:
        try:
            with time_limit(self._connect_timeout):
                job.opened = self._open(job.endpoint)
        except Exception as error:
            job.error = error.with_traceback(None)
        except BaseException as error:
            job.error = reportable(error, "opening a client", self._pool.name)
            raise
        finally:
            with self._lock:
                wanted = self._tracker.end(job)
            self._worker.wake()
        if not wanted and job.opened is not None:
            self._close_opened(job.opened)

    def _open(self, endpoint: Endpoint) -> Opened:
        """Open a client of an endpoint, verify it and warm it up."""
        if self._monitor is not None:
            template = cast("Connector[C]", self._connect)
            connector = template.fresh(connector_endpoint(template.config, endpoint))
            opened = Opened(None, connector.close, connector.health_check, connector)
            ready = False
            try:
                opened = opened._replace(client=connector.connect())
                self._prepare(opened.client)
                ready = True
            finally:
                if not ready:
                    connector.close()
            return opened
        connect = cast("Callable[[Endpoint], Any]", self._connect)
        client: C = connect(endpoint)
        check, close = self._check, self._close_client or _close_itself
        validate = None if check is None else partial(check, client)
        opened, ready = Opened(client, partial(close, client), validate), False
        try:
            self._prepare(client)
            ready = True
        finally:
            if not ready:
                self._close_opened(opened)
        return opened

    def _prepare(self, client: C) -> None:
        check: Any = self._check
        if check is not None and check(client) is False:
            raise ConnectionError("`check` reported that the client is not usable")
        warm_up: Any = self._warm_up
        if warm_up is not None:
            warm_up(client)

    def _close_opened(self, opened: Opened) -> None:
        close: Any = opened.close
        try:
            close()
        except Exception:
            log_failure(
                "closing a client that pool %r does not need failed",
                self._pool.name,
                **self._fields("close_failed"),
            )

    def _reopen_after_fork(self, name: str, endpoint: Endpoint) -> None:
        """Let the next call on a member open a client for this process, because the present one is the parent's."""
        state = self._checkout.state
        member = state.membership.by_name.get(name)
        if member is None or not isinstance(member.source, SingleClient):
            return
        source, opened = member.source, list[Opened]()

        def reopen(_seconds: float) -> None:
            mine = self._open(endpoint)
            with state.after_lock, state.lock:
                first = source.reopen is not None
                if first:
                    opened.append(mine)
                    member.reopened(source, mine.client)
                    self._checkout.router.changed_locked(member, member.breaker.state)
            if not first:  # another call was faster
                self._close_opened(mine)

        def close() -> None:
            for one in opened:
                self._close_opened(one)

        def validate() -> object:
            check: Any = self._check
            return None if check is None else check(member.client)

        member.reopen_with(source, reopen, close, validate)

    # Events and errors

    def _emit(self, event: Event) -> None:
        member_health.emit(self._checkout, event)

    def _too_late(self, count: int, seconds: float) -> DiscoveryError:
        with self._lock:
            joined, last = self._tracker.joined, self._last_error
            failed = [
                (entry.endpoint.id, entry.error)
                for entry in self._tracker.wanted.values()
                if entry.error is not None
            ]
            endpoints, opening = len(self._known.wanted), len(self._tracker.running)
        cause: BaseException | None = failed[0][1] if failed else None
        if not endpoints:
            cause = last
            why = "it has not answered" if last is None else _text_of(last)
        elif failed:
            told = "; ".join(f"{name}: {_text_of(error)}" for name, error in failed[:TOLD])
            more = f"; and {len(failed) - TOLD} more" if len(failed) > TOLD else ""
            why = f"of its {endpoints} endpoints {len(failed)} could not be opened: {told}{more}"
        else:
            why = f"of its {endpoints} endpoints {opening} are being opened"
        return DiscoveryTimeout(
            f"pool {self._pool.name!r} has {joined} members from {self._source_name} after"
            f" {seconds:g} s, not {count}: {why}",
            source=self._source_name,
            pool=self._pool.name,
            cause=cause,
        )


def _refuse_unfit(pool: str, source: object, connect: object) -> None:
    """Refuse invalid sources and `connect` functions now, since they would only fail when used."""
    fetch = getattr(source, "fetch", None)
    if not callable(fetch) or isinstance(source, type):
        hint = "; source_of makes one from a URL" if isinstance(source, str) else ""
        raise TypeError(
            f"`discover` of pool {pool!r} needs a source of endpoints, an object with a method `fetch`, not"
            f" {source!r}{hint}"
        )
    fits = not iscoroutinefunction(fetch)
    if not fits:
        kind = "threads"
        raise TypeError(
            f"pool {pool!r} is for {kind}, but `fetch` of {type(source).__name__} is not; use the source of the"
            f" same kind {'without'} Async in its name"
        )
    if not callable(connect) and not _is_connector(connect):
        raise TypeError(
            f"`connect` of pool {pool!r} must be a connector, or a function that takes an endpoint and opens a"
            f" client, not {connect!r}"
        )
    _refuse_coroutine_function(pool, connect)


def _refuse_coroutine_function(pool: str, connect: object) -> None:
    if iscoroutinefunction(connect):
        raise TypeError(f"pool {pool!r} is for threads, but `connect` must be awaited")


def _close_itself(client: object) -> object:
    return close_itself(client, "close")


def _is_connector(connect: object) -> bool:
    return all(hasattr(connect, name) for name in ("config", "connect", "fresh", "health_check"))


def _text_of(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
