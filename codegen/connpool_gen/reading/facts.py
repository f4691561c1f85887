"""Facts about a client class as the readers saw them: no opinion, no output text.

The run-time reader, in its own process, and the type checker each fill their part;
`build.py` merges them. Everything here is plain data.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from connpool_gen.config.request import SearchPath


@dataclass(frozen=True, slots=True)
class Ref:
    """An importable name: `qualname` inside `module`."""

    module: str
    qualname: str

    @property
    def root(self) -> Ref:
        """The name to import for `Outer.Inner`: `Outer`."""
        return Ref(self.module, self.qualname.partition(".")[0])

    def running(self) -> Ref:
        """Mark the reference as used when the module runs."""
        return RunningRef(self.module, self.qualname)


@dataclass(frozen=True, slots=True)
class RunningRef(Ref):
    """A reference that is used when the module runs, not by type checkers alone."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Source text whose names are still references, so that imports can be named late."""

    parts: tuple[str | Ref, ...]

    @staticmethod
    def of(*parts: str | Ref | Expression) -> Expression:
        """Join texts, references and expressions into one expression."""
        flat: list[str | Ref] = []
        for part in parts:
            flat.extend(part.parts if isinstance(part, Expression) else (part,))
        return Expression(tuple(flat))

    @staticmethod
    def join(separator: str, items: Iterable[Expression]) -> Expression:
        """Join expressions with a separator between them."""
        pieces: list[str | Ref | Expression] = []
        for index, item in enumerate(items):
            pieces.extend((separator, item) if index else (item,))
        return Expression.of(*pieces)

    def running(self) -> Expression:
        """Copy the expression with references that are used when the module runs."""
        return Expression(tuple(p if isinstance(p, str) else p.running() for p in self.parts))

    @property
    def plain(self) -> str:
        """The text with each reference by its own name: to compare and to sort, not to write."""
        return "".join(p if isinstance(p, str) else p.qualname for p in self.parts)


@dataclass(frozen=True, slots=True)
class OwnVariable(Ref):
    """A type variable that the output declares itself, because nothing can import the client's.

    Such are those of `class Client[T]:` and `def get[T](...)`. `kind` is the class that makes it,
    `arguments` is what stands after its name there: `, bound="Row"`. It is there at run time.
    """

    kind: Ref = Ref("typing", "TypeVar")
    arguments: Expression = Expression(())

    @property
    def root(self) -> Ref:
        """The variable itself."""
        return self

    def running(self) -> Ref:
        """The variable itself."""
        return self


class Kind(Enum):
    """How a parameter is passed; the values are those of `inspect.Parameter.kind.name`."""

    POSITIONAL_ONLY = "POSITIONAL_ONLY"
    POSITIONAL_OR_KEYWORD = "POSITIONAL_OR_KEYWORD"
    VAR_POSITIONAL = "VAR_POSITIONAL"
    KEYWORD_ONLY = "KEYWORD_ONLY"
    VAR_KEYWORD = "VAR_KEYWORD"


# `*args` and `**kwargs`, in the order in which a signature has them.
VARIADIC = (Kind.VAR_POSITIONAL, Kind.VAR_KEYWORD)


class MemberForm(StrEnum):
    """What a member is in the running class; the values are the probe's words.

    INSTANCE is an attribute that only `__init__` makes, so it differs from client to client.
    """

    FUNCTION = "function"
    COROUTINE = "coroutine"
    GENERATOR = "generator"
    ASYNCGEN = "asyncgen"
    CLASSMETHOD = "classmethod"
    STATICMETHOD = "staticmethod"
    PROPERTY = "property"
    CACHED_PROPERTY = "cached_property"
    CLASS = "class"
    DATA = "data"
    INSTANCE = "instance"


