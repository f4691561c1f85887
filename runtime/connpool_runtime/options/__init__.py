"""Declares options: `option` declares one, beside its name and type, in a class of settings.

A class of settings is a frozen record over `Settings`. Its checks and its docstring, what files and the
environment may say, the JSON schema and the page of the documentation are made from what is stated there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, cast, dataclass_transform

from connpool_runtime.options.validation import Rule, unknown

__all__ = ["Option", "Settings", "option", "refuse_unknown"]

if TYPE_CHECKING:
    from inspect import Signature

T = TypeVar("T")


class Option:
    """One declared option.

    Attributes:
        name: its name, also as a keyword argument, in files and in the environment.
        type: its type, as its annotation spells it; "" outside of a class of settings.
        default: what None, or nothing, stands for; None says that there may be no value at all.
        rule: what values must be, None aside, and their unit.
        does: what it is for.
        why: why the default is what it is; "" if that explains itself.
        reloadable: whether it may change in a running pool.
    """

    __slots__ = ("default", "does", "name", "reloadable", "rule", "type", "why")

    def __init__(
        self,
        *,
        default: object,
        rule: Rule,
        does: str,
        why: str = "",
        reloadable: bool = False,
        name: str = "",
    ) -> None:
        self.default = default
        self.rule = rule
        self.does = does
        self.why = why
        self.reloadable = reloadable
        self.name = name
        self.type = ""

    def __repr__(self) -> str:
        return f"<option {self.name}: {self.type} = {self.default!r}>"


def option(*, default: T, rule: Rule, does: str, why: str = "", reloadable: bool = False) -> T:
    """Declare an option of a class of settings; see `Option` for the arguments."""
    stated: Any = Option(default=default, rule=rule, does=does, why=why, reloadable=reloadable)
    return cast("T", stated)  # for type checkers the default stands beside the name, as it should


class _Signature:
    """Shows the arguments of a class of settings to `help` and `inspect.signature`."""

    def __get__(self, _instance: object, owner: type[Settings]) -> Signature:
        from inspect import Parameter, Signature

        kind = Parameter.KEYWORD_ONLY
        return Signature(
            [
                Parameter(each.name, kind, default=each.default, annotation=each.type)
                for each in owner.declared.values()
            ]
        )


class _Docstring:
    """Adds the text of each option to a docstring when the docstring is read, as wrapping its lines takes long."""

    def __init__(self, begin: str) -> None:
        self._begin = begin

    def __get__(self, _instance: object, owner: type[Settings]) -> str:
        import inspect
        import textwrap

        lines = ["Arguments:"]
        for each in owner.declared.values():
            unit = "In seconds." if each.rule.unit == "seconds" else ""
            text = " ".join(filter(None, (f"{each.name}:", each.does, unit, each.why)))
            lines += textwrap.wrap(text, 100, initial_indent=" " * 4, subsequent_indent=" " * 8)
        # Since 3.13 the compiler takes the indentation off; so it is the same on every Python.
        begin, between, rest = inspect.cleandoc(self._begin).partition("Raises:")
        return begin + "\n".join(lines) + f"\n\n{between}{rest}"


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(option,))
class Settings:
    """Base of the frozen records whose fields are options: it checks values and names.

    What `dataclasses` would do is done here, since importing that module takes a fifth of the time that
    importing the whole runtime takes, and every program waits for it.
    """

    # By name; the options of the bases first. Not in the class's own namespace: a class attribute of the same
    # name makes CPython 3.11 look an instance's attribute up the slow way.
    declared: ClassVar[Mapping[str, Option]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name: value for name, value in vars(cls).items() if isinstance(value, Option)}
        for name, stated in own.items():
            stated.name, stated.type = name, str(cls.__annotations__[name])
            delattr(cls, name)
        cls.declared = {**cls.declared, **own}
        lazily: Any = _Docstring(cls.__doc__ or "")
        cls.__doc__ = lazily

    if not TYPE_CHECKING:  # type checkers know the arguments from the options
        __signature__ = _Signature()

        def __init__(self, **given: object) -> None:
            cls = type(self)
            refuse_unknown(cls, given)
            values = self.__dict__
            for name, stated in cls.declared.items():
                values[name] = value = given.get(name, stated.default)
                if not stated.rule.accepts(value) and (
                    value is not None or stated.default is not None
                ):
                    raise stated.rule.refusal(name, value)
            self.check_together()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be changed: settings are frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be deleted: settings are frozen")

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.__dict__.items())
        return f"{type(self).__name__}({options})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(tuple(self.__dict__.values()))

    def options(self) -> dict[str, Any]:
        """Return all options with their values."""
        return dict(self.__dict__)

    def replaced(self, **changes: object) -> Self:
        """Create settings in which some options have other values.

        Raises:
            TypeError: there is no such option; the message has the nearest name.
            ValueError: a value is not allowed; the message has the option, the value and the rule.
        """
        made: Any = type(self)
        return cast("Self", made(**self.__dict__ | changes))

    __replace__ = replaced  # `copy.replace` calls this, from Python 3.13 on

    def check_together(self) -> None:
        """Refuse values that are allowed alone but not together; for subclasses to override."""

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
    known = settings.declared
    for name in given:
        if name not in known:
            raise TypeError(unknown("option", name, (*known, *also)))
