"""Programs by their images, how far back they keep, and how often Prometheus asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from conformances import judged, running, thing

from harness.judge.conformance.observability import IMAGES
from harness.model.configuration import Component, Scraping, TelemetryRetention
from harness.model.verdict import Verdict

METRICS = TelemetryRetention(store="Prometheus", at_least=timedelta(days=15))
LOGS = TelemetryRetention(store="Loki", at_least=timedelta(days=30))
SCRAPING = Scraping(interval=timedelta(seconds=15), evaluation=timedelta(seconds=15))
PUBLISHED = {
    "Prometheus": "quay.io/prometheus/prometheus:v3.0.0",
    "Grafana": "grafana/grafana:12.0.0",
    "Alertmanager": "quay.io/prometheus/alertmanager:v0.28.0",
    "Loki": "grafana/loki:3.5.0",
    "Promtail": "grafana/promtail:3.5.0",
    "Jaeger": "jaegertracing/all-in-one:1.70",
    "OpenTelemetry": "otel/opentelemetry-collector-contrib:0.130.0",
    "Blackbox Exporter": "quay.io/prometheus/blackbox-exporter:v0.27.0",
    "Argo CD": "quay.io/argoproj/argocd:v3.1.0",
    "Calico": "quay.io/calico/node:v3.30.0",
    "Sealed Secrets": "docker.io/bitnami/sealed-secrets-controller:0.30.0",
}
LOKI = """\
schema_config: {configs: []}
limits_config: {retention_period: %s}
compactor: {retention_enabled: %s}
"""


def files(**content: str) -> dict[str, Any]:
    data = {f"{name}.yaml": text for name, text in content.items()}
    return {"ConfigMap": [thing("settings", namespace="monitoring") | {"data": data}]}


def prometheus(*arguments: str, ready: bool = True) -> dict[str, Any]:
    image = PUBLISHED["Prometheus"]
    return {"Pod": [running("prometheus-0", image=image, arguments=arguments, ready=ready)]}


def test_an_image_is_known_of_every_program() -> None:
    assert set(PUBLISHED) == set(IMAGES)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_program_is_known_by_its_image(name: str) -> None:
    objective = Component(name=name)
    pods = {"Pod": [running("p", image=PUBLISHED[name])]}
    assert judged(objective, pods).verdict is Verdict.PASS
    others = [running(one, image=image) for one, image in PUBLISHED.items() if one != name]
    assert judged(objective, {"Pod": others}).verdict is Verdict.INCONCLUSIVE


def test_a_node_of_others_is_not_calico() -> None:
    assert judged(
        Component(name="Calico"), {"Pod": [running("p", image="library/node:22")]}
    ).verdict is (Verdict.INCONCLUSIVE)


def test_a_program_that_does_not_run_in_the_cluster_may_run_elsewhere() -> None:
    found = judged(Component(name="Loki"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "no pod of the cluster runs it" in found.headline
    hidden = judged(Component(name="Loki"), hidden=["Pod"])
    assert "Pod: the account may not list them" in hidden.headline


def test_a_program_of_which_no_pod_is_ready_is_a_miss() -> None:
    assert judged(Component(name="Prometheus"), prometheus(ready=False)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        ((), Verdict.PASS),  # Its default is 15 days.
        (("--storage.tsdb.retention.time=30d",), Verdict.PASS),
        (("--storage.tsdb.retention.time=2w",), Verdict.FAIL),
        (("--storage.tsdb.retention.size=10GB",), Verdict.INCONCLUSIVE),
    ],
)
def test_how_far_back_metrics_reach(arguments: tuple[str, ...], verdict: Verdict) -> None:
    assert judged(METRICS, prometheus(*arguments)).verdict is verdict


@pytest.mark.parametrize(
    ("spec", "verdict"),
    [
        ({"retention": "15d"}, Verdict.PASS),
        ({}, Verdict.FAIL),  # The operator's default is a day.
        ({"retentionSize": "10GB"}, Verdict.INCONCLUSIVE),
    ],
)
def test_how_far_back_a_prometheus_of_its_operator_keeps(
    spec: dict[str, str], verdict: Verdict
) -> None:
    assert judged(METRICS, {"Prometheus": [thing("main", spec)]}).verdict is verdict


@pytest.mark.parametrize(
    ("period", "enabled", "verdict"),
    [
        ("720h", "true", Verdict.PASS),
        ("168h", "true", Verdict.FAIL),
        ("168h", "false", Verdict.PASS),  # Nothing is deleted at all.
        ("0s", "true", Verdict.PASS),
    ],
)
def test_how_far_back_logs_reach(period: str, enabled: str, verdict: Verdict) -> None:
    assert judged(LOGS, files(loki=LOKI % (period, enabled))).verdict is verdict


@pytest.mark.parametrize(
    ("written", "verdict"),
    [
        ("{scrape_interval: 15s, evaluation_interval: 15s}", Verdict.PASS),
        ("{scrape_interval: 15s}", Verdict.FAIL),  # Rules each minute, by default.
        ("{scrape_interval: 1m, evaluation_interval: 15s}", Verdict.FAIL),
    ],
)
def test_how_often_prometheus_asks(written: str, verdict: Verdict) -> None:
    text = f"global: {written}\nscrape_configs: []\n"
    assert judged(SCRAPING, files(prometheus=text)).verdict is verdict


def test_how_often_a_prometheus_of_its_operator_asks() -> None:
    given = {"scrapeInterval": "15s", "evaluationInterval": "15s"}
    assert judged(SCRAPING, {"Prometheus": [thing("main", given)]}).verdict is Verdict.PASS
    assert judged(SCRAPING, {"Prometheus": [thing("main")]}).verdict is Verdict.FAIL


@pytest.mark.parametrize("objective", [METRICS, LOGS, SCRAPING], ids=["metrics", "logs", "scrapes"])
def test_without_a_configuration_nothing_is_said(
    objective: TelemetryRetention | Scraping,
) -> None:
    assert judged(objective).verdict is Verdict.INCONCLUSIVE
    other = files(settings="[1, 2]", template="{{ no yaml", words="a: b")
    assert judged(objective, other).verdict is Verdict.INCONCLUSIVE
    hidden = judged(objective, hidden=["ConfigMap"])
    assert "ConfigMap: the account may not list them" in hidden.detail
