"""What a source says about a server, and what is refused."""

import copy
import itertools
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connpool_runtime.discovery import Endpoint, InvalidEndpoint
from connpool_runtime.discovery.endpoint import MOST_SCALED, fitting_weights, snapshot_of


def test_the_address_is_the_id_if_there_is_none() -> None:
    """An endpoint without an id is called by its address; host and port are read from it."""
    endpoint = Endpoint("[::1]:80")
    assert (endpoint.id, endpoint.host, endpoint.port) == ("[::1]:80", "[::1]", 80)
    assert Endpoint("Host:80", "a").id == "a"


@pytest.mark.parametrize(
    ("fields", "field", "value"),
    [
        ({"address": "10.0.0.1"}, "address", "10.0.0.1"),
        ({"address": "10.0.0.1:0"}, "address", ":0"),
        ({"address": "10.0.0.1:65536"}, "address", "65536"),
        ({"address": 80}, "id", "80"),
        ({"address": "a:1", "id": 7}, "id", "7"),
        ({"address": "a:1", "weight": float("nan")}, "weight", "nan"),
        ({"address": "a:1", "weight": -1}, "weight", "-1"),
        ({"address": "a:1", "weight": 0}, "weight", "0"),
        ({"address": "a:1", "weight": True}, "weight", "True"),
        ({"address": "a:1", "weight": 10**9 + 1}, "weight", "1000000001"),
        ({"address": "a:1", "priority": -1}, "priority", "-1"),
        ({"address": "a:1", "tags": [1]}, "tags", "1"),
        ({"address": "a:1", "zone": ""}, "zone", "''"),
        ({"address": "a:1", "metadata": {"a": 1}}, "metadata", "1"),
        ({"address": "a:1", "metadata": "a=1"}, "metadata", "a=1"),
        ({"address": "a\ud800:1", "id": "a"}, "address", "ud800"),
        ({"address": "a:1", "zone": "z\ud800"}, "zone", "ud800"),
        ({"address": "a:1", "tags": ["t\ud800"]}, "tags", "ud800"),
        pytest.param({"address": "a:1", "priority": 10**400}, "priority", "10000", id="huge"),
        ({"id": "a"}, "address", "left out"),
        ({"address": "a:1", "wieght": 2}, "a key", "did you mean 'weight'"),
    ],
)
def test_what_is_not_allowed_is_told(fields: dict[str, Any], field: str, value: str) -> None:
    """The error names the source, the field and the value."""
    with pytest.raises(InvalidEndpoint, match="registry") as caught:
        snapshot_of([fields], "registry")
    assert (caught.value.field, caught.value.source) == (field, "registry")
    assert value in str(caught.value)


@pytest.mark.parametrize("answer", [None, 7, "a:1", {"a": "b"}, [None], [7], b"a:1"])
def test_a_lie_is_no_snapshot(answer: object) -> None:
    """What is no collection of endpoints is refused in the name of the source."""
    with pytest.raises(InvalidEndpoint, match=r"^registry: "):
        snapshot_of(answer, "registry")


def test_an_id_is_there_once() -> None:
    """Two endpoints of one id are refused, with both addresses."""
    with pytest.raises(InvalidEndpoint, match=r"'a'.*a:1.*b:2"):
        snapshot_of([Endpoint("a:1", "a"), Endpoint("b:2", "a")], "registry")


def test_an_answer_that_turns_in_circles_ends() -> None:
    """Pages that come again and again are refused at the first id that was there before, not collected for ever."""
    with pytest.raises(InvalidEndpoint, match="of one endpoint only"):
        snapshot_of((Endpoint("a:1") for _ in itertools.count()), "registry")
    with pytest.raises(InvalidEndpoint, match="of one endpoint only"):
        snapshot_of(itertools.cycle([Endpoint("a:1"), "b:2"]), "registry")


def test_nobody_can_change_it() -> None:
    """An endpoint is frozen, and so is its metadata; what was given may change afterwards."""
    given: dict[str, str] = {"a": "1"}
    endpoint = Endpoint("a:1", metadata=given, tags=("b", "a", "b"))
    given["a"] = "2"
    assert endpoint.metadata == {"a": "1"}
    assert endpoint.tags == ("a", "b")
    with pytest.raises(TypeError):
        endpoint.metadata["a"] = "3"  # type: ignore[index]
    with pytest.raises(AttributeError):
        endpoint.weight = 2  # type: ignore[misc]


def test_it_can_be_stored() -> None:
    """Its plain data is read again as the same endpoint; so are a pickle and a copy."""
    endpoint = Endpoint("a:1", "x", 3, ("t",), "z", 2, {"k": "v"})
    assert Endpoint.of(endpoint.plain()) == endpoint
    assert pickle.loads(pickle.dumps(endpoint)) == endpoint == copy.copy(endpoint)
    assert len({endpoint, Endpoint.of(endpoint.plain())}) == 1


def test_the_error_can_be_stored() -> None:
    """It comes out of a pickle as it was."""
    with pytest.raises(InvalidEndpoint) as caught:
        snapshot_of(["a:99999"], "registry")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.field == "address"


@given(st.lists(st.integers(0, 65535) | st.sampled_from([10**5, 10**400])))
def test_weights_fit(weights: list[int]) -> None:
    """Each is from 1 to the most that balancers are given, and none is turned round by another."""
    fitting = fitting_weights(weights)
    assert all(1 <= weight <= MOST_SCALED for weight in fitting)
    pairs = sorted(zip(weights, fitting, strict=True))
    assert [fit for _, fit in pairs] == sorted(fitting)
    if max(weights, default=1) <= MOST_SCALED:
        assert fitting == [weight or 1 for weight in weights]
