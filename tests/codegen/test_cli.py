"""The command: flags, exit codes, what goes to stdout and what to stderr, and no traceback ever."""

import contextlib
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from connpool_gen import __version__
from connpool_gen.cli import app
from connpool_gen.output import progress
from tests.codegen.inert import foreign_nodes
from tests.waiting import eventually

CLIENT = """
class Client:
    '''Talks.'''

    def get(self, key: str, ttl: int = 1) -> str:
        return key

    def set(self, key: str, value: str) -> None: ...
"""
OUTPUT = Path("generated/client_pool.py")


@dataclass(frozen=True)
class Ran:
    """What one run of the command gave."""

    code: int
    out: str
    err: str


class Project:
    """A folder with a client, in which the command is run in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, text: str) -> Path:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), "utf-8")
        return path

    def run(self, *arguments: str) -> Ran:
        """Run the command; an exception that gets out of it is a fault."""
        verify = [] if {"--verify", "--version", "--help"} & set(arguments) else ["--no-verify"]
        done = CliRunner().invoke(app, [*arguments, *verify])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        # A run that is slow on a busy machine also says what it is at.
        lines = done.stderr.splitlines(keepends=True)
        kept = "".join(line for line in lines if not line.endswith(" ...\n"))
        return Ran(done.exit_code, done.stdout, kept)

    def refused(self, *arguments: str) -> str:
        """Run a command that must fail; give its only line."""
        ran = self.run(*arguments)
        assert (ran.code, ran.out) == (2, "")
        assert "Traceback" not in ran.err
        [line] = ran.err.splitlines()
        assert line.startswith("error: ")
        return line


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cli_cache: Path) -> Project:
    """A working directory with `app.py` in it."""
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path)
    project.write("app.py", CLIENT)
    return project


# ---------------------------------------------------------------- the main job


def test_the_main_job(project: Project) -> None:
    """One command writes one module, and says so on stderr with the count of members."""
    ran = project.run("--client", "app:Client")
    assert ran == Ran(0, "", "wrote generated/client_pool.py (2 wrapped)\n")
    assert "class ClientPool:" in OUTPUT.read_text("utf-8")


def test_again_changes_nothing(project: Project) -> None:
    """A second run finds its output up to date and leaves it."""
    project.run("--client", "app:Client")
    before = OUTPUT.stat().st_mtime_ns
    assert project.run("--client", "app:Client").err.startswith(
        "unchanged generated/client_pool.py"
    )
    assert OUTPUT.stat().st_mtime_ns == before


def test_several_clients_in_one_run(project: Project) -> None:
    """`--client` may be given again; one that fails does not stop the others."""
    project.write("other.py", CLIENT.replace("class Client", "class Other"))
    ran = project.run(
        "--client", "app:Client", "--client", "app:Missing", "--client", "other:Other"
    )
    assert ran.code == 2
    assert OUTPUT.exists()
    assert Path("generated/other_pool.py").exists()
    assert ran.err.count("error: ") == 1


def test_an_app_dir_is_importable(project: Project) -> None:
    """`--app-dir` finds a client in another folder, with what it imports from there."""
    project.write("src/deep/helper.py", "class Reply: ...\n")
    project.write(
        "src/deep/client.py",
        "from helper import Reply\n\nclass Deep:\n    def get(self) -> Reply: ...\n",
    )
    assert project.run("--client", "client:Deep", "--app-dir", "src/deep", "--stdout").code == 0
    line = project.refused("--client", "client:Deep")
    assert "no module named 'client'" in line


def test_a_nested_class(project: Project) -> None:
    """`MODULE:Outer.Inner` wraps a class inside another."""
    project.write(
        "nested.py", "class Outer:\n    class Inner:\n        def get(self) -> int: ...\n"
    )
    ran = project.run("--client", "nested:Outer.Inner", "--stdout")
    assert "class InnerPool:" in ran.out
    assert "def _get(client: Outer.Inner, _: object) -> int:" in ran.out


def test_stdout_is_the_module_alone(project: Project) -> None:
    """`--stdout` prints the module and nothing else, and writes nothing."""
    ran = project.run("--client", "app:Client", "--stdout")
    assert (ran.code, ran.err) == (0, "")
    compile(ran.out, "stdout", "exec")
    assert ran.out.startswith("# @generated - ")
    assert not Path("generated").exists()


def test_quiet_and_verbose(project: Project) -> None:
    """`--quiet` leaves only errors, `--verbose` tells the fate of each member."""
    assert project.run("--client", "app:Client", "--quiet") == Ran(0, "", "")
    ran = project.run("--client", "app:Client", "--verbose")
    assert ran.err.splitlines()[1:] == ["  wrapped get", "  wrapped set"]
    assert project.run("--client", "app:Missing", "--quiet").err.startswith("error: ")


def test_skipped_members_are_told_with_the_reason(project: Project) -> None:
    """What the wrapper lacks is named on stderr without being asked for, and why."""
    project.write(
        "made.py",
        "class Client:\n    def connect(self, host: str) -> None: ...\n    def get(self) -> int: ...\n",
    )
    ran = project.run("--client", "made:Client")
    assert "1 wrapped, 1 skipped" in ran.err
    assert re.search(r"^  skipped connect: \w+", ran.err, re.MULTILINE)


def test_a_slow_run_says_what_it_is_at(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once patience is over, each step is named on stderr; with `--quiet` it is not."""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    arguments = ["--client", "app:Client", "--stdout", "--no-verify"]
    loud = CliRunner().invoke(app, arguments)
    version = ".".join(map(str, sys.version_info[:3]))  # also of a candidate for a release
    python = f"Python {version} of {sys.prefix}"
    assert f"reading app:Client ({python}) ...\n" in loud.stderr
    assert loud.stdout.startswith("# @generated")
    assert CliRunner().invoke(app, [*arguments, "--quiet"]).stderr == ""


