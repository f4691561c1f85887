"""Give a request the interpreter of its project."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connpool_gen.environment.finding import Place, choose_python
from connpool_gen.environment.interpreter import python_of

if TYPE_CHECKING:
    from connpool_gen.config.request import GenerateRequest


def with_python(request: GenerateRequest) -> GenerateRequest:
    """Choose the interpreter that reads a client: the one asked for, or that of the project.

    Raises RequestError for one that cannot be used.
    """
    found = choose_python(request.python, Place.here(request.root))
    chosen = replace(request, python=found.python, found_by=found.found_by)
    python_of(chosen)
    return chosen
