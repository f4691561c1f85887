"""`--static` from end to end: clients that nobody can import where the generator runs."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest

from connpool_gen import GeneratedModule, GenerateRequest, generate
from connpool_gen.errors import ReadError, TargetError
from tests.codegen.made import ROOT, imported

STUB = """
    from typing import Any, ClassVar, overload

    LIMIT: int

    class Orders:
        def __init__(self, client: Client) -> None: ...
        def create(self, thing: str, count: int = ...) -> str: ...

    class Client:
        \"\"\"Sells things.\"\"\"
        currency: ClassVar[str]
        town: str
        orders: Orders
        def __init__(self, town: str) -> None: ...
        def price(self, thing: str, at: str = ..., *, most: int = 0x10, least: int = LIMIT) -> int:
            \"\"\"Say what a thing costs.\"\"\"
        # Of no function in particular.

        # Put things in.  # As many as wanted.
        # type: ignore
        def put(self, thing: str, many: int = ..., /) -> None: ...
        def all(self, first: int = ..., *rest: int) -> list[int]: ...
        @overload
        def find(self, key: str) -> str: ...
        @overload
        def find(self, key: str, count: int, *, wide: bool = ...) -> list[str]: ...
        @classmethod
        def known(cls, country: str = ...) -> list[str]: ...
        @property
        def state(self) -> str: ...
        def close(self) -> None: ...
    """


class Recording:
    """A real client of the stub's shape, whose defaults no stub tells; answers with what it was given."""

    currency = "EUR"
    state = "open"
    town = "Porto"

    def __init__(self) -> None:
        self.orders = self

    def create(self, *args: object, **kwargs: object) -> object:
        return (args, kwargs)

    price = put = all = find = known = create

    def close(self) -> None:
        self.state = "closed"


Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a file of a package into an empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)

    def one(name: str, source: str) -> None:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), "utf-8")

    return one


@pytest.fixture
def static(checker_cache: Path) -> Callable[..., GeneratedModule]:
    """Read a client without importing it."""

    def one(client: str, **options: Any) -> GeneratedModule:
        usual: dict[str, Any] = {"static": True, "verify": False, "cache_dir": checker_cache}
        return generate(GenerateRequest(client=client, **(usual | options)))

    return one


Static = Callable[..., GeneratedModule]


def pool_over(made: GeneratedModule, *clients: object) -> Any:
    """Import a wrapper, where its client cannot be imported, and fill it."""
    module: ModuleType = imported(made.text, "static_wrapper")
    pool = getattr(module, module.__all__[0])()
    for client in clients:
        pool.pool.add_client(client)
    return pool


def reasons(made: GeneratedModule) -> dict[str, str]:
    return {entry.name: entry.reason for entry in made.ledger.entries}


def test_a_single_stub(write: Write, static: Static) -> None:
    """A `.pyi` alone gives a wrapper that passes mypy, needs nothing of it at run time, and passes on what is given."""
    write("shop.pyi", STUB)
    made = static("shop:Client", verify=True)
    pool = pool_over(made, Recording())
    assert pool.price("tea") == ((), {"thing": "tea", "most": 16})
    assert pool.price("tea", "noon", least=3) == (
        (),
        {"thing": "tea", "at": "noon", "most": 16, "least": 3},
    )
    assert pool.put("tea") == (("tea",), {})
    assert pool.put("tea", 2) == (("tea", 2), {})
    assert pool.all() == ((), {})
    assert pool.all(1, 2, 3) == ((1, 2, 3), {})
    assert pool.find("tea", 2) == ((), {"key": "tea", "count": 2})
    assert pool.known() == ((), {})
    assert pool.orders.create("tea") == ((), {"thing": "tea"})
    assert (pool.currency, pool.state, pool.town) == ("EUR", "open", "Porto")
    assert "0x10" in made.text
    assert '"""Say what a thing costs."""' in made.text
    assert "    # Put things in.  # As many as wanted.\n    def put(" in made.text
    assert "particular" not in made.text
    assert reasons(made)["price"] == "only the client knows the default of at, least"
    assert reasons(made)["orders.create"] == "only the client knows the default of count"
    assert "there is no class to call it on" in reasons(made)["known"]


def test_a_stub_package(write: Write, static: Static) -> None:
    """`shop-stubs` is found for `shop`, of which nothing else is installed, and its modules import each other."""
    write("shop-stubs/__init__.pyi", "from .client import Client as Client\n")
    write("shop-stubs/client.pyi", "from shop.base import Base\nclass Client(Base): ...\n")
    write(
        "shop-stubs/base.pyi",
        "class Base:\n    async def get(self, key: str, more: int = ...) -> str: ...\n",
    )
    made = static("shop:Client")
    assert "from shop import Client" in made.text.partition("if TYPE_CHECKING:")[2]

    class Real:
        async def get(self, key: str, more: int = 7) -> str:
            return f"{key} {more}"

    assert asyncio.run(pool_over(made, Real()).get("tea")) == "tea 7"


