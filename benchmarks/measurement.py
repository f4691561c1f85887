"""What a group of benchmarks says it measures, and what it measured."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Bar:
    """One figure to defend, or only to know.

    Args:
        what: the row's text.
        bar: what must be met; None when the figure is there for information.
        moonshot: what would be excellent.
        better: whether lower or higher figures are better, or only the very value will do.
        unit: how the figure is written: `x` for a ratio, `ms`, or nothing for a count.
    """

    what: str
    bar: float | None = None
    moonshot: float | None = None
    better: Literal["lower", "higher", "exact"] = "lower"
    unit: Literal["x", "ms", ""] = "x"

    def is_met(self, figure: float) -> bool:
        """Return whether a figure meets the bar, if there is one."""
        return self.bar is None or self._reaches(figure, self.bar)

    def verdict(self, figure: float) -> str:
        """Describe in words whether a figure meets its bars."""
        if self.bar is None or self.moonshot is None:
            return "-"
        if self._reaches(figure, self.moonshot):
            return "moonshot"
        return "met" if self.is_met(figure) else "MISSED"

    def write(self, figure: float) -> str:
        """Write a figure of this row with its unit."""
        if self.unit == "":
            return f"{figure:,.0f}"
        return f"{figure:.1f} ms" if self.unit == "ms" else f"{figure:.2f}x"

    def _reaches(self, figure: float, limit: float) -> bool:
        if self.better == "exact":
            return figure == limit
        return figure <= limit if self.better == "lower" else figure >= limit


@dataclass(frozen=True)
class Measurement:
    """What one process measured: a figure per bar, and the costs in nanoseconds that they come from."""

    figures: dict[str, float]
    nanoseconds: dict[str, float] = field(default_factory=dict)
