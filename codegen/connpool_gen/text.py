"""Untrusted text -> source text that can only ever be a string."""

from __future__ import annotations

import inspect


def string_literal(text: str) -> str:
    """A double-quoted literal on one line."""
    return '"' + "".join(escaped(char) for char in text).replace('"', '\\"') + '"'


def docstring(text: str) -> str:
    """A triple-quoted literal of a cleaned docstring, safe whatever it holds.

    Lines keep their breaks so that a reader sees the text; everything that could end the
    literal, start an escape or hide a character is escaped.
    """
    cleaned = "\n".join(line.rstrip() for line in inspect.cleandoc(text).splitlines()).strip()
    body = "\n".join("".join(escaped(char) for char in line) for line in cleaned.split("\n"))
    body = body.replace('"""', '\\"\\"\\"')
    if "\n" in body:
        return f'"""{body}\n"""'
    if body.endswith('"'):
        body = body[:-1] + '\\"'
    return f'"""{body}"""'


def escaped(char: str) -> str:
    """One character as it stands in a literal that is not raw."""
    if char == "\\":
        return "\\\\"
    if char == "\n":
        return "\\n"
    if char.isprintable():
        return char
    return char.encode("unicode_escape").decode("ascii") if char != "\t" else "    "
