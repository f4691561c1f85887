"""Check the names and globs that the user wrote: one that matches no member is a slip."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from connpool_gen.errors import RequestError
from connpool_gen.nearest import nearest

if TYPE_CHECKING:
    from connpool_gen.config.request import GenerateRequest


def refuse_unmatched(request: GenerateRequest, names: Collection[str]) -> None:
    """Raise RequestError for a pattern that matches no member, naming the nearest members.

    `names` are all public members of the client, and the methods of its namespaces by their dotted
    names.
    """
    for option, pattern in patterns(request):
        if not any(fnmatchcase(name, pattern) for name in names):
            close = nearest(pattern.strip("*"), names, count=3)
            hint = f"; nearest: {', '.join(close)}" if close else ""
            raise RequestError(
                f"{request.client}: {option} {pattern!r} matches no public member{hint}"
            )


def patterns(request: GenerateRequest) -> Iterator[tuple[str, str]]:
    """Yield each name or glob of a request with the option that it belongs to."""
    for option, given in (
        ("--include", request.include),
        ("--exclude", request.exclude),
        ("--idempotent", request.idempotent),
    ):
        yield from ((option, pattern) for pattern in given)
    yield from (("methods", policy.pattern) for policy in request.policies)
