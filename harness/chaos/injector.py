"""Breaks what an action chose: guards, intent on disk, mutation, witness, fact; in this order.

Killed after any of these steps, the process leaves an intent from which what it broke is put back,
or nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from harness.chaos import context, facts
from harness.chaos.context import ExperimentConfig
from harness.chaos.quorums import quorums_of
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError, RecordError, RefusedError, SurroundingsError
from harness.faults.guards import refusals
from harness.faults.intents import Intents
from harness.model.blow import Blow
from harness.model.cluster import State
from harness.model.fault import Intent, Inverse
from harness.model.history import FaultInjected, GuardsChecked, StepFailed
from harness.model.instant import Bracket
from harness.ports import Clock, NodeProvider

ROLLBACK_WITHIN = timedelta(minutes=10)
"""How long after the end of `hold` an intent expires: our own rollbacks have that long before
somebody else thinks that nobody does them."""

Witnessed = tuple[Bracket, str]
"""When an effect was seen, and by whom."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing to be broken, how it is put back, and who sees that it is broken."""

    subject: str
    """`pod:shop/orders-0`, `node:worker-2`, `zone:zone-3`, ...: as in the fact."""

    action: str
    """In words: `power cut of worker-2`."""

    inverses: tuple[Inverse, ...]
    strike: Callable[[], Witnessed | None]
    """Breaks it; None where the effect is to be looked for by `seen`."""

    seen: Callable[[], str | None] = lambda: None
    """Who sees the effect now; None: nobody yet."""

    within_s: float = 60.0
    """How long `seen` is asked."""

    refuses_untouched: bool = False
    """Whether a RefusedError of `strike` means that nothing was touched, as of a NodeProvider."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injector:
    """The means of one experiment's process."""

    config: ExperimentConfig
    cluster: Cluster
    nodes: NodeProvider
    intents: Intents
    clock: Clock

    def inject(self, blow: Blow, faults: Sequence[Fault]) -> tuple[str, ...]:
        """Breaks all of it, at once where it is more than one; a line for each, with its witness.

        Raises RefusedError, before anything is touched, where a guard refuses; the error of the
        first fault that failed or was not seen, after all were tried and recorded.
        """
        self.guard(blow)
        return self.break_all(faults)

    def break_all(self, faults: Sequence[Fault]) -> tuple[str, ...]:
        """As `inject`, of what is no part of the cluster: no guard of the cluster knows it."""
        context.require_guarded()
        declared = [
            [self.declare(fault.action, inverse) for inverse in fault.inverses] for fault in faults
        ]
        with ThreadPoolExecutor(max_workers=len(faults)) as pool:
            outcomes = list(pool.map(self._perform, faults, declared))
        for outcome in outcomes:
            if isinstance(outcome, HarnessError):
                raise outcome
        return tuple(outcome for outcome in outcomes if isinstance(outcome, str))

    def guard(self, blow: Blow) -> State:
        """The cluster's state, where all guards let the blow pass; else RefusedError. Recorded."""
        context.require_guarded()
        state = self.cluster.state()
        whole = quorums_of(blow, state, self.config.workloads, self.cluster, self.nodes)
        refused = refusals(state, self.config.caps, whole)
        facts.append(
            self.config.facts,
            GuardsChecked(
                trial=self.config.trial,
                passed=() if refused else (f"{blow.action}: within the caps",),
                refused=refused,
            ),
        )
        if refused:
            raise RefusedError("; ".join(refused), hint="harness plan SUITE -e ENVIRONMENT")
        return state

    def record(self, subject: str, witnessed: Witnessed | None) -> None:
        """The fact, on disk; without a bracket where no witness saw the fault."""
        bracket, witness = witnessed if witnessed is not None else (None, "")
        facts.append(
            self.config.facts,
            FaultInjected(
                trial=self.config.trial,
                subject=subject,
                assumed=False,
                bracket=bracket,
                wall=self.clock.now().utc,
                witness=witness,
            ),
        )

    def note_failure(self, subject: str, step: str, error: str) -> None:
        """The fact that a part of a fault did not come about, while the rest of it did."""
        facts.append(
            self.config.facts,
            StepFailed(trial=self.config.trial, subject=subject, step=step, error=error),
        )

    def witnessed(
        self, before_ns: int, seen: Callable[[], str | None], *, within_s: float, what: str
    ) -> Witnessed:
        """Waits until somebody sees it; DeadlineExceededError where nobody does."""

        def look() -> str | None:
            try:
                return seen()
            except SurroundingsError:
                return None  # what answers here may be what was broken

        witness = wait_until(look, within_s=within_s, what=f"{what}: seen by a witness")
        return Bracket(earliest_ns=before_ns, latest_ns=self.clock.monotonic_ns()), witness

    def declare(self, action: str, inverse: Inverse) -> Intent:
        """Writes down what is about to be broken; only after `guard`."""
        config = self.config
        return self.intents.declare(
            run=config.run,
            trial=config.trial,
            environment=config.environment,
            cluster_uid=config.cluster.identity.uid,
            action=action,
            inverse=inverse,
            lasts=config.deadline + ROLLBACK_WITHIN,
        )

    def _perform(self, fault: Fault, intents: Sequence[Intent]) -> str | HarnessError:
        """One fault and its fact; its error is a value, so that the others are not forgotten."""
        before_ns = self.clock.monotonic_ns()
        try:
            witnessed = fault.strike() or self.witnessed(
                before_ns, fault.seen, within_s=fault.within_s, what=fault.action
            )
            self.record(fault.subject, witnessed)
        except RecordError as error:
            return error
        except HarnessError as error:
            if fault.refuses_untouched and isinstance(error, RefusedError):
                for intent in intents:
                    self.intents.done(intent)
            else:
                self.record(fault.subject, None)
            return error
        return f"{fault.action}: {witnessed[1]}"


_current: Injector | None = None


def enter(injector: Injector | None) -> None:
    """Makes it this process's; None: the next `current` makes one anew."""
    global _current  # noqa: PLW0603 - Chaos Toolkit calls actions by name, with no context
    _current = injector


def current() -> Injector:
    """This process's, made from what it was told (harness.chaos.context).

    Raises RefusedError where there is no drill, or the cluster is another one.
    """
    global _current  # noqa: PLW0603 - as above
    if _current is None:
        from harness.faults.mirror import mirrored
        from harness.nodes import choose

        config = context.current()
        cluster = Cluster.of(config.cluster)
        _current = Injector(
            config=config,
            cluster=cluster,
            nodes=choose(config.cluster.provider, cluster, state=config.state),
            intents=mirrored(config.state, cluster, config.cluster),
            clock=HostClock(),
        )
    return _current
