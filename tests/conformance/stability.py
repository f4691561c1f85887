"""Whether the output is the same every time, and as `ruff format` would have it."""

from __future__ import annotations

import difflib

from connpool_gen.rendering.format import format_source
from tests.conformance.corpus import Client
from tests.conformance.findings import Found
from tests.conformance.generation import generated, run_command
from tests.conformance.workshop import Workshop


def check_stability(workshop: Workshop, client: Client) -> list[Found]:
    """Generate again elsewhere and with other hashes, then format."""
    first = generated(workshop, client).text
    folder = workshop.run / "second" / "elsewhere" / client.slug
    second = run_command(workshop, client, folder, hash_seed="2").text
    found = [("", f"the second run differs: {line}") for line in differences(first, second)]
    bare = first.replace("# fmt: off\n", "")
    formatted = format_source(bare)
    return found + [("", f"ruff would change: {line}") for line in differences(bare, formatted)]


def differences(before: str, after: str) -> list[str]:
    """The first lines that differ."""
    if before == after:
        return []
    diff = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in diff if line[:3] not in ("---", "+++")][:6] or ["only in line ends"]
