"""Finds the template files, and reads the variables that a user's template folder declares."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connpool_gen.errors import GenerationError, RequestError
from connpool_gen.nearest import suggestion

# Raised when a template written to the contract in docs/templates.md would no longer work.
CONTRACT = 1
DECLARATION = "templates.toml"
TYPES: dict[str, type] = {"string": str, "integer": int, "boolean": bool}


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that templates may use: `-v name=value`."""

    name: str
    kind: str
    default: object | None
    required: bool


def template_folder() -> Path:
    """Find our templates: in the package when installed, two levels above it in a checkout."""
    here = Path(__file__).resolve().parents[1]
    for folder in (here / "templates", here.parents[1] / "templates"):
        if (folder / "module.py.j2").is_file():
            return folder
    raise GenerationError("the templates are missing; reinstall connpool-gen")


def template_names() -> list[str]:
    """List the names of our templates."""
    return sorted(path.name for path in template_folder().glob("*.j2"))


def template_text(name: str) -> str:
    """Read one of our templates; raises RequestError with the nearest name."""
    if name not in template_names():
        raise RequestError(f"no template {name!r}{suggestion(name, template_names())}")
    return (template_folder() / name).read_text("utf-8")


def check_folder(folder: Path) -> None:
    """Refuse a folder that is missing, follows another contract, or overrides nothing of ours."""
    if not folder.is_dir():
        raise RequestError(f"--templates {folder}: no such folder")
    contract = declaration(folder).get("contract", CONTRACT)
    if contract != CONTRACT:
        raise RequestError(
            f"--templates {folder}: written for template contract {contract}, "
            f"this version of connpool-gen has {CONTRACT}"
        )
    unknown = sorted({p.name for p in folder.glob("*.j2")} - set(template_names()))
    if not any(folder.glob("*.j2")) or set(unknown) == {p.name for p in folder.glob("*.j2")}:
        raise RequestError(
            f"--templates {folder}: it overrides none of {', '.join(template_names())}"
        )


def declaration(folder: Path) -> dict[str, Any]:
    """Read `templates.toml` of a folder; empty if there is none."""
    path = folder / DECLARATION
    try:
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise RequestError(f"{path}: {error}") from error


def declared(folder: Path) -> dict[str, Variable]:
    """Read the variables that a folder declares under `[variables]`."""
    found: dict[str, Variable] = {}
    for name, raw in declaration(folder).get("variables", {}).items():
        kind = raw.get("type", "string")
        if kind not in TYPES:
            raise RequestError(
                f"{folder / DECLARATION}: variable {name!r} has type {kind!r}"
                + suggestion(kind, TYPES)
            )
        found[name] = Variable(name, kind, raw.get("default"), "default" not in raw)
    return found


def resolve(given: tuple[str, ...], folder: Path | None) -> dict[str, object]:
    """Check `-v key=value` against the declared variables; unknown, missing and mistyped ones are errors."""
    known = declared(folder) if folder is not None else {}
    values: dict[str, object] = {v.name: v.default for v in known.values() if not v.required}
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            raise RequestError(f"-v {text!r} is not KEY=VALUE")
        if name not in known:
            hint = suggestion(name, known) or "; the templates declare none"
            raise RequestError(f"-v {name!r}: no such variable{hint}")
        values[name] = parsed(known[name], value)
    missing = [name for name, v in known.items() if v.required and name not in values]
    if missing:
        raise RequestError(f"the templates need -v {missing[0]}=...")
    return values


def parsed(variable: Variable, value: str) -> object:
    """Parse a value of the variable's type."""
    if variable.kind == "boolean":
        if value not in ("true", "false"):
            raise RequestError(f"-v {variable.name}={value}: it must be true or false")
        return value == "true"
    if variable.kind == "integer":
        try:
            return int(value)
        except ValueError:
            raise RequestError(f"-v {variable.name}={value}: it must be an integer") from None
    return value
