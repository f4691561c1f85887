"""What docs/production.md tells operators to look at and to change is there, under these very names."""

import re
from dataclasses import fields
from pathlib import Path

import yaml
from typer.main import get_command

import connpool_runtime
from connpool_gen.config.options import METHOD_KEYS
from connpool_runtime import EndpointSettings, Manager, Pool, PoolSettings
from connpool_runtime.balancing.balancers import BALANCERS, BY_CALL
from connpool_runtime.config.middleware import MIDDLEWARE, MiddlewareKind
from connpool_runtime.connectors.redis import RedisConfig
from connpool_runtime.ctl.app import app
from connpool_runtime.metrics.config_reloads import ConfigCollector
from connpool_runtime.metrics.series import DURATIONS, SERIES, middleware_series
from connpool_runtime.middleware import AdaptiveLimit, AdaptiveThrottle, Bulkhead, Retry
from connpool_runtime.stats.types import DiscoveryStats, MemberStats

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "production.md").read_text()
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
RULES = yaml.safe_load((ROOT / "examples" / "monitoring" / "connpool.rules.yml").read_text())
ALERTS = {rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule}
WORD = re.compile(r"`([a-zA-Z]\w*)`")
NUMBER = re.compile(r"`(connpool_\w+)(?:{([\w,]+)})?`")
# Of series and of programs: outcomes and states, and where things are registered.
PLAIN = {
    "failure",
    "neutral",
    "overload",
    "unknown",
    "failed",
    "method",
    "required",
    "validate",
    "PoolCollector",
}


def exported() -> dict[str, set[str]]:
    """Each series, as Prometheus calls it, with its labels but for that of the pool."""
    pool: Pool[object] = Pool("shop")
    for middleware in (Retry(), AdaptiveThrottle(), AdaptiveLimit(), Bulkhead(1)):
        pool.register_middleware(middleware)
    series = {
        f"connpool_{one.name}{'_total' * (one.kind == 'counter')}": set(one.labels)
        for one in (*SERIES, *middleware_series([pool.stats()]))
    }
    series |= {f"connpool_{one.name}_seconds": set(one.labels) for one in DURATIONS}
    with Manager(Pool) as manager:
        for family in ConfigCollector(manager).collect():
            for sample in family.samples:
                series[sample.name] = set(sample.labels)
    pool.close()
    return series


def middleware_words(key: str, kind: MiddlewareKind) -> set[str]:
    return {key, kind.name, *kind.rules}


def words() -> set[str]:
    """What an operator can set, call or read."""
    known = {*connpool_runtime.__all__, *METHOD_KEYS, *BALANCERS, *BY_CALL, *PLAIN, *ALERTS}
    for settings in (PoolSettings, EndpointSettings):
        known |= {*settings.declared}
    for record in (RedisConfig, MemberStats, DiscoveryStats):
        known |= {field.name for field in fields(record)}
    for key, kind in MIDDLEWARE.items():
        known |= middleware_words(key, kind)
    return known | {name for name in dir(Pool) if not name.startswith("_")}


def test_every_number_is_exported() -> None:
    """Each series that the table names is exported, and has the labels that stand beside it."""
    series = exported()
    named = NUMBER.findall("\n".join(ROWS))
    assert len(named) > 30
    wrong = [
        (name, labels)
        for name, labels in named
        if name not in series or not set(filter(None, labels.split(","))) <= series[name]
    ]
    assert wrong == []


def test_every_word_is_one_of_ours() -> None:
    """Each option, error, middleware and method that the table names is one of the runtime or of the generator."""
    named = {word for row in ROWS for word in WORD.findall(row) if not word.startswith("connpool")}
    assert len(named) > 30
    assert named - words() == set()


def test_every_command_exists() -> None:
    """What the page has the operator type is a command of connpoolctl."""
    named = set(re.findall(r"`connpoolctl ([\w-]+)", PAGE))
    assert len(named) > 6
    commands = get_command(app)
    assert named <= set(getattr(commands, "commands"))  # noqa: B009 - click's type is not exported


def test_every_alert_has_a_row() -> None:
    """Whoever is woken by an alert finds its row, and no row names another one."""
    named = re.findall(r"\(`(Connpool\w+)`\)", "\n".join(row.split(" | ")[0] for row in ROWS))
    assert sorted(named) == sorted(ALERTS)
