"""`[[tool.connpool-gen.target]]` of pyproject.toml -> requests; unknown keys are errors."""

from __future__ import annotations

import difflib
import json
import tomllib
from pathlib import Path
from typing import Any, cast

from connpool_gen.config.request import IMPORT_TIMEOUT, GenerateRequest, MethodPolicy
from connpool_gen.errors import RequestError

FILE = "pyproject.toml"
TABLE = "tool.connpool-gen"
TARGET_KEYS: dict[str, type] = {
    "client": str,
    "output": str,
    "wrapper": str,
    "pool-field": str,
    "mode": str,
    "metrics": bool,
    "connector": str,
    "include": list,
    "exclude": list,
    "idempotent": list,
    "app-dir": list,
    "verify": bool,
    "import-timeout": float,
    "templates": str,
    "variables": list,
    "methods": dict,
}
METHOD_KEYS: dict[str, type] = {
    "idempotent": bool,
    "timeout": float,
    "expected": list,
    "ignored": list,
    "judge": str,
    "hash-key": str,
}
NAMED = {
    bool: "true or false",
    str: "a string",
    list: "a list of strings",
    dict: "a table",
    float: "a number",
}


def read_manifest(folder: Path) -> list[GenerateRequest]:
    """All targets that the folder's pyproject.toml lists; an empty list without the table."""
    path = folder / FILE
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: {error}") from error
    tool = as_table(data.get("tool", {}), f"{FILE}: [tool]")
    table = as_table(tool.get("connpool-gen", {}), f"{FILE}: [{TABLE}]")
    check_keys(table, {"target": dict}, f"[{TABLE}]")
    targets = table.get("target", [])
    if not isinstance(targets, list):
        raise RequestError(f"{TABLE}.target is {targets!r}; write it as [[{TABLE}.target]]")
    return [
        target_request(as_table(raw, f"[[{TABLE}.target]] number {index}"), index)
        for index, raw in enumerate(cast("list[object]", targets), 1)
    ]


def as_table(value: object, where: str) -> dict[str, Any]:
    """A TOML table, or an error that says where none is."""
    if not isinstance(value, dict):
        raise RequestError(f"{where} is {value!r}; it must be a table")
    return cast("dict[str, Any]", value)


def target_request(raw: dict[str, Any], index: int) -> GenerateRequest:
    """One target; errors name it by its client, or by its place in the list."""
    where = f"[[{TABLE}.target]] {raw.get('client', f'number {index}')}"
    check_keys(raw, TARGET_KEYS, where)
    if "client" not in raw:
        raise RequestError(f"{where}: the key 'client' is missing")
    try:
        return build_request(raw, where)
    except RequestError as error:
        text = str(error)
        raise RequestError(text if text.startswith(where) else f"{where}: {text}") from None


def build_request(raw: dict[str, Any], where: str) -> GenerateRequest:
    """The request of a target whose keys and types are known to be right."""
    return GenerateRequest(
        client=raw["client"],
        output=Path(raw["output"]) if "output" in raw else None,
        wrapper=raw.get("wrapper"),
        pool_field=raw.get("pool-field"),
        mode=raw.get("mode", "pool"),
        metrics=raw.get("metrics", True),
        connector=raw.get("connector"),
        include=tuple(raw.get("include", ())),
        exclude=tuple(raw.get("exclude", ())),
        idempotent=tuple(raw.get("idempotent", ())),
        app_dirs=tuple(Path(folder) for folder in raw.get("app-dir", ())),
        templates=Path(raw["templates"]) if "templates" in raw else None,
        variables=tuple(raw.get("variables", ())),
        policies=tuple(
            method_policy(pattern, settings, where)
            for pattern, settings in raw.get("methods", {}).items()
        ),
        verify=raw.get("verify", True),
        import_timeout=float(raw.get("import-timeout", IMPORT_TIMEOUT)),
        from_manifest=True,
    )


def method_policy(pattern: str, raw: Any, where: str) -> MethodPolicy:
    """`methods."get*" = {idempotent = true}`."""
    here = f'{where} methods."{pattern}"'
    settings = as_table(raw, here)
    check_keys(settings, METHOD_KEYS, here)
    errors = {key: tuple(settings[key]) for key in ("expected", "ignored") if key in settings}
    timeout = settings.get("timeout")
    return MethodPolicy(
        pattern=pattern,
        idempotent=settings.get("idempotent"),
        timeout=float(timeout) if timeout is not None else None,
        expected=errors.get("expected"),
        ignored=errors.get("ignored"),
        judge=settings.get("judge"),
        hash_key=settings.get("hash-key"),
    )


def check_keys(raw: dict[str, Any], known: dict[str, type], where: str) -> None:
    """Refuse keys that nobody reads, naming the nearest, and values of the wrong type."""
    for key, value in raw.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(known)}"
            raise RequestError(f"{where}: unknown key {key!r}{hint}")
        if key != "target" and not fits(value, known[key]):
            raise RequestError(f"{where}: {key} is {value!r}; it must be {NAMED[known[key]]}")


def fits(value: object, wanted: type) -> bool:
    """TOML's integers count as numbers, its booleans do not; lists hold strings."""
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is list:
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        return all(isinstance(item, str) for item in items)
    return isinstance(value, wanted)


def configuration(requests: list[GenerateRequest]) -> str:
    """The resolved targets as JSON, every setting shown."""
    shown = [
        {
            "client": request.client,
            "output": request.output_path.as_posix(),
            "wrapper": request.wrapper_name,
            "pool-field": request.pool_field or "pool",
            "mode": request.mode,
            "metrics": request.metrics,
            "connector": request.connector,
            "include": list(request.include),
            "exclude": list(request.exclude),
            "idempotent": list(request.idempotent),
            "app-dir": [str(folder) for folder in request.app_dirs],
            "verify": request.verify,
            "import-timeout": request.import_timeout,
            "templates": str(request.templates) if request.templates is not None else None,
            "variables": list(request.variables),
            "methods": {policy.pattern: policy.settings() for policy in request.policies},
        }
        for request in requests
    ]
    return json.dumps({"target": shown}, indent=2)
