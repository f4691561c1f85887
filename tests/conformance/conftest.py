"""The folder of the run, and at its end the table."""

from __future__ import annotations

import os
import uuid

import pytest

from tests.conformance import table
from tests.conformance.corpus import ALL, CLIENTS
from tests.conformance.workshop import Workshop, claim_build, open_workshop

RUN = "CONNPOOL_CONFORMANCE_RUN"


def pytest_configure(config: pytest.Config) -> None:
    """Name the run; the processes that pytest-xdist starts inherit the name."""
    if not hasattr(config, "workerinput"):
        config.add_cleanup(claim_build().close)
        os.environ[RUN] = uuid.uuid4().hex[:12]


def shared(worker: str) -> Workshop:
    """The workshop that all processes of this run share."""
    return open_workshop(os.environ[RUN], worker)


@pytest.fixture(scope="session")
def workshop(worker_id: str) -> Workshop:
    """The folder that all processes of this run share."""
    return shared(worker_id)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of a whole run and keep the document up to date."""
    workshop = shared("controller")
    if CLIENTS != ALL or not all(workshop.has(f"made-{client.slug}") for client in CLIENTS):
        return
    rows = table.rows(workshop)
    terminalreporter.section("wrappers made")
    terminalreporter.write_line(table.plain(rows))
    if table.update(rows):
        terminalreporter.write_line(f"{table.DOCUMENT.name} was out of date and is written anew")
