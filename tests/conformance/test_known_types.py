"""What counts as known in the table, by what mypy writes."""

from __future__ import annotations

import pytest

from tests.conformance.known_types import is_known

KNOWN = (
    "builtins.int",
    "dict[str, Any]",
    "def ()",
    "def (a: builtins.int, *, b: list[Any] =, **kwargs: Any) -> tuple[Any, str]",
    "def [T] (x: T`-1, /) -> T`-1",
    "def (x: Literal['(', \"a\"]) -> Coroutine[Any, Any, None]",
    "Overload(def (a: int) -> int, def (a: str, b: def (Any) -> Any) -> str)",
)
UNKNOWN = (
    "",
    "Any",
    "def (a: Any) -> int",
    "def (a: int, b: Any =) -> int",
    "def (a: int) -> Any",
    "def (a: int) -> Coroutine[Any, Any, Any]",
    "Overload(def (a: int) -> int, def (a: Any) -> str)",
)


@pytest.mark.parametrize("revealed", KNOWN)
def test_known(revealed: str) -> None:
    """A member is known whose parameters, result or value are not Any themselves."""
    assert is_known(revealed)


@pytest.mark.parametrize("revealed", UNKNOWN)
def test_unknown(revealed: str) -> None:
    """A member is unknown if one of its parameters, the result of a signature, or its value is Any."""
    assert not is_known(revealed)
