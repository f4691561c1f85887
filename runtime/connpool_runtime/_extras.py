"""The libraries that integrations need, and the error raised where one is not installed."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec

__all__ = ["extra", "install", "load", "need"]


@contextmanager
def extra(name: str) -> Generator[None]:
    """Import the libraries of an extra; if one is missing, the error names the extra and the install command.

        with extra("prometheus"):
            from prometheus_client import REGISTRY

    Args:
        name: the extra of connpool-runtime that brings them.

    Raises:
        ModuleNotFoundError: instead of Python's own, whose `name` it has.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library == "connpool_runtime":
            raise
        raise _missing(library, name) from None


def need(library: str, extra: str) -> None:
    """Refuse to go on without a library; missing at its first use, it would look like a failed server.

    Args:
        library: the package that will be imported.
        extra: the extra of connpool-runtime that brings it.

    Raises:
        ModuleNotFoundError: it is not installed; the message names the extra and the command.
    """
    if find_spec(library) is None:
        raise _missing(library, extra)


def load(library: str) -> None:
    """Import a library now, before any time limit begins: that takes a second and more on a busy machine.

    What goes wrong is left to the import that needs the library, which reports it.
    """
    with suppress(Exception):
        import_module(library)


def install(extra: str) -> str:
    """Return the command that installs an extra, quoted so that every system's shell reads it."""
    return f'pip install "connpool-runtime[{extra}]"'


def _missing(library: str, extra: str) -> ModuleNotFoundError:
    said = f"{library} is not installed; the extra `{extra}` brings it: {install(extra)}"
    return ModuleNotFoundError(said, name=library)