def test_a_class_under_type_checking(write: Write, static: Static) -> None:
    """A class that a module only has for type checkers is wrapped, and imported for type checkers only."""
    write(
        "made.py",
        """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            class Client:
                def get(self, key: str, most: int = 3) -> str:
                    return key
        """,
    )
    made = static("made:Client")
    assert "from made import Client" in made.text.partition("if TYPE_CHECKING:")[2]

    class Real:
        def get(self, key: str, most: int) -> str:
            return f"{key} {most}"

    assert pool_over(made, Real()).get("tea") == "tea 3"


KILLS = """
import os
from pathlib import Path

Path("imported").touch()
os._exit(5)
"""


def test_nothing_is_imported(write: Write, static: Static, tmp_path: Path) -> None:
    """No module of the target's package runs, though it is read through several of them, with its namespaces."""
    write("deadly/__init__.py", KILLS)
    write("deadly/limits.py", "MOST = 6 * 10\nUNSET = object()\n" + KILLS)
    write(
        "deadly/parts.py",
        dedent("""
            class Orders:
                def __init__(self, client: "object") -> None:
                    self._client = client
                def create(self, thing: str) -> str:
                    return thing
            """) + KILLS,
    )
    write(
        "deadly/client.py",
        dedent("""
            from deadly.limits import MOST, UNSET
            from deadly.parts import Orders

            class Client:
                def __init__(self, town: str) -> None:
                    self.orders = Orders(self)
                def get(self, key: str, *, most: int = MOST, unset: object = UNSET) -> str:
                    return key
            """) + KILLS,
    )
    made = static("deadly.client:Client")
    assert "most: int = 60, unset: object = UNSET" in made.text
    assert "orders.create" in reasons(made)
    assert not (tmp_path / "imported").exists()
    assert not [name for name in sys.modules if name.partition(".")[0] == "deadly"]


def test_another_platform(write: Write, static: Static) -> None:
    """A client that imports what only another platform has is read all the same."""
    write(
        "windows_only.py",
        """
        import winreg
        from no_such_package import helper

        class Client:
            @helper
            def get(self, key: str) -> str:
                return key
            def put(self, key: str, kind: int = winreg.REG_SZ) -> None: ...
        """,
    )
    made = static("windows_only:Client")
    assert (
        reasons(made)["get"] == "a decorator could not be read: no_such_package is not to be found"
    )
    assert 'default_of(Client, "put", "kind")' in made.text


def test_a_base_that_cannot_be_read(write: Write, static: Static) -> None:
    """A base whose text is not to be found is told, and what it would give is missing."""
    write(
        "derived.py",
        """
        from no_such_package import Base

        class Client(Base):
            def get(self, key: str) -> str:
                return key
        """,
    )
    made = static("derived:Client")
    assert any("Base, a base of Client in derived" in note for note in made.notes)


def test_the_same_bytes_as_by_importing(write: Write, static: Static) -> None:
    """Where a client can be imported, both ways give the same module but for the command in its header."""
    client = "tests.codegen.sample_clients:Defaults"
    texts = [static(client, app_dirs=(ROOT,), static=way).text for way in (True, False)]
    bodies = [text.partition("# ruff: noqa\n")[2] for text in texts]
    assert bodies[0] == bodies[1] != ""
    assert "--static" in texts[0].partition("# ruff: noqa\n")[0]


def test_a_failed_import_names_the_way_out(write: Write, checker_cache: Path) -> None:
    """Where importing fails and the text can be read, the error says that `--static` reads it."""
    write("kills.py", KILLS + "\nclass Client:\n    def get(self) -> int: ...\n")
    write("raises.py", "class Client:\n    def get(self) -> int: ...\n\n1 / 0\n")
    write("stubbed.pyi", "class Client:\n    def get(self) -> int: ...\n")
    for module in ("kills", "raises", "stubbed"):
        with pytest.raises((TargetError, ReadError), match="--static reads it"):
            generate(GenerateRequest(client=f"{module}:Client", cache_dir=checker_cache))
    with pytest.raises(TargetError) as caught:
        generate(GenerateRequest(client="raises:Klient", cache_dir=checker_cache))
    assert "--static" not in str(caught.value)


@pytest.mark.parametrize(
    ("client", "said"),
    [
        ("nowhere:Client", "no module named 'nowhere'"),
        ("sysconfg:Client", r"no module named 'sysconfg'; nearest: sysconfig \("),
        ("zqxconfig:Client", r"no module named 'zqxconfig' \("),
        ("shop:Klient", "shop has no class 'Klient'; nearest: Client"),
        ("shop:LIMIT", "not a class"),
        ("broken:Client", "--static cannot read .*broken.py, line 1"),
    ],
)
def test_what_cannot_be_read(write: Write, static: Static, client: str, said: str) -> None:
    """An error names the client, what is wrong with it, and where it was looked for."""
    write("shop.pyi", STUB)
    write("broken.py", "class Client(:\n")
    with pytest.raises(TargetError, match=said):
        static(client)
