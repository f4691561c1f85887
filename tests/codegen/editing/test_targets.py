"""`init`, `add` and `list`: a manifest begins and grows by commands."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from connpool_gen.cli import app
from connpool_gen.config.manifest import read_manifest
from connpool_gen.config.options import TARGET_OPTIONS

CLIENT = "class Client:\n    def get(self, key: str) -> str: ...\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli_cache: Path) -> Path:
    """A repository with a client and a folder in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "app.py").write_text(CLIENT, "utf-8")
    return tmp_path


def run(*arguments: str, code: int = 0) -> str:
    """Run the command, and give what it prints; an exception that gets out of it is a fault."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    return done.output


def table() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads(Path("pyproject.toml").read_text())["tool"][
        "connpool-gen"
    ]
    return found


def test_init_without_a_client(here: Path) -> None:
    """It writes a table that is read, marks wrappers as generated, and proposes clients that are installed."""
    said = run("init")
    assert read_manifest(here) == []
    assert table() == {"defaults": {"output": "generated/{name}_pool.py"}}
    assert Path(".gitattributes").read_text() == "generated/*.py linguist-generated=true\n"
    assert "connpool-gen add redis:Redis --connector redis\n" in said
    assert "connpool-gen --check" in said


def test_init_again(here: Path) -> None:
    """A second run says that there is one, and changes nothing."""
    run("init")
    before = {
        path: path.read_bytes() for path in (here / "pyproject.toml", here / ".gitattributes")
    }
    assert "pyproject.toml has [tool.connpool-gen] already" in run("init")
    assert {path: path.read_bytes() for path in before} == before


def test_init_with_clients(here: Path) -> None:
    """Known ones begin with their connector; then the wrappers can be made."""
    run("init", "--client", "app:Client", "--client", "redis:Redis")
    assert table() == {
        "target": [{"client": "app:Client"}, {"client": "redis:Redis", "connector": "redis"}]
    }
    assert [request.client for request in read_manifest(here)] == ["app:Client", "redis:Redis"]


def test_a_client_that_is_not_there(here: Path) -> None:
    """Nothing is written for a slip, which is answered with the nearest."""
    for command in (
        ("init", "--client", "app:Cleint"),
        ("add", "app:Cleint"),
        ("add", "app:Cl[x]*"),
    ):
        said = run(*command, code=2)
        assert "Client" in said.removeprefix("error: app:Cleint")
        assert not Path("pyproject.toml").exists()


def test_add_from_below(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The project's file is edited, and paths are written as it has to have them."""
    (here / "pyproject.toml").write_text("[project]\nname = 'x'\n", "utf-8")
    monkeypatch.chdir(here / "sub")
    (here / "sub" / "more.py").write_text(CLIENT, "utf-8")
    run("add", "more:Client", "--app-dir", ".", "--output", "pools", "--drop-in", "--no-metrics",
        "--import-timeout", "500ms", "--idempotent", "get*", "--docstrings", "none")  # fmt: skip
    monkeypatch.chdir(here)
    assert table()["target"] == [
        {
            "client": "more:Client",
            "output": "sub/pools",
            "app-dir": ["sub"],
            "idempotent": ["get*"],
            "mode": "drop-in",
            "docstrings": "none",
            "metrics": False,
            "import-timeout": 0.5,
        }
    ]
    assert Path(".gitattributes").read_text() == "sub/pools/*_pool.py linguist-generated=true\n"
    run("--no-verify", "--quiet")
    assert (here / "sub/pools/client_pool.py").is_file()


def test_add_offers_what_a_target_can_say() -> None:
    """Every option of a target that has a key has its flags there, and no other option has."""
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    known = {flag for param in command.commands["add"].params for flag in param.opts}
    said = {flag for o in TARGET_OPTIONS if o.key and o.field != "client" for flag in o.flags}
    assert len(said) > 10
    assert known - said == {"client", "--drop-in", "--protocol"}
    assert said - known == set()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("app:Client",), "app:Client is a target already"),
        (("app:Client", "--wrapper", "a b"), "'a b'"),
        (("app:Other",), "would both be written to generated/client_pool.py"),
        (("app",), "'app' is not MODULE:CLASS"),
        (("app:*", "--wrapper", "W"), "wrapper names one class"),
    ],
)
def test_what_cannot_be_added(here: Path, arguments: tuple[str, ...], words: str) -> None:
    """It is refused with the reason, and the file stays as it is."""
    run("add", "app:Client")
    (here / "app.py").write_text(CLIENT + "class Other(Client): ...\n", "utf-8")
    before = Path("pyproject.toml").read_text()
    if arguments[0] == "app:Other":
        arguments = (*arguments, "--output", "generated/client_pool.py")
    assert words in run("add", *arguments, code=2)
    assert Path("pyproject.toml").read_text() == before


def test_a_second_wrapper_of_a_client(here: Path) -> None:
    """With a name of its own, and so a file, it is another target."""
    run("add", "app:Client")
    run("add", "app:Client", "--wrapper", "Dropped", "--drop-in")
    assert [r.output_path.name for r in read_manifest(here)] == [
        "client_pool.py",
        "dropped_pool.py",
    ]


def test_list(here: Path) -> None:
    """It tells each target, its file and how that stands; in a pipe no line is broken."""
    Path("pyproject.toml").write_text("[tool.connpool-gen.defaults]\nverify = false\n")
    run("add", "app:Client")
    (here / "more.py").write_text("class Redis: ...\n")
    run("add", "more:Redis")
    run("--client", "app:Client", "--quiet")
    with Path("pyproject.toml").open("a") as file:
        file.write('\n[[tool.connpool-gen.target]]\nclient = "gone:Client"\noutput = "x.py"\n')
    Path("x.py").write_text(Path("generated/client_pool.py").read_text())
    lines = [line.split() for line in run("list").splitlines() if "..." not in line]
    assert lines[0] == ["client", "wrapper", "output", "state"]
    assert lines[1] == ["app:Client", "ClientPool", "generated/client_pool.py", "up", "to", "date"]
    assert lines[2] == ["more:Redis", "RedisPool", "generated/redis_pool.py", "missing"]
    assert lines[3][:4] == ["gone:Client", "ClientPool", "x.py", "error"]
    (here / "app.py").write_text(CLIENT.replace("get", "fetch"), "utf-8")
    [one, two, three] = json.loads(run("list", "--format", "json"))["targets"]
    assert (one["state"], two["state"], three["state"]) == ("out of date", "missing", "error")
    assert "method added: fetch" in one["changes"]
    assert "no module named 'gone'" in three["error"]
    assert "did you mean 'json'" in run("list", "--format", "jsn", code=2)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_line_ends_stay_as_they_are(here: Path, ends: str) -> None:
    """What `init` and `add` write into a file has the line ends that the file has, as those of Windows."""
    path, attributes = here / "pyproject.toml", here / ".gitattributes"
    for file in (path, attributes):
        file.write_bytes(f"# one{ends}# two{ends}".encode())
    run("init")
    run("add", "app:Client")
    for file in (path, attributes):
        lines = file.read_bytes().decode().splitlines(keepends=True)
        assert len(lines) > 2
        assert {line[len(line.rstrip()) :] for line in lines} == {ends}
    run("--check", code=1)
