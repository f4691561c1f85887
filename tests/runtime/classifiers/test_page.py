"""The page about failures says what the classifiers do."""

from connpool_runtime.classifiers.registry import LIBRARIES
from tests.runtime.classifiers.page import PAGE, page, tables


def test_the_page_shows_the_rules() -> None:
    """The tables on the page are those of the classifiers; `python -m tests.runtime.classifiers.page` makes them so."""
    assert PAGE.read_text() == page()


def test_every_library_has_a_table() -> None:
    """No library is left out, and each table says of some errors what they are."""
    for name in LIBRARIES:
        rows = tables().partition(f"### {name}\n")[2].partition("###")[0].count("\n| ") - 2
        assert rows > 0, name
