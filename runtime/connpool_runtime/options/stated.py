"""The options that a class of settings states, one record each; for documentation, files and schema."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from connpool_runtime._validation import Rule
from connpool_runtime.options import Settings

__all__ = ["Option", "arguments_section", "options_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option, as it is stated.

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
    """Return the options of a class of settings by name, in their order."""
    return {
        each.name: Option(
            name=each.name, type=str(each.type), default=each.default, **each.metadata
        )
        for each in fields(cast("Any", settings))
    }


def arguments_section(settings: type[Settings]) -> str:
    """Return the section of a class's docstring that explains its options."""
    lines = ["    Arguments:"]
    for each in options_of(settings).values():
        unit = "In seconds." if each.rule.unit == "seconds" else ""
        text = " ".join(filter(None, (f"{each.name}:", each.does, unit, each.why)))
        lines += textwrap.wrap(
            text, 100, initial_indent=" " * 8, subsequent_indent=" " * 12, break_long_words=False
        )
    return "\n".join(lines) + "\n"