def test_the_version() -> None:
    """`--version` prints name and version on stdout."""
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"connpool-gen {__version__}\n")


def test_verified_by_default(project: Project) -> None:
    """Without `--no-verify` the output has passed mypy --strict when it is written."""
    ran = project.run("--client", "app:Client", "--verify")
    assert (ran.code, OUTPUT.exists()) == (0, True)


def test_include_and_exclude_shape_the_wrapper(project: Project) -> None:
    """Only the wanted members are in the module; the others are in the ledger with the reason."""
    ran = project.run("--client", "app:Client", "--exclude", "s*", "--verbose")
    text = OUTPUT.read_text("utf-8")
    assert "def get(" in text
    assert "def set(" not in text
    assert "skipped set: left out by --include/--exclude" in ran.err
    line = project.refused("--client", "app:Client", "--exclude", "*")
    assert "leave no method to wrap" in line


def test_what_the_user_left_out_is_one_line(project: Project) -> None:
    """Members that the user did not want are counted, not listed."""
    ran = project.run("--client", "app:Client", "--exclude", "s*")
    assert ran.err.splitlines()[1:] == ["  1 left out by --include/--exclude"]


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--include", "gett"), "--include 'gett' matches no public member; nearest: get"),
        (("--exclude", "nothing_here"), "--exclude 'nothing_here' matches no public member"),
        (("--idempotent", "gett*"), "--idempotent 'gett*' matches no public member; nearest: get"),
        (("--idempotent", "get", "--exclude", "_*"), "--exclude '_*' matches no public member"),
    ],
)
def test_a_pattern_that_matches_nothing(
    project: Project, flags: tuple[str, ...], words: str
) -> None:
    """A name or glob without a member is a slip, answered with the members it is most like."""
    assert words in project.refused("--client", "app:Client", *flags)
    assert not OUTPUT.exists()


def test_a_policy_for_no_method(project: Project) -> None:
    """A policy whose method does not exist is refused, for it would do nothing in production."""
    project.write(
        "pyproject.toml",
        '[[tool.connpool-gen.target]]\nclient = "app:Client"\nmethods.gte = {timeout = 1}\n',
    )
    assert "methods 'gte' matches no public member; nearest: get" in project.refused()


