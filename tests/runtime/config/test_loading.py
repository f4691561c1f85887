"""One config: a file, the environment over it, arguments over both; all that is wrong is told at once."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.config import Config, InvalidConfigFile, read_config
from connpool_runtime.config.layers import keys_of_argument
from connpool_runtime.config.services import ALL_KINDS, service_table
from connpool_runtime.config.tables import Entry
from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.connectors.config.secrets import reveal

GOOD = """\
[defaults]
connect_timeout = "2s"
pool = { max_fails = 4, cooldown = "1s" }
middleware.retry.attempts = 4

[services.users]
kind = "redis"
endpoints = ["a:1", "b:2"]
password = "env:REDIS_PASSWORD"
pool.max_fails = 7

[services.web]
kind = "http"
discovery = "consul://127.0.0.1:8500/web?token=geheim"
middleware = { retry = false, bulkhead = { limit = 3 } }

[manager]
drain_timeout = "3s"
[admin]
port = 9090
token = "file:{token}"
"""

BAD = """\
[defaults.pool]
cooldown = "30x"

[services.users]
kind = "redis"
endpoint = ["a:1"]
password = ["geheim"]

[services.users.pool]
max_fail = 3
balancer = "rond_robin"
clock = "now"

[services.orders]
kind = "reds"

[services.web]
kind = "http"
endpoints = "http://a:1"
connect_timeout = 0
middleware.bulkhead = { }
discovery = 3

[services.docs]
kind = "http"

[services.cache]
kind = "redis"
endpoints = "a:1"
username = "geheim-user"

[servces]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("geheim-token\n")
    path = tmp_path / "services.toml"
    path.write_text(GOOD.replace("{token}", str(tmp_path / "token")))
    return path


ENVIRON = {"REDIS_PASSWORD": "geheim-password", "HOME": "/"}


def read(path: Path, **options: Any) -> Config:
    return read_config(path, **{"environ": ENVIRON, **options})


def problems_of(path: Path, **options: Any) -> list[str]:
    with pytest.raises(InvalidConfigFile) as caught:
        read(path, **options)
    return [str(problem).removeprefix(f"{path.parent}/") for problem in caught.value.problems]


def test_defaults_hold_for_all_who_do_not_say_otherwise(path: Path) -> None:
    """What stands under `defaults` goes to each service, below what the service says itself."""
    config = read(path)
    users, web = config.services["users"], config.services["web"]
    assert users.options == {"max_fails": 7, "cooldown": 1.0}
    assert web.options == {"max_fails": 4, "cooldown": 1.0}
    assert users.connector.connect_timeout == web.connector.connect_timeout == 2.0
    assert users.middleware == {"retry": {"attempts": 4}}
    assert web.middleware == {"bulkhead": {"limit": 3}}
    assert config.manager.drain_timeout == 3.0


def test_secrets_may_be_elsewhere(path: Path) -> None:
    """A secret may be a variable or a file, is read from there, and is never shown."""
    config = read(path)
    users: Any = config.services["users"].connector
    assert reveal(users.password) == "geheim-password"
    assert config.admin is not None
    assert config.admin.token == "geheim-token"
    assert config.admin_arguments == {"host": "127.0.0.1", "port": 9090, "token": "geheim-token"}
    shown = config.shown()
    assert "geheim" not in json.dumps(shown) + repr(config)
    assert shown["services"]["users"]["password"]["value"] == "env:REDIS_PASSWORD"
    assert shown["services"]["web"]["discovery"]["token"]["value"] == "***"
    (told,) = problems_of(path, environ={})
    assert told == (
        "services.toml:9: services.users.password must be an environment variable that is set,"
        " not 'env:REDIS_PASSWORD'"
    )


