"""The injector as a process, against a real server: each sample says what became of its request."""

from __future__ import annotations

import signal
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from harness.certificates import Authority
from harness.drivers import process
from harness.drivers.clock import HostClock, sleep_until, wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.faults.places import Place, Places
from harness.load.config import HttpRequest, InjectorConfig, InjectorReport
from harness.load.schedule import instants
from harness.model.codec import to_json
from harness.model.load_profile import Arrivals, Profile, Stage
from harness.model.sample import DTYPE, Answer
from harness.practice.past_clock import PastClock

PROJECT = Path(__file__).parents[2]
SERVER = PROJECT / "tests" / "stand_ins" / "odd_http_server.py"
SECOND = 1_000_000_000
CLOCK = HostClock()

Samples = np.ndarray[tuple[int], np.dtype[np.void]]


class Server:
    """A server process."""

    def __init__(self, directory: Path, *certificate: Path) -> None:
        (self.port,) = free_ports(1)
        self.log = directory / f"server-{self.port}.log"
        self.child = process.start(
            [sys.executable, SERVER, str(self.port), *certificate],
            directory=directory,
            log=self.log,
        )
        wait_until(lambda: self.log.read_text().startswith("ready"), within_s=20, what="the server")


@contextmanager
def serving(directory: Path, *certificate: Path) -> Iterator[Server]:
    server = Server(directory, *certificate)
    try:
        yield server
    finally:
        server.child.kill()
        process.stop(server.child)


@pytest.fixture(scope="module")
def server(places: Places) -> Iterator[Server]:
    with places.borrowed("injector") as borrowed, serving(borrowed.directory) as started:
        yield started


class Injecting:
    """An injector process."""

    def __init__(
        self, config: InjectorConfig, directory: Path, environment: dict[str, str] | None = None
    ) -> None:
        self.config = config
        self._reports = directory / "reports.jsonl"
        self._log = directory / "injector.log"
        file = directory / "injector.json"
        file.write_bytes(to_json(config))
        with self._reports.open("wb") as reports:
            self.child = process.start(
                [sys.executable, "-m", "harness.load.injector", file],
                directory=directory,
                environment={"PYTHONPATH": str(PROJECT), **(environment or {})},
                stdout=reports,
                log=self._log,
            )

    def reports(self) -> list[InjectorReport]:
        """Whole lines only."""
        lines = self._reports.read_bytes().split(b"\n")[:-1]
        return [msgspec.json.decode(line, type=InjectorReport) for line in lines]

    def began_ns(self) -> int:
        """When the schedule's zero is; awaits the first report."""
        return wait_until(self.reports, within_s=20, what="the injector's first report")[0].began_ns

    def sleep_until(self, after_s: float) -> None:
        """Until so long after the schedule's zero."""
        sleep_until(self.began_ns() + int(after_s * SECOND))

    def end(self, within_s: float = 60) -> tuple[Samples, InjectorReport]:
        """All samples and the last report; nothing may be on standard error."""
        assert self.child.wait(within_s) == 0, self._log.read_text()
        assert self._log.read_text() == ""
        samples = np.fromfile(self.config.samples, DTYPE)
        last = self.reports()[-1]
        assert last.done
        assert not any(one.done for one in self.reports()[:-1])
        scheduled = due(self.config)
        assert np.array_equal(np.sort(samples["intended"]), scheduled), "one sample for each"
        assert last.scheduled == len(scheduled)
        return samples, last


@contextmanager
def injecting(
    config: InjectorConfig, directory: Path, environment: dict[str, str] | None = None
) -> Iterator[Injecting]:
    started = Injecting(config, directory, environment)
    try:
        yield started
    finally:
        process.stop(started.child)


def even(seconds: float) -> Profile:
    return Profile(
        profile="even",
        title="Even",
        stages=(Stage(rate=1.0, hold=timedelta(seconds=seconds)),),
        arrivals=Arrivals.EVEN,
    )


def due(config: InjectorConfig) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return instants(
        config.profile, config.peak, config.seed, worker=config.worker, workers=config.workers
    )


def config(
    place: Place,
    request: HttpRequest,
    *,
    seconds: float = 0.5,
    peak: float = 40.0,
    connections: int = 1000,
) -> InjectorConfig:
    return InjectorConfig(
        request=request,
        profile=even(seconds),
        peak=peak,
        seed=1,
        samples=place.directory / "load.samples",
        connections=connections,
    )


def asking(
    server: Server, path: str, *, body: str = "well", timeout_s: float = 10.0
) -> HttpRequest:
    return HttpRequest(
        host=ADDRESS, port=server.port, path=path, expect_body=body, timeout_s=timeout_s
    )