def test_the_help_names_the_tables(project: Project) -> None:
    """Brackets in a help text are text: the names of the tables are not taken for markup."""
    assert "[[tool.connpool-gen.target]]" in project.run("--help").out
    assert "[tool.connpool-gen]" in project.run("schema", "--help").out


def test_a_connector_that_is_misspelt(project: Project) -> None:
    """The nearest connector is named, as for every other slip."""
    line = project.refused("--client", "app:Client", "--connector", "htttp")
    assert "--connector 'htttp' is unknown; did you mean 'http'?" in line


@pytest.mark.parametrize(("given", "words"), [("jsn", "did you mean 'json'?"), ("x", "text, json")])
def test_a_format_that_is_misspelt(project: Project, given: str, words: str) -> None:
    """The nearest format is named, or both."""
    assert words in project.refused("--client", "app:Client", "--format", given)


@pytest.mark.parametrize("given", ["soon", "", "-1", "0"])
def test_a_time_out_that_is_no_duration(project: Project, given: str) -> None:
    """What is no number of seconds above 0 is refused by the flag's name."""
    line = project.refused("--client", "app:Client", "--import-timeout", given)
    assert "--import-timeout" in line
    assert "a number of seconds" in line


# ---------------------------------------------------------------- check, diff


def test_check_of_what_is_up_to_date(project: Project) -> None:
    """`--check` exits 0 and prints no diff when nothing would change."""
    project.run("--client", "app:Client")
    ran = project.run("--client", "app:Client", "--check")
    assert ran == Ran(0, "", "up to date generated/client_pool.py\n")


def test_check_of_what_is_stale(project: Project) -> None:
    """`--check` exits 1, prints the diff on stdout and the words with the fixing command on stderr."""
    project.run("--client", "app:Client")
    old = OUTPUT.read_text("utf-8")
    project.write("app.py", CLIENT.replace("ttl: int = 1", "ttl: int = 25"))
    ran = project.run("--client", "app:Client", "--check")
    assert ran.code == 1
    assert "--- generated/client_pool.py (committed)" in ran.out
    assert re.search(r"^\+.*ttl: int = 25", ran.out, re.MULTILINE)
    assert ran.err.splitlines() == [
        "stale: generated/client_pool.py",
        "  default of get.ttl changed: 1 -> 25",
        "  make it again: connpool-gen --client app:Client",
    ]
    assert OUTPUT.read_text("utf-8") == old


def test_the_fixing_command_overcomes_edits(project: Project) -> None:
    """The command that `--check` names for a file that was edited, or merged badly, does make it again."""
    project.run("--client", "app:Client")
    made = OUTPUT.read_text("utf-8")
    conflict = made.replace(
        "class Client", "<<<<<<< HEAD\n=======\n>>>>>>> theirs\nclass Client", 1
    )
    first = f"<<<<<<< HEAD\n{made}=======\n>>>>>>> theirs\n"
    for text in (conflict, made + "\nmore = 1\n"):
        OUTPUT.write_text(text, "utf-8")
        ran = project.run("--client", "app:Client", "--check")
        line = ran.err.splitlines()[-1]
        assert line == "  make it again: connpool-gen --client app:Client --force"
        assert ("merge conflict" in ran.err) == (text == conflict)
    OUTPUT.write_text(conflict, "utf-8")
    assert "has the markers of a merge conflict; --diff" in project.refused(
        "--client", "app:Client"
    )
    OUTPUT.write_text(first, "utf-8")
    assert "has the markers of a merge conflict; --force" in project.refused(
        "--client", "app:Client"
    )
    assert project.run("--client", "app:Client", "--force").code == 0
    assert OUTPUT.read_text("utf-8") == made


