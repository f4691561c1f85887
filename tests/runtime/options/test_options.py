"""The table of options."""

import re

import pytest

from connpool_runtime import EndpointSettings, PoolSettings
from connpool_runtime.breaker.settings import BreakerSettings
from connpool_runtime.options import Option, Settings
from connpool_runtime.sharing.settings import SharingSettings

SETTINGS = [PoolSettings, EndpointSettings, SharingSettings]
ALL = [
    pytest.param(settings, option, id=f"{settings.__name__}.{option.name}")
    for settings in SETTINGS
    for option in settings.declared.values()
]


@pytest.mark.parametrize(("settings", "option"), ALL)
def test_every_option_is_stated_whole(settings: type[Settings], option: Option) -> None:
    """Type, rule, what it does, and why the default is what it is; functions explain themselves."""
    assert option.type
    assert option.rule.words
    assert re.fullmatch(r".{10,}\.", option.does)
    assert option.why.endswith(".") or option.rule.kind in ("function", "switch")
    assert option.default is None or option.rule.accepts(option.default)


@pytest.mark.parametrize("settings", SETTINGS)
def test_the_docstring_is_made_of_what_is_stated(settings: type[Settings]) -> None:
    """Each option is explained with its reason, in lines that are not too long; errors come last."""
    doc = settings.__doc__ or ""
    text = " ".join(doc.split())
    for option in settings.declared.values():
        assert f"{option.name}: {option.does}" in text
        assert option.why in text
    assert max(map(len, doc.splitlines())) <= 100
    assert doc.index("\nArguments:") < doc.index("\nRaises:")


def test_the_settings_of_a_pool_have_those_of_its_breakers() -> None:
    """They are stated once, by the breaker, and a pool's own settings are what its breakers look at."""
    pool, breaker = PoolSettings.declared, BreakerSettings.declared
    assert all(pool[name] == breaker[name] for name in breaker if name != "random")
    settings = PoolSettings(max_fails=2)
    assert settings.breaker_settings() is settings


def test_what_shapes_a_pool_cannot_change_while_it_runs() -> None:
    """Time, randomness, how members are compared and whether loans are watched stay as they are."""
    fixed = {name for name, option in PoolSettings.declared.items() if not option.reloadable}
    compared = {name for name in fixed if name.startswith("outlier_")}
    assert fixed - compared == {"clock", "leak_threshold", "random"}
    assert compared
