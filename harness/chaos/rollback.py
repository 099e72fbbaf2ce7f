"""Puts back all that an experiment broke, in reverse order, whatever fails meanwhile."""

from __future__ import annotations

from harness.chaos import facts
from harness.chaos.activity import rollback
from harness.chaos.injector import Injector, current
from harness.drivers.clock import wait_until
from harness.errors import (
    DeadlineExceededError,
    HarnessError,
    HealError,
    RecordError,
    SurroundingsError,
)
from harness.faults.inverses import Healer
from harness.model.fault import Intent
from harness.model.history import RolledBack

_FORGOTTEN_WITHIN_S = 60.0
"""A leader of etcd is elected within seconds; a machine of the control plane boots in less."""


@rollback
def undo_all() -> list[str]:
    """Undoes this trial's intents; what each was seen back by.

    All are tried. Raises HealError that names those that are still broken, after all were: their
    intents stay, for `harness recover`.
    """
    injector = current()
    healer = Healer(
        cluster=injector.cluster,
        provider=injector.nodes,
        helper_image=injector.config.cluster.helper_image,
    )
    done: list[str] = []
    errors: list[str] = []
    with injector.intents.undoing():
        for intent in reversed(open_intents(injector)):
            witness, error = undo(injector, healer, intent)
            if error is None:
                done.append(f"{intent.action}: {witness}")
            else:
                errors.append(error)
    if errors:
        raise HealError("; ".join(errors), hint="harness recover")
    return done


def open_intents(injector: Injector) -> tuple[Intent, ...]:
    """Those of this trial that were not undone, in the order of their mutations."""
    config = injector.config
    return tuple(
        intent
        for intent in injector.intents.open()
        if intent.run == config.run and intent.trial == config.trial
    )


def undo(injector: Injector, healer: Healer, intent: Intent) -> tuple[str, str | None]:
    """Undoes one intent, forgets and records it: who saw it back, and the error where nobody did.

    Recorded first: an intent that is forgotten was undone by somebody, and the fact says by whom.
    """
    started_ns = injector.clock.monotonic_ns()
    witness, error = "", None
    try:
        witness = healer.undo(intent)
    except HarnessError as failure:
        error = str(failure)
    try:
        facts.append(
            injector.config.facts,
            RolledBack(
                trial=injector.config.trial,
                action=intent.action,
                started_ns=started_ns,
                ended_ns=injector.clock.monotonic_ns(),
                witness=witness,
                error=error,
            ),
        )
        if error is None:
            _forget(injector, intent)
    except RecordError as failure:
        error = error or str(failure)
    except HarnessError as failure:
        error = f"{intent.action}: put back, and its intent could not be taken away: {failure}"
    return witness, error


def _forget(injector: Injector, intent: Intent) -> None:
    """Takes the intent away, in the cluster too: its API may be just coming back."""
    last: list[SurroundingsError] = []

    def forgotten() -> bool:
        try:
            injector.intents.done(intent)
        except SurroundingsError as error:
            last[:] = [error]
            return False
        return True

    try:
        wait_until(
            forgotten, within_s=_FORGOTTEN_WITHIN_S, what="the intent taken away", every_s=0.5
        )
    except DeadlineExceededError as error:
        raise last[0] from error
