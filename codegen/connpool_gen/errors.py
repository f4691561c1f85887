"""The errors of generating. Messages are for the user; the types are the interface."""

from __future__ import annotations


class GenerationError(Exception):
    """Root of every error this package raises on purpose; ends the command with exit code 2."""


class RequestError(GenerationError):
    """A flag or a setting cannot be used as given."""


class TargetError(GenerationError):
    """The class to wrap cannot be found, imported or wrapped."""


class ReadError(GenerationError):
    """A reader failed: the probe process died, or the type checker refused the sources."""


class OutputError(GenerationError):
    """The output cannot be written, or is not ours to replace."""


class VerifyError(GenerationError):
    """The generated module does not parse or does not type-check."""
