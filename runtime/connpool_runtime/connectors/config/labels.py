"""The labels of the members that a connector opens: those of all, and those of single endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar, cast

from connpool_runtime.connectors.config.fields import Field, Refused, TextsByName
from connpool_runtime.options.schema import Schema

__all__ = [
    "GivenLabels",
    "LabelsByEndpoint",
    "endpoints_named",
    "for_endpoints",
    "of_all",
    "of_endpoint",
]

V = TypeVar("V")

GivenLabels: TypeAlias = Mapping[str, "str | Mapping[str, str]"]


class _ReadOnly(Mapping[str, V]):
    """A read-only mapping that can be pickled, unlike `MappingProxyType`."""

    __slots__ = ("_pairs",)

    def __init__(self, pairs: dict[str, V]) -> None:
        self._pairs = pairs

    def __getitem__(self, name: str) -> V:
        return self._pairs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def __repr__(self) -> str:
        return repr(self._pairs)


class LabelsByEndpoint(Field[GivenLabels, GivenLabels]):
    """Labels by name for all endpoints; or by endpoint, which override these. `a=1,b=2` in the environment."""

    words = 'labels as {"role": "replica"}, or by endpoint as {"host:port": {"role": "primary"}}'

    def __init__(self) -> None:
        super().__init__(_ReadOnly({}), reloadable=True)

    def read(self, given: object) -> GivenLabels:
        """Return an immutable copy."""
        found: dict[str, str | Mapping[str, str]] = {}
        for name, value in _pairs(given):
            if isinstance(value, str):
                found[name] = value
            else:
                found[name] = _ReadOnly({one: _text(text) for one, text in _pairs(value)})
        return _ReadOnly(found)

    def parse(self, text: str) -> Mapping[str, str] | str:
        """Read `a=1,b=2`."""
        return TextsByName().parse(text)

    def schema(self) -> Schema:
        """Return the schema of texts, and of mappings of texts, by name."""
        texts: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
        return {"type": "object", "additionalProperties": {"anyOf": [{"type": "string"}, texts]}}

    def canonical(self, value: GivenLabels) -> list[list[Any]]:
        """Return the labels sorted by name: their order means nothing."""
        plain = {
            name: each if isinstance(each, str) else sorted(map(list, each.items()))
            for name, each in value.items()
        }
        return [[name, plain[name]] for name in sorted(plain)]


def of_endpoint(labels: GivenLabels, endpoint: str) -> dict[str, str]:
    """Return the labels of one endpoint."""
    own = labels.get(endpoint, {})
    return {**of_all(labels), **({} if isinstance(own, str) else own)}


def of_all(labels: GivenLabels) -> dict[str, str]:
    """Return the labels that all endpoints have."""
    return {name: value for name, value in labels.items() if isinstance(value, str)}


def for_endpoints(labels: GivenLabels, endpoints: Iterable[str]) -> GivenLabels:
    """Return the labels of single endpoints only."""
    kept = set(endpoints)
    return {name: each for name, each in labels.items() if isinstance(each, str) or name in kept}


def endpoints_named(labels: GivenLabels) -> list[str]:
    """Return the endpoints that have labels of their own."""
    return [name for name, each in labels.items() if not isinstance(each, str)]


def _pairs(given: object) -> Iterable[tuple[str, object]]:
    if not isinstance(given, Mapping):
        raise Refused(LabelsByEndpoint.words)
    for name, value in cast("Mapping[object, object]", given).items():
        if not isinstance(name, str) or not name:
            raise Refused(LabelsByEndpoint.words)
        yield name, value


def _text(given: object) -> str:
    if not isinstance(given, str):
        raise Refused(LabelsByEndpoint.words)
    return given
