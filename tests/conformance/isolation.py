"""Imports a wrapper where nothing is at hand that importing the client did not need itself.

A script for a process of its own: `python isolation.py CLIENT WRAPPER_FILE`. It imports the client,
then refuses every package that this did not load, but for the standard library and the runtime, then
runs the wrapper's module. Exit code 0, or a traceback that names the import.
"""

from __future__ import annotations

import functools
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import warnings
from collections.abc import Sequence
from types import ModuleType
from typing import Any


class Refusing(importlib.abc.MetaPathFinder):
    """Finds no module of a package that is neither loaded, nor standard, nor the runtime."""

    def __init__(self) -> None:
        loaded = {name.partition(".")[0] for name in sys.modules}
        self.allowed = {*loaded, *sys.stdlib_module_names, "connpool_runtime"}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] in self.allowed:
            return None
        raise ModuleNotFoundError(f"{fullname} is not needed by the client itself", name=fullname)


def main(client: str, wrapper_file: str) -> None:
    warnings.simplefilter("ignore")
    module, _, path = client.partition(":")
    # Also the attribute: some packages load the modules of their classes only when asked for one.
    functools.reduce(getattr, path.split("."), importlib.import_module(module))
    sys.meta_path.insert(0, Refusing())
    spec: Any = importlib.util.spec_from_file_location("wrapper", wrapper_file)
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
