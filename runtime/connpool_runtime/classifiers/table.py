"""Classifiers made of data: tables of error classes and codes, the most derived class first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from connpool_runtime.classifiers.verdict import Classifier, Verdict

__all__ = ["ByCode", "Decision", "ErrorTable", "Rules"]

Decision: TypeAlias = Verdict | Classifier | None
"""What is known of a class of errors: a verdict for all of them, a function of the one, or that nothing is known."""

Rules: TypeAlias = Mapping[str, Decision]

# classes remembered per table; a program that keeps creating classes must not fill the memory
_MOST_TYPES = 512


class ByCode:
    """Judges an error by the code in one of its attributes.

    Arguments:
        what: names the code, for people.
        read: returns the code of an error, something hashable.
        verdicts: what each code says.
        otherwise: what to say of any other code, or of none; a verdict, a function of the error, or None.
    """

    __slots__ = ("otherwise", "read", "verdicts", "what")

    def __init__(
        self,
        what: str,
        read: Callable[[BaseException], object],
        verdicts: Mapping[Any, Verdict],
        otherwise: Decision = None,
    ) -> None:
        self.what = what
        self.read = read
        self.verdicts = verdicts
        self.otherwise = otherwise

    def __call__(self, error: BaseException) -> Verdict | None:
        """Judge an error."""
        found = self.verdicts.get(self.read(error), self.otherwise)
        return found if found is None or isinstance(found, Verdict) else found(error)


class ErrorTable:
    """Judges errors by the names of their classes.

    A rule's key is the name of a class in one of the packages, or `module:Name` for that class alone. The
    rule of the most derived class wins, whatever the order of the rules. What was found is kept per class, so
    that judging an error of a class seen before is one look-up. Safe to share between threads.

    Arguments:
        name: what users call the library.
        packages: import packages whose errors the rules are about; all modules below them count.
        rules: what each class says.
    """

    __slots__ = ("_exact", "_found", "name", "packages", "rules")

    def __init__(self, name: str, packages: tuple[str, ...], rules: Rules) -> None:
        self.name = name
        self.packages = packages
        self.rules = rules
        self._exact = frozenset(rule for rule in rules if ":" in rule)
        self._found: dict[type, Decision] = {}

    def __call__(self, error: BaseException) -> Verdict | None:
        """Judge an error by itself, without the errors that led to it."""
        kind = type(error)
        try:
            found = self._found[kind]
        except KeyError:
            found = self.decision(kind)
        return found if found is None or isinstance(found, Verdict) else found(error)

    def decision(self, kind: type[BaseException]) -> Decision:
        """Return the rule for a class of errors, and remember it."""
        found = next(
            (self.rules[rule] for base in kind.__mro__ if (rule := self._rule(base))), None
        )
        if len(self._found) >= _MOST_TYPES:
            self._found.clear()
        self._found[kind] = found
        return found

    def _rule(self, kind: type) -> str | None:
        """Return the name of the rule for exactly this class."""
        exact = f"{kind.__module__}:{kind.__qualname__}"
        if exact in self._exact:
            return exact
        known = kind.__qualname__ in self.rules and self.is_about(kind)
        return kind.__qualname__ if known else None

    def is_about(self, kind: type) -> bool:
        """Return whether a class was defined in one of the packages."""
        module = kind.__module__
        return any(module == each or module.startswith(f"{each}.") for each in self.packages)

    def __repr__(self) -> str:
        return f"ErrorTable({self.name!r})"
