"""`with pool.lease() as client`, in both kinds."""

import gc
from typing import Any

import pytest

from connpool_runtime import AsyncPool, NoMembers, Outcome, Pool
from tests.runtime.faces import Face, counted

SUCCESS, FAILURE, NEUTRAL = Outcome.SUCCESS, Outcome.FAILURE, Outcome.NEUTRAL


async def test_a_lease_is_one_member_for_several_steps(face: Face) -> None:
    """The block gets the client; the member is in flight until it ends, and counts once."""
    async with face.lease() as (client, lease):
        assert client is face.clients["a"]
        assert lease.member is face.member("a")
        assert face.in_flight() == 1
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 1, FAILURE: 0, NEUTRAL: 0}
    assert lease.member.name == "a"


async def test_an_error_in_the_block_is_the_outcome(face: Face) -> None:
    """It is judged like an error of a call, and opens the breaker like one."""
    for _ in range(3):
        with pytest.raises(OSError, match="x"):
            async with face.lease(balancer=lambda candidates, call: candidates[0]):
                raise OSError("x")
    assert face.stats().members[0].state.value == "open"
    assert counted(face.stats())[FAILURE] == 3


async def test_a_method_brings_its_policy_and_its_name(face: Face) -> None:
    """A lease for a method is counted and judged as that method."""
    with pytest.raises(FileNotFoundError):
        async with face.lease(method=face.method(expected=(FileNotFoundError,))):
            raise FileNotFoundError
    (method,) = face.stats().methods
    assert (method.name, method.answers) == ("get", 1)


async def test_a_lease_may_bring_its_balancer(face: Face) -> None:
    """As execute does; an unknown name is refused before anybody is picked."""
    async with face.lease(balancer=lambda candidates, call: candidates[2]) as (client, _):
        assert client.name == "c"
    with pytest.raises(ValueError, match="balancer must be"):
        face.pool.lease(balancer="x")


async def test_an_empty_pool_leases_nobody(face: Face) -> None:
    """The refusal is the same as for a call."""
    for name in "abc":
        await face.remove(name)
    with pytest.raises(NoMembers):
        async with face.lease():
            pytest.fail("the block must not run")


async def test_a_lease_is_for_one_use(face: Face) -> None:
    """Entering it again is an error that says what to do; nothing is taken twice."""
    async with face.lease() as (_, lease):
        with pytest.raises(RuntimeError, match="used only once"):
            lease.begin()
        assert face.in_flight() == 1
    with pytest.raises(RuntimeError, match="used only once"):
        lease.begin()
    assert face.in_flight() == 0


async def test_a_lease_has_no_member_before_it_is_entered(face: Face) -> None:
    """Asking for it then is an error that says what to do."""
    with pytest.raises(RuntimeError, match="enter it with `with` first"):
        _ = face.pool.lease().member


async def test_a_dropped_lease_is_given_back_and_told_about(face: Face) -> None:
    """Forgetting to leave the block is a bug that shows, but leaks nothing."""
    lease = face.pool.lease()
    lease.begin()
    with pytest.warns(ResourceWarning, match="dropped without being given back"):  # noqa: PT031
        del lease
        gc.collect()
    assert face.in_flight() == 0
    assert counted(face.stats()) == {SUCCESS: 0, FAILURE: 0, NEUTRAL: 1}


@pytest.mark.filterwarnings("error:a lease:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_dropped_lease_is_given_back_where_warnings_are_errors(face: Face) -> None:
    """That telling fails keeps nobody from giving back."""
    lease = face.pool.lease()
    lease.begin()
    del lease
    gc.collect()
    assert face.in_flight() == 0


@pytest.mark.parametrize(
    ("pool", "way"), [(Pool("shops"), "`with pool"), (AsyncPool("shops"), "`async with pool")]
)
def test_a_lease_is_not_the_client(pool: Any, way: str) -> None:
    """Whoever calls the lease in place of its client is told how to get the client."""
    lease = pool.lease()
    with pytest.raises(AttributeError, match=f"a lease has no 'get': {way}.lease") as refused:
        lease.get(1)
    assert (refused.value.name, refused.value.obj) == ("get", lease)
    assert not hasattr(lease, "get")
