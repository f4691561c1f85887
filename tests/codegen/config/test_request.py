"""Requests: what a run is asked to do, refused at once when it cannot mean anything."""

import shlex
from pathlib import Path

import pytest

from connpool_gen import GenerateRequest
from connpool_gen.config.request import MethodPolicy
from connpool_gen.errors import RequestError


@pytest.mark.parametrize(
    "client",
    [
        "",
        "redis",
        ":Redis",
        "redis:",
        "redis:Redis()",
        "redis.:Redis",
        "redis:Redis:x",
        "redis Redis",
        "a-b:C",
        "a:C.",
        "a:C;import os",
        "a\n:C",
        "class:C",
        "a:C.def",
    ],
)
def test_a_client_is_a_module_and_a_class(client: str) -> None:
    """Whatever is not MODULE:CLASS is refused by a message that shows the form."""
    with pytest.raises(RequestError, match=r"(?s)is not MODULE:CLASS; for example redis:Redis"):
        GenerateRequest(client=client)


def test_the_halves_of_a_client() -> None:
    """The module comes before the colon, the path of the class behind it."""
    request = GenerateRequest(client="a.b:Outer.Inner")
    assert (request.module, request.qualname) == ("a.b", "Outer.Inner")
    assert request.wrapper_name == "InnerPool"


@pytest.mark.parametrize("name", ["1st", "a b", "class", "", "a.b", "x\n", "a-b"])
def test_chosen_names_are_python_names(name: str) -> None:
    """`--wrapper` and `--pool-field` must be names that can stand in code."""
    with pytest.raises(RequestError, match="--wrapper"):
        GenerateRequest(client="a:C", wrapper=name)
    with pytest.raises(RequestError, match="--pool-field"):
        GenerateRequest(client="a:C", pool_field=name)


def test_the_pool_field_is_not_mangled() -> None:
    """A name that a class body would change cannot hold the pool."""
    with pytest.raises(RequestError, match="two underscores"):
        GenerateRequest(client="a:C", pool_field="__pool")


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_the_import_has_a_limit(seconds: float) -> None:
    """A time-out is a finite number of seconds above zero."""
    with pytest.raises(RequestError, match="--import-timeout"):
        GenerateRequest(client="a:C", import_timeout=seconds)


def test_an_unknown_mode_is_refused() -> None:
    """The message names the nearest mode, or else all that there are."""
    with pytest.raises(RequestError, match=r"'dropin' is unknown; did you mean 'drop-in'\?"):
        GenerateRequest(client="a:C", mode="dropin")
    with pytest.raises(RequestError, match=r"'x' is unknown; one of pool, drop-in, protocol"):
        GenerateRequest(client="a:C", mode="x")


def test_where_the_output_goes(tmp_path: Path) -> None:
    """Nothing given: `generated/`; a folder: a file in it; a .py file: that file."""
    assert GenerateRequest(client="a:RPCClient").output_path == Path("generated/rpc_client_pool.py")
    in_folder = GenerateRequest(client="a:C", output=tmp_path, wrapper="FastPool")
    assert in_folder.output_path == tmp_path / "fast_pool.py"
    new_folder = GenerateRequest(client="a:C", output=Path("new/folder"))
    assert new_folder.output_path == Path("new/folder/c_pool.py")
    file = GenerateRequest(client="a:C", output=tmp_path / "mine.py")
    assert file.output_path == tmp_path / "mine.py"


def test_a_folder_may_be_called_py(tmp_path: Path) -> None:
    """A folder that exists is a folder, whatever its name ends in."""
    (tmp_path / "odd.py").mkdir()
    request = GenerateRequest(client="a:C", output=tmp_path / "odd.py")
    assert request.output_path == tmp_path / "odd.py" / "c_pool.py"


