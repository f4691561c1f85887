"""The key that stands for all keys of a call."""

from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import Call, KeysApart, Method
from connpool_runtime.calls.keys import common_key


def taking(hash_keys: Callable[[Any], object]) -> Method[str, None]:
    return Method("take", lambda client, args: None, hash_keys=hash_keys)


ALL = taking(lambda args: args)


@pytest.mark.parametrize(
    "args",
    [
        ("a",),
        (["a"],),
        (("a", "a"), None),
        ({"a": 1},),
        (b"a", "a"),
        ("a", [memoryview(b"a"), ("a",)]),
    ],
)
def test_keys_are_found_wherever_an_argument_holds_them(args: tuple[object, ...]) -> None:
    """Alone, in lists, tuples and as the keys of mappings; None is none, and equal ones are one."""
    key = common_key(ALL, args, "pool")
    assert Call("pool", ALL, args).key == key
    assert key in ("a", b"a")


@pytest.mark.parametrize("args", [(), (None,), ([],), ((), {})])
def test_a_call_may_have_no_key(args: tuple[object, ...]) -> None:
    """Where nothing is given there is no key, as when a method is leased without arguments."""
    assert common_key(ALL, args, "pool") is None


def test_keys_with_one_tag_belong_together() -> None:
    """The first key stands for all whose braces hold the same."""
    assert common_key(ALL, (["{a}:1", b"{a}:2"], "a"), "pool") == "{a}:1"


@pytest.mark.parametrize("args", [("a", "b"), (["a"], "{b}"), ("{}a", "{}b"), ("{a}", "{a")])
def test_keys_apart_are_refused(args: tuple[object, ...]) -> None:
    """Other texts without a tag in common are refused, whatever members there are."""
    with pytest.raises(KeysApart, match="the keys of this call of take") as caught:
        common_key(ALL, args, "eu")
    assert caught.value.pool == "eu"


def test_an_error_tells_no_key() -> None:
    """Keys may be secrets, so the message has none of them."""
    with pytest.raises(KeysApart) as caught:
        common_key(ALL, ("session:s3cret", "b"), "pool")
    assert "s3cret" not in str(caught.value)


def test_what_can_be_read_only_once_is_refused() -> None:
    """An iterator that is looked into would reach the client without its first key."""
    with pytest.raises(TypeError, match="take got its keys as an iterator"):
        common_key(ALL, (iter(["a"]),), "pool")


def test_some_arguments_may_be_keys() -> None:
    """The function says which."""
    method = taking(lambda args: args[1][: args[0]])
    assert common_key(method, (1, ("a", "no key")), "pool") == "a"
    assert common_key(method, (0, ("no key",)), "pool") is None
