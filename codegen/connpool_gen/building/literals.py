"""Writes untrusted text as source text that can only be a string."""

from __future__ import annotations

import inspect
import re


def string_literal(text: str) -> str:
    """Write a double-quoted literal on one line."""
    return '"' + "".join(escaped(char) for char in text).replace('"', '\\"') + '"'


def comment(text: str) -> str:
    """Write a text as a comment on one line."""
    return ("# " + "".join(escaped(char) for char in text.lstrip("# "))).rstrip()


_SURROGATE = re.compile("[\ud800-\udfff]")


def docstring(text: str) -> str:
    """Write a cleaned docstring as a triple-quoted literal, whatever it contains.

    Lines keep their breaks so that a reader sees the text; everything that could end the
    literal, start an escape or hide a character is escaped. Half a surrogate pair becomes the sign for
    what cannot be shown: Python 3.13 and newer compile no docstring that has one.
    """
    text = _SURROGATE.sub("\ufffd", text)
    lines = [line.rstrip() for line in inspect.cleandoc(text).split("\n")]
    cleaned = "\n".join(lines).strip()
    body = "\n".join(quotes_apart(line) for line in cleaned.split("\n"))
    return f'"""{body}\n"""' if "\n" in body else f'"""{body}"""'


def quotes_apart(line: str) -> str:
    """Escape quotes so that no two are adjacent, and none ends a line."""
    if line.isprintable() and '"' not in line and "\\" not in line:  # as nearly all lines are
        return line
    return "".join(
        '\\"' if char == '"' and line[index + 1 : index + 2] in ('"', "") else escaped(char)
        for index, char in enumerate(line)
    )


def escaped(char: str) -> str:
    """Escape one character for a literal that is not raw."""
    if char == "\\":
        return "\\\\"
    if char == "\n":
        return "\\n"
    if char.isprintable():
        return char
    return char.encode("unicode_escape").decode("ascii")
