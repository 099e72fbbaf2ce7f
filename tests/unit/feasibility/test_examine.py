"""All rules at once: over nothing, over promises that agree, and over the documented ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from promised import namespace, promise, quota, resources, rto, synced, wave

from harness.feasibility.examine import RULES, examine
from harness.feasibility.finding import Feasibility, Word, worst_first
from harness.feasibility.ground import Ground
from harness.feasibility.show import headline
from harness.model.target import AutoscalerRange, Replicas
from harness.targets import load_targets

TARGETS = Path(__file__).parents[3] / "targets"

TRUE = (
    "time-budgets-add/rto-rebuild-from-Git",
    "time-budgets-add/rto-lost-node-autoscaler-range",
    "schedules-bound-losses/redis-rpo",
    "capacities-add/quota-core-business-prod-autoscaler-range-limits-cpu",
    "capacities-add/quota-platform-prod-autoscaler-range-limits-cpu",
    "capacities-add/quota-platform-prod-autoscaler-range-requests-cpu",
    "capacities-add/quota-core-business-prod-vertical-autoscaler-memory",
    "ranges-nest/autoscaler-range-replicas-production",
    "settings-need-settings/sync-policy-production-automated",
    "settings-need-settings/cluster-is-what-git-says-sync-policy-production",
    "settings-need-settings/qos-critical-resources",
    "settings-need-settings/broker-topology-publish-and-subscribe",
    "settings-need-settings/vertical-autoscaler-horizontal",
    "settings-need-settings/traffic-switch-rollout",
    "policies-allow-needs/core-business-prod-checkout-names-by-DNS",
    "policies-allow-needs/core-business-prod-checkout-calls-to-other-services",
    "policies-allow-needs/core-business-prod-checkout-scrapes-by-Prometheus",
    "lists-agree/namespaces-sync-waves",
    "lists-agree/services-in-all-named",
    "lists-agree/namespaces-of-production-namespaces",
    "lists-agree/sync-policy-staging-repository",
)
"""Verified by hand, one by one: docs/contradictions.md."""


@pytest.fixture(scope="module")
def documented() -> Feasibility:
    return examine(Ground(targets=load_targets(TARGETS)))


def test_over_nothing_every_rule_says_that_nothing_could_be_checked() -> None:
    """Never "no contradiction"."""
    found = examine(Ground(targets=()))
    assert all(one.vacuous for one in found.examined)
    assert len(found.examined) == len(RULES)
    assert found.compared == 0
    assert headline(found).startswith("Nothing could be checked")


def test_promises_that_agree_contradict_nothing() -> None:
    """A small document that all can be kept of."""
    found = examine(
        Ground(
            targets=(
                rto(30),
                wave(0, 5, "checkout"),
                wave(1, 5, "order"),
                namespace("shop-prod", "checkout", "order"),
                quota(100, "200Gi"),
                quota(50, "100Gi", of="shop-prod"),
                resources("*-prod"),
                promise("range", AutoscalerRange(minimum=3, maximum=10)),
                promise("replicas", Replicas(namespaces="*-prod", count=3)),
                synced("*-prod", automated=True),
            )
        )
    )
    assert found.of(Word.CONTRADICTION) == ()
    assert len(found.of(Word.HOLDS)) > 5


def test_each_contradiction_verified_by_hand_is_found(documented: Feasibility) -> None:
    """By its id, which names the rule and the targets."""
    assert set(TRUE) <= {one.id for one in documented.of(Word.CONTRADICTION)}


def test_no_rule_lacks_facts_in_the_document(documented: Feasibility) -> None:
    """Each finds something to compare there."""
    assert [one.rule for one in documented.examined if one.vacuous] == []


def test_every_finding_rests_on_targets_that_there_are(documented: Feasibility) -> None:
    """So that lines of the document can be found for it; and it says what to do where it must."""
    known = {target.id for target in load_targets(TARGETS)}
    found = [one for rule in documented.examined for one in rule.findings]
    for one in found:
        assert one.targets, one.id
        assert set(one.targets) <= known, one.id
        assert len(set(one.targets)) == len(one.targets), one.id
        assert bool(one.resolve) == (one.word is not Word.HOLDS), one.id
        assert one.sum, one.id
        assert one.why, one.id
    assert len({one.id for one in found}) == len(found)


def test_the_order_of_targets_changes_nothing_but_order(documented: Feasibility) -> None:
    """The same contradictions, read from the last to the first."""
    backwards = examine(Ground(targets=load_targets(TARGETS)[::-1]))
    for word in (Word.CONTRADICTION, Word.TIGHT):
        assert len(backwards.of(word)) == len(documented.of(word))


def test_lost_data_comes_before_misled_readers(documented: Feasibility) -> None:
    """The worst is first, whatever rule found it."""
    shown = worst_first(documented.of(Word.CONTRADICTION)[::-1])
    assert shown == documented.of(Word.CONTRADICTION)
    assert str(shown[0].harm) == "data"
    assert str(shown[-1].harm) == "document"
