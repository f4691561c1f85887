"""`connpoolctl config`, as a user runs it."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from connpool_runtime.ctl.app import app

GOOD = """\
[services.users]
kind = "redis"
endpoints = ["a:1"]
password = "geheim"
[services.web]
kind = "http"
endpoints = ["http://a:1"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "services.toml"
    path.write_text(GOOD)
    return path


def run(*arguments: object, **options: Any) -> Result:
    return CliRunner().invoke(app, ["config", *map(str, arguments)], **options)


def test_check(path: Path) -> None:
    """0 and the services if all is right; 1 and every error on stderr; 2 if the file cannot be read."""
    right = run("check", path)
    assert (right.exit_code, right.stdout) == (0, f"{path} is right: users, web\n")
    path.write_text(GOOD.replace("endpoints", "endpoint"))
    wrong = run("check", path)
    assert (wrong.exit_code, wrong.stdout) == (1, "")
    assert [line.split(": ")[0] for line in wrong.stderr.splitlines()] == [f"{path}:3", f"{path}:7"]
    as_json = run("check", path, "--json")
    assert as_json.exit_code == 1
    assert [one["path"] for one in json.loads(as_json.stdout)["errors"]] == [
        "services.users.endpoint",
        "services.web.endpoint",
    ]
    missing = run("check", path.with_name("none.toml"))
    assert missing.exit_code == 2
    assert "cannot be read" in missing.stderr
    assert json.loads(run("check", path, "--json", "--section", "servces").stdout)["errors"]


def test_show_masks_secrets_and_tells_origins(path: Path) -> None:
    """Each option has its value and whether default, file and line, variable or argument gave it."""
    options = ("--env", "APP_", "--set", "services.users.database=3")
    environ = {"APP_SERVICES_USERS_POOL_MAX_FAILS": "7"}
    shown = run("show", path, "--json", "--all", *options, env=environ)
    assert shown.exit_code == 0
    users = json.loads(shown.stdout)["services"]["users"]
    assert users["password"] == {"value": "***", "from": f"{path}:4"}
    assert users["database"] == {"value": 3, "from": "argument services.users.database"}
    place = "environment variable APP_SERVICES_USERS_POOL_MAX_FAILS"
    assert users["pool"]["max_fails"] == {"value": 7, "from": place}
    assert users["pool"]["cooldown"] == {"value": 5.0, "from": "default"}
    rows = run("show", path, "--service", "users").stdout
    assert "geheim" not in rows + shown.stdout
    assert [line.split()[0] for line in rows.splitlines()[1:]] == [
        "services.users.kind",
        "services.users.endpoints",
        "services.users.password",
    ]


def test_misuse_says_what_would_be_right(path: Path) -> None:
    """An unknown service and a value without a key are told with exit code 2, a bad value with 1."""
    unknown = run("show", path, "--service", "user")
    assert (unknown.exit_code, "there are users, web" in unknown.stderr) == (2, True)
    pairs = run("check", path, "--set", "max_fails")
    assert (pairs.exit_code, "--set takes KEY=VALUE" in pairs.stderr) == (2, True)
    bad = run("check", path, "--set", "services.users.pool.max_fails=many")
    assert (bad.exit_code, bad.stderr.startswith("argument services.users.pool.max_fails: ")) == (
        1,
        True,
    )


def test_schema(path: Path) -> None:
    """The schema is printed, or written to a file; a file that cannot be written is exit code 2."""
    printed = run("schema")
    assert json.loads(printed.stdout)["properties"]["services"]
    target = path.with_name("schema.json")
    assert run("schema", "-o", target).exit_code == 0
    assert target.read_text() == printed.stdout
    assert run("schema", "-o", path / "schema.json").exit_code == 2
