"""Settings: each is validated by name, None is the default, zero is zero."""

import copy
import inspect
import pickle
import re
import time
import timeit
import typing
from collections.abc import Callable

import pytest

from connpool_runtime import (
    AsyncPool,
    EndpointOptions,
    EndpointSettings,
    Pool,
    PoolOptions,
    PoolSettings,
    RetryPolicy,
)
from connpool_runtime.connectors.redis import RedisConfig, RedisConnector
from connpool_runtime.options import Settings
from connpool_runtime.sharing.async_shared_clients import AsyncSharedClients
from connpool_runtime.sharing.settings import SharingOptions, SharingSettings
from connpool_runtime.sharing.shared_clients import SharedClients
from generated.redis_pool import RedisPool

NUMBERS_OF_SECONDS = [
    "cooldown",
    "probe_timeout",
    "checkout_timeout",
    "drain_timeout",
    "cooldown_max",
    "slow_call_duration",
    "slow_start",
]
SHARES = [
    "cooldown_jitter",
    "failure_rate_threshold",
    "max_ejection_share",
    "panic_threshold",
    "slow_call_rate_threshold",
]


@pytest.mark.parametrize("name", NUMBERS_OF_SECONDS)
@pytest.mark.parametrize(
    "value", [-1, -0.001, float("nan"), float("inf"), "5", True, [5], 1j], ids=repr
)
def test_seconds_are_finite_and_not_negative(name: str, value: object) -> None:
    """The message names the setting, the value and what is allowed."""
    with pytest.raises(ValueError, match=f"^{name} must be a finite number of seconds") as caught:
        PoolSettings(**{name: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "least"),
    [("max_fails", 0), ("half_open_calls", 1), ("max_concurrency", 1), ("max_waiting", 0)],
)
@pytest.mark.parametrize("value", [-1, 1.0, float("nan"), "3", True, [3]], ids=repr)
def test_counts_are_whole_numbers(name: str, least: int, value: object) -> None:
    """The message names the setting, the value and the least that is allowed."""
    with pytest.raises(
        ValueError, match=f"^{name} must be a whole number of at least {least}, not"
    ):
        PoolSettings(**{name: value})  # type: ignore[arg-type]


def test_half_open_needs_a_probe() -> None:
    """Without any probe an open breaker would never close."""
    with pytest.raises(
        ValueError, match="half_open_calls must be a whole number of at least 1, not 0"
    ):
        PoolSettings(half_open_calls=0)


@pytest.mark.parametrize("value", [(), (1.0, 1.0), (2.0, 1.0), (1.0, float("inf")), (-1.0, 1.0), 5])
def test_buckets_ascend(value: object) -> None:
    """Bounds are finite seconds in ascending order; the last bucket is added by itself."""
    with pytest.raises(ValueError, match=r"^buckets must be"):
        PoolSettings(buckets=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), "0.5", True], ids=repr)
def test_shares_are_between_zero_and_one(name: str, value: object) -> None:
    """The message names the setting, the value and what is allowed; per cent are not."""
    with pytest.raises(ValueError, match=f"^{name} must be a number from 0 to 1, not") as caught:
        PoolSettings(**{name: value})  # type: ignore[arg-type]
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [0, 0.0, -1.0, float("inf"), "9"], ids=repr)
def test_a_window_has_a_length(value: object) -> None:
    """No seconds are no window."""
    with pytest.raises(
        ValueError, match=r"^sliding_window_seconds must be a finite number of seconds"
    ):
        PoolSettings(sliding_window_seconds=value)  # type: ignore[arg-type]


def test_a_window_of_calls_can_hold_as_many_as_are_needed() -> None:
    """With fewer calls than minimum_calls no share would ever mean anything."""
    with pytest.raises(
        ValueError, match=r"^sliding_window_calls must be 0 or at least minimum_calls, which"
    ):
        PoolSettings(sliding_window_calls=10, minimum_calls=20)
    PoolSettings(sliding_window_calls=20, minimum_calls=20)


@pytest.mark.parametrize("value", [0.9, 0, -2.0, float("inf"), float("nan"), True], ids=repr)
def test_cooldowns_do_not_shrink(value: object) -> None:
    """The factor is a finite number of at least 1."""
    with pytest.raises(ValueError, match=r"^cooldown_factor must be a finite number of at least 1"):
        PoolSettings(cooldown_factor=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["metrics_only", "metrics"])
