"""What a harness that is gone, or hangs, has broken is undone: on its host and in the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kubernetes_api import UID, StandInApi, pod
from machines import StandInMachines

from harness.cli import recover
from harness.cli import watchdog as watchdog_command
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import NAMESPACE, Cluster
from harness.errors import HealError, InputError
from harness.faults import drill_lock, watchdog
from harness.faults.healing import Healing
from harness.faults.intents import Intents
from harness.faults.lease import DrillLease, holder
from harness.faults.mirror import found_in, mirrored
from harness.faults.places import write_durably
from harness.model.cluster import ClusterAccess, Identity
from harness.model.codec import to_json
from harness.model.fault import HealNode, Intent, Inverse, StartNode, Uncordon
from harness.model.instant import Instant

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """Moves on by what is paused."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic_ns(self) -> int:
        return int(self.seconds * 1e9)

    def now(self) -> Instant:
        utc = BEGUN + timedelta(seconds=self.seconds)
        return Instant(monotonic_ns=self.monotonic_ns(), utc=utc)

    def pause(self, seconds: float) -> None:
        self.seconds += seconds


class World:
    """A cluster with one node, and a drill on it."""

    def __init__(self, state: Path) -> None:
        self.api = StandInApi()
        self.machines = StandInMachines(self.api, "w")
        self.state = state
        self.clock = Clock()
        self.said: list[str] = []
        access = ClusterAccess(
            kubeconfig=state / "config",
            identity=Identity(context="c", server=self.api.server, uid=UID, version="v1"),
            provider="none",
            helper_image="image",
        )
        self.intents = mirrored(state, self.api.cluster(), access)
        self.intents._clock = self.clock

    def declare(self, inverse: Inverse, lasts_s: float = 600) -> Intent:
        lasts = timedelta(seconds=lasts_s)
        return self.intents.declare("run", "t", "e", UID, "the fault", inverse, lasts)

    def abandon(self, intent: Intent) -> None:
        """As if its process had been killed."""
        gone = msgspec.structs.replace(intent, owner_started=0.0)
        write_durably(self.intents.path(intent), to_json(gone))

    def watch(self, *alive: bool) -> None:
        lives: Iterator[bool] = iter(alive)
        watchdog.watch(
            Healing(
                self.state,
                lambda _n, _c: self.machines,
                clock=self.clock,
                every_s=0,
                within=timedelta(seconds=0.05),
            ),
            lambda: next(lives, False),
            self.said.append,
            clock=self.clock,
            pause=self.clock.pause,
        )

    def schedulable(self) -> bool:
        return "unschedulable" not in self.api.get("nodes", "w")["spec"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    built = World(tmp_path)
    monkeypatch.setattr(Cluster, "connect", lambda _kubeconfig, _context: built.api.cluster())
    return built


def test_it_ends_with_its_drill(world: World) -> None:
    """The vacuous case: nothing was broken."""
    world.watch(True, True, False)
    assert world.said == []
    assert world.clock.seconds == 1.0


def test_a_dead_drills_fault_is_undone_at_once(world: World) -> None:
    """And the watchdog ends."""
    world.api.cluster().set_unschedulable("w", True)
    world.abandon(world.declare(Uncordon(node="w")))
    world.watch()
    assert world.schedulable()
    assert world.said == ["the fault: node w is schedulable"]
    assert world.intents.open() == ()


def test_a_living_drills_fault_is_left_until_it_expires(world: World) -> None:
    """A drill that hangs."""
    world.api.cluster().set_unschedulable("w", True)
    world.declare(Uncordon(node="w"), lasts_s=10)
    seen: list[bool] = []

    def pause(seconds: float) -> None:
        seen.append(world.schedulable())
        world.clock.pause(seconds)

    healing = Healing(world.state, lambda _n, _c: world.machines, every_s=0)
    watchdog.watch(
        healing,
        lambda: world.clock.seconds < 12,
        world.said.append,
        clock=world.clock,
        pause=pause,
    )
    assert seen.index(True) == 20
    assert all(seen[20:])


def test_a_dead_experiment_is_left_to_its_living_drill(world: World) -> None:
    """Which records what it undoes; of the drill that is gone, nobody does."""
    world.api.cluster().set_unschedulable("w", True)
    world.abandon(world.declare(Uncordon(node="w")))
    seen: list[bool] = []

    def alive() -> bool:
        seen.append(world.schedulable())
        return len(seen) < 5

    healing = Healing(world.state, lambda _n, _c: world.machines, every_s=0)
    watchdog.watch(healing, alive, world.said.append, clock=world.clock, pause=world.clock.pause)
    assert seen == [False] * 5
    assert world.schedulable()


def test_what_cannot_be_undone_is_tried_again(world: World) -> None:
    """With pauses that grow; for half an hour without its drill, then by exit code 5."""
    world.machines.kill(["w"])
    world.machines.never_back.add("w")
    world.abandon(world.declare(StartNode(node="w", boot_id="boot-1")))
    with pytest.raises(HealError, match="no answer of its power supply"):
        world.watch()
    assert 1800 <= world.clock.seconds < 1900
    assert len(world.intents.open()) == 1
    world.machines.never_back.clear()
    world.watch()
    assert world.intents.open() == ()


def test_a_torn_intent_keeps_no_other_from_being_undone(world: World) -> None:
    """It is named at the end."""
    world.api.cluster().set_unschedulable("w", True)
    world.abandon(world.declare(Uncordon(node="w")))
    (world.state / "intents" / "0.json").write_text("{", encoding="ascii")
    with pytest.raises(InputError, match=r"0\.json"):
        world.watch()
    assert world.schedulable()


def test_in_the_cluster_nothing_is_undone_before_it_expires(world: World) -> None:
    """Its host may be busy; afterwards it is taken for gone."""
    world.api.cluster().set_unschedulable("w", True)
    intent = world.declare(Uncordon(node="w"))
    cluster = world.api.cluster()
    assert watchdog.undo_expired(cluster, "image", intent.made, world.said.append) == 0
    assert not world.schedulable()
    assert watchdog.undo_expired(cluster, "image", intent.expires, world.said.append) == 0
    assert world.schedulable()
    assert found_in(cluster) == ((), ())
    assert world.said == ["the fault: node w is schedulable"]


def test_in_the_cluster_machines_are_left_to_recover(world: World) -> None:
    """The API cannot start them."""
    world.machines.partition(["w"])
    intent = world.declare(HealNode(node="w"))
    cluster = world.api.cluster()
    assert watchdog.undo_expired(cluster, "image", intent.expires, world.said.append) == 0
    assert found_in(cluster) == ((intent,), ())
    assert world.said == []


def test_in_the_cluster_a_failure_is_said_and_stays(world: World) -> None:
    """The next look tries again."""
    world.api.cluster().set_unschedulable("w", True)
    intent = world.declare(Uncordon(node="w"))
    world.api.forbidden = {"patch nodes"}
    cluster = world.api.cluster()
    assert watchdog.undo_expired(cluster, "image", intent.expires, world.said.append) == 1
    assert 'cannot patch resource "nodes"' in world.said[0]
    assert found_in(cluster) == ((intent,), ())
    world.api.forbidden = set()
    assert watchdog.undo_expired(cluster, "image", intent.expires, world.said.append) == 0


def test_in_the_cluster_it_goes_on_when_the_api_is_away(world: World) -> None:
    """It is a Deployment: for ever."""
    world.api.breaks = 4
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise KeyError

    with pytest.raises(KeyError):
        watchdog.watch_cluster(
            world.api.cluster(), "image", world.said.append, pause=pause, clock=world.clock
        )
    assert len(world.said) == 1


def test_recover_undoes_and_clears_up(world: World) -> None:
    """Without any argument but the state directory; again there is nothing."""
    cluster = world.api.cluster()
    cluster.set_unschedulable("w", True)
    world.abandon(world.declare(Uncordon(node="w")))
    killed_drill(world)
    DrillLease(cluster, holder("run", 1)).acquire()
    labels = {"harness.dev/drill": "run"}
    world.api.put("pods", pod(NAMESPACE, "helper", metadata={"labels": labels}))
    result = run_recover(world)
    assert result.exit_code == 0, result.exception
    assert result.output.splitlines() == [
        "the fault: node w is schedulable",
        f"pod {NAMESPACE}/helper",
        "lease of drill run",
        "drill run is over: process 1 is gone",
    ]
    assert world.schedulable()
    DrillLease(cluster, "another").acquire()
    assert run_recover(world).output == "nothing was left behind\n"


def test_recover_leaves_a_living_drill_alone(world: World) -> None:
    """Its faults, its lease."""
    world.api.cluster().set_unschedulable("w", True)
    world.intents._clock = HostClock()
    world.declare(Uncordon(node="w"))
    assert run_recover(world).output == "nothing was left behind\n"
    assert not world.schedulable()


def test_a_dry_run_only_says(world: World) -> None:
    """And touches nothing."""
    world.api.cluster().set_unschedulable("w", True)
    world.abandon(world.declare(Uncordon(node="w")))
    assert run_recover(world, "--dry-run").output == "would put back: the fault (run run)\n"
    assert not world.schedulable()


def test_a_rollback_that_fails_is_named_and_retried(world: World) -> None:
    """Exit code 5; the next `recover` puts it back."""
    world.api.cluster().set_unschedulable("w", True)
    world.abandon(world.declare(Uncordon(node="w")))
    world.api.forbidden = {"patch nodes"}
    failed = run_recover(world)
    assert isinstance(failed.exception, HealError)
    assert failed.exception.exit_code == 5
    assert "the fault (run run) could not be put back" in str(failed.exception)
    world.api.forbidden = set()
    assert run_recover(world).exit_code == 0
    assert world.schedulable()


def test_recover_names_a_torn_intent(world: World) -> None:
    """And undoes the others."""
    world.api.cluster().set_unschedulable("w", True)
    world.abandon(world.declare(Uncordon(node="w")))
    (world.state / "intents" / "0.json").write_text("{", encoding="ascii")
    failed = run_recover(world)
    assert isinstance(failed.exception, HealError)
    assert "0.json" in str(failed.exception)
    assert world.schedulable()


def test_the_command_ends_where_there_is_nothing(world: World) -> None:
    """No owner, no intent."""
    result = CliRunner().invoke(watchdog_command.command, ["--state", str(world.state)])
    assert (result.exit_code, result.output) == (0, "")


def test_in_the_cluster_the_command_needs_an_image() -> None:
    """For its pods on nodes."""
    result = CliRunner().invoke(watchdog_command.command, ["--in-cluster"])
    assert result.exit_code == 2
    assert "--helper-image" in result.output


def killed_drill(world: World) -> None:
    drill = drill_lock.Drill(
        run="run", environment="e", pid=1, started=0.0, since=BEGUN, cluster_uid=UID
    )
    write_durably(world.state / "drill.json", to_json(drill))


def run_recover(world: World, *options: str) -> Result:
    """`harness recover`."""
    arguments = ["--state", str(world.state), "--settings", str(world.state / "none.toml")]
    return CliRunner().invoke(recover.command, [*arguments, *options])


def test_intents_of_another_state_directory_are_not_seen(tmp_path: Path) -> None:
    """Each is for itself."""
    assert Intents(tmp_path / "other").readable() == ()
