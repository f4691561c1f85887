"""Chooses the interpreter for a request."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from connpool_gen.environment.finding import Place, choose_python
from connpool_gen.environment.interpreter import python_of

if TYPE_CHECKING:
    from connpool_gen.config.request import GenerateRequest


def with_python(request: GenerateRequest) -> GenerateRequest:
    """Return the request with the interpreter that reads its client: the requested one, or the project's.

    Raises RequestError for one that cannot be used.
    """
    found = choose_python(request.python, Place.here(request.root))
    chosen = replace(request, python=found.python, found_by=found.found_by)
    python_of(chosen)
    return chosen
