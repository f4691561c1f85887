"""The clients that a factory opened for one endpoint: idle and lent clients, expiry, limits.

Every client is in exactly one place: idle, lent, being opened, or in the trash. What is counted is
derived from that, never kept beside it, so an interrupt leaves nothing to repair. All of it is
guarded by the pool's lock; opening, checking and closing are done by others, without the lock.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from connpool_runtime._concurrency.forks import keep
from connpool_runtime._tracebacks import without_traceback
from connpool_runtime.backoff import growing
from connpool_runtime.clients.pooled_client import PooledClient
from connpool_runtime.clients.source import Borrower, EndOfUse, Owner
from connpool_runtime.options.validation import whole_number

if TYPE_CHECKING:
    from connpool_runtime.clients.settings import EndpointSettings

__all__ = ["PooledClient", "ClientQuota", "ClientStore"]

C = TypeVar("C")


class ClientQuota:
    """How many clients all stores of a pool may have together."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.stores: tuple[ClientStore[Any], ...] = ()

    def add(self, store: ClientStore[Any]) -> None:
        """Count one more store, and forget stores that are gone."""
        self.stores = (*(one for one in self.stores if not one.closed or one.size), store)

    def after_fork(self, stores: Iterable[ClientStore[Any]]) -> None:
        """Count these stores instead, in a child process."""
        self.stores = tuple(stores)

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.most is not None

    def left(self) -> bool:
        """Whether one more client may be opened."""
        return self.most is None or sum(store.size for store in self.stores) < self.most


# share of max_lifetime that varies, so that clients opened together do not all expire together
AGE_JITTER = 0.1