def test_in_a_folder_below_the_project(project: Project) -> None:
    """Outside of a repository, a run below the project's folder is told which folder that is."""
    project.write("pyproject.toml", '[[tool.connpool-gen.target]]\nclient = "app:Client"\n')
    below = project.folder / "below"
    below.mkdir()
    with contextlib.chdir(below):
        assert f"run connpool-gen in {project.folder}" in project.refused()
        said = project.refused("--client", "app:Client")
        assert f"; {project.folder} has app: --app-dir {project.folder}, or run it there" in said


def test_a_client_below_src(project: Project) -> None:
    """A client in a folder of the project that is not importable, such as `src`, is told how to name that folder."""
    for name in ("more/inside.py", "src/inside.py", "src/whole/__init__.py"):
        project.write(name, CLIENT)
    for name in ("inside", "whole"):
        said = project.refused("--client", f"{name}:Client")
        assert said.endswith(f"; src has {name}: --app-dir src")
        assert project.run("--client", f"{name}:Client", "--app-dir", "src", "--diff").code == 0


def test_check_of_what_is_missing(project: Project) -> None:
    """An output that does not exist is stale, and is not made."""
    ran = project.run("--client", "app:Client", "--check")
    assert ran.code == 1
    assert "the file does not exist yet" in ran.err
    assert not OUTPUT.exists()


def test_check_of_what_cannot_be_read(project: Project) -> None:
    """An error is 2, not 1: a broken client is not an output out of date."""
    project.run("--client", "app:Client")
    project.write("app.py", "1 / 0\n")
    assert project.run("--client", "app:Client", "--check").code == 2


def test_the_worst_of_all_targets_counts(project: Project) -> None:
    """With several targets, an error outweighs a stale one, and that one an up-to-date one."""
    project.write("other.py", CLIENT.replace("class Client", "class Other"))
    project.run("--client", "app:Client")
    both = ("--client", "app:Client", "--client", "other:Other", "--check")
    assert project.run(*both).code == 1
    assert project.run(*both, "--client", "app:Missing").code == 2


def test_diff_writes_nothing_and_is_no_failure(project: Project) -> None:
    """`--diff` prints what would change and exits 0."""
    ran = project.run("--client", "app:Client", "--diff")
    assert ran.code == 0
    assert ran.out.startswith("--- /dev/null\n")
    assert not OUTPUT.exists()


@pytest.mark.parametrize("flags", [("--check", "--stdout"), ("--diff", "--stdout")])
def test_actions_exclude_each_other(project: Project, flags: tuple[str, ...]) -> None:
    """Two things cannot be done with one output at once."""
    assert "cannot be combined" in project.refused("--client", "app:Client", *flags)


# ---------------------------------------------------------------- bad targets


@pytest.mark.parametrize(
    ("client", "words"),
    [
        ("ap:Client", ("no module named 'ap'", "app")),
        ("app.sub:Client", ("no module named 'app.sub'",)),
        ("zqxconfig:Client", ("no module named 'zqxconfig' (looked in",)),
        ("jsn.decoder:JSONDecoder", ("no module named 'jsn'", "json")),
        ("json.decodr:JSONDecoder", ("no module named 'json.decodr'", "decoder")),
        ("app:Cleint", ("app has no class 'Cleint'", "nearest: Client")),
        ("app:Client.Inner", ("app.Client has no class 'Inner'",)),
        ("math:sin", ("math:sin", "a function, not a class")),
        ("app:__name__", ("app:__name__", "not a class")),
        ("app", ("'app' is not MODULE:CLASS",)),
        ("app.Client", ("error: --client 'app.Client' is not", "did you mean app:Client?")),
        ("./app.py:Client", ("did you mean app:Client?",)),
        ("app.py:Client", ("a module is named without .py: app:Client",)),
    ],
)
def test_a_target_that_is_not_there(project: Project, client: str, words: tuple[str, ...]) -> None:
    """One line says what was looked for and names the nearest that there is."""
    line = project.refused("--client", client)
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("app:Client",), "to wrap a class, use --client: connpool-gen --client app:Client"),
        (("--check", "app:Client"), "to wrap a class, use --client"),
        (("check",), "there is a flag --check"),
        (("adpot",), "did you mean 'adopt'?"),
        (("make",), "one of init, add, list"),
    ],
)
def test_a_word_that_is_no_command(
    project: Project, arguments: tuple[str, ...], words: str
) -> None:
    """A class, a flag or a misspelt command where a command stands is answered with what was meant."""
    ran = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert ran.exit_code == 2
    assert words in ran.stderr


