"""Labels: texts by name that describe a member, by which calls may select members."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias, cast

from connpool_runtime.options.validation import is_text

__all__ = [
    "ANY_MEMBER",
    "NO_LABELS",
    "ROLE",
    "Labels",
    "Selector",
    "checked_labels",
    "fits",
    "shown",
]

Labels: TypeAlias = Mapping[str, str]
Selector: TypeAlias = frozenset[tuple[str, str]]
"""The labels that a member must have, each with its value; the empty one fits every member."""

ROLE = "role"
"""The label that routes of methods are about."""
NO_LABELS: Labels = MappingProxyType({})
ANY_MEMBER: Selector = frozenset()


def checked_labels(given: object) -> Labels:
    """Return checked labels as an immutable copy.

    Raises:
        TypeError: they are no mapping of texts to texts, or a name is empty.
    """
    if given is None or given is NO_LABELS:
        return NO_LABELS
    if not isinstance(given, Mapping):
        raise TypeError(
            f'labels must map strings to strings, as {{"role": "replica"}}, not {given!r}'
        )
    pairs = dict(cast("Mapping[object, object]", given))
    texts: dict[str, str] = {}
    for name, value in pairs.items():
        if not (is_text(name) and name and is_text(value)):
            raise TypeError(
                f'labels must map strings to strings, as {{"role": "replica"}}; {name!r}: {value!r} does not'
            )
        texts[name] = value
    return MappingProxyType(texts) if texts else NO_LABELS


def fits(selector: Selector, labels: Labels) -> bool:
    """Return whether labels match everything that a selector asks for."""
    return all(labels.get(name) == value for name, value in selector)


def shown(selector: Selector) -> str:
    """Return a selector as text: `role=replica`."""
    return ", ".join(f"{name}={value}" for name, value in sorted(selector)) or "any labels"
