"""A wrapper for each class of the corpus is made as users make it, and held to nine promises."""

from __future__ import annotations

import pytest

from tests.conformance.checkers import static_errors
from tests.conformance.corpus import ALL, CLIENTS, Client
from tests.conformance.delegation import check_delegation
from tests.conformance.faults import check_faults
from tests.conformance.findings import PINS, judge
from tests.conformance.generation import generated
from tests.conformance.imports import check_imports
from tests.conformance.ledger_check import check_ledger
from tests.conformance.runtime_twin import check_runtime_twin
from tests.conformance.stability import check_stability
from tests.conformance.static_twin import check_static_twin
from tests.conformance.workshop import Workshop

pytestmark = pytest.mark.filterwarnings("default")

each_client = pytest.mark.parametrize("client", CLIENTS, ids=str)


def need_wrapper(workshop: Workshop, client: Client) -> None:
    """Do without a check of a module that could not be made: (a) has failed for it."""
    if not generated(workshop, client).text:
        pytest.skip("no wrapper was made")


@each_client
def test_a_is_generated(workshop: Workshop, client: Client) -> None:
    """(a) The command exits with 0, or with the error that the class is pinned to have."""
    made = generated(workshop, client)
    judge(client, "a", [] if made.exit_code == 0 else [("", made.messages.strip())])


@each_client
def test_c_is_stable(workshop: Workshop, client: Client) -> None:
    """(c) A second run elsewhere, with other hashes, gives the same bytes; `ruff format` changes nothing."""
    need_wrapper(workshop, client)
    judge(client, "c", check_stability(workshop, client))


@each_client
def test_b_imports_alone(workshop: Workshop, client: Client) -> None:
    """(b) The module needs nothing that importing the client did not need itself."""
    need_wrapper(workshop, client)
    judge(client, "b", check_imports(workshop, client))


@each_client
def test_d_type_checks(workshop: Workshop, client: Client) -> None:
    """(d) mypy --strict finds nothing, nor pyright: in strict mode where it knows the client."""
    need_wrapper(workshop, client)
    judge(client, "d", static_errors(workshop, client))


@each_client
def test_e_static_twin(workshop: Workshop, client: Client) -> None:
    """(e) Each member has the type that it has on the client, and Any where that has none."""
    need_wrapper(workshop, client)
    judge(client, "e", check_static_twin(workshop, client))


@each_client
def test_f_runtime_twin(workshop: Workshop, client: Client) -> None:
    """(f) Each method takes the names and kinds that a call to the client takes, same defaults."""
    need_wrapper(workshop, client)
    judge(client, "f", check_runtime_twin(workshop, client))


@each_client
def test_g_delegates(workshop: Workshop, client: Client) -> None:
    """(g) Each call reaches the client as it was made, and its lease ends with its result."""
    need_wrapper(workshop, client)
    judge(client, "g", check_delegation(workshop, client))


@each_client
def test_h_accounts_for_all(workshop: Workshop, client: Client) -> None:
    """(h) The ledger names every public member once, and says the truth."""
    need_wrapper(workshop, client)
    judge(client, "h", check_ledger(workshop, client))


@each_client
def test_i_survives(workshop: Workshop, client: Client) -> None:
    """(i) It goes on when servers restart, openings and closings hang, processes fork, readers leave early."""
    need_wrapper(workshop, client)
    judge(client, "i", check_faults(workshop, client))


def test_pins_are_about_the_corpus() -> None:
    """A pin names a class of the corpus and one of the nine checks."""
    clients = {client.path for client in ALL}
    assert [pin for pin in PINS if pin.client not in clients or pin.check not in "abcdefghi"] == []


def test_no_more_than_five_pins() -> None:
    """Expected failures are the exception: five at most."""
    assert len(PINS) <= 5
