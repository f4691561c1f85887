"""The plugin of pytest, as the suites of users have it: each test here runs such a suite."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CLIENT = """
from connpool_runtime import AsyncPool, Method, NoMembers, Pool
from connpool_runtime.middleware import Chaos, Harm, Retry
from connpool_runtime.testing import Hangs, Slow

class Phone:
    def ring(self): ...

class Phones:
    '''As a wrapper is: its pool is an attribute.'''
    def __init__(self, **options):
        self.pool = Pool("phones", **options)
    def ring(self):
        return self.pool.call(RING)

RING = Method("ring", lambda phone, args: phone.ring(), idempotent=True)
"""


# Named as the entry point, so that it is not loaded twice where the installed package has it.
PLUGINS = ("-p", "connpool_pytest", "-p", "no:asyncio", "-p", "no:cacheprovider")


class Suite:
    """A suite of a user's, with a module that all its tests share."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        pytester.makepyfile(phones=CLIENT)
        pytester.syspathinsert()

    def run(self, tests: str, ini: str = "", *, apart: bool = False) -> pytest.RunResult:
        """Run tests, in this process or, where something is to be dropped by them, in one of their own."""
        self._pytester.makepyfile(test_suite=tests)
        self._pytester.makeini(f"[pytest]\n{ini}")
        run = self._pytester.runpytest_subprocess if apart else self._pytester.runpytest_inprocess
        return run(*PLUGINS, "test_suite.py")


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    return Suite(pytester)


def test_pools_go_by_the_clock_of_the_test(suite: Suite) -> None:
    """`connpool_pool` makes pools and wrappers with fake time, `connpool_scripts` fills them; both are cleaned up."""
    tests = """
        from phones import *
        made = []

        def test_a_cooldown_takes_no_time(connpool_pool, connpool_scripts, connpool_clock):
            phones = connpool_pool(Phones, max_fails=1, cooldown=600.0, cooldown_jitter=0.0)
            made.append(phones.pool)
            scripts = connpool_scripts(phones, Phone, "a", "b")
            scripts["a"].then(ConnectionError("busy"), "hello")
            phones.pool.register_middleware(Retry(base=0))
            assert [phones.ring() for _ in range(3)] == ["b"] * 3
            connpool_clock.sleep(600.0)
            assert "hello" in {phones.ring() for _ in range(2)}

        def test_a_pool_without_a_class(connpool_pool, connpool_scripts):
            pool = connpool_pool(name="mine")
            connpool_scripts(pool, Phone, "a")["a"].then(Slow(5.0, "late"))
            assert (type(pool), pool.call(RING)) == (Pool, "late")
            assert pool.stats().methods[0].latency.total == 5.0

        def test_the_first_is_closed():
            assert made[0].closed
        """
    suite.run(tests).assert_outcomes(passed=3)


def test_what_is_left_taken_fails_its_test(suite: Suite) -> None:
    """The message names pool and member, and who took it where the pool looks for leaks; other tests pass."""
    tests = """
        from phones import *
        kept = []

        def take(pool):
            kept.append(pool.lease())
            kept[-1].__enter__()

        def test_leaves_a_lease(connpool_pool, connpool_scripts):
            pool = connpool_pool(name="mine", max_concurrency=1, leak_threshold=60.0)
            connpool_scripts(pool, Phone, "a")
            take(pool)

        def test_leaves_one_of_a_pool_of_its_own(connpool_leaks):
            pool = Pool("own")
            pool.add_client(Phone(), name="b")
            take(pool)

        def test_gives_back(connpool_leaks):
            with Pool("other") as pool:
                pool.add_client(Phone(), name="c")
                with pool.lease():
                    pass

        """
    done = suite.run(tests, apart=True)
    done.assert_outcomes(passed=3, errors=2)
    done.stdout.fnmatch_lines(["*1 of member 'a' of pool 'mine', taken by*", "*in take*"])
    done.stdout.fnmatch_lines(["*1 of member 'b' of pool 'own'*"])


