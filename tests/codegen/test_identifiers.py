"""Identifiers: what can be written, what is free, and names in another style."""

from connpool_gen.identifiers import aliases, distinct


def test_aliases_are_private() -> None:
    """The second choice is `_name`, then numbers."""
    chosen = iter(aliases("User"))
    assert [next(chosen) for _ in range(4)] == ["User", "_User", "_User_2", "_User_3"]


def test_distinct_records_its_choice() -> None:
    """Two askers of one name never get the same."""
    taken = {"_GET"}
    assert [distinct("_GET", taken), distinct("_GET", taken)] == ["_GET_2", "_GET_3"]
