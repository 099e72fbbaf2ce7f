"""A user's own locustfile: how many users there are, and what came of a request."""

import ssl
from datetime import timedelta

import pytest

from harness.load.closed_loop import answer_of, users_at
from harness.model.load_profile import Profile, Stage
from harness.model.sample import Answer

UP = Profile(
    profile="up",
    title="Up, and held",
    stages=(
        Stage(rate=0.0, to=1.0, hold=timedelta(seconds=10)),
        Stage(rate=1.0, hold=timedelta(seconds=10)),
    ),
)


@pytest.mark.parametrize(
    ("elapsed_s", "users"), [(-1.0, 0), (0.0, 0), (5.0, 4), (10.0, 8), (19.9, 8), (20.0, None)]
)
def test_users_follow_the_profile(elapsed_s: float, users: int | None) -> None:
    """A share of the peak; none when it is over."""
    assert users_at(UP, 8, elapsed_s) == users


@pytest.mark.parametrize(
    ("status", "exception", "answer"),
    [
        (200, None, Answer.OK),
        (503, Exception("503"), Answer.WRONG_STATUS),
        (200, Exception("not what was expected"), Answer.WRONG_BODY),
        (0, TimeoutError("timed out"), Answer.TIMEOUT),
        (0, ConnectionRefusedError(111, "refused"), Answer.REFUSED),
        (0, ConnectionResetError(104, "reset"), Answer.CUT),
        (0, ssl.SSLError("certificate"), Answer.TLS),
        (0, "nobody knows", Answer.CUT),
    ],
)
def test_what_came_of_it(
    status: int, exception: BaseException | str | None, answer: Answer
) -> None:
    """By what the client library raised, else by the status."""
    assert answer_of(status, exception) is answer


def test_what_caused_it_is_looked_for() -> None:
    """Client libraries wrap what happened."""
    wrapped = Exception("connection failed")
    wrapped.__cause__ = ConnectionRefusedError(111, "refused")
    assert answer_of(0, wrapped) is Answer.REFUSED
