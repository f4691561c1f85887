"""Lists the public names: those of the public modules, and the attributes of their classes.

`python -m tools.public_names` writes tests/packaging/public_names.txt, which a test compares; docs/stability.md says
what is promised of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

FILE = Path(__file__).parents[1] / "tests" / "packaging" / "public_names.txt"
# What users import from. All other modules may change at any time.
MODULES = (
    "connpool_gen",
    "connpool_runtime",
    "connpool_runtime.admin",
    "connpool_runtime.classifiers.registry",
    "connpool_runtime.config",
    "connpool_runtime.connectors",
    "connpool_runtime.connectors.custom",
    "connpool_runtime.connectors.etcd",
    "connpool_runtime.connectors.grpc",
    "connpool_runtime.connectors.http",
    "connpool_runtime.connectors.milvus",
    "connpool_runtime.connectors.redis",
    "connpool_runtime.discovery",
    "connpool_runtime.grpc",
    "connpool_runtime.grpc_aio",
    "connpool_runtime.manager",
    "connpool_runtime.metrics.otel",
    "connpool_runtime.metrics.otel_histograms",
    "connpool_runtime.metrics.otel_shared_clients",
    "connpool_runtime.metrics.prometheus",
    "connpool_runtime.metrics.shared_clients",
    "connpool_runtime.middleware",
    "connpool_runtime.middleware.exemplars",
    "connpool_runtime.registry",
    "connpool_runtime.testing",
    "connpool_runtime.typing",
)
OURS = ("connpool_gen", "connpool_runtime")


def public_names() -> list[str]:
    """List all public names, sorted."""
    return sorted({name for module in MODULES for name in _of_module(module)})


def text() -> str:
    """Return what the file has to hold."""
    return "\n".join([*public_names(), ""])


def _of_module(module: str) -> Iterator[str]:
    home = import_module(module)
    for name in home.__all__:
        yield f"{module}.{name}"
        value = getattr(home, name)
        if inspect.isclass(value):
            yield from (f"{module}.{name}.{attribute}" for attribute in _attributes(value))


def _attributes(kind: type) -> set[str]:
    """The public attributes that a class has from us, fields included."""
    found: set[str] = set()
    for base in kind.__mro__:
        if base.__module__.startswith(OURS):
            found |= {*vars(base), *inspect.get_annotations(base)}
    return {name for name in found if not name.startswith("_")}


def main() -> None:
    """Write the list."""
    FILE.write_text(text(), "utf-8")


if __name__ == "__main__":
    main()
