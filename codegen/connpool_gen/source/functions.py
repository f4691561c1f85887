"""Describes functions as the run-time reader does: form, parameters, docstring, deprecation."""

from __future__ import annotations

import ast
import functools
import textwrap
from typing import TYPE_CHECKING, Any

import libcst as cst

from connpool_gen.probe.members import DISPATCHED, ENTERS, LEAVES, OPENS
from connpool_gen.probe.source import (
    called_on_receiver,
    gives_a_value,
    looks_at_keywords,
    returns_its_receiver,
    runs_coroutines,
)
from connpool_gen.source.constants import dotted_name
from connpool_gen.source.nodes import (
    docstring,
    every_param,
    is_async,
    is_async_generator,
    is_coroutine,
    yields,
)
from connpool_gen.source.overloads import together
from connpool_gen.source.values import ClassMethod, ClassValue, Dispatched, Function, Known, Partial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connpool_gen.source.classes import Classes
    from connpool_gen.source.defaults import Defaults

Json = dict[str, Any]
POSITIONAL = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")
OF_CONTEXTLIB: list[Json] = [
    {"name": "args", "kind": "VAR_POSITIONAL"},
    {"name": "kwds", "kind": "VAR_KEYWORD"},
]


class Functions:
    """Describes the functions of one client."""

    def __init__(self, classes: Classes, defaults: Defaults) -> None:
        self._classes = classes
        self._defaults = defaults

    def describe(self, held: Function | ClassMethod | Partial | Dispatched) -> Json:
        """Describe the method that a class holds under a name."""
        if isinstance(held, ClassMethod):
            return self._of_class(held)
        if isinstance(held, Partial):
            return self._partial(held)
        if isinstance(held, Dispatched):
            return self._dispatched(held)
        return self._plain(held)

    def _plain(self, function: Function, *, drop: bool = True, bound: bool = False) -> Json:
        """Describe a function; `drop`: its first parameter is the receiver, `bound`: the receiver is bound already."""
        shown = self._shown(function, drop=drop)
        outer = self._outer(function, shown, drop=drop)
        described: Json = {
            "form": form_of(function),
            "doc": doc_of(function),
            "context_manager": manager_of(function),
            "receiver_alone": is_receiver_alone(function, bound=bound),
            "leavable": self._is_leavable(function.innermost),
            "deprecated": deprecation_of(function),
            "params": shown,
        }
        if outer != shown:
            described["outer"] = outer
            if is_looked_through(function):
                described["reads_keywords"] = True
        if asks_for_literals(function.innermost):
            described["literal"] = True
        if enters_plainly(function):
            described["returns_receiver"] = True
        if calls := called_to_leave(function):
            described["calls"] = calls
        if not is_hidden(function) and is_coroutine(function):
            described["runs_as_coroutine"] = True
        if opens_with_a_value(function):
            described["gives_value"] = True
        return described

    def _of_class(self, held: ClassMethod) -> Json:
        form = "staticmethod" if held.static else "classmethod"
        if not isinstance(held.function, Function):
            return {"form": form, "params": None}
        described = self._plain(held.function, drop=not held.static, bound=not held.static)
        return {**described, "form": form}

    def _partial(self, held: Partial) -> Json:
        doc = functools.partialmethod.__doc__
        if not isinstance(held.function, Function):
            return {"form": "function", "doc": doc, "params": None}
        known = self._plain(held.function)
        shown: list[Json] = known["params"] or []
        params = shown[held.given :]
        given = next((i for i, p in enumerate(params) if p["name"] in held.named), len(params))
        by_name = [{**p, "kind": "KEYWORD_ONLY"} for p in params[given:] if p["kind"] in POSITIONAL]
        rest = [p for p in params[given:] if p["kind"] not in POSITIONAL]
        unwritten: Json = {"default": {}}
        kept: list[Json] = [p | unwritten if p["name"] in held.named else p for p in by_name]
        return {"form": "function", "doc": doc, "params": [*params[:given], *kept, *rest]}

    def _dispatched(self, held: Dispatched) -> Json:
        doc = functools.singledispatchmethod.__doc__
        if not isinstance(held.function, Function):
            return {"form": "function", "doc": doc, "params": None}
        return {**self._plain(held.function), "doc": doc, "outer": DISPATCHED}

    # ------------------------------------------------------------ parameters

    def _shown(self, function: Function, *, drop: bool) -> list[Json] | None:
        """Read the parameters that a function shows, which are those below its decorators."""
        if function.overloads:
            return together([self.params(one.innermost, drop=drop) for one in function.overloads])
        return self.params(function.innermost, drop=drop)

    def _outer(
        self, function: Function, shown: list[Json] | None, *, drop: bool
    ) -> list[Json] | None:
        """Read the parameters that the outermost decorator takes."""
        if function.puzzling:
            return DISPATCHED  # an unknown decorator gets what the caller gave
        if function.maker is not None:
            return OF_CONTEXTLIB
        if function.native:
            return None
        return shown if function.wrapped is None else self.params(function, drop=drop)

    def params(self, function: Function, *, drop: bool = True) -> list[Json] | None:
        """Read the parameters of one function, without the receiver if it is to be dropped."""
        if function.node is None:
            return None
        found = [self._param(p, kind, function) for p, kind in kinds_of(function)]
        if drop and found and found[0]["kind"] in POSITIONAL:
            return found[1:]
        return found

    def _param(self, param: cst.Param, kind: str, function: Function) -> Json:
        name, owner = param.name.value, function.scope.owner
        if owner is not None and name.startswith("__") and not name.endswith("__"):
            name = f"_{owner.name.lstrip('_')}{name}"
        if kind == "POSITIONAL_ONLY" and function.scope.text.is_stub:
            name = param.name.value.lstrip("_") or param.name.value
        described: Json = {"name": name, "kind": kind}
        if param.default is not None:
            described["default"] = self._defaults.describe(param.default, function)
        return described

    def _is_leavable(self, function: Function) -> bool:
        """Return whether the annotation of the result names a class of context managers."""
        node = function.node
        if not isinstance(node, cst.FunctionDef) or node.returns is None:
            return False
        annotation = node.returns.annotation
        dotted = dotted_name(annotation)
        if isinstance(annotation, cst.SimpleString) and not function.scope.deferred:
            dotted = str(annotation.evaluated_value)
        if dotted is None or not dotted.replace(".", "").isidentifier():
            return False
        scope = self._classes.names.outer(function.scope)
        found = self._classes.names.find(dotted, scope)  # `Alias = Class[int]` is no class
        if isinstance(found, Known):
            return "ContextManager" in found.name
        if not isinstance(found, ClassValue):
            return False
        leaving = ("__exit__", "__aexit__")
        return any(self._classes.finds(found, name) is not None for name in leaving)


