"""Resources, ports, variables, probes and rights of services' containers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from conformances import SHOP, judged, service

from harness.model.configuration import (
    ContainerEnvironment,
    ContainerPorts,
    ContainerResources,
    HealthProbe,
    SecurityContext,
    Size,
)
from harness.model.target import Objective
from harness.model.verdict import Verdict

RESOURCES = ContainerResources(
    requests=Size(cpu="200m", memory="512Mi"), limits=Size(cpu="500m", memory="1Gi")
)
PORTS = ContainerPorts(ports={"http": 8000, "grpc": 9000})
VARIABLES = ContainerEnvironment(variables={"APP_ENV": "production"})
PROBE = HealthProbe(
    probe="readiness",
    path="/health/ready",
    port=8000,
    initial_delay=timedelta(seconds=5),
    period=timedelta(seconds=5),
)
RIGHTS = SecurityContext(
    run_as_non_root=True,
    run_as_user=65532,
    fs_group=65532,
    read_only_root_filesystem=True,
    allow_privilege_escalation=False,
    drop=("ALL",),
    seccomp="RuntimeDefault",
)
DOCUMENTED: dict[str, Any] = {
    "resources": {
        "requests": {"cpu": "0.2", "memory": "512Mi"},
        "limits": {"cpu": "500m", "memory": "1024Mi"},
    },
    "ports": [
        {"name": "http", "containerPort": 8000},
        {"name": "grpc", "containerPort": 9000},
        {"name": "metrics", "containerPort": 9100},
    ],
    "env": [{"name": "APP_ENV", "value": "production"}],
    "readinessProbe": {
        "httpGet": {"path": "/health/ready", "port": "http"},
        "initialDelaySeconds": 5,
        "periodSeconds": 5,
    },
    "securityContext": {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    },
}
POD = {
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
}
ALL = [RESOURCES, PORTS, VARIABLES, PROBE, RIGHTS]


def named(objective: Objective) -> str:
    return type(objective).__name__


@pytest.mark.parametrize("objective", ALL, ids=named)
def test_no_service_is_inconclusive(objective: Objective) -> None:
    found = judged(objective)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "there is none to look at" in found.headline


@pytest.mark.parametrize("objective", ALL, ids=named)
def test_what_is_as_documented(objective: Objective) -> None:
    found = judged(objective, {"Deployment": [service(container=DOCUMENTED, pod=POD)]})
    assert found.verdict is Verdict.PASS
    assert found.evidence


@pytest.mark.parametrize("objective", ALL, ids=named)
def test_a_container_that_says_nothing_is_not_as_documented(objective: Objective) -> None:
    good, bare = service(container=DOCUMENTED, pod=POD), service("order")
    found = judged(objective, {"Deployment": [good, bare]})
    assert found.verdict is Verdict.FAIL
    assert "1 of 2 are not as documented" in found.headline
    assert f"{SHOP}/order" in found.headline
    assert found.advice


@pytest.mark.parametrize("objective", ALL, ids=named)
def test_controllers_that_may_not_be_listed_may_be_otherwise(objective: Objective) -> None:
    found = judged(
        objective,
        {"Deployment": [service(container=DOCUMENTED, pod=POD)]},
        hidden=["StatefulSet"],
    )
    assert found.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("objective", "changed", "said"),
    [
        (RESOURCES, {"resources": {"requests": {"cpu": "200m"}}}, "requests memory: got None"),
        (PORTS, {"ports": [{"name": "http", "containerPort": 80}]}, "port http: got 80"),
        (VARIABLES, {"env": [{"name": "APP_ENV", "value": "dev"}]}, "APP_ENV: got 'dev'"),
        (
            PROBE,
            {"readinessProbe": {"httpGet": {"path": "/health/ready", "port": 8000}}},
            "initialDelaySeconds: got 0, expected 5",
        ),
        (PROBE, {"readinessProbe": {"exec": {"command": ["true"]}}}, "path: got None"),
        (RIGHTS, {"securityContext": {"runAsUser": 0}}, "runAsUser: got 0, expected 65532"),
    ],
)
def test_each_difference_is_named(objective: Objective, changed: dict[str, Any], said: str) -> None:
    one = service(container=DOCUMENTED | changed, pod=POD)
    found = judged(objective, {"Deployment": [one]})
    assert found.verdict is Verdict.FAIL
    assert said in " ".join((found.headline, *found.detail))


def test_rights_of_init_containers_count() -> None:
    pod = {**POD, "initContainers": [{"name": "migrate", "image": "r/m:1"}]}
    found = judged(RIGHTS, {"Deployment": [service(container=DOCUMENTED, pod=pod)]})
    assert found.verdict is Verdict.FAIL
    assert "container migrate: readOnlyRootFilesystem" in found.headline


def test_variables_of_a_config_map_are_not_seen_and_so_not_missed() -> None:
    """The content of most ConfigMaps is not kept."""
    whole = service(container={"envFrom": [{"configMapRef": {"name": "settings"}}]})
    found = judged(VARIABLES, {"Deployment": [whole]})
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "they come from a ConfigMap" in found.headline


def test_containers_of_other_namespaces_are_none_of_the_promise() -> None:
    of_staging = msgspec.structs.replace(RESOURCES, namespaces="*-staging")
    assert judged(of_staging, {"Deployment": [service()]}).verdict is Verdict.INCONCLUSIVE
    assert judged(RESOURCES, {"Deployment": [service(namespace="other")]}).verdict is (
        Verdict.INCONCLUSIVE
    )
