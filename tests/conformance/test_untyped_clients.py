"""Clients that are annotated and ship no `py.typed` keep their types."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.conformance.corpus import CLIENTS, Client
from tests.conformance.table import row
from tests.conformance.workshop import Workshop

# How many members' types their sources know completely, in the versions of the corpus.
KNOWN = {
    "pika.adapters.blocking_connection:BlockingChannel": 36,
    "pymemcache.client.base:Client": 34,
    "pymilvus:MilvusClient": 50,
}


@pytest.mark.parametrize("client", [c for c in CLIENTS if c.path in KNOWN], ids=str)
def test_no_type_is_lost(workshop: Workshop, client: Client) -> None:
    """The wrapper knows the types of as many members as the client's source does."""
    expected = KNOWN[client.path]
    assert row(workshop, client).known == Counter(client=expected, wrapper=expected)
