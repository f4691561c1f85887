"""Generates the wrapper that the service is called through, as a user would, and imports it."""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from rich.console import Console

from demo.users import UserClientPool

ARGUMENTS = ["--client", "demo.users:UserClient", "--idempotent", "get_user"]
OUTPUT = Path("generated", "user_client_pool.py")
EXAMPLES = Path(__file__).parents[1]


def generate(folder: Path, console: Console) -> Callable[..., UserClientPool]:
    """Run connpool-gen for the demo's own client in a folder, and return the class that it made."""
    console.print(f"[bold]$ connpool-gen {shlex.join(ARGUMENTS)}")
    command = [sys.executable, "-m", "connpool_gen", *ARGUMENTS]
    path = os.pathsep.join([str(EXAMPLES), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, check=True)
    text = (folder / OUTPUT).read_text()
    console.print("One method of it:")
    console.print(_method("get_user", text), highlight=False, markup=False)
    return _imported(folder / OUTPUT)


def _method(name: str, text: str) -> str:
    """Cut one method out of the text."""
    methods = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    method = next(node for node in methods if node.name == name)
    return "\n".join(text.splitlines()[method.lineno - 1 : method.end_lineno])


def _imported(path: Path) -> Callable[..., UserClientPool]:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[..., UserClientPool] = module.UserClientPool
    return found
