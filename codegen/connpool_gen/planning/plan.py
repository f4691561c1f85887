"""The plan of one member: all decisions about it, with names still as references."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from connpool_gen.planning.ledger import Fate
from connpool_gen.planning.signature import Param
from connpool_gen.reading.facts import Deprecation, Expression, Ref


class Form(Enum):
    """How a member of the wrapper uses the client; `_SYNC` forms are for an asynchronous client's pool."""

    CALL = "call"
    AWAIT = "await the call"
    CALL_ANY = "call; what it gives may have to be awaited"
    CALL_SYNC = "call without awaiting"
    PINNED = "call; the result keeps the lease"
    AWAIT_PINNED = "await the call; the result keeps the lease"
    CALL_OR_STREAM = "call; a stream keeps the lease"
    AWAIT_OR_STREAM = "await the call; a stream keeps the lease"
    PINNED_SYNC = "call without awaiting; the result keeps the lease"
    AWAIT_STREAM = "await the opening of a stream"
    TASK = "call in a task"
    TASK_PINNED = "call in a task; the result keeps the lease"
    PENDING = "call; what it gives is awaited, entered or iterated"
    PENDING_PINNED = (
        "call; what it gives is entered, iterated, or awaited: then the result keeps the lease"
    )
    STREAM = "return a stream"
    GENERATE = "yield from a stream"
    AGENERATE = "yield the items of an asynchronous stream"
    CONTEXT = "return a context manager"
    CONTEXT_SYNC = "return a synchronous context manager"
    MANAGER = "enter a context manager and yield its value"
    AMANAGER = "enter an asynchronous context manager and yield its value"
    MANAGER_SYNC = "enter a synchronous context manager and yield its value"
    BROADCAST = "call on every member"
    ABROADCAST = "await the call on every member"
    CLOSE = "close the pool"
    ACLOSE = "await the closing of the pool"
    PROPERTY = "read from one member"
    PROPERTY_SYNC = "read from one member without awaiting"
    CALLABLE = "hold a callable over the pool"
    NAMESPACE = "hold a namespace over the pool"
    CONSTANT = "read from the client class"
    FORWARD = "call the client class"
    FORWARD_AWAIT = "await a call of the client class"


# Members that are read from one client, not called.
VALUES = (Form.PROPERTY, Form.PROPERTY_SYNC, Form.CALLABLE)
# Members that the client class provides.
FORWARDS = (Form.FORWARD, Form.FORWARD_AWAIT)


@dataclass(frozen=True, slots=True)
class Skip:
    """A member that is not written, and why: it is refused, or the wrapper has one of its own."""

    name: str
    reason: str
    fate: Fate = Fate.SKIPPED


@dataclass(frozen=True, slots=True)
class Overload:
    """One of several signatures; `receiver` are the client's type arguments that it is for."""

    params: list[Param]
    returns: Expression
    receiver: tuple[Expression, ...] = ()
    deprecated: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All decisions about one member of the wrapper; names are still references.

    `inherited`: type checkers take the member from the client's class. `never_returns`: the client
    promises to raise. `forwards_only_given`: arguments that the caller left out stay left out.
    `returns_client`: the result is the client, for which the wrapper stands. `untyped`: the table
    calls a client about which the type checker knows nothing. `generic`: type variables are left in
    the result. `receiver_alone`: `self` is positional-only. `receiver`: it is for clients with these
    type arguments alone. `distrusted`: Any stands in place of annotations that cannot be right.
    `answers`: it closes the pool and says whether all members said yes. `plain_for_checkers`: it is
    an async generator, or a coroutine function of which no type says so: without its body a plain `def`. `comments` stand above the member in its stub.
    """

    name: str
    fate: Fate
    form: Form
    reason: str = ""
    pooled: bool = False
    coroutine: bool = False
    decorators: tuple[Ref, ...] = ()
    params: list[Param] = field(default_factory=list[Param])
    static_params: list[Param] | None = None
    overloads: list[Overload] = field(default_factory=list[Overload])
    receiver: tuple[Expression, ...] = ()
    returns: Expression | None = None
    result: Expression | None = None
    typed_local: Expression | None = None
    inherited: bool = False
    deprecated: Deprecation | None = None
    doc: str | None = None
    access: str = ""
    label: str = ""
    runtime_class: Ref | None = None
    untyped: bool = False
    never_returns: bool = False
    forwards_only_given: bool = False
    returns_client: bool = False
    generic: bool = False
    receiver_alone: bool = False
    distrusted: bool = False
    answers: bool = False
    plain_for_checkers: bool = False
    comments: tuple[str, ...] = ()

    @property
    def is_value(self) -> bool:
        """Return whether the member is read, not called."""
        return self.form in VALUES
