"""Lists the options of a class of settings, one record each; for documentation, files and schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from connpool_runtime.options import Settings
from connpool_runtime.options.validation import Rule

__all__ = ["Option", "options_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: its name, type, default, reason and rule.

    Attributes:
        name: its name, also as a keyword argument, in files and in the environment.
        type: its type, as its annotation spells it.
        default: what None, or nothing, stands for.
        rule: what its values must be, and their unit.
        does: what it is for.
        why: why the default is what it is.
        reloadable: whether it may change in a running pool.
    """

    name: str
    type: str
    default: object
    rule: Rule
    does: str
    why: str
    reloadable: bool


def options_of(settings: type[Settings]) -> Mapping[str, Option]:
    """Return the options of a class of settings by name, in order of definition."""
    return {
        each.name: Option(
            name=each.name, type=str(each.type), default=each.default, **each.metadata
        )
        for each in fields(cast("Any", settings))
    }
