"""The errors of the source reader; importing them does not import libcst."""

from __future__ import annotations


class NotFound(Exception):
    """The class is not found, or is no class; the message is for the user."""


class Unreadable(Exception):
    """A text exists but cannot be read; the message is for the user."""
