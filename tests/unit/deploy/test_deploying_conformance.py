"""The roles in deploy/conformance are those of the suite's plan, to the last verb."""

from __future__ import annotations

from pathlib import Path

import conformances
import yaml
from judged_runs import expect

from harness.cli.conformance import roles_of
from harness.conformance.looks import ACTIVE
from harness.conformance.plan import make_conformance_plan
from harness.model.conformance import Conformance, ConformancePlan
from harness.suites import load_suite
from harness.targets import load_targets

ROOT = Path(__file__).parents[3]
FILE = ROOT / "deploy" / "conformance" / "rbac.yaml"
HEADER = """\
# Decides what the account of a conformance check may do: what the plan of its suite needs, as
#
#     harness plan conformance -e ENVIRONMENT --rbac harness-drill/harness-conformance
#
# prints it. What is left out of it makes those promises INCONCLUSIVE that cannot be judged without,
# and no others. The right to list Secrets is the right to read them: it is for their age alone.
apiVersion: v1
kind: ServiceAccount
metadata: {name: harness-conformance, namespace: harness-drill}
automountServiceAccountToken: false
---
"""


def planned(*only: str) -> ConformancePlan:
    suite = load_suite("conformance", ROOT / "suites")
    assert isinstance(suite, Conformance)
    return make_conformance_plan(
        suite,
        environment="lab",
        cluster=conformances.CLUSTER,
        targets=load_targets(ROOT / "targets"),
        workloads=(),
        known=ACTIVE,
        only=only,
    )


def test_the_roles_are_those_of_the_plan() -> None:
    """UPDATE_EXPECTED=1 writes them."""
    roles = roles_of(planned(), "harness-drill/harness-conformance")
    namespace, *rest = yaml.safe_load_all(roles)
    assert namespace["kind"] == "Namespace"
    text = yaml.safe_dump(namespace, sort_keys=False) + "---\n" + HEADER
    text += yaml.safe_dump_all(rest, sort_keys=False)
    first, second = HEADER.split("apiVersion", 1)
    expect(FILE, first + text.replace(first, "", 1))
    assert second in FILE.read_text(encoding="utf-8")


def changes(text: str) -> set[str]:
    """`create pods in shop`: what the roles allow beyond reading."""
    return {
        f"{verb} {resource} in {one['metadata'].get('namespace', 'all')}"
        for one in yaml.safe_load_all(text)
        for rule in one.get("rules", ())
        for resource in rule["resources"]
        for verb in rule["verbs"]
        if verb not in ("get", "list")
    }


LEASE = {"create leases in harness-drill", "patch leases in harness-drill"}


def test_nothing_of_the_platform_may_be_changed() -> None:
    """Pods may be made and removed where a documented policy is tried, and nowhere else."""
    tried = ("harness-drill", "core-business-prod", "platform-prod")
    assert changes(FILE.read_text(encoding="utf-8")) == LEASE | {
        f"{verb} pods in {namespace}" for verb in ("create", "delete") for namespace in tried
    }


def test_objects_alone_are_only_read() -> None:
    """`--only objects` is for an account that may make no pod."""
    assert changes(roles_of(planned("objects"), "a/b")) == LEASE
