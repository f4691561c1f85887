"""Untrusted text becomes a string literal and nothing else."""

import ast
import inspect

import pytest
from hypothesis import given

from connpool_gen.building.literals import docstring, string_literal
from connpool_gen.rendering.format import format_source
from tests.codegen.strategies import PAYLOADS, hostile_text


def readable(text: str) -> list[str]:
    """What a reader sees of a docstring: its lines, without indentation and trailing blanks.

    Half a surrogate pair cannot be seen, and Python 3.13 compiles no docstring that has one.
    """
    text = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    return [line.rstrip() for line in inspect.cleandoc(text).strip().splitlines()]


@given(hostile_text())
def test_a_docstring_literal_means_the_text(text: str) -> None:
    """Whatever a docstring holds, its literal is one string that reads the same."""
    parsed = ast.parse(docstring(text), mode="eval").body
    assert isinstance(parsed, ast.Constant)
    assert isinstance(parsed.value, str)
    assert readable(parsed.value) == readable(text)


@given(hostile_text())
def test_a_docstring_survives_its_layout(text: str) -> None:
    """Laid out in a method, a docstring still reads the same, and laying it out again changes nothing."""
    literal = docstring(text).replace("\n", "\n        ")
    once = format_source(f"class C:\n    def f(self):\n        {literal}\n        return 1\n")
    function = ast.parse(once).body[0].body[0]  # type: ignore[attr-defined] # the class above
    assert [type(node) for node in function.body] == [ast.Expr, ast.Return]
    assert readable(ast.get_docstring(function) or "") == readable(text)
    assert format_source(once) == once


@given(hostile_text())
def test_a_string_literal_is_exact(text: str) -> None:
    """A label or a reason keeps every character, on one line."""
    literal = string_literal(text)
    assert len(literal.splitlines()) == 1
    assert ast.literal_eval(literal) == text


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_invisible_reaches_the_source(payload: str) -> None:
    """Control characters, separators and direction marks are escaped, so that a reviewer sees them."""
    text = docstring(payload + "x")
    assert all(char.isprintable() or char == "\n" for char in text)


def test_a_plain_docstring_stays_as_written() -> None:
    """Ordinary text is not escaped: what the author wrote is what stands there."""
    assert docstring("Größe in cm, 'so' \"oder\" so.") == '"""Größe in cm, \'so\' "oder" so."""'
    assert docstring("One.\n\n    Two.\n    ") == '"""One.\n\nTwo.\n"""'
