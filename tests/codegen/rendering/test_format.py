"""Laying a text out with ruff."""

import sys
from types import SimpleNamespace

import pytest

from connpool_gen.rendering import format as formatting
from connpool_gen.rendering.format import FORMATTER, RUFF, format_source, ruff

TEXT = "def f( a,b ):\n  return   {'a':a,\n   'b':b}\n"


def test_the_program_of_the_distribution_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ruff that is run is the one whose version stands in the header, wherever it is found; the text comes out the same."""
    program = ruff()
    assert len(program) == 1
    laid_out = format_source(TEXT)
    monkeypatch.setattr(formatting, "RUFF", SimpleNamespace(files=None))
    monkeypatch.setattr(formatting, "ruff", ruff.__wrapped__)
    assert formatting.ruff()[0] == sys.executable
    assert format_source(TEXT) == laid_out != TEXT
    assert f"ruff {RUFF.version}" == FORMATTER
