"""All judges together: deterministic, complete, and never taken down by one of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import complete_run
import constructors as make
import pytest
from constructors import ORDERS, RTO, history, plan, trial, whole
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.judge import encryption
from harness.judge.compose import judge
from harness.model.codec import from_json, to_indented_json, to_json
from harness.model.history import CleanedUp, Entry, Event, History, Outcome
from harness.model.judgement import Judgement
from harness.model.plan import Plan
from harness.model.subject import Region
from harness.model.suite import Level
from harness.model.target import Kind, Volume
from harness.model.verdict import Finding, Verdict, merge

EXPECTED = Path(complete_run.__file__).with_suffix(".json")
RANK = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}


def judged(of: Plan, seen: History) -> Judgement:
    """The judgement of a run without a ledger."""
    return judge(of, seen, {}, {})


def complete(seen: History) -> Judgement:
    """The judgement of the complete run with another history."""
    return judge(complete_run.plan(), seen, complete_run.ledgers(), complete_run.read_backs())


def test_nothing_planned_and_nothing_done_is_inconclusive() -> None:
    """An empty run passes nothing."""
    found = judged(plan(), history())
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.findings
    assert Verdict.PASS not in {one.verdict for one in found.findings}


def test_an_empty_history_passes_no_target() -> None:
    """Every target of a plan has a finding, and none of them is a PASS."""
    found = judged(complete_run.plan(), history())
    assert {one.verdict for one in found.findings} == {Verdict.INCONCLUSIVE}
    targets = {t.id for t in complete_run.plan().targets if not isinstance(t.objective, Volume)}
    assert {one.target for one in found.findings} - {None} == targets


def test_the_complete_run_is_judged_to_the_byte() -> None:
    """The whole judgement of a recorded run is the one on file."""
    assert to_indented_json(complete_run.judgement()).decode() == EXPECTED.read_text("utf-8")


def test_a_stored_run_is_judged_alike() -> None:
    """Plan and history that went through their files give the same bytes."""
    seen = complete_run.history()
    lines = [to_json(entry) for entry in seen.entries]
    again = judge(
        from_json(to_json(complete_run.plan()), Plan),
        replace(seen, entries=tuple(from_json(line, Entry) for line in lines)),
        complete_run.ledgers(),
        complete_run.read_backs(),
    )
    assert to_json(again) == to_json(complete_run.judgement())
    assert from_json(to_json(again), Judgement) == again


def test_the_order_of_lines_does_not_matter() -> None:
    """Facts are ordered by their own numbers."""
    seen = complete_run.history()
    entries = list(seen.entries)
    random.Random(7).shuffle(entries)  # noqa: S311 - any order will do
    assert to_json(complete(replace(seen, entries=tuple(entries)))) == to_json(
        complete_run.judgement()
    )


def test_the_complete_run_passes_and_predicts() -> None:
    """Two subjects, five restores: all met, and one subject has sizes enough for a prediction."""
    found = complete_run.judgement()
    assert found.verdict is Verdict.PASS
    assert len({one.id for one in found.findings}) == len(found.findings)
    assert [one.subject for one in found.predictions] == ["orders"]
    assert found.predictions[0].per_gb_s == pytest.approx(2.0)
    assert [line.partition(":")[0] for line in found.not_predicted] == ["sessions"]
    sessions = found.restores[-1]
    assert (sessions.lost_records, sessions.acknowledged_records) == (5, 600)
    assert sessions.verdict is Verdict.PASS
    assert sessions.bottleneck == "fetch"
    assert sessions.loss_from_s == pytest.approx(-0.5)
    assert [level.level for level in sessions.levels] == list(complete_run.LEVELS)


def test_findings_are_worst_first_then_in_the_order_of_the_judges() -> None:
    """What failed is read first, and what was promised first among equals."""
    one = trial()
    seen = [entry.fact for entry in whole(one).entries]
    seen[0] = make.catalogue([])
    found = judged(plan(RTO, make.DAILY, make.INTACT, trials=[one]), history(*seen))
    ranks = [RANK[one.verdict] for one in found.findings]
    assert ranks == sorted(ranks, reverse=True)
    assert found.findings[0].check == "backup-frequency"


def test_a_target_that_nobody_judged_is_inconclusive() -> None:
    """A promise that covers no subject of the environment was not measured."""
    redis_only = replace(make.target(RTO), covers=(Kind.REDIS,))
    found = judged(plan(redis_only, trials=[trial()]), whole(trial()))
    (unjudged,) = [one for one in found.findings if one.target == "recovery-time"]
    assert unjudged.verdict is Verdict.INCONCLUSIVE
    assert unjudged.subject is None


def test_a_subject_in_no_scenario_is_inconclusive() -> None:
    """Where one subject of two is restored, the other's targets were not measured."""
    both = plan(RTO, trials=[trial()], subjects=[ORDERS, make.SESSIONS])
    found = {one.id: one.verdict for one in judged(both, whole(trial())).findings}
    assert found["recovery-time/latest-backup/orders"] is Verdict.PASS
    assert found["recovery-time/sessions"] is Verdict.INCONCLUSIVE


