"""A client is read by the interpreter of its project; the output is the one that a tool beside it makes."""

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from connpool_gen import GenerateRequest, generate
from connpool_gen.cli import app
from connpool_gen.errors import TargetError
from connpool_gen.reading.facts import Ref, RuntimeClass
from connpool_gen.reading.probe_client import read_classes
from tests.codegen.made import ROOT, SAMPLES, Made, Maker
from tests.codegen.sample_clients import CLIENTS
from tests.codegen.test_type_parameters import NEWER
from tests.pythons import make_environment, need_python

HARD = ("Names", "Checked")
TOOLS = ("mypy", "ruff", "libcst", "typer", "jinja2", "hypothesis", "connpool_runtime")
LOOKS_AROUND = f"""
import importlib.util
found = [name for name in {TOOLS} if importlib.util.find_spec(name)]
if found:
    raise RuntimeError(f"of the tool's environment: {{found}}")
print("noise of the client")


class Client:
    def get(self) -> int: ...
"""
# What newer Pythons alone can parse, in the module of the client and in one that its package exports from.
PACKAGE = """
from ._parts import Reply as Reply
from ._parts import Request


class Client:
    def get(self, request: Request) -> Reply: ...
    def quoted(self) -> str:
        return f"{'a' + f"{'b'}"}"
"""
PARTS = """
type Row = dict[str, int]


class Reply[T = int]: ...


class Request: ...
"""


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_every_interpreter_sees_the_same(maker: Maker, version: str) -> None:
    """The probe describes classes alike on every Python, but for the indentation of docstrings."""
    request = maker.request(f"{SAMPLES}:Names")
    here = described(request)
    assert len(here) > 10
    assert described(replace(request, python=need_python(version))) == here


def described(request: GenerateRequest) -> dict[str, RuntimeClass]:
    """Give what the probe says of each sample."""
    found = read_classes(request, [Ref(SAMPLES, name) for name in CLIENTS])
    return {cls.qualname: with_plain_docs(cls) for cls in found if cls is not None}


def with_plain_docs(cls: RuntimeClass) -> RuntimeClass:
    """Take the indentation away that newer Pythons take out of docstrings themselves."""
    members = (replace(m, doc=m.doc and inspect.cleandoc(m.doc)) for m in cls.members)
    return replace(cls, members=tuple(members))


@pytest.mark.parametrize("name", HARD)
def test_the_same_bytes(sample: Callable[[str], Made], name: str) -> None:
    """Classes with awkward names, defaults and decorators give the same output by every interpreter."""
    made = sample(name)
    again = generate(replace(made.request, python=need_python("3.13", "3.12")))
    assert again.text == made.text
    assert again.ledger == made.ledger


def test_nothing_of_the_tool_is_seen(maker: Maker, tmp_path: Path) -> None:
    """The process that imports the client has the project's packages alone, and may print what it likes."""
    python = make_environment(Path(sys.executable), tmp_path / "venv")
    name = maker.write(LOOKS_AROUND)
    request = maker.request(f"{name}:Client", app_dirs=(maker.folder,))
    with pytest.raises(TargetError, match="of the tool's environment"):
        generate(request)
    assert "def get(self) -> int" in generate(replace(request, python=python)).text


def test_syntax_that_is_newer_than_the_tools(maker: Maker, tmp_path: Path) -> None:
    """A client that only the project's Python can parse gets a typed wrapper, which runs there."""
    python = need_python("3.13")
    client = f"{maker.write(NEWER)}:Client"
    request = maker.request(client, python=python, verify=True, app_dirs=(maker.folder,))
    made = generate(request)
    assert 'T = TypeVar("T", default="int")' in made.text
    assert "typing_extensions" not in made.text  # which is not installed there
    (maker.folder / "made.py").write_text(made.text)
    program = "import made; print(made.ClientPool[str, int]().pool.name)"
    path = os.pathsep.join([str(maker.folder), str(ROOT / "runtime")])
    command = [python, "-W", "error", "-c", program]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("client\n", "")


def test_exports_in_newer_syntax(maker: Maker) -> None:
    """What a package exports on purpose is imported from there, whether the tool can parse it or not."""
    folder = maker.folder / "parcels"
    folder.mkdir()
    (folder / "__init__.py").write_text(PACKAGE)
    (folder / "_parts.py").write_text(PARTS)
    request = maker.request("parcels:Client", python=need_python("3.13"), verify=True)
    text = generate(replace(request, app_dirs=(maker.folder,))).text
    assert "from parcels import Reply" in text
    assert "from parcels._parts import Request" in text


