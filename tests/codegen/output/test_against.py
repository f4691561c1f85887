"""`--check --against REV`, annotations of workflows, and what several targets share: by the command, in a repository."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from connpool_gen.cli import app

CLIENT = """
class Client:
    def get(self, key: str, ttl: int = 1) -> str: ...
    def set(self, key: str) -> None: ...
"""
MANIFEST = """
[tool.connpool-gen.defaults]
verify = false
idempotent = ["get*"]

[[tool.connpool-gen.target]]
client = "app:Client"

[[tool.connpool-gen.target]]
client = "more:More"
"""
MORE = "class More:\n    def put(self) -> int: ...\n"


def git(*arguments: str) -> None:
    """Run git in the working directory, as somebody."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


def run(*arguments: str) -> tuple[int, str, str]:
    """Run the command; an exception that gets out of it is a fault."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    kept = [line for line in done.stderr.splitlines() if not line.endswith(" ...")]
    return done.exit_code, done.stdout, "\n".join(kept)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Path:
    """A repository with two wrappers that are committed, tagged `v1`: made once, to be copied."""
    folder = tmp_path_factory.mktemp("committed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("CONNPOOL_GEN_CACHE", str(checker_cache))
        Path("app.py").write_text(CLIENT)
        Path("more.py").write_text(MORE)
        Path("pyproject.toml").write_text(MANIFEST)
        assert run("--quiet")[0] == 0
        git("init", "--quiet")
        git("add", ".")
        git("commit", "--quiet", "--message", "one")
        git("tag", "v1")
    return folder


@pytest.fixture
def repository(
    tmp_path: Path, committed: Path, monkeypatch: pytest.MonkeyPatch, cli_cache: Path
) -> Path:
    """A copy of that repository, in which the command is run."""
    shutil.copytree(committed, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def change(new: str) -> None:
    """Let the client change, and make the wrappers anew."""
    Path("app.py").write_text(new)
    assert run("--quiet")[0] == 0


def test_nothing_changed(repository: Path) -> None:
    """The same surface is no news, and exits 0."""
    code, _, told = run("--check", "--against", "v1")
    assert code == 0
    assert told.count("nothing changed for callers") == 2


def test_compatible(repository: Path) -> None:
    """What only adds is told, and exits 0."""
    change(CLIENT.replace("ttl: int = 1", "ttl: int = 1, *, nx: bool = False"))
    code, _, told = run("--check", "--against", "v1")
    assert (code, "  compatible: parameter added: get(nx)" in told) == (0, True)


def test_breaking(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks callers exits 3 though the wrapper is up to date; words and JSON say what it is."""
    change(CLIENT.replace("def set", "def put"))
    code, _, told = run("--check", "--against", "v1")
    assert code == 3
    assert "  breaking: method removed: set" in told
    (repository / "below").mkdir()
    monkeypatch.chdir(repository / "below")
    code, out, _ = run("--check", "--against", "HEAD", "--format", "json")
    data = json.loads(out)
    one, other = data["targets"]
    assert (code, data["breaking"], data["gone"]) == (3, True, [])
    assert (one["breaking"], one["compatible"]) == (
        ["method removed: set"],
        ["method added: put"],
    )
    assert (other["breaking"], other["compatible"]) == ([], [])


def test_a_wrapper_that_is_gone(repository: Path) -> None:
    """A wrapper that nobody makes any more breaks all who used it; asked about one client, nobody looks for others."""
    Path("pyproject.toml").write_text(
        MANIFEST.partition('\n[[tool.connpool-gen.target]]\nclient = "more')[0]
    )
    Path("generated/more_pool.py").unlink()
    code, _, told = run("--check", "--against", "v1")
    assert (code, told.splitlines()[-1]) == (
        3,
        "breaking: the wrapper is gone: generated/more_pool.py",
    )
    assert run("--check", "--against", "v1", "--client", "app:Client")[0] == 0


