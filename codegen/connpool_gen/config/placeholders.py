"""Fills in the placeholders of an output path: `pools/{module}_{name}_pool.py`."""

from __future__ import annotations

from pathlib import Path
from string import Formatter
from typing import Protocol

from connpool_gen.errors import RequestError
from connpool_gen.identifiers import snake_case
from connpool_gen.nearest import suggestion


class HasTarget(Protocol):
    """What the placeholders are about."""

    @property
    def module(self) -> str:
        """The module of the client."""
        ...

    @property
    def qualname(self) -> str:
        """The class of the client."""
        ...

    @property
    def wrapper_name(self) -> str:
        """The generated class."""
        ...


def filled(output: Path, target: HasTarget) -> Path:
    """Replace `{module}` and the like by the names of a target.

    Raises RequestError for an unknown placeholder, with the nearest one.
    """
    text = output.as_posix()
    if "{" not in text and "}" not in text:
        return output
    known = placeholders(target)
    try:
        parts = list(Formatter().parse(text))
    except ValueError as error:
        raise RequestError(f"--output {text!r}: {error}") from None
    for _, name, spec, conversion in parts:
        if name is not None and (name not in known or spec or conversion):
            asked = "{" + name + "}"
            raise RequestError(f"--output: unknown placeholder {asked!r}{suggestion(name, known)}")
    return Path("".join(before + (known[name] if name else "") for before, name, _, _ in parts))


def placeholders(target: HasTarget) -> dict[str, str]:
    """List the placeholders with their meanings; the comments show those of `shop.api:OrderClient`."""
    return {
        "module": target.module.replace(".", "_"),  # shop_api
        "package": target.module.partition(".")[0],  # shop
        "path": target.module.replace(".", "/"),  # shop/api
        "class": target.qualname.rpartition(".")[2],  # OrderClient
        "name": snake_case(target.wrapper_name.removesuffix("Pool") or "client"),  # order_client
    }
