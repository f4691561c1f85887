"""Reads plain data from JSON, TOML and YAML files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from connpool_runtime._extras import extra
from connpool_runtime.connectors.config.errors import InvalidConfig

__all__ = ["read"]


def read(path: str | Path, section: str | Iterable[str] = ()) -> dict[str, Any]:
    """Read the mapping of a file, or of one of its sections.

    Args:
        path: the file; its suffix determines the format.
        section: keys that lead to the section, or one text with dots between them.

    Raises:
        InvalidConfig: the file is of another form, or is not what its ending says, or has no such section.
        OSError: it cannot be read.
    """
    path = Path(path)
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        raise InvalidConfig("the config file", repr(str(path)), "a file in " + ", ".join(_PARSERS))
    try:
        found: object = parse(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidConfig(
            "the config file", f"{str(path)!r} ({error})", path.suffix[1:].upper()
        ) from error
    keys = section.split(".") if isinstance(section, str) and section else list(section)
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            raise InvalidConfig("the section", repr(".".join(keys)), f"one that {str(path)!r} has")
        found = cast("Mapping[str, object]", found)[key]
    if not isinstance(found, Mapping):
        raise InvalidConfig("the config file", repr(str(path)), "a mapping of fields")
    return dict(cast("Mapping[str, Any]", found))


def _json(text: str) -> object:
    import json

    return json.loads(text)


def _toml(text: str) -> object:
    import tomllib

    return tomllib.loads(text)


def _yaml(text: str) -> object:
    with extra("yaml"):
        yaml: Any = import_module("yaml")  # PyYAML ships no types
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


_PARSERS: dict[str, Callable[[str], object]] = {
    ".json": _json,
    ".toml": _toml,
    ".yaml": _yaml,
    ".yml": _yaml,
}