def test_the_environment_goes_before_the_file_and_arguments_before_both(path: Path) -> None:
    """The last of file, environment and arguments that says an option counts, and `shown` tells which that was."""
    environ = {
        **ENVIRON,
        "APP_SERVICES_USERS_POOL_MAX_FAILS": "8",
        "APP_SERVICES_USERS_POOL_COOLDOWN": "9s",
        "APP_SERVICES_USERS_TLS": "true",
        "APP_SERVICES_USERS_TLS_VERIFY": "false",
        "APP_SERVICES_WEB_DISCOVERY_SERVICE": "other",
        "APP_DEFAULTS_POOL_SLOW_START": "2s",
    }
    arguments = {"services.users.pool.max_fails": "10", "services.users.pool.zone": "eu"}
    config = read(path, env="APP_", environ=environ, arguments=arguments)
    users: Any = config.services["users"]
    assert users.options == {"max_fails": 10, "cooldown": 9.0, "slow_start": 2.0, "zone": "eu"}
    assert users.connector.tls.verify is False
    discovery: Any = config.services["web"].discovery
    assert discovery.source.service == "other"
    assert discovery.source.token == "geheim"
    shown = config.shown()["services"]["users"]["pool"]
    origins = {name: shown[name]["from"].removeprefix(f"{path.parent}/") for name in shown}
    assert origins["max_fails"] == "argument services.users.pool.max_fails"
    assert origins["cooldown"] == "environment variable APP_SERVICES_USERS_POOL_COOLDOWN"
    assert origins["slow_start"] == "environment variable APP_DEFAULTS_POOL_SLOW_START"
    assert origins["balancer"] == "default"
    plain = read(path).shown()["services"]["users"]["pool"]
    assert plain["max_fails"]["from"].endswith("services.toml:10")
    assert plain["cooldown"]["from"].endswith("services.toml:3")


def test_zero_is_zero_and_none_is_the_default(tmp_path: Path) -> None:
    """0 counts as given, whoever says it; null is as if nothing had been said, also above defaults (B31)."""
    path = tmp_path / "services.json"
    users = {"kind": "redis", "endpoints": "a:1", "pool": {"max_fails": 0, "cooldown": None}}
    defaults = {"pool": {"max_fails": 3, "cooldown": 9}}
    path.write_text(json.dumps({"defaults": defaults, "services": {"users": users}}))
    settings = read(path).services["users"].options
    assert settings == {"max_fails": 0, "cooldown": None}
    given = read(path, env="X_", environ={"X_SERVICES_USERS_POOL_COOLDOWN": "0"})
    assert given.services["users"].options["cooldown"] == 0


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    """Each problem has its file, its line, its key path and what is allowed; none has a secret."""
    path = tmp_path / "services.toml"
    path.write_text(BAD)
    told = problems_of(path)
    starts = [
        "services.toml:2: defaults.pool.cooldown must be a number of seconds",
        "services.toml:6: unknown option 'services.users.endpoint'; did you mean 'endpoints'?",
        "services.toml:7: services.users.password must be a non-empty string",
        "services.toml:10: unknown option 'services.users.pool.max_fail'; did you mean 'max_fails'?",
        "services.toml:11: services.users.pool.balancer: balancer must be",
        "services.toml:12: services.users.pool.clock must be a function",
        "services.toml:15: services.orders.kind must be one of",
        "services.toml:22: services.web.discovery must be a URL or a mapping, not 3",
        "services.toml:32: unknown option 'servces'; did you mean 'services'?",
    ]
    for begin in starts:
        assert any(one.startswith(begin) for one in told), begin
    assert len(told) == len(starts)
    assert "geheim" not in "".join(told)
    path.write_text(BAD.partition("[defaults.pool]")[2].replace('cooldown = "30x"', "", 1))
    told = problems_of(path)
    for begin in (
        "services.toml:21: services.web.middleware.bulkhead.limit must be",
        "services.toml:24: services.docs.endpoints must be at least one address",
        "services.toml:27: services.cache.password must be given together with username",
    ):
        assert any(one.startswith(begin) for one in told), (begin, told)


