"""A call and its attempts."""

from connpool_runtime import Call, Method, Outcome
from connpool_runtime.members.member import Member

METHOD: Method[str, None] = Method(
    "get", lambda client, args: None, expected=(FileNotFoundError,), ignored=(BlockingIOError,)
)


def test_attempts_are_counted_with_their_members() -> None:
    """Each attempt has a number and a member, and starts without an outcome."""
    call = Call("test", METHOD)
    one, two = Member("a", "a"), Member("b", "b")
    call.begin(one)
    call.outcome = Outcome.FAILURE
    call.begin(two)
    assert (call.attempt, call.member, call.tried, call.outcome) == (2, two, [one, two], None)


def test_the_methods_policy_decides() -> None:
    """Expected, ignored, everything else."""
    call = Call("test", METHOD)
    assert call.judge(None) is Outcome.SUCCESS
    assert call.judge(FileNotFoundError()) is Outcome.SUCCESS
    assert call.judge(BlockingIOError()) is Outcome.NEUTRAL
    assert call.judge(OSError()) is Outcome.FAILURE


def test_our_own_cancellation_is_a_failure() -> None:
    """Whether the runtime cancelled decides, not the type of the error."""
    call = Call("test", METHOD)
    assert call.judge(GeneratorExit()) is Outcome.NEUTRAL
    call.timed_out = lambda: True
    assert call.judge(GeneratorExit()) is Outcome.FAILURE
    assert call.judge(None) is Outcome.SUCCESS
    call.timed_out = lambda: False
    assert call.judge(GeneratorExit()) is Outcome.NEUTRAL


def test_its_repr_holds_no_argument() -> None:
    """Arguments may be secret."""
    call = Call("test", METHOD, ("secret",))
    assert repr(call) == "<Call test.get member=None attempt=0>"
    call.begin(Member("a", "secret"))
    assert repr(call) == "<Call test.get member='a' attempt=1>"
