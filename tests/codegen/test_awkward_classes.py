"""Whatever class it reads, the generator writes a module that is inert, and a twin of the client.

The classes are drawn by Hypothesis: parameters of every kind, names of every sort, defaults and
docstrings that would be code if they were pasted, decorators that hide what they decorate.
"""

import ast
import asyncio
import contextlib
import inspect
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from connpool_gen.planning.ledger import Fate
from tests.codegen.inert import foreign_nodes
from tests.codegen.made import Made, Maker
from tests.codegen.strategies import VALUES, AwkwardClass, AwkwardMethod, awkward_classes

Call = tuple[tuple[object, ...], dict[str, object]]


class Given:
    """An argument, told apart by its number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"<{self.number}>"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory, checker_cache: Path) -> Maker:
    """One folder for all examples; each has a module name of its own."""
    return Maker(tmp_path_factory.mktemp("awkward"), checker_cache)


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(drawn=awkward_classes())
@pytest.mark.filterwarnings("ignore:no longer:DeprecationWarning")
def test_an_awkward_class(workshop: Maker, drawn: AwkwardClass) -> None:
    """The output is inert, accounts for every member, and each method is its client's twin."""
    made = workshop.make(drawn.source())
    assert foreign_nodes(made.text, "pwned") == []
    assert {unicodedata.normalize("NFKC", m.name) for m in drawn.methods} == set(made.names)
    for method in drawn.methods:
        entry = made.names[method.name]
        if entry.fate is Fate.SKIPPED:
            assert entry.reason
        elif method.form not in VALUES:
            check_twin(made, method)
            check_delegation(made, method)
        else:
            assert getattr(made.over(made.client()), method.name) == (method.name,)


def check_twin(made: Made, method: AwkwardMethod) -> None:
    """Names, kinds and the very default objects, seen through an instance, are the client's."""
    client, wrapper = made.client(), made.wrapper()
    theirs = [shape(p) for p in parameters(client, method.name)]
    ours = [shape(p) for p in parameters(wrapper, method.name)]
    assert ours == theirs, made.text


def parameters(owner: object, name: str) -> list[inspect.Parameter]:
    return list(inspect.signature(getattr(owner, name)).parameters.values())


def shape(parameter: inspect.Parameter) -> tuple[str, object, int | str]:
    """A default counts as the same object, or as an equal literal."""
    default = parameter.default
    literal = type(default) in (int, float, complex, str, bytes, bool, tuple)
    return (parameter.name, parameter.kind, repr(default) if literal else id(default))


def check_delegation(made: Made, method: AwkwardMethod) -> None:
    """Each way to call gives the same answer through the pool as on the client itself."""
    client = made.client()
    wrapper = made.over(client)
    for args, kwargs in calls(parameters(client, method.name)):
        direct = answer(getattr(client, method.name), args, kwargs)
        pooled = answer(getattr(wrapper, method.name), args, kwargs)
        assert pooled == direct, made.text
    assert all(member.in_flight == 0 for member in getattr(wrapper, made.pool_field).members)


def calls(params: list[inspect.Parameter]) -> list[Call]:
    """By position where possible, by keyword where possible, and with nothing that is optional."""
    return [
        bound(params, keywords=False, optional=True),
        bound(params, keywords=True, optional=True),
        bound(params, keywords=False, optional=False),
        bound(params, keywords=True, optional=False),
    ]


def bound(params: list[inspect.Parameter], *, keywords: bool, optional: bool) -> Call:
    args: list[object] = []
    kwargs: dict[str, object] = {}
    for number, param in enumerate(params):
        value = Given(number)
        if param.default is not param.empty and not optional:
            continue
        if param.kind is param.POSITIONAL_ONLY or (
            param.kind is param.POSITIONAL_OR_KEYWORD and not keywords
        ):
            args.append(value)
        elif param.kind is param.VAR_POSITIONAL:
            full = len(args) == sum(p.kind <= p.POSITIONAL_OR_KEYWORD for p in params)
            args += [Given(100), Given(101)] if full else []
        elif param.kind is param.VAR_KEYWORD:
            kwargs |= {"extra": Given(200), "client_": Given(201)}
        else:
            kwargs[param.name] = value
    return tuple(args), kwargs


def answer(
    function: Callable[..., Any], args: tuple[object, ...], kwargs: dict[str, object]
) -> object:
    """What a call gives in the end: the value, the items, what the context manager yields."""
    result = function(*args, **kwargs)
    if inspect.iscoroutine(result):
        return asyncio.run(result)
    if inspect.isasyncgen(result):
        return asyncio.run(collect(result))
    if isinstance(result, contextlib.AbstractContextManager):
        with result as value:
            return value
    return result if isinstance(result, tuple) else list(result)


async def collect(items: Any) -> list[object]:
    return [item async for item in items]


def test_the_check_for_foreign_code_finds_it() -> None:
    """The check above is not blind: code that got out of a string is reported."""
    plain = '"""Doc."""\nclass P:\n    def f(self):\n        """x"""\n        return self.pool.call(_F)\n'
    assert foreign_nodes(plain, "pwned") == []
    for broken in ("import pwned\n", "raise SystemExit\n", "print('x')\n", "x = pwned\n"):
        assert foreign_nodes(plain + broken, "pwned") != []
        assert foreign_nodes(plain + "        " + broken, "pwned") != []
    ast.parse(plain)
