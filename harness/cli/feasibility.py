"""Gathers what rules of feasibility compare: targets, a cluster's settings, measured restores."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from harness.document.mapping import NO_MAPPING, DocumentMapping
from harness.document.markdown import read_markdown
from harness.document.ties import tie
from harness.errors import InputError
from harness.feasibility.examine import examine
from harness.feasibility.finding import Quoted, Word
from harness.feasibility.ground import Ground, MeasuredRestore
from harness.feasibility.show import headline, render
from harness.model.cluster_settings import ControlPlaneSettings
from harness.model.codec import to_indented_json
from harness.model.plan import Plan
from harness.model.target import Kind, Target
from harness.model.workload import HttpWorkload, Workload
from harness.settings import PRACTICE
from harness.store import RunDirectory
from harness.targets import load_targets

if TYPE_CHECKING:
    from harness.drivers.kubernetes import Cluster

NONE_FOUND, CONTRADICTIONS, NOTHING_TO_CHECK = 0, 1, 2


def show_feasibility(  # noqa: PLR0913 - what is compared
    targets_directory: Path,
    *,
    document: Path | None,
    environment: str | None,
    settings: Path,
    suites_directory: Path,  # noqa: ARG001 - every command of targets takes both folders
    runs: Path | None,
    json: bool,
    mapping: DocumentMapping = NO_MAPPING,
) -> int:
    """Prints the contradictions between all targets; the exit code: 0 none, 1 some, 2 nothing to
    check.

    `environment`: one whose cluster is asked for its settings, read-only; None: Kubernetes'
    defaults. `document`: what the lines are taken from, as `mapping` says where it has what; None:
    the targets' own quotes are shown. `runs`: where measured restores are looked for; None: where
    the environment keeps them. Raises the errors of harness.targets, harness.document and
    harness.drivers.kubernetes.
    """
    targets = load_targets(targets_directory)
    ground, grounds = gather(targets, environment=environment, settings=settings, runs=runs)
    found = replace(
        examine(ground),
        grounds=grounds,
        lines={} if document is None else read_lines(targets, document, mapping),
    )
    if json:
        click.echo(to_indented_json(found), nl=False)
    else:
        from rich.console import Console

        console = Console(file=sys.stdout, highlight=False)
        for part in render(found):
            console.print(part)
    if not found.compared:
        if json:
            click.echo(headline(found), err=True)
        return NOTHING_TO_CHECK
    return CONTRADICTIONS if found.of(Word.CONTRADICTION) else NONE_FOUND


def gather(
    targets: tuple[Target, ...], *, environment: str | None, settings: Path, runs: Path | None
) -> tuple[Ground, tuple[str, ...]]:
    """All facts there are, and a line for each kind of them."""
    if environment is None:
        restores, told = measured_restores(runs, None)
        return Ground(targets=targets, restores=restores), (
            "cluster: no environment was given; Kubernetes' defaults are taken, and named so",
            told,
        )
    from harness.cli.environments import environment_named

    found = environment_named(environment, settings)
    restores, told = measured_restores(runs or found.runs, environment)
    ground = Ground(
        targets=targets,
        restores=restores,
        peak_rate=max(
            (
                one.peak_rate
                for one in found.workloads
                if isinstance(one, HttpWorkload) and one.peak_rate is not None
            ),
            default=None,
        ),
    )
    if found.kubernetes is None:
        return ground, (f"cluster: {environment} has none; Kubernetes' defaults are taken", told)
    from harness.cli.game_day_planning import connect, kubernetes_of

    kubernetes = kubernetes_of(environment, found)
    cluster, _ = connect(kubernetes)
    known, read = with_cluster(ground, cluster, found.workloads, kubernetes.control_plane)
    return known, (f"cluster: {environment}, its settings of now", *read, told)


def with_cluster(
    ground: Ground,
    cluster: Cluster,
    workloads: Sequence[Workload],
    control_plane: ControlPlaneSettings | None,
) -> tuple[Ground, tuple[str, ...]]:
    """The same facts with what a cluster is set to, and what of it could not be read."""
    from harness.drivers.autoscaling import read_timings
    from harness.drivers.capacity_settings import read_capacity
    from harness.drivers.cluster_settings import read_settings

    settings = read_settings(cluster, workloads, control_plane=control_plane)
    capacity = read_capacity(cluster)
    unknown = capacity.unknown | {
        f"{one.workload}: {what}": why
        for one in settings.workloads
        for what, why in one.unknown.items()
    }
    return dataclasses.replace(
        ground, settings=settings, capacity=capacity, timings=read_timings(cluster)
    ), tuple(f"not read: {what}: {why}" for what, why in sorted(unknown.items()))


def measured_restores(
    runs: Path | None, environment: str | None
) -> tuple[tuple[MeasuredRestore, ...], str]:
    """The newest fitted line of each kind, and a line of what was found.

    Of one environment only, where one is given; else of any but the practice platform, whose disks
    are nobody's. What cannot be read is told, never taken for slow or quick.
    """
    if runs is None:
        return (), "measured restores: no folder of runs was given"
    newest: dict[Kind, MeasuredRestore] = {}
    unreadable = []
    for path in sorted(runs.glob("*/verdict.json"), key=lambda one: one.parent.name, reverse=True):
        if path.parent.is_symlink():
            continue
        try:
            for one in _predicted(RunDirectory(path.parent), environment):
                newest.setdefault(one.kind, one)
        except InputError as error:
            unreadable.append(str(error))
    told = ", ".join(one.source for one in newest.values())
    return tuple(newest.values()), (
        f"measured restores: {told or f'none in {runs} of three sizes or more'}"
        + (f"; not read: {'; '.join(unreadable)}" if unreadable else "")
    )


def _predicted(run: RunDirectory, environment: str | None) -> Iterator[MeasuredRestore]:
    judgement = run.read_judgement()
    if judgement.environment != environment and (
        environment is not None or judgement.environment == PRACTICE
    ):
        return
    plan = run.read_plan() if judgement.predictions else None
    if not isinstance(plan, Plan):
        return
    kinds = {subject.id: subject.kind for subject in plan.subjects}
    for one in judgement.predictions:
        if one.subject in kinds:
            yield MeasuredRestore(
                kind=kinds[one.subject],
                fixed_s=one.fixed_s,
                per_gb_s=one.per_gb_s,
                source=f"{run.path.name}: {one.subject}, {one.caution}",
            )


def read_lines(
    targets: tuple[Target, ...], document: Path, mapping: DocumentMapping = NO_MAPPING
) -> dict[str, tuple[Quoted, ...]]:
    """Target -> what the document says of it, with its lines; InputError where it cannot be read.

    A line that is quoted and not there any more is told as such, without a number.
    """
    try:
        text = document.read_bytes().decode("utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{document}: cannot be read: {error.strerror}") from error
    lines: dict[str, list[Quoted]] = {}
    for one in tie(read_markdown(text), targets, mapping).ties:
        said = lines.setdefault(one.target, [])
        if not one.statements:
            gone = f"{one.quote}: not in the document any more"
            said.append(Quoted(target=one.target, line=None, text=gone))
        said.extend(
            Quoted(target=one.target, line=there.line, text=there.whole.strip())
            for there in one.statements
        )
    return {
        target: tuple(dict.fromkeys(said))  # the target's own line first
        for target, said in lines.items()
    }
