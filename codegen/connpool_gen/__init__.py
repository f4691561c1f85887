"""Reads a client class and writes a typed pool wrapper for it.

The command is `connpool-gen`; from Python, `generate(GenerateRequest(client="redis:Redis"))`
gives the module's text. Every error raised on purpose is a GenerationError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connpool_gen._version import __version__

if TYPE_CHECKING:
    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.errors import GenerationError
    from connpool_gen.generated_module import GeneratedModule
    from connpool_gen.pipeline import generate

__all__ = ["GenerateRequest", "GeneratedModule", "GenerationError", "__version__", "generate"]

HOMES = {
    "GenerateRequest": "connpool_gen.config.request",
    "GeneratedModule": "connpool_gen.generated_module",
    "GenerationError": "connpool_gen.errors",
    "generate": "connpool_gen.pipeline",
}


def __getattr__(name: str) -> Any:
    """Import public names at their first use, so that `--help` stays quick."""
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(HOMES[name]), name)
