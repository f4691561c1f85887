"""A call and its attempts."""

import ast
from pathlib import Path

from connpool_runtime import Call, Method, Outcome, calls
from connpool_runtime.classifiers.verdict import failure
from connpool_runtime.members.member import Member

METHOD: Method[str, None] = Method(
    "get", lambda client, args: None, expected=(FileNotFoundError,), ignored=(BlockingIOError,)
)


def test_attempts_are_counted_with_their_members() -> None:
    """Each attempt has a number and a member, and starts without an outcome."""
    call = Call("test", METHOD)
    one, two = Member("a", "a"), Member("b", "b")
    call.begin(one)
    call.verdict = failure("down")
    call.begin(two)
    assert (call.attempt, call.member, call.tried, call.verdict) == (2, two, [one, two], None)


def test_the_methods_policy_decides() -> None:
    """Expected, ignored, everything else."""
    call = Call("test", METHOD)
    assert call.judge(None).outcome is Outcome.SUCCESS
    assert call.judge(FileNotFoundError()).outcome is Outcome.SUCCESS
    assert call.judge(BlockingIOError()).outcome is Outcome.NEUTRAL
    assert call.judge(ConnectionResetError()).outcome is Outcome.FAILURE


def test_our_own_cancellation_is_a_failure() -> None:
    """A middleware judges the errors that are its own doing; the others are left to the policy."""
    call = Call("test", METHOD)
    assert call.judge(GeneratorExit()).outcome is Outcome.NEUTRAL
    call.judge_by("outer", lambda error: None)
    call.judge_by("inner", lambda error: Outcome.FAILURE)
    assert call.judge(GeneratorExit()).outcome is Outcome.FAILURE
    assert call.judge(None).outcome is Outcome.SUCCESS
    call.judge_by("inner", None)
    assert call.judge(GeneratorExit()).outcome is Outcome.NEUTRAL
    call.judge_by("never there", None)


def test_any_middleware_may_exclude_members() -> None:
    """The exclusions of all middleware add up; each ends its own, and its error is raised."""
    one, two, three = (Member(name, name) for name in "abc")
    call = Call("test", METHOD)
    call.readmit("nobody")
    assert (call.excluded, call.refusal(one)) == (frozenset(), None)
    late: list[Member[str]] = []
    call.exclude("first", lambda: [one], lambda: LookupError("first"))
    call.exclude("second", lambda: late, lambda: LookupError("second"))
    assert call.excluded == {one}
    late.append(two)
    assert call.excluded == {one, two}
    assert str(call.refusal(two)) == "second"
    assert call.refusal(three) is None
    call.readmit("first")
    assert (call.excluded, call.refusal(one)) == ({two}, None)


def test_an_attempt_beside_others_obeys_the_middleware_outside() -> None:
    """A fork has what was excluded and is judged so far; what it adds is its own."""
    one, two = Member("a", "a"), Member("b", "b")
    call = Call("test", METHOD)
    call.exclude("outside", lambda: [one], LookupError)
    call.judge_by("outside", lambda error: Outcome.FAILURE)
    fork = call.fork()
    fork.exclude("inside", lambda: [two], LookupError)
    fork.judge_by("outside", None)
    assert fork.excluded == {one, two}
    assert call.excluded == {one}
    assert call.judge(ValueError()).outcome is Outcome.FAILURE
    assert fork.judge(ValueError()).outcome is Outcome.NEUTRAL
    fork.begin(two)
    assert call.tried == [two]


def test_the_records_of_a_call_know_no_middleware_and_no_balancer() -> None:
    """What is special to one of them lies with it: no module here imports any, in whatever way."""
    files = [path for folder in calls.__path__ for path in Path(folder).glob("*.py")]
    imported = {
        node.module
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module is not None
    }
    assert "connpool_runtime.members.member" in imported
    above = ("connpool_runtime.balancing", "connpool_runtime.middleware")
    assert [module for module in imported if module.startswith(above)] == []


def test_its_repr_holds_no_argument() -> None:
    """Arguments may be secret."""
    call = Call("test", METHOD, ("secret",))
    assert repr(call) == "<Call test.get member=None attempt=0>"
    call.begin(Member("a", "secret"))
    assert repr(call) == "<Call test.get member='a' attempt=1>"
