"""Locust's processes together with real injectors and a real server: shares, losses, ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from harness.capacity.percentiles import nearest_rank, response_s
from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_connection import Answer as ApiAnswer
from harness.drivers.loopback import ADDRESS, free_ports, listens
from harness.errors import SurroundingsError
from harness.faults.places import Place, Places
from harness.load import gathered
from harness.load.config import HttpRequest, InjectorConfig, LocustConfig, Role
from harness.load.driver import inject
from harness.load.injected import Injected
from harness.load.schedule import instants
from harness.load.zero import Zero
from harness.model.codec import to_json
from harness.model.load_profile import Profile, Stage
from harness.model.sample import DTYPE, Answer
from harness.ports import LoadProgress

PROJECT = Path(__file__).parents[2]
STAND_INS = PROJECT / "tests" / "stand_ins"
SEED = 11

FAST, SLOW, SLOWEST = 50, 250, 650
TIMES = [FAST] * 17 + [SLOW] * 2 + [SLOWEST]
"""Milliseconds, far apart. Of every twenty requests: up to the 85th percentile fast, up to the 95th
slow. How long a busy machine takes on top is no part of what is known."""


def profile(lasts_s: float) -> Profile:
    return Profile(
        profile="short", title="Short", stages=(Stage(rate=1.0, hold=timedelta(seconds=lasts_s)),)
    )


@pytest.fixture(scope="module")
def place(places: Places) -> Iterator[Place]:
    with places.borrowed("locust") as borrowed:
        yield borrowed


@contextmanager
def serving(place: Place, program: str, *arguments: str) -> Iterator[int]:
    (port,) = free_ports(1)
    log = place.directory / f"server-{port}.log"
    child = process.start(
        [sys.executable, STAND_INS / program, str(port), *arguments],
        directory=place.directory,
        log=log,
    )
    try:
        wait_until(lambda: log.read_text().startswith("ready"), within_s=20, what="the server")
        yield port
    finally:
        process.stop(child)


@pytest.fixture(scope="module")
def port(place: Place) -> Iterator[int]:
    with serving(place, "odd_http_server.py") as port:
        yield port


class Load:
    """One load, in a directory of its own."""

    def __init__(self, place: Place, name: str) -> None:
        self.name = name
        self.below = place.directory / name / "processes"
        self.samples = place.directory / name
        self.below.mkdir(parents=True)

    def inject(
        self,
        port: int,
        *,
        workers: int = 1,
        lasts_s: float = 3,
        peak: float = 100,
        locustfile: Path | None = None,
        path: str = "/right",
        web_port: int | None = None,
        progress: Callable[[LoadProgress], None] = lambda _progress: None,
        should_stop: Callable[[], str | None] = lambda: None,
    ) -> Injected:
        return inject(
            HttpRequest(host=ADDRESS, port=port, path=path, timeout_s=3),
            profile(lasts_s),
            peak=peak,
            seed=SEED,
            workers=workers,
            directory=self.below,
            samples=self.samples,
            name=self.name,
            should_stop=should_stop,
            progress=progress,
            locustfile=locustfile,
            web_port=web_port,
        )

    def taken(self, found: Injected) -> np.ndarray:
        """The samples of all workers."""
        files = [np.fromfile(self.samples / one, dtype=DTYPE) for one in found.samples]
        return np.concatenate(files)

    def running(self, module: str, config: str) -> psutil.Process | None:
        """The process of a module that was told by a config of that name; None: not there yet."""
        for one in process.working_below(self.below):
            command = " ".join(one.cmdline())
            if module in command and config in command:
                return one
        return None

    def kill_once(self, module: str, config: str) -> Callable[[LoadProgress], None]:
        """Kills that process when samples of every worker are on disk."""
        killed: list[int] = []

        def look(progress: LoadProgress) -> None:
            written = [one.stat().st_size for one in self.samples.glob("*.samples")]
            if progress.sent and all(written) and not killed:
                victim = self.running(module, config)
                assert victim is not None
                killed.append(victim.pid)
                victim.kill()

        return look


def level(milliseconds: float) -> int:
    """Which of the known times a response time belongs to: the longest that it reached."""
    return max(one for one in (FAST, SLOW, SLOWEST) if milliseconds >= one)


@pytest.mark.parametrize("workers", [1, 3])
def test_any_number_of_workers_measures_what_is_known(place: Place, workers: int) -> None:
    """The same schedule, and the percentiles that the server really has."""
    load = Load(place, f"known-{workers}")
    with serving(place, "known_times_server.py", ",".join(map(str, TIMES))) as port:
        found = load.inject(port, workers=workers, lasts_s=4)
    assert (found.error, found.lost_workers, len(found.samples)) == (None, (), workers)
    assert not found.closed_loop
    taken = load.taken(found)
    assert np.array_equal(np.sort(taken["intended"]), instants(profile(4), 100, SEED))
    assert set(taken["answer"]) == {Answer.OK}
    ordered = np.sort(response_s(taken) * 1000)
    assert ordered[0] >= FAST
    percentiles = {one: level(nearest_rank(ordered, one)) for one in (50, 80, 90, 99)}
    assert percentiles == {50: FAST, 80: FAST, 90: SLOW, 99: SLOWEST}


def test_an_injector_that_is_killed_is_lost_and_its_samples_are_kept(
    place: Place, port: int
) -> None:
    """Its Locust worker says so; the others go on."""
    load = Load(place, "injector-killed")
    look = load.kill_once("harness.load.injector", "injector-1.json")
    found = load.inject(port, workers=3, lasts_s=5, progress=look)
    (lost,) = found.lost_workers
    assert lost.startswith("worker 1: ")
    assert "the injector ended with exit code -9" in lost
    assert found.error is None
    assert len(found.samples) == 3
    counts = [len(np.fromfile(load.samples / one, dtype=DTYPE)) for one in found.samples]
    due = [len(instants(profile(5), 100, SEED, worker=one, workers=3)) for one in range(3)]
    assert (counts[0], counts[2]) == (due[0], due[2])
    assert 0 < counts[1] < due[1]
    assert found.scheduled == sum(due)


def test_a_worker_that_is_killed_takes_its_injector_along(place: Place, port: int) -> None:
    """It is the worker that is named; nothing of it goes on."""
    load = Load(place, "worker-killed")
    look = load.kill_once("harness.load.locust_child", "worker-0.json")
    found = load.inject(port, workers=2, lasts_s=5, progress=look)
    (lost,) = found.lost_workers
    assert lost.startswith("worker 0: exit code -9")
    assert found.error is None
    taken = load.taken(found)
    assert 0 < len(taken) < found.scheduled
    assert not list(process.working_below(load.below))


def test_without_a_master_there_is_no_load(place: Place, port: int) -> None:
    """What was injected until then is kept, and is not taken for a whole load."""
    load = Load(place, "master-killed")
    look = load.kill_once("harness.load.locust_child", "master.json")
    found = load.inject(port, workers=2, lasts_s=20, progress=look)
    assert found.error is not None
    assert found.error.startswith("nobody conducted: master: exit code -9")
    assert len(load.taken(found))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_locustfile_that_cannot_be_loaded_ends_it_at_once(
    place: Place, port: int, workers: int
) -> None:
    """With the words of Python, and no request."""
    load = Load(place, f"broken-{workers}")
    file = load.samples / "broken.py"
    file.write_text("import no_such_module\n")
    found = load.inject(port, workers=workers, lasts_s=60, locustfile=file)
    assert found.error is not None
    assert "No module named 'no_such_module'" in found.error
    assert found.samples == ()


def test_a_service_that_is_not_there_was_asked_all_the_same(place: Place) -> None:
    """Refused is an answer, of three workers, too."""
    (nobody,) = free_ports(1)
    load = Load(place, "nobody")
    found = load.inject(nobody, workers=3)
    assert (found.error, found.lost_workers) == (None, ())
    taken = load.taken(found)
    assert len(taken) == found.scheduled
    assert set(taken["answer"]) == {Answer.REFUSED}


def test_a_load_without_a_request_is_an_error(place: Place, port: int) -> None:
    """Never a silent success."""
    found = Load(place, "none").inject(port, lasts_s=1, peak=0)
    assert found.error == "no request of load none came to its end"


def test_a_load_that_is_stopped_leaves_nothing_behind(place: Place, port: int) -> None:
    """No process, and a sample of every request that was due: those that were not sent say so."""
    load = Load(place, "stopped")
    sent: list[int] = [0]
    found = load.inject(
        port,
        workers=2,
        lasts_s=60,
        progress=lambda progress: sent.append(progress.sent),
        should_stop=lambda: "enough" if sent[-1] else None,
    )
    assert found.error == "enough"
    assert not list(process.working_below(load.below))
    taken = load.taken(found)
    assert len(taken) == found.scheduled
    assert {Answer.OK, Answer.UNSENT} <= set(taken["answer"])


def test_its_web_page_shows_what_the_injectors_did(place: Place, port: int) -> None:
    """Numbers of requests and of failures, while the load lasts."""
    (web_port,) = free_ports(1)
    load = Load(place, "web")
    seen: list[dict[str, object]] = []

    def look(progress: LoadProgress) -> None:
        if progress.ended and listens(web_port):
            url = f"http://{ADDRESS}:{web_port}/stats/requests"
            with urllib.request.urlopen(url, timeout=5) as answer:
                stats = msgspec.json.decode(answer.read())["stats"]
            seen.extend(one for one in stats if one["name"] == "/busy")

    load.inject(port, workers=2, lasts_s=6, path="/busy", web_port=web_port, progress=look)
    assert seen
    assert seen[-1]["num_requests"] == seen[-1]["num_failures"] != 0


LOCUSTFILE = """
from locust import FastHttpUser, HttpUser, LoadTestShape, constant, events, task

