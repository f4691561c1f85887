"""`[[tool.connpool-gen.target]]`: every key is read or refused, and says where it stands."""

import json
import os
import re
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from connpool_gen.config.manifest import find_manifest, load_manifest, read_manifest
from connpool_gen.config.schema import manifest_schema
from connpool_gen.errors import GenerationError, RequestError

ROOT = Path(__file__).parents[3]


def manifest(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text, "utf-8")
    return folder


def target(folder: Path, text: str) -> Path:
    return manifest(folder, f'[[tool.connpool-gen.target]]\nclient = "app:Client"\n{text}\n')


def refusal(folder: Path) -> str:
    with pytest.raises(RequestError) as caught:
        read_manifest(folder)
    return str(caught.value)


@pytest.mark.parametrize("text", [None, "", "[tool.other]\nx = 1\n", "[tool.connpool-gen]\n"])
def test_no_targets(tmp_path: Path, text: str | None) -> None:
    """A project without our table, or without the file, lists no targets."""
    if text is not None:
        manifest(tmp_path, text)
    assert read_manifest(tmp_path) == []


def test_a_whole_target(tmp_path: Path) -> None:
    """Each key reaches the request."""
    target(
        tmp_path,
        """
        output = "out/pools.py"
        wrapper = "Clients"
        pool-field = "members"
        mode = "protocol"
        metrics = false
        include = ["get*"]
        exclude = ["get_raw"]
        idempotent = ["get*"]
        app-dir = ["src"]
        verify = false
        import-timeout = 5
        [tool.connpool-gen.target.methods."get*"]
        idempotent = true
        timeout = 2
        expected = ["app:NotFound"]
        ignored = ["app.errors:Outer.Busy"]
        judge = "app.policies:judge"
        hash-key = "key"
        """,
    )
    [request] = read_manifest(tmp_path)
    assert request.client == "app:Client"
    assert request.output_path == Path(os.path.relpath(tmp_path / "out/pools.py"))
    assert (request.wrapper_name, request.pool_field) == ("Clients", "members")
    assert (request.mode, request.metrics, request.verify) == ("protocol", False, False)
    assert (request.include, request.exclude) == (("get*",), ("get_raw",))
    assert (request.app_dirs, request.import_timeout) == ((Path("src"),), 5.0)
    policy = request.policy("get_all")
    assert (policy.idempotent, policy.timeout, policy.hash_key) == (True, 2.0, "key")
    assert policy.judge == "app.policies:judge"
    assert (policy.expected, policy.ignored) == (("app:NotFound",), ("app.errors:Outer.Busy",))


def test_a_table_of_methods_may_stand_alone_or_in_the_list(tmp_path: Path) -> None:
    """`idempotent` takes `"@reads"`, or a list that has it among names; no other text, and no other table."""
    for text, patterns in (
        ('"@reads"', ("@reads",)),
        ('["@reads", "set"]', ("@reads", "set")),
        ("[]", ()),
    ):
        target(tmp_path, f"idempotent = {text}")
        assert read_manifest(tmp_path)[0].idempotent == patterns
    target(tmp_path, 'idempotent = "set"')
    assert """it must be a list of strings, or "@reads\"""" in refusal(tmp_path)
    target(tmp_path, 'idempotent = ["@writes"]')
    assert "'@writes' is not a table of methods; the only one is '@reads'" in refusal(tmp_path)
    target(tmp_path, 'include = "@reads"')
    assert "it must be a list of strings" in refusal(tmp_path)


def test_the_schema_knows_the_table_of_methods() -> None:
    """Editors accept the word alone and in the list, and no other that begins so."""
    target_keys = json.loads(manifest_schema())["properties"]["target"]["items"]["properties"]
    alone, listed = target_keys["idempotent"]["anyOf"]
    assert alone == {"const": "@reads"}
    names = ("@reads", "get*", "@read", "@reads2")
    fitting = [name for name in names if re.search(listed["items"]["pattern"], name)]
    assert fitting == ["@reads", "get*"]


