"""Generates the wrapper that the demo runs on, as a user would, and imports it."""

from __future__ import annotations

import ast
import shlex
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from generated.redis_pool import RedisPool  # the committed twin of what is generated here

ARGUMENTS = ["--client", "redis:Redis", "--idempotent", "hset", "--idempotent", "hget"]
OUTPUT = Path("generated", "redis_pool.py")


def generate(folder: Path, console: Console) -> type[RedisPool]:
    """Run connpool-gen for redis.Redis in a folder and return the class that it made."""
    console.print(f"[bold]$ connpool-gen {shlex.join(ARGUMENTS)}")
    subprocess.run([sys.executable, "-m", "connpool_gen", *ARGUMENTS], cwd=folder, check=True)
    text = (folder / OUTPUT).read_text()
    console.print("One method of it:")
    console.print(_method("hget", text), highlight=False, markup=False)
    return _imported(folder / OUTPUT)


def _method(name: str, text: str) -> str:
    """Cut one method out of the text."""
    methods = (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))
    method = next(node for node in methods if node.name == name)
    return "\n".join(text.splitlines()[method.lineno - 1 : method.end_lineno])


def _imported(path: Path) -> type[RedisPool]:
    spec = spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type[RedisPool] = module.RedisPool
    return found
