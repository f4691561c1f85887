"""`python -P -m connpool_gen.probe REQUEST.json ANSWER.json`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from connpool_gen.probe.finding import (
    PlaceholderFinder,
    Refusal,
    find_class,
    find_target,
    import_target,
    place_outside_path,
)
from connpool_gen.probe.instances import namespaces_ahead, namespaces_of, place_of
from connpool_gen.probe.members import describe_class

Json = dict[str, Any]


def described(module: str, qualname: str) -> Json | None:
    """Describe a class of the client's package; None where it cannot be imported."""
    try:
        return describe_class(find_class(import_target(module), qualname), module, qualname)
    except Refusal:
        return None


def loaded_files() -> list[str]:
    """List the source files of everything that importing the target loaded."""
    found = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    return sorted(file for file in found if isinstance(file, str))


def main(request_file: str, answer_file: str) -> None:
    """Read the request, describe, write the answer."""
    request = json.loads(Path(request_file).read_text("utf-8"))
    sys.path[:0] = [p for p in request["path"] if p not in sys.path]
    if request["output"]:
        sys.meta_path.insert(0, PlaceholderFinder(Path(request["output"]).resolve()))
    try:
        module = import_target(request["module"])
        if request.get("classes"):
            answer: Json = {"classes": [described(*pair) for pair in request["classes"]]}
        else:
            cls, static_only = find_target(module, request["qualname"])
            described_class = describe_class(cls, request["module"], request["qualname"])
            answer = {"class": {**described_class, "static_only": static_only}}
            answer["place"] = place_outside_path(module.__name__.partition(".")[0])
            package = module.__name__.partition(".")[0]
            ahead = namespaces_ahead(cls, package)
            answer["ahead"] = [described(*place_of(one)) for one in ahead]
            answer["modules"], answer["namespaces"] = namespaces_of(package)
    except Refusal as refusal:
        answer = {"refusal": str(refusal)}
    answer["loaded"] = loaded_files()
    Path(answer_file).write_text(json.dumps(answer), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    # Threads that the target started, and its atexit handlers, must not keep the run waiting.
    sys.stdout.flush()
    os._exit(0)