def enters_plainly(function: Function) -> bool:
    """Return whether a method enters a client and does nothing but return it."""
    if not isinstance(function.node, cst.FunctionDef) or function.node.name.value not in ENTERS:
        return False
    return returns_its_receiver(parsed(function.node))


def called_to_leave(function: Function) -> list[str]:
    """List what a method calls on a client to leave it; nothing of any other method."""
    inner = function.innermost.node
    if not isinstance(inner, cst.FunctionDef) or inner.name.value not in LEAVES:
        return []
    return called_on_receiver(parsed(inner))


def opens_with_a_value(function: Function) -> bool:
    """Return whether a method that may open a client returns a value."""
    if not isinstance(function.node, cst.FunctionDef) or function.node.name.value not in OPENS:
        return False
    inner = function.innermost.node
    return isinstance(inner, cst.FunctionDef) and gives_a_value(parsed(inner))


def parsed(node: cst.FunctionDef) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """Parse a function's text alone."""
    [found] = ast.parse(textwrap.dedent(cst.Module([]).code_for_node(node))).body
    assert isinstance(found, (ast.FunctionDef, ast.AsyncFunctionDef))
    return found


def is_looked_through(function: Function) -> bool:
    """Return whether a decorator of a function looks at the keywords of a call."""
    while isinstance(function.wrapped, Function):
        if (
            not isinstance(function.node, cst.FunctionDef)
            or function.node.params.star_kwarg is None
        ):
            return False
        if looks_at_keywords(parsed(function.node)):
            return True
        function = function.wrapped
    return False


