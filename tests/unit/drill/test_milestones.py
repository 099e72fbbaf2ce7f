"""Which steps of a recovery two sightings have between them."""

from __future__ import annotations

import msgspec

from harness.drill.milestones import Milestones
from harness.model.history import Milestone, MilestoneSeen
from harness.ports import Sighting

WELL = Sighting(
    ready_nodes={"worker-1": "boot-a", "worker-2": "boot-b"},
    writers={"orders": "10.0.0.1 timeline 1", "carts 0-5460": "10.0.0.2 epoch 1"},
    redundant={"orders": True},
    ready_pods={"checkout": ("u1", "u2")},
)


def _seen(*sightings: Sighting) -> list[MilestoneSeen]:
    milestones = Milestones("t", WELL, 100)
    return [
        one
        for number, sighting in enumerate(sightings, start=2)
        for one in milestones.look(sighting, number * 100)
    ]


def _changed(**changes: object) -> Sighting:
    return msgspec.structs.replace(WELL, **changes)


def test_nothing_happens_where_nothing_changes() -> None:
    assert _seen(WELL, WELL) == []


def test_a_node_goes_and_comes_back_in_a_new_boot() -> None:
    """Each between the last look that did not see it and the first that did, and only once."""
    gone = _changed(ready_nodes={"worker-1": "boot-a"})
    back = _changed(ready_nodes={"worker-1": "boot-a", "worker-2": "boot-c"})
    found = _seen(WELL, gone, gone, back, back)
    assert [(one.subject, one.milestone) for one in found] == [
        ("node:worker-2", Milestone.DETECTED),
        ("node:worker-2", Milestone.RETURNED),
    ]
    assert (found[0].bracket.earliest_ns, found[0].bracket.latest_ns) == (200, 300)
    assert "boot-c" in found[1].detail


def test_a_node_that_was_only_cut_off_returns_in_the_same_boot() -> None:
    found = _seen(_changed(ready_nodes={"worker-1": "boot-a"}), WELL)
    assert found[-1].milestone is Milestone.RETURNED
    assert "same boot" in found[-1].detail


def test_a_writer_moves() -> None:
    """Nobody has the role, then another one."""
    nobody = _changed(writers={"carts 0-5460": "10.0.0.2 epoch 1"})
    moved = _changed(
        writers={"orders": "10.0.0.9 timeline 2", "carts 0-5460": "10.0.0.2 epoch 1"},
        redundant={"orders": False},
    )
    whole = msgspec.structs.replace(moved, redundant={"orders": True})
    assert [(one.subject, one.milestone) for one in _seen(nobody, moved, whole)] == [
        ("orders", Milestone.DETECTED),
        ("orders", Milestone.PROMOTED),
        ("orders", Milestone.REDUNDANT),
    ]


def test_redundancy_that_was_never_lost_is_not_restored() -> None:
    assert _seen(_changed(redundant={"orders": True})) == []


def test_a_pod_is_replaced() -> None:
    found = _seen(
        _changed(ready_pods={"checkout": ("u1",)}), _changed(ready_pods={"checkout": ("u1", "u3")})
    )
    assert [one.milestone for one in found] == [Milestone.DETECTED, Milestone.REPLACED]
    assert "1 of them new" in found[1].detail


def test_a_pod_that_is_replaced_between_two_looks_is_seen_all_the_same() -> None:
    found = _seen(_changed(ready_pods={"checkout": ("u1", "u3")}))
    assert [one.milestone for one in found] == [Milestone.DETECTED, Milestone.REPLACED]
