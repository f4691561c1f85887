"""Values that are refused wherever they are given."""

from collections.abc import Callable
from typing import Any

import pytest

from connpool_runtime import Pool, calling, deadline
from connpool_runtime.middleware import AdaptiveLimit, Deadline, RateLimit, Retry, Timeout

TOO_LARGE = 10**400  # for a float


@pytest.mark.parametrize(
    "give",
    [
        deadline,
        Deadline,
        RateLimit,
        Timeout,
        lambda value: Retry(base=value),
        lambda value: calling(timeout=value),
        lambda value: Pool("shops").close(drain_timeout=value),
        lambda value: Pool("shops", cooldown=value),
    ],
    ids=["deadline", "Deadline", "RateLimit", "Timeout", "Retry", "calling", "close", "cooldown"],
)
def test_a_number_that_no_float_holds_is_refused(give: Callable[[Any], object]) -> None:
    """As any other that is not allowed, and not when it is first reckoned with."""
    with pytest.raises(ValueError, match="must be a finite number"):
        give(TOO_LARGE)


@pytest.mark.parametrize(
    "give",
    [
        lambda value: Pool("shops", max_concurrency=value),
        lambda value: Pool("shops", outlier_minimum_members=value),
        lambda value: Pool("shops").add_client(object(), priority=value),
        lambda value: AdaptiveLimit(20, most=value),
        lambda value: RateLimit(5.0, value),
    ],
    ids=["max_concurrency", "outlier_minimum_members", "priority", "AdaptiveLimit", "RateLimit"],
)
def test_a_count_that_no_float_holds_is_refused(give: Callable[[Any], object]) -> None:
    """Metrics have counts as floats: the scrape of all pools of the process would fail."""
    with pytest.raises(ValueError, match="must be a whole number"):
        give(TOO_LARGE)


@pytest.mark.parametrize("option", ["zone", "client_id"])
def test_a_text_that_cannot_be_written_is_refused(option: str) -> None:
    """Half a surrogate pair, as JSON may have it, would fail in whatever tells of the option later."""
    with pytest.raises(ValueError, match=f"{option} must be a string, not"):
        Pool("shops", **{option: "x\ud800"})  # type: ignore[arg-type]  # the name is a parameter of the test
