"""Open configs of connectors in the one file of a service: URLs, options, secrets, variables that Kubernetes writes."""

import json
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime.config import Config, InvalidConfigFile, read_config
from connpool_runtime.config.differences import difference_of
from connpool_runtime.config.effective import shown_service
from connpool_runtime.config.service import ServiceConfig
from connpool_runtime.connectors.config.secrets import reveal
from connpool_runtime.connectors.redis import RedisConfig
from connpool_runtime.ctl.__main__ import main

FILE = """
[services.cache]
kind = "redis"
endpoints = "redis://ann:hunter2@a:1/2"
client_name = "shop"
options = {{ health_check_interval = 30, lib_name = "hunter" }}

[services.shared]
kind = "redis"
endpoints = "env:REDIS_URL"
password = "file:{folder}/password"

[services.api]
kind = "http"
endpoints = "https://api.test/v1"
event_hooks = {{ request = "builtins:print" }}
proxy = "env:PROXY"

[services.greeter]
kind = "grpc"
endpoints = ["grpcs://a:1", "grpcs://b"]
options = {{ "grpc.max_send_message_length" = 1000 }}
"""
ENVIRON = {"REDIS_URL": "rediss://b:2/3", "PROXY": "http://ann:hunter2@proxy:1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file."""
    (tmp_path / "password").write_text("hunter2\n")
    found = tmp_path / "services.toml"
    found.write_text(FILE.format(folder=tmp_path))
    return found


def read(path: Path, environ: dict[str, str] | None = None, **options: Any) -> Config:
    return read_config(path, environ={**ENVIRON, **(environ or {})}, **options)


def problems(path: Path, environ: dict[str, str] | None = None, **options: Any) -> list[str]:
    with pytest.raises(InvalidConfigFile) as caught:
        read(path, environ, **options)
    assert "hunter2" not in str(caught.value)
    return [str(one) for one in caught.value.problems]


def test_urls_and_options_of_a_file(path: Path) -> None:
    """Each service has what its URL, its options and its secrets say."""
    services = read(path).services
    cache, shared, api, greeter = (services[name].connector for name in services)
    assert isinstance(cache, RedisConfig)
    assert (cache.endpoints, cache.username, cache.password, cache.database) == (
        *(("a:1",), "ann", "hunter2", 2),
    )
    assert cache.options["health_check_interval"] == 30
    assert isinstance(shared, RedisConfig)
    assert (shared.endpoints, shared.database, shared.tls is not None) == (("b:2",), 3, True)
    assert reveal(shared.password) == "hunter2"
    assert "hunter2" not in repr((cache, shared, api))
    assert greeter.endpoints == ("a:1", "b:443")


def test_nothing_secret_is_shown(path: Path) -> None:
    """Of URLs, options and references everything but secrets is shown, of a program's own services too."""
    config = read(path, arguments={"services.cache.options.lib_name": "hunter"})
    shown = config.shown()
    assert "hunter2" not in json.dumps(shown)
    services = shown["services"]
    assert services["cache"]["endpoints"]["value"] == "redis://***@a:1/2"
    assert services["cache"]["options"] == {
        "health_check_interval": {"value": 30, "from": f"{path}:6"},
        "lib_name": {"value": "hunter", "from": "argument services.cache.options.lib_name"},
    }
    assert services["shared"]["endpoints"]["value"] == "env:REDIS_URL"
    assert services["api"]["event_hooks"]["value"] == {"request": ["builtins:print"]}
    own = RedisConfig(
        endpoints="h:1", password=lambda: "hunter2", options={"redis_connect_func": print}
    )
    told = shown_service(ServiceConfig(name="own", connector=own))
    assert told["password"]["value"] == "***"
    assert told["options"]["redis_connect_func"]["value"] == "builtins:print"


def test_variables_and_arguments(path: Path) -> None:
    """A URL, an option of the library and a field are said by variables and arguments as by the file."""
    environ = {
        "APP_SERVICES_CACHE_URL": "redis://c:1/4",
        "APP_SERVICES_CACHE_OPTIONS_HEALTH_CHECK_INTERVAL": "7",
        "APP_SERVICES_CACHE_PROTOCOL": "3",
    }
    key = "services.greeter.options.grpc.max_send_message_length"
    services = read(path, environ, env="APP_", arguments={key: "2000"}).services
    cache: Any = services["cache"].connector
    assert (cache.endpoints, cache.database, cache.protocol) == (("c:1",), 4, 3)
    assert dict(cache.options) == {"health_check_interval": 7, "lib_name": "hunter"}
    greeter: Any = services["greeter"].connector
    assert greeter.options["grpc.max_send_message_length"] == 2000
    (told,) = problems(path, {**environ, "APP_SERVICES_CACHE_ENDPOINTS": "h:1"}, env="APP_")
    assert (
        "'APP_SERVICES_CACHE_URL' sets the same option as environment variable APP_SERVICES_CACHE_END"
        in told
    )


def test_everything_that_is_wrong_has_its_line(path: Path) -> None:
    """Options that the library does not take, and fields that do not go together, are told at once, each with its line."""
    text = path.read_text().replace("health_check_interval", "health_chek_interval")
    text = text.replace('lib_name = "hunter"', "db = 3").replace("rpc.max_send", "rpc.max_sent")
    path.write_text(text + '\n[services.bad]\nkind = "redis"\nendpoints = "redis://:hunter2/@h"\n')
    told = problems(path)
    assert [line.partition(": ")[2] for line in told if ":6:" in line] == [
        "unknown option 'services.cache.options.health_chek_interval'; did you mean 'health_check_interval'?",
        "services.cache.options.db must be given as the field 'database', not 3",
    ]
    assert any("did you mean 'grpc.max_send_message_length'?" in line for line in told)
    assert any("services.bad.endpoints must be a valid URL" in line for line in told)
    assert len(told) == 4
    path.write_text(
        '[services.a]\nkind = "redis"\nendpoints = "env:NOWHERE"\nprotocol = 4\nusername = "ann"\n'
        'sentinel_password = "file:/no/such"\n'
    )
    assert sorted(line.partition(": ")[2].partition(",")[0] for line in problems(path)) == [
        "services.a.endpoints must be an environment variable that is set",
        "services.a.password must be given together with username",
        "services.a.protocol must be one of 2",
        "services.a.sentinel_password must be a file that can be read",
    ]
    path.write_text(
        '[services.a]\nkind = "redis"\nendpoints = "redis://h/1"\ndatabase = 2\n'
        'username = "ann"\nsentinel_password = "x"\n'
    )
    assert [line.partition(": ")[2] for line in problems(path)] == [
        "services.a.database must be left out, or what the URL in endpoints says, not 2",
    ]
    path.write_text(path.read_text().replace("database = 2\n", ""))
    assert [line.partition(": ")[2] for line in problems(path)] == [
        "services.a.password must be given together with username, not None",
        "services.a.sentinel must be given together with sentinel_password, not None",
    ]


def test_a_secret_that_changed_makes_new_clients(path: Path) -> None:
    """A reload sees that a file holds another secret, and options that differ; it tells no secret."""
    before = read(path)
    (path.parent / "password").write_text("hunter22")
    path.write_text(path.read_text().replace("= 30", "= 40"))
    changed = difference_of(before, read(path)).changed
    assert changed["shared"].clients
    assert changed["shared"].sentences == ("shared.password changed (a secret)",)
    assert changed["cache"].clients
    assert "'health_check_interval': 40" in changed["cache"].sentences[0]


LINKS = {
    "SHOP_SERVICE_HOST": "10.0.0.1",
    "SHOP_SERVICE_PORT": "6379",
    "SHOP_PORT": "tcp://10.0.0.1:6379",
    "SHOP_PORT_6379_TCP": "tcp://10.0.0.1:6379",
    "SHOP_PORT_6379_TCP_ADDR": "10.0.0.1",
    "SHOP_ADMIN_PORT": "tcp://10.0.0.2:80",  # of a service `shop-admin`; also the name of an option
}


def test_what_kubernetes_writes_is_left_alone(path: Path) -> None:
    """Variables of service links are no options, and are noted; what only looks like them is refused."""
    config = read(path, LINKS, env="SHOP_")
    assert config.notes == (f"ignored, because Kubernetes set them: {', '.join(sorted(LINKS))}",)
    assert config.admin is None
    assert read(path, {"SHOP_ADMIN_PORT": "80"}, env="SHOP_").admin_arguments["port"] == 80
    wrong = {"SHOP_SERVICE_HOST": "redis", "SHOP_SERVICE_CACHE_PROTOCOL": "3"}
    told = problems(path, {**LINKS, **wrong}, env="SHOP_")
    assert len(told) == 2
    assert all("unknown environment variable" in line for line in told)
    assert RedisConfig.load(env="SHOP_", environ={**LINKS, "SHOP_URL": "redis://h"}).endpoints == (
        "h:6379",
    )


def test_check_notes_what_it_left_alone(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`config check` says so after saying that the config is right, and has it in its JSON."""
    for name, value in {**ENVIRON, "SHOP_SERVICE_HOST": "10.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    for more in ([], ["--json"]):
        monkeypatch.setattr(
            "sys.argv", ["connpoolctl", "config", "check", str(path), "--env", "SHOP_", *more]
        )
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
    out = capsys.readouterr().out
    note = "ignored, because Kubernetes set them: SHOP_SERVICE_HOST"
    assert f"note: {note}\n" in out
    assert json.loads(out[out.index("{") :])["notes"] == [note]
