"""Parses the retry policy of a method: `retry = { attempts = 5, base = "200ms" }`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from connpool_gen.config.value_forms import is_dotted_pair, is_number, seconds
from connpool_gen.errors import RequestError
from connpool_gen.nearest import suggestion

KEYS = {
    "attempts": "a whole number above 0",
    "base": 'a number of seconds, or a string such as "500ms"',
    "errors": "a list of strings MODULE:CLASS",
    "unsent": "true or false",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """The retry policy; None leaves a setting to the pool's `Retry`. `base` is in seconds."""

    attempts: int | None = None
    base: float | None = None
    errors: tuple[str, ...] | None = None
    unsent: bool | None = None

    def shown(self) -> dict[str, Any]:
        """List the settings that are set, by the manifest's keys."""
        found = {key: getattr(self, key) for key in KEYS}
        listed = {**found, "errors": None if self.errors is None else list(self.errors)}
        return {key: value for key, value in listed.items() if value is not None}

    def refuse(self, where: str) -> None:
        """Raise RequestError for invalid values; `where` names the option."""
        if self.attempts is not None and self.attempts < 1:
            raise RequestError(
                f"{where}.attempts is {self.attempts}; it must be {KEYS['attempts']}"
            )
        for error in self.errors or ():
            if not is_dotted_pair(error):
                raise RequestError(f"{where}.errors: {error!r} is not MODULE:CLASS")


def read_retry(raw: Mapping[str, Any]) -> RetrySettings:
    """Read the table.

    Raises RequestError for unknown keys, naming the nearest, and for values of the wrong type.
    """
    for key, value in raw.items():
        if key not in KEYS:
            raise RequestError(f"retry: unknown key {key!r}{suggestion(key, list(KEYS))}")
        if not fits(key, value):
            raise RequestError(f"retry.{key} is {value!r}; it must be {KEYS[key]}")
    base: Any = raw.get("base")
    errors = raw.get("errors")
    return RetrySettings(
        attempts=raw.get("attempts"),
        base=base if base is None else float(base) if is_number(base) else seconds(base),
        errors=tuple(errors) if errors is not None else None,
        unsent=raw.get("unsent"),
    )


def fits(key: str, value: object) -> bool:
    """Return whether a value of a TOML file has the right type."""
    if key == "attempts":
        return isinstance(value, int) and not isinstance(value, bool) and value > 0
    if key == "base":
        text = isinstance(value, str) and seconds(value) is not None
        return text or (is_number(value) and cast("float", value) >= 0)
    if key == "errors":
        items = cast("list[object]", value) if isinstance(value, list) else [None]
        return all(isinstance(item, str) for item in items)
    return isinstance(value, bool)
