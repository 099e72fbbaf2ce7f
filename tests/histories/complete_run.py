"""A whole run as it is recorded: two subjects, two scenarios, five restores, one with a loss.

Its judgement is complete_run.json, byte for byte. Where a change of that is meant, write it anew:
`PYTHONPATH=. .venv/bin/python tests/histories/complete_run.py > tests/histories/complete_run.json`
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import constructors as make
from msgspec.structs import replace
from numpy.typing import NDArray

from harness.judge.compose import judge
from harness.ledger.journal import Journal
from harness.model.codec import to_indented_json
from harness.model.history import Event, History, LedgerCopied, Observation, RunEnded
from harness.model.judgement import Judgement
from harness.model.plan import Plan
from harness.model.subject import Region
from harness.model.suite import Level

LEVELS = (Level.LEDGER, Level.OBJECTS, Level.AMCHECK)
GB = 10**9

LATEST = tuple(make.trial(number) for number in (1, 2, 3))
WHOLE_LOSS = make.trial(1, scenario="whole-loss", subjects=("orders", "sessions"))


def plan() -> Plan:
    """All kinds of targets over both subjects."""
    return make.plan(
        make.RTO,
        make.RPO,
        make.DAILY,
        make.RETENTION,
        make.AES_256,
        make.REPLICATED,
        make.LOCKED,
        make.INTACT,
        make.VOLUME,
        trials=[*LATEST, WHOLE_LOSS],
        subjects=[replace(make.ORDERS, volume="100Gi"), replace(make.SESSIONS, volume="50Gi")],
        levels=LEVELS,
    )


def history() -> History:
    """What such a run records: `sessions` loses its last five writes, half a second."""
    facts: list[Event] = []
    observations: dict[str, Sequence[Observation]] = {}
    for subject in ("orders", "sessions"):
        for region in Region:
            facts += [
                make.catalogue(subject=subject, region=region),
                make.archive(subject=subject, region=region),
                make.encryption(subject=subject, region=region),
            ]
        facts += [make.replica(subject=subject), make.locks(subject=subject)]
    for of, size in zip(LATEST, (1, 2, 4), strict=True):
        more, seen = make.recovery(
            of, up_from_s=10 + 2 * size, restored_bytes=size * GB, levels=LEVELS
        )
        facts += make.around(of, [*more, make.read_back(of, 600)])
        observations |= seen
    whole: list[Event] = []
    for subject, count in (("orders", 600), ("sessions", 595)):
        more, seen = make.recovery(WHOLE_LOSS, subject, levels=LEVELS)
        whole += [*more, make.read_back(WHOLE_LOSS, count, subject)]
        observations |= seen
    facts += make.around(WHOLE_LOSS, whole)
    facts += [
        LedgerCopied(subject=subject, files=(f"{subject}-1.journal",))
        for subject in ("orders", "sessions")
    ]
    return make.history(*facts, RunEnded(), observations=observations)


def ledgers() -> dict[str, Journal]:
    """A minute of ten writes a second for each subject."""
    return {"orders": make.ledger(), "sessions": make.ledger()}


def read_backs() -> dict[str, NDArray[Any]]:
    """All rows everywhere, but the last five of `sessions`."""
    journal = make.ledger()
    found = {make.read_back(of, 600).file: make.rows(journal) for of in (*LATEST, WHOLE_LOSS)}
    lost = make.read_back(WHOLE_LOSS, 595, "sessions")
    return {**found, lost.file: make.rows(journal, without_last=5)}


def judgement() -> Judgement:
    """The run, judged."""
    return judge(plan(), history(), ledgers(), read_backs())


if __name__ == "__main__":
    sys.stdout.write(to_indented_json(judgement()).decode())