def test_where_it_was_looked_for(project: Project) -> None:
    """The line names the folders in which the module was looked for."""
    line = project.refused("--client", "ap:Client", "--app-dir", "src")
    assert str(project.folder / "src") in line
    assert str(project.folder) in line


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\nraise ValueError('no config')\n", ("ValueError: no config", "line 2")),
        ("import app\ndef f():\n    return 1 / 0\nf()\n", ("ZeroDivisionError", "line 3")),
        ("def f(:\n", ("SyntaxError", "line 1")),
        ("import nowhere\n", ("No module named 'nowhere'", "line 1")),
        ("import sys\nsys.exit('bye')\n", ("SystemExit: bye", "line 2")),
        ("raise SystemExit\n", ("SystemExit", "line 1")),
        ("raise KeyboardInterrupt\n", ("KeyboardInterrupt", "line 1")),
        ("raise ValueError('a\\nb')\n", ("ValueError", "line 1")),
    ],
)
def test_a_module_that_raises_on_import(
    project: Project, source: str, words: tuple[str, ...]
) -> None:
    """One line holds the exception and its line in the user's file, without our traceback."""
    path = project.write("broken.py", source)
    line = project.refused("--client", "broken:Client")
    for word in words:
        assert word in line
    assert str(path) in line or "broken.py" in line


def test_an_error_deep_in_what_is_imported(project: Project) -> None:
    """The place that is named is where it broke, also when another module imported that one."""
    project.write("deep.py", "x = 1\n\nraise RuntimeError('deep')\n")
    project.write("shallow.py", "import deep\n")
    line = project.refused("--client", "shallow:Client")
    assert "RuntimeError: deep" in line
    assert re.search(r"deep\.py, line 3", line)


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos._exit(3)\n",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        "import sys\nsys.setrecursionlimit(10**9)\nf = lambda: f()\nimport ctypes\nctypes.string_at(0)\n",
    ],
)
def test_a_module_that_kills_its_process(project: Project, source: str) -> None:
    """A process that dies while importing is an error of the target, not the end of the run."""
    project.write("deadly.py", source)
    line = project.refused("--client", "deadly:Client")
    assert "deadly:Client" in line
    assert "the process that imports deadly ended with exit code" in line


def test_a_module_that_hangs(project: Project) -> None:
    """An import that does not end is ended after `--import-timeout` seconds, and the message says so."""
    project.write(
        "slow.py", "import signal, threading\nsignal.alarm(30)\nthreading.Event().wait()\n"
    )
    line = project.refused("--client", "slow:Client", "--import-timeout", "0.3")
    assert "importing slow took longer than 0.3 s" in line
    assert "--import-timeout" in line


def test_what_the_target_prints_stays_out(
    project: Project, capfd: pytest.CaptureFixture[str]
) -> None:
    """Prints, threads and exit handlers of the target neither reach our output nor keep us waiting."""
    noise = """
        import atexit, os, signal, sys, threading
        signal.alarm(30)
        print("noise"); print("noise", file=sys.stderr); os.write(1, b"noise"); os.write(2, b"noise")
        threading.Thread(target=threading.Event().wait).start()
        atexit.register(threading.Event().wait)
    """
    project.write("noisy.py", dedent(noise) + CLIENT)
    ran = project.run("--client", "noisy:Client", "--stdout")
    assert ran.code == 0
    assert ran.err == ""
    assert "noise" not in ran.out
    assert "noise" not in "".join(capfd.readouterr())