class ResultKind(StrEnum):
    """What a call returns; decides how long its lease lasts.

    PENDING is to be awaited, or else entered or iterated; a TASK goes on by itself. The probe knows only CONTEXT and
    ASYNC_CONTEXT, of what `contextlib` made of a generator.
    """

    COROUTINE = "coroutine"
    AWAITABLE = "awaitable"
    TASK = "task"
    ASYNC_ITERATOR = "async_iterator"
    ITERATOR = "iterator"
    ASYNC_CONTEXT = "async_context"
    CONTEXT = "context"
    PENDING = "pending"
    ANY = "any"
    MAYBE_AWAITABLE = "maybe_awaitable"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Default:
    """The default of a parameter: a literal's text, a reference, or neither (then: the object).

    `hidden`: a stub leaves it out, so only the client's own function knows it.
    """

    text: str | None = None
    ref: Ref | None = None
    hidden: bool = False

    def is_one_of(self, names: frozenset[Ref]) -> bool:
        """Return whether the default is referred to by one of these names, or through one."""
        return self.ref is not None and self.ref.root in names


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeParam:
    """One parameter as a call accepts it."""

    name: str
    kind: Kind
    default: Default | None = None


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The client's message about a deprecated member; `category` is None where a call does not warn."""

    message: str
    category: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeMember:
    """One member as it exists in the running class.

    `params` are the parameters that `inspect.signature` shows, `outer` those that the outermost
    decorator takes, `reads_keywords` that a decorator which takes any keyword looks at them. `context_manager` is the kind of manager that `contextlib` made of a generator.
    `leavable`: its annotation names a class of context managers, whatever the stubs leave out.
    `set_untyped`: a method without annotations sets this attribute of instances, `reset`: another
    than `__init__` does, `set_again`: more than one statement does. `idempotency` is the level that a gRPC service's descriptor gives the method.
    `literal`: an annotation asks for literal text, of which mypy knows nothing. `returns_receiver`:
    entering the client does nothing but return it. `runs_as_coroutine`: what a call runs first, above
    all decorators that are known, is a coroutine function. `gives_value`: the text of a method that may
    open something returns a value. `calls` are the methods that leaving the client calls on it. `note` is what the user should know about how it was read,
    `comments` stand above it in a stub.
    """

    name: str
    form: MemberForm
    doc: str | None = None
    params: tuple[RuntimeParam, ...] | None = None
    outer: tuple[RuntimeParam, ...] | None = None
    reads_keywords: bool = False
    settable: bool = False
    async_getter: bool = False
    receiver_alone: bool = False
    leavable: bool = False
    value_class: Ref | None = None
    set_untyped: bool = False
    reset: bool = False
    set_again: bool = False
    deprecated: Deprecation | None = None
    context_manager: ResultKind | None = None
    note: str = ""
    idempotency: str | None = None
    literal: bool = False
    returns_receiver: bool = False
    runs_as_coroutine: bool = False
    gives_value: bool = False
    calls: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeClass:
    """The running class: what exists, in definition order over the bases.

    `static_only`: only type checkers have this name (the `...AsyncStub` of a gRPC service); what
    runs is the class it stands for. `abstract` are the members that a class of a type checker's would
    have to implement, `stored` are the names that some method stores on some object, `kinds` the class that made each type parameter (`TypeVarTuple`), `bases`
    module, name and file of the class and of its bases in the same package. `loaded` are the files of all modules that importing it loaded,
    `place` is where the client's package lies if only an import hook or an archive has it,
    `modules` those of the client's package, `namespaces` the names in them that may be namespaces,
    `ahead` the classes that are probably namespaces of the client or of its namespaces,
    `annotated` the packages of the class and its bases, if any of these annotates anything,
    `errors` those of the client's package by all their names, each with itself and its bases; None
    where they are not known. `from_text`: nothing ran, the facts are those of the source or stub;
    `unread` is what of it could not be read.
    """

    module: str
    qualname: str
    doc: str | None
    protocol: bool
    dynamic: bool
    is_namespace: bool
    type_params: tuple[Ref, ...]
    kinds: tuple[str, ...] = ()
    members: tuple[RuntimeMember, ...]
    static_only: bool = False
    abstract: tuple[str, ...] = ()
    stored: frozenset[str] = frozenset()
    bases: tuple[tuple[str, str, str], ...] = ()
    loaded: frozenset[str] = frozenset()
    place: str | None = None
    modules: frozenset[str] = frozenset()
    namespaces: frozenset[Ref] = frozenset()
    annotated: tuple[str, ...] = ()
    errors: Mapping[str, Sequence[str]] | None = None
    from_text: bool = False
    unread: tuple[str, ...] = ()
    ahead: tuple[RuntimeClass, ...] = ()

    def without_names(self, unknown: frozenset[Ref]) -> RuntimeClass:
        """Copy the facts with defaults by those names as if they had none."""
        members = tuple(
            replace(m, params=unnamed(m.params, unknown), outer=unnamed(m.outer, unknown))
            for m in self.members
        )
        return replace(self, members=members)

    def rules_out(self, ref: Ref) -> bool:
        """Return whether a class is known to be no namespace, so that the probe need not describe it."""
        return ref.module in self.modules and "." not in ref.qualname and ref not in self.namespaces


