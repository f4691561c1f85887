"""Evaluates what decorators and calls do to functions, as far as their own texts show.

A decorator of the client's package is read like any function: what it returns for the function that it
is given, and whether that says that it wraps the function. What cannot be read is noted on the function.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import libcst as cst

from connpool_gen.source.constants import NotConstant, dotted_name
from connpool_gen.source.names import unsubscripted
from connpool_gen.source.nodes import body_of, is_async_generator, is_coroutine, is_generator
from connpool_gen.source.values import (
    ClassMethod,
    ClassValue,
    Constant,
    Curried,
    Decorated,
    Deferred,
    Dispatched,
    Function,
    Imported,
    Instance,
    Known,
    Partial,
    Property,
    Scope,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from connpool_gen.source.names import Names

Locals = dict[str, Value]
# levels of nested decorators; no client has more
DEEPEST = 12
UNCHANGED = frozenset(
    {"typing.final", "typing.override", "typing.no_type_check", "typing.runtime_checkable"}
    | {"typing.type_check_only", "types.coroutine", "functools.total_ordering", "typing.overload"}
    | {"typing.dataclass_transform"}
)
MAKERS = {
    "contextlib.contextmanager": "context",
    "contextlib.asynccontextmanager": "async_context",
}
DEPRECATED = ("warnings.deprecated", "typing.deprecated")
CACHES = ("functools.lru_cache", "functools.cache")
CONTAINERS: dict[type[cst.CSTNode], str] = {
    cst.Dict: "builtins.dict",
    cst.DictComp: "builtins.dict",
    cst.List: "builtins.list",
    cst.ListComp: "builtins.list",
    cst.Set: "builtins.set",
    cst.SetComp: "builtins.set",
    cst.FormattedString: "builtins.str",
}
QUESTIONS: Mapping[str, Callable[[Function], bool]] = {
    "iscoroutinefunction": is_coroutine,
    "isasyncgenfunction": is_async_generator,
    "isgeneratorfunction": is_generator,
}
NOTHING: Value = Constant(None)


class Evaluator:
    """Evaluates expressions; each definition is evaluated once."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._depth = 0

    # ------------------------------------------------------------ names and definitions

    def settled(self, found: Value, scope: Scope) -> Value:
        """Follow a name's value to the object that it stands for."""
        found = self.names.followed(found, scope.checking)
        if isinstance(found, Decorated):
            return self.decorated(found)
        if isinstance(found, Deferred):
            if found.value is None:
                found.value = found  # a name that is assigned to itself
                value = self.value(found.expression, found.scope, {})
                found.value = found if isinstance(value, Unknown) else value
            return found.value
        return found

    def decorated(self, found: Decorated) -> Value:
        """Apply the decorators of a function, the innermost first."""
        if found.value is None:
            found.value = Unknown(f"{found.node.name.value} is defined by itself")
            if found.scope.owner is not None and found.node.decorators:
                self.names.seen[id(found.scope)] = found.place
            found.value = self._define(found.node, found.scope, {}, found.before)
            self.names.seen.pop(id(found.scope), None)
        return found.value

    def _define(
        self, node: cst.FunctionDef, scope: Scope, local: Locals, before: Value | None
    ) -> Value:
        function = Function(node, scope, locals=local)
        value: Value = function
        for decorator in reversed(node.decorators):
            value = self._decorate(decorator.decorator, value, scope, local, node, before)
        earlier = self.settled(before, scope) if isinstance(before, Decorated) else None
        if isinstance(value, Function) and self._is_overload(node, scope):
            known = earlier.overloads if isinstance(earlier, Function) else []
            value.overloads = [*known, value]
        return value

    def _is_overload(self, node: cst.FunctionDef, scope: Scope) -> bool:
        names = [dotted_name(decorator.decorator) for decorator in node.decorators]
        found = [self.names.find(name, scope) for name in names if name is not None]
        return Known("typing.overload") in found

    def _decorate(
        self,
        expression: cst.BaseExpression,
        value: Value,
        scope: Scope,
        local: Locals,
        node: cst.FunctionDef,
        before: Value | None,
    ) -> Value:
        dotted = dotted_name(expression) or ""
        owner, _, part = dotted.rpartition(".")
        if owner and part in ("setter", "deleter", "getter"):
            known = before if owner == node.name.value else scope.names.get(owner)
            held = self.settled(known, scope) if known is not None else None
            if isinstance(held, Property):
                getter = value if part == "getter" else held.getter
                settable = held.settable or part == "setter"
                return Property(getter, settable, held.cached, held.doc)
            if isinstance(held, Instance):
                return held
        return self.apply(self.value(expression, scope, local), [value], {})

    # ------------------------------------------------------------ expressions

    def value(self, node: cst.BaseExpression, scope: Scope, local: Locals) -> Value:
        """Return the value of an expression; Unknown if the text does not show it."""
        node = unsubscripted(node)
        dotted = dotted_name(node)
        if dotted is not None:
            return self._named(dotted, scope, local)
        if isinstance(node, cst.Lambda):
            return Function(node, scope, locals=local)
        if isinstance(node, cst.Call):
            return self._called(node, scope, local)
        if isinstance(node, cst.IfExp):
            holds = self._truth(node.test, scope, local)
            return self.value(node.orelse if holds is False else node.body, scope, local)
        if (kind := CONTAINERS.get(type(node))) is not None:
            return Instance(Known(kind))
        try:
            return Constant(self.names.constant(node, scope))
        except NotConstant:
            return Unknown("an expression")

    def _named(self, dotted: str, scope: Scope, local: Locals) -> Value:
        first, _, rest = dotted.partition(".")
        if dotted in ("True", "False", "None"):
            return Constant({"True": True, "False": False, "None": None}[dotted])
        if first in local:
            return Unknown(dotted) if rest else local[first]
        found = self.settled(self.names.find(dotted, scope), scope)
        if rest and isinstance(found, Unknown):
            found = self._attribute(dotted, scope)
        return found if not isinstance(found, Imported) else Unknown(dotted)

    def _attribute(self, dotted: str, scope: Scope) -> Value:
        """Find a method of an object that a module holds, bound to the object: `registry.register`."""
        outer, _, name = dotted.rpartition(".")
        held = self._named(outer, scope, {})
        if not isinstance(held, Instance) or not isinstance(held.cls, ClassValue):
            return Unknown(dotted)
        found = self.settled(self.names.class_attribute(held.cls, name), held.cls.scope)
        return ClassMethod(found) if isinstance(found, Function) else found

    def _called(self, node: cst.Call, scope: Scope, local: Locals) -> Value:
        callee = self.value(node.func, scope, local)
        given = [
            self.value(a.value, scope, local) for a in node.args if not a.star and not a.keyword
        ]
        named = {a.keyword.value: self.value(a.value, scope, local) for a in node.args if a.keyword}
        return self.apply(callee, given, named)

    # ------------------------------------------------------------ calls

    def apply(self, callee: Value, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
        """Return the result of a call."""
        self._depth += 1
        try:
            if self._depth > DEEPEST:
                return Unknown("calls of calls")
            return self._apply(callee, given, named)
        finally:
            self._depth -= 1

    def _apply(self, callee: Value, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
        if isinstance(callee, Known):
            return self._apply_known(callee.name, given, named)
        if isinstance(callee, Curried):
            return self._apply_curried(callee, given, named)
        if isinstance(callee, ClassMethod):  # of a class, or bound to an object
            bound: list[Value] = [] if callee.static else [Unknown("the receiver")]
            return self._apply_bound(callee, bound, given, named)
        if isinstance(callee, Function) and callee.node is not None and not callee.native:
            result = self._run(callee, given, named)
            return puzzled(result, given, callee.node) if isinstance(result, Unknown) else result
        if isinstance(callee, ClassValue):
            return self._made(callee, given)
        why = callee.why if isinstance(callee, Unknown) else "its decorator"
        return puzzled(Unknown(why), given, None)

    def _apply_bound(
        self,
        callee: ClassMethod,
        bound: Sequence[Value],
        given: Sequence[Value],
        named: Mapping[str, Value],
    ) -> Value:
        result = self.apply(callee.function, [*bound, *given], named)
        return puzzled(result, given, None) if isinstance(result, Unknown) else result

    def _apply_known(self, name: str, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
        first = given[0] if given else None
        if name in DEPRECATED or (name in CACHES and not isinstance(first, Function)):
            return Curried(name, list(given), dict(named))
        if name == "functools.wraps" or name == "functools.partial":
            return Curried(name, list(given), dict(named))
        if name == "typing.cast":
            return given[1] if len(given) > 1 else Unknown("cast")
        if name == "functools.update_wrapper" and len(given) > 1:
            return wrapping(given[0], given[1])
        if first is None:
            return Instance(Known(name))
        return self._held(name, first, given, named)

    def _held(
        self, name: str, first: Value, given: Sequence[Value], named: Mapping[str, Value]
    ) -> Value:
        """Return what a decorator of the standard library makes of a function."""
        if isinstance(first, Function) and (name in MAKERS or name in CACHES):
            native = name in CACHES
            return Function(None, first.scope, first, first, native=native, maker=MAKERS.get(name))
        if name in UNCHANGED:
            return first
        if name == "abc.abstractmethod":
            return marked_abstract(first)
        if name in ("builtins.property", "abc.abstractproperty", "types.DynamicClassAttribute"):
            settable = (len(given) > 1 and given[1] != NOTHING) or "fset" in named
            return Property(first, settable, doc=text_of(named.get("doc"), given[3:4]))
        if name == "functools.cached_property":
            return Property(first, cached=True)
        if name in ("builtins.classmethod", "builtins.staticmethod"):
            return ClassMethod(first, static=name.endswith("staticmethod"))
        if name == "functools.partialmethod":
            return Partial(first, len(given) - 1, dict(named))
        if name == "functools.singledispatchmethod":
            return Dispatched(first)
        if is_class(name):
            return Instance(Known(name))
        return puzzled(Unknown(name), given, None)

    def _apply_curried(
        self, callee: Curried, given: Sequence[Value], named: Mapping[str, Value]
    ) -> Value:
        first = given[0] if given else Unknown("nothing")
        if callee.name == "functools.wraps" and callee.arguments:
            return wrapping(first, callee.arguments[0])
        if callee.name == "functools.partial" and callee.arguments:
            together = {**callee.named, **named}
            return self.apply(callee.arguments[0], [*callee.arguments[1:], *given], together)
        if callee.name in CACHES and isinstance(first, Function):
            return Function(None, first.scope, first, first, native=True)
        if callee.name in DEPRECATED:
            return marked_deprecated(first, callee)
        return puzzled(Unknown(callee.name), given, None)

    def _made(self, cls: ClassValue, given: Sequence[Value]) -> Value:
        """Return what a call of a class creates, if it is a kind of property or class method."""
        for base in self._known_bases(cls, set()):
            if base in ("builtins.property", "functools.cached_property", "builtins.classmethod"):
                held = given[0] if given else Unknown("nothing")
                return self._held(base, held, given, {})
        return Instance(cls, next((g for g in given if isinstance(g, Function)), None))

    def _known_bases(self, cls: ClassValue, seen: set[int]) -> list[str]:
        found: list[str] = []
        for argument in cls.node.bases:
            dotted = dotted_name(unsubscripted(argument.value))
            base = self.names.find(dotted, cls.scope) if dotted is not None else None
            if isinstance(base, Known):
                found.append(base.name)
            elif isinstance(base, ClassValue) and id(base) not in seen:
                found += self._known_bases(base, seen | {id(base)})
        return found

    # ------------------------------------------------------------ executing functions

    def _run(self, function: Function, given: Sequence[Value], named: Mapping[str, Value]) -> Value:
        node = function.node
        if node is None:
            return Unknown("no text")
        local = {**function.locals, **self._bound(function, node.params, given, named)}
        if isinstance(node, cst.Lambda):
            return self.value(node.body, function.scope, local)
        returned = self._execute(body_of(node), function.scope, local)
        return returned if returned is not None else NOTHING

    def _bound(
        self,
        function: Function,
        params: cst.Parameters,
        given: Sequence[Value],
        named: Mapping[str, Value],
    ) -> Locals:
        places = [*params.posonly_params, *params.params]
        local: Locals = {}
        for index, param in enumerate([*places, *params.kwonly_params]):
            name = param.name.value
            if index < len(given) and index < len(places):
                local[name] = given[index]
            elif name in named:
                local[name] = named[name]
            elif param.default is not None:
                local[name] = self.value(param.default, function.scope, function.locals)
            else:
                local[name] = Unknown(name)
        for star in (params.star_arg, params.star_kwarg):
            if isinstance(star, cst.Param):
                local[star.name.value] = Unknown(star.name.value)
        return local

    def _execute(self, body: Sequence[cst.CSTNode], scope: Scope, local: Locals) -> Value | None:
        """Execute statements until one returns; None if none does."""
        for statement in body:
            returned = self._execute_one(statement, scope, local)
            if returned is not None:
                return returned
        return None

    def _execute_one(self, node: cst.CSTNode, scope: Scope, local: Locals) -> Value | None:
        if isinstance(node, cst.FunctionDef):
            local[node.name.value] = self._define(node, scope, local, None)
        elif isinstance(node, cst.ClassDef):
            local[node.name.value] = ClassValue(node, scope, f"<locals>.{node.name.value}")
        elif isinstance(node, cst.If):
            return self._execute_if(node, scope, local)
        elif isinstance(node, (cst.With, cst.Try)):
            return self._execute(body_of(node.body), scope, local)
        elif isinstance(node, cst.SimpleStatementLine):
            return self._execute_line(node, scope, local)
        return None

    def _execute_if(self, node: cst.If, scope: Scope, local: Locals) -> Value | None:
        holds = self._truth(node.test, scope, local)
        if holds is not False:
            returned = self._execute(body_of(node.body), scope, local)
            if returned is not None or holds is True:
                return returned
        if isinstance(node.orelse, cst.If):
            return self._execute_if(node.orelse, scope, local)
        if node.orelse is not None:
            return self._execute(body_of(node.orelse.body), scope, local)
        return None

    def _execute_line(
        self, node: cst.SimpleStatementLine, scope: Scope, local: Locals
    ) -> Value | None:
        for small in node.body:
            if isinstance(small, cst.Return):
                return self.value(small.value, scope, local) if small.value is not None else NOTHING
            if isinstance(small, cst.ImportFrom) and not isinstance(small.names, cst.ImportStar):
                for alias in small.names:  # inside a function: only what is known by name
                    module = dotted_name(small.module) or ""
                    local[alias.evaluated_alias or alias.evaluated_name] = self.names.followed(
                        Imported(module, alias.evaluated_name), scope.checking
                    )
            elif isinstance(small, cst.Assign):
                self._assign(small, scope, local)
            elif isinstance(small, cst.Expr):
                self.value(small.value, scope, local)
        return None

    def _assign(self, node: cst.Assign, scope: Scope, local: Locals) -> None:
        for target in node.targets:
            dotted = dotted_name(target.target) or ""
            name, _, part = dotted.rpartition(".")
            if name in local and part in ("__wrapped__", "__doc__"):
                adorn(local[name], part, self._source_of(node.value, local))
            elif dotted and not name:
                local[dotted] = self.value(node.value, scope, local)

    def _source_of(self, node: cst.BaseExpression, local: Locals) -> Value | None:
        """Find the function in `inner.__doc__ = function.__doc__` and `inner.__wrapped__ = function`."""
        first = (dotted_name(node) or "").partition(".")[0]
        return local.get(first)

    # ------------------------------------------------------------ conditions

    def _truth(self, test: cst.BaseExpression, scope: Scope, local: Locals) -> bool | None:
        """Decide a condition about functions; None if it is unknown."""
        if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
            inner = self._truth(test.expression, scope, local)
            return None if inner is None else not inner
        if isinstance(test, cst.BooleanOperation):
            return self._truth_of_two(test, scope, local)
        if isinstance(test, cst.Call):
            return self._answer(test, scope, local)
        if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
            return self._compared(test, scope, local)
        found = self.value(test, scope, local)
        if isinstance(found, Constant):
            return bool(found.value)
        return True if isinstance(found, (Function, ClassValue)) else None

    def _truth_of_two(self, test: cst.BooleanOperation, scope: Scope, local: Locals) -> bool | None:
        decides = isinstance(test.operator, cst.Or)
        sides = [self._truth(side, scope, local) for side in (test.left, test.right)]
        if decides in sides:
            return decides
        return None if None in sides else not decides

    def _answer(self, test: cst.Call, scope: Scope, local: Locals) -> bool | None:
        """Answer `inspect.iscoroutinefunction(function)` and the like."""
        question = (dotted_name(test.func) or "").rpartition(".")[2]
        asked = self.value(test.args[0].value, scope, local) if test.args else None
        if isinstance(asked, Constant):
            return False if question in (*QUESTIONS, "callable", "isclass") else None
        if not isinstance(asked, Function):
            return None
        if question in QUESTIONS:
            return QUESTIONS[question](asked.innermost if asked.node is None else asked)
        if question == "callable":
            return True
        if question in ("isclass", "isinstance"):
            return None if question == "isinstance" and len(test.args) < 2 else False
        return None

    def _compared(self, test: cst.Comparison, scope: Scope, local: Locals) -> bool | None:
        """Decide `function is None`; leave anything else."""
        only = test.comparisons[0]
        if not isinstance(only.operator, (cst.Is, cst.IsNot, cst.Equal, cst.NotEqual)):
            return None
        sides = [self.value(one, scope, local) for one in (test.left, only.comparator)]
        if any(isinstance(side, Unknown) for side in sides):
            return None
        same = sides[0] == sides[1]
        return same if isinstance(only.operator, (cst.Is, cst.Equal)) else not same


def wrapping(outer: Value, inner: Value) -> Value:
    """Mark a function as one that wraps another."""
    if not isinstance(outer, Function):
        return outer
    if isinstance(inner, Function):
        outer.wrapped = inner
        outer.doc_of = inner.doc_of or inner
        outer.deprecated = outer.deprecated or inner.deprecated
        outer.abstract = outer.abstract or inner.abstract
        outer.puzzling = [*inner.puzzling, *outer.puzzling]
    return outer


def adorn(outer: Value, part: str, inner: Value | None) -> None:
    """Apply `outer.__wrapped__ = inner` and `outer.__doc__ = inner.__doc__`."""
    if isinstance(outer, Function) and isinstance(inner, Function):
        if part == "__wrapped__":
            outer.wrapped = inner
        else:
            outer.doc_of = inner.doc_of or inner


def marked_abstract(value: Value) -> Value:
    """Mark a member that a subclass has to define."""
    function = value.function if isinstance(value, ClassMethod) else value
    if isinstance(function, Function):
        function.abstract = True
    return value


def marked_deprecated(value: Value, callee: Curried) -> Value:
    """Mark a function with the message of `@deprecated("...")`; its category may be the usual one or a named class."""
    message = callee.arguments[0] if callee.arguments else None
    text = message.value if isinstance(message, Constant) else None
    if not isinstance(text, str):
        return value
    category: tuple[str, str] | None = ("builtins", "DeprecationWarning")
    named = callee.named.get("category")
    if isinstance(named, Constant) and named.value is None:
        category = None
    elif isinstance(named, Known):
        module, _, qualname = named.name.rpartition(".")
        category = (module, qualname)
    elif isinstance(named, ClassValue):
        category = (named.scope.module, named.qualname)
    function = value.function if isinstance(value, ClassMethod) else value
    if isinstance(function, Function):
        function.deprecated = (text, category)
    return value


def puzzled(found: Unknown, given: Sequence[Value], decorator: cst.CSTNode | None) -> Value:
    """Keep a function that an unknown decorator has changed, and note that decorator on it."""
    function = given[0] if given else None
    if len(given) != 1 or not isinstance(function, Function):
        return found
    name = decorator.name.value if isinstance(decorator, cst.FunctionDef) else found.why
    function.puzzling = [*function.puzzling, name]
    return function


def is_class(name: str) -> bool:
    """Return whether the standard library has a class of this full name; its instances are plain values."""
    module, _, qualname = name.rpartition(".")
    try:
        return isinstance(getattr(importlib.import_module(module), qualname, None), type)
    except (ImportError, ValueError):
        return False


def text_of(value: Value | None, more: Sequence[Value]) -> str | None:
    """Return a text that is given as a docstring."""
    for one in (value, *more):
        if isinstance(one, Constant) and isinstance(one.value, str):
            return one.value
    return None
