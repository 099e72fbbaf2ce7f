"""The plan says what is looked at, what that touches, and which rights it needs."""

from __future__ import annotations

from pathlib import Path

import conformances
import pytest

from harness.cli.main import main
from harness.conformance.ground import ActiveLook
from harness.conformance.looks import ACTIVE
from harness.conformance.plan import make_conformance_plan
from harness.errors import InputError
from harness.faults.rights import parse_rights
from harness.model.configuration import ControlPlane
from harness.model.conformance import KINDS, Conformance, ConformancePlan
from harness.report.conformance_plan import show_conformance_plan

TLS = ActiveLook(
    name="tls",
    look=lambda _ground: None,
    touches=("each server is greeted once for each version of TLS",),
    rights=("get services in shop",),
)
MASTERS = conformances.promise(ControlPlane(masters=3), "masters")


def planned(*looks: str, only: tuple[str, ...] = ()) -> ConformancePlan:
    return make_conformance_plan(
        Conformance(suite="conformance", title="Conformance", looks=looks),
        environment="lab",
        cluster=conformances.CLUSTER,
        targets=(MASTERS,),
        workloads=(),
        known=(TLS,),
        only=only,
    )


def test_objects_come_first() -> None:
    """Every other look is told by them where to look."""
    assert planned("tls", "objects").looks == ("objects", "tls")
    assert planned("objects", "tls", only=("tls",)).looks == ("objects", "tls")
    assert planned("objects", "tls", only=("objects",)).looks == ("objects",)


@pytest.mark.parametrize(
    ("looks", "only", "match"),
    [
        (("objects", "tsl"), (), "got 'tsl', expected some of objects, tls"),
        (("tls",), (), "expected objects among them"),
        ((), (), "got none"),
        (("objects",), ("tls",), "--only: got 'tls'"),
    ],
)
def test_a_look_that_cannot_be_made_is_refused(
    looks: tuple[str, ...], only: tuple[str, ...], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        planned(*looks, only=only)


def test_of_objects_alone_the_rights_are_to_list_them() -> None:
    """And to hold the lease of drills; nothing is created, nothing is deleted."""
    rights = [right for text in planned("objects").rights for right in parse_rights(text)]
    listed = {right.resource for right in rights if right.verb == "list"}
    assert len(listed) == len(KINDS)
    assert {"networkpolicies", "prometheuses", "resiliencies", "verticalpodautoscalers"} <= listed
    others = {(one.verb, one.resource, one.namespace) for one in rights if one.verb != "list"}
    assert others == {
        ("get", "namespaces", ""),
        ("create", "leases", "harness-drill"),
        ("get", "leases", "harness-drill"),
        ("patch", "leases", "harness-drill"),
    }


def test_each_look_says_what_it_touches_and_needs() -> None:
    plan = planned("objects", "tls")
    assert "tls: each server is greeted once for each version of TLS" in plan.blast_radius
    assert "get services in shop" in plan.rights
    assert "get services in shop" not in planned("objects").rights


@pytest.mark.parametrize("look", ACTIVE, ids=lambda look: look.name)
def test_the_looks_that_there_are_can_be_planned(look: ActiveLook) -> None:
    """Their rights can be read, and their blast radius says something."""
    assert look.touches
    for text in look.rights:
        assert parse_rights(text)


def test_the_whole_text() -> None:
    text = show_conformance_plan(planned("objects", "tls"))
    assert text.startswith("conformance in lab: 2 looks (objects, tls); context c, ")
    assert "1 promise of 1 targets:\n  Cluster: 1\n" in text
    assert "\n  list secrets\n" in text
    assert text.endswith("--rbac NAMESPACE/SERVICEACCOUNT\n")


@pytest.mark.parametrize("command", ["plan", "run"])
def test_where_there_is_no_cluster_it_is_refused(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what was given, and the command to type instead."""
    suites = Path(__file__).parents[3] / "suites" / "conformance.yaml"
    assert main([command, str(suites), "-e", "demo"]) == 2
    said = capsys.readouterr().err
    assert "is a conformance check, and demo has no cluster for it" in said
    assert "harness run conformance -e lab" in said
