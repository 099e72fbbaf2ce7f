"""Says which ways in a trial asked for, and what was recorded of each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.judge.game_day import pubsub
from harness.judge.game_day.evidence import GameDayRun, of_trial
from harness.model.game_day import ExperimentTrial, Way, ways_of
from harness.model.history import Observation, ProbesRecorded, SubscriptionsRecorded
from harness.model.workload import KUBERNETES


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One class of answers of one trial."""

    subject: str
    probe_class: str
    way: Way | None
    observations: Sequence[Observation]
    interval_ns: int
    timeout_ns: int
    sequence: int
    """Of the fact that records it."""


def asked(run: GameDayRun, trial: ExperimentTrial) -> dict[str, tuple[Way, ...]]:
    """Subject -> the ways in that must recover in the trial; subjects with none are left out."""
    found = {
        one.id: tuple(way for way in ways_of(one) if way in trial.ways)
        for one in run.plan.workloads
    }
    found[KUBERNETES] = (Way.API,) if Way.API in trial.ways else ()
    return {subject: ways for subject, ways in found.items() if ways}


def judged(probed: Probed, trial: ExperimentTrial) -> bool:
    """Whether a class must recover; one that does not say which way in it asks, must."""
    return probed.way is None or probed.way in trial.ways


def recorded(run: GameDayRun, trial: ExperimentTrial) -> list[Probed]:
    """What was recorded of a trial, each file once, by subject and class."""
    found: dict[tuple[str, str], Probed] = {}
    for one in of_trial(run.history, trial, ProbesRecorded):
        found[one.fact.file, ""] = Probed(
            subject=one.fact.subject,
            probe_class=one.fact.probe_class,
            way=one.fact.way,
            observations=run.history.observations.get(one.fact.file, ()),
            interval_ns=one.fact.interval_ns,
            timeout_ns=one.fact.timeout_ns,
            sequence=one.sequence,
        )
    for heard in of_trial(run.history, trial, SubscriptionsRecorded):
        events = run.subscriptions.get(heard.fact.file, ())
        for subscriber in heard.fact.subscribers:
            found[heard.fact.file, subscriber] = Probed(
                subject=heard.fact.subject,
                probe_class=pubsub.probe_class(heard.fact.subject, subscriber),
                way=Way.PUBSUB,
                observations=pubsub.as_observations(events, subscriber),
                interval_ns=heard.fact.interval_ns,
                timeout_ns=pubsub.TIMEOUT_NS,
                sequence=heard.sequence,
            )
    order = [*(workload.id for workload in run.plan.workloads), KUBERNETES]
    rank = {subject: number for number, subject in enumerate(order)}
    order_of_ways = [*Way, None]
    return sorted(
        found.values(),
        key=lambda one: (
            rank.get(one.subject, len(rank)),
            one.subject,
            order_of_ways.index(one.way),
            one.probe_class,
        ),
    )


def missing(
    run: GameDayRun, trial: ExperimentTrial, by_trial: Mapping[str, Sequence[Probed]]
) -> dict[str, tuple[str, ...]]:
    """Subject -> what must have been probed of it in a trial, and was not.

    `by_trial`: what was recorded of each trial of the run. A shard that was probed in another trial
    is missed in this one.
    """
    found: dict[str, tuple[str, ...]] = {}
    here = by_trial.get(trial.id, ())
    everywhere = {
        (one.subject, one.probe_class)
        for other in run.plan.trials
        for one in by_trial.get(other.id, ())
        if judged(one, trial) and judged(one, other)
    }
    for subject, wanted in asked(run, trial).items():
        names = {one.probe_class for one in here if one.subject == subject}
        got = {one.way for one in here if one.subject == subject}
        absent = [
            f"nothing is on record of the way in {way}"
            for way in wanted
            if way not in got and None not in got
        ]
        if names:
            absent += [
                f"nothing is on record of {name}, which other trials probed"
                for name in sorted(
                    name for whose, name in everywhere if whose == subject and name not in names
                )
            ]
        found[subject] = tuple(absent)
    return found
