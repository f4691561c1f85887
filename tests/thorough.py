"""How much is tried: all of it with THOROUGH=1, as CI does; by default as much as a developer waits for."""

import os

import pytest

THOROUGH = bool(os.environ.get("THOROUGH"))

# For tests that take ten seconds and more, of what changes seldom.
thorough = pytest.mark.skipif(
    not THOROUGH, reason="IT TAKES LONG: THOROUGH=1 make test, as CI does"
)


def examples(count: int) -> int:
    """Return how many random examples are tried, of so many in CI."""
    return count if THOROUGH else max(12, count // 8)