def answers(samples: Samples) -> dict[Answer, int]:
    return {Answer(key): count for key, count in Counter(samples["answer"].tolist()).items()}


def ran(config: InjectorConfig, place: Place) -> tuple[Samples, InjectorReport]:
    with injecting(config, place.directory) as running:
        return running.end()


@pytest.mark.parametrize(
    ("path", "answer", "status"),
    [
        ("/right", Answer.OK, 200),
        ("/chunked", Answer.OK, 200),
        ("/interim", Answer.OK, 200),
        ("/until-close", Answer.OK, 200),
        ("/last", Answer.OK, 200),
        ("/busy", Answer.WRONG_STATUS, 503),
        ("/maintenance", Answer.WRONG_BODY, 200),
        ("/garbage", Answer.PROTOCOL, 0),
        ("/cut", Answer.CUT, 0),
        ("/cut-in-head", Answer.CUT, 0),
        ("/cut-in-body", Answer.CUT, 0),
    ],
)
def test_what_came_is_what_its_sample_says(
    server: Server, place: Place, path: str, answer: Answer, status: int
) -> None:
    """Every request of a run, with its status."""
    samples, last = ran(config(place, asking(server, path)), place)
    assert answers(samples) == {answer: 20}
    assert set(samples["status"].tolist()) == {status}
    assert (samples["intended"] <= samples["sent"]).all()
    assert (samples["sent"] < samples["ended"]).all()
    assert (last.sent, last.ended) == (20, 20)
    assert last.wrong == (0 if answer is Answer.OK else 20)
    assert last.error is None


def test_no_answer_in_time(server: Server, place: Place) -> None:
    """TIMEOUT from the intended beginning, at the timeout exactly; nothing is waited for longer."""
    samples, last = ran(config(place, asking(server, "/silent", timeout_s=0.6)), place)
    assert answers(samples) == {Answer.TIMEOUT: 20}
    late = samples["sent"] - samples["intended"] > 0.6 * SECOND
    assert (late | (samples["ended"] - samples["intended"] == 0.6 * SECOND)).all()
    assert last.wrong == 20


def test_no_free_connection_in_time(server: Server, place: Place) -> None:
    """Who waits in vain for a connection has waited all the same."""
    silent = config(place, asking(server, "/silent", timeout_s=0.6), connections=2)
    samples, _ = ran(silent, place)
    assert answers(samples) == {Answer.TIMEOUT: 20}


def test_one_connection_serves_all_in_turn(server: Server, place: Place) -> None:
    """Far more requests than one connection can carry at once: their wait is in their time."""
    burst = config(place, asking(server, "/right"), seconds=0.1, peak=20_000.0, connections=1)
    samples, _ = ran(burst, place)
    assert answers(samples) == {Answer.OK: 2000}
    ended = np.sort(samples["ended"])
    assert (np.diff(ended) > 0).all()
    assert samples["ended"].max() > 0.1 * SECOND


def test_nobody_listens(place: Place) -> None:
    """REFUSED."""
    (port,) = free_ports(1)
    samples, _ = ran(config(place, HttpRequest(host=ADDRESS, port=port)), place)
    assert answers(samples) == {Answer.REFUSED: 20}


def test_refused_with_requests_in_the_queue(place: Place) -> None:
    """A connection that fails makes room for the next: nobody waits for ever."""
    (port,) = free_ports(1)
    crowd = config(
        place, HttpRequest(host=ADDRESS, port=port), seconds=0.1, peak=5000.0, connections=1
    )
    samples, _ = ran(crowd, place)
    assert answers(samples) == {Answer.REFUSED: 500}


def test_a_name_that_does_not_resolve(place: Place) -> None:
    """NAME: `.invalid` never does (RFC 6761, section 6.4)."""
    samples, _ = ran(
        config(place, HttpRequest(host="nobody.invalid", port=80, timeout_s=30)), place
    )
    assert answers(samples) == {Answer.NAME: 20}


def test_a_name_that_resolves(server: Server, place: Place) -> None:
    """By the first of its addresses that takes a connection: ::1 may refuse."""
    by_name = msgspec.structs.replace(asking(server, "/right"), host="localhost")
    samples, _ = ran(config(place, by_name), place)
    assert answers(samples) == {Answer.OK: 20}


