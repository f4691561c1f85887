"""Drop-in and Protocol modes, and what a wrapper gives where the client gave itself."""

import inspect
from pathlib import Path

import pytest
from mypy import api

from tests.codegen.made import ROOT, Made, Maker

SOURCE = """
from __future__ import annotations
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class Client:
    def __init__(self) -> None:
        self.host = "h"

    @overload
    def get(self, key: str) -> str: ...
    @overload
    def get(self, key: int) -> int: ...
    def get(self, key: str | int) -> str | int:
        return key

    def scan(self) -> Iterator[int]:
        yield 1

    @contextmanager
    def pipeline(self) -> Iterator[int]:
        yield 1

    @property
    def name(self) -> str:
        return "n"

    def positional(self, a: int, /, *rest: str, b: bool = False) -> None: ...

    def connect(self, host: str) -> None: ...


class Box(Generic[T]):
    def __init__(self, value: T) -> None:
        self._value = value

    def read(self) -> T:
        return self._value


class Streams:
    async def get(self) -> int:
        return 1

    async def items(self) -> AsyncIterator[int]:
        yield 1
"""


def check(maker: Maker, made: Made, use: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """mypy --strict over a wrapper and over code that uses it; the findings."""
    folder = maker.folder / "typed"
    folder.mkdir()
    stem = made.request.output_path.stem
    (folder / f"{stem}.py").write_text(made.text, "utf-8")
    imports = f"from {made.request.module} import *\nfrom {stem} import *\n"
    (folder / "use.py").write_text(imports + use, "utf-8")
    path = (maker.folder, folder, ROOT / "runtime")
    monkeypatch.setenv("MYPYPATH", ":".join(map(str, path)))
    options = ["--strict", "--config-file=", "--explicit-package-bases", "--no-error-summary"]
    cache: Path = maker.cache_dir / "modes"
    report, crash, _ = api.run([*options, f"--cache-dir={cache}", str(folder)])
    assert crash == ""
    return report.splitlines()


def test_a_drop_in_wrapper_is_a_client_for_type_checkers(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be given where the client is asked for, and its members have the client's types."""
    made = maker.make(SOURCE, mode="drop-in")
    use = (
        "def take(client: Client) -> str:\n    return client.get('x')\n"
        "take(ClientPool())\n"
        "number: int = ClientPool().get(1)\n"
    )
    assert check(maker, made, use, monkeypatch) == []


def test_a_drop_in_wrapper_is_only_a_wrapper_at_run_time(maker: Maker) -> None:
    """It is no instance of the client, its calls go to members, and what it lacks says why."""
    made = maker.make(SOURCE, mode="drop-in")
    assert made.client not in made.wrapper.__mro__
    wrapper = made.over(made.client())
    assert (wrapper.get("x"), wrapper.name, list(wrapper.scan())) == ("x", "n", [1])
    assert wrapper.host == "h"
    with pytest.raises(AttributeError, match=r"ClientPool has no 'connect': lifecycle: "):
        wrapper.connect  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no (attribute )?'nowhere'"):
        wrapper.nowhere  # noqa: B018


@pytest.mark.parametrize("client", ["Client", "Box", "Streams"])
def test_wrapper_and_client_satisfy_the_protocol(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, client: str
) -> None:
    """The Protocol holds every wrapped member: the module proves it of the wrapper, this of the client."""
    name = maker.write(SOURCE)
    made = maker.of(f"{name}:{client}", mode="protocol")
    value = "Box(1)" if client == "Box" else f"{client}()"
    use = (
        f"def take(client: {client}Protocol) -> None: ...\n"
        f"take({value})\n"
        f"take({client}Pool{'[int]' if client == 'Box' else ''}())\n"
    )
    assert check(maker, made, use, monkeypatch) == []
    protocol = getattr(made.module, f"{client}Protocol")
    wanted = {n for n, e in made.names.items() if e.fate.value == "wrapped"}
    assert wanted <= set(dir(protocol))


def test_the_protocol_refuses_what_is_not_the_client(
    maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class with another signature does not pass for one."""
    made = maker.make(SOURCE, mode="protocol")
    use = (
        "class Other:\n    def get(self, key: bytes) -> bytes: ...\n"
        "def take(client: ClientProtocol) -> None: ...\n"
        "take(Other())\n"
    )
    findings = check(maker, made, use, monkeypatch)
    assert any('incompatible type "Other"' in line for line in findings)


def test_a_fluent_client_gives_the_wrapper(maker: Maker) -> None:
    """A method that returns the client itself returns the wrapper, so that chained calls are pooled."""
    made = maker.make("""
        from __future__ import annotations
        from typing import Self
        class Client:
            def select(self, db: int) -> Self:
                return self
            def other(self) -> Self:
                return type(self)()
            def get(self) -> int:
                return 1
        """)
    wrapper = made.over(made.client())
    assert wrapper.select(1) is wrapper
    assert wrapper.select(1).select(2).get() == 1
    assert isinstance(wrapper.other(), made.client)


@pytest.mark.parametrize(
    ("parameter", "fate"),
    [
        ("client", "wrapped"),
        ("_connection", "wrapped"),
        ("adapter", "wrapped"),
        ("name", "passed through"),
    ],
)
def test_a_part_is_a_namespace_if_it_is_made_from_the_client(
    maker: Maker, parameter: str, fate: str
) -> None:
    """Or from what the client talks through, by the name of its first parameter; another object is none."""
    made = maker.make(f"""
        class Orders:
            def __init__(self, {parameter}: object) -> None: ...
            def create(self) -> int:
                return 1
        class Client:
            def __init__(self) -> None:
                self.orders = Orders(self)
            def get(self) -> int:
                return 1
        """)
    name = "orders.create" if fate == "wrapped" else "orders"
    assert made.names[name].fate.value == fate


def test_namespaces_are_pooled_to_the_leaf(maker: Maker) -> None:
    """`client.chat.completions.create` is one call with a label of its own, on the next member."""
    made = maker.make("""
        from __future__ import annotations
        from functools import cached_property
        class Completions:
            def __init__(self, client: Client) -> None:
                self._client = client
            def create(self, prompt: str, *, n: int = 1) -> tuple[int, str, int]:
                return (self._client.number, prompt, n)
        class Chat:
            def __init__(self, client: Client) -> None:
                self._client = client
            @cached_property
            def completions(self) -> Completions:
                return Completions(self._client)
        class Client:
            number = 0
            @cached_property
            def chat(self) -> Chat:
                return Chat(self)
            def get(self) -> int:
                return 1
        """)
    clients = [made.client(), made.client()]
    clients[1].number = 1
    wrapper = made.over(*clients, random=lambda: 0.0)  # the first member is drawn
    create = wrapper.chat.completions.create
    assert sorted(create("p", n=2) for _ in range(4)) == [(0, "p", 2)] * 2 + [(1, "p", 2)] * 2
    assert list(inspect.signature(create).parameters) == ["prompt", "n"]
    assert {m.name: m.successes for m in wrapper.pool.stats().methods}[
        "chat.completions.create"
    ] == 4
    assert made.names["chat.completions.create"].fate.value == "wrapped"


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_type_checkers_know_the_type_arguments_of_a_part(
    maker: Maker, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """What a generic part gives has the type for the type arguments with which the client holds the part."""
    source = """
    from typing import Generic, TypeVar
    T = TypeVar("T")
    class Rows(Generic[T]):
        def __init__(self, client: object) -> None: ...
        def get(self) -> list[T]:
            return []
    class Client(Generic[T]):
        def __init__(self) -> None:
            self.rows: Rows[T] = Rows(self)
            self.names: Rows[str] = Rows(self)
        def ping(self) -> int:
            return 1
    """
    made = maker.make(source, mode=mode)
    assert made.names["names.get"].fate.value == "wrapped"
    use = """
def use(wrapper: ClientPool[bytes]) -> None:
    wrapper.names.get()[0].casefold()
    wrapper.rows.get()[0].decode()
    wrapper.rows.get()[0].casefold()
"""
    [error] = check(maker, made, use, monkeypatch)
    assert '"bytes" has no attribute "casefold"' in error


@pytest.mark.parametrize("mode", ["pool", "drop-in", "protocol"])
def test_a_class_that_only_type_checkers_know_to_be_generic(maker: Maker, mode: str) -> None:
    """`queue.Queue` has a type parameter in its stub but none when it runs: it is Any, said openly."""
    made = maker.of("queue:Queue", mode=mode, verify=True)
    assert "Pool[Queue[Any]]" in made.text
    assert made.over(made.client()).qsize() == 0
