"""Code before and after: each case is a file of one project, which is moved once."""

# Name of the file -> text before and text after; equal texts say that nothing may change.
MOVED: dict[str, tuple[str, str]] = {
    "from_import.py": (
        """
        from shop import Shop


        def price(shop: Shop) -> int:
            return shop.price("tea")
        """,
        """
        from generated.shop_pool import ShopPool


        def price(shop: ShopPool) -> int:
            return shop.price("tea")
        """,
    ),
    "renamed.py": (
        """
        import shop as market
        from shop import Shop as S  # the shops

        def first(shops: list[S]) -> market.Shop | None:
            return shops[0] if shops else None
        """,
        """
        from generated.shop_pool import ShopPool  # the shops

        def first(shops: list[ShopPool]) -> ShopPool | None:
            return shops[0] if shops else None
        """,
    ),
    "still_needed.py": (
        """
        from shop import (
            Shop,  # sells
            SoldOut,  # has nothing
        )


        def buy(shop: Shop) -> str:
            try:
                return shop.buy("tea")
            except (SoldOut, OSError):  # as before
                return ""
        """,
        """
        from shop import (
            SoldOut,  # has nothing
        )
        from generated.shop_pool import ShopPool


        def buy(shop: ShopPool) -> str:
            try:
                return shop.buy("tea")
            except (SoldOut, OSError):  # as before
                return ""
        """,
    ),
    "quoted.py": (
        """
        from typing import Literal, Optional
        from shop import Shop

        def price(shop: "Optional[Shop]", kind: Literal["Shop"] = "Shop") -> 'dict[str, Shop]':
            return {"Shop": shop} if shop else {}
        """,
        """
        from typing import Literal, Optional
        from generated.shop_pool import ShopPool

        def price(shop: "Optional[ShopPool]", kind: Literal["Shop"] = "Shop") -> 'dict[str, ShopPool]':
            return {"Shop": shop} if shop else {}
        """,
    ),
    "fields.py": (
        """
        from collections.abc import Callable
        from dataclasses import dataclass, field
        from typing import Any, cast
        from shop import Shop

        @dataclass
        class Street:
            shop: Shop
            others: list[Shop] = field(default_factory=list)
            spare: Shop = field(default_factory=Shop)
            make: Callable[[str], Shop] | None = None

        street = Street(Shop("left"), [Shop.at("right")])
        calls = cast(Callable[["Shop", Shop], Any] | None, None)
        """,
        """
        from collections.abc import Callable
        from dataclasses import dataclass, field
        from typing import Any, cast
        from generated.shop_pool import ShopPool
        from factories import make_shop

        @dataclass
        class Street:
            shop: ShopPool
            others: list[ShopPool] = field(default_factory=list)
            spare: ShopPool = field(default_factory=make_shop)
            make: Callable[[str], ShopPool] | None = None

        street = Street(make_shop("left"), [make_shop("right")])
        calls = cast(Callable[["ShopPool", ShopPool], Any] | None, None)
        """,
    ),
    "casts.py": (
        """
        import typing as t
        import shop
        from collections import deque

        T = t.TypeVar("T", bound="shop.Shop")
        Shops = list[shop.Shop]
        MaybeShop = t.Optional[shop.Shop]

        def same(one: T) -> T:
            return one

        def all_of(shops: Shops, more: object) -> MaybeShop:
            waiting = deque[shop.Shop](shops)
            waiting.append(t.cast(shop.Shop, more))
            waiting.append(t.cast("shop.Shop", more))
            return same(waiting[0])
        """,
        """
        import typing as t
        from generated.shop_pool import ShopPool
        from collections import deque

        T = t.TypeVar("T", bound="ShopPool")
        Shops = list[ShopPool]
        MaybeShop = t.Optional[ShopPool]

        def same(one: T) -> T:
            return one

        def all_of(shops: Shops, more: object) -> MaybeShop:
            waiting = deque[ShopPool](shops)
            waiting.append(t.cast(ShopPool, more))
            waiting.append(t.cast("ShopPool", more))
            return same(waiting[0])
        """,
    ),
    "asynchronous.py": (
        """
        import asyncio
        import shop
        from shop import AsyncShop

        async def price(one: AsyncShop, other: shop.Shop) -> int:
            return await one.price("tea") + other.price("tea")

        async def main() -> None:
            await price(AsyncShop(town="far"), shop.Shop())
        """,
        """
        import asyncio
        from generated.shop_pool import ShopPool
        from factories import make_shop
        from generated.async_shop_pool import AsyncShopPool
        from factories import make_async_shop

        async def price(one: AsyncShopPool, other: ShopPool) -> int:
            return await one.price("tea") + other.price("tea")

        async def main() -> None:
            await price(make_async_shop(town="far"), make_shop())
        """,
    ),
    "checking_only.py": (
        """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from shop import Shop

        def price(shop: Shop) -> int:
            return shop.price("tea")
        """,
        """
        from __future__ import annotations

        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from generated.shop_pool import ShopPool

        def price(shop: ShopPool) -> int:
            return shop.price("tea")
        """,
    ),
    "reexport.py": (
        """
        from shop import Shop
        from shop import AsyncShop as AsyncShop

        __all__ = ["Shop", "price"]

        def price(shop: Shop, other: AsyncShop | None = None) -> int:
            return shop.price("tea")
        """,
        """
        from shop import Shop
        from generated.shop_pool import ShopPool
        from shop import AsyncShop as AsyncShop
        from generated.async_shop_pool import AsyncShopPool

        __all__ = ["Shop", "price"]

        def price(shop: ShopPool, other: AsyncShopPool | None = None) -> int:
            return shop.price("tea")
        """,
    ),
    "through_another.py": (
        """
        from cases.reexport import Shop

        def price(shop: Shop) -> int:
            return shop.price("tea")
        """,
        """
        from generated.shop_pool import ShopPool

        def price(shop: ShopPool) -> int:
            return shop.price("tea")
        """,
    ),
    "starred.py": (
        """
        from shop import *

        def price(shop: Shop) -> int:
            return shop.price("tea")
        """,
        """
        from shop import *
        from generated.shop_pool import ShopPool

        def price(shop: ShopPool) -> int:
            return shop.price("tea")
        """,
    ),
    "collision.py": (
        """
        from shop import Shop

        class ShopPool:
            \"\"\"Somebody else's.\"\"\"

        def make_shop(shop: Shop) -> ShopPool:
            return ShopPool()

        mine: Shop = Shop("mine")
        """,
        """
        from generated.shop_pool import ShopPool as ShopPool_
        from factories import make_shop as make_shop_

        class ShopPool:
            \"\"\"Somebody else's.\"\"\"

        def make_shop(shop: ShopPool_) -> ShopPool:
            return ShopPool()

        mine: ShopPool_ = make_shop_("mine")
        """,
    ),
    "conditional.py": (
        """
        from __future__ import annotations

        try:
            import shop
        except ImportError:
            shop = None  # type: ignore[assignment]

        def price(one: shop.Shop) -> int:
            return one.price("tea")
        """,
        """
        from __future__ import annotations

        try:
            import shop
            from generated.shop_pool import ShopPool
        except ImportError:
            shop = None  # type: ignore[assignment]

        def price(one: ShopPool) -> int:
            return one.price("tea")
        """,
    ),
    "comments.py": (
        """
        from typing import Optional
        from shop import Shop

        one = None  # type: Optional[Shop]  # not yet
        two = []  # type: list[Shop]
        """,
        """
        from typing import Optional
        from generated.shop_pool import ShopPool

        one = None  # type: Optional[ShopPool]  # not yet
        two = []  # type: list[ShopPool]
        """,
    ),
    "in_a_function.py": (
        """
        def price(town: str) -> int:
            from shop import Shop  # late

            shop: Shop = Shop(town)
            return shop.price("tea")
        """,
        """
        def price(town: str) -> int:
            from generated.shop_pool import ShopPool  # late
            from factories import make_shop

            shop: ShopPool = make_shop(town)
            return shop.price("tea")
        """,
    ),
    "untouched.py": (
        """
        Shop = "a shop"  # no client

        def shop(Shop: str) -> str:
            return Shop
        """,
        """
        Shop = "a shop"  # no client

        def shop(Shop: str) -> str:
            return Shop
        """,
    ),
    "shadowed.py": (
        """
        import shop

        def price(shop: "shop.Shop") -> int:
            return shop.price("tea")
        """,
        """
        from generated.shop_pool import ShopPool

        def price(shop: "ShopPool") -> int:
            return shop.price("tea")
        """,
    ),
    "patched.py": (
        """
        from unittest import mock

        from cases import fields, from_import
        from shop import Shop

        def test_street() -> None:
            with mock.patch("cases.fields.Shop") as made, mock.patch.object(fields, "Shop"):
                made.assert_not_called()
            with mock.patch("cases.from_import.Shop.price", return_value=3):
                from_import.price(mock.MagicMock(spec=Shop))
        """,
        """
        from unittest import mock

        from cases import fields, from_import
        from generated.shop_pool import ShopPool

        def test_street() -> None:
            with mock.patch("cases.fields.make_shop") as made, mock.patch.object(fields, "make_shop"):
                made.assert_not_called()
            with mock.patch("cases.from_import.Shop.price", return_value=3):
                from_import.price(mock.MagicMock(spec=ShopPool))
        """,
    ),
}
# A name that a test reaches by path stays importable.
MOVED["from_import.py"] = (
    MOVED["from_import.py"][0],
    MOVED["from_import.py"][1].replace(
        "        from generated", "        from shop import Shop\n        from generated"
    ),
)

