"""Looks one after the other: each on its own, what it makes removed, the end on record."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import conformances
import pytest
from kubernetes_api import StandInApi, node, pod

from harness.conformance.conduct import ConformanceSurroundings, conduct_conformance
from harness.conformance.ground import ActiveLook, Ground
from harness.errors import Interrupted, RecordError, SurroundingsError
from harness.model.cluster import ClusterAccess
from harness.model.conformance import TlsTried
from harness.model.history import (
    CleanedUp,
    Event,
    RunEnded,
    StepFailed,
    TrialEnded,
    TrialStarted,
)
from harness.ports import PhaseProgress

SEEN = TlsTried(subject="orders", address="10.0.0.1:5432", version="TLS 1.2", accepted=True)


class Silent:
    """A narrator that says nothing."""

    def step(self, text: str) -> None: ...
    def warning(self, text: str) -> None: ...
    def trial_started(self, trial: str, index: int, count: int) -> None: ...
    def phase(self, name: str) -> AbstractContextManager[PhaseProgress]:
        raise NotImplementedError(name)


class Check:
    """One conformance check on a stand-in; what it records."""

    def __init__(self, directory: Path, **looks: Callable[[Ground], None]) -> None:
        self.api = StandInApi()
        self.api.put("nodes", node("w1"))
        self.facts: list[Event] = []
        self.lost: str | None = None
        self._directory = directory
        self._looks = looks

    def conduct(self) -> None:
        cluster = self.api.cluster()
        looks = {
            name: ActiveLook(name=name, look=look, touches=("it",), rights=("create pods in shop",))
            for name, look in self._looks.items()
        }
        conduct_conformance(
            conformances.plan(looks=("objects", *looks)),
            ConformanceSurroundings(
                cluster=cluster,
                access=ClusterAccess(
                    kubeconfig=Path("kubeconfig"),
                    identity=conformances.CLUSTER,
                    provider="none",
                    helper_image="busybox",
                ),
                looks=looks,
                run="run-1",
                observations=self._directory,
                record=self._record,
                narrator=Silent(),
                should_stop=lambda: self.lost,
            ),
        )

    def _record(self, fact: Event) -> None:
        self.facts.append(fact)

    def of(self, kind: type[Event]) -> list[Event]:
        return [one for one in self.facts if isinstance(one, kind)]


def sees(ground: Ground) -> None:
    """A look that works: it finds the objects, and records something."""
    assert ground.objects["Node"]
    ground.record(SEEN)


def fails(_ground: Ground) -> None:
    raise SurroundingsError("no address of orders")


def breaks(ground: Ground) -> None:
    ground.objects["Nothing"]


def test_looks_are_made_in_order_and_the_end_is_recorded(tmp_path: Path) -> None:
    check = Check(tmp_path, tls=sees)
    check.conduct()
    marks = [one for one in check.facts if isinstance(one, TrialStarted | TrialEnded | RunEnded)]
    assert marks == [
        TrialStarted(trial="objects"),
        TrialEnded(trial="objects"),
        TrialStarted(trial="tls"),
        TrialEnded(trial="tls"),
        RunEnded(),
    ]
    assert SEEN in check.facts
    assert check.of(StepFailed) == []


@pytest.mark.parametrize(
    ("look", "said"), [(fails, "no address of orders"), (breaks, "KeyError: 'Nothing'")]
)
def test_a_look_that_fails_keeps_no_other_from_being_made(
    tmp_path: Path, look: Callable[[Ground], None], said: str
) -> None:
    """Also where it stumbles over an object that nobody thought of."""
    check = Check(tmp_path, health=look, tls=sees)
    check.conduct()
    (failed,) = check.of(StepFailed)
    assert isinstance(failed, StepFailed)
    assert (failed.trial, failed.step, failed.error) == ("health", "health", said)
    assert SEEN in check.facts
    assert check.of(RunEnded) == [RunEnded()]


def test_what_a_look_left_is_removed_in_every_namespace(tmp_path: Path) -> None:
    """And no other pod."""

    def leaves(ground: Ground) -> None:
        for name, run in (("left", ground.run), ("other", "run-2")):
            check.api.put(
                "pods", pod("shop", name, metadata={"labels": {"harness.dev/drill": run}})
            )
        raise SurroundingsError("and forgets them")

    check = Check(tmp_path, connections=leaves)
    check.conduct()
    assert check.of(CleanedUp)[-1] == CleanedUp(
        trial="connections", healed=("pod shop/left",), leaks=()
    )
    assert [one.name for one in check.api.cluster().pods("shop")] == ["other"]


def test_what_cannot_be_removed_is_a_leak(tmp_path: Path) -> None:
    def forbids(_ground: Ground) -> None:
        check.api.forbidden = {"get pods"}

    check = Check(tmp_path, connections=forbids)
    check.conduct()
    last = check.of(CleanedUp)[-1]
    assert isinstance(last, CleanedUp)
    assert last.leaks
    assert "pods of run-1" in last.leaks[0]


def test_an_interruption_ends_it_with_everything_removed(tmp_path: Path) -> None:
    def interrupted(ground: Ground) -> None:
        labels = {"harness.dev/drill": ground.run}
        check.api.put("pods", pod("shop", "left", metadata={"labels": labels}))
        raise Interrupted(signal.SIGINT)

    check = Check(tmp_path, connections=interrupted, tls=sees)
    with pytest.raises(Interrupted):
        check.conduct()
    assert check.facts[-1] == RunEnded(interrupted="SIGINT")
    assert check.api.cluster().pods("shop") == ()
    assert SEEN not in check.facts
    assert TrialEnded(trial="connections") not in check.facts


def test_without_the_lease_no_further_look_begins(tmp_path: Path) -> None:
    """A drill may break what is looked at."""
    check = Check(tmp_path, tls=sees)
    check.lost = "the lease of drills was lost"
    check.conduct()
    (failed,) = check.of(StepFailed)
    assert isinstance(failed, StepFailed)
    assert "the lease of drills was lost" in failed.error
    assert SEEN not in check.facts


def test_a_full_disk_ends_it_at_once(tmp_path: Path) -> None:
    def full(_ground: Ground) -> None:
        raise RecordError("no space left")

    check = Check(tmp_path, health=full, tls=sees)
    with pytest.raises(RecordError):
        check.conduct()
    assert SEEN not in check.facts
    assert check.facts[-1] == RunEnded(interrupted="RecordError")
