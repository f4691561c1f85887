"""What a target makes up at run time - names, reprs, signatures - neither stops the run nor becomes code."""

import pytest

from connpool_gen.planning.ledger import Fate
from tests.codegen.inert import foreign_nodes
from tests.codegen.made import Made, Maker

CERTAINLY = "    def certainly(self) -> int:\n        return 1\n"


def made_safely(maker: Maker, source: str) -> Made:
    """Generate, import and call; the output holds nothing but what templates write."""
    made = maker.make(source)
    assert foreign_nodes(made.text, "pwned") == []
    assert made.over(made.client()).certainly() == 1
    return made


@pytest.mark.parametrize(
    "name",
    [
        "from",
        "None",
        "a b",
        "",
        "1x",
        "a.b",
        "x; import pwned",
        "f(self): pass\n    import pwned\n    def g",
        "f\n    pwned",
        "f # ",
        'f"""',
        "{{ pwned }}",
        "ﬁ",
        "\ud800",
    ],
)
def test_a_member_whose_name_is_no_name(maker: Maker, name: str) -> None:
    """What no source could call is skipped with the reason, whatever its text is."""
    source = f"class Client:\n{CERTAINLY}setattr(Client, {name!r}, lambda self: 2)\n"
    made = made_safely(maker, source)
    assert made.names["certainly"].fate is Fate.WRAPPED
    others = [entry for entry in made.ledger.entries if entry.name != "certainly"]
    assert [entry.fate for entry in others] == [Fate.SKIPPED]
    assert "name" in others[0].reason


@pytest.mark.parametrize(
    "value",
    [
        "10**5000",
        "-(10**5000)",
        "nested(3000)",
        "FROM['from']",
        "enum.Enum('E', {'a b': 1})['a b']",
        "enum.Enum('E', {'x\\nimport pwned': 1})['x\\nimport pwned']",
        "Lies()",
        "LIES",
        "Angry()",
        "pwned_module.VALUE",
        "sys.modules['x\\nimport pwned'].VALUE",
        "type('pwned()', (), {})",
        "Loop()",
    ],
)
def test_a_default_that_lies(maker: Maker, value: str) -> None:
    """A default that has no honest name is the very object all the same."""
    source = f"""
import enum, functools, sys, types

def nested(depth):
    return functools.reduce(lambda inner, _: (inner,), range(depth), ())

class Lies:
    __module__ = "os"
    __qualname__ = "system('pwned')"
    __name__ = "pwned()"
    def __repr__(self):
        return "pwned()"

LIES = Lies()
LIES.__module__ = "x\\nimport pwned"
LIES.__qualname__ = "VALUE"

class Angry:
    def __getattribute__(self, name):
        raise RuntimeError(name)

class Loop:
    @property
    def __wrapped__(self):
        return self

FROM = enum.Enum("FROM", ["from"])

hostile = types.ModuleType("x\\nimport pwned")
hostile.VALUE = LIES
sys.modules["x\\nimport pwned"] = hostile
pwned_module = hostile

class Client:
    def f(self, value={value}):
        return value
{CERTAINLY}
"""
    made = made_safely(maker, source)
    [default] = made.client.f.__defaults__
    assert made.over(made.client()).f() is default or made.over(made.client()).f() == default


@pytest.mark.parametrize(
    "lie",
    [
        "f.__signature__ = 'nonsense'",
        "f.__text_signature__ = '($self, x'",
        "f.__wrapped__ = f",
        "f.__doc__ = 5",
        "f.__doc__ = b'pwned'",
        "f.__annotations__ = {'a': 'pwned()', 'return': object()}",
        "f.__module__ = 'x\\nimport pwned'",
        "f.__qualname__ = 'pwned()'",
        "f.__name__ = 'pwned()'",
        "f.__defaults__ = None",
        "f = functools.partialmethod(f, 1)",
        "f = functools.lru_cache(f)",
        "f = functools.singledispatchmethod(f)",
        "f = operator.itemgetter(1)",
        "f.__signature__ = inspect.Signature([inspect.Parameter('from', inspect.Parameter.POSITIONAL_ONLY)])",
    ],
)
def test_a_function_that_lies(maker: Maker, lie: str) -> None:
    """What a function says about itself cannot end the run, and is not pasted into the output."""
    source = f"""
import functools, inspect, operator
class Client:
    def f(self, a=1):
        return a
    {lie}
{CERTAINLY}
"""
    made_safely(maker, source)


@pytest.mark.parametrize(
    "source",
    [
        f"class Client:\n{CERTAINLY}Client.__doc__ = 5\n",
        f"class Client:\n{CERTAINLY}Client.__module__ = 'x\\nimport pwned'\n",
        f"class Client:\n{CERTAINLY}Client.__qualname__ = 'pwned()'\n",
        f"class Client:\n{CERTAINLY}Client.__name__ = 'pwned()'\n",
        f"class Client:\n    __slots__ = ('host', 'port')\n{CERTAINLY}",
        f"import abc\nclass Client(abc.ABC):\n{CERTAINLY}",
        f"def make():\n    class Client:\n    {CERTAINLY.replace(chr(10), chr(10) + '    ')}\n    return Client\nClient = make()\n",
        "Client = type('Client', (), {'certainly': lambda self: 1})\n",
        f"class Meta(type):\n    def __getattr__(cls, name): raise RuntimeError(name)\nclass Client(metaclass=Meta):\n{CERTAINLY}",
        f"class Client(dict):\n{CERTAINLY}",
        f"class Client(Exception):\n{CERTAINLY}",
    ],
)
def test_a_class_that_is_unlike_others(maker: Maker, source: str) -> None:
    """Slots, metaclasses, locals, built-in bases and false names are no obstacle."""
    made_safely(maker, source)