def test_a_new_wrapper(repository: Path) -> None:
    """One that was not there breaks nobody."""
    Path("third.py").write_text(MORE.replace("More", "Third"))
    assert run("--client", "third:Third", "--quiet")[0] == 0
    code, _, told = run("--check", "--against", "v1", "--client", "third:Third")
    assert (code, "  compatible: the wrapper is new" in told) == (0, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--against", "v1"), "--against works only together with --check"),
        (("--check", "--against", "v11"), "no such revision; nearest: v1"),
        (("--check", "--against", "--help"), "no such revision"),
    ],
)
def test_a_revision_that_cannot_be(
    repository: Path, arguments: tuple[str, ...], words: str
) -> None:
    """It is one line that says why."""
    code, _, told = run(*arguments)
    assert (code, told.count("\n")) == (2, 0)
    assert words in told


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one there is no revision."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    Path("app.py").write_text(CLIENT)
    code, _, told = run("--client", "app:Client", "--check", "--against", "v1")
    assert (code, "is in no git repository" in told) == (2, True)


def test_annotations(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thing to know is one command of a workflow: what stops a merge is an error at its file and line."""
    Path("app.py").write_text(CLIENT.replace("def set", "def put"))
    Path("more.py").write_text("1 / 0\n")
    code, out, _ = run("--check", "--against", "v1", "--format", "github")
    lines = out.splitlines()
    pattern = r"::(error|notice|warning) file=generated/\w+\.py,line=\d+,title=connpool-gen::.+"
    assert code == 2
    assert [line for line in lines if not re.fullmatch(pattern, line)] == []
    stale = next(line for line in lines if "out of date" in line)
    assert "%0Amethod removed: set%0A" in stale
    old = Path("generated/client_pool.py").read_text().splitlines()
    [number] = re.findall(r"line=(\d+)", stale)
    assert old[int(number) - 1].startswith(("# command", "# fingerprint", "# source", "# @"))
    assert any("::error" in line and "breaking: method removed: set" in line for line in lines)
    assert any("::notice" in line and "compatible: method added: put" in line for line in lines)
    assert any("ZeroDivisionError" in line for line in lines)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository.parent))
    _, out, _ = run("--check", "--format", "github")
    assert f"file={repository.name}/generated/client_pool.py" in out


def test_annotations_of_a_bad_manifest(repository: Path) -> None:
    """An error before the first target is one at the manifest."""
    Path("pyproject.toml").write_text("[tool.connpool_gen]\n")
    code, out, _ = run("--check", "--format", "github")
    assert (code, out.startswith("::error file=pyproject.toml,line=1,title=connpool-gen::")) == (
        2,
        True,
    )


def test_nothing_to_annotate(repository: Path) -> None:
    """Where all is well nothing is printed."""
    assert run("--check", "--format", "github")[:2] == (0, "")


def test_a_glob_that_targets_share(repository: Path) -> None:
    """A default need not match in each target, but in one; else it is a slip, and nothing is hidden by it."""
    assert run("--check")[0] == 0
    Path("pyproject.toml").write_text(MANIFEST.replace("get*", "gett"))
    code, _, told = run("--check")
    assert code == 2
    assert (
        "app:Client, more:More: --idempotent 'gett' matches no public member; nearest: get" in told
    )
    assert "generated/more_pool.py" in told


def test_another_version_is_a_note(repository: Path) -> None:
    """A wrapper that an older version made just so is up to date, and the run says by whom it was made."""
    path = Path("generated/client_pool.py")
    path.write_text(path.read_text().replace("connpool-gen 0.", "connpool-gen 0.0.", 1))
    code, out, told = run("--check")
    assert (code, out) == (0, "")
    assert "  note: only the version of connpool-gen differs" in told
    data: dict[str, Any] = json.loads(run("--check", "--format", "json")[1])
    assert data["targets"][0]["status"] == "up to date"
    assert data["targets"][0]["only_tool_version"] is True
    assert run("--diff")[1].startswith("--- generated/client_pool.py")
    run("--quiet")
    assert "0.0." not in path.read_text().splitlines()[0]


def test_from_a_folder_below(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same targets, files and answers as beside the manifest; what it does not list is made here."""
    (repository / "below").mkdir()
    monkeypatch.chdir(repository / "below")
    code, _, told = run("--check", "--client", "app:Client")
    assert (code, told) == (0, "up to date ../generated/client_pool.py")
    Path("here.py").write_text(MORE.replace("More", "Here"))
    assert run("--client", "here:Here", "--quiet") == (0, "", "")
    text = Path("generated/here_pool.py").read_text()
    assert "# command: connpool-gen --client here:Here\n" in text
    assert run("--client", "app:Client", "--output", "mine", "--quiet")[0] == 0
    assert "--output below/mine" in Path("mine/client_pool.py").read_text()