def test_validate_pyproject_finds_the_schema() -> None:
    """The entry point leads to a schema that a validator written in Python takes, times in words and all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    points = project["entry-points"]["validate_pyproject.tool_schema"]
    [(tool, place)] = points.items()
    schema = EntryPoint(tool, place, "validate_pyproject.tool_schema").load()(tool)
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    good: dict[str, Any] = {"target": [{"client": "redis:Redis", "import-timeout": "500ms"}]}
    assert validator.is_valid(good)
    for key, value in (("import-timeout", "5 min"), ("idempotnt", ["get"])):
        assert not validator.is_valid({"target": [{**good["target"][0], key: value}]})


def test_methods_keep_their_order(tmp_path: Path) -> None:
    """The first pattern in the file wins, so their order is kept."""
    target(
        tmp_path,
        'methods."get" = {idempotent = false}\nmethods."*" = {idempotent = true}',
    )
    [request] = read_manifest(tmp_path)
    assert request.policy("get").idempotent is False
    assert request.policy("set").idempotent is True


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('wraper = "W"', r"app:Client: unknown key 'wraper'; did you mean 'wrapper'?"),
        ('pool_field = "p"', "did you mean 'pool-field'?"),
        ("idempotents = []", "did you mean 'idempotent'?"),
        ('methods."get" = {time-out = 1}', "did you mean 'timeout'?"),
        ("zzzzzz = 1", "one of client, wrapper"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path: Path, text: str, expected: str) -> None:
    """A misspelt key is an error that names its target and the key that was meant."""
    message = refusal(target(tmp_path, text))
    assert expected in message
    assert "app:Client" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("wrapper = 1", "wrapper is 1; it must be a string"),
        ('metrics = "yes"', "metrics is 'yes'; it must be true or false"),
        ('include = "get*"', "include is 'get*'; it must be a list of strings"),
        ("include = [1]", "include is [1]; it must be a list of strings"),
        ("import-timeout = true", "import-timeout is True; it must be a number"),
        ('methods = ["get"]', "methods is ['get']; it must be a table"),
        ('methods."get" = true', 'methods."get" is True; it must be a table'),
        ('methods."get" = {idempotent = 1}', "idempotent is 1; it must be true or false"),
        ('methods."get" = {timeout = "soon"}', "timeout is 'soon'; it must be a number of seconds"),
        ('methods."get" = {expected = [1]}', "expected is [1]; it must be a list of strings"),
    ],
)
def test_a_value_of_the_wrong_type(tmp_path: Path, text: str, expected: str) -> None:
    """The message names the target, the key, the value and what is allowed."""
    message = refusal(target(tmp_path, text))
    assert expected in message
    assert "app:Client" in message


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('methods."get" = {timeout = 0}', "timeout"),
        ('methods."get" = {timeout = -1.5}', "timeout"),
        ('methods."get" = {timeout = nan}', "timeout"),
        ('methods."get" = {timeout = inf}', "timeout"),
        ('methods."get" = {expected = ["KeyError"]}', "'KeyError'"),
        ('methods."get" = {ignored = ["os:system(1)"]}', "'os:system(1)'"),
        ('methods."get" = {judge = "judge"}', "'judge'"),
        ("import-timeout = -1", "-1"),
        ('mode = "pol"', "'pol'"),
        ('methods."get" = {timeout = "0ms"}', "timeout"),
        ('connector = "htttp"', "--connector 'htttp' is unknown; did you mean 'http'?"),
        ('wrapper = "a b"', "'a b'"),
    ],
)
def test_a_value_out_of_range(tmp_path: Path, text: str, word: str) -> None:
    """A value that cannot be used is refused by a message that names the target and the value."""
    message = refusal(target(tmp_path, text))
    assert word in message
    assert "app:Client" in message


@pytest.mark.parametrize(
    "text",
    [
        "tool = 3",
        "[tool]\nconnpool-gen = 3",
        "[tool.connpool-gen]\ntarget = 3",
        '[tool.connpool-gen]\ntarget = ["app:Client"]',
        '[tool.connpool-gen.target]\nclient = "app:Client"',
        "[tool.connpool-gen]\ntargets = []",
        "[[tool.connpool-gen]]\nclient = 'a:C'",
        "[tool.connpool-gen]\nclient = 'a:C'",
        "[tool.connpool-gen]\ndefaults = 3",
        "[tool.connpool-gen.defaults]\nclient = 'a:C'",
        "[tool.connpool-gen.defaults]\nwrapper = 'W'",
        "[tool.connpool-gen.defaults]\nmode = 'pol'",
        "[[tool.connpool-gen.target]]\nclient = 'a:C'\nclients = ['a:D']",
        "[[tool.connpool-gen.target]]\nclients = []",
        "[[tool.connpool-gen.target]]\nclient = '*:C'",
        "[[tool.connpool-gen.target]]\nclient = 'a:*'\nwrapper = 'W'",
        "[[tool.connpool-gen.target]]\nclient = 'a:C'\nexclude-clients = ['D']",
        "[[tool.connpool-gen.target]]\nwrapper = 'W'",
        "[[tool.connpool-gen.target]]\nclient = 3",
        "[[tool.connpool-gen.target]]\nclient = 'Client'",
        "[tool.connpool-gen",
    ],
)
def test_a_table_of_the_wrong_shape(tmp_path: Path, text: str) -> None:
    """Whatever TOML holds, a mistake is one of ours with the place in it, never a traceback."""
    message = refusal(manifest(tmp_path, text))
    assert "connpool-gen" in message or "pyproject.toml" in message


@pytest.mark.parametrize("name", ["connpool_gen", "connpoolgen", "conpool-gen", "connpool-gem"])
def test_a_table_that_is_nearly_ours(tmp_path: Path, name: str) -> None:
    """A slip in the name of the table is an error that says what it is called."""
    text = f'[[tool.{name}.target]]\nclient = "app:Client"\n'
    message = refusal(manifest(tmp_path, text))
    assert f"[tool.{name}] is an unknown table; did you mean [tool.connpool-gen]?" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[connpool-gen]", "[connpool-gen] is an unknown table; did you mean [tool.connpool-gen]?"),
        ("[[connpool_gen.target]]", "did you mean [tool.connpool-gen]?"),
        ("[tool.connpool-gen-target]", "did you mean [tool.connpool-gen]?"),
        ("[[tool.connpool-gen]]", "a target is written as [[tool.connpool-gen.target]]"),
        ("[[tool.connpool-gen.targets]]", "unknown key 'targets'; did you mean 'target'?"),
        ("[tool.connpool-gen.target]", "is one table; write it as [[tool.connpool-gen.target]]"),
        ("[tool.connpool-gen.default]", "unknown key 'default'; did you mean 'defaults'?"),
        (
            "[tool.connpool-gen]\nmode = 'pool'",
            "or for all targets in [tool.connpool-gen.defaults]",
        ),
    ],
)
def test_a_slip_is_told_with_the_right_name(tmp_path: Path, text: str, expected: str) -> None:
    """Each usual way to get the tables wrong is answered with how they are written."""
    assert expected in refusal(manifest(tmp_path, f"{text}\n"))


@pytest.mark.parametrize("name", ["connpool-runtime", "connpoolctl", "mypy", "ruff"])
def test_a_table_of_another_tool(tmp_path: Path, name: str) -> None:
    """Tables of other tools, also of those with names like ours, are none of our business."""
    assert read_manifest(manifest(tmp_path, f"[tool.{name}]\nx = 1\n")) == []


@pytest.mark.parametrize(
    ("written", "seconds"), [("2", 2.0), ("0.25", 0.25), ('"500ms"', 0.5), ('"1.5 s"', 1.5)]
)
def test_durations(tmp_path: Path, written: str, seconds: float) -> None:
    """A number of seconds may be written with its unit, in every key that holds one."""
    text = f'import-timeout = {written}\nmethods."get" = {{timeout = {written}}}'
    [request] = read_manifest(target(tmp_path, text))
    assert (request.import_timeout, request.policy("get").timeout) == (seconds, seconds)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A manifest in another encoding is named as the file at fault."""
    (tmp_path / "pyproject.toml").write_bytes(b"\xff\xfe")
    assert "pyproject.toml" in refusal(tmp_path)


