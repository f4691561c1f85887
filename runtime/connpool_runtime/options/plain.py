"""What files and the environment may say instead of the values of options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, cast

from connpool_runtime._validation import Rule, refused, unknown
from connpool_runtime.options import Settings
from connpool_runtime.options.durations import seconds_of
from connpool_runtime.options.stated import options_of

__all__ = ["SWITCH_WORDS", "options_from_environment", "parse", "read"]

SWITCH_WORDS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}


def read(rule: Rule, given: object) -> object:
    """Return the value that plain data of a file stands for: the seconds of "30s", a tuple for a list.

    What is already a value stays as it is, and so does what cannot be read: the rule refuses it.
    """
    if rule.kind == "seconds":
        return _seconds(given)
    if rule.kind == "bounds" and isinstance(given, list):
        return tuple(_seconds(bound) for bound in cast("list[object]", given))
    return given


def parse(rule: Rule, text: str) -> object:
    """Return the value that a text of the environment stands for; what cannot be read stays a text."""
    text = text.strip()
    if rule.kind == "switch":
        return SWITCH_WORDS.get(text.lower(), text)
    if rule.kind == "bounds":
        return read(rule, [part.strip() for part in text.split(",")])
    if rule.kind in ("whole number", "share", "amount"):
        return _number(text)
    return read(rule, text)


def options_from_environment(
    settings: type[Settings], prefix: str, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the options that variables of the environment give, for a pool's constructor.

        pool = Pool("users", **options_from_environment(PoolSettings, "USERS_POOL_"))

    Arguments:
        settings: whose options: `PoolSettings`, `EndpointSettings` or `SharingSettings`.
        prefix: what the variables begin with: with "USERS_POOL_", `USERS_POOL_MAX_FAILS=3` and
            `USERS_POOL_COOLDOWN=30s`. Every variable that begins so must be an option.
        environ: the variables; None is `os.environ`.

    Raises:
        ValueError: there is no such option, or its value is not allowed; the message has the
            variable, and the nearest one or the rule.
    """
    found: dict[str, Any] = {}
    options = options_of(settings)
    known = {f"{prefix}{name.upper()}": option for name, option in options.items()}
    for variable, text in (os.environ if environ is None else environ).items():
        if not variable.startswith(prefix):
            continue
        option = known.get(variable)
        if option is None:
            raise ValueError(unknown("environment variable", variable, known))
        value = parse(option.rule, text)
        if isinstance(value, str) and option.rule.kind == "function":
            raise refused(variable, text, "left out: only a program can give a function")
        if not option.rule.accepts(value):
            raise option.rule.refusal(variable, text)
        found[option.name] = value
    return found


def _seconds(given: object) -> object:
    if not isinstance(given, str):
        return given
    try:
        return seconds_of(given)
    except ValueError:
        return given


def _number(text: str) -> object:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
