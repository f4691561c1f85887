"""The fields that URLs among the endpoints of a config set beside addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from connpool_runtime.connectors.config.addresses import Endpoints
from connpool_runtime.connectors.config.errors import InvalidConfig, several
from connpool_runtime.connectors.config.fields import Field, Refused
from connpool_runtime.connectors.config.library_options import LibraryOptions, parsed
from connpool_runtime.connectors.config.secrets import SecretSource, is_reference, secret_of
from connpool_runtime.connectors.config.urls import (
    ServerUrl,
    UrlRules,
    are_urls,
    put_at,
    split_addresses,
)

if TYPE_CHECKING:
    from connpool_runtime.connectors.config.record import Record

__all__ = ["expanded", "of_variables", "with_sources"]

_SAME = "left out, or what the URL in endpoints says"


def expanded(
    record: type[Record], given: Mapping[str, Any], environ: Mapping[str, str]
) -> Mapping[str, Any]:
    """Return fields with those that URLs among the endpoints set.

    Arguments:
        record: the class of the config.
        given: its fields by name.
        environ: the variables for `env:NAME` among the endpoints.

    Raises:
        InvalidConfig: a URL is not as it must be, two of them or a field beside them say something else.
    """
    endpoints, reference = given.get("endpoints"), ""
    if is_reference(endpoints):
        reference = cast("str", endpoints)
        endpoints = secret_of(reference, "endpoints", environ)
    field = record.fields.get("endpoints")
    if not isinstance(field, Endpoints):
        return given
    try:
        texts = split_addresses(endpoints)
    except Refused:
        return given
    if field.urls is None or not are_urls(texts):
        return {**given, "endpoints": endpoints} if reference else given
    addresses = field.checked(endpoints)
    if field.schemes and "@" not in "".join(texts):
        return {**given, "endpoints": endpoints} if reference else given
    said = _said(record, field, texts)
    if reference and "password" in said:
        said["password"] = _password(field, field.urls, reference, environ)
    fields = {name: value for name, value in given.items() if name != "endpoints"}
    return {**_joined(record, fields, said), "endpoints": addresses}


def of_variables(record: type[Record], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields set by the usual variables of a kind of server; secrets and URLs as references."""
    variables: Mapping[str, str] = getattr(record, "variables", {})
    values: dict[str, Any] = {}
    for variable, path in variables.items():
        text = environ.get(variable, "")
        if not text or values.get(path) is not None:
            continue
        if path == "username" and ":" in text:  # etcdctl takes both in one variable
            user, _, password = text.partition(":")
            values |= {"username": user, "password": password}
            continue
        field = record.fields.get(path)
        is_reference_wanted = path == "endpoints" or (field is not None and field.secret)
        put_at(values, path, f"env:{variable}" if is_reference_wanted else text)
    return values


def with_sources(
    record: type[Record], given: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Return fields whose secrets, if they come from variables, are read from the given ones.

    Raises:
        InvalidConfig: one of the variables is not set.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        field = record.fields.get(name)
        inner: type[Record] | None = getattr(field, "record", None)
        if inner is not None and isinstance(value, Mapping):
            value = with_sources(inner, cast("Mapping[str, Any]", value), environ)
        elif field is not None and field.rereads and is_reference(value):
            value = SecretSource(cast("str", value), name, environ)
        values[name] = value
    return values


def _password(
    field: Endpoints, rules: UrlRules, reference: str, environ: Mapping[str, str]
) -> SecretSource:
    """Return a reference to the password inside a URL that is stored elsewhere."""

    def part(text: str) -> str:
        urls = [one for one in split_addresses(text) if "://" in one]
        passwords = (ServerUrl.of(_without_path(one, field), rules).password for one in urls)
        found = next(passwords, None)
        if not found:
            raise InvalidConfig("password", repr(reference), "a URL with a password")
        return found

    return SecretSource(reference, "password", environ, part)


def _said(record: type[Record], endpoints: Endpoints, texts: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields that several URLs set beside addresses; all of them must agree."""
    rules = endpoints.urls
    assert rules is not None
    urls = [ServerUrl.of(_without_path(text, endpoints), rules) for text in texts if "://" in text]
    said = [_fields(record, rules, url) for url in urls]
    tls = {url.scheme.tls for url in urls if not url.scheme.socket}
    if any(each != said[0] for each in said) or len(tls) > 1:
        allowed = "URLs that differ in host and port only: a pool's members are interchangeable"
        raise InvalidConfig("endpoints", "URLs that say different things", allowed)
    return said[0]


def _without_path(url: str, endpoints: Endpoints) -> str:
    """Return a URL without its path if the path belongs to the address."""
    if not endpoints.schemes:
        return url
    scheme, between, rest = url.partition("://")
    user, at, _ = rest.partition("/")[0].rpartition("@")
    return f"{scheme}{between}{user}{at}host:1"


def _fields(record: type[Record], rules: UrlRules, url: ServerUrl) -> dict[str, Any]:
    fields = record.fields
    values: dict[str, Any] = {}
    if url.scheme.tls:
        values["tls"] = True
    for name, text in (("username", url.username), ("password", url.password)):
        if text is not None and name in fields:
            values[name] = text
        elif text is not None:
            raise InvalidConfig("endpoints", "one with a user", f"URLs without a {name}")
    if url.path:
        values[rules.path] = fields[rules.path].parse(url.path)
    for name, text in url.query:
        _put_query(fields, rules, values, name, text)
    return values


def _put_query(
    fields: Mapping[str, Field[Any, Any]],
    rules: UrlRules,
    values: dict[str, Any],
    name: str,
    text: str,
) -> None:
    path = rules.names.get(name, name if name in fields else "")
    first, _, inner = path.partition(".")
    if path and first in fields:
        record: type[Record] | None = getattr(fields[first], "record", None)
        field = fields[first] if record is None else record.fields[inner]
        word = _VERIFY.get(text.lower(), text) if path == "tls.verify" else text
        put_at(values, path, field.parse(word))
    elif isinstance(fields.get("options"), LibraryOptions):
        put_at(values, f"options.{name}", parsed(text))
    else:
        raise InvalidConfig("endpoints", f"one with ?{name}=", "URLs whose queries name fields")


# The names of Python's ssl module, as redis-py has them in its URLs.
_VERIFY = {"none": "false", "optional": "true", "required": "true"}


def _joined(
    record: type[Record], given: Mapping[str, Any], said: Mapping[str, Any]
) -> dict[str, Any]:
    """Return given fields merged with those of a URL.

    Raises:
        InvalidConfig: they say different things.
    """
    values = dict(given)
    wrong: list[InvalidConfig] = []
    for name, value in said.items():
        own: object = given.get(name)
        if isinstance(value, dict) and isinstance(own, Mapping):
            values[name] = {**cast("Mapping[str, Any]", value), **cast("Mapping[str, Any]", own)}
        elif own is None or (name == "tls" and value is True and own is not False):
            values[name] = value if own is None else own
        elif not _is_same(record.fields[name], own, cast("object", value)):
            wrong.append(InvalidConfig(name, record.fields[name].show(own), _SAME))
    if wrong:
        raise several(wrong)
    return values


def _is_same(field: Field[Any, Any], one: object, other: object) -> bool:
    """Return whether two values of a field mean the same; invalid values are reported elsewhere."""
    try:
        return bool(field.canonical(field.checked(one)) == field.canonical(field.checked(other)))
    except InvalidConfig:
        return True
