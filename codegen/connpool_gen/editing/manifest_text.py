"""Adds a table to the text of a pyproject.toml; everything else stays as it is, byte for byte."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, cast

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, Table

from connpool_gen.errors import RequestError

NAME = "connpool-gen"
# A longer array is written with a line for each item.
WIDTH = 100
INTRODUCTION = (
    "# The pool wrappers of this project: `connpool-gen` makes them, `connpool-gen --check` reports whether they "
    "are up to date.\n"
)


def with_target(text: str, values: Mapping[str, Any]) -> str:
    """Add a `[[tool.connpool-gen.target]]` with these keys: below the last one, or at the end of the file.

    Raises RequestError where the targets are written in one line, to which no table can be added.
    """
    wanted = tomllib.loads(text)
    section = wanted.setdefault("tool", {}).setdefault(NAME, {})
    section.setdefault("target", []).append(dict(values))
    placed = beside_the_others(text, values)
    # tomlkit supports almost every layout; where it does not, the end of the file is used.
    if placed is not None and keeps(text, placed) and means(placed, wanted):
        return placed
    block = f"[[tool.{NAME}.target]]\n{tomlkit.dumps(table_of(values))}"
    appended = at_the_end(text, block)
    if not means(appended, wanted):
        raise RequestError(
            f"pyproject.toml writes its targets as an inline list, to which nothing can be added; write each as "
            f"[[tool.{NAME}.target]], and this one below them:\n{block.rstrip()}"
        )
    return appended


def means(text: str, wanted: Mapping[str, Any]) -> bool:
    """Return whether a text is TOML with this content."""
    try:
        return tomllib.loads(text) == wanted
    except tomllib.TOMLDecodeError:
        return False


def with_defaults(text: str, values: Mapping[str, Any]) -> str:
    """Add `[tool.connpool-gen.defaults]` with these keys at the end of a file that has no table of ours."""
    return at_the_end(text, f"[tool.{NAME}.defaults]\n{tomlkit.dumps(table_of(values))}")


def introduced(text: str) -> str:
    """Add the introductory comment above the first table of ours, at the end of a file."""
    return at_the_end(text, INTRODUCTION)


def beside_the_others(text: str, values: Mapping[str, Any]) -> str | None:
    """Add the target below the last one; None if there is none, or it cannot be reached."""
    try:
        document = tomlkit.parse(text)
        tool = cast("Mapping[str, Any]", document["tool"])
        targets = tool[NAME]["target"]
        if not isinstance(targets, AoT):
            return None
        table = table_of(values)
        table.add(tomlkit.nl())
        last = targets[-1]
        if not last.as_string().endswith("\n\n"):
            last.add(tomlkit.nl())
        cast("list[Table]", targets).append(table)
        return tomlkit.dumps(document).rstrip("\n") + "\n"
    except (TOMLKitError, KeyError, TypeError):
        return None


def at_the_end(text: str, block: str) -> str:
    """Append a block after an empty line, keeping its introductory comment with it."""
    if not text.strip():
        return block
    gap = "" if text.endswith(INTRODUCTION) else "\n"
    return f"{text.rstrip(chr(10))}\n{gap}{block}"


def keeps(before: str, after: str) -> bool:
    """Return whether all lines of a text are also in the other one, in the same order."""
    left = iter(after.splitlines())
    return all(line in left for line in before.splitlines() if line.strip())


def table_of(values: Mapping[str, Any]) -> Table:
    """Make a table with these keys and values."""
    table = tomlkit.table()
    for key, value in values.items():
        if isinstance(value, list):
            array = tomlkit.array()
            cast("list[object]", array).extend(cast("list[object]", value))
            array.multiline(len(array.as_string()) + len(key) > WIDTH)
            table.add(key, array)
        else:
            table.add(key, value)
    return table
