"""Decides whether the documented programs of the platform run, how far back metrics and logs reach,
and how often Prometheus asks. Pure.

A program is known by the name of its image; one that runs outside of the cluster is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import yaml

from harness.judge.answer import Answer, worst
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import Object, name_of, place_of, said
from harness.judge.conformance.topology import is_ready
from harness.model.configuration import Component, Scraping, TelemetryRetention
from harness.model.program_arguments import flags
from harness.model.quantity import duration_s, show_duration
from harness.model.target import Target
from harness.model.verdict import Finding, Verdict

IMAGES: dict[str, str] = {
    "Prometheus": r"prometheus",
    "Grafana": r"grafana(-enterprise|-oss)?",
    "Alertmanager": r"alertmanager",
    "Loki": r"(enterprise-logs|loki)",
    "Promtail": r"promtail",
    "Jaeger": r"(jaeger|jaeger-[a-z-]+|all-in-one)",
    "OpenTelemetry": r"(otelcol[a-z-]*|opentelemetry-collector[a-z-]*)",
    "Blackbox Exporter": r"blackbox[-_]exporter",
    "Argo CD": r"argocd",
    "Calico": r"(calico/)?(calico-)?node",
    "Sealed Secrets": r"sealed-secrets(-controller)?",
}
"""The last part of the names of the images that each program is published as; of Calico's `node`
the part before it too, for others are called so as well. Of a name that is not here: itself.
"""

_BEFORE_LAST = frozenset({"Calico"})
_DEFAULT_RETENTION = "15d"
"""Of Prometheus, where neither a time nor a size is given (Prometheus documentation, Storage)."""

_DEFAULT_INTERVAL = {"configuration": "1m", "object": "30s"}
"""Of scrapes and rules: in Prometheus's own configuration (documentation, Configuration), and in
the Prometheus of its operator (API reference, PrometheusSpec).
"""

_RETENTION_TIME = "storage.tsdb.retention.time"
_RETENTION_SIZE = "storage.tsdb.retention.size"


def judge_component(
    run: ConformanceEvidence, target: Target, objective: Component
) -> Iterator[Finding]:
    """A pod of it is ready. That none is in the cluster does not say that there is none."""
    found = pods_of(run, objective.name)
    ready = [one for one in found if is_ready(one)]
    unread = run.unread("Pod")
    name = objective.name
    if ready:
        answer = Answer(
            verdict=Verdict.PASS,
            headline=f"{name}: {len(ready)} of {len(found)} pods are ready: {place_of(ready[0])}",
        )
    elif found:
        answer = Answer(
            verdict=Verdict.FAIL,
            headline=f"{name}: none of its {len(found)} pods is ready",
            detail=tuple(place_of(one) for one in found[:10]),
            advice=f"kubectl describe pod -n {found[0]['metadata']['namespace']} "
            f"{name_of(found[0])}",
        )
    else:
        why = unread[0] if unread else "no pod of the cluster runs it"
        answer = Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{name}: {why}",
            detail=() if unread else ("one that runs elsewhere is not seen",),
            advice="kubectl get pods --all-namespaces",
        )
    yield said(run, target, answer, kinds=("Pod",))


def pods_of(run: ConformanceEvidence, component: str) -> list[Object]:
    """The pods with a container of one of its images."""
    name = IMAGES.get(component, re.escape(component.lower().replace(" ", "-")))
    pattern = re.compile(name)
    parts = 2 if component in _BEFORE_LAST else 1
    return [
        pod
        for pod in run.of_kind("Pod")
        if any(
            pattern.fullmatch(_repository(one["image"], parts)) for one in pod["spec"]["containers"]
        )
    ]


def _repository(image: str, parts: int) -> str:
    path = image.partition("@")[0].split("/")[-parts:]
    path[-1] = path[-1].partition(":")[0]
    return "/".join(path)


def judge_retention(
    run: ConformanceEvidence, target: Target, objective: TelemetryRetention
) -> Iterator[Finding]:
    """Of each Prometheus or Loki that the cluster shows; the worst counts."""
    if objective.store == "Prometheus":
        kinds: tuple[str, ...] = ("Pod", "Prometheus")
        answers = [_kept(*one, objective) for one in _prometheus_retentions(run)]
    else:
        kinds = ("ConfigMap",)
        answers = [_kept(*one, objective) for one in _loki_retentions(run)]
    yield said(
        run, target, worst(answers) if answers else _unseen(run, objective.store), kinds=kinds
    )


def _kept(where: str, given: str | None, objective: TelemetryRetention) -> Answer:
    """`given`: None keeps without end; empty: what is kept ends by size, and no time is told."""
    expected = f"expected {show_duration(objective.at_least)} or more"
    if given is None:
        return Answer(verdict=Verdict.PASS, headline=f"{where}: keeps without end, {expected}")
    if not given:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=f"{where}: it is kept up to a size, and how long that lasts nobody says, "
            f"{expected}",
            advice=f"--{_RETENTION_TIME} of Prometheus",
        )
    seconds = duration_s(given)
    fits = seconds >= objective.at_least.total_seconds()
    return Answer(
        verdict=Verdict.PASS if fits else Verdict.FAIL,
        headline=f"{where}: keeps {show_duration(seconds)}, {expected}",
    )


def _prometheus_retentions(run: ConformanceEvidence) -> Iterator[tuple[str, str | None]]:
    for one in run.of_kind("Prometheus"):
        # 24h where neither is given (prometheus-operator, API reference, PrometheusSpec).
        given = one["spec"].get("retention")
        yield place_of(one), given or ("" if "retentionSize" in one["spec"] else "24h")
    for pod in pods_of(run, "Prometheus"):
        given = flags(pod["spec"])
        default = "" if _RETENTION_SIZE in given else _DEFAULT_RETENTION
        yield place_of(pod), given.get(_RETENTION_TIME, default)


def _loki_retentions(run: ConformanceEvidence) -> Iterator[tuple[str, str | None]]:
    """Without `compactor.retention_enabled` logs live for ever (Loki, Log retention)."""
    for where, content in _configurations(run):
        limits, compactor = content.get("limits_config"), content.get("compactor")
        if isinstance(limits, dict) and "schema_config" in content:
            enabled = isinstance(compactor, dict) and compactor.get("retention_enabled") is True
            period = str(limits.get("retention_period", "0s"))
            yield where, period if enabled and duration_s(period) > 0 else None


def judge_scraping(
    run: ConformanceEvidence, target: Target, objective: Scraping
) -> Iterator[Finding]:
    """Of each Prometheus its general settings; those of a job alone are not looked at."""
    answers = [
        _asks(where, what, given, expected)
        for where, intervals in _intervals(run)
        for what, given, expected in (
            ("scrapes", intervals[0], objective.interval),
            ("evaluates its rules", intervals[1], objective.evaluation),
        )
        if expected is not None
    ]
    answer = worst(answers) if answers else _unseen(run, "Prometheus")
    yield said(run, target, answer, kinds=("ConfigMap", "Prometheus"))


def _asks(where: str, what: str, given: str, expected: timedelta) -> Answer:
    seconds = duration_s(given)
    fits = seconds <= expected.total_seconds()
    return Answer(
        verdict=Verdict.PASS if fits else Verdict.FAIL,
        headline=f"{where}: {what} every {show_duration(seconds)}, expected "
        f"{show_duration(expected)}",
    )


def _intervals(run: ConformanceEvidence) -> Iterator[tuple[str, tuple[str, str]]]:
    for one in run.of_kind("Prometheus"):
        default = _DEFAULT_INTERVAL["object"]
        yield (
            place_of(one),
            (
                str(one["spec"].get("scrapeInterval", default)),
                str(one["spec"].get("evaluationInterval", default)),
            ),
        )
    for where, content in _configurations(run):
        if "scrape_configs" in content:
            default = _DEFAULT_INTERVAL["configuration"]
            general = content.get("global") or {}
            yield (
                where,
                (
                    str(general.get("scrape_interval", default)),
                    str(general.get("evaluation_interval", default)),
                ),
            )


def _configurations(run: ConformanceEvidence) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files in ConfigMaps that are YAML with a mapping in it."""
    for one in run.of_kind("ConfigMap"):
        for key, text in (one.get("data") or {}).items():
            try:
                content = yaml.safe_load(text)
            except yaml.YAMLError:
                continue  # A template, or another format: of another program.
            if isinstance(content, dict):
                yield f"{place_of(one)} {key}", content


def _unseen(run: ConformanceEvidence, store: str) -> Answer:
    kinds = ("Prometheus", "Pod", "ConfigMap") if store == "Prometheus" else ("ConfigMap",)
    return Answer(
        verdict=Verdict.INCONCLUSIVE,
        headline=f"{store}: no configuration of it is in the cluster",
        detail=run.unread(*kinds),
        advice="kubectl get configmaps --all-namespaces",
    )


JUDGES: dict[type, JudgeFunction] = {
    Component: judge_component,
    TelemetryRetention: judge_retention,
    Scraping: judge_scraping,
}
