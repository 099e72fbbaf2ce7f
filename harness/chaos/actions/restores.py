"""Rehearses a restore in the cluster while something is broken: an S3 region away, for one."""

from __future__ import annotations

import contextlib
import secrets

import msgspec

from harness.chaos import context, facts
from harness.chaos.activity import action
from harness.chaos.injector import Injector, current
from harness.chaos.rehearsal import (
    ended,
    evidence_in,
    findings_of,
    job_of,
    judgement_in,
    regions_of,
)
from harness.chaos.rollback import open_intents
from harness.chaos.targets import whole_number
from harness.drivers.clock import wait_until
from harness.drivers.kubernetes import DRILL_LABEL, label_value
from harness.errors import HarnessError, RecordError, RefusedError, SurroundingsError
from harness.model.fault import StartService
from harness.model.history import RestoreRehearsed

_ENDS_WITHIN_S = 60.0
"""From a Job's own deadline to its being seen ended."""

_ASKS_EVERY_S = 1.0


@action
def rehearse(namespace: str, cronjob: str, scenario: str, within_s: int | str = 600) -> str:
    """Runs one scenario of the CronJob that rehearses restores, and records its own verdict.

    It touches scratch servers only. What kept it from its end is on record as its error, and the
    experiment goes on: clients are watched all the same.
    """
    injector = current()
    context.require_guarded()
    seconds = whole_number("within_s", within_s)
    name = f"{cronjob[:40]}-drill-{secrets.token_hex(3)}"
    fact = RestoreRehearsed(
        trial=injector.config.trial,
        job=f"{namespace}/{name}",
        scenario=scenario,
        began_ns=injector.clock.monotonic_ns(),
        ended_ns=injector.clock.monotonic_ns(),
    )
    try:
        said = _said_by(injector, namespace, cronjob, name, scenario, seconds)
        fact = msgspec.structs.replace(
            fact, ended_ns=injector.clock.monotonic_ns(), evidence=evidence_in(said)
        )
        judgement = judgement_in(said)
    except RecordError:
        raise
    except HarnessError as error:
        fact = msgspec.structs.replace(
            fact, ended_ns=injector.clock.monotonic_ns(), error=str(error)
        )
        injector.note_failure(fact.job, f"rehearsing {scenario}", str(error))
    else:
        away, back = _still_away(injector)
        fact = msgspec.structs.replace(
            fact,
            regions=regions_of(judgement, scenario),
            findings=findings_of(judgement, scenario),
            away=away,
            back=back,
        )
    facts.append(injector.config.facts, fact)
    return f"{fact.job}: {fact.error or fact.evidence or 'ended'}"


def _said_by(  # noqa: PLR0913 - which Job, and for how long
    injector: Injector, namespace: str, cronjob: str, name: str, scenario: str, within_s: int
) -> str:
    """All that the Job's pod wrote, when it has ended; the Job is then gone."""
    found = injector.cluster.get_object("batch/v1", "CronJob", namespace, cronjob)
    if found is None:
        raise RefusedError(
            f"cronjob {namespace}/{cronjob}: not there, expected one that rehearses restores",
            hint="configuration of the experiment: namespace, cronjob",
        )
    labels = {DRILL_LABEL: label_value(injector.config.run)}
    injector.cluster.create_object(job_of(found, namespace, name, scenario, within_s, labels))
    try:
        wait_until(
            lambda: _has_ended(injector, namespace, name),
            within_s=within_s + _ENDS_WITHIN_S,
            what=f"the end of job {namespace}/{name}",
            every_s=_ASKS_EVERY_S,
        )
        pods = injector.cluster.pods(namespace, f"job-name={name}")
        if len(pods) != 1:
            raise SurroundingsError(f"job {namespace}/{name}: got {len(pods)} pods, expected one")
        return injector.cluster.log(namespace, pods[0].name)
    finally:
        with contextlib.suppress(HarnessError):  # it ends and goes by itself
            injector.cluster.delete_object("batch/v1", "Job", namespace, name)


def _has_ended(injector: Injector, namespace: str, name: str) -> bool:
    try:
        job = injector.cluster.get_object("batch/v1", "Job", namespace, name)
    except SurroundingsError:
        return False  # what answers here may be what was broken
    if job is None:
        raise RefusedError(f"job {namespace}/{name}: deleted by somebody else")
    return ended(job)


def _still_away(injector: Injector) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the services that the experiment keeps down: those that are, and those that are not."""
    away: list[str] = []
    back: list[str] = []
    for intent in open_intents(injector):
        stopped = intent.inverse
        if isinstance(stopped, StartService):
            with contextlib.suppress(HarnessError):  # then nobody looked, and the judge says so
                down = injector.nodes.service_is_down(stopped.node, stopped.service)
                (away if down else back).append(f"{stopped.service} of {stopped.node}")
    return tuple(away), tuple(back)