@events.init_command_line_parser.add_listener
def _(parser):
    parser.add_argument("--colour", default="red")

class NotAsked(LoadTestShape):
    def tick(self):
        return None

class Fast(FastHttpUser):
    wait_time = constant(0.05)

    @task
    def right(self):
        print("what a locustfile prints is no report")
        assert self.environment.parsed_options.colour == "red"
        self.client.get("/right")

class Slow(HttpUser):
    wait_time = constant(0.05)

    @task
    def busy(self):
        self.client.get("/busy")

    @task
    def not_liked(self):
        with self.client.get("/maintenance", catch_response=True) as answer:
            answer.failure("under maintenance")
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_locustfile_of_a_user_runs_unchanged(place: Place, port: int, workers: int) -> None:
    """Each of its requests is a sample; it is said that its users waited."""
    load = Load(place, f"closed-{workers}")
    file = load.samples / "theirs.py"
    file.write_text(LOCUSTFILE)
    found = load.inject(port, workers=workers, lasts_s=4, peak=8, locustfile=file)
    assert (found.error, found.lost_workers) == (None, ())
    assert found.closed_loop
    taken = load.taken(found)
    assert len(taken) == found.scheduled > 0
    assert set(taken["answer"]) == {Answer.OK, Answer.WRONG_STATUS, Answer.WRONG_BODY}
    assert np.array_equal(taken["intended"], taken["sent"])
    assert (taken["ended"] >= taken["sent"]).all()
    assert set(taken["status"][taken["answer"] == Answer.WRONG_STATUS]) == {503}
    assert taken["intended"].min() >= 0


