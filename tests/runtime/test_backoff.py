"""Full jitter."""

import pytest

from connpool_runtime.backoff import full_jitter


def test_the_bound_doubles_up_to_the_cap() -> None:
    """Each try doubles it; the draw says how much of it is waited."""
    assert [full_jitter(tries, 0.1, 1.0, 0.5) for tries in (1, 2, 3, 4, 5, 9999)] == pytest.approx(
        [0.05, 0.1, 0.2, 0.4, 0.5, 0.5]
    )
    assert full_jitter(3, 0.1, 1.0, 0.0) == 0.0
