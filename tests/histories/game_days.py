"""Tiny constructors of game days, so that a test of a judge says only what it is about.

Everything defaults to a pod of `orders` that is deleted and back after two seconds, by itself; a
test changes the one thing that it is about. Times are seconds after the fault.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
from constructors import FAULT_NS, NOW, RPO, RTO, SECOND, ledger, rows, target
from msgspec.structs import replace
from numpy.typing import NDArray

from harness.judge.game_day.compose import judge_game_day
from harness.ledger.journal import Journal
from harness.model.cluster import Identity
from harness.model.game_day import (
    Caps,
    Expected,
    ExperimentTrial,
    GameDayPlan,
    ManualStep,
    Way,
)
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    Entry,
    Event,
    ExperimentEnded,
    FaultInjected,
    GuardsChecked,
    History,
    HypothesisMeasured,
    LedgerCopied,
    LedgerReadBack,
    ManualStepEnded,
    Milestone,
    MilestoneSeen,
    Observation,
    Outcome,
    ProbesRecorded,
    RolledBack,
    RunEnded,
    SubscriptionsRecorded,
    TrialEnded,
    TrialStarted,
)
from harness.model.instant import Bracket, Instant
from harness.model.judgement import Judgement
from harness.model.subscription import (
    Published,
    Received,
    Subscribed,
    SubscriptionEvent,
    Unsubscribed,
)
from harness.model.target import Kind, Target
from harness.model.verdict import Finding
from harness.model.workload import (
    BrokerWorkload,
    HttpWorkload,
    PostgresqlWorkload,
    RedisWorkload,
    Workload,
)

ORDERS = PostgresqlWorkload(
    id="orders", namespace="infra", pods="app=postgresql", service="postgresql-primary"
)
CARTS = RedisWorkload(id="carts", namespace="infra", pods="app=redis", service="redis")
EVENTS = BrokerWorkload(id="events", namespace="infra", pods="app=broker", service="broker")
CHECKOUT = HttpWorkload(id="checkout", namespace="shop", pods="app=checkout", service="checkout")

NEW = "orders: write on a new connection"
KEPT = "orders: write on a kept connection"
API = "kubernetes: read of the API"

RTO_TARGET = target(RTO, Kind.POSTGRESQL, Kind.REDIS, Kind.BROKER, Kind.SERVICE, Kind.KUBERNETES)
RPO_TARGET = target(RPO, Kind.POSTGRESQL, Kind.REDIS)

_DATABASE = (Way.POSTGRESQL_NEW,)


def trial(
    number: int = 1,
    *,
    scenario: str = "pod-delete",
    ways: Sequence[Way] = _DATABASE,
    expected: Sequence[Expected] = (),
    manual: Sequence[ManualStep] = (),
) -> ExperimentTrial:
    """`<scenario>-<number>`, watched for ten minutes."""
    return ExperimentTrial(
        id=f"{scenario}-{number}",
        scenario=scenario,
        title=scenario.replace("-", " ").capitalize(),
        experiment=scenario,
        digest="0" * 64,
        configuration={},
        ways=tuple(ways),
        observe=timedelta(seconds=20),
        watch=timedelta(minutes=10),
        pause=timedelta(0),
        delay=timedelta(seconds=3),
        seed=number,
        expected=tuple(expected),
        manual=tuple(manual),
    )


def plan(
    *trials: ExperimentTrial,
    workloads: Sequence[Workload] = (ORDERS,),
    targets: Sequence[Target] = (replace(RTO_TARGET, covers=(Kind.POSTGRESQL,)), RPO_TARGET),
    opening: Sequence[ManualStep] = (),
) -> GameDayPlan:
    """A plan of those trials; right answers must last two seconds."""
    return GameDayPlan(
        suite="game-day",
        title="Game day",
        environment="test",
        cluster=Identity(context="lab", server="https://10.0.0.1:6443", uid="u-1", version="v1.34"),
        sustained=timedelta(seconds=2),
        steady=timedelta(seconds=5),
        caps=Caps(),
        workloads=tuple(workloads),
        targets=tuple(targets),
        trials=tuple(trials),
        opening=tuple(opening),
        closing=(),
        blast_radius=(),
    )


def at(second: float, of: ExperimentTrial | None = None) -> int:
    """A monotonic instant, after the fault of that trial; trials are a thousand seconds apart."""
    return FAULT_NS + round((second + _offset_s(of)) * SECOND)


def _offset_s(of: ExperimentTrial | None) -> float:
    return 0 if of is None else (of.seed - 1) * 1_000


def entry(sequence: int, second: float, fact: Event, *, wall_off_s: float = 0) -> Entry:
    """One line of the history, recorded at that second after the fault."""
    return Entry(
        sequence=sequence,
        at=Instant(
            monotonic_ns=at(second), utc=NOW + timedelta(seconds=round(second + wall_off_s, 6))
        ),
        fact=fact,
    )


def answers(
    *down: tuple[float, float],
    of: ExperimentTrial | None = None,
    from_s: float = -10,
    until_s: float = 56,
    blind: tuple[float, float] | None = None,
) -> tuple[Observation, ...]:
    """Right answers every tenth of a second but while `down`; none at all while `blind`."""
    found = []
    for number in range(round(from_s * 10), round(until_s * 10)):
        second = number / 10
        if blind is not None and blind[0] <= second < blind[1]:
            continue
        wrong = any(start <= second < end for start, end in down)
        found.append(
            Observation(
                scheduled_ns=at(second, of),
                started_ns=at(second, of) + 20_000,
                ended_ns=at(second, of) + 1_500_000,
                outcome=Outcome.FAIL if wrong else Outcome.OK,
                detail="connection refused" if wrong else "",
            )
        )
    return tuple(found)


def probed(
    of: ExperimentTrial,
    probe_class: str = NEW,
    way: Way | None = Way.POSTGRESQL_NEW,
    subject: str = "orders",
) -> ProbesRecorded:
    """One prober's file."""
    return ProbesRecorded(
        trial=of.id,
        subject=subject,
        probe_class=probe_class,
        file=f"{of.id}-{probe_class}.jsonl",
        interval_ns=SECOND // 10,
        timeout_ns=SECOND,
        way=way,
    )


