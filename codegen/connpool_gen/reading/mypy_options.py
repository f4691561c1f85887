"""The options of mypy by which a client is read and its wrapper verified."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mypy.options import Options

from connpool_gen.environment.interpreter import interpreter_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from connpool_gen.config.request import SearchPath

    MakeOptions: TypeAlias = Callable[[SearchPath, Path | None], Options]

# What installers write beside the packages of a folder.
INSTALLED = ("*.dist-info", "*.egg-info/PKG-INFO")
EVERY_MODULE = "*.*"  # as a pattern of mypy's options; "*" alone would be the name of a module


def check_options(search: SearchPath, cache_dir: Path | None) -> Options:
    """Make the options of mypy, which no user configuration can change.

    A cache of mypy holds for one set of options: reading is as strict as verifying the output is, so that
    verifying finds the client's packages and the standard library analyzed (see `verify_text`). Errors in
    what is read are ignored.
    """
    options = Options()
    make_strict(options)
    options.export_types = True
    # Trees outlive the build, for the probe's expressions are in one; of dependencies no body is read.
    options.preserve_asts = True
    options.per_module_options = {EVERY_MODULE: {"preserve_asts": False}}
    options.incremental = usable(cache_dir)
    options.cache_dir = str(cache_dir) if options.incremental else os.devnull
    python = interpreter_at(search.python)
    options.python_executable = sys.executable if python.is_own else python.executable
    options.python_version = python.version[:2]
    own = [folder for folder in search.inherited if not holds_installed_packages(Path(folder))]
    options.mypy_path = [*search.paths, *own]
    options.follow_imports = "silent"
    options.local_partial_types = True
    return options


def holds_installed_packages(folder: Path) -> bool:
    """Return whether packages were installed into a folder, as by `pip install --target`.

    mypy looks there in any case, and as it does in site-packages. As a folder of the user's own modules it would
    stop mypy: a package that comes with typing_extensions shadows what mypy has of it.
    """
    return any(next(folder.glob(pattern), None) is not None for pattern in INSTALLED)


def make_strict(options: Options) -> None:
    """Set the flags that `mypy --strict` sets."""
    options.warn_unused_configs = True
    options.disallow_any_generics = True
    options.disallow_subclassing_any = True
    options.disallow_untyped_calls = True
    options.disallow_untyped_defs = True
    options.disallow_incomplete_defs = True
    # Otherwise what an `__init__` without types sets would be Any.
    options.check_untyped_defs = True
    options.disallow_untyped_decorators = True
    options.warn_redundant_casts = True
    options.warn_unused_ignores = True
    options.warn_return_any = True
    options.implicit_reexport = False
    options.strict_equality = True
    options.extra_checks = True


def reexporting_options(search: SearchPath, cache_dir: Path | None) -> Options:
    """Make options by which every module exports all that it imports."""
    options = check_options(search, cache_dir)
    options.implicit_reexport = True
    return options


def usable(cache_dir: Path | None) -> bool:
    """Return whether there is a cache folder, or one can be made; without one a run only takes longer."""
    if cache_dir is None:
        return False
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True
