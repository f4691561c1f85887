"""The default objects of a client's parameters."""

import copy
import pickle

import pytest

from connpool_runtime import NOT_GIVEN, default_of, leading

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


def test_what_is_not_given_is_one_object() -> None:
    """NOT_GIVEN stays itself when it is copied or sent to another process, and says its name."""
    assert copy.deepcopy(NOT_GIVEN) is NOT_GIVEN
    assert pickle.loads(pickle.dumps(NOT_GIVEN)) is NOT_GIVEN
    assert repr(NOT_GIVEN) == "NOT_GIVEN"


def test_leading_values() -> None:
    """Values are passed on by position up to the first that was not given; one behind a gap is refused."""
    assert leading() == ()
    assert leading(1, None, NOT_GIVEN, NOT_GIVEN) == (1, None)
    assert leading(NOT_GIVEN) == ()
    with pytest.raises(TypeError, match="argument 2 was left out"):
        leading(1, NOT_GIVEN, 3)
