"""A filling waits until a controller can get no more pods, and says what came of it in any case."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.drivers.process import InterruptedChildError
from harness.errors import InputError
from harness.lab import programs
from harness.load import filling
from harness.load.filling import fill
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.quota import CapacitySettings, Claim, Filled, QuotaLimit
from harness.targets import load_targets

TARGETS = load_targets(Path(__file__).parents[3] / "targets")
NOTHING = CapacitySettings(claims=(), quotas=())
POD = ContainerResources(
    name="c", requests={Resource.CPU: 1.0}, limits={Resource.CPU: 1.0, Resource.MEMORY: 1.0}
)
CLAIM = Claim(namespace="shop", controller="Deployment/a", replicas=4, containers=(POD,))
REFUSED = 'pods "a-1" is forbidden: exceeded quota: compute'


# --- what keeps it from beginning ------------------------------------------------------------


def test_without_a_documented_whole_nothing_is_started(tmp_path: Path) -> None:
    """Nobody knows how large the nodes must be."""
    found = fill(NOTHING, (), tmp_path, print)
    assert found.nodes == 0
    assert found.error is not None
    assert "no target says how much all namespaces may ask for" in found.error
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_in_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the size that it was to have."""

    def no_go(*_: object, **__: object) -> Path:
        raise InputError("there is no Go")

    monkeypatch.setattr(programs, "build", no_go)
    found = fill(NOTHING, TARGETS, tmp_path, print)
    assert (found.error, found.filled, found.nodes) == ("there is no Go", (), 10)


def test_an_interruption_is_let_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the whole command, not this step."""

    def interrupted(*_: object, **__: object) -> Path:
        raise InterruptedChildError("go: ended")

    monkeypatch.setattr(programs, "build", interrupted)
    with pytest.raises(InterruptedChildError):
        fill(NOTHING, TARGETS, tmp_path, print)


# --- when it has ended -----------------------------------------------------------------------


class Api:
    """In the place of kubectl: a namespace whose pods are as a script has them, look by look."""

    def __init__(self, looks: list[tuple[int, int, int, str]], *, hard: float) -> None:
        """A look: pods, of which running, of which without room on a node, and the refusal."""
        self._looks: Iterator[tuple[int, int, int, str]] = iter(looks)
        self._hard = hard
        self._pods = 0
        self.created: list[Any] = []
        self.looked = 0

    def call(self, *words: str, stdin: bytes = b"") -> str:
        assert words == ("create", "-f", "-")
        self.created += json.loads(stdin)["items"]
        return ""

    def get(self, *words: str) -> Any:  # noqa: ANN401
        if words[0] == "resourcequotas":
            status = {
                "used": {"limits.cpu": f"{self._pods}"},
                "hard": {"limits.cpu": f"{self._hard}"},
            }
            return {"items": [{"status": status}]}
        pods, running, unplaced, refused = next(self._looks)
        self.looked += 1
        self._pods = pods
        said = [{"type": "ReplicaFailure", "status": "True", "message": refused}] if refused else []
        return {
            "items": [
                {"kind": "ReplicaSet", "status": {"conditions": said}},
                *(_pod(number, running, unplaced) for number in range(pods)),
            ]
        }


def _pod(number: int, running: int, unplaced: int) -> Any:  # noqa: ANN401
    if number < running:
        return {"kind": "Pod", "status": {"phase": "Running"}}
    waits = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    return {
        "kind": "Pod",
        "status": {
            "phase": "Pending",
            "conditions": [waits] if number < running + unplaced else [],
        },
    }


Fills = Callable[..., tuple[Filled, Api]]


@pytest.fixture
def fills(monkeypatch: pytest.MonkeyPatch) -> Fills:
    monkeypatch.setattr(filling, "_LOOKS_EVERY_S", 0.0)

    def run(*looks: tuple[int, int, int, str], hard: float = 3) -> tuple[Filled, Api]:
        api = Api(list(looks), hard=hard)
        ground = filling._Ground(api, lambda _: None)  # type: ignore[arg-type]
        return ground._fill_with(CLAIM, deployed=False), api

    return run


def test_all_pods_running_is_the_end(fills: Fills) -> None:
    """Not all pods created, nor some of them running."""
    found, api = fills((0, 0, 0, ""), (4, 1, 0, ""), (4, 4, 0, ""), hard=9)
    assert (found.created, found.running, found.refused) == (4, 4, "")
    assert api.looked == 3
    assert api.created[0]["spec"]["replicas"] == 4


def test_a_refusal_is_the_end_when_there_is_no_room(fills: Fills) -> None:
    """With the API's words, and the quota as it is then."""
    found, api = fills((3, 2, 0, REFUSED), (3, 3, 0, REFUSED), hard=3)
    assert (found.created, found.running, found.refused) == (3, 3, REFUSED)
    assert (found.used, found.hard) == ({"limits.cpu": 3.0}, {"limits.cpu": 3.0})
    assert api.looked == 2


