"""All is put back, in reverse, and what cannot be is named after all else was tried."""

from __future__ import annotations

from datetime import timedelta

import pytest
from drills import Drill, running
from kubernetes_api import UID

from harness.chaos import rollback
from harness.chaos.activity import failures
from harness.errors import HealError, SurroundingsError
from harness.faults.inverses import Healer
from harness.model.fault import HealNode, Intent, Inverse, Nothing, StartNode, Uncordon
from harness.model.history import RolledBack


def declare(drill: Drill, action: str, inverse: Inverse, trial: str = "trial-1") -> Intent:
    return drill.injector.intents.declare(
        run="run-1",
        trial=trial,
        environment="practice",
        cluster_uid=UID,
        action=action,
        inverse=inverse,
        lasts=timedelta(minutes=5),
    )


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks without waiting, and gives up at once."""

    def healer(**parts: object) -> Healer:
        return Healer(**parts, within=timedelta(milliseconds=50), every_s=0.001)  # type: ignore[arg-type]

    monkeypatch.setattr(rollback, "Healer", healer)


def told(drill: Drill) -> list[RolledBack]:
    return [one for one in drill.facts() if isinstance(one, RolledBack)]


def test_nothing_broken_is_nothing_to_undo(the_drill: Drill) -> None:
    assert rollback.undo_all() == []
    assert not the_drill.facts()
    assert not the_drill.api.changes


def test_all_of_this_trial_in_reverse(the_drill: Drill) -> None:
    declare(the_drill, "cordon of worker-1", Uncordon(node="worker-1"))
    the_drill.injector.cluster.set_unschedulable("worker-1", True)
    declare(the_drill, "power cut of worker-2", StartNode(node="worker-2", boot_id="boot-1"))
    the_drill.machines.kill(["worker-2"])
    other = declare(the_drill, "another trial's", Nothing(), trial="trial-2")
    rollback.undo_all()
    assert [one.action for one in told(the_drill)] == [
        "power cut of worker-2",
        "cordon of worker-1",
    ]
    assert all(one.error is None and one.witness for one in told(the_drill))
    assert all(one.started_ns <= one.ended_ns for one in told(the_drill))
    assert not the_drill.machines.off
    assert the_drill.injector.intents.open() == (other,)


def test_one_that_fails_does_not_keep_the_others(the_drill: Drill) -> None:
    declare(the_drill, "partition of worker-1", HealNode(node="worker-1"))
    the_drill.machines.partition(["worker-1"])
    dead = declare(the_drill, "power cut of worker-2", StartNode(node="worker-2", boot_id="boot-1"))
    the_drill.machines.kill(["worker-2"])
    the_drill.machines.never_back.add("worker-2")
    with pytest.raises(HealError, match="power cut of worker-2") as raised:
        rollback.undo_all()
    assert raised.value.hint == "harness recover"
    assert raised.value.exit_code == 5
    assert not the_drill.machines.cut
    assert the_drill.injector.intents.open() == (dead,)
    failed, done = told(the_drill)
    assert failed.error is not None
    assert (failed.witness, done.error) == ("", None)
    assert isinstance(failures()[-1], HealError)


def test_a_second_time_undoes_nothing_more(the_drill: Drill) -> None:
    the_drill.api.put("pods", running("shop", "checkout-4", "worker-1", app="checkout"))
    declare(the_drill, "deletion of a pod", Nothing())
    rollback.undo_all()
    rollback.undo_all()
    assert len(told(the_drill)) == 1


def test_an_api_that_is_just_coming_back_is_asked_again(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two that were put back, one intent could not be taken away at once."""
    declare(the_drill, "deletion of a pod", Nothing())
    done, failures_left = the_drill.injector.intents.done, [2]

    def unsteady(intent: Intent) -> None:
        if failures_left[0]:
            failures_left[0] -= 1
            raise SurroundingsError("the API answered 500")
        done(intent)

    monkeypatch.setattr(the_drill.injector.intents, "done", unsteady)
    rollback.undo_all()
    assert not the_drill.injector.intents.open()
    assert len(told(the_drill)) == 1


def test_an_intent_that_cannot_be_taken_away_is_told(
    the_drill: Drill, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_intent: Intent) -> None:
        raise SurroundingsError("the API answered 500")

    declare(the_drill, "deletion of a pod", Nothing())
    monkeypatch.setattr(the_drill.injector.intents, "done", never)
    monkeypatch.setattr(rollback, "_FORGOTTEN_WITHIN_S", 0.0)
    with pytest.raises(HealError, match="put back, and its intent could not be taken away"):
        rollback.undo_all()
