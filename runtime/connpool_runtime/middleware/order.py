"""Puts middleware into the order in which they work together best."""

from __future__ import annotations

from typing import Any

from connpool_runtime.middleware.deadline import Deadline
from connpool_runtime.middleware.error_log import ErrorLog
from connpool_runtime.middleware.logging import Logging
from connpool_runtime.middleware.retry import Retry
from connpool_runtime.middleware.role import Role

__all__ = ["in_order"]

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
    of_role: dict[Role, Any] = {}
    for one in middleware:
        role = Role.of(one)
        if role in of_role and not role.may_repeat:
            raise ValueError(
                f"middleware must be of different roles, not twice {type(one).__name__}:"
                f" {of_role[role]!r} and {one!r} are both {role}"
            )
        of_role[role] = one
    basics = [basic for basic in (ErrorLog, Logging, Deadline, Retry) if basic.role not in of_role]
    complete = [*middleware, *(basic() for basic in basics)]
    return sorted(complete, key=lambda one: _PLACES[Role.of(one)])