def broken(
    of: ExperimentTrial, *, witnessed: bool = True, subject: str = "pod:infra/postgresql-0"
) -> FaultInjected:
    """The fault, seen within 10 ms."""
    return FaultInjected(
        trial=of.id,
        subject=subject,
        assumed=False,
        bracket=Bracket(earliest_ns=at(0, of), latest_ns=at(0.01, of)) if witnessed else None,
        wall=NOW,
        witness="its container is gone from the node" if witnessed else "",
    )


def rolled_back(
    of: ExperimentTrial,
    start_s: float = 30,
    *,
    witness: str = "pod postgresql-0, uid 5e2f, Ready",
    error: str | None = None,
    action: str = "delete pod infra/postgresql-0",
) -> RolledBack:
    """A rollback of a second."""
    return RolledBack(
        trial=of.id,
        action=action,
        started_ns=at(start_s, of),
        ended_ns=at(start_s + 1, of),
        witness=witness,
        error=error,
    )


def read(
    of: ExperimentTrial,
    count: int,
    second: float,
    *,
    early: bool = False,
    subject: str = "orders",
) -> LedgerReadBack:
    """A read-back that began at that second."""
    return LedgerReadBack(
        trial=of.id,
        subject=subject,
        file=f"{of.id}-{subject}-{'early' if early else 'final'}.npy",
        rows=count,
        server="10.1.0.4:5432, system 7301, primary, timeline 2",
        early=early,
        began_ns=at(second, of),
    )


def journal(trials: int = 1, *, down_s: float = 3) -> Journal:
    """An acknowledged write every tenth of a second, from a minute before the first fault to a
    minute after the last, but while the server is down.
    """
    until = 10 * ((trials - 1) * 1_000 + 60)
    tenths = np.arange(-600, until, dtype=np.int64)
    tenths = tenths[(tenths < 0) | (tenths % 10_000 >= down_s * 10)]
    before_ns = tenths * (SECOND // 10) - SECOND // 50
    base = ledger(len(tenths))
    wall_ns, took_ns = int(NOW.timestamp()) * SECOND, SECOND // 500
    return dataclasses.replace(
        base,
        invoked_ns=FAULT_NS + before_ns,
        completed_ns=FAULT_NS + before_ns + took_ns,
        invoked_wall_ns=wall_ns + before_ns,
        completed_wall_ns=wall_ns + before_ns + took_ns,
        server_us=(wall_ns + before_ns + took_ns // 2) // 1000,
    )


def kept(
    journal_of: Journal,
    until_s: float,
    of: ExperimentTrial | None = None,
    *,
    without: tuple[float, float] | None = None,
) -> NDArray[Any]:
    """The rows acknowledged by that second, but for those invoked between two others."""
    mask = journal_of.completed_ns <= at(until_s, of)
    if without is not None:
        start, end = at(without[0], of), at(without[1], of)
        mask &= ~((journal_of.invoked_ns >= start) & (journal_of.invoked_ns < end))
    return rows(journal_of)[mask]


class Day:
    """A game day under construction: facts, observations and ledgers, trial after trial."""

    def __init__(self, plan_of: GameDayPlan) -> None:
        self.plan = plan_of
        self.facts: list[tuple[float, float, Event]] = []
        self.observations: dict[str, tuple[Observation, ...]] = {}
        self.ledgers: dict[str, Journal] = {}
        self.read_backs: dict[str, NDArray[Any]] = {}
        self.subscriptions: dict[str, tuple[SubscriptionEvent, ...]] = {}
        self._trial: ExperimentTrial | None = None

    def add(self, second: float, fact: Event, *, wall_off_s: float = 0) -> Day:
        """One fact of the trial that was begun last."""
        self.facts.append((second + _offset_s(self._trial), wall_off_s, fact))
        return self

    def drop(self, kind: type[Event]) -> Day:
        """Without the facts of one kind."""
        self.facts = [one for one in self.facts if not isinstance(one[2], kind)]
        return self

    def change(self, kind: type[Event], **changes: object) -> Day:
        """The facts of one kind with other fields."""
        self.facts = [
            (second, off, replace(fact, **changes) if isinstance(fact, kind) else fact)
            for second, off, fact in self.facts
        ]
        return self

    def change_last(self, kind: type[Event], **changes: object) -> Day:
        """The last fact of one kind with other fields."""
        last = max(number for number, one in enumerate(self.facts) if isinstance(one[2], kind))
        second, off, fact = self.facts[last]
        self.facts[last] = (second, off, replace(fact, **changes))
        return self

    def probe(
        self,
        of: ExperimentTrial,
        seen: Sequence[Observation],
        probe_class: str = NEW,
        way: Way | None = Way.POSTGRESQL_NEW,
        subject: str = "orders",
    ) -> Day:
        """One way in, watched until the end of the trial."""
        fact = probed(of, probe_class, way, subject)
        self.observations[fact.file] = tuple(seen)
        return self.add(56, fact)

    def ledger_of(
        self,
        of: ExperimentTrial,
        written: Journal,
        *,
        early: NDArray[Any] | None,
        final: NDArray[Any] | None,
        subject: str = "orders",
    ) -> Day:
        """A ledger read back at 20 s and at 55 s; None: not read."""
        self.ledgers[subject] = written
        for found, second, first in ((early, 20.0, True), (final, 55.0, False)):
            if found is not None:
                fact = read(of, len(found), second, early=first, subject=subject)
                self.read_backs[fact.file] = found
                self.add(second + 0.5, fact)
        return self

    def only(self, of: ExperimentTrial) -> Day:
        """What is added next is of that trial; nothing of it is on record yet."""
        self._trial = of
        return self

    def begin(self, of: ExperimentTrial) -> Day:
        """All before the fault went well."""
        self.only(of)
        self.add(-12, TrialStarted(trial=of.id))
        self.add(-11, GuardsChecked(trial=of.id, passed=("context", "quorum"), refused=()))
        return self.add(
            -0.5,
            HypothesisMeasured(trial=of.id, when="before", met=True, probes=("writes: True",)),
        )

    def end(self, of: ExperimentTrial) -> Day:
        """All after it went well."""
        self.add(
            29, HypothesisMeasured(trial=of.id, when="after", met=True, probes=("writes: True",))
        )
        self.add(32, ExperimentEnded(trial=of.id, exit_code=0, journal=f"{of.id}.json"))
        self.add(57, ClusterCompared(trial=of.id, examined=812))
        return self.add(58, TrialEnded(trial=of.id))

    def history(self) -> History:
        """In the order of time."""
        ordered = sorted(self.facts, key=lambda one: one[0])
        return History(
            entries=tuple(
                entry(number, second, fact, wall_off_s=off)
                for number, (second, off, fact) in enumerate(ordered)
            ),
            observations=self.observations,
        )

    def judged(self) -> Judgement:
        """What the judges say."""
        return judge_game_day(
            self.plan, self.history(), self.ledgers, self.read_backs, self.subscriptions
        )

    def finding(self, identity: str) -> Finding:
        """The one finding of that id."""
        (found,) = [one for one in self.judged().findings if one.id == identity]
        return found


def day(
    *of: ExperimentTrial,
    plan_of: GameDayPlan | None = None,
    down: Sequence[tuple[float, float]] = ((0, 2),),
    seen: Sequence[Observation] | None = None,
    rollback_s: float = 30,
) -> Day:
    """A whole game day of trials that all went alike: back after two seconds, nothing lost."""
    trials = of or (trial(),)
    made = Day(plan_of or plan(*trials))
    written = journal(len(trials))
    for one in trials:
        made.begin(one)
        made.add(0.1, broken(one))
        made.ledger_of(one, written, early=kept(written, 20, one), final=kept(written, 55, one))
        made.add(rollback_s + 1, rolled_back(one, rollback_s))
        made.probe(one, answers(*down, of=one) if seen is None else seen)
        made.end(one)
    made.add(59, LedgerCopied(subject="orders", files=("orders/1.journal",)))
    made.add(59.5, CleanedUp(trial="", healed=("removed the ledgers' rows",), leaks=()))
    made.add(60, RunEnded())
    return made


def milestone(
    of: ExperimentTrial, which: Milestone, subject: str, low_s: float, high_s: float, detail: str
) -> MilestoneSeen:
    """One step of a recovery, between two looks."""
    return MilestoneSeen(
        trial=of.id,
        subject=subject,
        milestone=which,
        bracket=Bracket(earliest_ns=at(low_s, of), latest_ns=at(high_s, of)),
        detail=detail,
    )


def person(
    of: ExperimentTrial | None,
    step: str,
    start_s: float,
    end_s: float,
    *,
    by: str = "ada",
    note: str = "",
) -> ManualStepEnded:
    """What a person did; None: of the game day as a whole."""
    return ManualStepEnded(
        trial="" if of is None else of.id,
        step=step,
        instruction=step.replace("-", " ").capitalize(),
        started_ns=at(start_s, of),
        ended_ns=at(end_s, of),
        confirmed_by=by,
        note=note,
    )


def subscribed(of: ExperimentTrial, *subscribers: str) -> SubscriptionsRecorded:
    """What was published to `events` every tenth of a second."""
    return SubscriptionsRecorded(
        trial=of.id,
        subject="events",
        file=f"{of.id}-events.jsonl",
        interval_ns=SECOND // 10,
        subscribers=subscribers,
    )


def messages(
    deaf: Mapping[str, tuple[float, float]],
    *,
    of: ExperimentTrial | None = None,
    from_s: float = -10,
    until_s: float = 50,
) -> tuple[SubscriptionEvent, ...]:
    """Messages that every subscriber hears after a millisecond, but while it is deaf."""
    found: list[SubscriptionEvent] = []
    for subscriber, (start, end) in deaf.items():
        found.append(
            Subscribed(subscriber=subscriber, at_ns=at(from_s - 1, of), node="10.1.0.7:6379")
        )
        if start < end:
            found.append(
                Unsubscribed(subscriber=subscriber, at_ns=at(start + 0.05, of), reason="EOF")
            )
            found.append(
                Subscribed(subscriber=subscriber, at_ns=at(end - 0.02, of), node="10.1.0.8:6379")
            )
    for number in range(round((until_s - from_s) * 10)):
        second = from_s + number / 10
        found.append(
            Published(
                seq=number + 1,
                scheduled_ns=at(second, of),
                started_ns=at(second, of),
                ended_ns=at(second, of) + SECOND // 1000,
                outcome=Outcome.OK,
                receivers=1,
            )
        )
        found += [
            Received(subscriber=subscriber, seq=number + 1, at_ns=at(second, of) + SECOND // 1000)
            for subscriber, (start, end) in deaf.items()
            if not start <= second < end
        ]
    return tuple(found)
