"""What a master knows of its workers: complete, over, lost, twice."""

from harness.load.config import InjectorReport
from harness.load.worker_tracking import LOST_AFTER_S, WorkerSays, WorkerTracking


def report(*, done: bool, error: str | None = None) -> InjectorReport:
    return InjectorReport(
        began_ns=1,
        elapsed_s=1.0,
        scheduled=10,
        sent=10,
        ended=10,
        wrong=0,
        longest_lag_s=0.0,
        cpu_s=0.1,
        done=done,
        error=error,
    )


def test_nobody_was_heard_of() -> None:
    """Nothing is over that has not begun."""
    none = WorkerTracking(2)
    assert not none.complete
    assert none.missing == (0, 1)
    assert not none.over(1000.0, [0, 1])
    assert none.lost(1000.0) == ()


def test_all_came_to_their_end() -> None:
    """Over when the samples are gathered, too."""
    both = WorkerTracking(2)
    for number in range(2):
        said = WorkerSays(worker=number, report=report(done=True))
        assert both.hear(f"client-{number}", said, 5.0) is None
    assert both.complete
    assert not both.over(5.0, [0])
    assert both.over(5.0, [0, 1])
    assert both.lost(1000.0) == ()


def test_one_is_silent() -> None:
    """For a moment it is awaited, then it is lost, and named."""
    one = WorkerTracking(1)
    one.hear("client", WorkerSays(worker=0, report=report(done=False)), 0.0)
    assert not one.over(LOST_AFTER_S - 1, [0])
    assert one.lost(LOST_AFTER_S - 1) == ()
    assert one.over(LOST_AFTER_S, [0])
    assert one.lost(LOST_AFTER_S) == ("worker 0: not heard of for 10 s",)


def test_one_says_that_it_failed() -> None:
    """By itself, or its injector does."""
    tracking = WorkerTracking(2)
    tracking.hear("a", WorkerSays(worker=0, failure="no injector"), 0.0)
    tracking.hear("b", WorkerSays(worker=1, report=report(done=True, error="stopped")), 0.0)
    assert tracking.lost(0.0) == ("worker 0: no injector", "worker 1: stopped")


def test_two_that_are_the_same_and_one_too_many() -> None:
    """Each request of a share would be sent twice."""
    tracking = WorkerTracking(1)
    assert tracking.hear("a", WorkerSays(worker=0), 0.0) is None
    assert tracking.hear("b", WorkerSays(worker=0), 0.0) == "worker 0 is there twice: a and b"
    assert tracking.hear("c", WorkerSays(worker=1), 0.0) == "worker 1 is one too many, expected 1"
