"""Check the committed wrappers with pyright's strict rules: `python tools/strict_wrappers.py`.

Each wrapper says itself that pyright need not be strict with it, for the projects that it is made for. Here
the rules hold all the same: on copies without that line.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIES = ROOT / "build" / "strict"
LENIENT = "# pyright: basic\n"


def copy_wrappers(source: Path, copies: Path) -> list[Path]:
    """Copy the wrappers of a folder without the line that makes pyright lenient; raises ValueError if one has none."""
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(parents=True)
    made: list[Path] = []
    for path in sorted(source.glob("*.py")):
        text = path.read_text("utf-8")
        if text.count(LENIENT) != 1:
            raise ValueError(f"{path} does not hold {LENIENT.strip()!r} once")
        made.append(copies / path.name)
        made[-1].write_text(text.replace(LENIENT, ""), "utf-8")
    return made


def settings() -> dict[str, object]:
    """Make the settings of pyright for the copies; paths are relative to the folder above them."""
    up = "../.."
    return {
        "include": ["wrappers"],
        "strict": ["wrappers"],
        "extraPaths": [f"{up}/runtime", f"{up}/examples"],
        "pythonVersion": "3.11",
        "venvPath": up,
        "venv": ".venv",
    }


def main() -> int:
    """Copy, check, and give the exit code of pyright."""
    copy_wrappers(ROOT / "generated", COPIES / "wrappers")
    config = COPIES / "pyrightconfig.json"
    config.write_text(json.dumps(settings(), indent=2), "utf-8")
    command = [sys.executable, "-m", "pyright", "--project", str(config)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
