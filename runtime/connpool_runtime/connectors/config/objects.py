"""Fields that hold objects of a program: functions, interceptors, credentials. A file names them as `module:attribute`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, cast

from connpool_runtime.connectors.config.fields import Field, Refused
from connpool_runtime.options.schema import Schema

__all__ = ["FunctionsByName", "Object", "Objects", "named_object", "title_of"]

_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
_TEXT: Schema = {"type": "string", "pattern": rf"^{_NAMED.pattern}$"}


def named_object(given: object) -> Any:
    """Return the object that a text such as `shop.auth:token_of` names, importing its module; other values as they are.

    Raises:
        Refused: there is no such module or attribute.
    """
    if not isinstance(given, str):
        return given
    if not _NAMED.fullmatch(given):
        raise Refused("an object of the program, or its name as module:attribute")
    module, _, attributes = given.partition(":")
    try:
        found: Any = import_module(module)
        for attribute in attributes.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError) as error:
        raise Refused(f"a module:attribute that can be imported ({error})") from None
    return found


def title_of(value: object) -> str:
    """Return a name for an object in texts; its own `repr` may show secrets."""
    module = getattr(value, "__module__", None) or type(value).__module__
    name = getattr(value, "__qualname__", None)
    return f"{module}:{name}" if isinstance(name, str) else f"<{type(value).__qualname__}>"


def _title(value: object) -> object:
    """Return the name of an object that may be a name itself, or nothing."""
    return value if isinstance(value, (str, type(None))) else title_of(value)


def _listed(value: object) -> list[object]:
    """Return several values as a list, also a single one."""
    return list(cast("list[object]", value)) if isinstance(value, (list, tuple)) else [value]


class Object(Field[Any, Any]):
    """One object; None when it may be left out.

    Args:
        words: what it has to be.
        fits: checks whether an object is valid.
    """

    outlined = True

    def __init__(self, words: str, fits: Callable[[object], bool] = callable) -> None:
        super().__init__(None)
        self.words = f"{words}, or its name as module:attribute"
        self._fits = fits

    def read(self, given: object) -> Any:
        """Return the object."""
        found = named_object(given)
        if not self._fits(found):
            raise Refused(self.words)
        return found

    def show(self, value: object) -> str:
        """Return its name, since the object may hold secrets."""
        return repr(value) if isinstance(value, (str, type(None))) else title_of(value)

    def outline(self, value: object) -> object:
        """Return its name, as a file would hold it."""
        return _title(value)

    def schema(self) -> Schema:
        """Return the schema of a name."""
        return dict(_TEXT)

    def canonical(self, value: object) -> object:
        """Return the object's name and identity: objects are equal only by identity."""
        return None if value is None else [title_of(value), id(value)]


class Objects(Field[Iterable[Any] | str, tuple[Any, ...]]):
    """Several objects, in order; in the environment their names with commas between them."""

    outlined = True

    def __init__(self, words: str) -> None:
        super().__init__(())
        self.words = f"a list of {words}, or of their names as module:attribute"

    def read(self, given: object) -> tuple[Any, ...]:
        """Return the objects."""
        if isinstance(given, str):
            given = [part.strip() for part in given.split(",") if part.strip()]
        if not isinstance(given, Iterable) or isinstance(given, Mapping):
            raise Refused(self.words)
        return tuple(named_object(each) for each in cast("Iterable[object]", given))

    def show(self, value: object) -> str:
        """Return their names."""
        return str(self.outline(value))

    def outline(self, value: object) -> object:
        """Return their names, as a file would hold them."""
        if isinstance(value, str) or not isinstance(value, Iterable):
            return _title(value)
        return list(map(_title, cast("Iterable[object]", value)))

    def schema(self) -> Schema:
        """Return the schema of a list of names, or of a text with commas."""
        return {
            "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": dict(_TEXT)}]
        }

    def canonical(self, value: tuple[Any, ...]) -> object:
        """Return names and identities in order: objects are equal only by identity."""
        return [[title_of(each), id(each)] for each in value]


class FunctionsByName(Field[Mapping[str, Any], Mapping[str, tuple[Callable[..., Any], ...]]]):
    """Lists of functions by a few names, such as hooks by events.

    Args:
        names: what there may be functions for.
    """

    outlined = True

    def __init__(self, *names: str) -> None:
        super().__init__(MappingProxyType({}))
        self._names = names
        self.words = (
            f"lists of functions, or of their names as module:attribute, by {' and '.join(names)}"
        )

    def read(self, given: object) -> Mapping[str, tuple[Callable[..., Any], ...]]:
        """Return the functions."""
        if not isinstance(given, Mapping):
            raise Refused(self.words)
        found: dict[str, tuple[Callable[..., Any], ...]] = {}
        for name, functions in cast("Mapping[str, Any]", given).items():
            if name not in self._names:
                raise Refused(self.words)
            found[name] = tuple(named_object(each) for each in _listed(functions))
            if not all(map(callable, found[name])):
                raise Refused(self.words)
        return MappingProxyType(found)

    def show(self, value: object) -> str:
        """Return their names."""
        return str(self.outline(value))

    def outline(self, value: object) -> object:
        """Return their names, as a file would hold them."""
        if not isinstance(value, Mapping):
            return _title(value)
        pairs = cast("Mapping[str, object]", value).items()
        return {name: list(map(_title, _listed(functions))) for name, functions in pairs}

    def schema(self) -> Schema:
        """Return the schema of lists of names."""
        functions: Schema = {"anyOf": [dict(_TEXT), {"type": "array", "items": dict(_TEXT)}]}
        return {
            "type": "object",
            "properties": dict.fromkeys(self._names, functions),
            "additionalProperties": False,
        }

    def canonical(self, value: Mapping[str, tuple[Any, ...]]) -> object:
        """Return the functions sorted by name: the order of the names means nothing."""
        return sorted(
            [name, [[title_of(each), id(each)] for each in functions]]
            for name, functions in value.items()
        )