@pytest.mark.parametrize("value", [0, 1, "yes"], ids=repr)
def test_switches_are_true_or_false(name: str, value: object) -> None:
    """Numbers are no switches."""
    with pytest.raises(ValueError, match=f"^{name} must be True or False, not"):
        PoolSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["load_factor", "overprovisioning_factor"])
@pytest.mark.parametrize("value", [0, 0.99, -1, float("nan"), "2", True], ids=repr)
def test_factors_of_the_usual_load_are_at_least_one(name: str, value: object) -> None:
    """Below 1 the members together would not be allowed the calls that there are."""
    with pytest.raises(ValueError, match=f"^{name} must be a number of at least 1, not"):
        PoolSettings(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["zone", "client_id"])
def test_names_are_text(name: str) -> None:
    """A number is refused, not turned into text."""
    with pytest.raises(ValueError, match=f"^{name} must be a string, not 7"):
        PoolSettings(**{name: 7})  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, 1.5, True], ids=repr)
def test_a_subset_has_members(value: object) -> None:
    """None is all of them, and none at all is refused."""
    with pytest.raises(ValueError, match=r"^subset_size must be a whole number of at least 1"):
        PoolSettings(subset_size=value)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["clock", "random"])
def test_time_and_randomness_are_functions(name: str) -> None:
    """A number is no clock."""
    with pytest.raises(ValueError, match=f"^{name} must be a function"):
        PoolSettings(**{name: 5})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        (settings, field.name)
        for settings in (PoolSettings, EndpointSettings, SharingSettings)
        for field in settings.declared.values()
    ],
    ids=str,
)
def test_every_setting_refuses_nonsense_and_has_a_reason(settings: type, name: str) -> None:
    """By its name; and the class explains it with its default."""
    with pytest.raises((ValueError, TypeError), match=rf"^{name} must be"):
        settings(**{name: object()})
    assert re.search(rf"^ {{4}}{name}(, \w+)*: ", settings.__doc__ or "", re.MULTILINE)


@pytest.mark.parametrize("pool", [Pool, AsyncPool])
def test_pools_refuse_what_settings_refuse(pool: "type[Pool[object]]") -> None:
    """Options are validated when the pool is made, not when it is called."""
    with pytest.raises(ValueError, match="did you mean 'round_robin'"):
        pool(balancer="roundrobin")
    with pytest.raises(ValueError, match="cooldown"):
        pool(cooldown=-1)
    with pytest.raises(
        TypeError, match=r"^unknown option 'max_failures'; did you mean 'max_fails'"
    ):
        pool(max_failures=3)  # type: ignore[call-arg]


def test_none_is_the_default_and_zero_is_zero() -> None:
    """A setting that is None is as if not given; 0 never means "default" (B31)."""
    settings = Pool[object](max_fails=None, cooldown=0, drain_timeout=0).settings
    assert (settings.max_fails, settings.cooldown, settings.drain_timeout) == (5, 0, 0)


def test_settings_are_frozen() -> None:
    """A pool's settings cannot change under it (B28)."""
    with pytest.raises(AttributeError, match="settings are frozen"):
        PoolSettings().max_fails = 9  # type: ignore[misc]


def test_settings_are_equal_if_their_options_are() -> None:
    """Also as keys; settings of another class are others, and the text shows every option."""
    one, same, other = (EndpointSettings(max_size=size) for size in (3, 3, 4))
    assert one == same
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2
    assert one != SharingSettings()
    assert repr(one).startswith("EndpointSettings(min_size=0, initial_size=0, max_size=3, ")
    assert eval(repr(one)) == one


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        (PoolSettings, PoolOptions),
        (EndpointSettings, EndpointOptions),
        (SharingSettings, SharingOptions),
    ],
)
def test_options_are_the_fields_of_the_settings(settings: type, options: type) -> None:
    """What type checkers offer as options is what exists, with the same types; None is the default."""
    fields = {field.name for field in settings.declared.values()}
    types = typing.get_type_hints(settings)
    assert typing.get_type_hints(options) == {name: types[name] | None for name in fields}


@pytest.mark.parametrize("settings", [PoolSettings, EndpointSettings, SharingSettings])
def test_unknown_options_are_refused_with_the_nearest(settings: "type[Settings]") -> None:
    """Also one that is None, and without naming a class."""
    name = next(iter(settings.declared))
    wanted = f"^unknown option '{name}s'; did you mean '{name}'\\?$"
    for given in (3, None):
        with pytest.raises(TypeError, match=wanted):
            settings.of({f"{name}s": given})
        with pytest.raises(TypeError, match=wanted):
            settings(**{f"{name}s": given})


