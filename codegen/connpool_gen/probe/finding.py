"""Import the target's module and find the class in it."""

from __future__ import annotations

import difflib
import importlib
import importlib.abc
import importlib.machinery
import pkgutil
import sys
import types
from pathlib import Path
from typing import Any

# Of the hundreds of modules that are installed, some are a little like any name.
LIKENESS_OF_MODULES = 0.75
OWN_PACKAGE = str(Path(__file__).parent)


class Refusal(Exception):
    """The target cannot be described; the message is for the user.

    `missing` is the top-level module that is not installed, if that is the reason.
    """

    def __init__(self, text: str, missing: str | None = None) -> None:
        super().__init__(text)
        self.missing = missing


# ---------------------------------------------------------------- finding the class


def import_target(name: str) -> types.ModuleType:
    """Import the module, telling apart what is missing from what broke inside it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        lacks = missing if missing and "." not in missing else None
        if name == missing or name.startswith(missing + "."):
            raise Refusal(f"no module named {missing!r}{nearest_module(missing)}", lacks) from None
        raise Refusal(f"importing {name!r} raised {describe(error)}", lacks) from None
    except BaseException as error:  # also SystemExit: the user's module must not end the run
        raise Refusal(f"importing {name!r} raised {describe(error)}") from None


def place_outside_path(package: str) -> str | None:
    """Find the folder or file of a package that no folder of `sys.path` holds; None where one does.

    An import hook or an archive has it then, and a type checker looks into neither.
    """
    file = getattr(sys.modules.get(package), "__file__", None)
    if not isinstance(file, str):  # built in, or a folder without an `__init__.py`
        return None
    place = Path(file).parent if Path(file).stem == "__init__" else Path(file)
    folders = {Path(folder).resolve() for folder in sys.path if Path(folder).is_dir()}
    known = place.parent.resolve() in folders and place.name.partition(".")[0] == package
    return None if known else str(place)


def describe(error: BaseException) -> str:
    """Name the exception and the line of the user's file that raised it."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": ")
    place = ""
    if isinstance(error, SyntaxError) and error.filename:
        place = f" ({error.filename}, line {error.lineno})"
    else:
        frame = error.__traceback__
        while frame is not None:
            file = frame.tb_frame.f_code.co_filename
            if not file.startswith(OWN_PACKAGE) and not file.startswith("<frozen"):
                place = f" ({file}, line {frame.tb_lineno})"
            frame = frame.tb_next
    return text + place


def nearest_module(name: str) -> str:
    """Write a hint at modules with a similar name."""
    parent, _, leaf = name.rpartition(".")
    paths = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    known = [info.name for info in pkgutil.iter_modules(paths if parent else None)]
    return nearest(leaf, known, LIKENESS_OF_MODULES)


def nearest(name: str, known: list[str], likeness: float = 0.6) -> str:
    """Write a hint at similar names, or nothing."""
    close = difflib.get_close_matches(name, known, n=3, cutoff=likeness)
    return f"; nearest: {', '.join(close)}" if close else ""


def public_classes(module: types.ModuleType) -> list[str]:
    """List the public classes that a module itself defines, by name, except its exceptions."""
    return sorted(
        name
        for name, value in list(vars(module).items())
        if isinstance(value, type)
        and (value.__module__, value.__qualname__) == (module.__name__, name)
        and not name.startswith("_")
        and not issubclass(value, BaseException)
    )


def find_target(module: types.ModuleType, path: str) -> tuple[type, bool]:
    """Find the class, and return whether only type checkers know it by this name.

    The stubs of a gRPC service declare `GreeterAsyncStub` for what is `GreeterStub` at run time.
    """
    stub = path.removesuffix("AsyncStub") + "Stub"
    if path.endswith("AsyncStub") and not hasattr(module, path) and hasattr(module, stub):
        return find_class(module, stub), True
    return find_class(module, path), False


def find_class(module: types.ModuleType, path: str) -> type:
    """Follow `Outer.Inner`; raises Refusal with the nearest classes."""
    found: object = module
    seen = module.__name__
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            names = [n for n in dir(found) if isinstance(getattr(found, n, None), type)]
            raise Refusal(f"{seen} has no class {part!r}{nearest(part, names)}") from None
        seen = f"{seen}.{part}"
    if not isinstance(found, type):
        of = getattr(found, "__origin__", None)  # of an alias such as `IntBox = Box[int]`
        if (
            isinstance(of, type) and of is not types.UnionType
        ):  # which unions have since Python 3.14
            named = f"{of.__module__}:{of.__qualname__}"
            raise Refusal(f"it is an alias of a generic class; name the class itself: {named}")
        what = description(found)
        names = [n for n in dir(module) if isinstance(getattr(module, n, None), type)]
        raise Refusal(f"it is {what}, not a class{nearest(path, names)}")
    return found


def description(found: object) -> str:
    """Describe the object that a name refers to where it is no class."""
    if isinstance(found, types.UnionType) or getattr(found, "__origin__", None) is not None:
        return f"an alias of {found}"
    if isinstance(found, (types.FunctionType, types.BuiltinFunctionType)):
        return "a function"
    if isinstance(found, types.ModuleType):
        return "a module"
    return f"of type {type(found).__name__}"


class PlaceholderFinder(importlib.abc.MetaPathFinder):
    """Serves an empty stand-in for the output file, so that a broken old output blocks nothing."""

    def __init__(self, output: Path) -> None:
        self.output = output

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module for the output file only."""
        if fullname.rpartition(".")[2] != self.output.stem:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != self.output:
            return None
        return importlib.machinery.ModuleSpec(fullname, PlaceholderLoader(), origin=spec.origin)


class PlaceholderLoader(importlib.abc.Loader):
    """Fills the stand-in: any name of it is an empty class."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Return an empty class for every name of the module."""

        def stand_in(name: str) -> type:
            if name.startswith("__"):
                raise AttributeError(name)
            return type(name, (), {})

        module.__dict__["__getattr__"] = stand_in
