"""Breaking machines and putting them right: power cut, pause, partition, a whole zone."""

from __future__ import annotations

import json

from commands import Command
from orders import Shop, count_of, order_placed, query

from harness.drivers.clock import wait_until
from harness.errors import SurroundingsError
from harness.lab.lab import Lab
from harness.lab.platform import INFRASTRUCTURE, primary


def _state(harness: Command, name: str) -> dict[str, object]:
    status = json.loads(harness("lab", "status", "--json").stdout)
    (found,) = (one for one in status["machines"] if one["name"] == name)
    return dict(found)


# First: after a failover two masters of Redis may be on one node, and take the checkout with it.
def test_the_primary_moves_when_its_node_is_gone(lab: Lab, shop: Shop, harness: Command) -> None:
    """By itself: acknowledged orders are there, new ones are taken, the old one is a replica."""
    before = primary(lab)
    kept = order_placed(shop)
    pod = lab.kubectl.get("pod", before, "-n", INFRASTRUCTURE)
    node = pod["spec"]["nodeName"]
    harness("lab", "node", "kill", node)
    try:

        def moved() -> bool:
            try:
                return primary(lab) != before
            except SurroundingsError:
                return False

        wait_until(moved, within_s=120, what="another primary", every_s=0.5)
        order_placed(shop)
        assert count_of(lab, kept) == "1"
    finally:
        harness("lab", "node", "start", node)

    def replicating() -> bool:
        try:
            return query(lab, primary(lab), "select count(*) from pg_stat_replication") == "2"
        except SurroundingsError:
            return False

    wait_until(
        replicating, within_s=180, what="the old primary replicating from the new one", every_s=1
    )


def test_a_power_cut_takes_everything_but_the_disk(lab: Lab, harness: Command) -> None:
    """No process of the node is left when the command returns; after `start` it is a new boot."""
    before = lab.ready_nodes()["worker-3"]
    disk = lab.machines.directories.machine("worker-3")
    (disk / "var" / "lib" / "kept").write_text("kept", encoding="ascii")
    harness("lab", "node", "kill", "worker-3")
    assert lab.machines.groups.members("worker-3") == ()
    assert _state(harness, "worker-3")["state"] == "off"
    harness("lab", "node", "start", "worker-3")
    assert lab.ready_nodes()["worker-3"] not in ("", before)
    assert (disk / "var" / "lib" / "kept").read_text(encoding="ascii") == "kept"


def test_a_paused_machine_stands_still_and_goes_on(lab: Lab, harness: Command) -> None:
    """All its processes are the same ones afterwards."""
    before = lab.machines.groups.members("worker-3")
    harness("lab", "node", "pause", "worker-3")
    assert _state(harness, "worker-3")["state"] == "paused"
    harness("lab", "node", "heal", "worker-3")
    assert _state(harness, "worker-3")["state"] == "running"
    assert set(before) & set(lab.machines.groups.members("worker-3"))


def test_a_cut_off_member_does_not_serve_and_the_api_goes_on(lab: Lab, harness: Command) -> None:
    """Two of three make a quorum; healed, the third serves again."""
    harness("lab", "node", "partition", "master-2")
    try:
        cut = _state(harness, "master-2")
        assert (cut["state"], cut["serves"]) == ("partitioned", False)

        # The balancer ends what still goes to the lost member; etcd may choose a leader first.
        def written() -> bool:
            words = ("create", "configmap", "written-by-two", "-n", "default")
            return lab.kubectl.run(*words).returncode == 0

        wait_until(written, within_s=60, what="a write by two of three", every_s=0.5)
    finally:
        harness("lab", "node", "heal", "master-2")
    wait_until(
        lambda: lab.serves(lab.layout.machine("master-2")), within_s=60, what="master-2 serving"
    )


def test_a_machine_that_is_off_cannot_be_paused(lab: Lab, harness: Command) -> None:
    """Refused with what to type; so is switching on what runs, and breaking what is no member."""
    assert "harness lab node kill" in harness("lab", "node", "start", "worker-1", fails=True).stderr
    assert "no member" in harness("lab", "node", "kill", "outside", fails=True).stderr
    assert "worker-3" in harness("lab", "node", "kill", "worker-9", fails=True).stderr
    harness("lab", "node", "kill", "master-3")
    refused = harness("lab", "node", "pause", "master-3", fails=True)
    assert refused.returncode == 4
    assert "harness lab node start master-3" in refused.stderr
    harness("lab", "node", "start", "master-3")
    assert lab.serves(lab.layout.machine("master-3"))


def test_a_zone_goes_and_comes_back(lab: Lab, harness: Command) -> None:
    """Its master and its worker are off at once, the API goes on, and both serve again."""
    said = harness("lab", "zone", "kill", "zone-3").stdout
    assert said == "master-3 is off\nworker-3 is off\n"
    try:
        # Where the leader of etcd was on it, the others choose one first.
        wait_until(lab.kubectl.ready, within_s=60, what="the API without zone-3")
    finally:
        harness("lab", "zone", "start", "zone-3")
    assert lab.serves(lab.layout.machine("master-3"))
    assert lab.serves(lab.layout.machine("worker-3"))
    assert "zone-1, zone-2, zone-3" in harness("lab", "zone", "kill", "zone-9", fails=True).stderr
