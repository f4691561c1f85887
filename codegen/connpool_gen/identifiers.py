"""Identifiers: which can be written, which are free, and snake case."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Iterable

BUILTINS = frozenset(dir(builtins))


def is_writable(name: str) -> bool:
    """Return whether a name can be written in source: an identifier, no keyword, unchanged by normalisation."""
    plain = name.isidentifier() and not keyword.iskeyword(name)
    return plain and unicodedata.normalize("NFKC", name) == name


def aliases(name: str) -> Iterable[str]:
    """Yield `Name`, `_Name`, `_Name_2`, ..."""
    yield name
    private = name if name.startswith("_") else f"_{name}"
    yield private
    number = 2
    while True:
        yield f"{private}_{number}"
        number += 1


def usable(name: str, taken: set[str]) -> bool:
    """Return whether a name is free and hides no builtin."""
    return name not in taken and name not in BUILTINS and not keyword.iskeyword(name)


def distinct(name: str, taken: set[str]) -> str:
    """Choose `name`, or `name_2`, `name_3`, ... whichever is free, and add it to `taken`."""
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate


def snake_case(name: str) -> str:
    """Write a name in snake case: `RPCClient` -> `rpc_client`, `GetHTTPUrl` -> `get_http_url`."""
    text = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text).lower().strip("_")
