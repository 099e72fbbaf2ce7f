"""Reading along: what a way in answers now, from files that grow, stop growing, or never begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from harness.drivers.growing_file import GrowingFile
from harness.model.codec import to_json
from harness.model.history import Observation, Outcome
from harness.model.instant import Instant
from harness.model.subscription import Published, Received, Subscribed, Unsubscribed
from harness.probes.config import KubernetesRead, ProbeConfig
from harness.probes.following import Followed, FollowedSubscriptions
from harness.probes.subscriptions import SubscriptionsConfig

MS = 1_000_000
INTERVAL, TIMEOUT = 200 * MS, 1000 * MS
API = KubernetesRead(kubeconfig=Path("/k"), context="c", uid="u")


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now_ns: int = 0) -> None:
        self.now_ns = now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns

    def now(self) -> Instant:
        return Instant(monotonic_ns=self.now_ns, utc=datetime(2026, 1, 1, tzinfo=UTC))


def probed(file: Path, clock: Clock) -> Followed:
    """A way in that writes to a file."""
    config = ProbeConfig(
        probe_class="a", ask=API, output=file, interval_ns=INTERVAL, timeout_ns=TIMEOUT
    )
    return Followed(config, clock)


def answer(at_ms: int, outcome: Outcome = Outcome.OK, detail: str = "") -> bytes:
    """One line of an observations file; it took a millisecond."""
    at = at_ms * MS
    one = Observation(
        scheduled_ns=at, started_ns=at, ended_ns=at + MS, outcome=outcome, detail=detail
    )
    return to_json(one) + b"\n"


def append(file: Path, *lines: bytes) -> None:
    with file.open("ab") as sink:
        sink.write(b"".join(lines))


def test_nothing_observed_yet_is_neither_right_nor_begun(tmp_path: Path) -> None:
    """Without a file there is no answer, and after the time of a probe answers are missing."""
    clock = Clock()
    way = probed(tmp_path / "none", clock)
    assert not way.begun()
    assert not way.sustained(timedelta())
    now = way.now()
    assert (now.right_since_ns, now.wrong_since_ns) == (None, None)
    clock.now_ns = 60_000 * MS
    assert way.now().wrong_since_ns == 0
    assert way.now().detail == "nothing is observed"


def test_right_answers_last(tmp_path: Path) -> None:
    """Right answers last from the start of the first to the end of the last."""
    file, clock = tmp_path / "o", Clock(1000 * MS)
    way = probed(file, clock)
    append(file, answer(1000), answer(1200), answer(1400))
    now = way.now()
    assert (now.right_since_ns, now.right_until_ns) == (1000 * MS, 1401 * MS)
    assert now.wrong_since_ns is None
    assert way.sustained(timedelta(milliseconds=401))
    assert not way.sustained(timedelta(milliseconds=402))


def test_one_wrong_answer_begins_anew(tmp_path: Path) -> None:
    """A wrong answer ends what lasted; the next right one ends the wrong ones."""
    file, clock = tmp_path / "o", Clock(1600 * MS)
    way = probed(file, clock)
    append(file, answer(1000), answer(1200, Outcome.FAIL, "refused"))
    append(file, answer(1400, Outcome.INDETERMINATE, "silent"))
    now = way.now()
    assert now.right_since_ns is None
    assert (now.wrong_since_ns, now.detail) == (1200 * MS, "silent")
    append(file, answer(1600))
    now = way.now()
    assert (now.right_since_ns, now.wrong_since_ns) == (1600 * MS, None)


def test_a_prober_that_stands_still_is_not_right(tmp_path: Path) -> None:
    """Where nothing was written for longer than a probe may take, the last answer counts no more;
    when it goes on, the newest answer counts again.
    """
    file, clock = tmp_path / "o", Clock(1000 * MS)
    way = probed(file, clock)
    append(file, answer(1000), answer(1200))
    clock.now_ns = 1201 * MS + TIMEOUT + 5 * INTERVAL
    assert way.now().right_since_ns == 1000 * MS
    clock.now_ns += 1
    assert way.now().right_since_ns is None
    assert way.now().wrong_since_ns == 1201 * MS
    append(file, answer(4000))
    clock.now_ns = 4001 * MS
    assert way.now().right_since_ns is not None


def test_half_a_line_is_no_answer(tmp_path: Path) -> None:
    """A line is read when all of it is there, and once."""
    file = tmp_path / "o"
    growing = GrowingFile(file)
    assert list(growing.fresh()) == []
    append(file, b"ab\nc")
    assert list(growing.fresh()) == [b"ab"]
    assert list(growing.fresh()) == []
    append(file, b"d\n")
    assert list(growing.fresh()) == [b"cd"]
    assert growing.begun


@given(st.lists(st.sampled_from(list(Outcome)), min_size=1, max_size=20), st.integers(1, 5))
def test_how_often_it_is_read_does_not_matter(outcomes: list[Outcome], every: int) -> None:
    """Reading along line by line gives what reading all at once gives."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "o"
        clock = Clock(200 * MS)
        along, at_once = probed(file, clock), probed(file, clock)
        for number, outcome in enumerate(outcomes):
            clock.now_ns = (number + 1) * INTERVAL
            append(file, answer(200 * (number + 1), outcome))
            if number % every == 0:
                along.now()
        assert along.now() == at_once.now()


