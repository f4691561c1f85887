"""What a misspelt name may have meant."""

import pytest

from connpool_gen.nearest import nearest, suggestion

KINDS = ("etcd", "grpc", "http", "milvus", "redis")


@pytest.mark.parametrize(
    ("name", "meant"), [("htttp", "http"), ("reddis", "redis"), ("gprc", "grpc")]
)
def test_a_slip_names_what_was_meant(name: str, meant: str) -> None:
    """A name like a known one ends the message with that one alone."""
    assert suggestion(name, KINDS) == f"; did you mean {meant!r}?"


def test_a_name_like_no_other_lists_them_all() -> None:
    """Where nothing is like it, the message lists what there is."""
    assert suggestion("ftp", KINDS) == "; one of etcd, grpc, http, milvus, redis"
    assert suggestion("ftp", ()) == ""


def test_the_best_comes_first() -> None:
    """Of several like it, those that are most like it are given, and no more than asked for."""
    assert nearest("gett", ["mget", "get", "set", "unlike"], count=2) == ["get", "mget"]
