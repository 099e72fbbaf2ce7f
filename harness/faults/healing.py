"""Undoes intents, newest first, each by one process at a time, and goes on after a failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from harness.drivers.clock import HostClock
from harness.drivers.kubernetes import Cluster, OtherClusterError
from harness.errors import HarnessError, HealError, SurroundingsError
from harness.faults.intents import Intents
from harness.faults.inverses import WITHIN, Healer
from harness.faults.mirror import ConfigMapMirror
from harness.model.cluster import ClusterAccess
from harness.model.fault import Intent
from harness.model.history import RolledBack
from harness.ports import Clock, NodeProvider

ChooseProvider = Callable[[str, Cluster], NodeProvider]
"""harness.nodes.choose: given here, since what heals depends on nothing that breaks."""


class Healing:
    """Undoes what stands in a state directory, in whichever clusters that is."""

    def __init__(
        self,
        state: Path,
        choose: ChooseProvider,
        *,
        clock: Clock | None = None,
        every_s: float = 0.5,
        within: timedelta = WITHIN,
    ) -> None:
        """Connects to a cluster when there is something of it to undo. For each step it looks every
        `every_s` seconds, for as long as `within`.
        """
        self.intents = Intents(state, mirror=ConfigMapMirror(self.cluster))
        self._choose = choose
        self._clock = clock or HostClock()
        self._every_s = every_s
        self._within = within
        self._clusters: dict[str, Cluster] = {}

    def undo(self, chosen: Sequence[Intent]) -> tuple[RolledBack, ...]:
        """Puts them back, the newest first; a fact for each that was still to be undone.

        One that fails has `error` in its fact, and stays.
        """
        facts = []
        for intent in reversed(chosen):
            with self.intents.undoing():
                if self.intents.is_open(intent):
                    facts.append(self._undo(intent))
        return tuple(facts)

    def cluster(self, uid: str) -> Cluster:
        """By the access that was written down with its first intent; not asked yet."""
        if uid not in self._clusters:
            access = self.intents.access(uid)
            self._clusters[uid] = Cluster.connect(access.kubeconfig, access.identity.context)
        return self._clusters[uid]

    def _undo(self, intent: Intent) -> RolledBack:
        started_ns = self._clock.monotonic_ns()
        witness, failure = "", None
        try:
            access = self.intents.access(intent.cluster_uid)
            if self._is_gone(access):
                witness = "the lab that it was done to does not exist any more"
                self.intents.forget(intent)
            else:
                witness = self._healer(access).undo(intent)
                self.intents.done(intent)
        except HarnessError as error:
            failure = f"{error} (written down in {self.intents.path(intent)})"
        return RolledBack(
            trial=intent.trial,
            action=intent.action,
            started_ns=started_ns,
            ended_ns=self._clock.monotonic_ns(),
            witness=witness,
            error=failure,
        )

    def _is_gone(self, access: ClusterAccess) -> bool:
        """There is one lab in a state directory: its kubeconfig goes with it, and the next has
        another identity. Of no other cluster can it be known that it does not come back.
        """
        if access.provider != "lab":
            return False
        if not access.kubeconfig.exists():
            return True
        try:
            self.cluster(access.identity.uid).require(access.identity.uid)
        except OtherClusterError:
            return True
        except SurroundingsError:
            return False
        return False

    def _healer(self, access: ClusterAccess) -> Healer:
        cluster = self.cluster(access.identity.uid)
        return Healer(
            cluster=cluster,
            provider=self._choose(access.provider, cluster),
            helper_image=access.helper_image,
            every_s=self._every_s,
            within=self._within,
        )


def required(facts: Sequence[RolledBack]) -> tuple[RolledBack, ...]:
    """The same facts; HealError that names all that could not be put back."""
    failed = [one.error for one in facts if one.error is not None]
    if failed:
        raise HealError("; ".join(failed), hint="harness recover  # tries again")
    return tuple(facts)