def kinds_of(function: Function) -> list[tuple[cst.Param, str]]:
    """List the parameters of a function with their kinds, including the receiver."""
    node = function.node
    if node is None:
        return []
    params = node.params
    found = [(param, "POSITIONAL_ONLY") for param in params.posonly_params]
    if function.scope.text.is_stub and not found:
        found += old_style(params.params)
    rest = params.params[len(found) - len(params.posonly_params) :]
    found += [(param, "POSITIONAL_OR_KEYWORD") for param in rest]
    if isinstance(params.star_arg, cst.Param):
        found.append((params.star_arg, "VAR_POSITIONAL"))
    found += [(param, "KEYWORD_ONLY") for param in params.kwonly_params]
    if params.star_kwarg is not None:
        found.append((params.star_kwarg, "VAR_KEYWORD"))
    return found


def asks_for_literals(function: Function) -> bool:
    """Return whether a parameter is annotated as `LiteralString`, which mypy takes for `str`."""
    node = function.node
    if not isinstance(node, cst.FunctionDef):
        return False
    said = [param.annotation for param in every_param(node.params) if param.annotation is not None]
    return any("LiteralString" in cst.Module([]).code_for_node(one.annotation) for one in said)


def is_receiver_alone(function: Function, *, bound: bool) -> bool:
    """Return whether `**kwargs` may contain the receiver's own name: `def update(self, /, **fields)`."""
    kinds = [kind for _, kind in kinds_of(function.innermost)][1 if bound else 0 :]
    second = kinds[1] if len(kinds) > 1 else None
    first_only = bool(kinds) and kinds[0] == "POSITIONAL_ONLY"
    return "VAR_KEYWORD" in kinds and first_only and second != "POSITIONAL_ONLY"


def old_style(params: Sequence[cst.Param]) -> list[tuple[cst.Param, str]]:
    """List the parameters that a stub marks as positional-only by their names: `__key`."""
    private = [p.name.value.startswith("__") and not p.name.value.endswith("__") for p in params]
    if not any(private[:2]):
        return []
    first = private.index(True)
    last = next((i for i in range(first, len(params)) if not private[i]), len(params))
    return [(param, "POSITIONAL_ONLY") for param in params[:last]]


def is_hidden(function: Function) -> bool:
    """Return whether no text shows what a call runs first."""
    return bool(function.puzzling) or function.maker is not None or function.native


def runs_its_coroutine(function: Function) -> bool:
    """Return whether a decorator's function runs the coroutine that it gets to its end."""
    return isinstance(function.node, cst.FunctionDef) and runs_coroutines(parsed(function.node))


def form_of(function: Function) -> str:
    """Return the form of a function: coroutine, asyncgen, generator or function."""
    if is_hidden(function):
        return "coroutine" if is_coroutine(function.innermost) else "function"
    if is_coroutine(function):
        return "coroutine"
    if yields(function):
        return "asyncgen" if is_async(function) else "generator"
    hands_on = is_coroutine(function.innermost) and not runs_its_coroutine(function)
    return "coroutine" if hands_on else "function"


def manager_of(function: Function) -> str | None:
    """Return what `contextlib` made of a generator; None for other functions."""
    if function.maker is None:
        return None
    if function.scope.text.is_stub:
        return function.maker
    return "async_context" if is_async_generator(function.innermost) else "context"


def doc_of(function: Function) -> str | None:
    """Return the docstring of a function."""
    return docstring((function.doc_of or function).node)


def deprecation_of(function: Function) -> list[Any] | None:
    """Return the deprecation of a function: the message, and where the warning's class is."""
    if function.deprecated is None:
        return None
    message, category = function.deprecated
    return [message, list(category) if category is not None else None]
