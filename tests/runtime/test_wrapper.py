"""What a wrapper says of names that it lacks."""

import copy
import re
import sys

import pytest

from connpool_runtime import AsyncPool, Pool
from connpool_runtime.wrapper import Closer, deprecated, explain_missing


def test_members_are_closed_as_a_wrapper_was_told() -> None:
    """A member that leaves before is closed as usual, all others as said last, but for those with a way of their own."""
    closed: list[object] = []
    closer: Closer[str] = Closer(lambda client: closed.append((client, "usual")))
    pool: Pool[str] = Pool(close=closer)
    pool.add_client("a", name="a")
    pool.add_client("b", name="b")
    pool.add_client("c", name="c", close=lambda: closed.append("own"))
    pool.remove_client("a")
    assert closer.close(pool, lambda client: client + "!") == ["b!"]
    assert closed == [("a", "usual"), "own"]
    assert closer.close(pool, lambda client: client) == []


async def test_members_are_closed_as_a_wrapper_of_tasks_was_told() -> None:
    """The same is true of a coroutine function, which is awaited."""

    async def shout(client: str) -> str:
        return client + "!"

    closer: Closer[str] = Closer(shout)
    pool: AsyncPool[str] = AsyncPool(close=closer)
    pool.add_client("a")
    pool.add_client("b")
    assert sorted(await closer.aclose(pool, shout)) == ["a!", "b!"]


class Wrapper:
    """Built like a generated one."""

    __connpool__ = "pool"

    def __init__(self) -> None:
        self.pool: Pool[object] = Pool()

    @property
    def host(self) -> str:
        raise AttributeError("no host")


explain_missing(Wrapper, Pool, {"connect": "lifecycle"})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("add_client", r"Wrapper has no 'add_client'; its pool does: \.pool\.add_client"),
        ("stats", r"Wrapper has no 'stats'; its pool does: \.pool\.stats"),
        ("connect", "Wrapper has no 'connect': lifecycle"),
        ("nowhere", "'?Wrapper'? (object )?has no (attribute )?'nowhere'"),
        ("_state", "'?Wrapper'? (object )?has no (attribute )?'_state'"),
        ("host", "no host|'host' of a member raised AttributeError; lease a member to see where"),
    ],
)
def test_the_text_says_where_a_name_is(name: str, text: str) -> None:
    """A name of the pool's is found there, a member that was left out has its reason."""
    wrapper = Wrapper()
    assert not hasattr(wrapper, name)
    with pytest.raises(AttributeError) as caught:
        getattr(wrapper, name)
    assert re.fullmatch(text, str(caught.value))


def test_the_class_lacks_what_its_wrappers_lack() -> None:
    """Asking the class for a name of the pool's is an AttributeError, as asking a wrapper is."""
    assert not hasattr(Wrapper, "add_client")
    assert not hasattr(Wrapper, "connect")


def test_a_subclass_may_have_what_a_wrapper_lacks() -> None:
    """What a subclass or an instance defines under a name of the pool's is what is read."""

    class Own(Wrapper):
        def add_client(self) -> str:
            return "own"

        def __init__(self) -> None:
            super().__init__()
            self.stats = 3

    assert (Own().add_client(), Own().stats) == ("own", 3)


def test_reading_the_pool_stays_specialized() -> None:
    """No `__getattr__` stands in the way where CPython would then look the pool up anew at each call."""
    assert hasattr(Wrapper, "__getattr__") is (sys.version_info >= (3, 12))


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