def test_a_suite_may_check_all_its_tests(suite: Suite) -> None:
    """`connpool_check_leaks` in the ini file is enough; a call that ends in a moment is no leak."""
    tests = """
        import threading, time
        from phones import *
        kept = []

        def test_leaves_a_lease():
            pool = Pool("own")
            pool.add_client(Phone(), name="b")
            kept.append(pool.lease())
            kept[-1].__enter__()

        def test_ends_soon():
            pool = Pool("soon")
            pool.add_client(Phone(), name="b")
            began = threading.Event()
            slow = lambda phone: (began.set(), time.sleep(0.1))
            threading.Thread(target=pool.execute, args=(slow,)).start()
            assert began.wait(5)
        """
    suite.run(tests, "connpool_check_leaks = true\n", apart=True).assert_outcomes(
        passed=2, errors=1
    )


RETRIES = """
    from phones import *

    def tries(connpool_pool, connpool_scripts):
        pool = connpool_pool(name="mine", max_fails=0)
        pool.register_middleware(Retry(5, base=3600.0))
        script = connpool_scripts(pool, Phone, "a")["a"].always(ConnectionError("busy"))
        try:
            pool.call(RING)
        except ConnectionError:
            return len(script.calls)
"""


def test_retries_do_not_wait(suite: Suite) -> None:
    """`connpool_testing` holds for the test that asks for it, and no longer."""
    tests = RETRIES + """
    from connpool_runtime.middleware import testing_mode

    def test_once(connpool_testing, connpool_pool, connpool_scripts):
        assert tries(connpool_pool, connpool_scripts) == 1

    def test_not_here():
        assert not testing_mode.is_on()
    """
    suite.run(tests).assert_outcomes(passed=2)


def test_a_suite_may_say_so_for_all(suite: Suite) -> None:
    """`connpool_testing` and `connpool_attempts` in the ini file hold for each test."""
    tests = RETRIES + """
    def test_three(connpool_pool, connpool_scripts):
        assert tries(connpool_pool, connpool_scripts) == 3
    """
    suite.run(tests, "connpool_testing = true\nconnpool_attempts = 3\n").assert_outcomes(passed=1)


def test_a_wrong_option_is_told(suite: Suite) -> None:
    """The error names the option and what it takes."""
    tests = "def test_nothing(): ..."
    done = suite.run(tests, "connpool_testing = true\nconnpool_attempts = often\n")
    done.stdout.fnmatch_lines(
        ["*connpool_attempts must be a whole number of at least 1, not 'often'*"]
    )


def test_harm_ends_with_the_test(suite: Suite) -> None:
    """The same calls fail in each run; after the test, or where it is switched off, none does."""
    tests = """
        from phones import *
        pool = Pool("phones", max_fails=0)
        pool.add_client(type("P", (), {"ring": lambda self: "hi"})(), name="a")
        courses = []

        def course():
            def one():
                try:
                    return pool.call(RING)
                except ConnectionResetError:
                    return "reset"
            return [one() for _ in range(20)]

        def test_some_fail(connpool_chaos):
            chaos = connpool_chaos(pool, Harm(fault_rate=0.5))
            courses.append(course())
            assert set(courses[0]) == {"hi", "reset"}
            chaos.on = False
            assert set(course()) == {"hi"}
            chaos.on = True

        def test_none_fails():
            assert set(course()) == {"hi"}

        def test_the_same_fail(connpool_chaos):
            connpool_chaos(pool, Harm(fault_rate=0.5))
            assert course() == courses[0]
        """
    suite.run(tests).assert_outcomes(passed=3)


def test_it_costs_a_suite_nothing_that_does_not_use_it(tmp_path: Path) -> None:
    """Loaded by pytest, it imports no module of the runtime until a test asks for a fixture of it."""
    (tmp_path / "test_it.py").write_text("""
import sys

def test_before():
    assert "connpool_pytest" in sys.modules
    assert not [name for name in sys.modules if name.startswith("connpool_runtime")]

def test_after(connpool_clock):
    assert "connpool_runtime" in sys.modules
""")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "connpool_pytest",
        "-p",
        "no:cacheprovider",
        "test_it.py",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout
