"""Whether the generated module can be imported without what only its annotations name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conformance.corpus import Client
from tests.conformance.findings import Found
from tests.conformance.workshop import Workshop

SCRIPT = Path(__file__).with_name("isolation.py")


def check_imports(workshop: Workshop, client: Client) -> list[Found]:
    """Import the module in a bare process; what stops it is the finding."""
    wrapper = workshop.wrappers / f"{client.slug}.py"
    done = subprocess.run(
        [sys.executable, "-P", str(SCRIPT), client.path, str(wrapper)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode == 0:
        return []
    return [("", " / ".join(done.stderr.strip().splitlines()[-2:]))]
