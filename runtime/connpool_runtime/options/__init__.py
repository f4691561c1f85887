"""The table of options: `option` states one, beside its name and type, in a class of settings.

A class of settings is a frozen dataclass over `Settings`. Its checks and its docstring, what files
and the environment may say, the JSON schema and the page of the documentation are made from what
is stated there. Every program imports this; what only some need is in `stated.py` and its siblings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast

from connpool_runtime.options.validation import Rule, unknown

if TYPE_CHECKING:
    from dataclasses import Field

__all__ = ["Settings", "described", "option", "refuse_unknown"]

T = TypeVar("T")
S = TypeVar("S", bound="Settings")


def option(default: T, rule: Rule, *, does: str, why: str = "", reloadable: bool = False) -> T:
    """State an option of a class of settings.

    Arguments:
        default: what None, or nothing, stands for; None says that there may be no value at all.
        rule: what values must be, None aside.
        does: what the option is for, for its user.
        why: why the default is what it is; "" if that explains itself.
        reloadable: whether it may change in a running pool.
    """
    stated: Any = field(
        default=default,
        metadata={"rule": rule, "does": does, "why": why, "reloadable": reloadable},
    )
    return cast("T", stated)  # for type checkers the default stands beside the name, as it should


class Settings:
    """Base of the frozen dataclasses whose fields are options: it checks values and names.

    Subclasses are dataclasses with `repr=False` and `eq=False`: what a dataclass would make of each
    of them by itself takes a quarter of the time to define it, and every program waits for that.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    else:  # type checkers know the names from the dataclass

        def __new__(cls, *_args: object, **given: object) -> Self:
            """Refuse unknown names before the dataclass does, which would not tell the nearest."""
            refuse_unknown(cls, given)
            return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, rule, may_be_none in _checks(cast("Any", type(self))):
            value = getattr(self, name)
            if not rule.accepts(value) and not (may_be_none and value is None):
                raise rule.refusal(name, value)
        self.check_together()

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{type(self).__name__}({options})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Settings) or type(other) is not type(self):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(tuple(self._values().values()))

    def _values(self) -> dict[str, object]:
        return {name: getattr(self, name) for name, _, _ in _checks(cast("Any", type(self)))}

    def options(self) -> dict[str, Any]:
        """Return all options with their values."""
        return self._values()

    def check_together(self) -> None:
        """Refuse values that are right each but do not go together; for subclasses."""

    @classmethod
    def of(cls, options: Mapping[str, object], also: Iterable[str] = ()) -> Self:
        """Make settings from options; those that are None keep their default.

        Arguments:
            options: values by name.
            also: what else could have been given in the same place, to be found as the nearest name.

        Raises:
            TypeError: there is no such option; the message has the nearest name.
            ValueError: a value is not allowed; the message has the option, the value and the rule.
        """
        refuse_unknown(cls, options, also)
        return cls(**{name: value for name, value in options.items() if value is not None})


def refuse_unknown(
    settings: type[Settings], given: Iterable[str], also: Iterable[str] = ()
) -> None:
    """Refuse names that are no options.

    Raises:
        TypeError: as Python does for unknown keyword arguments; the message has the nearest name.
    """
    known = settings.__dataclass_fields__
    for name in given:
        if name not in known:
            raise TypeError(unknown("option", name, (*known, *also)))


@cache
def _checks(settings: type[Any]) -> tuple[tuple[str, Rule, bool], ...]:
    return tuple(
        (each.name, each.metadata["rule"], each.default is None) for each in fields(settings)
    )


def described(settings: type[S]) -> type[S]:
    """Add what is stated of each option to the docstring of a class, when that is first read."""
    lazily: Any = _Docstring(settings.__doc__ or "")
    settings.__doc__ = lazily
    return settings


class _Docstring:
    """A docstring that is completed when it is read: wrapping its lines takes as long as an import."""

    def __init__(self, begin: str) -> None:
        self._begin = begin

    def __get__(self, _instance: object, owner: type[Any]) -> str:
        import inspect
        import textwrap

        lines = ["Arguments:"]
        for each in fields(owner):
            rule, does, why = (each.metadata[key] for key in ("rule", "does", "why"))
            unit = "In seconds." if rule.unit == "seconds" else ""
            text = " ".join(filter(None, (f"{each.name}:", does, unit, why)))
            lines += textwrap.wrap(text, 100, initial_indent=" " * 4, subsequent_indent=" " * 8)
        # Since 3.13 the compiler takes the indentation off; so it is the same on every Python.
        begin, between, rest = inspect.cleandoc(self._begin).partition("Raises:")
        return begin + "\n".join(lines) + f"\n\n{between}{rest}"
