"""A game day as it is recorded: five experiments on four workloads, one of everything that happens.

Its judgement is what judged/game-day/ holds. Where a change of that is meant, write it anew:
`PYTHONPATH=.:tests/histories .venv/bin/python tests/histories/game_day_run.py`
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import game_days as make
from constructors import NOW
from msgspec.structs import replace

from harness.model.codec import to_indented_json
from harness.model.game_day import Expected, GameDayPlan, ManualStep, Way
from harness.model.history import (
    CleanedUp,
    ClusterCompared,
    GuardsChecked,
    LedgerCopied,
    Milestone,
    RunEnded,
    TrialEnded,
    TrialStarted,
)
from harness.model.run import RUN_FORMAT, RunRecord

JUDGED = Path(__file__).parent / "judged" / "game-day"

_SHARDS = ("carts: write to shard 0-8191", "carts: write to shard 8192-16383")
_HTTP = "checkout: request through the Service"
_ALL = tuple(way for way in Way if way is not Way.POSTGRESQL_READ)


def _expected(probe_class: str, subject: str, way: Way, low_s: float, high_s: float) -> Expected:
    return Expected(
        probe_class=probe_class,
        subject=subject,
        way=way,
        low_s=low_s,
        high_s=high_s,
        because=(f"{low_s:g} to {high_s:g} s: as the settings have it",),
    )


PODS = tuple(
    make.trial(
        number,
        scenario="postgresql-pod-delete",
        ways=_ALL,
        expected=(
            _expected(make.NEW, "orders", Way.POSTGRESQL_NEW, 1, 6),
            _expected(make.KEPT, "orders", Way.POSTGRESQL_KEPT, 1, 6),
            _expected(make.API, "kubernetes", Way.API, 0, 0),
        ),
    )
    for number in (1, 2)
)
NODE = make.trial(
    3,
    scenario="postgresql-primary-node",
    ways=_ALL,
    manual=(ManualStep(id="call-on-call", instruction="Call who is on call"),),
    expected=(
        replace(
            _expected(make.NEW, "orders", Way.POSTGRESQL_NEW, 0, 1),
            low_s=12,
            high_s=34,
            because=("10 to 30 s: ttl (patroni.yaml)", "2 to 4 s: promotion"),
        ),
        Expected(
            probe_class=_HTTP,
            subject="checkout",
            way=Way.HTTP,
            low_s=340,
            high_s=350,
            because=("40 to 50 s: grace of the node", "300 s: toleration of not-ready"),
            misses="RTO 5 min: its only pod stays 300 s on a node that is gone",
        ),
    ),
)
BROKER = make.trial(4, scenario="broker-node-partition", ways=_ALL)
REFUSED = make.trial(5, scenario="etcd-leader", ways=(Way.API,))


def plan() -> GameDayPlan:
    """All workloads; five minutes, and a minute of writes."""
    return replace(
        make.plan(
            *PODS,
            NODE,
            BROKER,
            REFUSED,
            workloads=(make.ORDERS, make.CARTS, make.EVENTS, make.CHECKOUT),
            targets=(make.RTO_TARGET, make.RPO_TARGET),
            opening=(ManualStep(id="announce", instruction="Announce the game day"),),
        ),
        environment="lab",
        blast_radius=("namespace infra of cluster lab: one pod, one worker",),
    )


def day() -> make.Day:
    """What such a day records."""
    made = make.Day(plan())
    made.add(-30, make.person(None, "announce", -60, -30, note="said in the channel of the team"))
    written = make.journal(5)
    writes_away = ((0.0, 3.2), (0.2, 4.9), (0.3, 21.4), (0.0, 0.0))
    for one, away in zip((*PODS, NODE, BROKER), writes_away, strict=True):
        made.begin(one)
        late = one is NODE
        until_s = 96 if late else 56
        made.add(
            0.4,
            replace(
                make.broken(one),
                subject="node:worker-2" if late else "pod:infra/postgresql-0",
                witness="lease not renewed, no answer to ARP" if late else "its container is gone",
            ),
        )
        lost = (-0.75, 0.0) if late else None
        for name, gone in (("orders-synchronous", None), ("orders-asynchronous", lost)):
            made.ledger_of(
                one,
                written,
                early=make.kept(written, 20, one, without=gone),
                final=make.kept(written, 55, one, without=gone),
                subject=name,
            )
        made.ledger_of(
            one,
            written,
            early=make.kept(written, 20, one),
            final=make.kept(written, 55, one),
            subject="carts",
        )
        kept = (away[0], away[1] + 0.9) if away[1] else away
        lanes = (
            (make.NEW, Way.POSTGRESQL_NEW, "orders", away),
            (make.KEPT, Way.POSTGRESQL_KEPT, "orders", kept),
            (_SHARDS[0], Way.REDIS_SHARD, "carts", (0.0, 0.0)),
            (_SHARDS[1], Way.REDIS_SHARD, "carts", (1.1, 8.6) if late else (0.0, 0.0)),
            (_HTTP, Way.HTTP, "checkout", (0.4, 71.3) if late else (0.4, 0.7)),
            (make.API, Way.API, "kubernetes", (0.0, 0.0)),
        )
        for name, way, subject, gap in lanes:
            blind = (44.0, 46.0) if late and way is Way.API else None
            seen = make.answers(gap, of=one, until_s=until_s, blind=blind)
            made.probe(one, seen, name, way, subject)
        deaf = {"till-1": (0.0, 0.0), "till-2": (0.3, 9.7) if one is BROKER else (0.0, 0.0)}
        heard = make.subscribed(one, *deaf)
        made.subscriptions[heard.file] = make.messages(deaf, of=one)
        made.add(56, heard)
        if late:
            for which, subject, low, high, what in (
                (Milestone.DETECTED, "node:worker-2", 41.0, 41.3, "not Ready any more"),
                (Milestone.PROMOTED, "orders", 19.8, 20.1, "10.1.0.4 timeline 3"),
                (Milestone.PROMOTED, "carts 8192-16383", 7.9, 8.2, "10.1.2.6 epoch 4"),
                (Milestone.RETURNED, "node:worker-2", 68.4, 68.7, "Ready in boot 5e2f"),
                (Milestone.REDUNDANT, "orders", 88.0, 88.3, "all its replicas follow again"),
            ):
                made.add(high + 0.1, make.milestone(one, which, subject, low, high, what))
            made.add(15, make.person(one, "call-on-call", 1.0, 14.0, note="reached at once"))
        made.add(
            62 if late else 31,
            make.rolled_back(
                one,
                60 if late else 30,
                action="power cut of worker-2" if late else "delete pod infra/postgresql-0",
                witness="boot 5e2f, lease renewed" if late else "pod postgresql-0 Ready",
            ),
        )
        made.end(one)
        if late:
            differences = ("Node//worker-2 spec.taints",)
            made.change_last(ClusterCompared, differences=differences)
    made.only(REFUSED).add(-12, TrialStarted(trial=REFUSED.id))
    made.add(
        -11,
        GuardsChecked(
            trial=REFUSED.id,
            passed=("context",),
            refused=("etcd: 2 of 3 members are up, one more gone is no quorum",),
        ),
    )
    made.add(-10, TrialEnded(trial=REFUSED.id))
    for subject in ("orders-synchronous", "orders-asynchronous", "carts"):
        made.add(0, LedgerCopied(subject=subject, files=(f"{subject}/1.journal",)))
    made.add(0.5, CleanedUp(trial="", healed=("removed the ledgers' rows",), leaks=()))
    return made.add(1, RunEnded())


def record() -> RunRecord:
    """Who ran it."""
    return RunRecord(
        format=RUN_FORMAT,
        run="20261124T025900Z-game-day-lab",
        suite="game-day",
        environment="lab",
        started=NOW - timedelta(minutes=1),
        ended=NOW + timedelta(minutes=68),
        user="ada",
        host="probe-1",
        argv=("harness", "run", "game-day", "-e", "lab", "--participant", "Ada (conducts)"),
        git_head="2f1d0c9b8a7e6d5c4b3a29180f7e6d5c4b3a2918",
        git_dirty=False,
        versions={"harness": "0.1.0", "kubernetes": "1.34.1"},
        settings=(),
        practice=True,
        participants=("Ada (conducts)", "Grace (watches)"),
        seed=7,
    )


if __name__ == "__main__":
    JUDGED.mkdir(exist_ok=True)
    for name, value in (("plan", plan()), ("run", record()), ("verdict", day().judged())):
        (JUDGED / f"{name}.json").write_bytes(to_indented_json(value))
