"""What is about to be broken is on disk, and in the cluster, before it is; torn ones are named."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kubernetes_api import UID, KilledError, StandInApi

from harness.drivers.kubernetes import NAMESPACE
from harness.errors import InputError, RefusedError
from harness.faults.intents import Intents
from harness.faults.mirror import ConfigMapMirror, found_in, mirrored
from harness.model.cluster import ClusterAccess, Identity
from harness.model.fault import Intent, Nothing, Uncordon

ACCESS = ClusterAccess(
    kubeconfig=Path("config"),
    identity=Identity(context="stand-in", server="https://stand-in:6443", uid=UID, version="v1"),
    provider="none",
    helper_image="image",
)
HOUR = timedelta(hours=1)
NOW = datetime(2100, 1, 1, tzinfo=UTC)

OWNER = """
import sys
from datetime import timedelta
from pathlib import Path
from harness.faults.intents import Intents
from harness.model.fault import Nothing
intents = Intents(Path(sys.argv[1]))
intents.declare("run", "t", "e", sys.argv[2], "kill", Nothing(), timedelta(hours=1))
print("declared", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def intents(tmp_path: Path) -> Intents:
    found = Intents(tmp_path)
    found.remember(ACCESS)
    return found


def declare(intents: Intents, action: str = "cordon of w", run: str = "run") -> Intent:
    return intents.declare(run, "t-1", "staging", UID, action, Uncordon(node="w"), HOUR)


def test_nothing_is_open_at_first(tmp_path: Path) -> None:
    """The vacuous state; asking makes nothing."""
    assert not Intents.are_at(tmp_path)
    assert Intents(tmp_path).open() == ()
    assert Intents(tmp_path).abandoned(NOW) == ()


def test_an_intent_is_open_until_it_is_done(tmp_path: Path, intents: Intents) -> None:
    """Another process reads what this one wrote."""
    intent = declare(intents)
    assert Intents(tmp_path).open() == (intent,)
    assert intent.expires - intent.made == HOUR
    intents.done(intent)
    intents.done(intent)
    assert Intents(tmp_path).open() == ()


def test_intents_are_in_the_order_of_their_mutations(intents: Intents) -> None:
    """What comes last is undone first."""
    made = [declare(intents, f"{number}") for number in range(20)]
    assert [one.action for one in intents.open()] == [one.action for one in made]


def test_a_living_owner_keeps_its_intent_until_it_expires(intents: Intents) -> None:
    """After that it is anybody's."""
    intent = declare(intents)
    assert intents.abandoned(intent.made) == ()
    assert intents.abandoned(intent.expires - timedelta(seconds=1)) == ()
    assert intents.abandoned(intent.expires) == (intent,)


def test_an_intent_whose_owner_was_killed_is_abandoned(tmp_path: Path, intents: Intents) -> None:
    """SIGKILL of the process that declared it."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path), UID],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert owner.stdout is not None
    assert owner.stdin is not None
    with owner.stdout, owner.stdin:
        assert owner.stdout.readline() == b"declared\n"
        (intent,) = intents.open()
        assert intent.owner_pid == owner.pid
        assert intents.abandoned(intent.made) == ()
        owner.kill()
        owner.wait(10)
    assert intents.abandoned(intent.made) == (intent,)


def test_it_is_on_disk_before_it_is_in_the_cluster(tmp_path: Path) -> None:
    """Killed between the two, it is found; nothing was broken yet."""
    api = StandInApi()
    intents = mirrored(tmp_path, api.cluster(), ACCESS)
    api.dies_after = 1
    with pytest.raises(KilledError):
        declare(intents)
    assert [one.action for one in Intents(tmp_path).open()] == ["cordon of w"]


def test_it_is_in_the_cluster_as_well(tmp_path: Path) -> None:
    """For the watchdog there; done, it is in neither place."""
    api = StandInApi()
    intents = mirrored(tmp_path, api.cluster(), ACCESS)
    intent = declare(intents)
    assert found_in(api.cluster()) == ((intent,), ())
    intents.done(intent)
    intents.done(intent)
    assert found_in(api.cluster()) == ((), ())


def test_without_its_mirror_nothing_may_be_broken(tmp_path: Path) -> None:
    """The intent is gone again: there is nothing to undo."""
    api = StandInApi()
    api.forbidden = {"post configmaps"}
    intents = mirrored(tmp_path, api.cluster(), ACCESS)
    with pytest.raises(RefusedError, match="cordon of w: could not be written down"):
        declare(intents)
    assert intents.open() == ()


def test_a_mirror_that_does_not_answer_is_none(tmp_path: Path) -> None:
    """It may be there, so that the intent stays, to be undone where there is nothing to undo."""
    api = StandInApi()
    mirror = ConfigMapMirror(lambda _uid: api.cluster(), within_s=0)
    intents = Intents(tmp_path, mirror=mirror)
    intents.remember(ACCESS)
    api.breaks = 1000
    with pytest.raises(RefusedError, match="connection reset"):
        declare(intents)
    assert len(intents.open()) == 1


def test_a_mirror_that_does_not_answer_once_is_asked_again(tmp_path: Path) -> None:
    """Whether or not it was made the first time, it is there once; and gone once."""
    api = StandInApi()
    intents = mirrored(tmp_path, api.cluster(), ACCESS)
    api.breaks = 4
    intent = declare(intents)
    assert found_in(api.cluster()) == ((intent,), ())
    api.breaks = 1
    intents.done(intent)
    assert found_in(api.cluster()) == ((), ())


def test_a_torn_mirror_is_named() -> None:
    """And the others are read."""
    api = StandInApi()
    labels = {"harness.dev/intent": "true"}
    api.put("configmaps", {"metadata": {"name": "x", "namespace": NAMESPACE, "labels": labels}})
    intents, torn = found_in(api.cluster())
    assert intents == ()
    assert torn[0].startswith(f"{NAMESPACE}/x: ")


def test_a_cluster_that_nobody_could_reach_again_is_refused(tmp_path: Path) -> None:
    """`recover` needs to know how."""
    with pytest.raises(RefusedError, match="how to reach cluster"):
        declare(Intents(tmp_path))


def test_how_a_cluster_is_reached_is_found_from_anywhere(tmp_path: Path, intents: Intents) -> None:
    """`harness recover` may be typed in another directory."""
    assert intents.access(UID).kubeconfig == Path.cwd() / "config"
    with pytest.raises(InputError, match="nowhere.json"):
        Intents(tmp_path).access("nowhere")


def test_a_torn_intent_is_named_and_keeps_no_other(tmp_path: Path, intents: Intents) -> None:
    """It cannot come from us (written, then renamed), so a person looks at it."""
    intent = declare(intents)
    (tmp_path / "intents" / "0.json").write_text('{"id": "0', encoding="ascii")
    with pytest.raises(InputError, match=r"0\.json") as caught:
        intents.open()
    assert "rm" in str(caught.value.hint) or "remove" in str(caught.value.hint)
    assert intents.abandoned(intent.expires) == (intent,)


def test_what_was_half_written_is_nothing(tmp_path: Path, intents: Intents) -> None:
    """Killed before the rename."""
    (tmp_path / "intents" / "1.tmp").write_text("{", encoding="ascii")
    assert intents.open() == ()


def test_one_undoes_at_a_time(tmp_path: Path, intents: Intents) -> None:
    """The watchdog waits for `recover`; a killed one's lock is free."""
    program = (
        "import sys\nfrom pathlib import Path\nfrom harness.faults.intents import Intents\n"
        "with Intents(Path(sys.argv[1])).undoing():\n  print('in', flush=True)\n  sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    assert other.stdin is not None
    with other.stdout, other.stdin:
        assert other.stdout.readline() == b"in\n"
        import fcntl

        with (tmp_path / "intents" / "lock").open("w") as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other.kill()
        other.wait(10)
    with intents.undoing():
        pass


def test_an_intent_says_who_made_it(intents: Intents) -> None:
    """This process."""
    intent = intents.declare("run", "t", "e", UID, "x", Nothing(), HOUR)
    assert intent.owner_pid == os.getpid()
