"""Imports a generated module and makes its wrapper over a recording client."""

from __future__ import annotations

import functools
import importlib.util
import warnings
from types import ModuleType
from typing import Any

from connpool_runtime import AsyncPool, Pool
from tests.conformance.corpus import Client
from tests.conformance.workshop import Workshop


@functools.cache
def load_wrapper(workshop: Workshop, client: Client) -> Any:
    """The wrapper class of a client."""
    module = load_module(workshop, client)
    return getattr(module, module.__all__[0])


@functools.cache
def load_module(workshop: Workshop, client: Client) -> ModuleType:
    """The generated module; what the client's package warns of is its own business."""
    file = workshop.wrappers / f"{client.slug}.py"
    spec = importlib.util.spec_from_file_location(f"wrappers.{client.slug}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spec.loader.exec_module(module)
    return module


def pool_of(wrapper: Any) -> Pool[Any] | AsyncPool[Any]:
    """The pool of a wrapper, whatever its field is called."""
    pools = [value for value in vars(wrapper).values() if isinstance(value, (Pool, AsyncPool))]
    assert len(pools) == 1, f"{type(wrapper).__name__} holds {len(pools)} pools"
    return pools[0]
