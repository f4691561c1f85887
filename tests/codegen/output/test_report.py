"""What programs read: JSON results, the ledger file, the resolved configuration and its schema."""

import errno
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest.mock import Mock

import pytest
from typer.testing import CliRunner

from connpool_gen.cli import app
from connpool_gen.config.options import ENTRY_KEYS, INHERITED_KEYS, METHOD_KEYS, TARGET_KEYS
from connpool_gen.errors import OutputError
from connpool_gen.output.report import write_ledger

CLIENT = """
class Client:
    def connect(self, host: str) -> None: ...
    def get(self, key: str, ttl: int = 1) -> str: ...
    def raw(self, key): ...
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli_cache: Path) -> Path:
    """A working directory with a client in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(CLIENT, "utf-8")
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*arguments, "--no-verify", "--quiet"])
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.stdout


def test_results_as_json(here: Path) -> None:
    """One document holds every target: its state, its members, and the error of the one that failed."""
    code, out = run("--client", "app:Client", "--client", "app:Missing", "--format", "json")
    data = json.loads(out)
    good, bad = data["targets"]
    assert (code, data["version"]) == (2, 1)
    assert (good["client"], good["output"]) == ("app:Client", "generated/client_pool.py")
    assert (good["status"], good["members"]["wrapped"], good["members"]["skipped"]) == (
        "wrote",
        2,
        1,
    )
    assert bad["status"] == "error"
    assert "no class 'Missing'" in bad["error"]


def test_drift_as_json(here: Path) -> None:
    """A stale output has its changes in words and its diff, and stdout is JSON alone."""
    run("--client", "app:Client")
    (here / "app.py").write_text(CLIENT.replace("ttl: int = 1", "ttl: int = 25"), "utf-8")
    code, out = run("--client", "app:Client", "--check", "--format", "json")
    [target] = json.loads(out)["targets"]
    assert (code, target["status"]) == (1, "stale")
    assert target["changes"] == ["default of get.ttl changed: 1 -> 25"]
    assert target["only_tool_version"] is False
    assert "+    def get(self, key: str, ttl: int = 25) -> str:" in target["diff"]


def test_the_ledger_as_json(here: Path) -> None:
    """`--ledger FILE.json` accounts for every public member with fate and reason."""
    code, _ = run("--client", "app:Client", "--ledger", "ledger.json")
    data = json.loads(Path("ledger.json").read_text("utf-8"))
    fates = {entry["name"]: entry["fate"] for entry in data["app:Client"]}
    assert (code, fates) == (0, {"get": "wrapped", "raw": "wrapped", "connect": "skipped"})
    assert all(entry["reason"] for entry in data["app:Client"] if entry["fate"] != "wrapped")


def test_the_ledger_as_a_table(here: Path) -> None:
    """Any other file name gets a table for people, with the counts below."""
    run("--client", "app:Client", "--ledger", "ledger.txt")
    lines = Path("ledger.txt").read_text("utf-8").splitlines()
    assert lines[0] == "app:Client"
    assert any(line.split()[:2] == ["get", "wrapped"] for line in lines)
    assert any(line.startswith("connect") and "skipped" in line for line in lines)
    assert lines[-1] == "2 wrapped, 1 skipped"


def test_a_ledger_is_replaced_whole(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full leaves the old ledger as it was."""
    Path("ledger.txt").write_text("old", "utf-8")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr("connpool_gen.output.write.os.fsync", Mock(side_effect=full))
    with pytest.raises(OutputError, match=r"cannot write ledger\.txt: No space left"):
        write_ledger(Path("ledger.txt"), [])
    assert [path.name for path in here.glob("*ledger*")] == ["ledger.txt"]
    assert Path("ledger.txt").read_text("utf-8") == "old"


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="this system has no such device")
def test_a_ledger_goes_into_a_pipe(here: Path) -> None:
    """`--ledger /dev/stdout` writes into what is there, and puts no file in its place."""
    command = [
        sys.executable,
        "-m",
        "connpool_gen",
        "--client",
        "app:Client",
        "--quiet",
        "--no-verify",
    ]
    done = subprocess.run(
        [*command, "--ledger", "/dev/stdout"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "connect" in done.stdout


def test_a_ledger_that_cannot_be_written(here: Path) -> None:
    """A ledger file in a folder that is not there is an error of its own."""
    code, _ = run("--client", "app:Client", "--ledger", "nowhere/ledger.json")
    assert code == 2


def test_strict_refuses_every_gap(here: Path) -> None:
    """`--strict` fails on a skipped member, names it with the reason, and writes nothing."""
    done = CliRunner().invoke(app, ["--client", "app:Client", "--strict", "--no-verify"])
    assert done.exit_code == 2
    # On a busy machine lines about the progress stand between, which are not indented.
    [gap] = [line for line in done.stderr.splitlines() if line.startswith("  ")]
    assert gap.startswith("  connect: lifecycle: connect each")
    assert not Path("generated").exists()


def test_strict_accepts_what_the_user_left_out(here: Path) -> None:
    """A member that `--exclude` names is no gap: nobody asked for it."""
    assert run("--client", "app:Client", "--strict", "--exclude", "connect")[0] == 0


def test_strict_accepts_a_typed_client(here: Path) -> None:
    """A client whose members are all typed and wrapped passes `--strict`."""
    (here / "app.py").write_text("class Client:\n    def get(self) -> int: ...\n", "utf-8")
    assert run("--client", "app:Client", "--strict")[0] == 0


MANIFEST = """
[[tool.connpool-gen.target]]
client = "app:Client"
wrapper = "Clients"
methods."get" = {idempotent = true, timeout = 2}
"""


def test_the_resolved_configuration(here: Path) -> None:
    """`--show-config` prints every setting of every target, flags included, and makes nothing."""
    (here / "pyproject.toml").write_text(MANIFEST, "utf-8")
    code, out = run("--show-config", "--output", "x.py")
    [target] = json.loads(out)["target"]
    assert code == 0
    assert (target["client"], target["wrapper"], target["output"]) == (
        "app:Client",
        "Clients",
        "x.py",
    )
    assert target["methods"]["get"]["timeout"] == 2.0
    assert set(TARGET_KEYS) <= set(target)
    assert not Path("x.py").exists()


def test_the_schema_knows_every_key(here: Path) -> None:
    """The schema for editors allows what the reader of the manifest allows, and nothing else."""
    done = CliRunner().invoke(app, ["schema"])
    schema = json.loads(done.stdout)
    target = schema["properties"]["target"]["items"]
    assert set(target["properties"]) == {*TARGET_KEYS, *ENTRY_KEYS}
    assert set(schema["properties"]["defaults"]["properties"]) == set(INHERITED_KEYS)
    assert schema["properties"]["defaults"]["additionalProperties"] is False
    method = target["properties"]["methods"]["additionalProperties"]
    assert set(method["properties"]) == set(METHOD_KEYS)
    assert target["additionalProperties"] is method["additionalProperties"] is False
    listed = tomllib.loads(MANIFEST)["tool"]["connpool-gen"]["target"][0]
    assert set(listed) <= set(target["properties"])
