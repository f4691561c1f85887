"""What files and the environment may say instead of the values of options."""

import pytest

from connpool_runtime import EndpointSettings, PoolSettings
from connpool_runtime.options import Settings
from connpool_runtime.options.environment import options_from_environment
from connpool_runtime.options.parsing import parse, read
from connpool_runtime.sharing.settings import SharingSettings

ALL = [
    (settings, option)
    for settings in (PoolSettings, EndpointSettings, SharingSettings)
    for option in settings.declared.values()
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
    rule = settings.declared[name].rule
    assert read(rule, text) == seconds
    environ = {f"X_{name.upper()}": text}
    assert options_from_environment(settings, "X_", environ) == {name: seconds}
    with pytest.raises(ValueError, match=f"^{name} must be"):
        settings.of({name: text})


def test_what_cannot_be_read_stays_as_it_is() -> None:
    """The rule refuses it then, with the text that was given."""
    rules = {name: option.rule for name, option in PoolSettings.declared.items()}
    assert read(rules["cooldown"], "soon") == "soon"
    assert read(rules["buckets"], "1s") == "1s"
    assert read(rules["cooldown"], 3) == 3
    assert parse(rules["max_fails"], "many") == "many"
