"""Libraries that a build of Python without the interpreter lock lacks, since they have no package for it."""

from importlib.util import find_spec

import pytest

from connpool_runtime._concurrency.threads import FREE_THREADED


def is_left_out(library: str) -> bool:
    """Return whether a library is missing where it may be; nowhere else may one be."""
    return FREE_THREADED and find_spec(library) is None


def need(library: str) -> None:
    """Skip the test if its library is left out."""
    if is_left_out(library):
        pytest.skip(f"WITHOUT {library}: it has no package for this Python")