class ClientStore(Generic[C]):
    """The clients of one endpoint: the source of a member that opens its clients on demand.

    `factory`, `close`, `validate` and `configure` are the user's, and are called by others without the lock.

    `may_grow` says whether the pool as a whole may have one client more.
    """

    on_demand = True
    limit = 0.0  # every call has to ask the store
    needs_validation = False  # asked of each client instead

    def __init__(
        self,
        settings: EndpointSettings,
        may_grow: Callable[[], bool],
        factory: Callable[[], Any],
        close: Callable[[Any], object] | None = None,
        validate: Callable[[Any], object] | None = None,
        configure: Callable[[Any], object] | None = None,
        reset: Callable[[Any], object] | None = None,
    ) -> None:
        self.settings = settings
        self.max_uses = (
            settings.max_concurrency
        )  # of one client at a time; for calls on the fast path
        self.factory = factory
        self.close = close
        self.validate = validate
        self.configure = configure
        self.reset = reset
        self._may_grow = may_grow
        # Whether idle clients are used as they are, and else for how long they may be used unchecked.
        self._used_as_is = validate is None and reset is None
        self._fresh_for = settings.validate_after if reset is None else -math.inf
        self.entries: tuple[PooledClient[C], ...] = ()
        self.retiring: tuple[PooledClient[C], ...] = ()  # retired, but still in use
        # The most recently used last; entries that are retired or at their limit are skipped.
        self.idle: list[PooledClient[C]] = []
        self.to_close: deque[C] = deque()  # clients to be closed
        self.opening_for_caller = 0  # clients being opened by callers for themselves
        self.opening_idle = 0  # clients being opened by the housekeeper or a warm-up
        self.opened = self.failed = 0
        self.failures = 0  # failed openings in a row
        self.cause: BaseException | None = None  # a copy without frames
        self.retry_at = math.inf  # after a failed opening: when it may be tried again
        self._distrusted_at = -math.inf  # when the server last closed connections
        # Whether a caller broke off the opening of a client, so that one is opened in the background in its place: where
        # opening takes longer than any caller has time, there would never be a client.
        self.reopen_due = False
        self.begun = False  # whether a client was ever opened; from then on min_size is kept
        self.closed = False
        self.heir: ClientStore[C] | None = None

    @property
    def clients(self) -> tuple[C, ...]:
        """The open clients, without those that are retired."""
        return tuple(entry.client for entry in self.entries)

    @property
    def maintenance_due(self) -> bool:
        """Whether clients wait to be closed or to be reset."""
        return bool(self.to_close) or (self.reset is not None and self.next_to_reset is not None)

    @property
    def size(self) -> int:
        """How many clients there are, including those being opened."""
        return len(self.entries) + len(self.retiring) + self.opening_for_caller + self.opening_idle

    @property
    def backing_off(self) -> bool:
        """Whether opening is held back because the last attempt failed."""
        return self.retry_at != math.inf

    @property
    def unreachable(self) -> bool:
        """Whether there is no client, and none may be opened."""
        return self.backing_off and not self.entries and not self.retiring

    @property
    def may_open(self) -> bool:
        """Whether one more client may be opened now."""
        rules = self.settings
        return (
            not self.backing_off
            and not self.closed
            and self.size < rules.max_size
            and self.opening_for_caller + self.opening_idle < rules.max_connecting
            and self._may_grow()
        )

    @property
    def may_reopen(self) -> bool:
        """Whether a client may be opened in the background in the place of one that a caller broke off.

        During the back-off, too, which may be due to the little time that the caller had.
        """
        rules = self.settings
        return (
            self.reopen_due
            and not self.closed
            and rules.pooling
            and self.size < rules.max_size
            and self.opening_for_caller + self.opening_idle < rules.max_connecting
            and self._may_grow()
        )

    def has_room(self, in_flight: int) -> bool:
        """Return whether one more call finds a client, or may open one."""
        lent = in_flight - self.opening_for_caller
        if self.retiring:
            lent -= sum(entry.uses for entry in self.retiring)
        if self.reset is not None:
            lent += sum(entry.needs_reset and not entry.uses for entry in self.entries)
        return lent < len(self.entries) * self.settings.max_concurrency or self.may_open

    def borrowable(self, now: float) -> PooledClient[C] | None:
        """Return the most recently used idle client, so that surplus ones stay idle and expire."""
        while self.idle:
            entry = self.idle[-1]
            if not entry.retired and entry.uses < self.settings.max_concurrency:
                if entry.uses or entry.expires_at > now:
                    return entry
                self.retire(entry)
            self.idle.pop()
        return None

    def borrow(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend an idle client, or the right to open one; return False if there was neither."""
        entry = self.borrowable(now)
        if entry is None:
            if not self.may_open:
                return False
            borrower.entry = None
            # One statement each, so that an interrupt finds the lease held, or everything untouched.
            owner.taken, borrower.held, self.opening_for_caller = (
                owner.taken + 1,
                True,
                self.opening_for_caller + 1,
            )
            return True
        borrower.entry = entry
        owner.taken, borrower.held, entry.uses = owner.taken + 1, True, entry.uses + 1
        if entry.uses >= self.settings.max_concurrency and self.idle and self.idle[-1] is entry:
            self.idle.pop()
        return True

    def give_back(self, owner: Owner, borrower: Borrower, now: float, end: EndOfUse) -> None:
        """Take back a client, or the right to open one.

        A client whose use failed, or whose only use was broken off, may be broken.
        """
        entry = borrower.entry
        if entry is None:
            owner.taken, borrower.held, self.opening_for_caller = (
                owner.taken - 1,
                False,
                self.opening_for_caller - 1,
            )
            return
        # A client that was in use at the last disconnect and fails now reports the same disconnect.
        if end.disconnected and entry.used_at >= self._distrusted_at:
            self.distrust(now)
        alone = self.settings.max_concurrency == 1
        doubtful = end.failed or (end.broken_off and alone)
        self.put_back(entry, now, needs_validation=doubtful)
        owner.taken, borrower.held, entry.uses = owner.taken - 1, False, entry.uses - 1
        self.sweep()

    def is_spoiled_by(self, end: EndOfUse) -> bool:
        """Return False: a client that is not lent any more is replaced."""
        return False

    def distrust(self, now: float) -> None:
        """Have the idle clients validated before their next use, or close them.

        Clients in use are judged by how their use ends.
        """
        self._distrusted_at = now
        idle = self.idle_entries()
        for entry in idle:
            entry.needs_validation = True
        if self.validate is None:
            self.retire(*idle)

    def needs_preparation(self, borrower: Borrower, now: float) -> bool:
        """Return whether a client has to be opened or validated before the call can use it."""
        entry: PooledClient[C] | None = borrower.entry
        return entry is None or self.questionable(entry, now)

    def questionable(self, entry: PooledClient[C], now: float) -> bool:
        """Return whether a client has to be validated before it is used."""
        if self.validate is None or entry.uses > 1:
            return False
        return entry.needs_validation or now - entry.used_at >= self.settings.validate_after

    def entry_of(self, client: C, now: float, draw: float) -> PooledClient[C]:
        """Return the entry for a client that was opened; the caller adds it to the entries."""
        self.opened += 1
        self.failures, self.cause, self.retry_at, self.begun = 0, None, math.inf, True
        self.reopen_due = False
        age = self.settings.max_lifetime
        ends = math.inf if age == 0 else now + age * (1 - AGE_JITTER * draw)
        return PooledClient(client, now, ends if self.settings.pooling else -math.inf)

    def put(self, entry: PooledClient[C]) -> None:
        """Make a client that was added to the entries available."""
        if self.closed:
            self.retire(entry)
        elif entry.uses < self.settings.max_concurrency:
            self.idle.append(entry)

    def refused(self, error: BaseException, now: float, draw: float) -> None:
        """Note that a client could not be opened; failures at the same time count once for the back-off."""
        self.failed += 1
        self.reopen_due = False
        self.cause = without_traceback(error)
        if not self.backing_off:
            self.failures += 1
            rules = self.settings
            self.retry_at = now + growing(
                self.failures, rules.connect_backoff, rules.connect_backoff_max, draw
            )

    def wake(self, now: float) -> None:
        """Allow opening again once the back-off is over."""
        if now >= self.retry_at:
            self.retry_at = math.inf

    def peek_idle(self, now: float) -> PooledClient[C] | None:
        """Return the next client that can take a call if the call may use it without any check."""
        if not self.idle:
            return None
        entry = self.idle[-1]
        if now >= entry.expires_at:
            return None
        if self._used_as_is and not entry.uses:
            return entry
        if entry.needs_validation:
            return None
        if entry.uses:  # by calls that share it, which have shown that it works
            return entry if entry.uses < self.max_uses else None
        return entry if now - entry.used_at < self._fresh_for else None

    def lend_ready(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Lend a client that needs neither opening nor a check; return False if there is none."""
        entry = self.peek_idle(now)
        if entry is None:
            return False
        borrower.entry = entry
        owner.taken, borrower.held, entry.uses = owner.taken + 1, True, entry.uses + 1
        if entry.uses >= self.max_uses:
            self.idle.pop()
        return True

    def take_back_ready(self, owner: Owner, borrower: Borrower, now: float) -> bool:
        """Take back a client that `lend_ready` has lent, unless it has expired or was retired."""
        entry = borrower.entry
        if entry is None or now >= entry.expires_at:
            return False
        if entry.uses >= self.max_uses:  # at its limit, it was not among the idle
            self.idle.append(entry)
        entry.used_at = now
        owner.served, borrower.held, entry.uses = owner.served + 1, False, entry.uses - 1
        return True

    def put_back(self, entry: PooledClient[C], now: float, *, needs_validation: bool) -> None:
        """Prepare an entry for the end of a use: idle again, or retired. Can be repeated."""
        entry.used_at = now
        entry.needs_validation = entry.needs_validation or needs_validation
        spoiled = entry.needs_validation and self.validate is None
        if entry.retired or spoiled or entry.expires_at <= now:
            self.retire(entry)
        elif self.reset is not None:
            entry.needs_reset = True
        elif entry.uses >= self.settings.max_concurrency:  # at its limit, it was not among the idle
            self.idle.append(entry)

    @property
    def next_to_reset(self) -> PooledClient[C] | None:
        """The next client that has to be reset; None if there is none."""
        for entry in self.entries:
            if entry.needs_reset and not entry.uses and not entry.resetting:
                return entry
        return None

    def was_reset(self, entry: PooledClient[C], now: float, *, fit: bool) -> None:
        """Make a client available that was reset; retire it if resetting failed."""
        entry.resetting, entry.used_at = False, now
        if fit and not entry.retired:
            entry.needs_reset = False
            self.idle.append(entry)
        else:
            self.retire(entry)

    def retire(self, *clients: PooledClient[C]) -> None:
        """Never lend these clients again; each is closed after its last use."""
        wanted = frozenset(clients)
        going = tuple(one for one in self.entries if one in wanted)
        rest = tuple(one for one in self.entries if one not in wanted)
        # One statement, so that an interrupt finds all of it done, or none of it.
        self.entries, self.retiring = rest, (*self.retiring, *going)
        self.sweep()

    def sweep(self) -> None:
        """Mark retired clients, and queue those that are not in use any more for closing.

        Whatever an interrupt breaks off here is done by the next sweep.
        """
        if not self.retiring:
            return  # as nearly always, and each exclusive call that ends asks
        for entry in self.retiring:
            # The time is for calls on the fast path, which look at nothing else when they end.
            entry.retired, entry.expires_at = True, -math.inf
            if entry.uses == 0 and not entry.resetting and not entry.discarded:
                # One statement, so that no client is queued twice.
                entry.discarded = self.to_close.append(entry.client) is None  # type: ignore[func-returns-value]  # always
        self.retiring = tuple(one for one in self.retiring if not one.discarded)

    def resize(self, min_size: int | None, max_size: int | None) -> None:
        """Change `min_size` and `max_size`; surplus clients are retired, idle ones first.

        Raises:
            ValueError: a number is not allowed, or the two do not go together.
        """
        before = self.settings
        least = before.min_size if min_size is None else min_size
        most = before.max_size if max_size is None else max_size
        whole_number("max_size", most, least=1)
        # `warm_up` has opened its clients already: `initial_size` must not keep the store from shrinking.
        initial = min(before.initial_size, most)
        self.settings = before.replaced(initial_size=initial, min_size=least, max_size=most)
        surplus = max(0, self.size - len(self.retiring) - most)
        going = sorted(self.entries, key=lambda one: (one.uses > 0, one.used_at))[:surplus]
        for entry in going:
            entry.expires_at = -math.inf  # read by a call on the fast path when it ends
        self.retire(*going)

    def clear(self) -> None:
        """Close the store: idle clients are closed now, lent ones when they are given back."""
        self.closed = True
        self.idle.clear()
        self.retire(*self.entries)

    def in_child(self) -> ClientStore[C]:
        """Return an empty store of the same endpoint; the clients of this one belong to the parent."""
        keep(*self.entries, *self.retiring, *self.to_close)
        self.heir = heir = ClientStore[C](
            self.settings,
            self._may_grow,
            self.factory,
            self.close,
            self.validate,
            self.configure,
            self.reset,
        )
        heir.opened, heir.failed, heir.closed = self.opened, self.failed, self.closed
        return heir

    @property
    def latest(self) -> ClientStore[C]:
        """The store of this process: itself, or its replacement in a child process."""
        return self if self.heir is None else self.heir.latest

    def idle_entries(self) -> list[PooledClient[C]]:
        """Return the clients that are not in use, the longest idle first."""
        return sorted(
            (entry for entry in self.entries if not entry.uses and not entry.needs_reset),
            key=lambda one: one.used_at,
        )
