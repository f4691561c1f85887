"""Reads options from environment variables with a prefix of the service's own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from connpool_runtime.options import Settings
from connpool_runtime.options.parsing import parse
from connpool_runtime.options.validation import refused, unknown

__all__ = ["options_from_environment"]


def options_from_environment(
    settings: type[Settings], prefix: str, environ: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the options that environment variables give, for a pool's constructor.

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
    options = settings.declared
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