def test_a_judge_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had found stands, the others are heard, and its targets were not measured."""

    def broken(of: Plan, seen: History) -> Iterator[Finding]:
        yield from list(encryption_judge(of, seen))[:1]
        raise ZeroDivisionError(f"in {object()}")

    encryption_judge = encryption.judge
    monkeypatch.setattr(encryption, "judge", broken)
    found = complete_run.judgement()
    ids = {one.id: one for one in found.findings}
    assert ids["encryption/judge"].verdict is Verdict.INCONCLUSIVE
    assert "ZeroDivisionError: in <object object at 0x...>" in ids["encryption/judge"].headline
    assert ids["encryption/primary/orders"].verdict is Verdict.PASS
    assert ids["encryption/sessions"].verdict is Verdict.INCONCLUSIVE
    assert found.verdict is Verdict.INCONCLUSIVE


def test_a_restore_that_cannot_be_summarised_says_so() -> None:
    """A plan that names a subject it does not have is INCONCLUSIVE, not a crash."""
    stranger = trial(subjects=("nobody",))
    found = judged(plan(RTO, trials=[stranger]), whole(stranger))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.restores[0].invalid[0].startswith("it could not be put together: KeyError")


ONE = complete_run.LATEST[0]
FAILING: list[Event] = [
    make.catalogue([]),
    make.archive("A3"),
    make.encryption("plain"),
    make.encryption("plain", region=Region.REPLICA),
    make.replica("archive/A4", behind_s=3600.0),
    make.replica(differing=["archive/A4"]),
    make.locks("plain"),
    make.restored(ONE, error="checksum mismatch"),
    make.restored(ONE, ended_early="restore_command failed"),
    make.verified(ONE, Level.AMCHECK, Outcome.FAIL, "block 24"),
    CleanedUp(trial=ONE.id, healed=(), leaks=("process 4242",)),
]


@pytest.mark.parametrize("fact", FAILING, ids=lambda fact: type(fact).__name__)
def test_one_failing_fact_fails_a_run_that_passes(fact: Event) -> None:
    """Each kind of damage, planted once into the complete run, is a FAIL of the whole."""
    facts = [entry.fact for entry in complete_run.history().entries]
    seen = complete_run.history()
    worse = history(*facts[:-1], fact, facts[-1], observations=dict(seen.observations))
    assert complete(worse).verdict is Verdict.FAIL


@settings(max_examples=25, deadline=None)
@given(
    kept=st.sets(st.integers(min_value=0, max_value=200)),
    added=st.lists(st.sampled_from(FAILING), min_size=1, max_size=3),
)
def test_adding_a_failing_fact_never_improves_a_verdict(kept: set[int], added: list[Event]) -> None:
    """Whatever else is on record, no finding is better with more damage on record."""
    seen = complete_run.history()
    facts = [entry.fact for number, entry in enumerate(seen.entries) if number not in kept]
    before = complete(history(*facts, observations=dict(seen.observations)))
    after = complete(history(*facts, *added, observations=dict(seen.observations)))
    assert RANK[after.verdict] >= RANK[before.verdict]
    worse = {one.id: RANK[one.verdict] for one in after.findings}
    for finding in before.findings:
        if finding.id in worse:
            assert worse[finding.id] >= RANK[finding.verdict], finding.id


@given(st.lists(st.sampled_from(list(Verdict))), st.lists(st.sampled_from(list(Verdict))))
def test_merging_is_a_lattice(some: list[Verdict], more: list[Verdict]) -> None:
    """Merging is idempotent, commutative and associative; of none it is INCONCLUSIVE."""
    assert merge(some + more) is merge(more + some)
    if some and more:
        assert merge([merge(some), merge(more)]) is merge(some + more)
    assert merge([merge(some)]) is merge(some)
    assert merge([]) is Verdict.INCONCLUSIVE
