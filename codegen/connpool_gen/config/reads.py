"""`@reads`: the word that stands for a table of read-only methods among method names."""

from __future__ import annotations

from collections.abc import Iterable

from connpool_gen.errors import RequestError

READS = "@reads"


def refuse_other_tables(patterns: Iterable[str], where: str) -> None:
    """Raise RequestError for a word that begins with `@` but is no table; `where` names the option."""
    for pattern in patterns:
        if pattern.startswith("@") and pattern != READS:
            raise RequestError(
                f"{where} {pattern!r} is not a table of methods; the only one is {READS!r}"
            )
