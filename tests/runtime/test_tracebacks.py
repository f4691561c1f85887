"""Copies of errors that hold no frames."""

import copy
import gc
import weakref
from typing import Any

import pytest

from connpool_runtime._tracebacks import MOST, StandIn, kind_of, without_traceback


class Awkward(Exception):
    """Fails or has effects wherever Python offers a class to have a say."""

    made = 0

    def __init__(self, *, host: str) -> None:
        Awkward.made += 1
        super().__init__("refused by", host)
        self.host = host

    def __reduce__(self) -> Any:
        raise AssertionError("reduced")

    def __copy__(self) -> Any:
        raise AssertionError("copied")

    def __deepcopy__(self, memo: object) -> Any:
        raise AssertionError("copied")

    def __setattr__(self, name: str, value: object) -> None:
        if name != "host":
            raise AssertionError("set")
        super().__setattr__(name, value)


class Slotted(ConnectionError):
    __slots__ = ("code", "never_set")

    def __init__(self, code: int) -> None:
        self.code = code


class Unlucky(Exception):
    @property
    def __dict__(self) -> Any:
        raise AssertionError("looked at")


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        ConnectionRefusedError(111, "refused"),
        FileNotFoundError(2, "not there", "a", None, "b"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        KeyError("key"),
        StopIteration(3),
        SystemExit(3),
        ImportError("no", name="n"),
        KeyboardInterrupt(),
        ExceptionGroup("both", [ValueError(1), TypeError(2)]),
        Awkward(host="a"),
        Unlucky("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_copy_says_what_the_error_said(error: BaseException) -> None:
    """Type, text, arguments and notes are those of the original, which keeps its traceback."""
    error = raised(error)
    error.add_note("noted") if not isinstance(error, Awkward | Unlucky) else None
    trace, made = error.__traceback__, Awkward.made
    kept = without_traceback(error)
    assert type(kept) is type(error)
    assert kept is not error
    assert (str(kept), repr(kept)) == (str(error), repr(error))
    assert getattr(kept, "__notes__", None) == getattr(error, "__notes__", None)
    assert kept.__traceback__ is None
    assert error.__traceback__ is trace is not None
    assert Awkward.made == made


def test_a_copy_has_the_attributes() -> None:
    """What a library puts into its errors can be read from the copy: in its dict, in slots, in an OSError."""
    kept: Any = without_traceback(Awkward(host="a"))
    assert kept.host == "a"
    slotted: Any = without_traceback(Slotted(7))
    assert slotted.code == 7
    assert not hasattr(slotted, "never_set")
    system: Any = without_traceback(FileNotFoundError(2, "not there", "a", None, "b"))
    assert (system.errno, system.filename, system.filename2) == (2, "a", "b")
    missing: Any = without_traceback(ModuleNotFoundError("no", name="n", path="p"))
    assert (missing.name, missing.path) == ("n", "p")
    unknown: Any = without_traceback(AttributeError("no", name="n", obj=missing))
    assert (unknown.name, unknown.obj) == ("n", None)


def test_errors_inside_an_error_are_copied_too() -> None:
    """Causes, contexts, members of groups, arguments and attributes: none of them keeps a frame."""
    inner = raised(ValueError("inner"))
    errors: list[Any] = [
        raised(KeyError(), inner),
        raised(OSError("outer", inner)),
        raised(RuntimeError([inner], {"reason": inner})),
        raised(ExceptionGroup("all", [raised(ValueError(1))])),
    ]
    attribute: Any = ConnectionError()
    attribute.orig = attribute.seen = inner
    attribute.trace = inner.__traceback__
    for error in [*errors, attribute]:
        assert frames_of(error), "the original has some"
        assert not frames_of(without_traceback(error))
    kept: Any = without_traceback(attribute)
    assert kept.orig is kept.seen
    assert repr(kept.orig) == "ValueError('inner')"
    cause = without_traceback(errors[0]).__cause__
    assert type(cause) is ValueError
    assert without_traceback(errors[0]).__suppress_context__


def frames_of(error: object) -> list[object]:
    """All tracebacks that can be reached from an error."""
    seen: dict[int, object] = {}
    ahead = [error]
    while ahead:
        one = ahead.pop()
        if id(one) not in seen and isinstance(one, BaseException | list | dict | tuple):
            seen[id(one)] = one
            ahead += gc.get_referents(one)
            if isinstance(one, BaseException):
                ahead += [one.__cause__, one.__context__]
        elif type(one).__name__ in ("traceback", "frame"):
            seen[id(one)] = one
    return [one for one in seen.values() if type(one).__name__ in ("traceback", "frame")]


def test_circles_and_endless_chains_end() -> None:
    """An error that leads to itself is copied once; of a long chain only the last links are."""
    one, other = ValueError(1), ValueError(2)
    one.__context__, other.__context__ = other, one
    one.args = (one,)
    kept = without_traceback(one)
    assert kept.args == (kept,)
    assert kept.__context__ is not None
    assert kept.__context__.__context__ is kept
    group = ExceptionGroup("all", [other])
    other.__context__ = group
    assert type(without_traceback(group)) is ExceptionGroup
    last = ValueError(0)
    for number in range(1, 1000):
        error = ValueError(number)
        error.__context__, last = last, error
    links, link = 0, without_traceback(last)
    while link.__context__ is not None:
        link, links = link.__context__, links + 1
    assert links < MOST


def test_an_error_that_cannot_be_copied_has_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a type refuses to be made, its name and arguments are kept, and its kind is known."""
    with monkeypatch.context() as patch:
        patch.setattr("connpool_runtime._tracebacks._made_like", refuse)
        kept = without_traceback(raised(ConnectionError("a", 1), ValueError(2)))
    assert isinstance(kept, StandIn)
    assert kept.args == ("builtins.ConnectionError", "a", 1)
    assert kind_of(kept) is ConnectionError
    assert kind_of(without_traceback(kept)) is ConnectionError
    assert kind_of(ValueError()) is ValueError
    assert kind_of(None) is None
    assert kind_of(kept.__cause__) is ValueError


def refuse(*_: object) -> Any:
    raise TypeError("no")


def test_a_copy_is_no_more_than_a_copy() -> None:
    """It can be copied, raised and changed without the original noticing."""
    error: Any = ConnectionError("a")
    error.codes = [1]
    kept: Any = without_traceback(error)
    kept.codes.append(2)
    assert error.codes == [1]
    assert copy.copy(kept).args == ("a",)
    raised(kept)
    assert error.__traceback__ is None


def test_no_local_of_the_raiser_lives_on() -> None:
    """The locals of the functions that an error went through are gone with the error."""

    class Big(bytearray):
        pass

    def fail() -> tuple[BaseException, weakref.ref[Big]]:
        big = Big(10)
        try:
            raise ConnectionError("down")
        except ConnectionError as error:
            return without_traceback(error), weakref.ref(big)

    kept, big = fail()
    gc.collect()
    assert big() is None
    assert str(kept) == "down"