def test_a_target_without_client_is_named_by_its_place(tmp_path: Path) -> None:
    """The second of two targets is called number 2."""
    text = '[[tool.connpool-gen.target]]\nclient = "a:C"\n[[tool.connpool-gen.target]]\n'
    assert "number 2: the key 'client' is missing" in refusal(manifest(tmp_path, text))


DEFAULTS = """
[tool.connpool-gen.defaults]
idempotent = ["get*"]
docstrings = "none"
methods."get*" = {timeout = 1}
"""


def test_targets_inherit_the_defaults(tmp_path: Path) -> None:
    """What a target does not say it inherits; what it says replaces the default, lists and policies too."""
    more = """
        [[tool.connpool-gen.target]]
        client = "app:Other"
        idempotent = ["put"]
        methods.put = {timeout = 2}
        """
    target(tmp_path, DEFAULTS + more)
    one, other = read_manifest(tmp_path)
    assert (one.idempotent, one.docstrings) == (("get*",), "none")
    assert one.policy("get_all").timeout == 1.0
    assert (other.idempotent, other.docstrings) == (("put",), "none")
    assert (other.policy("get_all").timeout, other.policy("put").timeout) == (None, 2.0)


CLASSES = """
import abc
from collections import Counter as CounterClient

class UserClient: ...
class OrderClient: ...
class OldClient(UserClient): ...
class _PrivateClient: ...
class LostClient(Exception): ...
class Helper:
    class InnerClient: ...
OtherClient = UserClient
"""
GLOB = """
[[tool.connpool-gen.target]]
client = "shop:*Client"
exclude-clients = ["Old*"]
docstrings = "none"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A project with a module of clients."""
    (tmp_path / "shop.py").write_text(CLASSES, "utf-8")
    return tmp_path


