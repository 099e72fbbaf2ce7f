"""Narration: whole output without a terminal, bars with one, and never a word on stdout."""

import io
import sys
import threading
from datetime import UTC, datetime

import pytest
from judged_runs import judged

from harness.model.instant import NANOSECONDS_PER_SECOND, Instant
from harness.ports import Narrator as NarratorPort
from harness.ports import PhaseProgress
from harness.report.progress import Narrator

MIB = 2**20


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic_ns(self) -> int:
        return round(self.seconds * NANOSECONDS_PER_SECOND)

    def now(self) -> Instant:
        return Instant(monotonic_ns=self.monotonic_ns(), utc=datetime(2026, 11, 24, tzinfo=UTC))


class BrokenPipe(io.StringIO):
    """A stream whose reader is gone."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def test_nothing_happens() -> None:
    """A narrator that is told nothing says nothing, and can be closed twice."""
    stream = io.StringIO()
    with Narrator(Hands(), stream) as narrator:
        narrator.close()
    assert stream.getvalue() == ""


def test_it_is_what_conduct_asks_for() -> None:
    """The narrator and its phases implement the ports."""
    narrator: NarratorPort = Narrator(Hands(), io.StringIO())
    with narrator.phase("fetch") as progress:
        told: PhaseProgress = progress
        told.advance(1)


def test_the_whole_narration_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """A line where a phase starts and ends, and one every five seconds at most between."""
    clock, stream = Hands(), io.StringIO()
    with Narrator(clock, stream) as narrator:
        narrator.step("checking the backups of orders")
        narrator.trial_started("latest-backup-orders-1", 1, 2)
        with narrator.phase("orders: fetch") as fetch:
            for second in range(1, 13):
                clock.seconds = float(second)
                fetch.advance(second * 40 * MIB, 480 * MIB)
            fetch.note("1 of 3 objects was fetched again")
        with narrator.phase("replay", "orders") as replay:
            clock.seconds = 18.5
            replay.advance(96 * MIB)
            clock.seconds = 20.0
        with narrator.verification("amcheck", "orders"):
            clock.seconds = 22.5
        narrator.warning("sessions: shard 2 shipped nothing for 2 h")
        narrator.findings(judged("failing").judgement.findings)
    assert stream.getvalue() == (
        "checking the backups of orders\n"
        "trial 1 of 2: latest-backup-orders-1\n"
        "  orders: fetch ...\n"
        "  orders: fetch: 200 MiB of 480 MiB, 40 MiB/s, 7 s left\n"
        "  orders: fetch: 400 MiB of 480 MiB, 40 MiB/s, 2 s left\n"
        "  orders: fetch: 1 of 3 objects was fetched again\n"
        "  orders: fetch: 480 MiB in 12 s, 40 MiB/s\n"
        "  orders: replay ...\n"
        "  orders: replay: 96 MiB, 14.8 MiB/s\n"
        "  orders: replay: 96 MiB in 8 s, 12 MiB/s\n"
        "  orders: verify amcheck ...\n"
        "  orders: verify amcheck: 2.5 s\n"
        "warning: sessions: shard 2 shipped nothing for 2 h\n"
        "FAIL  sessions lost 2,210 of 9,876 acknowledged writes: RPA 2 h 3 min, RPO 1 min\n"
        "FAIL  the replica region lacks 37 of the 1,312 objects that a restore of orders needs; "
        "oldest missing for 3 h 12 min, at most 1 min\n"
        "FAIL  restored orders is damaged: pg_amcheck found 1 bad B-tree (public.ledger_pkey)\n"
        "INCONCLUSIVE  whether orders can be restored to any second of the last 30 d is unknown: "
        "the listing of the archive ended in an error after 1,000 keys\n"
        "INCONCLUSIVE  the only trial of sessions says nothing about RTO 5 min\n"
        "PASS  11 findings\n"
    )
    assert capsys.readouterr() == ("", "")


def test_a_phase_that_raises_says_that_it_stopped() -> None:
    """The exception goes through, and the last line does not read like success."""
    clock, stream = Hands(), io.StringIO()
    narrator = Narrator(clock, stream)

    def fail_half_way() -> None:
        with narrator.phase("orders: fetch") as progress:
            clock.seconds = 2.0
            progress.advance(30 * MIB, 480 * MIB)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        fail_half_way()
    assert stream.getvalue().endswith("  orders: fetch: stopped after 30 MiB in 2 s, 15 MiB/s\n")


def test_quiet_keeps_what_matters() -> None:
    """Quiet leaves the warnings and what did not pass."""
    stream = io.StringIO()
    narrator = Narrator(Hands(), stream, quiet=True)
    narrator.step("a step")
    narrator.trial_started("t", 1, 1)
    with narrator.phase("fetch") as progress:
        progress.advance(1, 2)
        progress.note("a note")
    narrator.warning("a warning")
    narrator.findings(judged("censored").judgement.findings)
    assert stream.getvalue().splitlines() == [
        "warning: a warning",
        "FAIL  orders was not recovered within 10 min, RTO 5 min",
        "FAIL  1 process was left behind by whole-loss-all-1",
    ]


def test_bars_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Two phases run side by side as bars; what is done stays as a line; the cursor comes back."""
    clock, stream = Hands(), io.StringIO()
    standard_output = sys.stdout
    with Narrator(clock, stream, live=True, width=100) as narrator:
        narrator.trial_started("whole-loss-all-1", 1, 1)
        with narrator.phase("orders: fetch") as one, narrator.phase("sessions: [fetch]") as other:
            assert sys.stdout is standard_output
            clock.seconds = 2.0
            one.advance(100 * MIB, 400 * MIB)
            other.advance(5 * MIB)
            clock.seconds = 8.0
        narrator.warning("[bold]as it is[/bold]")
    text = stream.getvalue()
    assert "trial 1 of 1: whole-loss-all-1" in text
    assert "orders: fetch: 100 MiB in 8 s, 12.5 MiB/s" in text
    assert "sessions: [fetch]: 5 MiB in 8 s" in text
    assert "[bold]as it is[/bold]" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
    assert capsys.readouterr() == ("", "")


