"""How durations are written."""

import math

import pytest

from connpool_runtime.options.durations import seconds_of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (2, 2.0),
        (0.25, 0.25),
        ("0", 0.0),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        (" 2s ", 2.0),
    ],
)
def test_a_duration_is_seconds(written: object, seconds: float) -> None:
    """Numbers are seconds; texts have units, or are numbers too."""
    assert seconds_of(written) == pytest.approx(seconds)


TOO_LARGE = 10**400  # for a float
MOST = "9" * 308 + "s"  # as much as one holds; twice that has no end


@pytest.mark.parametrize(
    "written",
    [TOO_LARGE, str(TOO_LARGE), f"{TOO_LARGE}s", MOST * 3],
    ids=["int", "digits", "part", "sum"],
)
def test_what_no_float_holds_is_refused(written: object) -> None:
    """Such a duration has no end, whether it is written in digits or is the sum of its parts."""
    with pytest.raises(ValueError, match=r"500ms.*30s.*5m"):
        seconds_of(written)


@pytest.mark.parametrize(
    "written", [-1, "-1s", math.inf, math.nan, True, None, "", "5 parsecs", "s", "1.s", "inf", [1]]
)
def test_what_is_none_is_refused(written: object) -> None:
    """Negative, endless and unreadable durations are refused with a list of what can be read."""
    with pytest.raises(ValueError, match=r"500ms.*30s.*5m"):
        seconds_of(written)
