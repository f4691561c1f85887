"""`python -P FILE REQUEST.json ANSWER.json`: run the probe where connpool_gen is not installed.

An interpreter of another environment finds this package by its folder alone, and nothing else of the
environment that the tool runs in.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path

PACKAGE = "connpool_gen"


def make_importable(folder: Path) -> None:
    """Make the package importable from its folder, whatever else that folder's parent contains."""
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    make_importable(Path(__file__).resolve().parents[1])
    runpy.run_module(f"{PACKAGE}.probe", run_name="__main__")
