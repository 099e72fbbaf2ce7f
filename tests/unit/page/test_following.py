"""Follows a run that goes on from its files: as they grow, torn, ended, silent, of another host."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
import running_days
from constructors import SECOND
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.drivers.clock import HostClock, boot_id
from harness.faults import drill_lock
from harness.ledger.append import JournalAppender
from harness.ledger.journal import Header, Type
from harness.model.game_day import GameDayPlan
from harness.model.note import Note, SignedIn
from harness.page.following import SILENT_AFTER_S, Followed, Follower
from harness.page.ledger_counts import GrowingLedgers
from harness.page.live_view import Life, LiveView, Way
from harness.page.notes import take_note


@pytest.fixture
def day(tmp_path: Path) -> Iterator[running_days.RunningDay]:
    now = HostClock().now()
    with running_days.in_an_outage(tmp_path / "runs", tmp_path / "state", now) as made:
        yield made


def follower(folder: Path) -> Follower:
    return Follower(folder / "runs", folder / "state", HostClock())


def seen(followed: Follower) -> LiveView:
    view = followed.look()
    assert view is not None
    return view


def test_no_run_is_none(tmp_path: Path) -> None:
    """No folder, an empty one, one whose `latest` leads nowhere or away."""
    followed = follower(tmp_path)
    assert followed.look() is None
    (tmp_path / "runs").mkdir()
    assert followed.look() is None
    (tmp_path / "runs" / "latest").symlink_to("none")
    assert followed.look() is None
    with running_days.RunningDay(tmp_path / "other", HostClock().now()) as other:
        (tmp_path / "runs" / "latest").unlink()
        (tmp_path / "runs" / "latest").symlink_to(other.run.path)
        assert followed.look() is None


def test_a_page_that_is_opened_before_the_run_begins_shows_it(tmp_path: Path) -> None:
    """And one whose plan is not whole yet, as soon as it is."""
    followed = follower(tmp_path)
    assert followed.look() is None
    with running_days.RunningDay(tmp_path / "runs", HostClock().now()) as day:
        plan = day.run.plan.read_bytes()
        day.run.plan.write_bytes(plan[:20])
        assert followed.look() is None
        day.run.plan.write_bytes(plan)
        view = seen(followed)
    assert view.run == day.run.path.name
    assert view.doing.startswith("Announce the game day")


def test_what_is_broken_is_what_the_intents_of_the_run_say(
    tmp_path: Path, day: running_days.RunningDay
) -> None:
    """Not those of another; gone when it was put back."""
    intents = day.break_in(tmp_path / "state")
    mine, other = intents.open()
    intents.done(other)
    followed = follower(tmp_path)
    assert [one.action for one in seen(followed).broken] == ["power cut of worker-2"]
    intents.done(mine)
    assert seen(followed).broken == ()
    identity = running_days.plan().cluster
    intents.declare("another", "t", "lab", identity.uid, "x", mine.inverse, timedelta(hours=1))
    assert seen(followed).broken == ()


def test_it_is_followed_until_it_ends_and_then_the_next(
    tmp_path: Path, day: running_days.RunningDay
) -> None:
    """Its last state stays until another begins; one that was over before is not followed."""
    followed = follower(tmp_path)
    assert seen(followed).life is Life.GOES_ON
    ended = replace(day.record, ended=day.record.started + timedelta(minutes=9))
    day.run.write(day.run.run_record, ended)
    view = seen(followed)
    assert view.life is Life.ENDED
    assert view.elapsed_ns == 9 * 60 * SECOND
    assert follower(tmp_path).look() is None
    with running_days.RunningDay(tmp_path / "runs", HostClock().now(), began_s=-5) as following:
        assert seen(followed).run == following.run.path.name


def test_files_that_stand_still_are_no_sign_of_life(
    tmp_path: Path, day: running_days.RunningDay
) -> None:
    """Clocks stand where they were seen last; a drill's own process is a sign."""
    old = HostClock().now().utc.timestamp() - 2 * SILENT_AFTER_S
    for path in day.run.path.rglob("*"):
        os.utime(path, (old, old))
    followed = follower(tmp_path)
    view = seen(followed)
    assert view.life is Life.SILENT
    assert view.clocks == seen(followed).clocks
    with drill_lock.going_on(tmp_path / "state", day.run.path.name, "lab"):
        assert seen(followed).life is Life.GOES_ON
    with drill_lock.going_on(tmp_path / "state", "another", "lab"):
        assert seen(followed).life is Life.SILENT


def test_a_run_of_another_host_is_read_by_its_own_clock(
    tmp_path: Path, day: running_days.RunningDay
) -> None:
    """Ours says nothing of it."""
    day.run.write(day.run.run_record, replace(day.record, host="elsewhere"))
    first = seen(follower(tmp_path))
    assert {lane.way for lane in first.lanes} == {Way.UP, Way.DOWN}
    assert first.clocks == seen(follower(tmp_path)).clocks


def test_notes_are_shown_the_newest_first(tmp_path: Path, day: running_days.RunningDay) -> None:
    """As soon as they are on disk."""
    followed = follower(tmp_path)
    assert seen(followed).notes == ()
    for text in ("one", "two"):
        take_note(
            day.run,
            Note(at=HostClock().now(), host="h", who="Ada", signed_in=SignedIn.TOKEN, text=text),
        )
    assert [note.text for note in seen(followed).notes] == ["two", "one"]


