"""Rights and storage of the API, by the arguments of its servers."""

from __future__ import annotations

from typing import Any

import pytest
from conformances import judged, running

from harness.model.configuration import AccessControl, EncryptionAtRest
from harness.model.target import Objective
from harness.model.verdict import Verdict

RBAC = AccessControl(mode="RBAC")
AT_REST = EncryptionAtRest(algorithm="AES-256")


def servers(*arguments: str) -> dict[str, Any]:
    made = running("kube-apiserver-m1", namespace="kube-system", arguments=arguments)
    made["metadata"]["labels"] = {"component": "kube-apiserver"}
    return {"Pod": [made]}


@pytest.mark.parametrize("objective", [RBAC, AT_REST], ids=["access", "storage"])
def test_servers_that_are_no_pods_are_not_seen(objective: Objective) -> None:
    found = judged(objective)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no pod of the cluster is an API server" in found.headline
    assert judged(objective, servers(), hidden=["Pod"]).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (("--authorization-mode=Node,RBAC",), Verdict.PASS),
        (("--authorization-mode=ABAC",), Verdict.FAIL),
        (("--authorization-mode=RBAC,AlwaysAllow",), Verdict.FAIL),
        ((), Verdict.FAIL),
        (("--authorization-config=/etc/a.yaml",), Verdict.INCONCLUSIVE),
    ],
)
def test_by_what_rights_are_decided(arguments: tuple[str, ...], verdict: Verdict) -> None:
    assert judged(RBAC, servers(*arguments)).verdict is verdict


def test_secrets_that_are_stored_as_they_are_are_a_miss() -> None:
    assert judged(AT_REST, servers()).verdict is Verdict.FAIL


def test_by_what_secrets_are_encrypted_is_not_seen() -> None:
    """Never a PASS: the algorithm is in a file, and volumes are encrypted elsewhere."""
    found = judged(AT_REST, servers("--encryption-provider-config=/etc/e.yaml"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "/etc/e.yaml" in found.headline