@pytest.mark.parametrize(
    ("include", "exclude", "wanted"),
    [
        ((), (), {"get", "set", "get_all"}),
        (("get*",), (), {"get", "get_all"}),
        ((), ("get*",), {"set"}),
        (("get*",), ("*_all",), {"get"}),
        (("GET",), (), set()),
    ],
)
def test_include_and_exclude(
    include: tuple[str, ...], exclude: tuple[str, ...], wanted: set[str]
) -> None:
    """Excluding wins over including, and upper case is not lower case."""
    request = GenerateRequest(client="a:C", include=include, exclude=exclude)
    assert {name for name in ("get", "set", "get_all") if request.wants(name)} == wanted


def test_the_first_pattern_that_speaks_decides() -> None:
    """Each setting of a method comes from the first glob that sets it; later ones fill gaps."""
    request = GenerateRequest(
        client="a:C",
        idempotent=("scan",),
        policies=(
            MethodPolicy(pattern="get", idempotent=False),
            MethodPolicy(pattern="g*", idempotent=True, timeout=2.0),
            MethodPolicy(pattern="*", timeout=9.0, hash_key="key"),
        ),
    )
    get, give, scan = (request.policy(name) for name in ("get", "give", "scan"))
    assert (get.idempotent, get.timeout, get.hash_key) == (False, 2.0, "key")
    assert (give.idempotent, give.timeout) == (True, 2.0)
    assert (scan.idempotent, scan.timeout) == (True, 9.0)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(seconds: float) -> None:
    """A policy's time-out is finite and above zero, since it stands in the output as a number."""
    with pytest.raises(RequestError, match="timeout"):
        MethodPolicy(pattern="*", timeout=seconds)


@pytest.mark.parametrize(
    "name", ["KeyError", "a.b", "os:system('x')", ":E", "a:", "a b:C", "a:C\n"]
)
def test_an_error_is_a_module_and_a_class(name: str) -> None:
    """Exceptions of a policy become code, so they must be plain names."""
    with pytest.raises(RequestError, match="MODULE:CLASS"):
        MethodPolicy(pattern="*", expected=(name,))
    with pytest.raises(RequestError, match="MODULE:CLASS"):
        MethodPolicy(pattern="*", ignored=(name,))


def test_the_command_holds_what_was_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The command names every option that shapes the output, with paths that another checkout has."""
    monkeypatch.chdir(tmp_path)
    request = GenerateRequest(
        client="a:C",
        wrapper="W",
        output=tmp_path / "out" / "w.py",
        pool_field="p",
        include=("get*",),
        exclude=("*_raw",),
        idempotent=("get",),
        app_dirs=(tmp_path / "src",),
        mode="drop-in",
        metrics=False,
    )
    assert shlex.split(request.command()) == [
        *("connpool-gen", "--client", "a:C", "--wrapper", "W", "--pool-field", "p"),
        *("--output", "out/w.py", "--app-dir", "src", "--include", "get*", "--exclude", "*_raw"),
        *("--idempotent", "get", "--drop-in", "--no-metrics"),
    ]


@pytest.mark.parametrize(
    "pattern",
    ["it's", "a b", '"', "$(pwd)", "x\nraise SystemExit(pwned)\n#", "\r", "\x0c", "\u2028"],
)
def test_the_command_is_one_line_that_a_shell_understands(pattern: str) -> None:
    """Whatever a pattern or a folder is called, the command stays one line, or the request is refused."""
    try:
        request = GenerateRequest(client="a:C", exclude=(pattern,), app_dirs=(Path(pattern),))
        command = request.command()
    except RequestError:
        return
    assert len(command.splitlines()) == 1
    words = shlex.split(command)
    assert words[words.index("--exclude") + 1] == pattern
    assert words[words.index("--app-dir") + 1] == pattern


def test_the_search_path_is_app_dirs_then_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Targets are looked for in the given folders first, then in the working directory, each once."""
    monkeypatch.chdir(tmp_path)
    request = GenerateRequest(client="a:C", app_dirs=(Path("src"), tmp_path, tmp_path / "src"))
    assert request.search.paths == (str(tmp_path / "src"), str(tmp_path))