@pytest.mark.parametrize(
    ("trusted", "host_header", "answer"),
    [
        (True, None, Answer.OK),
        (True, "shop.example", Answer.OK),
        (True, "another.example", Answer.TLS),
        (False, None, Answer.TLS),
    ],
)
def test_the_other_side_has_to_be_who_is_asked_for(
    place: Place, *, trusted: bool, host_header: str | None, answer: Answer
) -> None:
    """By its authority, and by its name, which is the Host header's where there is one."""
    authority, stranger = Authority("Trusted"), Authority("Stranger")
    certificate, key, ca = (place.directory / name for name in ("crt", "key", "ca"))
    authority.issue("server", hosts=[ADDRESS, "shop.example"]).write(certificate, key)
    ca.write_bytes((authority if trusted else stranger).certificate)
    with serving(place.directory, certificate, key) as server:
        request = msgspec.structs.replace(
            asking(server, "/right"),
            tls=True,
            ca_file=ca,
            headers={} if host_header is None else {"Host": host_header},
        )
        samples, _ = ran(config(place, request), place)
    assert answers(samples) == {answer: 20}


def test_the_other_side_speaks_no_tls(server: Server, place: Place) -> None:
    """An HTTP server's answer to a client hello is no handshake."""
    request = msgspec.structs.replace(asking(server, "/right"), tls=True)
    samples, _ = ran(config(place, request), place)
    assert answers(samples) == {Answer.TLS: 20}


def test_each_request_has_an_id_of_its_own(place: Place) -> None:
    """`{id}` is a new UUID, twice the same within one request."""
    with serving(place.directory) as server:
        request = msgspec.structs.replace(
            asking(server, "/echo", body='"again"'),
            method="POST",
            body='{"id": "{id}", "again": "{id}"}',
        )
        samples, _ = ran(config(place, request), place)
        said = server.log.read_text().splitlines()[1:]
    assert answers(samples) == {Answer.OK: 20}
    bodies = [msgspec.json.decode(line, type=dict[str, str]) for line in said]
    assert all(one["id"] == one["again"] for one in bodies)
    ids = [uuid.UUID(one["id"]) for one in bodies]
    assert len(set(ids)) == 20
    assert {one.version for one in ids} == {4}
    assert {one.variant for one in ids} == {uuid.RFC_4122}


def test_the_shares_of_three_workers_are_one_load(server: Server, place: Place) -> None:
    """Their files together have each request of the schedule once."""
    whole = config(place, asking(server, "/right"), peak=100.0)
    parts = []
    for worker in range(3):
        share = msgspec.structs.replace(
            whole, worker=worker, workers=3, samples=place.directory / f"{worker}.samples"
        )
        parts.append(ran(share, place)[0])
    together = np.concatenate(parts)
    assert np.array_equal(np.sort(together["intended"]), due(whole))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_in_the_middle(server: Server, place: Place, number: signal.Signals) -> None:
    """What was not sent is UNSENT, what was is answered, and the last line says why."""
    with injecting(
        config(place, asking(server, "/right"), seconds=600, peak=100.0), place.directory
    ) as running:
        running.sleep_until(1.2)
        running.child.send_signal(number)
        samples, last = running.end(within_s=20)
    counted = answers(samples)
    assert set(counted) == {Answer.OK, Answer.UNSENT}
    assert counted[Answer.OK] >= 100
    assert last.error == f"stopped by {number.name}"
    assert last.sent == last.ended == counted[Answer.OK]
    unsent = samples[samples["answer"] == Answer.UNSENT]
    assert unsent["intended"].min() > samples[samples["answer"] == Answer.OK]["intended"].max()
    assert (unsent["sent"] >= unsent["intended"]).all()
    assert running.reports()[0].sent == 0
    assert len(running.reports()) >= 3


def test_told_to_stop_while_nothing_is_answered(server: Server, place: Place) -> None:
    """What was sent, and what waits for a connection, is not called the service's error."""
    silent = config(
        place, asking(server, "/silent", timeout_s=300), seconds=600, peak=100.0, connections=10
    )
    with injecting(silent, place.directory) as running:
        running.sleep_until(1.0)
        running.child.send_signal(signal.SIGTERM)
        samples, last = running.end(within_s=20)
    assert answers(samples) == {Answer.UNSENT: 60_000}
    assert (last.sent, last.ended, last.wrong) == (10, 0, 0)


