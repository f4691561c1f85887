"""The middleware of config files: what their classes say of themselves is what files may say."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from connpool_runtime import middleware
from connpool_runtime.config import ServiceConfig
from connpool_runtime.config.middleware import MIDDLEWARE, middleware_table
from connpool_runtime.config.tables import Entry, Table
from connpool_runtime.connectors import InvalidConfig
from connpool_runtime.connectors.redis import RedisConfig
from connpool_runtime.options.validation import Rule

PLAIN = {"int", "float", "bool", "str"}
FOLDER = Path(middleware.__file__).parent
# These take what only a program has: an answer, a function, or what is to be broken.
BY_PROGRAM = {"Chaos", "Fallback", "Role"}


def service(**wrapped: Any) -> ServiceConfig:
    connector = RedisConfig(endpoints="a:1")
    return ServiceConfig(name="users", connector=connector, middleware=wrapped)


def is_plain(annotation: object) -> bool:
    return bool(PLAIN & {part.strip() for part in str(annotation).split("|")})


@pytest.mark.parametrize("name", MIDDLEWARE)
def test_a_file_may_say_every_number_of_a_middleware(name: str) -> None:
    """Each argument that plain data can say is in the table, with the default and the text of the class."""
    kind = MIDDLEWARE[name]
    parameters = inspect.signature(kind.cls.__init__).parameters
    plain = {one for one, each in parameters.items() if is_plain(each.annotation)}
    assert set(kind.rules) == plain
    table = middleware_table().entries[name]
    assert isinstance(table, Table)
    for argument, entry in table.entries.items():
        assert isinstance(entry, Entry)
        assert entry.does, f"{name}.{argument} is not explained by its class"
        default = parameters[argument].default
        assert entry.default == (None if default is inspect.Parameter.empty else default)


def test_every_middleware_has_a_name() -> None:
    """Whatever has a role has a name in files, but for what takes more than plain data."""
    classes: set[str] = set()
    for file in FOLDER.glob("*.py"):
        module = import_module(f"connpool_runtime.middleware.{file.stem}")
        classes |= {
            one
            for one in getattr(module, "__all__", ())
            if isinstance(getattr(module, one), type) and hasattr(getattr(module, one), "role")
        }
    assert classes - {kind.name for kind in MIDDLEWARE.values()} <= BY_PROGRAM


def test_a_budget_is_shared() -> None:
    """Retry and Hedging of one service stay within one budget if the file gives one."""
    made: Any = service(
        retry=True, hedging={"delay": "1s"}, retry_budget={"share": 0.5}
    ).new_middleware()
    assert set(made) == {"retry", "hedging"}
    assert made["retry"].budget is made["hedging"].budget
    alone: Any = service(retry=True, hedging=True).new_middleware()
    assert alone["retry"].budget is not alone["hedging"].budget


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"retri": True}, "unknown middleware 'users.middleware.retri'; did you mean 'retry'"),
        ({"retry": {"atempts": 3}}, "'users.middleware.retry.atempts'; did you mean 'attempts'"),
        ({"retry": {"attempts": 0}}, "users.middleware.retry.attempts must be a whole number"),
        ({"retry": {"base": "x"}}, "users.middleware.retry.base must be a number of seconds"),
        ({"retry": 3}, "users.middleware.retry must be true, false or a mapping"),
        ({"bulkhead": True}, "users.middleware.bulkhead.limit must be .*, not left out"),
        ({"hedging": {"quantile": 2}}, "users.middleware.hedging.quantile must be less than 1"),
        ({"retry_budget": True}, "retry_budget must be left out without retry or hedging"),
        ({"logging": {"level": "LOUD"}}, "users.middleware.logging"),
    ],
)
def test_bad_middleware_is_refused(given: Any, told: str) -> None:
    """An unknown name or argument, a bad or missing value is an error that names it."""
    with pytest.raises(InvalidConfig, match=told):
        service(**given)


def test_a_storage_is_a_secret() -> None:
    """The URI of a shared rate limit, which may have a password, is in no error."""
    with pytest.raises(InvalidConfig, match="shared_rate_limit") as caught:
        service(
            shared_rate_limit={"limit": "1/second", "storage": "nosuch://u:geheim@h"}
        ).new_middleware()
    assert "geheim" not in str(caught.value)


def test_rules_are_those_of_the_class() -> None:
    """A value that a rule lets pass is one that the class takes, at the edge of what is allowed."""
    for name, kind in MIDDLEWARE.items():
        edges = {one: rule.least for one, rule in kind.rules.items() if rule.least is not None}
        edges = {one: edge for one, edge in edges.items() if kind.rules[one].accepts(edge)}
        if name in ("adaptive_limit", "shared_rate_limit"):  # whose numbers depend on each other
            continue
        whole = {one for one, rule in kind.rules.items() if rule.kind == "whole number"}
        least = {one: int(edge) if one in whole else edge for one, edge in edges.items()}
        kind.cls(**least)
    assert isinstance(MIDDLEWARE["retry"].rules["attempts"], Rule)