def locust(directory: Path, config: LocustConfig, *arguments: str) -> process.Completed:
    """Locust's own command line with the open loop of this project."""
    file = directory / "load.json"
    file.write_bytes(to_json(config))
    return process.run(
        [
            Path(sys.executable).with_name("locust"),
            "-f", PROJECT / "loadtests" / "open_loop.py",
            "--headless", "--only-summary", "--csv", "shown",
            *arguments,
        ],
        directory=directory,
        environment={"HARNESS_LOAD": str(file)},
        timeout_s=90,
    )  # fmt: skip


@pytest.mark.parametrize("workers", [1, 2])
def test_the_open_loop_runs_by_locusts_own_command_line(
    place: Place, port: int, workers: int
) -> None:
    """Locust's table has the numbers of the samples."""
    directory = place.directory / f"plain-{workers}"
    directory.mkdir()
    config = LocustConfig(role=Role.ALONE, injector=injector(port, Path("x.samples"), workers))
    done = locust(directory, config, *(["--processes", "2"] if workers == 2 else []))
    assert done.returncode == 0, done.stderr
    files = [np.fromfile(path, dtype=DTYPE) for path in sorted(directory.glob("*.samples"))]
    assert len(files) == workers
    due = instants(profile(3), 100, SEED)
    assert np.array_equal(np.sort(np.concatenate(files)["intended"]), due)
    assert f"GET,/right,{len(due)},0," in (directory / "shown_stats.csv").read_text()


