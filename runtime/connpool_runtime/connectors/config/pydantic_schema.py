"""Lets configs be fields of the user's own pydantic models (v2), including pydantic-settings.

Nothing here is imported before pydantic itself asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError, core_schema

from connpool_runtime.connectors.config.errors import InvalidConfig
from connpool_runtime.connectors.config.library_options import LibraryOptions, parsed
from connpool_runtime.connectors.config.masking import MASKED
from connpool_runtime.connectors.config.secrets import SecretSource

__all__ = ["schema_for"]


def schema_for(record: type) -> core_schema.CoreSchema:
    """Return how pydantic reads and writes a field whose type is a config or another `Record`.

    It takes a config, a mapping of its fields, or a URL. Texts are read as those of the environment, as
    pydantic reads those for numbers. Errors are reported field by field, without the given values. A dumped
    model has its secrets masked, because it may be logged.
    """
    return core_schema.no_info_plain_validator_function(
        lambda given: _validated(record, given),
        serialization=core_schema.plain_serializer_function_ser_schema(plain),
    )


def _validated(record: Any, given: Any) -> Any:
    if isinstance(given, record):
        return given
    try:
        if isinstance(given, str) and "endpoints" in record.fields:
            return record.from_mapping({"endpoints": given})
        if isinstance(given, Mapping):
            return record.from_mapping(_parsed(record, cast("Mapping[str, Any]", given)))
    except InvalidConfig as error:
        raise _told(record, error) from None
    allowed = f"must be a {record.__name__}, a mapping of its fields or a URL"
    raise PydanticCustomError("connector_config", cast("Any", allowed))


def _told(record: Any, error: InvalidConfig) -> ValidationError:
    """Return pydantic's error without the given values, since they may be secrets."""
    lines = [
        InitErrorDetails(
            type=PydanticCustomError("connector_config", "{text}", {"text": str(one)}),
            loc=tuple(one.field.split(".")),
            input=MASKED,
        )
        for one in error.errors
    ]
    return ValidationError.from_exception_data(record.__name__, lines)


def _parsed(record: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "url" in given and "endpoints" in record.fields and "endpoints" not in given:
        given = {"endpoints" if name == "url" else name: value for name, value in given.items()}
    for name, value in given.items():
        field = record.fields.get(name)
        inner: Any = getattr(field, "record", None)
        if inner is not None and isinstance(value, Mapping):
            value = _parsed(inner, cast("Mapping[str, Any]", value))
        elif isinstance(field, LibraryOptions) and isinstance(value, Mapping):
            texts = cast("Mapping[str, Any]", value).items()
            value = {key: parsed(each) if isinstance(each, str) else each for key, each in texts}
        elif field is not None and isinstance(value, str):
            value = field.parse(value)
        values[name] = value
    return values


def plain(config: Any) -> dict[str, Any]:
    """Return the fields that differ from their defaults as JSON can hold them, secrets masked."""
    found: dict[str, Any] = {}
    for name, field in config.fields.items():
        value = getattr(config, name)
        if value == field.default:
            continue
        if isinstance(value, SecretSource):
            found[name] = value.reference or MASKED
        elif getattr(field, "record", None) is not None:
            found[name] = plain(value) or True
        else:
            found[name] = field.outline(value)
    return found
