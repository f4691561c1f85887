"""Which side a module is on: source for tasks, or derived text for threads."""

from __future__ import annotations

__all__ = ["ASYNC"]

# Marks the few forks between asynchronous source and the synchronous text that is derived from it:
# `if ASYNC:` keeps its first branch here, and the derived module gets what stands under `else:`.
ASYNC = True
