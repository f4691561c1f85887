"""Identifiers: what can be written, what is free, and names in another style."""

import pytest

from connpool_gen.identifiers import aliases, distinct, snake_case


def test_aliases_are_private() -> None:
    """The second choice is `_name`, then numbers."""
    chosen = iter(aliases("User"))
    assert [next(chosen) for _ in range(4)] == ["User", "_User", "_User_2", "_User_3"]


def test_distinct_records_its_choice() -> None:
    """Two askers of one name never get the same."""
    taken = {"_GET"}
    assert [distinct("_GET", taken), distinct("_GET", taken)] == ["_GET_2", "_GET_3"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Redis", "redis"),
        ("RPCClient", "rpc_client"),
        ("GetHTTPUrl", "get_http_url"),
        ("S3Client", "s3_client"),
        ("_Private", "private"),
        ("already_snake", "already_snake"),
        ("CoreV1Api", "core_v1_api"),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    """A class name becomes a file name as a person would write it."""
    assert snake_case(name) == expected
