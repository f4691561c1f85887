"""What files and the environment may say instead of the values of options."""

import pytest

from connpool_runtime import EndpointSettings, PoolSettings
from connpool_runtime.options import Settings
from connpool_runtime.options.plain import options_from_environment, parse, read
from connpool_runtime.options.stated import options_of
from connpool_runtime.sharing.settings import SharingSettings

ALL = [
    (settings, option)
    for settings in (PoolSettings, EndpointSettings, SharingSettings)
    for option in options_of(settings).values()
]
DURATIONS = [(settings, option.name) for settings, option in ALL if option.rule.kind == "seconds"]


def test_the_durations_are_those_that_are_meant() -> None:
    """All options that are numbers of seconds are durations, those of endpoints too."""
    names = {name for _, name in DURATIONS}
    assert names >= {
        *("cooldown", "cooldown_max", "probe_timeout", "slow_call_duration", "slow_start"),
        *("sliding_window_seconds", "checkout_timeout", "drain_timeout", "idle_ttl"),
        *("idle_timeout", "max_lifetime", "validate_after", "connect_backoff", "acquire_timeout"),
        "connect_backoff_max",
    }


@pytest.mark.parametrize(("settings", "name"), DURATIONS, ids=str)
@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("500ms", 0.5), ("1m30s", 90.0), ("2", 2.0)]
)
def test_every_duration_may_be_a_text(
    settings: type[Settings], name: str, text: str, seconds: float
) -> None:
    """In a file, and in the environment; a program gives numbers."""
    rule = options_of(settings)[name].rule
    assert read(rule, text) == seconds
    environ = {f"X_{name.upper()}": text}
    assert options_from_environment(settings, "X_", environ) == {name: seconds}
    with pytest.raises(ValueError, match=f"^{name} must be"):
        settings.of({name: text})


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


def test_what_cannot_be_read_stays_as_it_is() -> None:
    """The rule refuses it then, with the text that was given."""
    rules = {name: option.rule for name, option in options_of(PoolSettings).items()}
    assert read(rules["cooldown"], "soon") == "soon"
    assert read(rules["buckets"], "1s") == "1s"
    assert read(rules["cooldown"], 3) == 3
    assert parse(rules["max_fails"], "many") == "many"
