"""The adaptive limit: it finds the knee of a simulated service."""

from connpool_runtime.middleware.gradient import GradientLimit, Window


def served(workers: int, running: int) -> float:
    """Latency of a service that serves so many calls at once, 10 ms each; the others queue."""
    return 0.01 * max(1.0, running / workers)


def test_the_limit_settles_near_what_the_service_can_take() -> None:
    """It leaves the start in both directions and neither starves nor floods the service."""
    for initial, workers in ((20, 60), (100, 60), (200, 60)):
        gradient = GradientLimit(initial, 10, 500, 0.2, 1.5)
        for _ in range(20):
            gradient.sample(0.01, initial)  # what is usual is learnt in quiet times
        for _ in range(200):
            gradient.sample(served(workers, gradient.limit), gradient.limit)
        assert workers * 0.8 < gradient.limit < workers * 2.5


def test_a_service_that_slows_down_gets_fewer_calls() -> None:
    """Ten times the usual latency at the same load means a queue."""
    gradient = GradientLimit(100, 10, 200, 0.2, 1.5)
    for _ in range(20):
        gradient.sample(0.01, 100)
    before = gradient.limit
    for _ in range(10):
        gradient.sample(0.1, gradient.limit)
    assert gradient.limit < before / 2


def test_an_idle_pool_learns_nothing_about_the_limit() -> None:
    """Without load the latency is good under any limit."""
    gradient = GradientLimit(100, 10, 200, 0.2, 1.5)
    for _ in range(100):
        gradient.sample(0.01, 5)
    assert gradient.limit == 100


def test_the_limit_has_limits() -> None:
    """Never below the least and never above the most."""
    gradient = GradientLimit(20, 15, 30, 1.0, 1.0)
    for _ in range(50):
        gradient.sample(0.01, 30)
    assert gradient.limit == 30
    for _ in range(50):
        gradient.sample(9.0, 30)
    assert gradient.limit == 15


def test_a_window_needs_time_and_samples() -> None:
    """Its mean is told once, by the call that ends it."""
    window = Window(1.0, 3)
    assert window.add(0.0, 0.1, 1) is None
    assert window.add(5.0, 0.2, 7) is None
    mean, most = window.add(5.1, 0.3, 2) or (0.0, 0)
    assert (round(mean, 9), most) == (0.2, 7)
    assert [window.add(6.0, 1.0, 1) for _ in range(9)] == [None] * 9
