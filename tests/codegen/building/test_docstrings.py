"""`docstrings`: how much of the client's docstrings a wrapper repeats."""

import pytest

from tests.codegen.made import Maker

SOURCE = """
class Client:
    def get(self) -> int:
        '''
        Fetch "one".

        Not two.
        '''
        return 1

    def bare(self) -> int:
        return 1
"""


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("full", 'Fetch "one".\n\nNot two.'), ("first-line", 'Fetch "one".'), ("none", None)],
)
def test_docstrings(maker: Maker, amount: str, expected: str | None) -> None:
    """All of it, its first line, or nothing; what the wrapper says of itself stays."""
    wrapper = maker.make(SOURCE, docstrings=amount).wrapper
    said = wrapper.get.__doc__
    assert (said and "\n".join(line.strip() for line in said.strip().splitlines())) == expected
    assert wrapper.bare.__doc__ is None
    assert wrapper.__doc__.startswith("Pool of ")
