"""A client of which most would bypass the pool: the run says so, and what to do."""

import pytest

from connpool_gen.planning.bypass import bypass_note
from connpool_gen.planning.ledger import LEFT_OUT, Fate, Ledger, LedgerEntry


def ledger(*fates: Fate, reason: str = "why") -> Ledger:
    """A ledger with these fates."""
    entries = [LedgerEntry(name=f"m{i}", fate=fate, reason=reason) for i, fate in enumerate(fates)]
    return Ledger(tuple(entries))


def test_most_of_it_is_pooled() -> None:
    """Half is enough, and what closes the pool counts for neither side."""
    assert bypass_note(ledger(Fate.WRAPPED, Fate.SKIPPED, Fate.POOL), ()) is None
    assert bypass_note(ledger(Fate.BROADCAST, Fate.PASSED), ()) is None


@pytest.mark.parametrize("fate", [Fate.PASSED, Fate.SKIPPED])
def test_most_of_it_is_not(fate: Fate) -> None:
    """The note counts both sides, and names the next step."""
    note = bypass_note(ledger(Fate.WRAPPED, fate, fate), ())
    assert note is not None
    assert note.startswith("only 1 of 3 members is pooled: --verbose")


def test_what_the_user_left_out_does_not_count() -> None:
    """Nobody has to be told of what nobody asked for."""
    assert bypass_note(ledger(Fate.SKIPPED, Fate.SKIPPED, reason=LEFT_OUT), ()) is None


def test_many_parts() -> None:
    """A long list is whole, for it is there to be pasted."""
    note = bypass_note(ledger(Fate.WRAPPED), [f"part{i}" for i in range(9)])
    assert note is not None
    assert note.endswith('"part7", "part8"]')