# What is left to a person: the text, and what is said of it.
LEFT: dict[str, tuple[str, list[tuple[int, str, str]]]] = {
    "missing.py": (
        """
        from shop import Shop

        def add(shop: Shop) -> None:
            shop += "tea"  # the same
            shop.__iadd__("tea")
        """,
        [
            (3, "annotation", "operator"),
            (5, "member __iadd__", "changes one client in place"),
        ],
    ),
    "lifecycle.py": (
        """
        from shop import Shop

        def end(shop: Shop) -> None:
            shop.close()
        """,
        [(4, "lifecycle close", "closes the pool")],
    ),
    "subclass.py": (
        """
        from shop import Shop

        class Kiosk(Shop):
            pass
        """,
        [(3, "subclass", "a client of its own")],
    ),
    "checks.py": (
        """
        from shop import Shop

        def is_one(thing: object) -> bool:
            return isinstance(thing, (Shop, str))

        def name(thing: Shop | str) -> str:
            return thing if isinstance(thing, str) else thing.buy("tea")

        def other(thing: Shop | str) -> str:
            return thing.buy("tea") if isinstance(thing, Shop) else thing

        Alias = Shop | str

        def third(thing: Alias) -> bool:
            return isinstance(thing, Shop)
        """,
        [
            (4, "instance check", "no instance of the client"),
            (9, "annotation", "asks whether it is a Shop"),
            (10, "instance check", "no instance of the client"),
            (12, "type alias", "asks whether it is a Shop"),
            (15, "instance check", "no instance of the client"),
        ],
    ),
    "values.py": (
        """
        from shop import Shop

        KINDS = {"shop": Shop}

        def make(kind: type[Shop]) -> int:
            return kind("here").price("tea")
        """,
        [
            (3, "class as a value", "used as a value"),
            (5, "annotation of the class itself", "the class itself"),
        ],
    ),
    "setting.py": (
        """
        from shop import Shop

        def rename(shop: Shop) -> None:
            shop.town = "there"
        """,
        [(3, "annotation", "read-only"), (4, "setting town", "of one client")],
    ),
    "handed.py": (
        """
        import outside
        from shop import Shop

        def hand(shop: Shop) -> int:
            outside.anything(shop)
            return outside.price(shop)

        def take() -> int:
            return outside.make().price("tea")
        """,
        [
            (4, "annotation", 'expected "Shop"'),
            (5, "client handed out", "nothing says what it does with it"),
            (6, "client handed out", "asks for the client itself"),
            (9, "client from outside", "outside.make is outside the paths and gives a client"),
        ],
    ),
    "kept.py": (
        """
        from shop import Shop

        def price(thing: str) -> str:
            try:
                return f"{Shop.tax(10)} {Shop.currency}"
            except Shop.Closed:
                return ""
        """,
        [],
    ),
}
