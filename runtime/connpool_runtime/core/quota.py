"""How many clients the factories of a pool may have open together."""

from __future__ import annotations

from typing import Any

from connpool_runtime.core.stock import Stock

__all__ = ["Quota"]


class Quota:
    """How many clients all stocks of a pool may have together."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self.stocks: tuple[Stock[Any], ...] = ()

    def add(self, stock: Stock[Any]) -> None:
        """Count this one too, and forget those that are gone."""
        self.stocks = (*(one for one in self.stocks if not one.closed or one.size), stock)

    def left(self) -> bool:
        """Whether one more may be opened."""
        return self._most is None or sum(stock.size for stock in self.stocks) < self._most
