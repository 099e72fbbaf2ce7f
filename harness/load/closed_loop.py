"""Says how many users there are when, and what came of a request that one of them made. Pure.

Both of a user's own locustfile, whose requests the harness only sees when they have ended.
"""

from __future__ import annotations

from collections import deque

from harness.model.load_profile import Profile
from harness.model.sample import Answer

_CLIENT_ERROR = 400

_WORDS = (
    (Answer.TIMEOUT, ("timeout",)),
    (Answer.NAME, ("gaierror", "nameresolution")),
    (Answer.TLS, ("ssl", "certificate")),
    (Answer.REFUSED, ("refused", "newconnection")),
    (Answer.CUT, ("reset", "aborted", "brokenpipe", "incomplete", "remotedisconnected")),
    (Answer.PROTOCOL, ("badstatusline", "protocolerror", "parseerror")),
)
"""In the names of exceptions of requests, urllib3, geventhttpclient and Python."""


def users_at(profile: Profile, peak: float, elapsed_s: float) -> int | None:
    """The profile's share of `peak` users, rounded; None: it is over."""
    begun_s = 0.0
    for stage in profile.stages:
        lasts_s = stage.hold.total_seconds()
        if elapsed_s < begun_s + lasts_s:
            share = max(0.0, elapsed_s - begun_s) / lasts_s
            return round(peak * (stage.rate + (stage.end_rate - stage.rate) * share))
        begun_s += lasts_s
    return None


def answer_of(status: int, exception: BaseException | str | None) -> Answer:
    """What came of a request, by its status (0: none) and by what its client library raised."""
    if exception is None:
        return Answer.OK
    names = _names(exception)
    for answer, words in _WORDS:
        if any(word in name for word in words for name in names):
            return answer
    if status >= _CLIENT_ERROR:
        return Answer.WRONG_STATUS
    # The locustfile itself called it a failure: of a right status, by what was in it.
    return Answer.WRONG_BODY if status else Answer.CUT


def _names(exception: BaseException | str) -> list[str]:
    """Of an exception and of all that it was made of."""
    found: list[str] = []
    left: deque[object] = deque([exception])
    seen: set[int] = set()
    while left:
        one = left.popleft()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        found.append(type(one).__name__.lower())
        left += [*one.args, one.__cause__, one.__context__, getattr(one, "reason", None)]
    return found
