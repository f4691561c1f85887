"""What a wrapper says of names that it lacks."""

import copy
from typing import Any

import pytest

from connpool_runtime import Pool
from connpool_runtime.wrapper import deprecated, no_attribute


class Wrapper:
    """Built like a generated one."""

    __connpool__ = "pool"

    def __init__(self) -> None:
        self.pool: Pool[object] = Pool()

    def __getattr__(self, name: str) -> Any:
        raise no_attribute(self, name, {"connect": "lifecycle"})

    @property
    def host(self) -> str:
        raise AttributeError("no host")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("add_client", "Wrapper has no 'add_client'; its pool does: .pool.add_client"),
        ("stats", "Wrapper has no 'stats'; its pool does: .pool.stats"),
        ("connect", "Wrapper has no 'connect': lifecycle"),
        ("nowhere", "Wrapper has no 'nowhere'"),
        ("_state", "Wrapper has no '_state'"),
        ("host", "'host' of a member raised AttributeError; lease a member to see where"),
    ],
)
def test_the_text_says_where_a_name_is(name: str, text: str) -> None:
    """A name of the pool's is found there, a member that was left out has its reason."""
    with pytest.raises(AttributeError) as caught:
        getattr(Wrapper(), name)
    assert str(caught.value) == text
    assert caught.value.name == name


def test_a_wrapper_that_is_not_made_yet_can_be_asked() -> None:
    """Copying asks an object for names before it has a pool, and gets an AttributeError."""
    bare = Wrapper.__new__(Wrapper)
    assert not hasattr(bare, "add_client")
    assert isinstance(copy.copy(Wrapper()), Wrapper)


def test_a_deprecated_member_warns_before_it_runs() -> None:
    """The call warns with the class that was asked for, in the line that calls; without a class it does not."""

    @deprecated("use fetch", category=FutureWarning)
    def get(key: str) -> str:
        return key

    @deprecated("for checkers", category=None)
    def silent() -> int:
        return 1

    with pytest.warns(FutureWarning, match="use fetch") as caught:
        assert get("k") == "k"
    assert [w.filename for w in caught] == [__file__]
    assert silent() == 1
    assert (get.__name__, vars(silent)["__deprecated__"]) == ("get", "for checkers")
