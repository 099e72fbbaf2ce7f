"""Every kind is read, or it is said why not; what is secret is not written down."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kubernetes_api import StandInApi, node, pod

from harness.conformance.objects import kept, read_objects
from harness.errors import RecordError
from harness.model.conformance import KINDS, ObjectsRead


def reading(api: StandInApi, directory: Path) -> tuple[dict[str, Any], dict[str, ObjectsRead]]:
    """The objects, and the fact of each kind."""
    facts: list[ObjectsRead] = []
    found = read_objects(api.cluster(), directory, facts.append)
    assert [one.kind for one in facts] == [kind for _, kind in KINDS]
    return found, {one.kind: one for one in facts}


@pytest.fixture
def api() -> StandInApi:
    """A cluster with a node, two pods and a Secret, without Argo CD or Dapr."""
    made = StandInApi()
    made.absent = {"/apis/argoproj.io/v1alpha1"}
    made.put("nodes", node("w1"))
    for name in ("b", "a"):
        made.put("pods", pod("shop", name))
    made.put(
        "secrets",
        {
            "metadata": {"namespace": "shop", "name": "passwords"},
            "type": "Opaque",
            "data": {"root": "aHVudGVyMg=="},
        },
    )
    return made


def test_every_kind_is_written_and_comes_back(api: StandInApi, tmp_path: Path) -> None:
    found, facts = reading(api, tmp_path)
    assert [one["metadata"]["name"] for one in found["Pod"]] == ["a", "b"]
    assert facts["Pod"].count == 2
    assert facts["Pod"].file is not None
    assert json.loads((tmp_path / facts["Pod"].file).read_bytes()) == list(found["Pod"])


def test_no_object_of_a_kind_is_an_answer(api: StandInApi, tmp_path: Path) -> None:
    found, facts = reading(api, tmp_path)
    assert found["NetworkPolicy"] == ()
    assert facts["NetworkPolicy"].file is not None
    assert facts["NetworkPolicy"].served


def test_a_kind_that_is_not_there_is_said_so(api: StandInApi, tmp_path: Path) -> None:
    """Of a group that the API has, and of one that it has not."""
    found, facts = reading(api, tmp_path)
    for kind in ("Application", "Component"):
        assert kind not in found
        assert not facts[kind].served
        assert facts[kind].file is None
        assert facts[kind].error is None


def test_a_kind_that_may_not_be_listed_hides_no_other(api: StandInApi, tmp_path: Path) -> None:
    api.forbidden = {"get secrets"}
    found, facts = reading(api, tmp_path)
    assert "Secret" not in found
    assert facts["Secret"].forbidden
    assert facts["Secret"].error is not None
    assert "cannot get resource" in facts["Secret"].error
    assert not list(tmp_path.glob("*Secret*"))
    assert len(found["Pod"]) == 2


def test_an_api_that_fails_is_an_error_of_that_kind(api: StandInApi, tmp_path: Path) -> None:
    api.away = {"/apis/policy/v1"}
    found, facts = reading(api, tmp_path)
    assert "PodDisruptionBudget" not in found
    assert facts["PodDisruptionBudget"].served
    assert not facts["PodDisruptionBudget"].forbidden
    assert "503" in (facts["PodDisruptionBudget"].error or "")
    assert len(found["Node"]) == 1


def test_nothing_but_reads_is_asked(api: StandInApi, tmp_path: Path) -> None:
    reading(api, tmp_path)
    assert api.changes == []
    assert {one.split()[0] for one in api.requests} == {"GET"}


def test_what_a_secret_holds_is_nowhere(api: StandInApi, tmp_path: Path) -> None:
    """Neither as data nor as what `kubectl apply` noted of it."""
    api.put(
        "secrets",
        {
            "metadata": {
                "namespace": "shop",
                "name": "applied",
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": '{"root": "aHVudGVyMg=="}',
                    "owner": "team",
                },
            },
            "stringData": {"root": "hunter2"},
        },
    )
    found, _ = reading(api, tmp_path)
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"hunter2" not in written
    assert b"aHVudGVyMg==" not in written
    assert found["Secret"][0]["metadata"]["annotations"] == {"owner": "team"}
    assert found["Secret"][1]["type"] == "Opaque"


def test_when_a_secret_was_written_last_is_kept() -> None:
    """One that was rotated in place has an old creation."""
    wrote = {"manager": "rotator", "operation": "Update", "time": "2026-11-01T00:00:00Z"}
    labelled = {"manager": "kubectl", "operation": "Update", "time": "2026-11-20T00:00:00Z"}
    secret = {
        "metadata": {
            "name": "s",
            "managedFields": [
                {**wrote, "fieldsV1": {"f:data": {"f:root": {}}}},
                {**labelled, "fieldsV1": {"f:metadata": {"f:labels": {}}}},
            ],
        }
    }
    assert kept("Secret", secret)["metadata"]["managedFields"] == [wrote]
    assert "managedFields" not in kept("Pod", secret)["metadata"]


def test_of_a_config_map_only_files_of_configuration_are_kept() -> None:
    given = {
        "metadata": {"name": "prometheus"},
        "data": {"prometheus.yml": "global: {}", "a.yaml": "", "redis.conf": "", "token": "x"},
        "binaryData": {"b": "eA=="},
    }
    assert kept("ConfigMap", given) == {
        "metadata": {"name": "prometheus"},
        "data": {"prometheus.yml": "global: {}", "a.yaml": "", "redis.conf": ""},
    }


def test_a_full_disk_ends_it(api: StandInApi, tmp_path: Path) -> None:
    """Evidence that is not on disk is none."""
    with pytest.raises(RecordError, match=r"objects-Node\.json"):
        read_objects(api.cluster(), tmp_path / "missing", lambda _fact: None)
