"""The flag that separates async source from the sync text that is derived from it."""

from __future__ import annotations

__all__ = ["ASYNC"]

# `if ASYNC:` marks the few places where async source and the derived sync text differ: the async module keeps
# the first branch, the derived module gets the `else:` branch.
ASYNC = True
