"""The processes of one load together, against a real server: shares, losses, an early end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from harness.capacity.percentiles import injection_of
from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.faults.places import Place, Places
from harness.load.config import HttpRequest
from harness.load.driver import inject
from harness.load.injected import Injected
from harness.load.schedule import instants
from harness.model.history import LoadInjected
from harness.model.load_profile import Arrivals, Profile, Stage
from harness.model.sample import DTYPE, Answer
from harness.ports import LoadProgress

SERVER = Path(__file__).parents[1] / "stand_ins" / "odd_http_server.py"
PROFILE = Profile(
    profile="short",
    title="Short",
    stages=(Stage(rate=0.5, to=1.0, hold=timedelta(seconds=3)),),
    arrivals=Arrivals.POISSON,
)
PEAK = 200.0
SEED = 7


@pytest.fixture(scope="module")
def place(places: Places) -> Iterator[Place]:
    with places.borrowed("driver") as borrowed:
        yield borrowed


@pytest.fixture(scope="module")
def port(place: Place) -> Iterator[int]:
    (port,) = free_ports(1)
    log = place.directory / "server.log"
    child = process.start([sys.executable, SERVER, str(port)], directory=place.directory, log=log)
    try:
        wait_until(lambda: log.read_text().startswith("ready"), within_s=20, what="the server")
        yield port
    finally:
        process.stop(child)


def injected(
    place: Place,
    port: int,
    name: str,
    *,
    workers: int = 1,
    path: str = "/right",
    progress: Callable[[LoadProgress], None] = lambda _progress: None,
    should_stop: Callable[[], str | None] = lambda: None,
) -> Injected:
    directory = place.directory / name
    directory.mkdir()
    return inject(
        HttpRequest(host=ADDRESS, port=port, path=path, expect_body="all is well", timeout_s=2),
        PROFILE,
        peak=PEAK,
        seed=SEED,
        workers=workers,
        directory=directory,
        samples=directory,
        name=name,
        should_stop=should_stop,
        progress=progress,
    )


def samples(place: Place, name: str, found: Injected) -> np.ndarray:
    """Of all workers, laid together."""
    files = [(place.directory / name / one).read_bytes() for one in found.samples]
    return np.concatenate([np.frombuffer(one, dtype=DTYPE) for one in files])


def fact(found: Injected, workers: int) -> LoadInjected:
    return LoadInjected(
        trial="t",
        step="",
        began=found.began,
        scheduled=found.scheduled,
        lasts_s=3,
        rate=None,
        workers=workers,
        samples=found.samples,
        lost_workers=found.lost_workers,
        error=found.error,
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_the_workers_send_one_schedule_between_them(place: Place, port: int, workers: int) -> None:
    """One or three: the same requests at the same instants, each once."""
    name = f"whole-{workers}"
    found = injected(place, port, name, workers=workers)
    assert found.error is None
    assert found.lost_workers == ()
    assert len(found.samples) == workers
    due = instants(PROFILE, PEAK, SEED)
    assert found.scheduled == len(due)
    taken = samples(place, name, found)
    assert np.array_equal(np.sort(taken["intended"]), np.sort(due))
    assert set(taken["answer"]) == {Answer.OK}
    assert found.generator_cpu_s > 0


def test_a_worker_that_is_killed_is_lost_and_its_samples_are_kept(place: Place, port: int) -> None:
    """The others go on; the schedule was not covered, so that the load says nothing."""
    killed: list[int] = []

    def kill_one(progress: LoadProgress) -> None:
        if progress.sent and not killed:
            injectors = [
                one
                for one in process.working_below(place.directory / "killed")
                if "worker-1.json" in " ".join(one.cmdline())
            ]
            killed.extend(one.pid for one in injectors)
            for one in injectors:
                one.send_signal(signal.SIGKILL)

    found = injected(place, port, "killed", workers=2, progress=kill_one)
    assert len(killed) == 1
    (lost,) = found.lost_workers
    assert lost.startswith("worker 1: ")
    assert "-9" in lost
    assert found.error is None
    assert len(found.samples) == 2
    measured = injection_of(samples(place, "killed", found), fact(found, 2))
    assert any("scheduled requests were sent" in gate for gate in measured.gates)


def test_it_ends_early_when_it_is_told_to(place: Place, port: int) -> None:
    """With what was sent until then; no process is left."""
    sent: list[int] = []
    found = injected(
        place,
        port,
        "stopped",
        progress=lambda progress: sent.append(progress.sent),
        should_stop=lambda: "the person pressed Ctrl-C" if sent and sent[-1] > 0 else None,
    )
    assert found.error == "the person pressed Ctrl-C"
    assert not [
        one for one in process.working_below(place.directory / "stopped") if one.is_running()
    ]
    assert len(samples(place, "stopped", found)) == found.scheduled


def test_a_service_that_is_not_there_is_refused_all_along(place: Place) -> None:
    """The generator did all it should: what fails is the service."""
    (nobody,) = free_ports(1)
    found = injected(place, nobody, "refused")
    assert found.error is None
    measured = injection_of(samples(place, "refused", found), fact(found, 1))
    assert measured.errors == {"REFUSED": found.scheduled}