def test_the_target_gets_no_input(project: Project) -> None:
    """A module that asks a question on import finds no terminal to ask at."""
    project.write("asks.py", "input('password: ')\n")
    assert "EOFError" in project.refused("--client", "asks:Client")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    pass\n", "has no public method that can be wrapped"),
        ("    def _get(self): ...\n", "has no public method that can be wrapped"),
        ("    def close(self): ...\n", "has no public method that can be wrapped"),
        ("    def __getattr__(self, name): ...\n", "dynamic attributes cannot be enumerated"),
    ],
)
def test_a_class_with_nothing_to_wrap(project: Project, body: str, words: str) -> None:
    """A class without a public method is refused; for `__getattr__` the message says why."""
    project.write("bare.py", f"class Client:\n{body}")
    line = project.refused("--client", "bare:Client")
    assert "bare:Client" in line
    assert words in line
    assert ("__getattr__" in line) == ("__getattr__" in body)
    assert not Path("generated").exists()


# ---------------------------------------------------------------- bad outputs


def test_a_foreign_file_in_the_way(project: Project) -> None:
    """A file that is not ours is left alone until `--force`."""
    path = project.write("generated/client_pool.py", "print('mine')\n")
    line = project.refused("--client", "app:Client")
    assert "was not made by connpool-gen; --force replaces it" in line
    assert path.read_text("utf-8") == "print('mine')\n"
    assert project.run("--client", "app:Client", "--force").code == 0
    assert "class ClientPool:" in path.read_text("utf-8")


def test_the_wrapper_of_another_client_in_the_way(project: Project) -> None:
    """Clients of one name in several packages do not replace each other's wrappers, but for `--force`."""
    project.write("other.py", CLIENT)
    project.run("--client", "app:Client")
    line = project.refused("--client", "other:Client")
    assert "generated/client_pool.py is the wrapper of app:Client; --output names" in line
    assert "# source: app:Client" in OUTPUT.read_text("utf-8")
    assert project.run("--client", "other:Client", "--check").code == 1
    assert project.run("--client", "other:Client", "--force").code == 0
    assert "# source: other:Client" in OUTPUT.read_text("utf-8")


@pytest.mark.parametrize("action", [(), ("--check",), ("--diff",)])
def test_the_client_s_own_module_in_the_way(project: Project, action: tuple[str, ...]) -> None:
    """An output path that is the client's own file is refused as that, not as an empty client."""
    project.write("shop/__init__.py", "from shop.client import Client\n")
    path = project.write("shop/client.py", CLIENT)
    line = project.refused("--client", "shop:Client", "--output", "shop/client.py", *action)
    assert "shop/client.py was not made by connpool-gen" in line
    assert path.read_text("utf-8") == dedent(CLIENT)


@pytest.mark.parametrize(
    "old",
    [
        "# generated by connpool-gen 0.0.1; do not edit.\ndef broken(:\n",
        "# generated by connpool-gen 0.0.1\n<<<<<<< ours\nx = 1\n=======\nx = 2\n>>>>>>> theirs\n",
        "# generated by connpool-gen 0.0.1\nraise SystemExit('stale')\n",
        "# generated by connpool-gen 0.0.1\nfrom app import Gone\n",
    ],
)
def test_a_broken_old_output_does_not_block(project: Project, old: str) -> None:
    """An output that does not parse, conflicts or raises is made anew, even if the client imports it."""
    project.write("generated/__init__.py", "")
    path = project.write("generated/client_pool.py", old)
    project.write(
        "app.py", f"from generated.client_pool import ClientPool\n{CLIENT}\npool = ClientPool\n"
    )
    assert project.run("--client", "app:Client", "--check").code == 1
    assert project.run("--client", "app:Client").code == 0
    assert "class ClientPool:" in path.read_text("utf-8")


def test_two_targets_one_output(project: Project) -> None:
    """Two clients that would write one file are refused before anything is written."""
    project.write("other.py", CLIENT)
    line = project.refused("--client", "app:Client", "--client", "other:Client")
    assert "app:Client and other:Client would both be written to generated/client_pool.py" in line
    assert not Path("generated").exists()


