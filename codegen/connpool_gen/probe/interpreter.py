"""Describe an interpreter: its version, where it lies, what is installed in it.

`python FILE ANSWER.json [MODULE ...]` is run by any Python 3, also by one too old for wrappers, so
that its version can be reported. So there is no newer syntax in this file, and it imports nothing
of ours.
"""

import json
import sys
from pathlib import Path

RUNTIME = "connpool_runtime"


def description(modules: "list[str]") -> "dict[str, object]":
    """Describe the interpreter that runs this file, and list which top-level modules it finds."""
    return {
        "version": list(sys.version_info[:3]),
        "build": sys.version,
        "prefix": sys.prefix,
        "installed": installed(),
        "runtime": place_of(RUNTIME),
        "found": [name for name in modules if place_of(name) is not None],
    }


def installed() -> "list[str]":
    """List the installed distributions with their versions, by the names of their metadata."""
    names: set[str] = set()
    for entry in sys.path:
        try:
            names.update(found.name for found in Path(entry).iterdir())
        except OSError:  # an archive, or a folder that is gone or closed to us
            continue
    return sorted(name for name in names if name.endswith((".dist-info", ".egg-info")))


def place_of(module: str) -> "str | None":
    """Find the file of a top-level module, or a stand-in name if it has no file; nothing is imported."""
    if sys.version_info < (3, 11):  # noqa: UP036 # too old to be asked more than its version
        return None
    import importlib.util

    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # whatever an import hook raises
        return None
    return None if spec is None else spec.origin or module


if __name__ == "__main__":
    # This folder, where modules of ours would hide others.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    Path(sys.argv[1]).write_text(json.dumps(description(sys.argv[2:])), "utf-8")
