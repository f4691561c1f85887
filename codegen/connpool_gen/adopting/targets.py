"""Collects the targets of a move: those of the manifest, their wrappers, and what the wrappers lack."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

from connpool_gen.adopting.records import Imported, MoveTarget
from connpool_gen.config.value_forms import is_dotted_pair
from connpool_gen.errors import RequestError
from connpool_gen.nearest import suggestion
from connpool_gen.output.run import Action, Status, run_all
from connpool_gen.planning.ledger import Fate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connpool_gen.config.request import GenerateRequest
    from connpool_gen.output.run import Result
    from connpool_gen.pipeline import Progress
    from connpool_gen.planning.ledger import Ledger

LIFECYCLE = "lifecycle"
PINNED = ("pinned", "pinned_sync")


def checked_ledgers(
    requests: Sequence[GenerateRequest], watch: Callable[[GenerateRequest], Progress]
) -> list[Ledger]:
    """Check that every wrapper exists and is up to date, and return the ledgers.

    Raises RequestError, which says to run connpool-gen first.
    """
    results = run_all(requests, Action.CHECK, force=False, watch=watch)
    return [ledger_of(result) for result in results]


def ledger_of(result: Result) -> Ledger:
    """Return the ledger of an up-to-date wrapper."""
    request = result.request
    if result.status is Status.ERROR:
        raise RequestError(result.error)
    only_tool = result.drift is not None and result.drift.only_tool
    if result.made is None or (result.status is Status.STALE and not only_tool):
        lines = result.drift.lines if result.drift is not None else ()
        said = f" ({lines[0]})" if lines else ""
        raise RequestError(
            f"{request.output_path} is not up to date{said}; run `{request.command()}` first"
        )
    return result.made.ledger


def move_target(
    request: GenerateRequest,
    ledger: Ledger,
    roots: Sequence[str],
    factories: Mapping[str, Imported],
) -> MoveTarget:
    """Collect what a move has to know about one client; `roots` are folders where packages begin."""
    module = module_of(request, roots)
    name = request.protocol_name if request.mode == "protocol" else request.wrapper_name
    lacking = {e.name: e.reason for e in ledger.entries if e.fate is Fate.SKIPPED}
    return MoveTarget(
        request=request,
        wrapper=Imported(module, request.wrapper_name),
        annotation=Imported(module, name),
        members=frozenset(entry.name for entry in ledger.entries),
        lacking=lacking,
        lifecycle={
            e.name: e.reason
            for e in ledger.entries
            if e.reason.startswith(LIFECYCLE) and e.name not in lacking
        },
        pinned=pinned_members(request.output_path),
        factories=factories,
    )


def module_of(request: GenerateRequest, roots: Sequence[str]) -> str:
    """Find the module name of the wrapper: from the nearest folder where packages begin."""
    output = request.output_path.resolve()
    inside = [root for root in map(Path, roots) if output.is_relative_to(root)]
    for root in sorted(inside, key=lambda folder: len(folder.parts), reverse=True):
        parts = output.relative_to(root).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            return ".".join(parts)
    raise RequestError(
        f"{request.output_path} cannot be imported from {', '.join(roots)}; "
        "give the target an `output` below one of them, or add its folder to `app-dir`"
    )


def pinned_members(output: Path) -> frozenset[str]:
    """Read from the wrapper which members return a result that keeps its lease."""
    tree = ast.parse(output.read_text("utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    return frozenset(function.name for function in functions if is_pinned(function))


def is_pinned(function: ast.AST) -> bool:
    """Return whether a method of a wrapper keeps the lease for its result."""
    return any(isinstance(n, ast.Attribute) and n.attr in PINNED for n in ast.walk(function))


def read_factories(
    texts: Sequence[str], requests: Sequence[GenerateRequest]
) -> dict[str, dict[str, Imported]]:
    """Parse `--factory [CLIENT[.METHOD]=]MODULE:FUNCTION`: by client, then by class method; "" is the class.

    Raises RequestError for what is no such text, and for a client that is no target.
    """
    clients = [request.client for request in requests]
    found: dict[str, dict[str, Imported]] = {client: {} for client in clients}
    for text in texts:
        name, given, function = text.rpartition("=")
        if (
            function.count(":") != 1
            or not is_dotted_pair(function)
            or "." in function.partition(":")[2]
        ):
            raise RequestError(
                f"--factory {text!r} must be MODULE:FUNCTION or CLIENT=MODULE:FUNCTION, "
                f"for example {clients[0]}=app.clients:make_client"
            )
        client, method = owner_of(name, clients) if given else only(clients, text)
        module, _, attribute = function.partition(":")
        if found[client].setdefault(method, Imported(module, attribute)) != Imported(
            module, attribute
        ):
            raise RequestError(f"--factory is given twice for {name or client}")
    return found


def only(clients: Sequence[str], text: str) -> tuple[str, str]:
    """Return the only target."""
    if len(clients) > 1:
        raise RequestError(
            f"--factory {text!r}: there are {len(clients)} targets; say for which it is, "
            f"for example {clients[0]}={text}"
        )
    return clients[0], ""


def owner_of(name: str, clients: Sequence[str]) -> tuple[str, str]:
    """Split `module:Class.method` by the known targets."""
    for client in sorted(clients, key=len, reverse=True):
        rest = name.removeprefix(client)
        if name == client or (name.startswith(f"{client}.") and rest[1:].isidentifier()):
            return client, rest[1:]
    raise RequestError(f"--factory {name}=...: no target {name!r}{suggestion(name, list(clients))}")
