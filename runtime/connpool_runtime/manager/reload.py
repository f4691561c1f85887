"""What a reload of a manager's config came to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ReloadResult"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadResult:
    """What a reload came to. Immutable, and without secrets.

    Attributes:
        applied: whether the config that was read is the one in use now. If not, all that was there goes on
            as it was, but for services that `errors` names.
        version: counts the configs that were used, from 1 for the one that the manager began with.
        changes: what the reload changed, one sentence each; () if nothing differed.
        errors: what was wrong, one sentence each: what the file says, or a service that could not be changed.
    """

    applied: bool
    version: int
    changes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
