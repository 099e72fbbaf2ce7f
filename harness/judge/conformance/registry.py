"""Which judges answer which kind of promise. Pure."""

from __future__ import annotations

from harness.judge.conformance import (
    api_server,
    argo_cd,
    autoscalers,
    configuration_backups,
    connections,
    containers,
    dapr,
    engines,
    health,
    images,
    namespaces,
    network_policies,
    observability,
    quotas,
    repository,
    secret_age,
    tls,
    topology,
    workloads,
)
from harness.judge.conformance.evidence import JudgeFunction

_MODULES = (
    api_server,
    argo_cd,
    autoscalers,
    configuration_backups,
    connections,
    containers,
    dapr,
    engines,
    health,
    images,
    namespaces,
    network_policies,
    observability,
    quotas,
    repository,
    secret_age,
    tls,
    topology,
    workloads,
)

JUDGES: dict[type, tuple[JudgeFunction, ...]] = {
    objective: tuple(module.JUDGES[objective] for module in _MODULES if objective in module.JUDGES)
    for objective in dict.fromkeys(one for module in _MODULES for one in module.JUDGES)
}
"""Objective's type -> its judges: the age of Secrets and of certificates is looked at by two."""