def test_the_error_holds_all_and_can_be_sent(tmp_path: Path) -> None:
    """The message of several problems begins with their number, and the error survives pickling."""
    path = tmp_path / "services.toml"
    path.write_text(BAD)
    with pytest.raises(InvalidConfig, match="has 9 errors:\n") as caught:
        read(path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.problems == caught.value.problems  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.toml", "x = 1\ny = ", "a.toml:2: not TOML"),
        ("a.toml", "[a]\nx = 1\nx = 2", "a.toml:3: not TOML"),
        ("a.json", '{\n "a": 1,\n}', "a.json:"),
        ("a.json", '{"services": {}, "services": {}}', "appears twice"),
        ("a.yaml", "a: 1\nb: [", "a.yaml:"),
        ("a.yaml", "services:\n  users: {}\n  users: {}", "a.yaml:3: .* 'users' appears twice"),
        ("a.yaml", "services: {1: {}, '1': {}}", "a.yaml:1: .* '1' appears twice"),
        ("a.yaml", "&a [*a]", "a.yaml"),
        ("a.json", "[]", "must hold a mapping, not list"),
        ("a.json", "[" * 100_000, "a.json"),
        ("a.ini", "", "one in .json, .toml, .yaml, .yml"),
        ("a.toml", "[service]", "there is no section 'services'; the file has 'service'"),
        ("a.toml", "services = 3", "services must be a mapping of services"),
        ("a.toml", "[services]\nusers = 3", "a.toml:2: services.users must be a mapping, not 3"),
        ("a.toml", "[services.users]", "a.toml:1: services.users.kind must be one of"),
        ("a.toml", "[services.a]\nkind = 'redis'\ndiscovery = 'x://y'", "services.a.discovery"),
        (
            "a.toml",
            "[services.a]\nkind = 'redis'\ndiscovery = {kind = 'consull'}",
            "services.a.discovery.kind must be one of .*did you mean 'consul'",
        ),
        (
            "a.toml",
            "[services.a]\nkind = 'redis'\ndiscovery.x = 1",
            "a.toml:3: services.a.discovery.kind must be one of",
        ),
        ("a.toml", "[admin]\nport = 70000\n[services]", "a.toml:2: admin.port must be"),
        (
            "a.toml",
            "[services.a]\nkind = 'redis'\nendpoints = 'a:1'\nmiddleware.adaptive_limit.least = 99",
            "a.toml:4: services.a.middleware.adaptive_limit",
        ),
        (
            "a.toml",
            "[services.a]\nkind = 'redis'\nendpoints = 'a:1'\npool.sliding_window_calls = 3",
            "sliding_window_calls must be 0 or at least minimum_calls",
        ),
    ],
)
def test_files_that_are_none(tmp_path: Path, name: str, text: str, told: str) -> None:
    """What is no config is refused with its line, where there is one, and no other error comes out."""
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidConfigFile, match=told):
        read(path)


def test_variables_and_arguments_that_lead_nowhere(path: Path) -> None:
    """An unknown variable or argument is refused with the nearest, a value that is not allowed by its name."""
    environ = {**ENVIRON, "APP_SERVICES_USERS_POOL_MAX_FAIL": "1", "APP_MANAGER_DRAIN_TIMEOUT": "x"}
    told = problems_of(path, env="APP_", environ=environ, arguments={"services.users.pol.x": 1})
    assert told == [
        "environment variable APP_SERVICES_USERS_POOL_MAX_FAIL: unknown environment variable"
        " 'APP_SERVICES_USERS_POOL_MAX_FAIL'; did you mean 'APP_SERVICES_USERS_POOL_MAX_FAILS'?",
        "argument services.users.pol.x: unknown option 'services.users.pol'; did you mean 'pool'?",
        "environment variable APP_MANAGER_DRAIN_TIMEOUT: manager.drain_timeout must be a number of"
        ' seconds, 0 or more, or a string such as "500ms", "30s", "5m" or "1h30m", not \'x\'',
    ]


