"""What counts as the same type when two revealed types are compared."""

from __future__ import annotations

import pytest

from tests.conformance.static_twin import same_type


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("def (a: m.A | m.A | None =) -> int", "def (a: m.A | None =) -> int"),
        ("def (a: m.A | m.B | m.A) -> list[int] | list[int]", "def (a: m.A | m.B) -> list[int]"),
        ("def [T] (*args: T`-1) -> T`-1", "def [T] (*values: T`-2) -> T`-2"),
    ],
)
def test_the_same_type_written_otherwise(theirs: str, ours: str) -> None:
    """A repeated member of a union, a type variable's number, the name of `*args`: no difference."""
    assert same_type(theirs, ours)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("def (a: m.A | m.B) -> int", "def (a: m.A) -> int"),
        ("def (a: m.A | None =) -> int", "def (a: m.A =) -> int"),
        ("def (a: list[m.A] | list[m.B]) -> int", "def (a: list[m.A]) -> int"),
        ("def (a: m.A, b: m.A) -> int", "def (a: m.A) -> int"),
    ],
)
def test_another_type(theirs: str, ours: str) -> None:
    """A member of a union that is missing, or a parameter, is a difference."""
    assert not same_type(theirs, ours)
