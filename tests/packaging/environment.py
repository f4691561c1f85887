"""A virtual environment of its own, for trying what users install."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path


class Environment:
    """A fresh virtual environment with nothing but pip in it.

    Args:
        folder: where to make it; must not exist.
    """

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        self._bin = folder / "bin"

    def install(self, *arguments: str) -> None:
        """Run `pip install` with these arguments."""
        self._pip("install", "--quiet", *arguments)

    def packages(self) -> set[str]:
        """Name the installed distributions, without the tools that come with an environment."""
        listed = json.loads(self._pip("list", "--format", "json"))
        return {entry["name"] for entry in listed} - {"pip", "setuptools"}

    def run(self, command: str, *arguments: str, folder: Path) -> str:
        """Run a command of the environment in a folder and return what it printed.

        Raises:
            AssertionError: it failed; the text holds what it printed.
        """
        # The variables of this test run would let the environment see this checkout.
        clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        clean["CONNPOOL_GEN_CACHE"] = str(self._bin.parent / "cache")
        done = subprocess.run(
            [str(self._bin / command), *arguments],
            cwd=folder,
            env=clean,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command} {arguments}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def _pip(self, *arguments: str) -> str:
        return self.run(
            "python", "-m", "pip", "--disable-pip-version-check", *arguments, folder=self._bin
        )


def oldest(requirement: str) -> str:
    """Pin a requirement to the lowest version that it allows."""
    return re.sub(r">=([\w.]+).*", r"==\1", requirement)
