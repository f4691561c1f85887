"""A switch for tests: retries do not wait, and are few."""

import pytest

from connpool_runtime.middleware import Retry
from connpool_runtime.testing import set_testing
from tests.runtime.faces import Face


async def attempts_of(face: Face, retry: Retry | None = None) -> int:
    """Return how often a call that fails is tried by a pool's `Retry`: this one, or the one that is there."""
    if retry is not None:
        face.pool.register_middleware(retry)
    for name in "abc":
        face.fail(name, 5)
    before = sum(client.calls for client in face.clients.values())
    await face.outcome(face.call(face.method(idempotent=True)))
    return sum(client.calls for client in face.clients.values()) - before


def refuse(seconds: float) -> None:
    raise AssertionError(f"waited {seconds} s")


@pytest.mark.parametrize(("attempts", "made"), [(1, 1), (2, 2), (9, 3)])
async def test_attempts_are_bounded_and_nobody_waits(face: Face, attempts: int, made: int) -> None:
    """So many at most, and no more than the `Retry` itself allows; each at once."""
    with set_testing(attempts=attempts):
        assert await attempts_of(face, Retry(3, base=60.0, cap=60.0, sleep=refuse)) == made


async def test_after_the_block_all_is_as_before(face: Face) -> None:
    """Blocks nest, and the switch stays where it was left."""
    with set_testing(attempts=2):
        with set_testing(attempts=1):
            pass
        assert await attempts_of(face, Retry(3, base=0.0)) == 2
    assert await attempts_of(face) == 3


async def test_it_is_switched_off_by_hand(face: Face) -> None:
    """For a fixture of a whole test session."""
    set_testing()
    set_testing(False)
    assert await attempts_of(face, Retry(3, base=0.0)) == 3


def test_a_number_that_is_not_allowed() -> None:
    """No call can be tried less than once."""
    with pytest.raises(ValueError, match="attempts"):
        set_testing(attempts=0)
