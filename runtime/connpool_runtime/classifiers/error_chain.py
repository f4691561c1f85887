"""Follows an error to those that led to it: causes, contexts, nested errors, groups."""

from __future__ import annotations

from types import TracebackType
from typing import cast

from connpool_runtime.classifiers.verdict import Classifier, Verdict, worst

__all__ = ["LIMIT", "attribute", "first_known", "inner", "stands_alone"]

LIMIT = 32
"""So many errors are looked at in all, which is more than any client piles up."""

# Raised while another error is handled, an error of these types is usually a bug of the handling code, or its
# decision (a file instead of a server). So the other error is no evidence, unless it is the explicit cause.
_OWN_MATTER = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    FileExistsError,
    FileNotFoundError,
    LookupError,
    NameError,
    NotADirectoryError,
    NotImplementedError,
    PermissionError,
    TypeError,
    ValueError,
)


def first_known(error: BaseException, classify: Classifier) -> Verdict | None:
    """Return the verdict on the outermost error that a classifier knows.

    The members of a group are asked one by one, and the worst of them counts.
    """
    return _first_known([error], classify, set())


def inner(error: BaseException, classify: Classifier) -> Verdict | None:
    """Return the same for the errors that led to an error, without the error itself."""
    return _first_known(_led_to(error), classify, {id(error)})


def stands_alone(error: BaseException) -> bool:
    """Return whether no other error led to an error that is no group."""
    if error.__cause__ is not None or error.__context__ is not None:
        return False
    for part in _args(error):
        if isinstance(part, BaseException):
            return False
    return not isinstance(attribute(error, "reason"), BaseException)


def _first_known(
    waiting: list[BaseException], classify: Classifier, seen: set[int]
) -> Verdict | None:
    for error in waiting:  # grows during the loop, nearest errors first
        if id(error) in seen or len(seen) >= LIMIT:
            continue
        seen.add(id(error))
        verdict = classify(error)
        if verdict is None:
            verdict = worst([_first_known([one], classify, seen) for one in _members(error)])
        if verdict is not None:
            return verdict
        waiting += _led_to(error)
    return None


def _members(error: BaseException) -> tuple[BaseException, ...]:
    """Return the errors of a group, none if it is no group."""
    if not isinstance(error, BaseExceptionGroup):
        return ()
    return cast("BaseExceptionGroup[BaseException]", error).exceptions


def _led_to(error: BaseException) -> list[BaseException]:
    found: list[object] = [error.__cause__]
    if not isinstance(error, _OWN_MATTER):
        if not error.__suppress_context__ and _came_within(error, error.__context__):
            found.append(error.__context__)
        # Where urllib, urllib3 and requests keep nested errors.
        found += [attribute(error, "reason"), *_args(error)]
    return [one for one in found if isinstance(one, BaseException)]


def _args(error: BaseException) -> tuple[object, ...]:
    """Return the arguments of an error; none if its class has hidden them behind something that fails."""
    try:
        args = cast("object", error.args)
    except Exception:
        return ()
    return cast("tuple[object, ...]", args) if isinstance(args, tuple) else ()


def _came_within(error: BaseException, context: BaseException | None) -> bool:
    """Return whether an error's context was raised below the same handler, not by a caller further out.

    Code that calls a pool while it handles an unrelated error makes that error the context of all
    errors of the call. The frame that met an error is the first of its traceback; on the error's own
    way is what its traceback passes through.
    """
    if context is None or context.__traceback__ is None or error.__traceback__ is None:
        return True
    met_in = context.__traceback__.tb_frame
    step: TracebackType | None = error.__traceback__
    while step is not None:
        if step.tb_frame is met_in:
            return True
        step = step.tb_next
    return False


def attribute(thing: object, *path: str) -> object:
    """Return an attribute of an attribute; None if one is missing or raises."""
    for name in path:
        try:
            thing = getattr(thing, name, None)
        except Exception:  # a property of another library's class
            return None
        if thing is None:
            return None
    return thing
