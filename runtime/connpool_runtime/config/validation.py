"""Checks one layer of a config against the tables, and finds all problems, not only the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from connpool_runtime.config.layers import Layer, value_at
from connpool_runtime.config.problems import ConfigProblem, KeyPath, dotted
from connpool_runtime.config.tables import Entry, Table
from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField
from connpool_runtime.connectors.config.secrets import is_reference
from connpool_runtime.options.validation import nearest

__all__ = ["check_layer", "problem_of"]

Tell: TypeAlias = Callable[[KeyPath, ValueError], None]


def check_layer(layer: Layer, layers: Sequence[Layer], table: Table) -> list[ConfigProblem]:
    """Return all problems of a layer.

    Arguments:
        layer: what is checked.
        layers: all of them: what another one says may decide about the options that there are.
        table: of the whole config.
    """
    problems: list[ConfigProblem] = []

    def tell(path: KeyPath, error: ValueError) -> None:
        problems.append(problem_of(layer.place(path), path, error))

    _Check(layers, tell).table(table, layer.data, ())
    return problems


def problem_of(place: str, path: KeyPath, error: ValueError) -> ConfigProblem:
    """Return the problem that an error describes."""
    return ConfigProblem(place, dotted(path), " ".join(str(error).split()))


class _Check:
    def __init__(self, layers: Sequence[Layer], tell: Tell) -> None:
        self._layers = layers
        self._tell = tell

    def table(self, table: Table, given: object, path: KeyPath) -> None:
        """Check a group and everything in it."""
        if given is None or (table.switch and isinstance(given, bool)):
            return
        try:
            mapping = _mapping(table, given, path)
            chosen = self._chosen(table, mapping, path)
        except InvalidConfig as error:
            self._tell(path, error)
            return
        for name, value in mapping.items():
            self._value(chosen, name, value, (*path, name))

    def _chosen(self, table: Table, mapping: Mapping[str, Any], path: KeyPath) -> Table:
        """Return the table that applies, by what all layers say together."""
        found = dict(mapping)
        for layer in self._layers if table.choose is not None else ():
            below = value_at(layer.data, path)
            if isinstance(below, str) and table.of_text is not None:
                below = table.of_text(below)
            if isinstance(below, Mapping) and cast("Mapping[str, Any]", below).get("kind"):
                found["kind"] = cast("Mapping[str, Any]", below)["kind"]
        try:
            return table.of(found)
        except InvalidConfig as error:
            raise InvalidConfig(dotted((*path, error.field)), error.shown, error.allowed) from None

    def _value(self, chosen: Table, name: str, value: object, path: KeyPath) -> None:
        node = chosen.entries.get(name)
        if node is None:
            if not chosen.lenient:
                known = [each for each, one in chosen.entries.items() if _in_files(one)]
                self._tell(path, UnknownField(dotted(path), "option", nearest(name, known)))
        elif isinstance(node, Table):
            self.table(node, value, path)
        else:
            _check_entry(node, value, path, self._tell)


def _in_files(node: Entry | Table) -> bool:
    return isinstance(node, Table) or node.in_files


def _mapping(table: Table, given: object, path: KeyPath) -> Mapping[str, Any]:
    """Return a group as a mapping: itself, or what a text stands for.

    Raises:
        InvalidConfig: it is not a mapping; the message does not quote the value, which may be a secret.
    """
    if isinstance(given, Mapping):
        return cast("Mapping[str, Any]", given)
    allowed = "a mapping"
    if table.of_text is not None:
        allowed = "a URL or a mapping"
        if isinstance(given, str):
            try:
                return table.of_text(given)
            except InvalidConfig as error:
                raise InvalidConfig(dotted(path), error.shown, error.allowed) from None
    if table.switch:
        allowed = "true, false or a mapping"
    kind = (
        "a string"
        if isinstance(given, str)
        else "a list" if isinstance(given, list) else repr(given)
    )
    raise InvalidConfig(dotted(path), kind, allowed)


def _check_entry(entry: Entry, given: object, path: KeyPath, tell: Tell) -> None:
    if given is None or (entry.refers and is_reference(given)):
        return
    if entry.refers and isinstance(given, Mapping):
        values = cast("Mapping[str, Any]", given)
        given = {name: "secret" if is_reference(each) else each for name, each in values.items()}
    try:
        entry.check(dotted(path), given)
    except InvalidConfig as error:
        for one in error.errors:
            inner = one.field.removeprefix(dotted(path)).lstrip(".")
            tell((*path, inner) if inner and entry.is_open else path, one)
    except ValueError as error:
        tell(path, error)