def test_types_of_the_projects_environment(maker: Maker, tmp_path: Path) -> None:
    """Typed packages, stub packages and editable installs are found where the project has them."""
    python = make_environment(Path(sys.executable), tmp_path / "venv")
    [installed] = (tmp_path / "venv").glob("lib/python*/site-packages")
    plain, editable = installed / "plainly", tmp_path / "sources" / "editably"
    for folder in (plain, editable, installed / "plainly-stubs"):
        folder.mkdir(parents=True)
    (plain / "__init__.py").write_text("class Answer: ...\ndef make(): return Answer()\n")
    stub = "class Answer:\n    number: int\ndef make() -> Answer: ...\n"
    (installed / "plainly-stubs" / "__init__.pyi").write_text(stub)
    (editable / "__init__.py").write_text("class Question: ...\n")
    (editable / "py.typed").touch()
    (installed / "editably.pth").write_text(f"{editable.parent}\n")
    source = """
        import plainly
        from editably import Question
        class Client:
            def __init__(self) -> None:
                self.last = plainly.make()
            def ask(self, question: Question) -> plainly.Answer: ...
        """
    text = maker.text(source, python=python, verify=True, app_dirs=(maker.folder,))
    assert "def ask(self, question: Question) -> Answer:" in text
    assert "def last(self) -> Answer:" in text


@pytest.fixture
def project(maker: Maker, monkeypatch: pytest.MonkeyPatch, cli_cache: Path) -> Path:
    """A project of another environment than the tool's, in which the command runs."""
    make_environment(Path(sys.executable), maker.folder / ".venv")
    (maker.folder / "shop.py").write_text("class Shop:\n    def buy(self) -> int: ...\n")
    manifest = '[[tool.connpool-gen.target]]\nclient = "shop:Shop"\nverify = false\n'
    (maker.folder / "pyproject.toml").write_text(manifest)
    monkeypatch.chdir(maker.folder)
    return maker.folder


def test_the_interpreter_is_told(project: Path) -> None:
    """Before a run the user learns which Python reads, and after it what wrappers need there."""
    done = CliRunner().invoke(app, [])
    lines = [line for line in done.stderr.splitlines() if not line.endswith(" ...")]
    version = "{}.{}.{}".format(*sys.version_info[:3])
    assert lines[0] == f"reading with Python {version} of .venv (beside the project)"
    assert lines[1].startswith("wrote generated/shop_pool.py")
    assert lines[2].startswith(f"Python {version} of .venv has no connpool-runtime, which wrappers")
    assert CliRunner().invoke(app, ["--quiet"]).stderr == ""


def test_the_interpreter_in_json(project: Path) -> None:
    """`--format json` and `--show-config` name the interpreter, its version and how it was found."""
    [target] = json.loads(CliRunner().invoke(app, ["--format", "json"]).stdout)["targets"]
    version = "{}.{}.{}".format(*sys.version_info[:3])
    assert target["python"] == {
        "executable": str(project / ".venv/bin/python"),
        "version": version,
        "found_by": "beside the project",
        "runtime": None,
    }
    [target] = json.loads(CliRunner().invoke(app, ["--show-config"]).stdout)["target"]
    assert target["python"] == str(project / ".venv/bin/python")
    assert (target["python-version"], target["python-found-by"]) == (version, "beside the project")


def test_the_flag_wins_over_the_key(project: Path) -> None:
    """`--python` wins over the manifest's `python`, which wins over what is found."""
    manifest = project / "pyproject.toml"
    manifest.write_text(manifest.read_text() + 'python = "keyed"\n')
    for name in ("keyed", "flagged"):
        make_environment(Path(sys.executable), project / name)
    shown = [
        json.loads(CliRunner().invoke(app, ["--show-config", *more]).stdout)["target"][0]
        for more in ([], ["--python", "flagged"])
    ]
    assert [Path(one["python"]).parts[-3] for one in shown] == ["keyed", "flagged"]
    assert {one["python-found-by"] for one in shown} == {"asked for"}


def test_the_interpreter_is_not_in_the_output(project: Path) -> None:
    """The wrapper is the same whichever path leads to the interpreter: no header shows it."""
    CliRunner().invoke(app, [])
    text = (project / "generated/shop_pool.py").read_text()
    assert CliRunner().invoke(app, ["--python", sys.executable, "--check"]).exit_code == 0
    assert "venv" not in text


def test_a_broken_interpreter_is_told_once(project: Path) -> None:
    """However many targets there are, an interpreter that cannot be used is one error."""
    manifest = project / "pyproject.toml"
    manifest.write_text(manifest.read_text() * 2)
    done = CliRunner().invoke(app, ["--python", "nowhere/python"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == "error: --python nowhere/python: there is no such file\n"
