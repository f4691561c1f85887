"""A client that can be used with and without `await`: the run says which pool it got, and why."""

import pytest

from connpool_gen import generate
from tests.codegen.made import Maker

CLIENT = """
class Client:
    def ENTER(self) -> None: ...
    async def AENTER(self) -> None: ...
    def ping(self) -> int:
        return 1
"""
ENTERED = CLIENT.replace("AENTER", "__aenter__").replace(
    "ENTER(self) -> None", "__enter__(self) -> object"
)
CLOSED = CLIENT.replace("AENTER", "aclose").replace("ENTER", "close")
ONE = "    async def get(self) -> int: ...\n"
MORE = "".join(f"    async def get{i}(self) -> int: ...\n" for i in range(2))


@pytest.mark.parametrize(
    ("source", "enough"), [(ENTERED, "more than a third"), (CLOSED, "at least a sixth")]
)
def test_the_run_says_which_pool_it_is(maker: Maker, source: str, enough: str) -> None:
    """A note has the numbers that decide, and what becomes of the other methods."""
    made = generate(maker.request(f"{maker.write(source + MORE)}:Client"))
    assert "AsyncPool(" in made.text
    assert made.notes == (
        f"usable with and without await: the wrapper is asynchronous, since {enough} of its methods are awaited "
        "(3 of 5); the others block the event loop",
    )


@pytest.mark.parametrize(
    ("source", "more", "enough"),
    [(ENTERED + ONE, 2, "no more than a third"), (CLOSED, 4, "less than a sixth")],
)
def test_a_client_with_more_synchronous_methods(
    maker: Maker, source: str, more: int, enough: str
) -> None:
    """It gets a synchronous pool, and the note says so."""
    text = source + "".join(f"    def get{i}(self) -> int: ...\n" for i in range(more))
    made = generate(maker.request(f"{maker.write(text)}:Client"))
    assert "AsyncPool" not in made.text
    assert made.notes == (
        f"usable with and without await: the wrapper is synchronous, since {enough} of its methods are awaited "
        f"({source.count('async')} of {source.count('def') + more}); it lacks those",
    )


ONE_WAY = {
    "no with": ENTERED.replace("    def __enter__(self) -> object: ...\n", ""),
    "with refuses": ENTERED.replace("__enter__(self) -> object", "__enter__(self) -> None"),
    "no async with": ENTERED.replace("    async def __aenter__(self) -> None: ...\n", ""),
    "both closed by await": CLOSED.replace("def close", "async def close"),
    "only await": ENTERED.replace("def ping", "async def ping"),
    "only async with": CLOSED + "    async def __aenter__(self) -> object: ...\n",
    "no call is awaited": ENTERED,
    "no await": CLOSED.replace("async def aclose", "def aclose"),
}


@pytest.mark.parametrize("case", ONE_WAY)
def test_a_client_that_is_used_one_way_has_no_note(maker: Maker, case: str) -> None:
    """A synchronous method of an asynchronous client, or the other way round, does not make it one for both."""
    text = ONE_WAY[case] + (MORE if case not in ("no await", "no call is awaited") else "")
    made = generate(maker.request(f"{maker.write(text)}:Client"))
    assert not any("await" in note for note in made.notes)