def unnamed(
    params: tuple[RuntimeParam, ...] | None, unknown: frozenset[Ref]
) -> tuple[RuntimeParam, ...] | None:
    """Copy parameters without defaults that are referred to by one of the names."""
    if params is None:
        return None
    return tuple(
        replace(p, default=Default()) if p.default and p.default.is_one_of(unknown) else p
        for p in params
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticKey:
    """One key of `**kwargs: Unpack[...]`, as the TypedDict declares it; its type is Any where it has no spelling."""

    name: str
    required: bool
    annotation: Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticParam:
    """One parameter as the type checker sees it; `name` is None where a caller may not name it.

    `generic`: its annotation names type variables. `keys` are those that `**kwargs` declares.
    """

    name: str | None
    kind: Kind
    required: bool
    annotation: Expression
    generic: bool = False
    keys: tuple[StaticKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticSignature:
    """One signature of a bound member.

    `inner` is what a coroutine or generator returns or a `contextlib` manager yields. `generic`
    says that type variables are left in the result, `bound` that the result, or what it gives when awaited, is a context manager of
    its own and so lives on a connection, `gives_stream` that a coroutine gives an asynchronous
    iterator, `may_stream` that the result is an iterator or lives on a connection in some cases, `untyped` that the function has no annotations, so that strict code may not call it
    directly. `holds_client` says that the client is somewhere inside the result, `receiver` are the type arguments of the client that it is for, where it is not for all:
    `def get(self: Client[str]) -> str`.
    """

    params: tuple[StaticParam, ...]
    returns: Expression
    result: ResultKind
    inner: Expression | None = None
    generic: bool = False
    untyped: bool = False
    returns_client: bool = False
    bound: bool = False
    gives_stream: bool = False
    may_stream: bool = False
    holds_client: bool = False
    deprecated: str | None = None
    receiver: tuple[Expression, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticMember:
    """One member as the type checker sees it through an instance.

    `signatures` is empty for a value; then `value` is its type, and `calls` are the signatures with
    which it can be called, as what `functools.lru_cache` makes of a method. `inferred`: it is
    a variable without an annotation, `guessed`: and checkers may infer different types from its value. `unchecked`: its module ships no types, so perhaps no type checker has ever read it. `is_client`: it may be the client itself. `keeps_values`:
    its class is a collection or has no public methods, so it is no part of a client that calls anything. `deprecated` is what checkers say of any use. `problem` says why the static view
    cannot be restated in source.
    """

    name: str
    signatures: tuple[StaticSignature, ...] = ()
    calls: tuple[StaticSignature, ...] = ()
    value: Expression | None = None
    value_class: str | None = None
    value_ref: Ref | None = None
    generic: bool = False
    inferred: bool = False
    guessed: bool = False
    unchecked: bool = False
    is_any: bool = False
    is_client: bool = False
    keeps_values: bool = False
    deprecated: str | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    """All facts about a target.

    `search` is where the type checker looks for it.
    `namespaces` are the namespaces of the client by member name (`chat`, `indices`), each a class of
    its own. `home` is where the class is defined, `hidden` are names that strict code may not import from
    where they were found, `untyped_modules` those that ship no types. `followed` are packages whose
    annotations were read though they ship no `py.typed`, but for the modules `left_out`, which stop
    the type checker; `gave_up` says why they could not be read.
    `sources` all files that were read. `type_params` are the type parameters as the output writes
    them, none where it cannot; `static_params` is how many type parameters the type checker knows;
    the running class may have none, such as `queue.Queue`.
    """

    runtime: RuntimeClass
    search: SearchPath
    static: dict[str, StaticMember] = field(default_factory=dict[str, StaticMember])
    namespaces: dict[str, ClassFacts] = field(default_factory=dict[str, Any])
    untyped_modules: frozenset[str] = frozenset()
    followed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    gave_up: str | None = None
    hidden: frozenset[Ref] = frozenset()
    sources: frozenset[str] = frozenset()
    home: Ref | None = None
    type_params: tuple[Ref, ...] = ()
    static_params: int = 0

    @property
    def variadic(self) -> frozenset[Ref]:
        """The type parameters that stand for several types."""
        pairs = zip(self.type_params, self.runtime.kinds, strict=False)
        return frozenset(param for param, kind in pairs if kind == "TypeVarTuple")

    def without_names(self, unknown: frozenset[Ref]) -> ClassFacts:
        """Copy the facts with defaults by those names as if they had none, here and in all namespaces."""
        return replace(
            self,
            runtime=self.runtime.without_names(unknown),
            namespaces={name: one.without_names(unknown) for name, one in self.namespaces.items()},
        )

    @property
    def typed(self) -> bool:
        """Whether the type checker knows the client at all."""
        return any(not member.is_any for member in self.static.values())

    @property
    def ref(self) -> Ref:
        """Where the client class is imported from: the target, or its home if that hides it."""
        asked = Ref(self.runtime.module, self.runtime.qualname)
        return self.home if self.home is not None and asked.root in self.hidden else asked


def runtime_class(data: dict[str, Any]) -> RuntimeClass:
    """Read the answer of the probe process back into facts."""
    return RuntimeClass(
        module=data["module"],
        qualname=data["qualname"],
        doc=data["doc"],
        protocol=data["protocol"],
        dynamic=data["dynamic"],
        is_namespace=data["is_namespace"],
        static_only=data.get("static_only", False),
        abstract=tuple(data["abstract"]),
        stored=frozenset(data["stored"]),
        bases=tuple((module, name, file) for module, name, file in data["bases"]),
        kinds=tuple(data["kinds"]),
        type_params=tuple(Ref(*pair) for pair in data["type_params"]),
        members=tuple(read_member(raw) for raw in data["members"]),
        annotated=tuple(data["annotated"]),
    )


def read_default(raw: dict[str, Any] | None) -> Default | None:
    """Read a default value; None for a parameter without."""
    if raw is None:
        return None
    ref = Ref(*raw["ref"]) if "ref" in raw else None
    return Default(text=raw.get("text"), ref=ref, hidden=raw.get("hidden", False))


def read_params(raw: list[dict[str, Any]] | None) -> tuple[RuntimeParam, ...] | None:
    """Read parameters; None for what has none, such as an attribute."""
    if raw is None:
        return None
    return tuple(
        RuntimeParam(name=p["name"], kind=Kind(p["kind"]), default=read_default(p.get("default")))
        for p in raw
    )


def read_deprecation(raw: list[Any] | None) -> Deprecation | None:
    """Read a deprecation; None for what is not deprecated."""
    if raw is None:
        return None
    message, category = raw
    return Deprecation(message, Ref(*category) if category is not None else None)


# The keys of a member that are no plain values.
CONVERTED = frozenset(
    ("form", "params", "outer", "value_class", "context_manager", "deprecated", "comments", "calls")
)


def read_member(raw: dict[str, Any]) -> RuntimeMember:
    """Read a member."""
    plain = {key: value for key, value in raw.items() if key not in CONVERTED}
    manager = raw.get("context_manager")
    return RuntimeMember(
        form=MemberForm(raw["form"]),
        context_manager=ResultKind(manager) if manager is not None else None,
        params=read_params(raw.get("params")),
        outer=read_params(raw.get("outer")),
        deprecated=read_deprecation(raw.get("deprecated")),
        comments=tuple(raw.get("comments", ())),
        calls=tuple(raw.get("calls", ())),
        value_class=Ref(*raw["value_class"]) if raw.get("value_class") else None,
        **plain,
    )
