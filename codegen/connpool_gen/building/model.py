"""What templates arrange: ready strings, no decisions left. Part of the template contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum, StrEnum
from typing import Any, TypeVar, cast


class BodyForm(StrEnum):
    """The statement around a method's expression; templates compare with the values."""

    RETURN = "return"
    STATEMENT = "statement"
    TYPED_LOCAL = "typed_local"
    NEVER_RETURNS = "never_returns"
    GENERATE = "generate"
    GENERATE_VALUE = "generate_value"
    GENERATE_ANY = "generate_any"
    AGENERATE = "agenerate"
    MANAGER = "manager"
    AMANAGER = "amanager"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryModel:
    """One function of the method table: what a method runs on a client, and its policy.

    `client` and `packed` are the names of its parameters, `unpacked` is what the packed arguments
    are unpacked into. `local` carries a result whose type the checker cannot see from the call.
    """

    function: str
    label: str
    policy: str
    client: str
    client_type: str
    packed: str
    packed_type: str
    unpacked: str | None
    call: str
    local: str | None
    result: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodModel:
    """One member of the wrapper.

    `form` is the body around `expression`. `local`, `each` and `error` are names for the body that
    no parameter has. `overloads` stand above the definition; with `inherited` or `static` the definition
    is for run time only, and type checkers see those instead. `comments` are lines that a stub has above
    the member.
    """

    name: str
    form: BodyForm
    expression: str
    typed_local: str | None
    local: str
    each: str
    error: str
    decorators: tuple[str, ...]
    overloads: tuple[str, ...]
    static: str | None
    inherited: bool
    declaration: str
    protocol: tuple[str, ...]
    doc: str | None
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeModel:
    """An attribute that `__init__` sets: a callable of the client, pooled."""

    name: str
    annotation: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceModel:
    """A class that stands for a namespace of the client; `inner` are (attribute, class) pairs."""

    name: str
    doc: str
    outermost: bool
    inner: tuple[tuple[str, str], ...]
    methods: tuple[MethodModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectModel:
    """How a wrapper opens its own members: three class methods, and the connector of one kind.

    `made` is the expression that makes the connector from `config`, imported by `imported` when it
    is needed; `annotation` is the type of all connectors that fit, `endpoints` that of the endpoints,
    `source` that of all sources of endpoints, `discovery_options` that of how they are followed.
    """

    from_config: str
    from_connector: str
    from_discovery: str
    config: str
    annotation: str
    endpoints: str
    source: str
    discovery_options: str
    imported: str
    made: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleModel:
    """The whole output file; `words` are the spellings of the names that templates use.

    `variables` are the lines that declare type variables which cannot be imported, `stand_ins` those
    that give names a meaning at run time which only type checkers know, `contract` is the number of the
    contract with the runtime.
    """

    pragmas: tuple[str, ...]
    doc: str
    contract: int
    imports: tuple[str, ...]
    typing_imports: tuple[str, ...]
    variables: tuple[str, ...]
    stand_ins: tuple[str, ...]
    static_client: str | None
    words: dict[str, str]
    entries: tuple[EntryModel, ...]
    wrapper: str
    mode: str
    protocol: str
    client: str
    absent: tuple[tuple[str, str], ...]
    type_args: str
    any_args: str
    any_client: str | None
    drop_in_ignore: str | None
    implemented: tuple[str, ...]
    bases: str
    class_doc: str
    pool_class: str
    pool_type: str
    pool_field: str
    pool_name: str
    classifier: str | None
    balancer: str | None
    closer: str | None
    kept_closer: AttributeModel | None
    asynchronous: bool
    metrics: bool
    namespaces: tuple[NamespaceModel, ...]
    connect: ConnectModel | None
    attributes: tuple[AttributeModel, ...]
    methods: tuple[MethodModel, ...]


Model = TypeVar("Model")


def texts(value: object) -> list[str]:
    """List all strings of a model, including those of nested models."""
    found: list[str] = []
    _collect(value, found)
    return found


def _collect(value: object, found: list[str]) -> None:
    if isinstance(value, str):
        if not isinstance(value, Enum):
            found.append(value)
    elif isinstance(value, tuple):
        for part in cast("tuple[object, ...]", value):
            _collect(part, found)
    elif isinstance(value, dict):
        for part in cast("dict[str, object]", value).values():
            _collect(part, found)
    else:
        for name in names_of(type(value)):
            _collect(getattr(value, name), found)


_NAMES: dict[type, tuple[str, ...]] = {}


def names_of(kind: type) -> tuple[str, ...]:
    """List the fields of a kind of model; what is no model has none."""
    if kind not in _NAMES:  # worked out once, for a wrapper has thousands of models
        found = tuple(field.name for field in fields(kind)) if is_dataclass(kind) else ()
        _NAMES[kind] = found
    return _NAMES[kind]


def with_texts(value: Model, change: Callable[[str], str]) -> Model:
    """Copy a model with every string changed."""
    return cast("Model", changed(value, change))


def changed(value: object, change: Callable[[str], str]) -> Any:
    """Copy a part of a model with every string in it changed."""
    if isinstance(value, str):
        return value if isinstance(value, Enum) else change(value)
    if isinstance(value, tuple):
        return tuple(changed(item, change) for item in cast("tuple[object, ...]", value))
    if isinstance(value, dict):
        held = cast("dict[str, object]", value)
        return {key: changed(item, change) for key, item in held.items()}
    if names := names_of(type(value)):
        return type(value)(**{name: changed(getattr(value, name), change) for name in names})
    return value
