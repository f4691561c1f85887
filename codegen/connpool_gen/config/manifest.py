"""`[[tool.connpool-gen.target]]` of pyproject.toml -> requests; unknown keys are errors."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, cast

from connpool_gen.config.options import METHOD_KEYS, TARGET_KEYS, Kind, Option
from connpool_gen.config.request import GenerateRequest, MethodPolicy
from connpool_gen.environment.interpreter import python_of
from connpool_gen.errors import RequestError
from connpool_gen.nearest import suggestion

FILE = "pyproject.toml"
NAME = "connpool-gen"
TABLE = f"tool.{NAME}"
# As like as `connpool_gen` and `conpool-gen`, and no other tool's name.
SLIP = 0.85


def read_manifest(folder: Path) -> list[GenerateRequest]:
    """Read all targets that the folder's pyproject.toml lists; none without the table."""
    path = folder / FILE
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: {error}") from error
    tool = as_table(data.get("tool", {}), f"{FILE}: [tool]")
    refuse_slips(tool)
    table = as_table(tool.get(NAME, {}), f"{FILE}: [{TABLE}]")
    refuse_unknown(table, ["target"], f"[{TABLE}]")
    targets = table.get("target", [])
    if not isinstance(targets, list):
        raise RequestError(f"{TABLE}.target is {targets!r}; write it as [[{TABLE}.target]]")
    return [
        target_request(as_table(raw, f"[[{TABLE}.target]] number {index}"), index)
        for index, raw in enumerate(cast("list[object]", targets), 1)
    ]


def refuse_slips(tool: Mapping[str, Any]) -> None:
    """Refuse a table that is nearly called like ours, such as `[tool.connpool_gen]`."""
    for name in tool:
        if name != NAME and SequenceMatcher(None, name, NAME).ratio() >= SLIP:
            raise RequestError(f"{FILE}: [tool.{name}] is read by nobody; did you mean [{TABLE}]?")


def as_table(value: object, where: str) -> dict[str, Any]:
    """Take a value as a TOML table, or refuse it with its place."""
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {value!r}; it must be a table")
    return cast("dict[str, Any]", value)


def target_request(raw: dict[str, Any], index: int) -> GenerateRequest:
    """Read one target; errors name it by its client, or by its place in the list."""
    where = f"[[{TABLE}.target]] {raw.get('client', f'number {index}')}"
    check_keys(raw, TARGET_KEYS, where)
    if "client" not in raw:
        raise RequestError(f"{where}: the key 'client' is missing")
    try:
        return GenerateRequest(**request_fields(raw, where), from_manifest=True)
    except RequestError as error:
        text = str(error)
        raise RequestError(text if text.startswith(where) else f"{where}: {text}") from None


def request_fields(raw: dict[str, Any], where: str) -> dict[str, Any]:
    """Make the fields of a request, from keys and types that are known to be right."""
    fields: dict[str, Any] = {}
    for key, value in raw.items():
        option = TARGET_KEYS[key]
        if option.kind is Kind.TABLE:
            policies = cast("dict[str, Any]", value).items()
            fields[option.field] = tuple(method_policy(p, s, where) for p, s in policies)
        else:
            fields[option.field] = option.read(value)
    return fields


def method_policy(pattern: str, raw: object, where: str) -> MethodPolicy:
    """Read `methods."get*" = {idempotent = true}`."""
    here = f'{where} methods."{pattern}"'
    settings = as_table(raw, here)
    check_keys(settings, METHOD_KEYS, here)
    fields: dict[str, Any] = {
        METHOD_KEYS[key].field: METHOD_KEYS[key].read(value) for key, value in settings.items()
    }
    return MethodPolicy(pattern=pattern, **fields)


def check_keys(raw: dict[str, Any], known: Mapping[str, Option], where: str) -> None:
    """Refuse keys that nobody reads, naming the nearest, and values of the wrong type."""
    refuse_unknown(raw, list(known), where)
    for key, value in raw.items():
        if not known[key].fits(value):
            must = known[key].kind.value
            raise RequestError(f"{where}: {key} is {value!r}; it must be {must}")


def refuse_unknown(raw: Mapping[str, Any], known: list[str], where: str) -> None:
    """Refuse a key that nobody reads."""
    for key in raw:
        if key not in known:
            raise RequestError(f"{where}: unknown key {key!r}{suggestion(key, known)}")


def configuration(requests: list[GenerateRequest]) -> str:
    """Write the resolved targets as JSON, every setting shown."""
    return json.dumps({"target": [resolved(request) for request in requests]}, indent=2)


def resolved(request: GenerateRequest) -> dict[str, Any]:
    """Show one target by the manifest's keys, with what the defaults come to."""
    shown = {
        key: option.shown(getattr(request, option.field))
        for key, option in TARGET_KEYS.items()
        if option.kind is not Kind.TABLE
    }
    python = python_of(request)
    return {
        **shown,
        "output": request.output_path.as_posix(),
        "wrapper": request.wrapper_name,
        "pool-field": request.pool_field or "pool",
        "python": python.executable,
        "python-version": python.number,
        "python-found-by": request.found_by,
        "methods": {policy.pattern: policy.settings() for policy in request.policies},
    }
