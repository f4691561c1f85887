"""What the reader of sources cannot do; without libcst, so that whoever only tells of it loads nothing."""

from __future__ import annotations


class NotFound(Exception):
    """The class is not to be found, or is none; the message is for the user."""


class Unreadable(Exception):
    """A text that there is cannot be read; the message is for the user."""
