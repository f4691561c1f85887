"""The books of a discovery: who has a member, who gets one, who loses theirs."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from connpool_runtime.discovery import Endpoint
from connpool_runtime.discovery.reconcile import reconcile
from connpool_runtime.discovery.tracker import EndpointTracker, Job, Opened
from tests.thorough import examples

snapshots = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 2))


class TrackerMachine(RuleBasedStateMachine):
    """Snapshots, openings that end well, badly or never, members that leave: in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.tracker = EndpointTracker(1.0, 8.0, lambda: 0.5)
        self.known: dict[str, Endpoint] = {}
        self.pool: dict[str, bool] = {}  # member by name, and whether it leaves
        self.jobs: list[Job] = []
        self.now = 0.0

    @rule(found=snapshots)
    def answer(self, found: dict[str, int]) -> None:
        snapshot = {name: Endpoint(f"h:{port}", name) for name, port in found.items()}
        plan = self.tracker.apply(reconcile(self.known, snapshot.values()), self.now)
        self.known = snapshot
        for endpoint in plan.restore:
            if self.pool.get(endpoint.id):  # it still drains
                self.pool[endpoint.id] = False
                self.tracker.restored(endpoint.id)

    @rule()
    def begin(self) -> None:
        job = self.tracker.next_job(self.now, 5.0)
        if job is not None:
            assert job.endpoint == self.known[job.endpoint.id]
            self.jobs.append(job)

    @precondition(lambda self: self.jobs)
    @rule(well=st.booleans(), which=st.integers(0, 99))
    def end(self, well: bool, which: int) -> None:
        job = self.jobs.pop(which % len(self.jobs))
        if well:
            job.opened = Opened(job, lambda: None, None)
        else:
            job.error = ConnectionError("refused")
        self.tracker.end(job)
        ready, _, failed = self.tracker.collect(self.now)
        for entry, _ in ready:
            assert self.known[entry.endpoint.id] == entry.endpoint
            self.pool[entry.endpoint.id] = False
            self.tracker.join(entry, entry.endpoint)
        assert all(entry.error is not None for entry in failed)

    @rule(seconds=st.sampled_from([0.5, 3.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tracker.give_up_late(self.now)
        self.tracker.collect(self.now)

    @rule()
    def let_leave(self) -> None:
        serving = sum(not leaving for leaving in self.pool.values())
        for entry in self.tracker.release():
            self.pool[entry.endpoint.id] = True
            serving -= 1
            assert serving >= min(1, self.tracker.joined), "somebody is left if somebody is wanted"

    @precondition(lambda self: any(self.pool.values()))
    @rule()
    def drained(self) -> None:
        name = next(name for name, leaving in self.pool.items() if leaving)
        del self.pool[name]
        self.tracker.drained(self.pool)

    @invariant()
    def the_books_are_true(self) -> None:
        tracker, wanted = self.tracker, self.tracker.wanted
        assert {name: entry.endpoint for name, entry in wanted.items()} == self.known
        joined = {name for name, entry in wanted.items() if entry.joined is not None}
        assert tracker.joined == len(joined)
        assert tracker.failed == sum(
            entry.error is not None for name, entry in wanted.items() if name not in joined
        )
        serving = {name for name, leaving in self.pool.items() if not leaving}
        assert serving == joined | set(tracker.leaving)
        assert not joined & set(tracker.leaving)

    def teardown(self) -> None:
        """In the end everybody who is wanted has a member at the right address."""
        for job in self.jobs:
            job.error = ConnectionError("late")
            self.tracker.end(job)
        for _ in range(60):
            self.now += 20.0
            self.tracker.give_up_late(self.now)
            while (job := self.tracker.next_job(self.now, 5.0)) is not None:
                job.opened = Opened(job, lambda: None, None)
                self.tracker.end(job)
            ready, _, _ = self.tracker.collect(self.now)
            for entry, _ in ready:
                self.tracker.join(entry, entry.endpoint)
        found = {name: entry.joined for name, entry in self.tracker.wanted.items()}
        assert found == self.known
        self.tracker.release()
        assert self.tracker.leaving == {}


def test_one_that_returns_where_it_was_to_move_is_opened_there() -> None:
    """Its member serves at the old address until then, though the move was forgotten while it was gone."""
    tracker = EndpointTracker(1.0, 8.0, lambda: 0.5)
    old, new = Endpoint("h:2", "a"), Endpoint("h:1", "a")
    known: dict[str, Endpoint] = {}

    def answer(*found: Endpoint) -> None:
        nonlocal known
        tracker.apply(reconcile(known, found), 0.0)
        known = {endpoint.id: endpoint for endpoint in found}

    def open_next() -> Endpoint:
        job = tracker.next_job(0.0, 5.0)
        assert job is not None
        job.opened = Opened(job, lambda: None, None)
        tracker.end(job)
        ((entry, _),), _, _ = tracker.collect(0.0)
        tracker.join(entry, entry.endpoint)
        return job.endpoint

    answer(old)
    assert open_next() == old
    answer(new)
    answer()
    answer(new)
    assert open_next() == new


TestTracker = TrackerMachine.TestCase
TestTracker.settings = settings(max_examples=examples(60), stateful_step_count=40, deadline=None)
