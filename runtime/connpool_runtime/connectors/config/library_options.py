"""The field `options`: keyword arguments for a library's own class, checked against its signature."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField, several
from connpool_runtime.connectors.config.fields import MASK, Field, Refused
from connpool_runtime.connectors.config.masking import MASKED, is_secret_name, masked
from connpool_runtime.connectors.config.objects import title_of
from connpool_runtime.connectors.config.secrets import is_reference
from connpool_runtime.options.schema import Schema
from connpool_runtime.options.validation import nearest

__all__ = ["LibraryOptions", "parameters_of", "parsed", "refuse_unknown"]


class LibraryOptions(Field[Mapping[str, Any], Mapping[str, Any]]):
    """Keyword arguments for the library's own class, beside those that our fields set.

    Args:
        accepted: returns the names that the library takes; None where it is not installed or takes any.
        taken: names that are not allowed here, with what says the same: `given as the field 'database'`.
    """

    words = "a mapping of arguments that the library takes and no field stands for"
    secret = True  # hashed in keys: there may be credentials among them
    refers = True
    outlined = True

    def __init__(
        self,
        accepted: Callable[[], Collection[str] | None] = lambda: None,
        taken: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(MappingProxyType({}))
        self._accepted = accepted
        self._taken = taken

    def read(self, given: object) -> Mapping[str, Any]:
        """Return an immutable copy, after checking every name."""
        if not isinstance(given, Mapping):
            raise Refused(self.words)
        values = cast("Mapping[str, Any]", given)
        if not all(isinstance(name, str) for name in cast("Mapping[object, Any]", given)):
            raise Refused("a mapping whose keys are names")
        wrong = list(self._wrong(values)) if values else []
        if wrong:
            raise several(wrong)
        return MappingProxyType(dict(values))

    def _wrong(self, values: Mapping[str, Any]) -> Iterator[InvalidConfig]:
        accepted = self._accepted()
        for name, value in values.items():
            place = f"{self.name}.{name}"
            if name in self._taken:
                yield InvalidConfig(place, _shown(name, value), self._taken[name])
            elif accepted is not None and name not in accepted:
                known = [each for each in accepted if each not in self._taken]
                yield UnknownField(place, "option", nearest(name, sorted(known)))

    def show(self, value: object) -> str:
        """Return the names, and the values that cannot be secrets."""
        return MASK if not isinstance(value, Mapping) else str(self.outline(cast("Any", value)))

    def outline(self, value: object) -> object:
        """Return the same as JSON can hold it."""
        if not isinstance(value, Mapping):
            return MASKED
        return {str(name): _plain(str(name), each) for name, each in cast("Any", value).items()}

    def parse(self, text: str) -> Any:
        """Read a mapping as JSON."""
        return parsed(text)

    def schema(self) -> Schema:
        """Return the schema of any mapping."""
        return {"type": "object"}

    def canonical(self, value: Mapping[str, Any]) -> object:
        """Return plain data by value, objects by identity."""
        return _canonical(value)

    def secrets(self, value: Mapping[str, Any]) -> Iterator[str]:
        """Yield the texts that may be secrets."""
        for name, each in value.items():
            yield from _texts(each) if is_secret_name(name) or not isinstance(each, str) else ()


def parameters_of(*functions: Callable[..., Any], closed: bool = False) -> frozenset[str] | None:
    """Return the names of the keyword arguments that any of some functions accepts; None if one accepts any name.

    Arguments:
        functions: classes, too.
        closed: whether only what they name counts, because the others are ours.
    """
    from inspect import Parameter, signature

    found: set[str] = set()
    for function in functions:
        for parameter in signature(function).parameters.values():
            if parameter.kind is Parameter.VAR_KEYWORD and not closed:
                return None
            if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY):
                found.add(parameter.name)
    return frozenset(found)


def refuse_unknown(options: Mapping[str, Any], client: type, taken: Collection[str] = ()) -> None:
    """Refuse names that the class of a client does not accept; its sibling for tasks, or for threads, may accept them.

    Arguments:
        options: by name.
        client: the class.
        taken: its arguments that our own fields set.

    Raises:
        InvalidConfig: it has no such argument.
    """
    accepted = parameters_of(client, closed=True) if options else None
    if accepted is None:
        return
    place = f"{client.__module__.removesuffix('.client')}.{client.__qualname__}"
    known = sorted(accepted - set(taken))
    wrong = [
        UnknownField(f"options.{name}", f"option of {place}", nearest(name, known))
        for name in options
        if name not in accepted
    ]
    if wrong:
        raise several(wrong)


def parsed(text: str) -> Any:
    """Return the value that a text of a URL or the environment stands for: a number, true, a list; else the text."""
    word = text.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    try:
        return json.loads(word)
    except ValueError:
        return text


def _shown(name: str, value: object) -> str:
    return MASK if is_secret_name(name) else repr(_plain(name, value))


def _plain(name: str, value: object) -> object:
    if is_reference(value):
        return value
    if is_secret_name(name):
        return MASKED
    if isinstance(value, (bool, int, float, type(None))):
        return value
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(str(key), each) for key, each in cast("Any", value).items()}
    if isinstance(value, (list, tuple)):
        return [_plain("", each) for each in cast("list[object]", value)]
    return title_of(value)


def _canonical(value: object) -> object:
    if isinstance(value, (bool, int, float, str, type(None))):
        return value
    if isinstance(value, Mapping):
        pairs = cast("Mapping[object, object]", value).items()
        return sorted([str(name), _canonical(each)] for name, each in pairs)
    if isinstance(value, (list, tuple)):
        return [_canonical(each) for each in cast("list[object]", value)]
    return [title_of(value), id(value)]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, each in cast("Mapping[str, object]", value).items():
            if not isinstance(each, str) or is_secret_name(name):
                yield from _texts(each)