def test_a_glob_of_classes(shop: Path) -> None:
    """It stands for the public classes that the module itself defines, by name, without the excluded ones."""
    found = read_manifest(manifest(shop, GLOB))
    assert [request.client for request in found] == ["shop:OrderClient", "shop:UserClient"]
    assert {request.docstrings for request in found} == {"none"}


def test_a_class_that_is_named_has_its_own_settings(shop: Path) -> None:
    """A class with an entry of its own is not made twice, wherever the glob stands."""
    own = '[[tool.connpool-gen.target]]\nclient = "shop:UserClient"\nwrapper = "Users"\n'
    for text in (GLOB + own, own + GLOB):
        found = read_manifest(manifest(shop, text))
        wrappers = sorted(request.wrapper_name for request in found)
        assert wrappers == ["OrderClientPool", "Users"]


def test_the_settings_of_one_class(shop: Path) -> None:
    """A class is found by its name, through a list or a glob, without importing anything."""
    (shop / "shop.py").unlink()
    several = '[[tool.connpool-gen.target]]\nclients = ["a:C", "a:D"]\nmetrics = false\n'
    found = load_manifest(manifest(shop, GLOB + several))
    assert [r.docstrings for r in found.requests_for("shop:OrderClient")] == ["none"]
    assert [r.metrics for r in found.requests_for("a:D")] == [False]
    for other in ("shop:OldClient", "shop:_PrivateClient", "other:OrderClient", "shop:Helper"):
        assert found.requests_for(other) == []


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("shop:*Clint", ("'*Clint'", "it defines", "OrderClient")),
        ("shp:*", ("no module named 'shp'", "nearest: shop")),
        ("shop:Old*", ("exclude-clients leaves no class",)),
    ],
)
def test_a_glob_that_stands_for_nothing(
    shop: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, words: tuple[str, ...]
) -> None:
    """It is an error that names what there is."""
    manifest(shop, GLOB.replace("shop:*Client", pattern))
    with pytest.raises(GenerationError) as caught:
        read_manifest(shop)
    assert all(word in str(caught.value) for word in words), caught.value


def test_the_manifest_is_found_from_below(tmp_path: Path) -> None:
    """The nearest file with our table counts, up to the root of the repository and no further."""
    target(tmp_path, "")
    inner = tmp_path / "repository" / "package" / "deep"
    inner.mkdir(parents=True)
    assert find_manifest(inner) == inner
    (tmp_path / ".git").mkdir()
    manifest(tmp_path / "repository" / "package", "[tool.other]\n")
    assert find_manifest(inner) == tmp_path
    target(tmp_path / "repository", "")
    assert find_manifest(inner) == tmp_path / "repository"
    (inner.parent / ".git").write_text("gitdir: elsewhere")
    assert find_manifest(inner) == inner


def test_paths_are_relative_to_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever the command is run, an output and a folder of modules are those beside the manifest."""
    target(tmp_path, 'output = "pools"\napp-dir = ["src"]')
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    [request] = read_manifest(tmp_path)
    assert request.output_path == Path("../pools/client_pool.py")
    assert request.search.paths == (str(tmp_path / "src"), str(tmp_path))
