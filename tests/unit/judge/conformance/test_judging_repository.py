"""Files and directories of the Git repository."""

from __future__ import annotations

from conformances import judged

from harness.model.configuration import RepositoryLayout
from harness.model.conformance import CommitsRead
from harness.model.verdict import Finding, Verdict

LAYOUT = RepositoryLayout(paths=("clusters/production", "apps/{service}/base/hpa.yaml"))
CLUSTER, README = "clusters/production/root.yaml", "apps/README.md"


def of(*files: str, commits: int = 1, detail: str = "") -> Finding:
    read = CommitsRead(
        repository="gitops",
        commits=commits,
        oldest=None,
        newest=None,
        signed=0,
        files=files,
        detail=detail,
    )
    return judged(LAYOUT, facts=[read], looks=("configuration",))


def test_without_a_repository_nothing_is_said() -> None:
    found = judged(LAYOUT, looks=("configuration",))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "names no `repository`" in found.headline
    assert of(commits=0, detail="gitops: is no directory").verdict is Verdict.INCONCLUSIVE
    assert "the suite does not look at configuration" in judged(LAYOUT).headline


def test_every_path_is_there_for_each_service() -> None:
    there = (CLUSTER, README, "apps/auth/base/hpa.yaml")
    assert of(*there).verdict is Verdict.PASS
    found = of(*there, "apps/order/base/service.yaml")
    assert found.verdict is Verdict.FAIL
    assert "2 of 3 documented paths are there; missing: apps/order/base/hpa.yaml" in found.headline


def test_a_repository_without_services_has_no_layout_of_them() -> None:
    found = of(CLUSTER, README)
    assert found.verdict is Verdict.FAIL
    assert "apps/ has no service" in found.headline


def test_an_empty_commit_has_nothing_of_it() -> None:
    assert of().verdict is Verdict.FAIL