def test_a_refusal_while_there_is_room_is_not_the_end(fills: Fills) -> None:
    """Controllers create many at once: one may be refused for another that then fails. They try
    again.
    """
    found, api = fills((2, 2, 0, REFUSED), (3, 3, 0, REFUSED), hard=3)
    assert (found.created, api.looked) == (3, 2)


def test_a_controller_that_makes_no_more_has_stopped(
    fills: Fills, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though there is room: something else refuses."""
    monkeypatch.setattr(filling, "_QUIET_S", 0.0)
    found, _ = fills((0, 0, 0, "violates PodSecurity"), hard=3)
    assert (found.created, found.refused) == (0, "violates PodSecurity")


def test_pods_without_room_on_a_node_are_not_waited_for(fills: Fills) -> None:
    """The scheduler said so; they are created, and do not run."""
    found, api = fills((4, 2, 1, ""), (4, 3, 1, ""), hard=9)
    assert (found.created, found.running) == (4, 3)
    assert api.looked == 2


def test_what_does_not_settle_is_on_record_as_it_is(
    fills: Fills, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A judge sees that it was not all; the filling goes on."""
    monkeypatch.setattr(filling, "_SETTLES_WITHIN_S", 0.0)
    found, _ = fills((2, 1, 0, ""), hard=9)
    assert (found.asked, found.created, found.running, found.refused) == (4, 2, 1, "")


def test_of_two_quotas_the_one_with_the_least_left_counts() -> None:
    """For each resource."""

    class Two:
        def get(self, *_: str) -> Any:  # noqa: ANN401
            def quota(cpu: str, used: str, **more: str) -> Any:  # noqa: ANN401
                return {"status": {"used": {"cpu": used}, "hard": {"cpu": cpu, **more}}}

            return {"items": [quota("5", "1"), quota("4", "3500m", pods="7"), quota("9", "1")]}

    ground = filling._Ground(Two(), print)  # type: ignore[arg-type]
    assert ground._use("shop") == ({"cpu": 3.5, "pods": 0.0}, {"cpu": 4.0, "pods": 7.0})


# --- the rounds ------------------------------------------------------------------------------


def test_the_documented_round_comes_first() -> None:
    """Then what is deployed, in the namespaces that have a quota; none where there is no quota."""
    quota = QuotaLimit(namespace="shop", name="compute", hard={"limits.cpu": 1.0})
    elsewhere = Claim(namespace="elsewhere", controller="Deployment/b", replicas=1)
    settings = CapacitySettings(claims=(CLAIM, elsewhere), quotas=(quota,))
    first, second = filling._rounds(settings, TARGETS)
    assert (first.deployed, len(first.claims), first.quotas) == (False, 13, ())
    assert (second.deployed, second.claims, second.namespaces) == (True, (CLAIM,), ("shop",))
    assert [one.deployed for one in filling._rounds(NOTHING, TARGETS)] == [False]
    assert list(filling._rounds(NOTHING, ())) == []
