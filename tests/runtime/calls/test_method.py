"""A method of a client as generated code states it."""

import pytest

from connpool_runtime import Method, method


def test_a_decorated_function_is_a_method_of_a_client() -> None:
    """Policies are as of `Method`; a key is found by the name that the function unpacks it into."""

    @method("take", idempotent=True, timeout=2.0, hash_key="key")
    def _take(client: str, packed: tuple[int, str]) -> str:
        limit, key = packed
        return f"{client} {key} {limit}"

    assert (_take.name, _take.idempotent, _take.timeout) == ("take", True, 2.0)
    assert (_take.hash_key, _take.hash_keys) == (1, None)
    assert _take.invoke("client", (3, "k")) == "client k 3"


def test_several_keys_are_found_by_name() -> None:
    """Names, all of an argument, and the first of it."""

    @method("store", hash_key="target, *keys[:count]")
    def _store(client: str, packed: tuple[int, list[str], str]) -> list[object]:
        count, keys, target = packed
        return [client, count, keys, target]

    assert _store.hash_key is None
    assert _store.hash_keys is not None
    assert _store.hash_keys((1, ["a", "b"], "t")) == ("t", ["a"])


def test_an_error_is_told_with_the_name_of_the_function() -> None:
    """A traceback names the function that called the client, not a lambda."""

    @method("fail")
    def _fail(client: str, _: object) -> None:
        raise ValueError(client)

    with pytest.raises(ValueError, match="client") as caught:
        _fail.invoke("client", ())
    assert caught.traceback[-1].name == "_fail"


def test_a_key_that_is_not_unpacked_is_refused() -> None:
    """The message has the name and what there is."""
    with pytest.raises(ValueError, match=r"'user' is not one of the packed arguments: key, limit"):

        @method("take", hash_key="user")
        def _take(client: str, packed: tuple[str, int]) -> list[object]:
            key, limit = packed
            return [client, key, limit]


@pytest.mark.parametrize("policy", ["expected", "ignored", "failures"])
@pytest.mark.parametrize("given", [[KeyError], (KeyError, "OSError"), None, KeyError()])
def test_what_are_no_classes_of_errors_is_refused(policy: str, given: object) -> None:
    """A list would be refused only when a client has raised an error, and in its place."""
    with pytest.raises(ValueError, match=f"{policy} must be a tuple of exception classes, not"):
        method("get", **{policy: given})(lambda client, args: None)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("name", [None, 5, "get\ud800"], ids=repr)
def test_a_name_that_cannot_be_exported_is_refused(name: object) -> None:
    """It is a label of metrics, and would break the scrape of all pools of the process."""
    with pytest.raises(TypeError, match="the name of a method must be a string, not"):
        Method(name, lambda client, args: None)  # type: ignore[arg-type]  # wrong on purpose
