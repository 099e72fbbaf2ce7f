"""What is done with a run that was judged: sealed, archived, its metrics published, people told.

In this order, as each tells of the one before. Whatever goes wrong with one keeps none of the
others from being done, and the verdict is what it was. Evidence that is not kept ends the command
with exit code 5, when the result was shown; a notice that nobody took is told and no more, since
the dead man's switch is what notices that nobody was told (docs/schedules.md).
"""

from __future__ import annotations

import sys

from harness.cli.archiving import archive_at_its_end
from harness.cli.judging import report_of
from harness.cli.sealing import seal_at_its_end
from harness.errors import HarnessError, InputError
from harness.model.judgement import Judgement
from harness.model.verdict import Verdict
from harness.ports import Clock
from harness.report.openmetrics import read_last_success
from harness.settings import Environment, Metrics
from harness.store import RunDirectory


def after_a_run(run: RunDirectory, judgement: Judgement, told: Environment, clock: Clock) -> None:
    """Does all that the environment asks for; raises nothing but an interruption."""
    if told.seal is not None:
        seal_at_its_end(run, told.seal, clock)
    if told.archive is not None and run.not_kept is None:
        archive_at_its_end(run, told.archive)
    if told.metrics is not None:
        kept = None if told.seal is None else run.not_kept is None
        _publish(run, judgement, told.metrics, kept=kept)
    if told.notify:
        tell(run, told, clock)


def tell(run: RunDirectory, told: Environment, clock: Clock, *, whatever: bool = False) -> int:
    """Tells whoever asked for it; returns how many could not be told. `whatever`: asked or not."""
    from harness.notify.composing import compose
    from harness.notify.sending import named, send, wanted

    before = run.before()
    notice = compose(
        report_of(run),
        path=str(run.path),
        before=_verdict(before),
        last_success=None
        if before is None or not before.metrics.is_file()
        else read_last_success(before.metrics.read_text(encoding="utf-8")),
        not_kept=None if run.not_kept is None else str(run.not_kept),
    )
    failed = 0
    for one in told.notify:
        if not whatever and not wanted(one, notice):
            continue
        try:
            send(one, notice, clock)
        except HarnessError as error:
            failed += 1
            sys.stderr.write(f"NOT TOLD: {error}\n")
        else:
            sys.stderr.write(f"told: {named(one)}\n")
    return failed


def _verdict(run: RunDirectory | None) -> Verdict | None:
    """Of a run that has one that can be read: what became of the one before must not keep this one
    from being told.
    """
    if run is None or not run.verdict.is_file():
        return None
    try:
        return run.read_judgement().verdict
    except InputError:
        return None


def _publish(
    run: RunDirectory, judgement: Judgement, metrics: Metrics, *, kept: bool | None
) -> None:
    from harness.notify.metrics import push, with_evidence, write_textfile

    environment, suite = judgement.environment, judgement.suite
    text = with_evidence(
        run.metrics.read_text(encoding="utf-8"), environment=environment, suite=suite, kept=kept
    )
    try:
        if metrics.textfile is not None:
            path = write_textfile(metrics.textfile, text, environment=environment, suite=suite)
            sys.stderr.write(f"metrics: {path}\n")
    except HarnessError as error:
        sys.stderr.write(f"METRICS NOT WRITTEN: {error}\n")
    try:
        if metrics.pushgateway is not None:
            push(
                metrics.pushgateway,
                text,
                environment=environment,
                suite=suite,
                ca_file=metrics.ca_file,
            )
            sys.stderr.write(f"metrics: pushed to {metrics.pushgateway}\n")
    except HarnessError as error:
        sys.stderr.write(f"METRICS NOT PUSHED: {error}\n")
