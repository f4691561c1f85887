"""Checks the user's names and globs: one that matches no member is a mistake."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from connpool_gen.config.reads import READS
from connpool_gen.errors import RequestError
from connpool_gen.nearest import nearest

if TYPE_CHECKING:
    from connpool_gen.config.request import GenerateRequest


def refuse_unmatched(request: GenerateRequest, names: Collection[str]) -> None:
    """Raise RequestError for a pattern that matches no member, naming the nearest members.

    `names` are all public members of the client, and the methods of its namespaces by their dotted
    names.
    """
    for field, option, pattern in patterns(request):
        if field not in request.shared and not matches(pattern, names):
            raise RequestError(f"{request.client}: {unmatched(option, pattern, names)}")


def refuse_unmatched_anywhere(made: Collection[tuple[GenerateRequest, Collection[str]]]) -> None:
    """Raise RequestError for a pattern that several classes share and that matches no member of any.

    `made` are requests with the names of their members.
    """
    everything = sorted({name for _, names in made for name in names})
    shared = {
        (option, pattern)
        for request, _ in made
        for field, option, pattern in patterns(request)
        if field in request.shared
    }
    for option, pattern in sorted(shared):
        if not matches(pattern, everything):
            clients = ", ".join(request.client for request, _ in made)
            raise RequestError(f"{clients}: {unmatched(option, pattern, everything)}")


def matches(pattern: str, names: Collection[str]) -> bool:
    """Return whether a name or glob matches any of the members."""
    return any(fnmatchcase(name, pattern) for name in names)


def unmatched(option: str, pattern: str, names: Collection[str]) -> str:
    """Say that a pattern matches nothing, and name the most similar members."""
    close = nearest(pattern.strip("*"), names, count=3)
    hint = f"; nearest: {', '.join(close)}" if close else ""
    return f"{option} {pattern!r} matches no public member{hint}"


def patterns(request: GenerateRequest) -> Iterator[tuple[str, str, str]]:
    """Yield each name or glob of a request: its field, the name of the option, the pattern.

    `@reads` is neither, but a table of names.
    """
    for field in ("include", "exclude", "idempotent"):
        named = (pattern for pattern in getattr(request, field) if pattern != READS)
        yield from ((field, f"--{field}", pattern) for pattern in named)
    by_name = (policy.pattern for policy in request.policies if policy.pattern != READS)
    yield from (("policies", "methods", pattern) for pattern in by_name)
