"""Wrappers made from source text or from the sample clients, imported beside their client."""

import importlib
import itertools
import linecache
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

from connpool_gen import GenerateRequest, generate
from connpool_gen.planning.ledger import Ledger, LedgerEntry

ROOT = Path(__file__).parents[2]
SAMPLES = "tests.codegen.sample_clients"
_NUMBERS = itertools.count()


def first_of_all() -> float:
    """Let a round robin begin with the first member, and not at a random one."""
    return 0.0


@dataclass(frozen=True)
class Made:
    """One generated module: its text and ledger, and what importing it gives."""

    request: GenerateRequest
    text: str
    ledger: Ledger
    client: type[Any]
    module: ModuleType

    @property
    def wrapper(self) -> type[Any]:
        """The generated class."""
        found = getattr(self.module, self.request.wrapper_name)
        assert isinstance(found, type)
        return found

    @property
    def names(self) -> dict[str, LedgerEntry]:
        """The ledger by member."""
        return {entry.name: entry for entry in self.ledger.entries}

    def over(self, *clients: object, **options: Any) -> Any:
        """Return a wrapper whose members are these clients."""
        wrapper = self.wrapper(**{"random": first_of_all, **options})
        pool = getattr(wrapper, self.pool_field)
        for client in clients:
            pool.add_client(client)
        return wrapper

    @property
    def pool_field(self) -> str:
        """The attribute that holds the pool."""
        return next(name for name in ("pool", "pool_") if f"self.{name}: " in self.text)


class Maker:
    """Makes wrappers in a folder of its own, without the check by mypy unless asked for.

    Each source gets a module name of its own, since both Python and mypy remember modules.
    """

    def __init__(self, folder: Path, cache_dir: Path) -> None:
        self.folder = folder
        self.cache_dir = cache_dir

    def write(self, source: str) -> str:
        """Write a module and return its name."""
        name = f"made_client_{next(_NUMBERS)}"
        (self.folder / f"{name}.py").write_text(dedent(source), "utf-8")
        importlib.invalidate_caches()
        return name

    def request(self, client: str, **options: Any) -> GenerateRequest:
        """Ask for a wrapper of `MODULE:CLASS`."""
        usual: dict[str, Any] = {
            "app_dirs": (self.folder, ROOT),
            "verify": False,
            "cache_dir": self.cache_dir,
        }
        return GenerateRequest(client=client, **(usual | options))

    def text(self, source: str, client: str = "Client", **options: Any) -> str:
        """Generate from source and return the module's text."""
        return generate(self.request(f"{self.write(source)}:{client}", **options)).text

    def make(self, source: str, client: str = "Client", **options: Any) -> Made:
        """Generate from source, then import client and wrapper."""
        return self.of(f"{self.write(source)}:{client}", **options)

    def of(self, client: str, **options: Any) -> Made:
        """Generate for an importable class, then import client and wrapper."""
        request = self.request(client, **options)
        made = generate(request)
        with importable(self.folder):
            target: Any = importlib.import_module(request.module)
            module = imported(made.text, f"wrapper_{next(_NUMBERS)}")
        for part in request.qualname.split("."):
            target = getattr(target, part)
        return Made(request, made.text, made.ledger, target, module)


def imported(text: str, name: str) -> ModuleType:
    """Run a module's text; its lines show in tracebacks."""
    file = "<wrapper>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    module = ModuleType(name)
    exec(compile(text, file, "exec", dont_inherit=True), vars(module))
    return module


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let modules be imported from a folder for a while."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