def test_one_wrapper_name_for_many_clients(project: Project) -> None:
    """`--wrapper` names one class, so it needs one client."""
    project.write("other.py", CLIENT.replace("class Client", "class Other"))
    line = project.refused("--client", "app:Client", "--client", "other:Other", "--wrapper", "W")
    assert "--wrapper" in line


# ---------------------------------------------------------------- the manifest

MANIFEST = """
[[tool.connpool-gen.target]]
client = "app:Client"
output = "made/pool.py"
wrapper = "Clients"
methods."get" = {idempotent = true, timeout = 2.5}

[[tool.connpool-gen.target]]
client = "other:Other"
output = "made/other.py"
exclude = ["set"]
"""


@pytest.fixture
def listed(project: Project) -> Project:
    """A project with two targets in its pyproject.toml."""
    project.write("other.py", CLIENT.replace("class Client", "class Other"))
    project.write("pyproject.toml", MANIFEST)
    return project


def test_no_arguments_make_all_targets(listed: Project) -> None:
    """Without `--client` every target of pyproject.toml is made, each with its own options."""
    ran = listed.run()
    assert ran.code == 0
    assert Path("made/pool.py").exists()
    text = Path("made/pool.py").read_text("utf-8")
    assert "class Clients:" in text
    assert "idempotent=True" in text
    assert "timeout=2.5" in text
    assert "# command: connpool-gen --client app:Client\n" in text
    assert "def set(" not in Path("made/other.py").read_text("utf-8")
    assert listed.run("--check").code == 0


def test_a_named_client_keeps_its_manifest(listed: Project) -> None:
    """`--client` picks one target of the manifest, with what the manifest says about it."""
    assert listed.run("--client", "app:Client").code == 0
    assert Path("made/pool.py").exists()
    assert not Path("made/other.py").exists()


def test_flags_go_over_the_manifest(listed: Project) -> None:
    """A flag replaces what the manifest says, and the rest of the manifest stays."""
    ran = listed.run("--client", "app:Client", "--wrapper", "Mine", "--output", "else.py")
    assert ran.code == 0
    text = Path("else.py").read_text("utf-8")
    assert "class Mine:" in text
    assert "timeout=2.5" in text


def test_the_command_of_an_overridden_target_makes_it_again(listed: Project) -> None:
    """A header whose command leaves out policies still leads to the same file, through the manifest."""
    listed.run("--client", "app:Client", "--output", "else.py")
    text = Path("else.py").read_text("utf-8")
    [command] = re.findall(r"^# command: connpool-gen (.*)$", text, re.MULTILINE)
    listed.run(*command.split(), "--stdout")
    assert listed.run(*command.split(), "--stdout").out == text


@pytest.mark.parametrize("flags", [("--strict",), ("--import-timeout", "30s")])
def test_flags_that_shape_nothing_leave_the_header(listed: Project, flags: tuple[str, ...]) -> None:
    """What a run demands of the client, or how long it waits for it, makes no output stale."""
    assert listed.run("--client", "app:Client").code == 0
    assert listed.run("--client", "app:Client", "--check", *flags).code == 0


def test_nothing_to_do(project: Project) -> None:
    """Without a client and without a manifest, the message shows both ways to name one."""
    line = project.refused()
    assert "--client MODULE:CLASS" in line
    assert "[[tool.connpool-gen.target]]" in line