# -- subscriptions --------------------------------------------------------------------------------


def subscribed(file: Path, clock: Clock, *names: str) -> FollowedSubscriptions:
    """A broker with some subscribers."""
    config = SubscriptionsConfig(
        subject="events",
        seeds=(("broker", 1),),
        channel="c",
        output=file,
        subscribers=names,
        interval_ns=INTERVAL,
        timeout_ns=TIMEOUT,
    )
    return FollowedSubscriptions(config, clock)


def published(seq: int, at_ms: int, outcome: Outcome = Outcome.OK) -> bytes:
    at = at_ms * MS
    return line(
        Published(seq=seq, scheduled_ns=at, started_ns=at, ended_ns=at + MS, outcome=outcome)
    )


def heard(name: str, seq: int, at_ms: int) -> bytes:
    return line(Received(subscriber=name, seq=seq, at_ns=at_ms * MS))


def line(event: msgspec.Struct) -> bytes:
    return to_json(event) + b"\n"


def test_nothing_published_is_nothing_heard(tmp_path: Path) -> None:
    """Without a message no subscriber is right, and each is named."""
    ways = subscribed(tmp_path / "s", Clock(), "one", "two").now()
    assert [way.probe_class for way in ways] == ["events: heard by one", "events: heard by two"]
    assert all(way.right_since_ns is None for way in ways)


def test_each_subscriber_is_a_way_in(tmp_path: Path) -> None:
    """Who hears is right, who does not is wrong, when the time to hear is over and not before."""
    file, clock = tmp_path / "s", Clock(1001 * MS)
    broker = subscribed(file, clock, "one", "two")
    append(
        file,
        line(Subscribed(subscriber="one", at_ns=0, node="a:1")),
        heard("one", 1, 1000),
        published(1, 1000),
    )
    one, two = broker.now()
    assert one.right_since_ns == 1000 * MS
    assert two.right_since_ns is None
    assert two.wrong_since_ns is None
    clock.now_ns = 2200 * MS
    append(file, published(2, 2100), heard("one", 2, 2101))
    append(file, line(Unsubscribed(subscriber="two", at_ns=2150 * MS, reason="gone")))
    one, two = broker.now()
    assert (one.right_since_ns, one.right_until_ns) == (1000 * MS, 2101 * MS)
    assert (two.wrong_since_ns, two.detail) == (1000 * MS, "not heard")


def test_heard_late_is_wrong_and_a_refused_message_is_nobodys_fault(tmp_path: Path) -> None:
    """A message that comes after its time is a wrong answer, and so is one that was not taken."""
    file, clock = tmp_path / "s", Clock(2600 * MS)
    broker = subscribed(file, clock, "one")
    append(file, published(1, 1000), heard("one", 1, 2500))
    append(file, published(2, 2600))
    assert broker.now()[0].wrong_since_ns == 1000 * MS
    append(file, heard("one", 2, 2601))
    assert broker.now()[0].right_since_ns == 2600 * MS
    append(file, published(3, 2800, Outcome.FAIL))
    assert broker.now()[0].wrong_since_ns == 2800 * MS


def test_an_unanswered_message_that_was_heard_is_right(tmp_path: Path) -> None:
    """What a subscriber heard was published, whatever the publisher knows of it."""
    file, clock = tmp_path / "s", Clock(2000 * MS)
    broker = subscribed(file, clock, "one")
    append(file, published(1, 1000, Outcome.INDETERMINATE), heard("one", 1, 1900))
    assert broker.now()[0].right_since_ns == 1000 * MS