def test_a_variable_that_may_mean_two_options_is_refused(tmp_path: Path) -> None:
    """Names that are alike in capitals are told apart by nobody, so the variable is refused."""
    path = tmp_path / "a.json"
    one = {"kind": "redis", "endpoints": "a:1"}
    path.write_text(json.dumps({"services": {"a-b": one, "a_b": one}}))
    (told,) = problems_of(path, env="X_", environ={"X_SERVICES_A_B_DATABASE": "1"})
    assert "could mean services.a-b.database and services.a_b.database" in told


def test_the_kind_may_come_from_above(tmp_path: Path) -> None:
    """A kind that an argument or a variable gives decides which options there are."""
    path = tmp_path / "a.toml"
    path.write_text("[services.a]\nendpoints = 'a:1'\ndatabase = 3")
    variable = {"X_SERVICES_A_KIND": "redis"}
    assert read(path, env="X_", environ=variable).services["a"].connector.kind == "redis"
    given = read(path, arguments={"services.a.kind": "redis"})
    assert given.services["a"].connector.kind == "redis"


def test_names_with_dots(tmp_path: Path) -> None:
    """The name of a service may have dots, also in the key path of an argument."""
    path = tmp_path / "a.toml"
    path.write_text("[services.'eu.users']\nkind = 'redis'\nendpoints = 'a:1'")
    config = read(path, arguments={"services.eu.users.pool.max_fails": 1})
    assert config.services["eu.users"].options == {"max_fails": 1}
    assert keys_of_argument("a.x.b", ("a.x", "x")) == ("a.x", "b")


def test_a_section_further_in_and_a_whole_file(tmp_path: Path) -> None:
    """The services may be in a section of a larger file, with what belongs to them, or be the whole file."""
    service = {"kind": "redis", "endpoints": "a:1"}
    path = tmp_path / "a.json"
    inner = {"defaults": {"pool": {"max_fails": 2}}, "apis": {"users": service}}
    path.write_text(json.dumps({"other": {"x": 1}, "ours": inner}))
    assert read(path, section="ours.apis").services["users"].options == {"max_fails": 2}
    path.write_text(json.dumps({"users": service}))
    assert list(read(path, section="").services) == ["users"]
    inner["defalts"] = {}
    path.write_text(json.dumps({"ours": inner}))
    (told,) = problems_of(path, section="ours.apis")
    assert "unknown option 'defalts'; did you mean 'defaults'?" in told


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_every_option_is_known_to_the_environment(kind: str, tmp_path: Path) -> None:
    """Each option of each kind of service has a variable, by its key path in capitals (B31)."""
    path = tmp_path / "a.toml"
    path.write_text(f"[services.a]\nkind = '{kind}'")
    entries = {
        name: node for name, node in service_table(kind).entries.items() if isinstance(node, Entry)
    }
    environ = {f"X_SERVICES_A_{name.upper()}": "\0nonsense" for name in entries if name != "kind"}
    with pytest.raises(InvalidConfigFile) as caught:
        read(path, env="X_", environ=environ)
    told = str(caught.value)
    assert "unknown environment variable" not in told
    assert "X_SERVICES_A_CONNECT_TIMEOUT: services.a.connect_timeout must be" in told


@pytest.mark.parametrize("name", ["a.toml", "a.yaml", "a.json"])
def test_a_byte_order_mark_is_no_content(tmp_path: Path, name: str) -> None:
    """A file that an editor on Windows has saved, with a byte order mark and its line ends, is read as any other."""
    kind = {
        "a.toml": '[services.users]\r\nkind = "custom"\r\nendpoints = ["a:1"]\r\n',
        "a.yaml": "services:\r\n  users: {kind: custom, endpoints: ['a:1']}\r\n",
        "a.json": '{"services": {"users":\r\n {"kind": "custom", "endpoints": ["a:1"]}}}\r\n',
    }
    path = tmp_path / name
    path.write_bytes(kind[name].encode("utf-8-sig"))
    assert list(read_config(path).services) == ["users"]
