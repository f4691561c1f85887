"""Options from the environment."""

import pytest

from connpool_runtime import PoolSettings
from connpool_runtime.options.environment import options_from_environment


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("max_fails", "3", 3),
        ("cooldown_factor", "1.5", 1.5),
        ("load_factor", "inf", float("inf")),
        ("panic_threshold", " 0.5 ", 0.5),
        ("panic_threshold", "0", 0),
        ("metrics", "off", False),
        ("metrics_only", "YES", True),
        ("balancer", "random", "random"),
        ("zone", "eu-1", "eu-1"),
        ("buckets", "5ms, 1s", (0.005, 1.0)),
    ],
)
def test_the_environment_has_texts_for_every_kind(name: str, text: str, value: object) -> None:
    """A text becomes the value that it stands for, and makes settings."""
    found = options_from_environment(PoolSettings, "X_", {f"X_{name.upper()}": text, "PATH": "/"})
    assert found == {name: value}
    assert type(found[name]) is type(value)
    assert getattr(PoolSettings.of(found), name) == value


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        (
            "X_MAX_FAIL",
            "3",
            "unknown environment variable 'X_MAX_FAIL'; did you mean 'X_MAX_FAILS'?",
        ),
        ("X_MAX_FAILS", "many", "X_MAX_FAILS must be a whole number of at least 0, not 'many'"),
        ("X_MAX_FAILS", "1.5", "X_MAX_FAILS must be a whole number of at least 0, not '1.5'"),
        (
            "X_COOLDOWN",
            "soon",
            "X_COOLDOWN must be a finite number of seconds, 0 or more, not 'soon'",
        ),
        ("X_METRICS", "maybe", "X_METRICS must be True or False, not 'maybe'"),
        (
            "X_CLOCK",
            "time",
            "X_CLOCK must be left out: only a program can give a function, not 'time'",
        ),
        ("X_PANIC_THRESHOLD", "50%", "X_PANIC_THRESHOLD must be a number from 0 to 1, not '50%'"),
    ],
)
def test_bad_variables_are_refused(variable: str, text: str, told: str) -> None:
    """The message has the variable, the text and the rule, or the nearest variable."""
    with pytest.raises(ValueError) as caught:
        options_from_environment(PoolSettings, "X_", {variable: text})
    assert str(caught.value) == told


def test_the_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping `os.environ` is read."""
    monkeypatch.setenv("CONNPOOL_TEST_MAX_FAILS", "4")
    assert options_from_environment(PoolSettings, "CONNPOOL_TEST_") == {"max_fails": 4}