def test_what_cannot_be_read_is_said_and_hides_nothing_else(
    tmp_path: Path, day: running_days.RunningDay
) -> None:
    """A torn line in the middle, a torn run.json, a torn drill, a link in place of a file."""
    followed = follower(tmp_path)
    lanes = len(seen(followed).lanes)
    day.run.run_record.write_bytes(b"{")
    (tmp_path / "state" / "drill.json").write_bytes(b"{")
    with day.run.history.open("ab") as file:
        file.write(b"{}\n")
    (tmp_path / "secret.jsonl").write_bytes(b'[1,1,2,"OK"]\n')
    (day.run.observations / "linked.jsonl").symlink_to(tmp_path / "secret.jsonl")
    view = seen(followed)
    assert view.trouble is not None
    for said in ("run.json", "drill.json"):
        assert said in view.trouble
    assert len(view.lanes) == lanes


def test_lines_of_timelines_are_nobodys_answers(
    tmp_path: Path, day: running_days.RunningDay
) -> None:
    """A load test keeps its looks at the cluster beside the observations."""
    (day.run.observations / "drive-timeline.jsonl").write_bytes(b'{"at_ns": 1}\n')
    view = seen(follower(tmp_path))
    assert view.trouble is None
    assert not any("timeline" in lane.name for lane in view.lanes)


@settings(deadline=None, max_examples=20)
@given(cuts=st.lists(st.integers(0, 8_000), max_size=4))
def test_any_split_of_the_bytes_gives_the_same_page(cuts: list[int]) -> None:
    """However the writers' bytes came, and whenever was looked."""
    now = HostClock().now()
    pod_s, node_s = running_days.POD_FAULT_S, running_days.NODE_FAULT_S
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with running_days.RunningDay(folder / "runs", now) as day:
            day.first_trial()
            day.second_trial()
            day.probe(running_days.FIRST, pod_s, pod_s - 2, pod_s + 8)
            day.probe(running_days.SECOND_TRIAL, node_s, node_s - 2, node_s + 12)
            at_once = Followed(day.run, day.record).look(now, folder / "state")
        paths = [*day.run.observations.glob(f"{running_days.FIRST.id}-*")]
        paths += [one for one in day.run.observations.iterdir() if one not in paths]
        contents = {path: path.read_bytes() for path in (day.run.history, *paths)}
        for path in contents:
            path.write_bytes(b"")
        followed = Followed(day.run, day.record)
        for path, content in contents.items():
            places = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
            for start, end in pairwise(places):
                with path.open("ab") as writer:
                    writer.write(content[start:end])
                followed.look(now, folder / "state")
        piecewise = followed.look(now, folder / "state")
    assert {lane.name: lane for lane in piecewise.lanes} == {
        lane.name: lane for lane in at_once.lanes
    }
    assert len(at_once.lanes) == len(running_days.CLASSES)
    assert piecewise.clocks == at_once.clocks
    assert piecewise.steps == at_once.steps
    assert piecewise.events == at_once.events


def test_trials_are_taken_in_as_they_were_held(tmp_path: Path) -> None:
    """A page that is opened late reads all files at once, and their names have another order."""
    now = HostClock().now()
    with running_days.RunningDay(tmp_path / "runs", now) as day:
        plan = day.run.read_plan()
        assert isinstance(plan, GameDayPlan)
        first = replace(running_days.FIRST, id="zone-1")
        second = replace(running_days.SECOND_TRIAL, id="api-2")
        day.run.write(day.run.plan, replace(plan, trials=(first, second)))
        day.probe(first, running_days.POD_FAULT_S, -300, -290)
        day.probe(second, -5.0, -10, 0)
    view = seen(follower(tmp_path))
    lane = next(one for one in view.lanes if one.name == "orders: write on a new connection")
    assert lane.way is Way.DOWN
    assert [piece.start for piece in lane.pieces] == sorted(piece.start for piece in lane.pieces)
    assert len(lane.pieces) == 3


def test_ledgers_are_counted_as_they_grow(tmp_path: Path) -> None:
    """What was sent and not answered is unresolved; a torn record waits; no journal is none."""
    ledgers = GrowingLedgers(tmp_path)
    assert ledgers.now() == ()
    (tmp_path / "orders").mkdir()
    header = Header(
        subject="orders",
        client=1,
        seed=1,
        boot_id=boot_id(),
        started=HostClock().now().utc,
        server="s",
        durability="d",
    )
    journal = JournalAppender(tmp_path / "orders", header)
    (one,) = ledgers.now()
    assert (one.acknowledged, one.failed, one.unresolved) == (0, 0, 0)
    for outcome in (Type.OK, Type.OK, Type.FAIL, Type.INDETERMINATE):
        journal.invoke()
        journal.complete(outcome)
    journal.invoke()
    (one,) = ledgers.now()
    assert (one.subject, one.acknowledged, one.failed, one.unresolved) == ("orders", 2, 1, 2)
    assert one.last_acknowledged_ns is not None
    journal.complete(Type.OK)
    with journal.path.open("ab") as torn:
        torn.write(b"torn")
    (one,) = ledgers.now()
    assert (one.acknowledged, one.unresolved) == (3, 1)
    (tmp_path / "orders" / "client-000002.journal").write_bytes(b"RHLE")
    assert [view.acknowledged for view in ledgers.now()] == [3]
