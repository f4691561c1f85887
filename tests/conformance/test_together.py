"""Wrappers made in one run, in one build of the type checker, are those that a run for each alone makes."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import dropwhile

import pytest

from tests.conformance.corpus import CLIENTS, Client
from tests.conformance.generation import environment, generated
from tests.conformance.workshop import Workshop

# By no order that they were made in otherwise.
IN_TURN = sorted(CLIENTS, key=lambda client: client.path[::-1])


@pytest.fixture(scope="module")
def together(workshop: Workshop) -> dict[Client, str]:
    """The modules of all clients, from one run over the targets of a project."""
    folder = workshop.run / "together"
    folder.joinpath(".git").mkdir(parents=True)
    targets = (
        f'[[tool.connpool-gen.target]]\nclient = "{client}"\noutput = "made/{client.slug}.py"\n'
        for client in IN_TURN
    )
    (folder / "pyproject.toml").write_text("\n".join(targets))
    subprocess.run(
        [sys.executable, "-P", "-m", "connpool_gen", "--quiet"],
        cwd=folder,
        env=os.environ | environment(workshop, "3"),
        check=False,  # a client that is refused alone is refused here
        timeout=1200,
    )
    files = {client: folder / "made" / f"{client.slug}.py" for client in IN_TURN}
    return {client: file.read_text() for client, file in files.items() if file.exists()}


def test_all_together(workshop: Workshop, together: dict[Client, str]) -> None:
    """No client's wrapper shows which other ones were read before it."""
    differing = [
        client.path
        for client in IN_TURN
        if body(together.get(client, "")) != body(generated(workshop, client).text)
    ]
    assert differing == []


def body(text: str) -> list[str]:
    """The lines below the header, which names the command."""
    return [*dropwhile(lambda line: line.startswith("#"), text.splitlines())]
