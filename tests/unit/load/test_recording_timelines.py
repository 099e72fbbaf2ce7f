"""The schedule of looks, what a recorder is told, and what is said of one that died."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scaled_service import NAMESPACE, SERVICE

from harness.drivers.clock import wait_until
from harness.errors import InputError, SurroundingsError
from harness.load.timeline import (
    TimelineConfig,
    TimelineProcess,
    main,
    read_config,
    record,
    recording,
    timeline_config,
)
from harness.model.autoscaling import Sighting, Timings
from harness.model.cluster import ClusterAccess, Identity
from harness.model.codec import from_json, to_json
from harness.model.instant import Instant
from harness.model.workload import HttpWorkload

SECOND = 1_000_000_000
WALL = datetime(2026, 11, 26, 2, tzinfo=UTC)
CONFIG = TimelineConfig(
    kubeconfig=Path("/nowhere/kubeconfig"),
    context="drill",
    uid="1f",
    service=SERVICE,
    output=Path("/nowhere/t.timeline.jsonl"),
)


class Schedule:
    """A clock that moves while it is waited, and while a look takes its time."""

    def __init__(self, takes_ns: list[int]) -> None:
        self.now_ns = 7
        self.takes_ns = takes_ns
        self.began: list[int] = []

    def monotonic_ns(self) -> int:
        return self.now_ns

    def now(self) -> Instant:
        return Instant(monotonic_ns=self.now_ns, utc=WALL + timedelta(microseconds=self.now_ns))

    def look(self) -> Sighting:
        self.began.append(self.now_ns)
        self.now_ns += self.takes_ns[len(self.began) - 1]
        return Sighting(began_ns=self.began[-1], ended_ns=self.now_ns, wall=WALL)

    def stopping(self, within_s: float) -> bool:
        if len(self.began) == len(self.takes_ns):
            return True
        self.now_ns += round(within_s * SECOND)
        return False


def recorded(takes_ns: list[int]) -> tuple[Schedule, list[Sighting]]:
    at, kept = Schedule(takes_ns), list[Sighting]()
    record(at.look, kept.append, interval_ns=SECOND, stopping=at.stopping, clock=at)
    return at, kept


class TestSchedule:
    def test_told_to_stop_at_once_it_looks_not_once(self) -> None:
        assert recorded([])[1] == []

    def test_looks_are_due_at_whole_seconds_from_the_first(self) -> None:
        at, kept = recorded([SECOND // 5, SECOND // 3, 0, SECOND - 1])
        assert at.began == [7, 7 + SECOND, 7 + 2 * SECOND, 7 + 3 * SECOND]
        assert [one.began_ns for one in kept] == at.began

    def test_a_look_that_takes_long_leaves_a_gap_and_no_pile(self) -> None:
        at, _ = recorded([0, 5 * SECOND + SECOND // 2, 0, 0])
        assert [(one - 7) / SECOND for one in at.began] == [0, 1, 7, 8]

    @given(st.lists(st.integers(min_value=0, max_value=4 * SECOND), max_size=20))
    def test_the_schedule_is_absolute_and_in_order(self, takes_ns: list[int]) -> None:
        at, kept = recorded(takes_ns)
        assert all((one - 7) % SECOND == 0 for one in at.began)
        assert at.began == sorted(set(at.began))
        assert [one.began_ns for one in kept] == at.began


class TestConfig:
    def test_what_looks_at_a_service_during_a_trial(self, tmp_path: Path) -> None:
        access = ClusterAccess(
            kubeconfig=tmp_path / "kubeconfig",
            identity=Identity(context="drill", server="https://10.0.0.1", uid="1f", version="1"),
            provider="lab",
            helper_image="helper",
        )
        workload = HttpWorkload(
            id="checkout", namespace=NAMESPACE, pods="app=checkout", service="checkout"
        )
        found = timeline_config(
            "drive-1",
            access,
            workload,
            "Deployment/checkout",
            None,
            Timings(scrape_s=30),
            tmp_path,
        )
        assert found.output == tmp_path / "drive-1.timeline.jsonl"
        assert (found.context, found.uid, found.scrape_ns) == ("drill", "1f", 30 * SECOND)
        assert (found.service.controller, found.service.autoscaler) == ("Deployment/checkout", None)

    def test_it_survives_its_file(self, tmp_path: Path) -> None:
        file = tmp_path / "config.json"
        file.write_bytes(to_json(CONFIG))
        assert read_config(file) == CONFIG

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b"", "truncated"),
            (b"{}", "kubeconfig"),
            (to_json(CONFIG).replace(b'"interval_ns":1000000000', b'"interval_ns":5'), "interval"),
            (to_json(CONFIG).replace(b'"uid"', b'"guid"'), "guid"),
        ],
    )
    def test_a_wrong_one_is_refused(self, tmp_path: Path, content: bytes, says: str) -> None:
        file = tmp_path / "config.json"
        file.write_bytes(content)
        with pytest.raises(InputError, match=f"config.json: .*{says}"):
            read_config(file)

    def test_without_one_it_says_how_it_is_called(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([]) == 2
        assert "harness.load.timeline CONFIG.json" in capsys.readouterr().err


def config_in(directory: Path) -> TimelineConfig:
    """One whose kubeconfig is not there: its process ends at once."""
    return TimelineConfig(
        kubeconfig=directory / "kubeconfig",
        context="drill",
        uid="1f",
        service=SERVICE,
        output=directory / "t.timeline.jsonl",
    )


class TestProcess:
    def test_one_that_dies_says_its_last_words(self, tmp_path: Path) -> None:
        timeline = TimelineProcess("t", config_in(tmp_path), tmp_path)

        def died() -> str:
            try:
                timeline.now()
            except SurroundingsError as error:
                return str(error)
            return ""

        said = wait_until(died, within_s=60, what="the end of the recorder")
        assert "the timeline ended with exit code 2: " in said
        assert "kubeconfig" in said
        stopped = timeline.stop()
        assert (stopped.file, stopped.looks, stopped.error) == ("t.timeline.jsonl", 0, said)
        assert timeline.stop() == stopped

    def test_its_file_is_there_from_the_beginning(self, tmp_path: Path) -> None:
        with recording("t", config_in(tmp_path), tmp_path) as timeline:
            assert (tmp_path / "t.timeline.jsonl").read_bytes() == b""
        assert timeline.stop().looks == 0

    def test_what_it_was_told_is_kept_beside_its_log(self, tmp_path: Path) -> None:
        with recording("t", config_in(tmp_path), tmp_path):
            pass
        told = (tmp_path / "timeline.json").read_bytes()
        assert from_json(told, TimelineConfig) == config_in(tmp_path)
        assert json.loads(told)["service"]["autoscaler"] == "checkout"
