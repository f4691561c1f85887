"""Both kinds of pool, for the suites that hold for both."""

import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.runtime.faces import PLAIN, Face, makers_of


@pytest.fixture(scope="session", autouse=True)
def hypothesis_has_begun() -> None:
    """Hypothesis registers its random numbers before anything is frozen.

    It warns if it finds nothing that refers to them, and does not find it in what is frozen. Before Python 3.14 a dict that held
    none but plain values could not be.
    """
    with suppress(ImportError):  # the environment of the corpus does without
        from hypothesis import given, strategies

        given(strategies.none())(lambda nothing: None)()


@pytest.fixture(autouse=True)
def small_heap() -> Iterator[None]:
    """Collecting takes no longer than what the test itself made: other tests leave a million objects.

    What it made is collected at its end, or thousands of pools would be renewed in each process that later tests fork.
    A library whose server was killed leaves the socket to its finalizer, and warns of that.
    """
    gc.freeze()
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    gc.unfreeze()


new_face = makers_of(PLAIN)


@pytest.fixture
def face(new_face: Callable[..., Face]) -> Face:
    """A pool with three members: a, b and c."""
    return new_face("a", "b", "c")
