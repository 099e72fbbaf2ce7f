"""Undoes what a harness that is gone, or that hangs, has broken: on its host, and in the cluster.

On the host: a detached process that looks at the intents on disk; it ends when the drill's process
is gone and nothing is left to undo. In the cluster: a Deployment (deploy/watchdog) that looks at
their mirror, for where the whole host is gone. It undoes after the expiry what the API alone can.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from harness.drivers import process
from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError, HealError
from harness.faults import mirror, owners
from harness.faults.healing import Healing
from harness.faults.inverses import Healer
from harness.model.fault import Intent, Nothing, RemoveRoutes, RestoreObject, Uncordon
from harness.ports import Clock

Say = Callable[[str], None]

EVERY_S = 0.5
GIVES_UP_AFTER = timedelta(minutes=30)
"""Without its drill, and with something that cannot be put back: `harness recover` is next."""

_BACK_OFF_S = (1.0, 5.0, 15.0, 60.0)
_CLUSTER_EVERY_S = 5.0


def start(state: Path, argv: tuple[str, ...]) -> int:
    """Starts the watchdog of this process, detached from it; its process id.

    `argv` begins with the program: `python -m harness`. Its words go to `watchdog.log`.
    """
    pid, started = owners.me()
    child = process.start(
        (
            *argv,
            *("watchdog", "--state", state),
            *("--owner-pid", str(pid), "--owner-started", repr(started)),
        ),
        directory=state,
        log=state / "watchdog.log",
    )
    return child.pid


def watch(
    healing: Healing,
    owner_lives: Callable[[], bool],
    say: Say,
    *,
    clock: Clock | None = None,
    pause: Callable[[float], None],
) -> None:
    """Undoes expired intents, and all of dead processes when the drill itself is gone. Ends when
    it is, and none is open.

    Raises HealError where something could not be put back for half an hour after that, and
    InputError where a torn intent is left.
    """
    clock = clock or HostClock()
    failures = 0
    alone_since: datetime | None = None
    while True:
        now = clock.now().utc
        alive = owner_lives()
        # As long as the drill lives, what a dead experiment of it left is for the drill to undo and
        # to record.
        due = healing.intents.expired(now) if alive else healing.intents.abandoned(now)
        facts = healing.undo(due)
        for one in facts:
            say(f"{one.action}: {one.error or one.witness}")
        failed = [one.error for one in facts if one.error is not None]
        failures = failures + 1 if failed else 0
        if not alive:
            alone_since = alone_since or now
            if not healing.intents.readable():
                healing.intents.open()  # raises where a torn one is left
                return
            if failed and now - alone_since >= GIVES_UP_AFTER:
                raise HealError("; ".join(failed), hint="harness recover")
        pause(_BACK_OFF_S[min(failures, len(_BACK_OFF_S)) - 1] if failures else EVERY_S)


def undo_expired(cluster: Cluster, helper_image: str, now: datetime, say: Say) -> int:
    """Undoes the expired intents that a cluster's API alone can undo, newest first; how many could
    not be.

    What needs the machines' provider is left, with its ConfigMap: `harness recover` has one.
    """
    intents, torn = mirror.found_in(cluster)
    for one in torn:
        say(f"torn: {one}")
    healer = Healer(
        cluster=cluster,
        provider=None,
        helper_image=helper_image,
        within=timedelta(minutes=1),
    )
    failed = len(torn)
    for intent in reversed(intents):
        if intent.expires <= now and _by_the_api_alone(intent):
            failed += not _undone(intent, healer, cluster, say)
    return failed


def watch_cluster(
    cluster: Cluster,
    helper_image: str,
    say: Say,
    *,
    pause: Callable[[float], None],
    clock: Clock | None = None,
) -> None:
    """`undo_expired` again and again, for ever: a failure of the API is said, and tried again."""
    clock = clock or HostClock()
    while True:
        try:
            undo_expired(cluster, helper_image, clock.now().utc, say)
        except HarnessError as error:
            say(str(error))
        pause(_CLUSTER_EVERY_S)


def _by_the_api_alone(intent: Intent) -> bool:
    return isinstance(intent.inverse, Uncordon | RestoreObject | RemoveRoutes | Nothing)


def _undone(intent: Intent, healer: Healer, cluster: Cluster, say: Say) -> bool:
    try:
        witness = healer.undo(intent)
        mirror.ConfigMapMirror(lambda _uid: cluster).remove(intent)
    except HarnessError as error:
        say(f"{intent.action}: {error}")
        return False
    say(f"{intent.action}: {witness}")
    return True