def test_settings_are_hardly_slower_for_being_checked() -> None:
    """Making the settings of a pool takes microseconds."""
    assert min(timeit.repeat(PoolSettings, number=100, repeat=5)) / 100 < 500e-6


def test_every_setting_is_documented_with_its_default() -> None:
    """The docstring explains each field."""
    assert PoolSettings.__doc__ is not None
    for field in PoolSettings.declared.values():
        assert f"\n    {field.name}: " in PoolSettings.__doc__


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Pool(max_fail=3), "unknown option 'max_fail'; did you mean 'max_fails'?"),  # type: ignore[call-arg]
        (lambda: AsyncPool(cooldwn=3), "unknown option 'cooldwn'; did you mean 'cooldown'?"),  # type: ignore[call-arg]
        (lambda: Pool(nam="x"), "unknown option 'nam'; did you mean 'name'?"),  # type: ignore[call-arg]
        (lambda: RedisPool(max_fail=3), "unknown option 'max_fail'; did you mean 'max_fails'?"),  # type: ignore[call-arg]
        (
            lambda: RedisPool.from_config(RedisConfig(endpoints="h:1"), max_wait=3),  # type: ignore[call-arg]
            "unknown option 'max_wait'; did you mean 'max_waiting'?",
        ),
        (
            lambda: Pool[object]().add_endpoint(object, max_sise=3),  # type: ignore[call-arg]
            "unknown option 'max_sise'; did you mean 'max_size'?",
        ),
        (
            lambda: Pool[object]().add_endpoint(object, weigth=3),  # type: ignore[call-arg]
            "unknown option 'weigth'; did you mean 'weight'?",
        ),
        (
            lambda: SharedClients(RedisConnector, idle_tll=1),  # type: ignore[call-arg]
            "unknown option 'idle_tll'; did you mean 'idle_ttl'?",
        ),
        (
            lambda: AsyncSharedClients(RedisConnector, idle_tll=1),  # type: ignore[call-arg,arg-type]
            "unknown option 'idle_tll'; did you mean 'idle_ttl'?",
        ),
        (
            lambda: RedisConfig(endpoint="h:1"),  # type: ignore[call-arg]
            "unknown option 'endpoint'; did you mean 'endpoints'?",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unknown_options_are_refused_everywhere(make: Callable[[], object], told: str) -> None:
    """As keyword arguments they are a TypeError with the nearest name, whatever takes them."""
    with pytest.raises(TypeError) as caught:
        make()
    assert str(caught.value) == told


def test_an_unknown_option_that_is_near_to_none_gets_all_names() -> None:
    """Who is far off needs the list."""
    with pytest.raises(TypeError, match=r"^unknown option 'xyz'; known are min_size, .*max_size"):
        EndpointSettings(xyz=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "settings",
    [
        PoolSettings(max_fails=7, random=time.time),
        EndpointSettings(max_size=3),
        RetryPolicy(attempts=2),
    ],
)
def test_settings_can_be_copied(settings: "Settings") -> None:
    """By `copy` and `pickle`, as config objects of a program are; the copy is equal, and frozen too."""
    for again in (copy.deepcopy(settings), pickle.loads(pickle.dumps(settings))):
        assert again == settings
        with pytest.raises(AttributeError, match="settings are frozen"):
            del again.max_fails


def test_settings_can_be_replaced_in_part() -> None:
    """What is changed is checked like what is given; the rest stays."""
    settings = PoolSettings(max_fails=7, zone="a").replaced(zone="b")
    assert (settings.max_fails, settings.zone) == (7, "b")
    with pytest.raises(ValueError, match="max_fails must be"):
        settings.replaced(max_fails=-1)
    with pytest.raises(TypeError, match="did you mean 'max_fails'"):
        settings.replaced(max_fail=1)


@pytest.mark.parametrize("settings", [PoolSettings, EndpointSettings, RetryPolicy])
def test_help_shows_the_arguments_of_settings(settings: "type[Settings]") -> None:
    """`inspect.signature`, which `help` asks, has each option with its type and default."""
    shown = inspect.signature(settings).parameters
    assert list(shown) == list(settings.declared)
    assert all(shown[n].default == o.default for n, o in settings.declared.items())
