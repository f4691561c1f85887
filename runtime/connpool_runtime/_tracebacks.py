"""Copies of errors without frames, so that keeping one keeps no local variables alive.

A breaker, an endpoint and a health check remember their last error for as long as they are ejected. The
error itself would keep its traceback, the traceback the frames, and those the arguments of a call that
ended long ago.

From an error that goes to another process, more has to be removed: many libraries raise errors that cannot be
pickled or, worse, cannot be unpickled. A `ProcessPoolExecutor` whose result cannot be read is broken for
good.
"""

from __future__ import annotations

from types import FrameType, MemberDescriptorType, TracebackType
from typing import Any, cast

__all__ = ["Cause", "StandIn", "without_traceback", "kind_of"]

MOST = 16  # errors of one chain that are copied; errors further down the chain add nothing
NESTED = 2  # how deep the lists in an error are searched for other errors
_BY_CLASS_STATEMENT = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_FRAMES = (TracebackType, FrameType)
# Texts that these hold beside their arguments; the object of an AttributeError is not copied.
_NAMING = (ImportError, NameError, AttributeError)
_NAMED = ("name", "path", "name_from")
# The built-in attributes themselves, even if a class overrides them.
_DICT: Any = BaseException.__dict__["__dict__"]
_ARGS: Any = BaseException.__dict__["args"]
_CAUSE: Any = BaseException.__dict__["__cause__"]
_CONTEXT: Any = BaseException.__dict__["__context__"]
_SUPPRESS: Any = BaseException.__dict__["__suppress_context__"]
_MESSAGE: Any = BaseExceptionGroup.__dict__["message"]
_EXCEPTIONS: Any = BaseExceptionGroup.__dict__["exceptions"]

Copies = dict[int, BaseException]
"""The copies made so far, by the identity of the original: chains may run in circles."""


class StandIn(Exception):
    """Stands in for an error whose type allows no copies: holds its type's name and its arguments."""

    def __init__(self, kind: type[BaseException], *args: Any) -> None:
        super().__init__(f"{kind.__module__}.{kind.__qualname__}", *args)
        self.kind = kind

    def __reduce__(self) -> tuple[Any, ...]:
        # The type may be unknown where a pickle is read, and its arguments may not be picklable.
        return _unpickled, tuple(map(str, self.args))


def _unpickled(*args: str) -> StandIn:
    """Return the stand-in that was pickled: its type is known by name only."""
    made = StandIn(StandIn)
    made.args = args
    return made


def without_traceback(error: BaseException) -> BaseException:
    """Return a copy of an error and of its causes and contexts, without tracebacks.

    The copy has the type, arguments, attributes and notes of the original, which stays as it is. None
    of the user's code runs: neither `__init__` nor `__reduce__`, `__copy__` or `__str__`, which may
    fail, count, log, or require unknown arguments.
    """
    return _copy_of(error, {})


def kind_of(error: BaseException | None) -> type[BaseException] | None:
    """Return the type of the error that was copied."""
    return error.kind if isinstance(error, StandIn) else None if error is None else type(error)


def _copy_of(error: BaseException, copies: Copies) -> BaseException:
    known = copies.get(id(error))
    if known is not None:
        return known
    kind = type(error)
    if len(copies) >= MOST:
        return StandIn(kind)
    try:
        copy = _made_like(error, kind, copies)
        _fill(error, copy, copies)
    except Exception:  # a C type may require arguments that are not known here
        copies[id(error)] = copy = StandIn(kind, *_without_frames(_ARGS.__get__(error), copies))
    _link(error, copy, copies)
    return copy


def _made_like(error: BaseException, kind: type[BaseException], copies: Copies) -> BaseException:
    """Create an instance through the built-in base type of an error, bypassing the classes derived from it."""
    native: Any = kind
    while native.__flags__ & _BY_CLASS_STATEMENT:
        native = native.__base__
    copy: BaseException
    if native is Exception or native is BaseException:
        copies[id(error)] = copy = native.__new__(kind)
        return copy
    copies[id(error)] = StandIn(kind)  # where attributes of an error refer back to the error
    if issubclass(kind, BaseExceptionGroup):
        inner = [_copy_of(one, copies) for one in _EXCEPTIONS.__get__(error)]
        copy = native.__new__(kind, _MESSAGE.__get__(error), inner)
    else:
        # With the file names of an OSError.
        given = _without_frames(native.__reduce__(error)[1], copies)
        copy = native.__new__(kind, *given)
        native.__init__(copy, *given)
        for name in _NAMED if issubclass(native, _NAMING) else ():
            slot = getattr(native, name, None)
            if slot is not None and (text := slot.__get__(error)) is not None:
                slot.__set__(copy, text)
    copies[id(error)] = copy
    return copy


def _fill(error: BaseException, copy: BaseException, copies: Copies) -> None:
    """Copy the attributes of an original error, frames excepted."""
    if args := _ARGS.__get__(error):
        _ARGS.__set__(copy, _without_frames(args, copies))
    if attributes := _DICT.__get__(error):
        _DICT.__get__(copy).update(_without_frames(attributes, copies))
    for slot in _slots(type(error)):
        try:
            value = slot.__get__(error)
        except AttributeError:  # the slot was never set
            continue
        slot.__set__(copy, _without_frames(value, copies))


def _link(error: BaseException, copy: BaseException, copies: Copies) -> None:
    """Copy the causes and contexts of an original error."""
    for link in (_CAUSE, _CONTEXT):
        led_here = link.__get__(error)
        if led_here is not None and len(copies) < MOST:
            link.__set__(copy, _copy_of(led_here, copies))
    _SUPPRESS.__set__(copy, _SUPPRESS.__get__(error))


def _slots(kind: Any) -> list[Any]:
    """Return the slot descriptors of the Python classes with `__slots__` among a type's bases."""
    found: list[Any] = []
    while kind.__flags__ & _BY_CLASS_STATEMENT:
        if "__slots__" in kind.__dict__:
            found += [one for one in kind.__dict__.values() if type(one) is MemberDescriptorType]
        kind = kind.__base__
    return found


def _without_frames(value: Any, copies: Copies, depth: int = NESTED) -> Any:
    """Return a value in which errors are replaced by their copies."""
    kind = cast("object", type(value))
    if issubclass(type(value), BaseException):
        return _copy_of(value, copies)
    if depth and (kind is tuple or kind is list):
        copied = [_without_frames(one, copies, depth - 1) for one in value]
        return tuple(copied) if kind is tuple else copied
    if depth and kind is dict:
        return {key: _without_frames(one, copies, depth - 1) for key, one in value.items()}
    return None if isinstance(value, _FRAMES) else value


class Cause:
    """Holds the cause of an error of the pool while that is pickled or copied.

    A copy has the same cause. An error that is read from a pickle has it too if the cause can be unpickled;
    otherwise its cause is a `StandIn` with the name of the cause's type and its text.
    """

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __deepcopy__(self, memo: dict[int, Any]) -> Cause:
        from copy import deepcopy

        try:
            return Cause(deepcopy(self.error, memo))
        except Exception:
            return self

    def __reduce__(self) -> tuple[Any, ...]:
        from pickle import dumps, loads  # few errors travel

        error = self.error
        try:
            data = dumps(error)
            if isinstance(cast("object", loads(data)), BaseException):
                return loads, (data,)
        except Exception:  # whatever the methods of a library's error raise
            pass
        return loads, (dumps(StandIn(type(error), _text_of(error))),)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""
