"""The word among names of methods that stands for a table of them."""

from __future__ import annotations

from collections.abc import Iterable

from connpool_gen.errors import RequestError

READS = "@reads"


def refuse_other_tables(patterns: Iterable[str], where: str) -> None:
    """Raise RequestError for a word that begins like the table's and is none; `where` names the option."""
    for pattern in patterns:
        if pattern.startswith("@") and pattern != READS:
            raise RequestError(f"{where} {pattern!r} is no table of methods; there is {READS!r}")
