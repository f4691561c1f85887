"""The result of a reload of a manager's config, and the numbers of all reloads."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ReloadResult", "ReloadStats"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadResult:
    """The result of a reload. Immutable, and without secrets.

    Attributes:
        applied: whether the config that was read is the one in use now. If not, all goes on as it was.
        version: counts the configs that were used, from 1 for the one that the manager began with.
        changes: what the reload changed, one sentence each; () if nothing differed.
        errors: what was wrong, one sentence each: what the config says, or, where it was applied, the services
            that could not be changed and go on as they were.
    """

    applied: bool
    version: int
    changes: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def outcome(self) -> str:
        """How the reload counts: "success", "partial" if some services stay as they were, or "failure"."""
        if not self.applied:
            return "failure"
        return "partial" if self.errors else "success"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadStats:
    """The numbers of a manager's reloads so far. Immutable, and without secrets.

    Attributes:
        manager: its name.
        version: of the config in use.
        successes: reloads that were applied as a whole.
        partials: those that left services as they were.
        failures: those that were not applied.
        last_success: whether the latest one was applied as a whole; true if there was none.
        last_reload: when the config was read last, in seconds since 1970.
        errors: what was wrong with the latest one.
    """

    manager: str
    version: int
    successes: int
    partials: int
    failures: int
    last_success: bool
    last_reload: float
    errors: tuple[str, ...]
