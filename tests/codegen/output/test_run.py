"""Several targets in one run: what they have in common is analyzed once, and shows in none of the wrappers."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from mypy import build

from connpool_gen import GenerateRequest, generate
from connpool_gen.output.run import Action, Result, Status, run_all

PACKAGE = {
    "shop/__init__.py": "",
    "shop/replies.py": "class Reply: ...\n",
    "shop/orders.py": """
        from shop.replies import Reply
        class Orders:
            def get(self, key: str) -> Reply: ...
    """,
    "shop/parcels.py": """
        from shop.replies import Reply
        class Parcels:
            def find(self, number: int) -> list[Reply]: ...
    """,
    # Uses what shop.orders imports and does not export.
    "other.py": """
        from shop import orders
        class Other:
            def get(self) -> orders.Reply: ...
    """,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a package of two clients, and a module that uses what that does not export."""
    for name, text in PACKAGE.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(dedent(text), "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The builds of mypy that were begun."""
    begun: list[Any] = []
    really = build.build

    def counting(*arguments: Any, **more: Any) -> Any:
        begun.append(arguments[0])
        return really(*arguments, **more)

    monkeypatch.setattr(build, "build", counting)
    return begun


def request(client: str, cache: Path) -> GenerateRequest:
    """Ask for a wrapper in a module of its own."""
    return GenerateRequest(
        client=client,
        output=Path(f"{client.partition(':')[2].lower()}_pool.py"),
        app_dirs=(Path(),),
        cache_dir=cache,
        from_manifest=True,
    )


def run(requests: list[GenerateRequest], action: Action = Action.STDOUT) -> Iterator[Result]:
    """Run the requests as the command does."""
    return run_all(requests, action, force=False, watch=lambda request: lambda step: None)


@pytest.mark.usefixtures("project")
def test_clients_of_one_package_share_a_build(checker_cache: Path, builds: list[Any]) -> None:
    """Two clients are read, and their wrappers verified, in one build of the type checker."""
    requests = [
        request(name, checker_cache) for name in ("shop.orders:Orders", "shop.parcels:Parcels")
    ]
    assert [result.status for result in run(requests)] == [Status.PRINTED] * 2
    assert len(builds) == 1


@pytest.mark.usefixtures("project")
def test_a_client_of_careless_code_is_one_by_itself(checker_cache: Path, builds: list[Any]) -> None:
    """Where one client has to be read again, as code that uses what is not exported, the next is read once, strictly."""
    requests = [request(name, checker_cache) for name in ("other:Other", "shop.orders:Orders")]
    for count, _ in zip((3, 4), run(requests), strict=True):
        assert len(builds) == count


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.usefixtures("project")
def test_wrappers_are_those_made_alone(checker_cache: Path, turned: bool) -> None:
    """Text, ledger, notes and the files that a check looks at are the same, whatever was read before."""
    clients = ["other:Other", "shop.orders:Orders", "shop.parcels:Parcels"]
    requests = [request(client, checker_cache) for client in clients]
    alone = [generate(one) for one in requests]
    if turned:
        requests.reverse()
        alone.reverse()
    assert [result.made for result in run(requests)] == alone


def test_a_wrapper_may_be_used_by_the_next_client(project: Path, checker_cache: Path) -> None:
    """A client in whose module the wrapper of an earlier target is used sees it as it has just been written."""
    (project / "front.py").write_text(
        "from orders_pool import OrdersPool\n"
        "class Front:\n"
        "    def orders(self) -> OrdersPool: ...\n",
        "utf-8",
    )
    requests = [request(name, checker_cache) for name in ("shop.orders:Orders", "front:Front")]
    results = list(run(requests, Action.WRITE))
    assert [result.status for result in results] == [Status.WROTE] * 2
    assert results[1].made is not None
    assert "def orders(self) -> OrdersPool:" in results[1].made.text
    assert [r.status for r in run(requests, Action.CHECK)] == [Status.UP_TO_DATE] * 2


@pytest.mark.usefixtures("project")
def test_a_target_that_fails_stops_no_other(project: Path, checker_cache: Path) -> None:
    """A client that cannot be read, between two others, is an error of its own."""
    (project / "broken.py").write_text("class Broken(\n", "utf-8")
    names = ["shop.orders:Orders", "broken:Broken", "shop.parcels:Parcels"]
    statuses = [result.status for result in run([request(n, checker_cache) for n in names])]
    assert statuses == [Status.PRINTED, Status.ERROR, Status.PRINTED]
