"""The default objects of a client's parameters."""

import pytest

from connpool_runtime import default_of

SENTINEL = object()


class Client:
    def get(self, key: str, *, encoder: object = SENTINEL) -> None: ...


def test_the_very_object_is_returned() -> None:
    """Identity counts: clients compare with `is`."""
    assert default_of(Client, "get", "encoder") is SENTINEL


@pytest.mark.parametrize("parameter", ["key", "nothing"])
def test_what_has_no_default_is_an_error(parameter: str) -> None:
    """A wrapper that is out of date fails on import, and says where."""
    with pytest.raises(LookupError, match=f"Client.get has no default .* named '{parameter}'"):
        default_of(Client, "get", parameter)