def test_a_stalled_server_is_seen_by_all_whose_time_it_was(place: Place) -> None:
    """1 s of silence in 8 s at 500/s: who came in its first half waited more than 500 ms.

    (1.0 - 0.5) s * 500/s = 250 of 4,000: 6.25 %. A closed loop of 50 users has 1.4 % in the same
    seconds, for they all wait in one request each (coordinated omission). The silence is over for
    a client when its backlog is answered, which a busy machine needs a moment for: those who came
    half a second before the server woke waited too long for certain, those who came less than
    half a second before the last of the backlog was answered did not.
    """
    with (
        serving(place.directory) as server,
        injecting(
            config(place, asking(server, "/right"), seconds=8, peak=500.0), place.directory
        ) as running,
    ):
        running.sleep_until(3)
        stopped_ns = CLOCK.monotonic_ns()
        server.child.send_signal(signal.SIGSTOP)
        sleep_until(stopped_ns + SECOND)
        server.child.send_signal(signal.SIGCONT)
        woken_ns = CLOCK.monotonic_ns()
        samples, last = running.end()
    assert answers(samples) == {Answer.OK: 4000}
    intended, ended = (samples[one].astype(np.int64) for one in ("intended", "ended"))
    stopped, woken = stopped_ns - last.began_ns, woken_ns - last.began_ns
    answered = ended[(intended >= stopped) & (intended < woken)].max()
    late = np.count_nonzero(ended - intended > SECOND // 2)
    # What was under way when the server stopped is late, too.
    begins = stopped - SECOND // 100
    certain = np.count_nonzero((intended >= stopped) & (intended < woken - SECOND // 2))
    possible = np.count_nonzero((intended >= begins) & (intended < answered - SECOND // 2))
    assert 0.06 * 4000 < certain <= late <= possible


def test_a_starved_generator_is_late_and_says_so(server: Server, place: Place) -> None:
    """Stopped for 2 s of 5: the service is not to blame, and the lag of the samples tells it."""
    with injecting(
        config(place, asking(server, "/right"), seconds=5, peak=200.0), place.directory
    ) as running:
        running.sleep_until(1)
        running.child.send_signal(signal.SIGSTOP)
        running.sleep_until(3)
        running.child.send_signal(signal.SIGCONT)
        samples, last = running.end()
    assert answers(samples) == {Answer.OK: 1000}
    lag = samples["sent"] - samples["intended"]
    assert np.percentile(lag, 99) > 0.005 * SECOND
    assert (lag > 0.005 * SECOND).mean() > 0.35
    assert last.longest_lag_s == pytest.approx(lag.max() / SECOND, abs=0.05)
    assert last.longest_lag_s > 1.8


@pytest.mark.parametrize("behind", [timedelta(days=1), timedelta(days=61)])
def test_a_step_of_the_wall_clock_changes_nothing(
    server: Server, place: Place, behind: timedelta
) -> None:
    """A month forward or back in the middle, as of a clock that is set: all is on the other one."""
    clock = PastClock(place, "wall")
    environment = dict(clock.environment)
    asked = config(place, asking(server, "/right"), seconds=2, peak=100.0)
    try:
        with injecting(asked, place.directory, environment) as running:
            running.sleep_until(1)
            clock.set_back(behind)
            samples, last = running.end()
    finally:
        clock.forget()
    assert answers(samples) == {Answer.OK: 200}
    assert (samples["ended"] - samples["intended"] < 10 * SECOND).all()
    assert 1.9 < last.elapsed_s < 60


def test_a_beginning_that_was_agreed(server: Server, place: Place) -> None:
    """Several injectors may share one zero."""
    begin_ns = CLOCK.monotonic_ns() + 3 * SECOND
    agreed = msgspec.structs.replace(config(place, asking(server, "/right")), begin_ns=begin_ns)
    samples, last = ran(agreed, place)
    assert last.began_ns == begin_ns
    assert answers(samples) == {Answer.OK: 20}
    assert (samples["sent"] >= samples["intended"]).all()


def test_connections_grow_old_and_are_replaced(place: Place) -> None:
    """So that pods that were added get their share; no request is lost by it."""
    with serving(place.directory) as server:
        short = msgspec.structs.replace(asking(server, "/right"), connection_lasts_s=0.1)
        samples, _ = ran(config(place, short, seconds=2, peak=200.0), place)
    assert answers(samples) == {Answer.OK: 400}


def test_a_load_that_nobody_watches_ends(server: Server, place: Place) -> None:
    """Who started it is gone: at the next report it ends, with what it has on disk."""
    asked = config(place, asking(server, "/right"), seconds=600, peak=100.0)
    file = place.directory / "unwatched.json"
    file.write_bytes(to_json(asked))
    child = process.start(
        [sys.executable, "-m", "harness.load.injector", file],
        directory=place.directory,
        environment={"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        log=place.directory / "log",
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.stdout.close()
        assert child.wait(20) == 5
    finally:
        process.stop(child)
    assert len(np.fromfile(asked.samples, DTYPE)) >= 50
    assert (place.directory / "log").read_text().startswith("injector's report: ")


def test_what_cannot_be_sent_is_refused(server: Server, place: Place) -> None:
    """Exit code 2, one line, and no samples' file is overwritten."""
    asked = config(place, asking(server, "/right"))
    asked.samples.write_bytes(b"another run's")
    with injecting(asked, place.directory) as running:
        assert running.child.wait(20) == 2
    assert asked.samples.read_bytes() == b"another run's"
    assert (place.directory / "injector.log").read_text().count("\n") == 1
