"""The roles of middleware, in the order in which they belong around a call."""

from __future__ import annotations

from enum import Enum

__all__ = ["Role"]


class Role(Enum):
    """What a middleware is for; the roles are in their order, outermost first.

    A class states its role by an attribute `role`, which subclasses inherit; `in_order` sorts by
    it. A middleware of your own that states none has the role `PER_CALL`. A pool has one middleware
    of each role, but any number that are `PER_CALL` or `PER_ATTEMPT`.
    """

    TRACING = "sees everything that happens to a call"
    EXEMPLARS = "sees a call as its callers do, inside its span"
    FALLBACK = "answers for all that lies further in"
    ERROR_LOG = "reports what goes wrong inside, answered or not"
    LOGGING = "writes one line per call, not per attempt"
    DEADLINE = "refuses what is too late before anything waits"
    COALESCE = "shares calls before they are counted against any limit"
    RATE_LIMIT = "counts a call once, however often it is tried"
    SHARED_RATE_LIMIT = "asks over the network, so only after what is free"
    BULKHEAD = "holds a place over all attempts and the waits between"
    ADAPTIVE_LIMIT = "holds a place likewise, and times what happens inside"
    PER_CALL = "sees each call once: the middleware of your own"
    RETRY = "repeats what lies inside; each attempt picks anew"
    HEDGING = "races attempts; what is retried is the race, not each attempt in it"
    ADAPTIVE_THROTTLE = "refuses single attempts; a refusal is not tried again"
    PER_ATTEMPT = "sees each attempt: the middleware of your own that say so"
    METHOD_BREAKER = "judges single attempts, a timeout among them"
    TIMEOUT = "bounds one attempt"
    CHAOS = "harms an attempt where its client is called"
    ATTEMPT_TRACING = "sees one attempt and nothing around it"

    @property
    def may_repeat(self) -> bool:
        """Whether a pool may have several middleware of this role."""
        return self in (Role.PER_CALL, Role.PER_ATTEMPT)

    @property
    def repeats_calls(self) -> bool:
        """Whether a middleware of this role makes several attempts of one call."""
        return self in (Role.RETRY, Role.HEDGING)

    @classmethod
    def of(cls, middleware: object) -> Role:
        """Return the role of a middleware; `PER_CALL` if it states none."""
        role = getattr(middleware, "role", None)
        return role if isinstance(role, cls) else cls.PER_CALL
