"""`@reads` among the idempotent methods. What the tables say is compared with servers in tests/generated/."""

import re
from dataclasses import replace
from typing import Any

import pytest

from connpool_gen import generate
from connpool_gen.building.classifiers import CLASSIFIERS
from connpool_gen.config.manifest import load_manifest
from connpool_gen.config.request import GenerateRequest, MethodPolicy
from connpool_gen.errors import RequestError
from connpool_gen.planning.reads.known_reads import KNOWN, NAMED
from tests.codegen.made import Maker

OWN = """
class Client:
    def get(self, name: str) -> bytes: ...
    def put(self, name: str) -> None: ...
"""


LIBRARY = """
class Client:
    def get(self, url: str) -> str: ...
    def head(self, url: str) -> str: ...
    def put(self, url: str) -> str: ...


class Other:
    def send(self, url: str) -> str: ...
"""


def of_a_known_library(maker: Maker) -> str:
    """Write a small package that has the name of a library, since the real one takes seconds to read."""
    folder = maker.folder / "httpx2"
    folder.mkdir()
    (folder / "__init__.py").write_text(LIBRARY)
    return "httpx2:Client"


def repeatable(text: str) -> set[str]:
    """Name the methods that a wrapper marks as idempotent."""
    return set(re.findall(r'^@_?method\("([\w.]+)", idempotent=True', text, re.MULTILINE))


def refusal(maker: Maker, client: str, **options: Any) -> str:
    with pytest.raises(RequestError) as caught:
        generate(maker.request(client, **{"idempotent": ("@reads",), **options}))
    return str(caught.value)


def test_each_table_is_of_a_known_library_and_named_in_errors() -> None:
    """A key that no client's library has would be looked up by nobody."""
    assert KNOWN.keys() <= set(CLASSIFIERS.values())
    assert all(re.search(rf"\b{name}\b", NAMED) for name in [*KNOWN, "gRPC", "valkey"])


@pytest.mark.parametrize(
    ("client", "wanted", "marked"),
    [
        ("httpx:AsyncClient", ("get", "head", "post"), {"get", "head"}),
        ("requests.sessions:Session", ("options", "put"), {"options"}),
        ("redis:Redis", ("get", "scan_iter", "scan", "set"), {"get", "scan_iter"}),
        ("redis.asyncio:Redis", ("eval", "eval_ro", "mget"), {"eval_ro", "mget"}),
    ],
)
def test_the_word_stands_for_the_table_of_the_library(
    maker: Maker, client: str, wanted: tuple[str, ...], marked: set[str]
) -> None:
    """Synchronous or not, wherever the class is imported from; the header repeats the word."""
    text = generate(maker.request(client, include=wanted, idempotent=("@reads",))).text
    assert repeatable(text) == marked
    assert re.search(r"^# command: .*--idempotent @reads", text, re.MULTILINE)


def test_names_may_stand_beside_it(maker: Maker) -> None:
    """They add to the table; a name that no member has is refused as ever, and a policy goes first."""
    policies = (MethodPolicy(pattern="head", idempotent=False),)
    client = of_a_known_library(maker)
    asked: dict[str, Any] = {"idempotent": ("@reads", "pu[t]"), "policies": policies}
    assert repeatable(generate(maker.request(client, **asked)).text) == {"get", "put"}
    wrong = refusal(maker, client, idempotent=("@reads", "putt"))
    assert "--idempotent 'putt' matches no public member; nearest: put" in wrong


ROUTED = """
[[tool.connpool-gen.target]]
client = "httpx2:Client"
app-dir = ["."]
verify = false

[tool.connpool-gen.target.methods]
head = {{ route = "primary" }}
"{pattern}" = {{ idempotent = true, route = "replica,  any" }}
"""


def test_a_policy_may_be_of_all_that_only_read(maker: Maker) -> None:
    """As of a glob that matches them: what stands before it goes before it."""
    of_a_known_library(maker)
    (maker.folder / "pyproject.toml").write_text(ROUTED.format(pattern="@reads"))
    (request,) = requests_in(maker)
    text = generate(request).text
    assert set(re.findall(r'@method\("(\w+)"(.*)\)', text)) == {
        ("get", ', idempotent=True, route="replica, any"'),
        ("head", ', idempotent=True, route="primary"'),
        ("put", ""),
    }


def test_a_policy_of_a_table_that_there_is_not_is_refused(maker: Maker) -> None:
    """The word is a slip; and a client without a table has no such policy."""
    of_a_known_library(maker)
    (maker.folder / "pyproject.toml").write_text(ROUTED.format(pattern="@writes"))
    with pytest.raises(
        RequestError, match="methods '@writes' is not a table of methods; the only one is"
    ):
        requests_in(maker)
    policies = (MethodPolicy(pattern="@reads", route="replica"),)
    own = maker.write(OWN)
    said = refusal(maker, f"{own}:Client", idempotent=(), policies=policies)
    assert "methods @reads: the methods that only read are known for" in said


def test_what_the_client_lacks_is_skipped(maker: Maker) -> None:
    """A class of the library that has some of the methods has those marked."""
    request = maker.request(of_a_known_library(maker), idempotent=("@reads",))
    assert repeatable(generate(request).text) == {"get", "head"}


def test_a_class_below_a_known_one_has_no_table(maker: Maker) -> None:
    """Somebody's own class may do anything in its `get`."""
    of_a_known_library(maker)
    own = maker.write("import httpx2\nclass Own(httpx2.Client): ...\n")
    assert f"known for {NAMED}" in refusal(maker, f"{own}:Own")


def test_a_client_without_a_table_is_refused(maker: Maker) -> None:
    """The error names the client, what is known, and what to do."""
    client = f"{maker.write(OWN)}:Client"
    assert refusal(maker, client) == (
        f"{client}: --idempotent @reads: the methods that only read are known for {NAMED}; "
        "name those of this client"
    )


def test_sql_has_none(maker: Maker) -> None:
    """The error says why: the same method reads and writes."""
    said = refusal(maker, "sqlite3:Connection")
    assert (
        "SQL clients such as sqlite3 have no methods that only read, because that depends" in said
    )


def test_a_class_with_none_of_them_is_refused(maker: Maker) -> None:
    """A library's table that fits nothing of a class is no silent success."""
    of_a_known_library(maker)
    assert "none of the methods that only read in httpx" in refusal(maker, "httpx2:Other")


DEFAULTS = """
[tool.connpool-gen.defaults]
idempotent = "@reads"
app-dir = ["."]
verify = false

[[tool.connpool-gen.target]]
client = "httpx2:Client"

[[tool.connpool-gen.target]]
client = "{module}:Client"
"""


def test_a_default_may_mean_nothing_in_one_target(maker: Maker) -> None:
    """As a glob that several targets share: the run notes for which of them no methods are known."""
    of_a_known_library(maker)
    (maker.folder / "pyproject.toml").write_text(DEFAULTS.format(module=maker.write(OWN)))
    known, own = map(generate, requests_in(maker))
    assert (repeatable(known.text), repeatable(own.text)) == ({"get", "head"}, set())
    assert not [note for note in known.notes if "@reads" in note]
    [note] = [note for note in own.notes if "@reads" in note]
    assert note.startswith("@reads of the defaults means none of its methods: the methods that")


def requests_in(maker: Maker) -> list[GenerateRequest]:
    """Read the requests of the folder's pyproject.toml."""
    entries = load_manifest(maker.folder).entries
    found = [entry.request(entry.clients[0]) for entry in entries]
    return [replace(request, cache_dir=maker.cache_dir) for request in found]
