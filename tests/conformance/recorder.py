"""A client that only remembers how it was called, and gives back what a test wants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Sentinel:
    """A value that is nothing but itself."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


@dataclass
class Record:
    """What a recording client was asked: `calls` holds (dotted path, args, kwargs)."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    reply: Callable[[], Any] = lambda: None


class Recorder:
    """Has every attribute there is; each can be called, and has every attribute there is."""

    _record: Record
    _path: str

    def __init__(self, record: Record, path: str = "") -> None:
        self._record = record
        self._path = path

    def __getattr__(self, name: str) -> Recorder:
        path = f"{self._path}.{name}".lstrip(".")
        found = Recorder(self._record, path)
        self.__dict__[name] = found
        return found

    # Every object has these, so nothing would ask `__getattr__` for them.
    __lt__ = property(lambda self: self.__getattr__("__lt__"))
    __le__ = property(lambda self: self.__getattr__("__le__"))
    __gt__ = property(lambda self: self.__getattr__("__gt__"))
    __ge__ = property(lambda self: self.__getattr__("__ge__"))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self._record.calls.append((self._path or "__call__", args, kwargs))
        return self._record.reply()