@pytest.mark.parametrize("text", ["[tool.connpool-gen]\ntargt = 1\n", "[tool", "\udcff"])
def test_a_bad_manifest_is_one_line(project: Project, text: str) -> None:
    """A mistake in pyproject.toml ends the run with one line."""
    Path("pyproject.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    project.refused()
    project.refused("--client", "app:Client")


# ---------------------------------------------------------------- as a process


def test_as_a_module_in_a_process(project: Project) -> None:
    """`python -m connpool_gen` is the command: artefact to stdout, messages to stderr, exit codes."""
    command = [sys.executable, "-m", "connpool_gen", "--client"]
    good = subprocess.run(
        [*command, "app:Client", "--diff", "--no-verify"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert good.returncode == 0
    assert good.stdout.startswith("--- /dev/null\n")
    assert "stale: generated/client_pool.py" in good.stderr
    bad = subprocess.run(
        [*command, "ap:Client", "--quiet"], capture_output=True, text=True, check=False
    )
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("error: ap:Client: no module named 'ap'")
    assert "Traceback" not in bad.stderr


def test_a_reader_that_goes_away(project: Project) -> None:
    """`connpool-gen --stdout | head -1` ends quietly: a closed pipe is no traceback."""
    command = (
        f"{sys.executable} -m connpool_gen --client app:Client --stdout --no-verify -q | head -c 1"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stdout == "#"
    assert done.stderr == ""


def test_a_manifest_module_cannot_shadow_the_generator(project: Project) -> None:
    """A file in the working directory named like a module of ours or of Python does not get in."""
    for name in ("ast", "json", "errors", "facts", "connpool_gen", "ruff", "mypy", "inspect"):
        project.write(f"{name}.py", "raise SystemExit('shadowed')\n")
    command = [sys.executable, "-P", "-m", "connpool_gen", "--client", "app:Client", "--stdout"]
    options = ["--no-verify", "--quiet"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert foreign_nodes(done.stdout, "shadowed") == []


def test_what_nobody_foresaw_is_no_drift(project: Project) -> None:
    """An exception that nobody foresaw ends `--check` with 2, for 1 says that an output is out of date."""
    program = """
        import sys
        import connpool_gen.cli as cli
        def fail(*_args, **_kwargs):
            raise AssertionError("nobody foresaw this")
        cli.run_requests = fail
        sys.argv = ["connpool-gen", "--client", "app:Client", "--check"]
        cli.main()
    """
    command = [sys.executable, "-c", dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "AssertionError: nobody foresaw this" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: this is a fault of connpool-gen: please")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_module_printed_to_a_full_disk(project: Project) -> None:
    """A module or a configuration that cannot be printed in whole is one line of error and exit code 2."""
    command = f"{sys.executable} -m connpool_gen --client app:Client --no-verify -q"
    for what in ("--stdout", "--show-config"):
        shell = ["sh", "-c", f"{command} {what} > /dev/full"]
        done = subprocess.run(shell, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr == "error: [Errno 28] No space left on device\n"


def test_no_thread_is_left(project: Project) -> None:
    """A run leaves no timer or thread behind."""
    before = set(threading.enumerate())
    project.run("--client", "app:Client", "--stdout")
    assert eventually(lambda: set(threading.enumerate()) <= before)


def test_the_command_goes_through_no_garbage() -> None:
    """What mypy knows is never searched for garbage, and at the end set aside, so that the interpreter does not do it."""
    program = """
        import atexit, gc
        atexit.register(lambda: print(gc.get_freeze_count() > 0, gc.isenabled()))
        import sys
        from connpool_gen.cli import main
        sys.argv = ["connpool-gen", "--version"]
        main()
    """
    command = [sys.executable, "-c", dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True False"


def test_a_check_loads_little(tmp_path: Path) -> None:
    """A check that finds everything up to date imports nothing that takes long and that only making a wrapper needs."""
    (tmp_path / "app.py").write_text(dedent(CLIENT), "utf-8")
    program = """
        import sys
        from connpool_gen.cli import main
        try:
            main()
        finally:
            long = ("black", "importlib.metadata", "jinja2", "libcst", "mypy", "pydantic")
            print([name for name in long if name in sys.modules])
    """
    command = [sys.executable, "-c", dedent(program), "--client", "app:Client"]
    cache = {"CONNPOOL_GEN_CACHE": str(tmp_path / "cache")}
    loaded = []
    for action in ("--no-verify", "--no-verify --check"):
        done = subprocess.run(
            [*command, *action.split()],
            cwd=tmp_path,
            env=os.environ | cache,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded.append(done.stdout.splitlines()[-1])
    assert "mypy" in loaded[0]
    assert loaded[1] == "[]"
