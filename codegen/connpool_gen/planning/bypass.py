"""Warns where most of a client bypasses the pool, and says what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connpool_gen.planning.ledger import LEFT_OUT, Fate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connpool_gen.planning.ledger import Ledger


def bypass_note(ledger: Ledger, whole: Sequence[str]) -> str | None:
    """Return a warning if less than half of a client is pooled; None otherwise.

    `whole` are attributes with objects of the client's own, which are handed out as they are.
    """
    fates = [entry.fate for entry in ledger.entries if entry.reason != LEFT_OUT]
    pooled = fates.count(Fate.WRAPPED) + fates.count(Fate.BROADCAST)
    past = fates.count(Fate.PASSED) + fates.count(Fate.SKIPPED)
    if max(past, len(whole)) <= pooled:
        return None
    text = f"only {pooled} of {pooled + past} members {'is' if pooled == 1 else 'are'} pooled"
    if not whole:
        return f"{text}: --verbose gives the reason for each of the others, --exclude silences those that are not needed"
    names = ", ".join(f'"{name}"' for name in whole)
    if len(whole) == 1:
        held, parts = "1 attribute holds an object", "if it is a part"
    else:
        held, parts = f"{len(whole)} attributes hold objects", "for those that are parts"
    return (
        f"{text}: {held} of the client's own, whose calls go past the pool; "
        f"{parts} of the client write namespaces = [{names}]"
    )