def test_an_interruption_gives_the_terminal_back() -> None:
    """After Ctrl-C in a phase the bars are gone and the cursor is shown."""
    stream = io.StringIO()
    narrator = Narrator(Hands(), stream, live=True, width=100)
    with pytest.raises(KeyboardInterrupt), narrator, narrator.phase("orders: fetch"):
        raise KeyboardInterrupt
    text = stream.getvalue()
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert "stopped after" in text


@pytest.mark.parametrize("live", [False, True])
def test_a_reader_that_is_gone_stops_nothing(live: bool) -> None:  # noqa: FBT001 - a test's case
    """A drill whose standard error is a closed pipe goes on in silence."""
    with Narrator(Hands(), BrokenPipe(), live=live) as narrator:
        narrator.step("a step")
        with narrator.phase("fetch") as progress:
            progress.advance(1, 2)
        narrator.warning("a warning")


def test_control_characters_are_not_obeyed() -> None:
    """What a server says cannot clear the terminal of the person who watches."""
    stream = io.StringIO()
    Narrator(Hands(), stream).warning("a\x1b[2Jb\nc")
    assert stream.getvalue() == "warning: a\ufffd[2Jb c\n"


@pytest.mark.parametrize("live", [False, True])
def test_phases_of_several_threads(live: bool) -> None:  # noqa: FBT001 - a test's case
    """Eight phases at once, each advanced often, end with one line each."""
    stream = io.StringIO()
    narrator = Narrator(Hands(), stream, live=live, width=100)

    def work(number: int) -> None:
        with narrator.phase(f"shard {number}") as progress:
            for done in range(200):
                progress.advance(done, 200)

    with narrator:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for number in range(8):
        assert f"shard {number}: 199 B in 0 s" in stream.getvalue()
