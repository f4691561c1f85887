"""Refuses invalid values and names of options; the error gives the option, the value and the rule.

Functions check one argument; a `Rule` is what the table of options states of an option.
Every program imports this. What files and the environment may say instead of a value is in
`options/parsing.py`, the JSON schema of a rule in `options/schema.py`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, TypeGuard, cast

if TYPE_CHECKING:
    Kind: TypeAlias = Literal[
        "amount", "bounds", "function", "seconds", "share", "switch", "text", "whole number", "word"
    ]

__all__ = [
    "Rule",
    "amount",
    "error_classes",
    "is_text",
    "nearest",
    "refused",
    "seconds",
    "unknown",
    "whole_number",
]

_SECONDS = "a finite number of seconds, 0 or more"
_LARGEST = sys.float_info.max
_SHARE = "a number from 0 to 1"


def _is_number(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a float, or an int that fits into one; True is no number."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) <= _LARGEST
    return isinstance(value, float)


def is_text(value: object) -> TypeGuard[str]:
    """Return whether a value is a text that can be written: half a surrogate pair, as JSON may have it, cannot."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_whole_number(value: object, least: int) -> TypeGuard[int]:
    """Return whether a value is an int that is large enough, and fits into a float, as stats and metrics have them."""
    return isinstance(value, int) and _is_number(value) and value >= least


def _is_seconds(value: object) -> TypeGuard[int | float]:
    """Return whether a value is a finite number that is not negative."""
    return _is_number(value) and 0 <= value < math.inf


def _are_error_classes(value: object) -> bool:
    """Return whether a value is a tuple of exception classes."""
    given = cast("tuple[object, ...]", value) if isinstance(value, tuple) else (None,)
    return all(isinstance(one, type) and issubclass(one, BaseException) for one in given)


def _is_share(value: object) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return _is_number(value) and 0 <= value <= 1


def _least_whole_number(least: int) -> str:
    """Return the rule for whole numbers in words."""
    return f"a whole number of at least {least}"


def _least_amount(least: float) -> str:
    """Return the rule for finite numbers in words."""
    return f"a finite number of at least {least:g}"


def whole_number(name: str, value: object, *, least: int) -> int:
    """Refuse everything but an int that is large enough; True is no number. Return it."""
    if not _is_whole_number(value, least):
        raise refused(name, value, _least_whole_number(least))
    return value


def seconds(name: str, value: object) -> float:
    """Refuse everything but a finite number of seconds that is not negative; return it."""
    if not _is_seconds(value):
        raise refused(name, value, _SECONDS)
    return value


def amount(name: str, value: object, *, least: float = 0.0) -> None:
    """Refuse everything but a finite number that is large enough."""
    if not _is_number(value) or not least <= value < math.inf:
        raise refused(name, value, _least_amount(least))


def error_classes(name: str, value: object) -> None:
    """Refuse everything but a tuple of exception classes: `isinstance` would, in place of the error it is asked about."""
    if not _are_error_classes(value):
        raise refused(name, value, "a tuple of exception classes")


def refused(name: str, value: object, allowed: str) -> ValueError:
    """Return the error for a value that an option does not allow."""
    return ValueError(f"{name} must be {allowed}, not {value!r}")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message that refuses an unknown name: with the nearest known name, or all of them.

    Arguments:
        kind: what the name was meant for, such as "option".
        name: what was given.
        known: what could have been given.
    """
    return f"unknown {kind} {name!r}; {nearest(name, known)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name nearest to a name, or at all of them."""
    names = list(known)
    near = closest(name, names)
    return f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(names)


def closest(name: str, known: Iterable[str], count: int = 1) -> list[str]:
    """Return the known names most similar to a name, best first; none where none is similar."""
    import difflib  # imported only for a message

    return difflib.get_close_matches(name, list(known), n=count)


