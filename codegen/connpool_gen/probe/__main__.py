"""`python -P -m connpool_gen.probe REQUEST.json ANSWER.json`."""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from connpool_gen.probe.errors import errors_of
from connpool_gen.probe.finding import (
    PlaceholderFinder,
    Refusal,
    find_class,
    find_target,
    import_target,
    place_outside_path,
    public_classes,
)
from connpool_gen.probe.instances import namespaces_ahead, namespaces_of, place_of
from connpool_gen.probe.members import describe_class
from connpool_gen.probe.usable import is_usable

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
    # The process ends soon: what importing thousands of modules leaves need not be searched for garbage on the way.
    gc.set_threshold(200_000, 30, 30)
    request = json.loads(Path(request_file).read_text("utf-8"))
    sys.path[:0] = [p for p in request["path"] if p not in sys.path]
    if request["output"]:
        sys.meta_path.insert(0, PlaceholderFinder(Path(request["output"]).resolve()))
    if request["names"]:
        answer: Json = {"names": [is_usable(*use) for use in request["names"]]}
    else:
        answer = answer_about_classes(request)
    answer["loaded"] = loaded_files()
    Path(answer_file).write_text(json.dumps(answer), "utf-8")


def answer_about_classes(request: Json) -> Json:
    """Describe the target, or further classes of its package; or return the reason why this fails."""
    try:
        module = import_target(request["module"])
        if request["list"]:
            return {"public": public_classes(module)}
        if request["classes"]:
            return {"classes": [described(*pair) for pair in request["classes"]]}
        cls, static_only = find_target(module, request["qualname"])
        described_class = describe_class(cls, request["module"], request["qualname"])
    except Refusal as refusal:
        return {"refusal": str(refusal), "missing": refusal.missing}
    package = module.__name__.partition(".")[0]
    ahead = [described(*place_of(one)) for one in namespaces_ahead(cls, package)]
    modules, namespaces = namespaces_of(package)
    return {
        "class": {**described_class, "static_only": static_only},
        "errors": errors_of(package),
        "place": place_outside_path(package),
        "ahead": ahead,
        "modules": modules,
        "namespaces": namespaces,
    }


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
    # Threads that the target started, and its atexit handlers, must not keep the run waiting.
    sys.stdout.flush()
    os._exit(0)
