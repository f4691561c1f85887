"""Run the probe process and read its answer."""

from __future__ import annotations

import json
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connpool_gen.config.value_forms import nearest_pair
from connpool_gen.environment.finding import Place
from connpool_gen.environment.interpreter import python_of
from connpool_gen.environment.other_environments import hint
from connpool_gen.errors import ReadError, TargetError
from connpool_gen.probe import start
from connpool_gen.reading.facts import Ref, RuntimeClass, runtime_class
from connpool_gen.reading.source_client import without_importing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connpool_gen.building.names import NameUse
    from connpool_gen.config.request import GenerateRequest

RUNTIME = "connpool_runtime"
# Safe path: nothing is imported from the folder of the file.
PROBE = ("-P", start.__file__)


def read_runtime(request: GenerateRequest) -> RuntimeClass:
    """Import the target in a child process and return its description.

    Raises TargetError when the class cannot be found or imported, ReadError when the child dies
    or exceeds the request's import time-out (seconds).
    """
    reply = ask_probe(request, ())
    if "refusal" in reply:
        missing = reply["missing"]
        more = hint(missing, python_of(request), Place.here(request.root)) if missing else ""
        if request.module.endswith(".py"):
            more += f"; a module is named without .py: {nearest_pair(request.client)}"
        more += without_importing(request)
        raise TargetError(f"{request.client}: {reply['refusal']} ({looked_in(request)}){more}")
    return replace(
        runtime_class(reply["class"]),
        loaded=frozenset(reply["loaded"]),
        modules=frozenset(reply["modules"]),
        place=reply["place"],
        errors=reply["errors"],
        namespaces=frozenset(Ref(*pair) for pair in reply["namespaces"]),
        ahead=tuple(runtime_class(raw) for raw in reply["ahead"] if raw is not None),
    )


def looked_in(request: GenerateRequest) -> str:
    """Describe where the client was searched for."""
    folders = ", ".join(request.search.paths)
    return f"looked in {folders} and the packages of {python_of(request).label}"


def read_classes(request: GenerateRequest, refs: Sequence[Ref]) -> list[RuntimeClass | None]:
    """Describe further classes of the client's package; None for one that cannot be imported."""
    reply = ask_probe(request, refs)
    found = reply.get("classes", [None] * len(refs))
    return [runtime_class(raw) if raw is not None else None for raw in found]


def lacking_names(request: GenerateRequest, uses: Sequence[NameUse]) -> frozenset[NameUse]:
    """Find the names in annotations that do not exist at run time, or are no types there.

    The runtime's own are, whether it is installed where the client is or not.
    """
    asked = [use for use in uses if use.module.partition(".")[0] != RUNTIME]
    if not asked:
        return frozenset()
    reply = ask_probe(request, (), [[use.module, use.qualname, use.subscripted] for use in asked])
    return frozenset(use for use, there in zip(asked, reply["names"], strict=True) if not there)


def ask_probe(
    request: GenerateRequest,
    classes: Sequence[Ref],
    names: Sequence[list[object]] = (),
    *,
    list_classes: bool = False,
) -> dict[str, Any]:
    """Run the probe process once and return its answer.

    That is about the target, further classes, names, or which classes the target's module has.
    """
    with tempfile.TemporaryDirectory(prefix="connpool-gen-") as folder:
        ask, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        ask.write_text(
            json.dumps(
                {
                    "module": request.module,
                    "qualname": request.qualname,
                    "classes": [[ref.module, ref.qualname] for ref in classes],
                    "names": names,
                    "list": list_classes,
                    "path": request.search.paths,
                    "output": str(request.output_path.resolve()),
                }
            ),
            "utf-8",
        )
        run_probe(request, ask, answer)
        reply: dict[str, Any] = json.loads(answer.read_text("utf-8"))
        return reply


def run_probe(request: GenerateRequest, ask: Path, answer: Path) -> None:
    """Run the child; raises ReadError when it dies or takes too long."""
    command = [python_of(request).executable, *PROBE, str(ask), str(answer)]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=request.import_timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ReadError(
            f"{request.client}: importing {request.module} took longer than "
            f"{request.import_timeout:g} s; raise --import-timeout if it is only slow"
            + without_importing(request)
        ) from None
    if not answer.exists():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise ReadError(
            f"{request.client}: the process that imports {request.module} ended with "
            f"exit code {done.returncode}; its last words: {said[0]}" + without_importing(request)
        )
