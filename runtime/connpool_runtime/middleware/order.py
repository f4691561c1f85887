"""Sorts middleware into the order in which they work together best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from connpool_runtime.middleware.deadline import Deadline
from connpool_runtime.middleware.error_log import ErrorLog
from connpool_runtime.middleware.logging import Logging
from connpool_runtime.middleware.retry import Retry
from connpool_runtime.middleware.role import Role

__all__ = ["by_role", "in_order"]

T = TypeVar("T")
_PLACES = {role: place for place, role in enumerate(Role)}


def in_order(*middleware: Any) -> list[Any]:
    """Sort middleware by their roles, outermost first, to be registered one by one.

    `ErrorLog`, `Logging`, `Deadline` and `Retry` are added with their defaults, unless one of the
    same role is given: they cost nothing when all is well but a few microseconds. Middleware
    without a role of their own come just outside `Retry`, in the order given, where they see each
    call once; `role = Role.PER_ATTEMPT` puts them inside it.

    Arguments:
        middleware: the middleware that are wanted with settings of their own, in any order.

    Raises:
        ValueError: two middleware have the same role, and it is not one that may repeat.
    """
    sorted_ones = by_role(middleware, lambda one: one)
    roles = set(map(Role.of, sorted_ones))
    basics = [basic for basic in (ErrorLog, Logging, Deadline, Retry) if basic.role not in roles]
    return by_role([*middleware, *(basic() for basic in basics)], lambda one: one)


def by_role(entries: Iterable[T], middleware_of: Callable[[T], object]) -> list[T]:
    """Sort entries by the roles of their middleware, outermost first; those of one role keep their order.

    Arguments:
        entries: whatever stands for the middleware.
        middleware_of: returns the middleware of an entry.

    Raises:
        ValueError: two middleware have the same role, and it is not one that may repeat.
    """
    given, of_role = list(entries), dict[Role, object]()
    for one in map(middleware_of, given):
        role = Role.of(one)
        if role in of_role and not role.may_repeat:
            raise ValueError(
                f"a pool has one middleware of the role {role}, not two: {of_role[role]!r} and {one!r}"
            )
        of_role[role] = one
    return sorted(given, key=lambda entry: _PLACES[Role.of(middleware_of(entry))])