def injector(port: int, samples: Path, workers: int) -> InjectorConfig:
    return InjectorConfig(
        request=HttpRequest(host=ADDRESS, port=port, path="/right", timeout_s=3),
        profile=profile(3),
        peak=100,
        seed=SEED,
        samples=samples,
        workers=workers,
    )


class PodProxy:
    """Transport: what the API server's proxy does for a pod, which here is on loopback."""

    server = "https://stand-in"

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> ApiAnswer:
        pod, _, file = path.removeprefix("/api/v1/namespaces/n/pods/").partition("/proxy/")
        port = int(pod.removeprefix("master:"))
        try:
            url = f"http://{ADDRESS}:{port}/{file}"
            with urllib.request.urlopen(url, timeout=5) as answer:
                return ApiAnswer(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            return ApiAnswer(error.code, error.read())
        except OSError as error:
            return ApiAnswer(503, str(error).encode())


class Pods:
    """A master and its workers as the manifests start them, each in a directory of its own."""

    def __init__(self, place: Place, name: str, port: int, workers: int) -> None:
        master_port, self.results = (free_ports(1)[0] for _ in range(2))
        self.directory = place.directory / name
        self.children: dict[str, process.Child] = {}
        config = LocustConfig(
            role=Role.MASTER,
            injector=injector(port, Path("load.samples"), workers),
            master_port=master_port,
            sends_samples=True,
            results_port=self.results,
        )
        for pod in ("master", *map(str, range(workers))):
            directory = self.directory / pod
            directory.mkdir(parents=True)
            file = directory / "load.json"
            file.write_bytes(to_json(config))
            self.children[pod] = process.start(
                [sys.executable, "-u", "-m", "harness.load.locust_child", file],
                directory=directory,
                environment={} if pod == "master" else {"JOB_COMPLETION_INDEX": pod},
                log=directory / "log",
            )

    def ask(self) -> gathered.Gathered | None:
        """What the master says; None: nothing yet."""
        try:
            return gathered.ask(Cluster(PodProxy(), "stand-in"), "n", "master", self.results)
        except SurroundingsError:
            return None

    def fetch(self, directory: Path) -> gathered.Gathered:
        directory.mkdir()
        return gathered.fetch(
            Cluster(PodProxy(), "stand-in"), "n", "master", self.results, directory
        )

    def await_over(self) -> gathered.Gathered:
        def over() -> gathered.Gathered | None:
            said = self.ask()
            return said if said is not None and said.over else None

        return wait_until(over, within_s=90, every_s=0.2, what="the load's end")

    def stop(self) -> None:
        for child in self.children.values():
            process.stop(child)


@contextmanager
def pods(place: Place, name: str, port: int, workers: int) -> Iterator[Pods]:
    started = Pods(place, name, port, workers)
    try:
        yield started
    finally:
        started.stop()


def test_workers_that_share_no_disk_send_their_samples(place: Place, port: int) -> None:
    """Through Locust's channel to the master, from where they are fetched: the same bytes."""
    with pods(place, "pods", port, workers=3) as started:
        said = started.await_over()
        assert isinstance(said.zero, Zero)
        assert (said.error, said.lost) == (None, ())
        there = place.directory / "fetched"
        assert started.fetch(there) == started.ask()
        for pod in ("0", "1", "2"):
            assert started.children[pod].wait(30) == 0
            sent = (started.directory / pod / "load.samples").read_bytes()
            assert (there / f"load-{pod}.samples").read_bytes() == sent
        taken = np.concatenate([np.fromfile(there / one, dtype=DTYPE) for one in said.files])
        assert np.array_equal(np.sort(taken["intended"]), instants(profile(3), 100, SEED))
        assert {one.began_ns for one in said.reports.values()} == {said.zero.at.monotonic_ns}
        assert started.children["master"].poll() is None  # it keeps them


def test_a_pod_that_is_lost_is_named_and_the_others_are_gathered(place: Place, port: int) -> None:
    """A node that goes says nothing; its samples so far are there."""
    with pods(place, "pods-lost", port, workers=2) as started:
        wait_until(
            lambda: (
                (said := started.ask()) is not None
                and all(one.ended for one in said.reports.values())
                and len(said.reports) == 2
            ),
            within_s=60,
            what="samples of both",
        )
        started.children["1"].kill()
        said = started.await_over()
        (lost,) = said.lost
        assert lost.startswith("worker 1: not heard of for ")
        there = place.directory / "fetched-lost"
        started.fetch(there)
        counts = [len(np.fromfile(there / one, dtype=DTYPE)) for one in said.files]
        assert counts[0] == len(instants(profile(3), 100, SEED, worker=0, workers=2))
        assert len(counts) == 2


def test_samples_are_not_fetched_before_the_end(place: Place, port: int) -> None:
    """Half of a load is not taken for one."""
    with pods(place, "pods-early", port, workers=1) as started:
        wait_until(lambda: started.ask() is not None, within_s=60, what="the master")
        with pytest.raises(SurroundingsError, match="is not over"):
            started.fetch(place.directory / "fetched-early")


def test_two_pods_with_one_index_are_no_load(place: Place, port: int) -> None:
    """Each request of that share would be sent twice."""
    with pods(place, "pods-twice", port, workers=2) as started:
        second = process.start(
            [sys.executable, "-u", "-m", "harness.load.locust_child", "load.json"],
            directory=started.directory / "0",
            environment={"JOB_COMPLETION_INDEX": "1"},
            log=started.directory / "0" / "second.log",
        )
        try:
            assert started.children["master"].wait(60) == SurroundingsError.exit_code
        finally:
            process.stop(second)
        assert "worker 1 is there twice" in (started.directory / "master" / "log").read_text()


def test_ctrl_c_ends_all_of_it(place: Place, port: int) -> None:
    """SIGINT and SIGTERM of who called the driver: nothing is left in its place."""
    for number in (signal.SIGINT, signal.SIGTERM):
        directory = place.directory / f"interrupted-{number.name}"
        directory.mkdir()
        script = directory / "conducts.py"
        script.write_text(INTERRUPTED.format(port=port, address=ADDRESS))
        conducting = subprocess.Popen(
            [sys.executable, script], cwd=directory, stdout=subprocess.PIPE, env=dict(os.environ)
        )
        try:
            assert conducting.stdout is not None
            assert conducting.stdout.readline() == b"sending\n"
            below = directory / "processes"
            assert len(list(process.working_below(below))) == 5  # master, two workers, injectors
            conducting.send_signal(number)
            assert conducting.wait(30) == 128 + number
            assert not list(process.working_below(below))
        finally:
            process.kill_below(directory)
            conducting.wait(10)
            if conducting.stdout is not None:
                conducting.stdout.close()


INTERRUPTED = """
import signal, sys
from datetime import timedelta
from pathlib import Path
from harness.errors import Interrupted
from harness.load.config import HttpRequest
from harness.load.driver import inject
from harness.model.load_profile import Profile, Stage

def interrupted(number, _frame):
    raise Interrupted(signal.Signals(number))

for one in (signal.SIGINT, signal.SIGTERM):
    signal.signal(one, interrupted)

said = []
def progress(told):
    if told.sent and not said:
        said.append(1)
        print("sending", flush=True)

below = Path("processes").absolute()
below.mkdir()
try:
    inject(
        HttpRequest(host="{address}", port={port}, path="/right"),
        Profile(profile="p", title="p", stages=(Stage(rate=1, hold=timedelta(minutes=2)),)),
        peak=50, seed=1, workers=2, directory=below, samples=Path.cwd(), name="n",
        should_stop=lambda: None, progress=progress,
    )
except Interrupted as error:
    sys.exit(error.exit_code)
"""
