"""The tables of options by which a config file is read, checked, shown and documented.

Each is made from where its options are stated: the settings of pools and discoveries, the fields of
connectors and sources, the arguments of middleware. Nothing is stated here a second time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias, cast

from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField, several
from connpool_runtime.connectors.config.fields import MASK, Field
from connpool_runtime.connectors.config.library_options import LibraryOptions
from connpool_runtime.connectors.config.record import Record
from connpool_runtime.options import Option, Settings
from connpool_runtime.options.durations import FORMS
from connpool_runtime.options.parsing import SWITCH_WORDS, parse, read
from connpool_runtime.options.schema import Schema, schema_of_option

__all__ = [
    "Entry",
    "Node",
    "Table",
    "merged_tables",
    "switch_word",
    "table_of_record",
    "table_of_settings",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One option of a file.

    Attributes:
        name: its key.
        words: what is allowed.
        default: the value that None, or no value, means.
        does: what it is for.
        why: why the default is what it is.
        unit: what a value counts; "" if it counts nothing.
        reloadable: whether it may change in a running pool.
        secret: whether it is never shown.
        refers: whether it may be a reference to where it is kept.
        rereads: whether that is read anew whenever a connection is opened.
        outline: returns a value as it may be shown, if that is not by masking all of it.
        is_open: whether any names may stand in it, as arguments of a library do.
        in_files: whether a file can hold it; a function only a program can give.
        check: raises the error for a value that is not allowed, given the key path for its text.
        parse: returns what a text of the environment, or an argument of a command, stands for.
        schema: of what a file may give.
    """

    name: str
    words: str
    default: object
    does: str = ""
    why: str = ""
    unit: str = ""
    reloadable: bool = False
    secret: bool = False
    refers: bool = False
    rereads: bool = False
    outline: Callable[[object], object] | None = None
    is_open: bool = False
    in_files: bool = True
    check: Callable[[str, Any], None]
    parse: Callable[[str], Any]
    schema: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A group of options: a mapping in a file.

    Attributes:
        does: what the group is for.
        entries: what it may hold, by key.
        switch: whether it may be true, for the group with its defaults, or false, for none.
        of_text: turns a text in the place of the group into the mapping that it stands for, if one may
            stand there.
        choose: returns the table for what is given, where that decides which options there are.
        lenient: whether unknown keys are ignored, because the known ones cannot be listed.
    """

    does: str = ""
    entries: Mapping[str, Node] = field(default_factory=lambda: MappingProxyType({}))
    switch: bool = False
    of_text: Callable[[str], Mapping[str, Any]] | None = None
    choose: Callable[[Mapping[str, Any]], Table] | None = None
    lenient: bool = False

    def of(self, given: object) -> Table:
        """Return the table that applies to the given values.

        Raises:
            InvalidConfig: the value that selects the table is not allowed.
        """
        if self.choose is None or not isinstance(given, Mapping):
            return self
        return self.choose(cast("Mapping[str, Any]", given))


Node: TypeAlias = Entry | Table


def merged_tables(*tables: Table, does: str = "") -> Table:
    """Return one table with the entries of several."""
    entries: dict[str, Node] = {}
    for table in tables:
        entries |= table.entries
    return Table(does=does, entries=entries)


def table_of_settings(settings: type[Settings], does: str = "") -> Table:
    """Return the table of a class of settings."""
    entries: dict[str, Node] = {name: _of_option(each) for name, each in settings.declared.items()}
    return Table(does=does, entries=entries)


def _of_option(option: Option) -> Entry:
    rule = option.rule
    may_be_file = rule.kind != "function"

    def check(path: str, given: Any) -> None:
        value = read(rule, given)
        if rule.accepts(value):
            return
        if isinstance(value, str) and rule.kind == "seconds":  # a text that is no duration
            raise InvalidConfig(path, repr(given), FORMS)
        said = str(rule.refusal(path, given))
        raise ValueError(said if said.startswith(path) else f"{path}: {said}")

    return Entry(
        name=option.name,
        words=rule.words,
        default=option.default,
        does=option.does,
        why=option.why,
        unit=rule.unit,
        reloadable=option.reloadable,
        in_files=may_be_file,
        check=check,
        parse=lambda text: parse(rule, text),
        schema=schema_of_option(option) if may_be_file else {},
    )


def table_of_record(record: type[Record], does: str = "") -> Table:
    """Return the table of the fields of a record; its sections are nested tables."""
    told, schema = record.meanings(), record.schema()["properties"]
    entries: dict[str, Node] = {}
    for name, each in record.fields.items():
        inner: type[Record] | None = getattr(each, "record", None)
        meaning = told.get(name, "")
        if inner is None:
            entries[name] = _of_field(each, meaning, schema[name])
        else:
            section = table_of_record(inner)
            entries[name] = Table(does=meaning, entries=section.entries, switch=True)
    return Table(does=does, entries=entries)


def _of_field(each: Field[Any, Any], meaning: str, schema: Schema) -> Entry:
    def check(path: str, given: Any) -> None:
        try:
            each.checked(given)
        except InvalidConfig as error:
            wrong = [_at(path, one, each) for one in error.errors]
            raise several(wrong) from None

    return Entry(
        name=each.name,
        words="a duration" if each.unit == "seconds" else each.words,
        default=each.default,
        does=meaning,
        unit=each.unit,
        reloadable=each.reloadable,
        secret=each.secret,
        refers=each.refers,
        rereads=each.rereads,
        outline=each.outline if each.outlined else None,
        is_open=isinstance(each, LibraryOptions),
        check=check,
        parse=each.parse,
        schema=schema,
    )


def _at(path: str, error: InvalidConfig, each: Field[Any, Any]) -> InvalidConfig:
    """Return an error of a field, or of something in it, with its place in a file."""
    place = path + error.field.removeprefix(each.name)
    if isinstance(error, UnknownField) or error.field != each.name:
        return type(error)(place, error.shown, error.allowed)
    return InvalidConfig(place, MASK if each.secret else error.shown, error.allowed)


def switch_word(text: str) -> bool | str:
    """Return the boolean that a text stands for; the text itself if it is none."""
    return SWITCH_WORDS.get(text.strip().lower(), text)
