"""A project with a client, its wrapper and factories, in which code is moved."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

from connpool_gen.adopting.adopt import Adoption, AdoptRequest, adopt
from connpool_gen.adopting.writing import write_all
from connpool_gen.config.manifest import read_manifest
from connpool_gen.config.request import GenerateRequest
from connpool_gen.output.cache import OutputCache
from connpool_gen.output.write import write_output
from connpool_gen.pipeline import generate

MANIFEST = """
[[tool.connpool-gen.target]]
client = "shop:Shop"
verify = false

[[tool.connpool-gen.target]]
client = "shop:AsyncShop"
verify = false
"""
SHOP = '''
from collections.abc import Iterator


class SoldOut(Exception):
    """There is none left."""


class Basket:
    """Things that are bought together."""

    def add(self, thing: str) -> None: ...


class Shop:
    """Sells things."""

    currency = "EUR"

    class Closed(Exception):
        """It is late."""

    def __init__(self, town: str = "here") -> None:
        self.town = town
        self.sold: list[str] = []

    @classmethod
    def at(cls, address: str) -> "Shop":
        return cls(address)

    @staticmethod
    def tax(price: int) -> int:
        return price // 5

    def price(self, thing: str) -> int:
        return len(thing)

    def buy(self, thing: str, *, count: int = 1) -> str:
        self.sold.append(thing)
        return f"{count} {thing}"

    def things(self) -> Iterator[str]:
        yield from ("tea", "bread")

    def __iadd__(self, thing: str) -> "Shop":
        return self

    def close(self) -> None: ...


class AsyncShop:
    """Sells things, slowly."""

    def __init__(self, town: str = "here") -> None:
        self.town = town

    async def price(self, thing: str) -> int:
        return len(thing)

    async def close(self) -> None: ...
'''
FACTORIES = """
from generated.async_shop_pool import AsyncShopPool
from generated.shop_pool import ShopPool
from shop import AsyncShop, Shop


def make_shop(town: str = "here") -> ShopPool:
    wrapper = ShopPool()
    wrapper.pool.add_client(Shop(town), name=town)
    return wrapper


def make_async_shop(town: str = "here") -> AsyncShopPool:
    wrapper = AsyncShopPool()
    wrapper.pool.add_client(AsyncShop(town), name=town)
    return wrapper
"""
FACTORY_FLAGS = (
    "shop:Shop=factories:make_shop",
    "shop:Shop.at=factories:make_shop",
    "shop:AsyncShop=factories:make_async_shop",
)


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder for a while."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


@dataclass
class Project:
    """A folder with pyproject.toml, client, wrappers and factories; code is added to it."""

    folder: Path
    cache: Path

    @staticmethod
    def make(folder: Path, cache: Path) -> "Project":
        """Write the client and make its wrappers."""
        files = {"pyproject.toml": MANIFEST, "shop.py": SHOP, "factories.py": FACTORIES}
        return Project.of(folder, cache, files)

    @staticmethod
    def of(folder: Path, cache: Path, files: Mapping[str, str | bytes]) -> "Project":
        """Write files, and make the wrappers of the manifest among them."""
        project = Project(folder, cache)
        project.write(files)
        with inside(folder):
            for request in project.targets():
                made = generate(request)
                write_output(made.path, made.text, force=False)
                OutputCache(request).remember(made)
        return project

    def targets(self) -> list[GenerateRequest]:
        """Read the manifest, from the folder at hand."""
        return [replace(request, cache_dir=self.cache) for request in read_manifest(Path.cwd())]

    def write(self, files: Mapping[str, str | bytes]) -> None:
        """Write files; texts lose the indentation that they have in the test."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = dedent(content).lstrip("\n").encode() if isinstance(content, str) else content
            path.write_bytes(data)

    def adopt(self, *paths: str, factories: tuple[str, ...] = FACTORY_FLAGS) -> Adoption:
        """Move code, without writing it."""
        with inside(self.folder):
            request = AdoptRequest(
                targets=self.targets(),
                paths=[Path(path) for path in paths],
                factories=factories,
            )
            return adopt(request)

    def write_moved(self, adoption: Adoption) -> None:
        """Write what a move changes."""
        with inside(self.folder):
            write_all([file.replacement for file in adoption.files])

    def undo(self, adoption: Adoption) -> None:
        """Put back what a written move has changed."""
        for file in adoption.files:
            (self.folder / file.path).write_bytes(file.replacement.before)