class Rule:
    """The rule for an option's values. Immutable, and safe for threads.

    Attributes:
        kind: which data types a value may have, in a program and in a file.
        words: the rule as errors and the documentation say it: "True or False".
        accepts: returns whether an option may have a value.
        unit: what a value counts; "" if it counts nothing.
        least: the least number that is allowed; None if there is no such bound.
        known: the words that are allowed; () for any.
    """

    __slots__ = ("_refuse", "accepts", "kind", "known", "least", "unit", "words")

    def __init__(
        self,
        kind: Kind,
        words: str,
        accepts: Callable[[object], bool],
        *,
        unit: str = "",
        least: float | None = None,
        known: tuple[str, ...] = (),
        refuse: Callable[[object], None] | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.words = words
        self.accepts = accepts
        self.unit = unit
        self.least = least
        self.known = known
        self._refuse = refuse

    def refusal(self, name: str, value: object) -> ValueError:
        """Return the error for a value that is refused, with the option's name and the rule."""
        try:
            if self._refuse is not None:
                self._refuse(value)
        except ValueError as better:
            return better
        return refused(name, value, self.words)

    @classmethod
    def whole_number(cls, least: int, unit: str) -> Self:
        """Return the rule for an int that is large enough; True is no number."""
        words = _least_whole_number(least)
        return cls(
            "whole number",
            words,
            lambda value: _is_whole_number(value, least),
            unit=unit,
            least=least,
        )

    @classmethod
    def seconds(cls) -> Self:
        """Return the rule for a finite number of seconds; zero is one."""
        return cls("seconds", _SECONDS, _is_seconds, unit="seconds", least=0)

    @classmethod
    def seconds_above_zero(cls) -> Self:
        """Return the rule for a finite number of seconds that is not zero."""
        words = "a finite number of seconds above 0"
        return cls(
            "seconds",
            words,
            lambda value: _is_seconds(value) and value > 0,
            unit="seconds",
            least=0,
        )

    @classmethod
    def share(cls) -> Self:
        """Return the rule for a number from 0 to 1."""
        return cls("share", _SHARE, _is_share, least=0)

    @classmethod
    def amount(cls, least: float) -> Self:
        """Return the rule for a finite number that is large enough."""
        words = _least_amount(least)
        return cls(
            "amount",
            words,
            lambda value: _is_number(value) and least <= value < math.inf,
            least=least,
        )

    @classmethod
    def factor(cls) -> Self:
        """Return the rule for a number of at least 1; infinity is one."""
        words = "a number of at least 1"
        return cls("amount", words, lambda value: _is_number(value) and value >= 1, least=1)

    @classmethod
    def switch(cls) -> Self:
        """Return the rule for True and False."""
        return cls("switch", "True or False", lambda value: isinstance(value, bool))

    @classmethod
    def text(cls) -> Self:
        """Return the rule for any text."""
        return cls("text", "a string", is_text)

    @classmethod
    def ascending_seconds(cls) -> Self:
        """Return the rule for a tuple of numbers of seconds, such as the bounds of a histogram."""
        words = "a tuple of finite numbers of seconds, 0 or more, ascending"
        return cls("bounds", words, _are_ascending_seconds, unit="seconds", least=0)

    @classmethod
    def function(cls) -> Self:
        """Return the rule for a function without arguments; only a program can give one."""
        return cls("function", "a function without arguments", callable)

    @classmethod
    def word(cls, known: Iterable[str]) -> Self:
        """Return the rule for one of some words."""
        allowed = tuple(known)
        words = ", ".join(f'"{word}"' for word in allowed[:-1]) + f' or "{allowed[-1]}"'
        return cls("word", words, lambda value: value in allowed, known=allowed)

    @classmethod
    def word_or_function(cls, known: Iterable[str], refuse: Callable[[object], None]) -> Self:
        """Return the rule for one of some words, or a function; only a program can give a function.

        Arguments:
            known: the words.
            refuse: raises the ValueError for what is neither, if it can say more than which words there are.
        """
        allowed = tuple(known)
        words = ", ".join(f'"{word}"' for word in allowed) + " or a function"

        def accepts(value: object) -> bool:
            return value in allowed if isinstance(value, str) else callable(value)

        return cls("word", words, accepts, known=allowed, refuse=refuse)


def _are_ascending_seconds(value: object) -> bool:
    if not isinstance(value, tuple) or not value:
        return False
    given = cast("tuple[object, ...]", value)
    bounds = [bound for bound in given if _is_seconds(bound)]
    return len(bounds) == len(given) and sorted(set(bounds)) == bounds
