"""mypy over the clients that ship no `py.typed`, and their wrappers: told to follow imports into them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from subprocess import CompletedProcess

from tests.conformance.corpus import Client

# A module that cannot be parsed stops mypy, each time another one.
MOST_STOPS = 20
STOPPED = re.compile(r"^(?P<file>[^:]+\.pyi?):\d+: error: .*\[syntax\]$", re.MULTILINE)
FOLLOW = "follow_untyped_imports = True\nimplicit_optional = True\n"
SKIP = "follow_imports = skip\nfollow_imports_for_stubs = True\n"


def followed(
    config: Path, packages: Iterable[str], check: Callable[[str], CompletedProcess[str]]
) -> str:
    """What mypy says when it follows imports into these packages, past what it cannot parse.

    `check` runs it with an option that names the configuration.
    """
    sections = {f"{package}.*": FOLLOW for package in sorted(set(packages))}
    for _ in range(MOST_STOPS):
        text = "".join(f"[mypy-{name}]\n{options}" for name, options in sections.items())
        config.write_text(f"[mypy]\n{text}")
        done = check(f"--config-file={config.name}")
        stop = STOPPED.search(done.stdout)
        if done.returncode <= 1:
            return done.stdout
        if stop is None:
            break
        sections[module_of(Path(stop["file"]))] = SKIP
    raise RuntimeError(f"mypy broke down:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def module_of(file: Path) -> str:
    """The name under which a file of an installed package is imported."""
    parts = [file.stem]
    for folder in file.resolve().parents:
        if not any(folder.joinpath(f"__init__{suffix}").exists() for suffix in (".py", ".pyi")):
            break
        parts.insert(0, folder.name)
    return ".".join(parts)


def package_of(client: Client) -> str:
    """The outermost package of a class that is no namespace: `google.cloud.storage`."""
    client.load()
    parts = client.module.split(".")
    names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    return next(name for name in names if getattr(sys.modules[name], "__file__", None))
