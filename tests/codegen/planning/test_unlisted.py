"""What a client's `__getattr__` answers is not in the wrapper: the run says so."""

import pytest

from connpool_gen import generate
from connpool_gen.errors import GenerationError
from tests.codegen.made import Maker

CLIENT = """
class Part:
    def __init__(self, client: object) -> None: ...
    def get(self) -> int:
        return 1
    def __getattr__(self, name: str) -> int:
        return len(name)

class Client:
    def __init__(self) -> None:
        self.part = Part(self)
    def ping(self) -> int:
        return 1
    def __getattr__(self, name: str) -> int:
        BODY
"""
GIVES = CLIENT.replace("BODY", "return len(name)")
REFUSES = 'if name == "pong":\n            name += "?"\n        raise AttributeError(name)'


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("mode", ["pool", "drop-in"])
def test_names_that_a_client_makes_up_are_told_of(maker: Maker, static: bool, mode: str) -> None:
    """They are skipped, of the client and of its parts, with what to do; everything else is as usual."""
    made = maker.make(GIVES, static=static, mode=mode)
    for name in ("__getattr__", "part.__getattr__"):
        assert made.names[name].fate.value == "skipped"
        assert "lease a member" in made.names[name].reason
    wrapper = made.over(made.client())
    assert (wrapper.ping(), wrapper.part.get()) == (1, 1)
    assert not hasattr(wrapper, "unlisted")


@pytest.mark.parametrize("static", [False, True])
def test_a_client_that_only_says_why_there_is_no_such_name(maker: Maker, static: bool) -> None:
    """A `__getattr__` that always raises has no names to offer, so the wrapper lacks nothing."""
    made = maker.make(CLIENT.replace("BODY", REFUSES), static=static)
    assert "__getattr__" not in made.names


def test_strict_counts_names_that_cannot_be_enumerated(maker: Maker) -> None:
    """They are a gap as any other: `--strict` refuses them, until `--exclude` says that nobody needs them."""
    client = f"{maker.write(GIVES)}:Client"
    with pytest.raises(GenerationError, match=r"2 members are skipped .*\n  __getattr__: "):
        generate(maker.request(client, strict=True))
    generate(maker.request(client, strict=True, exclude=("__getattr__", "part.__getattr__")))
