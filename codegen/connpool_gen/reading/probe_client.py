"""Run the probe process and read its answer."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connpool_gen.errors import ReadError, TargetError
from connpool_gen.reading.facts import Ref, RuntimeClass, runtime_class

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connpool_gen.config.request import GenerateRequest

PROBE = (sys.executable, "-P", "-m", "connpool_gen.probe")


def read_runtime(request: GenerateRequest) -> RuntimeClass:
    """Import the target in a child process and return what the child saw.

    Raises TargetError when the class cannot be found or imported, ReadError when the child dies
    or exceeds the request's import time-out (seconds).
    """
    reply = ask_probe(request, ())
    if "refusal" in reply:
        looked = ", ".join(request.search.paths)
        raise TargetError(f"{request.client}: {reply['refusal']} (looked in {looked} and sys.path)")
    return replace(
        runtime_class(reply["class"]),
        loaded=frozenset(reply["loaded"]),
        modules=frozenset(reply["modules"]),
        place=reply["place"],
        namespaces=frozenset(Ref(*pair) for pair in reply["namespaces"]),
        ahead=tuple(runtime_class(raw) for raw in reply["ahead"] if raw is not None),
    )


def read_classes(request: GenerateRequest, refs: Sequence[Ref]) -> list[RuntimeClass | None]:
    """Describe further classes of the client's package; None for one that cannot be imported."""
    reply = ask_probe(request, refs)
    found = reply.get("classes", [None] * len(refs))
    return [runtime_class(raw) if raw is not None else None for raw in found]


def ask_probe(request: GenerateRequest, classes: Sequence[Ref]) -> dict[str, Any]:
    """Run the probe process once and return its answer."""
    with tempfile.TemporaryDirectory(prefix="connpool-gen-") as folder:
        ask, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        ask.write_text(
            json.dumps(
                {
                    "module": request.module,
                    "qualname": request.qualname,
                    "classes": [[ref.module, ref.qualname] for ref in classes],
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
    command = [*PROBE, str(ask), str(answer)]
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
        ) from None
    if not answer.exists():
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["nothing"]
        raise ReadError(
            f"{request.client}: the process that imports {request.module} ended with "
            f"exit code {done.returncode}; its last words: {said[0]}"
        )
