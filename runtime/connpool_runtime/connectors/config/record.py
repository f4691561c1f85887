"""Frozen records of config fields, and how they are read from mappings and the environment."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import FrozenInstanceError
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, cast

from connpool_runtime.connectors.config.errors import InvalidConfig, UnknownField, several
from connpool_runtime.connectors.config.fields import Field, Refused
from connpool_runtime.connectors.config.library_options import LibraryOptions, parsed
from connpool_runtime.connectors.config.secrets import SecretSource
from connpool_runtime.connectors.config.service_links import is_service_link
from connpool_runtime.options.parsing import SWITCH_WORDS
from connpool_runtime.options.schema import Schema
from connpool_runtime.options.validation import closest, nearest, unknown

__all__ = ["Record", "Section"]

R = TypeVar("R", bound="Record")

# Keyed hashing makes the digest of a weak password useless to a reader of a log; keys are only compared
# within one process.
_SALT = os.urandom(16)

# A field in the arguments section of a docstring: its name, and its text up to the next one.
_MEANING = re.compile(r"^ {4}(\w+): (.*(?:\n {5,}.*)*)", re.MULTILINE)


class _RecordType(type):
    """Creates records: prepares what is given, then reports everything that is wrong with it at once."""

    if not TYPE_CHECKING:  # type checkers know the arguments from the dataclass

        def __call__(cls, *args: object, **given: Any) -> Any:
            try:
                prepared = cls.prepared(given)
            except InvalidConfig as error:
                bad = {one.field.partition(".")[0] for one in error.errors}
                rest = {name: value for name, value in given.items() if name not in bad}
                raise several([*error.errors, *cls._wrong(rest)]) from None
            try:
                return super().__call__(*args, **prepared)
            except InvalidConfig:
                wrong = cls._wrong(prepared)
                if not wrong:
                    raise
            bad = {one.field.partition(".")[0] for one in wrong}
            try:  # without these fields, to find further errors
                super().__call__(
                    *args, **{name: prepared[name] for name in prepared if name not in bad}
                )
            except InvalidConfig as error:
                wrong += [one for one in error.errors if one.field.partition(".")[0] not in bad]
            raise several(wrong)


class Record(metaclass=_RecordType):
    """A dataclass of `Field`s, frozen once it is created. Two are equal when their meanings are equal.

    Subclasses are decorated with `@dataclass(kw_only=True)`. Freezing is done here, because mypy takes
    the inherited fields of a `frozen=True` dataclass for what its constructor accepts.
    """

    # By name; those of the bases first.
    fields: ClassVar[Mapping[str, Field[Any, Any]]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own: dict[str, Any] = {
            name: value for name, value in vars(cls).items() if isinstance(value, Field)
        }
        cls.fields = {**cls.fields, **own}
        # Set where @dataclass looks first, so that it generates none that show secrets or compare wrongly.
        for name in ("__repr__", "__eq__", "__hash__"):
            setattr(cls, name, getattr(Record, name))

    if not TYPE_CHECKING:  # type checkers know the names from the dataclass

        def __new__(cls, *_args: object, **given: object) -> Self:
            """Refuse unknown names before the dataclass does, whose message would not give the nearest name."""
            for name in given:
                if name not in cls.fields and name not in cls.__dataclass_fields__:
                    raise TypeError(unknown("option", name, cls.fields))
            return super().__new__(cls)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a record from plain data, as a JSON, YAML or TOML file holds it.

        Raises:
            UnknownField: no field has this name.
            InvalidConfig: a value is not allowed.
        """
        strange = [str(name) for name in values if name not in cls.fields]
        if not strange:
            return cls(**values)
        wrong: list[InvalidConfig] = [
            UnknownField(name, "option", nearest(name, cls.fields)) for name in strange
        ]
        try:
            cls(**{name: value for name, value in values.items() if name in cls.fields})
        except InvalidConfig as error:
            # A missing field may be present under a wrong name.
            meant = {found for name in strange for found in closest(name, cls.fields)}
            wrong += [one for one in error.errors if one.field not in meant]
        raise several(wrong)

    @classmethod
    def prepared(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the fields that are given, with values that stand for several fields split up."""
        return given

    @classmethod
    def _wrong(cls, given: Mapping[str, Any]) -> list[InvalidConfig]:
        """Return the errors of the single fields."""
        wrong: list[InvalidConfig] = []
        for name, value in given.items():
            try:
                if value is not None and name in cls.fields:
                    cls.fields[name].checked(value)
            except InvalidConfig as error:
                wrong += error.errors
        return wrong

    @classmethod
    def meanings(cls) -> Mapping[str, str]:
        """Return the description of each field from the docstrings of the class and its bases, on one line each."""
        from inspect import cleandoc  # importing it costs more than this whole module

        found: dict[str, str] = {}
        for base in reversed(cls.__mro__):
            # Since 3.13 the compiler removes the indentation, before that `cleandoc` does.
            _, _, arguments = cleandoc(base.__doc__ or "").partition("Arguments:\n")
            section = arguments.partition("\nRaises:")[0]
            found |= {name: " ".join(text.split()) for name, text in _MEANING.findall(section)}
        return {name: found[name] for name in cls.fields if name in found}

    @classmethod
    def schema(cls) -> Schema:
        """Return the JSON schema of the mapping that `from_mapping` takes."""
        told = cls.meanings()
        properties = {
            name: _property(field, told.get(name, "")) for name, field in cls.fields.items()
        }
        return {"type": "object", "properties": properties, "additionalProperties": False}

    if not TYPE_CHECKING:  # pydantic calls this on a class that is the type of a field

        @classmethod
        def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
            del source, handler
            from connpool_runtime.connectors.config.pydantic_schema import schema_for

            return schema_for(cls)

        @classmethod
        def __get_pydantic_json_schema__(cls, schema: object, handler: object) -> Any:
            del schema, handler
            return cls.schema()

    def masked(self, text: str) -> str:
        """Return a text in which every secret of this config is masked."""
        for secret in sorted(self.secrets(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text

    def secrets(self) -> Iterator[str]:
        """Yield the secrets, including those of sections."""
        for name, field in self.fields.items():
            value = getattr(self, name)
            if isinstance(value, Record):
                yield from value.secrets()
            elif isinstance(value, SecretSource):
                yield from value.seen
            elif isinstance(field, LibraryOptions):
                yield from field.secrets(value)
            elif field.secret and value:
                for each in (value,) if isinstance(value, str) else value.values():
                    yield from each.seen if isinstance(each, SecretSource) else (each,)

    def canonical(self) -> dict[str, Any]:
        """Return the meaning as plain data with every field, secrets as digests."""
        return {name: _canonical(field, getattr(self, name)) for name, field in self.fields.items()}

    def __getstate__(self) -> dict[str, Any]:
        # A read-only view of a mapping cannot be pickled.
        return {
            name: (
                dict(cast("Mapping[str, Any]", value))
                if isinstance(value, MappingProxyType)
                else value
            )
            for name, value in self.__dict__.items()
        }

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        own = vars(self)
        for name, value in state.items():
            is_mapping = isinstance(value, dict)
            own[name] = MappingProxyType(cast("dict[str, Any]", value)) if is_mapping else value

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__dict__ or name not in self.fields:
            raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be changed")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"{type(self).__name__}.{name} cannot be deleted")

    def __repr__(self) -> str:
        inner = (f"{name}={field.show(getattr(self, name))}" for name, field in self.fields.items())
        return f"{type(self).__name__}({', '.join(inner)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self.canonical() == other.canonical()

    def __hash__(self) -> int:
        return hash(json.dumps(self.canonical(), sort_keys=True))


class Section(Field["R | Mapping[str, Any] | bool", "R | None"], Generic[R]):
    """A group of fields inside a config; true stands for the group with its defaults, false for none."""

    words = "a group of settings, true or false"

    def __init__(self, record: type[R]) -> None:
        super().__init__(None)
        self.record = record

    def read(self, given: object) -> R | None:
        """Return the group."""
        if isinstance(given, self.record):
            return given
        if isinstance(given, bool):
            return self.record() if given else None
        if not isinstance(given, Mapping):
            raise Refused(self.words)
        return self.record.from_mapping(cast("Mapping[str, Any]", given))

    def checked(self, given: Any) -> R | None:
        """Read the group; errors name the field inside it."""
        try:
            return super().checked(given)
        except InvalidConfig as error:
            if error.field == self.name:
                raise
            raise error.inside(self.name) from None

    def parse(self, text: str) -> bool | str:
        """Read on or off."""
        return SWITCH_WORDS.get(text.strip().lower(), text)

    def schema(self) -> Schema:
        """Return the schema of the group."""
        return {"anyOf": [self.record.schema(), {"type": "boolean"}]}

    def canonical(self, value: R | None) -> Any:
        """Return what the group itself is compared by."""
        return None if value is None else value.canonical()


def from_environment(
    record: type[Record], prefix: str, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return the values of the variables `PREFIX_FIELD` and `PREFIX_SECTION_FIELD`, as plain data.

    `PREFIX_URL` says the endpoints too, and `PREFIX_OPTIONS_NAME` one of the options. Variables that
    Kubernetes puts into each container are left alone.

    Raises:
        InvalidConfig: variables have the prefix, and no field has the rest of their names.
    """
    values: dict[str, Any] = {}
    wrong: list[InvalidConfig] = []
    for variable, text in _with_prefix(prefix, environ):
        if is_service_link(variable, text):
            continue
        rest = variable.removeprefix(prefix).lower()
        if rest == "url" and "endpoints" in record.fields and "url" not in record.fields:
            rest = "endpoints"
            if f"{prefix}ENDPOINTS" in environ:
                allowed = f"left out where {prefix}ENDPOINTS is given"
                wrong.append(InvalidConfig(variable, "a second one", allowed))
                continue
        try:
            place, name, parse = _find(record, rest, prefix, values)
        except UnknownField as error:
            wrong.append(error)
        else:
            place[name] = parse(text)
    if wrong:
        raise several(wrong)
    return values


def _find(
    record: type[Record], rest: str, prefix: str, values: dict[str, Any]
) -> tuple[dict[str, Any], str, Callable[[str], Any]]:
    for name, field in record.fields.items():
        if rest == name:
            return values, name, field.parse
        record_inside: type[Record] | None = getattr(field, "record", None)
        is_group = record_inside is not None or isinstance(field, LibraryOptions)
        if is_group and rest.startswith(f"{name}_"):
            inner = values.get(name)
            values[name] = group = cast("dict[str, Any]", inner) if isinstance(inner, dict) else {}
            inner_rest = rest.removeprefix(f"{name}_")
            if record_inside is None:
                return group, inner_rest, parsed
            return _find(record_inside, inner_rest, f"{prefix}{name.upper()}_", group)
    variable = prefix + rest.upper()
    known = [prefix + name.upper() for name in record.fields]
    raise UnknownField(variable, "environment variable", nearest(variable, known))


def _with_prefix(prefix: str, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    # Sorted, so that PREFIX_TLS comes before PREFIX_TLS_CA_FILE, which is more specific.
    return ((name, text) for name, text in sorted(environ.items()) if name.startswith(prefix))


def _canonical(field: Field[Any, Any], value: Any) -> Any:
    plain = field.canonical(value)
    if not field.secret or value is None:
        return plain
    return hashlib.sha256(_SALT + json.dumps(plain).encode()).hexdigest()


def _property(field: Field[Any, Any], meaning: str) -> Schema:
    described: Schema = {"description": meaning} if meaning else {}
    # None and () mean that nothing is set; JSON has no infinity.
    if isinstance(field.default, (bool, int, float, str)) and field.default != math.inf:
        described |= {"default": field.default}
    return {"anyOf": [field.schema(), {"type": "null"}], **described}
