"""lab/platform holds the deployment document's numbers, and nothing in it leads nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

PLATFORM = Path(__file__).parents[3] / "lab" / "platform"
BASE = PLATFORM / "apps/checkout/base"
SMALL_MACHINE = PLATFORM / "components/small-machine"

Object = dict[str, Any]

NAMESPACES = {
    "core-business-dev",
    "core-business-staging",
    "core-business-prod",
    "platform-dev",
    "platform-staging",
    "platform-prod",
    "infrastructure",
}
ENVIRONMENTS = ("dev", "staging", "production")
QUOTAS = {
    "core-business-prod": ("50", "100Gi"),
    "platform-prod": ("30", "60Gi"),
    "infrastructure": ("20", "40Gi"),
}
STANDARD_CONTAINER = {
    "requests": {"cpu": "200m", "memory": "512Mi"},
    "limits": {"cpu": "500m", "memory": "1Gi"},
}
RESOURCES = {
    "dev": {
        "requests": {"cpu": "100m", "memory": "128Mi"},
        "limits": {"cpu": "500m", "memory": "512Mi"},
    },
    "staging": {
        "requests": {"cpu": "200m", "memory": "256Mi"},
        "limits": {"cpu": "1000m", "memory": "1Gi"},
    },
    "production": {
        "requests": {"cpu": "500m", "memory": "512Mi"},
        "limits": {"cpu": "2000m", "memory": "2Gi"},
    },
}
REPLICAS = {"dev": 1, "staging": 2, "production": 3}
DOCUMENTED_POLICY = """
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: checkout-network-policy
  namespace: core-business-prod
spec:
  podSelector:
    matchLabels:
      app: checkout
  policyTypes:
  - Ingress
  - Egress
  ingress:
  - from:
    - namespaceSelector:
        matchLabels:
          name: core-business-prod
    - namespaceSelector:
        matchLabels:
          name: platform-prod
    ports:
    - protocol: TCP
      port: 8000
    - protocol: TCP
      port: 9000
  egress:
  - to:
    - namespaceSelector:
        matchLabels:
          name: infrastructure
    ports:
    - protocol: TCP
      port: 6379  # Redis
    - protocol: TCP
      port: 5432  # PostgreSQL
"""

CPU_FACTOR = 10
MEMORY_FACTOR = 4
BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def amount(quantity: str) -> Decimal:
    """A Kubernetes quantity as a number: cores, or bytes."""
    if quantity.endswith("m"):
        return Decimal(quantity.removesuffix("m")) / 1000
    for suffix, factor in BINARY.items():
        if quantity.endswith(suffix):
            return Decimal(quantity.removesuffix(suffix)) * factor
    return Decimal(quantity)


def documents(path: Path) -> list[Object]:
    """The objects in a file."""
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def one(path: Path, name: str | None = None) -> Object:
    """The only object in a file, or the one of a name."""
    (found,) = [each for each in documents(path) if name in {None, each["metadata"]["name"]}]
    return found


def kustomizations() -> list[Path]:
    """All kustomization files."""
    return sorted(PLATFORM.rglob("kustomization.yaml"))


def resources(kustomization: Path) -> Iterator[Path]:
    """The files that a kustomization lists as resources; directories have their own."""
    for entry in yaml.safe_load(kustomization.read_text()).get("resources", []):
        path = kustomization.parent / entry
        if path.is_file():
            yield path


def installed() -> list[Object]:
    """All objects that are listed somewhere, before any patch."""
    return [
        each
        for kustomization in kustomizations()
        for path in resources(kustomization)
        for each in documents(path)
    ]


def workloads() -> list[Object]:
    """What runs pods."""
    return [each for each in installed() if each["kind"] in {"Deployment", "StatefulSet", "Job"}]


def containers(workload: Object) -> list[Object]:
    """The containers of a workload's pods."""
    found: list[Object] = workload["spec"]["template"]["spec"]["containers"]
    return found


def by_name(objects: list[Object], kind: str) -> dict[tuple[str | None, str], Object]:
    """Objects of a kind, by namespace and name."""
    return {
        (each["metadata"].get("namespace"), each["metadata"]["name"]): each
        for each in objects
        if each["kind"] == kind
    }


def test_the_seven_namespaces_and_the_label_that_policies_select_by() -> None:
    """The documented NetworkPolicy selects by `name`, which Kubernetes does not set."""
    found = documents(PLATFORM / "namespaces/namespaces.yaml")
    assert {each["metadata"]["name"] for each in found} == NAMESPACES
    for each in found:
        labels = each["metadata"]["labels"]
        assert labels["name"] == each["metadata"]["name"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_quotas_are_the_documented_shares() -> None:
    """50/30/20 cores and 100/60/40 Gi, of requests as of limits."""
    found = documents(PLATFORM / "namespaces/resourcequotas.yaml")
    assert {each["metadata"]["namespace"]: each["spec"]["hard"] for each in found} == {
        namespace: {
            "requests.cpu": cpu,
            "limits.cpu": cpu,
            "requests.memory": memory,
            "limits.memory": memory,
        }
        for namespace, (cpu, memory) in QUOTAS.items()
    }


def test_every_namespace_gives_the_standard_container_by_default() -> None:
    """A LimitRange in each of the seven, with the document's container resources."""
    found = documents(PLATFORM / "namespaces/limitranges.yaml")
    assert {each["metadata"]["namespace"] for each in found} == NAMESPACES
    for each in found:
        (limit,) = each["spec"]["limits"]
        assert limit == {
            "type": "Container",
            "defaultRequest": STANDARD_CONTAINER["requests"],
            "default": STANDARD_CONTAINER["limits"],
        }


def test_the_autoscaler_is_the_documented_one() -> None:
    """1 to 10 replicas, CPU 70 %, memory 80 %, 60 s up, 300 s down."""
    spec = one(BASE / "hpa.yaml")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 10)
    assert spec["scaleTargetRef"]["name"] == "checkout"
    assert {
        metric["resource"]["name"]: metric["resource"]["target"]["averageUtilization"]
        for metric in spec["metrics"]
    } == {"cpu": 70, "memory": 80}
    up, down = spec["behavior"]["scaleUp"], spec["behavior"]["scaleDown"]
    assert {policy["periodSeconds"] for policy in up["policies"]} == {60}
    assert {policy["periodSeconds"] for policy in down["policies"]} == {300}
    assert down["stabilizationWindowSeconds"] == 300


def test_the_update_strategy_is_the_documented_one() -> None:
    """RollingUpdate, maxSurge 100 %, maxUnavailable 0 %."""
    for file in ("deployment.yaml", "subscriber.yaml"):
        assert one(BASE / file)["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": "100%", "maxUnavailable": "0%"},
        }


def test_the_documented_network_policy_word_for_word() -> None:
    """As it is in the document; what it forgets is in a file of its own."""
    assert documents(BASE / "networkpolicy.yaml") == [yaml.safe_load(DOCUMENTED_POLICY)]
    dns = one(BASE / "networkpolicy-needed.yaml", "allow-dns")
    (egress,) = dns["spec"]["egress"]
    assert {(port["protocol"], port["port"]) for port in egress["ports"]} == {
        ("UDP", 53),
        ("TCP", 53),
    }


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_the_policy_of_another_environment_differs_in_the_namespaces_only(environment: str) -> None:
    """The patch replaces the list of sources as a whole, so it must say all of it."""
    patch = one(PLATFORM / f"apps/checkout/overlays/{environment}/patch-networkpolicy.yaml")
    expected = yaml.safe_load(DOCUMENTED_POLICY.replace("-prod\n    ", f"-{environment}\n    "))
    assert patch["spec"]["ingress"] == expected["spec"]["ingress"]
    assert f"platform-{environment}" in str(patch)


@pytest.mark.parametrize("workload", workloads(), ids=lambda each: str(each["metadata"]["name"]))
def test_every_container_is_secured_as_documented(workload: Object) -> None:
    """Not root, 65532, read-only root, no escalation, no capabilities, seccomp RuntimeDefault."""
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    for container in containers(workload):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    needs_the_api = workload["metadata"]["name"] in {"postgresql", "prometheus"}
    assert pod["automountServiceAccountToken"] is needs_the_api


def test_the_checkout_is_the_documented_container() -> None:
    """Ports 8000 and 9000, probes with the documented paths and times, the standard resources."""
    (container,) = containers(one(BASE / "deployment.yaml"))
    assert container["ports"] == [
        {"name": "http", "containerPort": 8000, "protocol": "TCP"},
        {"name": "grpc", "containerPort": 9000, "protocol": "TCP"},
    ]
    for file in ("deployment.yaml", "subscriber.yaml"):
        (container,) = containers(one(BASE / file))
        assert container["livenessProbe"] == {
            "httpGet": {"path": "/health/live", "port": 8000},
            "initialDelaySeconds": 10,
            "periodSeconds": 10,
        }
        assert container["readinessProbe"] == {
            "httpGet": {"path": "/health/ready", "port": 8000},
            "initialDelaySeconds": 5,
            "periodSeconds": 5,
        }
        assert container["resources"] == STANDARD_CONTAINER


def test_an_application_has_the_documented_files() -> None:
    """Base and overlay, as the document lists them."""
    assert {path.name for path in BASE.iterdir()} >= {
        "deployment.yaml",
        "service.yaml",
        "configmap.yaml",
        "secret.yaml",
        "hpa.yaml",
        "pdb.yaml",
        "networkpolicy.yaml",
        "servicemonitor.yaml",
        "kustomization.yaml",
    }
    for environment in ENVIRONMENTS:
        overlay = PLATFORM / "apps/checkout/overlays" / environment
        assert {path.name for path in overlay.iterdir()} >= {
            "kustomization.yaml",
            "patch-deployment.yaml",
            "patch-configmap.yaml",
            "patch-resources.yaml",
        }


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_overlay_has_its_environments_numbers(environment: str) -> None:
    """Replicas and resources of dev, staging and production."""
    overlay = PLATFORM / "apps/checkout/overlays" / environment
    deployment = one(overlay / "patch-deployment.yaml")
    assert deployment["spec"]["replicas"] == REPLICAS[environment]
    (container,) = containers(one(overlay / "patch-resources.yaml"))
    assert container["resources"] == RESOURCES[environment]


def test_the_data_layer_is_the_documented_one() -> None:
    """PostgreSQL with two replicas and 100Gi each; Redis of six with 50Gi each, AOF and RDB."""
    sets = by_name(installed(), "StatefulSet")
    for name, replicas, storage in (("postgresql", 3, "100Gi"), ("redis", 6, "50Gi")):
        spec = sets[None, name]["spec"]
        (claim,) = spec["volumeClaimTemplates"]
        assert (spec["replicas"], claim["spec"]["resources"]["requests"]["storage"]) == (
            replicas,
            storage,
        )
    (redis_job,) = [
        each for each in workloads() if each["metadata"]["name"] == "redis-make-cluster"
    ]
    (container,) = containers(redis_job)
    assert {each["name"]: each["value"] for each in container["env"]} == {
        "NAME": "redis",
        "MASTERS": "3",
        "REPLICAS": "1",
    }
    settings = (PLATFORM / "infrastructure/redis/redis.conf").read_text().splitlines()
    assert "appendonly yes" in settings
    assert any(line.startswith("save ") for line in settings)


def test_postgresql_fails_over_as_fast_as_patroni_can_and_loses_nothing_acknowledged() -> None:
    """The ttl at its floor, within Patroni's rule for its three times; a replica acknowledges."""
    patroni = yaml.safe_load((PLATFORM / "infrastructure/postgresql/patroni.yml").read_text())
    dcs = patroni["bootstrap"]["dcs"]
    assert dcs["ttl"] == 20
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"]
    assert dcs["synchronous_mode"] is True
    assert patroni["kubernetes"]["use_endpoints"] is True
    assert "password" not in str(patroni)


def test_patronis_endpoints_all_have_a_service_without_selector() -> None:
    """The leader's name is the scope; Kubernetes removes Endpoints that belong to no Service."""
    patroni = yaml.safe_load((PLATFORM / "infrastructure/postgresql/patroni.yml").read_text())
    services = by_name(installed(), "Service")
    scope = patroni["scope"]
    for name in (scope, f"{scope}-config", f"{scope}-failover", f"{scope}-sync"):
        assert "selector" not in services[None, name]["spec"]
    ports = services[None, scope]["spec"]["ports"]
    assert ports == patroni["kubernetes"]["ports"]
    template = one(PLATFORM / "infrastructure/postgresql/statefulset.yaml")["spec"]["template"]
    assert template["metadata"]["labels"] == patroni["kubernetes"]["labels"] | {
        "cluster-name": scope
    }


def test_patroni_may_touch_its_own_objects_only() -> None:
    """Verbs that change something are bound to names, and the names are those that exist."""
    rbac = documents(PLATFORM / "infrastructure/postgresql/rbac.yaml")
    (role,) = [each for each in rbac if each["kind"] == "Role"]
    replicas = one(PLATFORM / "infrastructure/postgresql/statefulset.yaml")["spec"]["replicas"]
    named = {
        (resource, name)
        for rule in role["rules"]
        if "patch" in rule["verbs"]
        for resource in rule["resources"]
        for name in rule["resourceNames"]
    }
    assert named == {("pods", f"postgresql-{number}") for number in range(replicas)} | {
        ("endpoints", f"postgresql-primary{suffix}")
        for suffix in ("", "-config", "-failover", "-sync")
    }
    assert all("*" not in rule["verbs"] + rule["resources"] for rule in role["rules"])


def test_critical_services_are_guaranteed() -> None:
    """Requests are limits, before and after the numbers are made small."""
    for file in (
        *PLATFORM.glob("infrastructure/*/statefulset.yaml"),
        SMALL_MACHINE / "infrastructure.yaml",
    ):
        for each in documents(file):
            for container in containers(each):
                assert container["resources"]["requests"] == container["resources"]["limits"]


def smaller(of: dict[str, str]) -> dict[str, Decimal]:
    """Amounts divided by the factor of each."""
    return {
        name: amount(quantity) / (CPU_FACTOR if "cpu" in name else MEMORY_FACTOR)
        for name, quantity in of.items()
    }


def amounts(of: dict[str, str]) -> dict[str, Decimal]:
    return {name: amount(quantity) for name, quantity in of.items()}


def by_namespace(path: Path) -> dict[str, Object]:
    """What the objects in a file specify, by namespace."""
    return {each["metadata"]["namespace"]: each["spec"] for each in documents(path)}


def test_the_small_machine_keeps_every_ratio_of_the_quotas() -> None:
    """One factor for CPU and one for memory."""
    full = by_namespace(PLATFORM / "namespaces/resourcequotas.yaml")
    small = by_namespace(SMALL_MACHINE / "resourcequotas.yaml")
    assert set(small) == set(full)
    for namespace, spec in small.items():
        assert amounts(spec["hard"]) == smaller(full[namespace]["hard"])


def test_the_small_machine_keeps_every_ratio_of_the_defaults() -> None:
    """In every namespace that has a quota."""
    full = by_namespace(PLATFORM / "namespaces/limitranges.yaml")
    small = by_namespace(SMALL_MACHINE / "limitranges.yaml")
    assert set(small) == set(QUOTAS)
    for namespace, spec in small.items():
        (got,), (documented,) = spec["limits"], full[namespace]["limits"]
        for key in ("default", "defaultRequest"):
            assert amounts(got[key]) == smaller(documented[key])


def test_the_small_machine_keeps_every_ratio_of_the_workloads() -> None:
    """All StatefulSets, and production's checkout, which the patch's target says."""
    small = {
        each["metadata"]["name"]: containers(each)[0]
        for each in documents(SMALL_MACHINE / "infrastructure.yaml")
    }
    full = {name: each for (_, name), each in by_name(installed(), "StatefulSet").items()}
    assert set(small) == set(full)
    pairs = [(small[name], containers(full[name])[0]) for name in full]
    pairs.append(
        (
            containers(one(SMALL_MACHINE / "checkout.yaml"))[0],
            {"name": "checkout", "resources": RESOURCES["production"]},
        )
    )
    for got, documented in pairs:
        assert got["name"] == documented["name"]
        for kind in ("requests", "limits"):
            assert amounts(got["resources"][kind]) == smaller(documented["resources"][kind])
    patches = yaml.safe_load((SMALL_MACHINE / "kustomization.yaml").read_text())["patches"]
    assert {"kind": "Deployment", "namespace": "core-business-prod"} in [
        each.get("target") for each in patches
    ]


def test_the_platform_fits_its_quotas_with_room_for_monitoring() -> None:
    """Limits of everything at its documented maximum, also in the middle of an update."""
    sets = by_name(installed(), "StatefulSet").values()
    for resource, share in (("cpu", 0), ("memory", 1)):
        infrastructure = sum(
            each["spec"]["replicas"] * amount(containers(each)[0]["resources"]["limits"][resource])
            for each in sets
        )
        assert infrastructure <= amount(QUOTAS["infrastructure"][share]) * Decimal("0.8")
        # Ten of the checkout and two subscribers, all twice: maxSurge 100 %.
        checkout = 24 * amount(RESOURCES["production"]["limits"][resource])
        assert checkout <= amount(QUOTAS["core-business-prod"][share])


def test_every_workload_that_stays_has_a_disruption_budget() -> None:
    """Found by the labels of its pods."""
    budgets = [each["spec"] for each in installed() if each["kind"] == "PodDisruptionBudget"]
    selected = [budget["selector"]["matchLabels"] for budget in budgets]
    for workload in workloads():
        if workload["kind"] != "Job":
            assert workload["spec"]["selector"]["matchLabels"] in selected
    assert all(budget["maxUnavailable"] == 1 for budget in budgets)


def generated(kind: str) -> set[str]:
    """The names that generators give."""
    return {
        each["name"]
        for kustomization in kustomizations()
        for each in yaml.safe_load(kustomization.read_text()).get(kind, [])
    }


def references(node: object, key: str) -> Iterator[str]:
    """The names under every `key` of a tree."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key and isinstance(value, dict) and "name" in value:
                yield value["name"]
            yield from references(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from references(value, key)


def test_every_name_that_is_referred_to_exists() -> None:
    """ConfigMaps and Secrets that pods use, Services of StatefulSets, hosts in addresses."""
    objects = installed()
    maps = {name for _, name in by_name(objects, "ConfigMap")} | generated("configMapGenerator")
    secrets = {name for _, name in by_name(objects, "Secret")} | generated("secretGenerator")
    services = {name for _, name in by_name(objects, "Service")}
    patch = documents(PLATFORM / "components/archiving/postgresql.yaml")
    for each in objects + patch:
        assert set(references(each, "configMap")) <= maps
        assert set(references(each, "configMapRef")) <= maps
        assert set(references(each, "secretRef")) <= secrets
        assert set(references(each, "secretKeyRef")) <= secrets
        if each["kind"] == "StatefulSet" and each not in patch:
            assert each["spec"]["serviceName"] in services
    for url in one(BASE / "secret.yaml")["stringData"].values():
        host = url.split("//")[1].split("@")[-1].split(":")[0]
        assert host.removesuffix(".infrastructure.svc") in services
    for name, nodes in (("redis", 6), ("broker", 3)):
        names = environment(PLATFORM / f"infrastructure/{name}/statefulset.yaml")["PEERS"]
        assert names.split() == [f"{name}-{number}.{name}-nodes" for number in range(nodes)]


def environment(path: Path) -> dict[str, str]:
    """What the first container of a workload is told literally."""
    return {
        each["name"]: each["value"] for each in containers(one(path))[0]["env"] if "value" in each
    }


def test_the_checkouts_password_is_the_same_on_both_sides() -> None:
    """A Secret cannot be read across namespaces, so it is written twice."""
    kustomization = yaml.safe_load(
        (PLATFORM / "infrastructure/postgresql/kustomization.yaml").read_text()
    )
    (secret,) = kustomization["secretGenerator"]
    passwords = dict(literal.split("=", 1) for literal in secret["literals"])
    url = one(BASE / "secret.yaml")["stringData"]["DATABASE_URL"]
    assert url.startswith(f"postgresql://checkout:{passwords['checkout']}@")


def test_what_two_clusters_of_redis_talk_through_is_not_the_same_port() -> None:
    """After a power cut a pod of one may have the address that one of the other had."""
    buses = {
        name: [
            port["containerPort"] for port in containers(each)[0]["ports"] if port["name"] == "bus"
        ]
        for (_, name), each in by_name(installed(), "StatefulSet").items()
    }
    assert buses["redis"] == [16379]
    assert buses["broker"] == [16380]
    broker = environment(PLATFORM / "infrastructure/broker/statefulset.yaml")
    redis = environment(PLATFORM / "infrastructure/redis/statefulset.yaml")
    assert (broker["BUS_PORT"], redis.get("BUS_PORT")) == ("16380", None)  # 16379 by default


@pytest.mark.parametrize(
    ("version", "variable"),
    [("slow", "CHECKOUT_DELAY_MS"), ("broken", "CHECKOUT_ERROR_RATE")],
)
def test_a_bad_version_crosses_the_documented_rollback_condition(
    version: str, variable: str
) -> None:
    """Slower than 500 ms, or more than 5 % of errors; in the pod's template: an undo undoes it."""
    component = PLATFORM / f"components/checkout-{version}/kustomization.yaml"
    (patch,) = yaml.safe_load(component.read_text())["patches"]
    deployment = yaml.safe_load(patch["patch"])
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert (
        labels["version"]
        != one(BASE / "deployment.yaml")["spec"]["template"]["metadata"]["labels"]["version"]
    )
    (container,) = containers(deployment)
    (setting,) = container["env"]
    assert setting["name"] == variable
    assert Decimal(setting["value"]) > {"slow": Decimal(500), "broken": Decimal("0.05")}[version]
    base = {
        each["name"]: each.get("value")
        for each in containers(one(BASE / "deployment.yaml"))[0]["env"]
    }
    assert base[variable] == "0"


def test_archiving_keeps_the_documented_backup_promises() -> None:
    """AES-256, 30 days, and a segment sooner than the documented minute of loss."""
    archiving = PLATFORM / "components/archiving"
    settings = (archiving / "pgbackrest.conf").read_text().splitlines()
    assert "repo1-cipher-type=aes-256-cbc" in settings
    assert "repo1-retention-full-type=time" in settings
    assert "repo1-retention-full=30" in settings
    patroni = yaml.safe_load((archiving / "with-archiving.yml").read_text())
    timeout = patroni["postgresql"]["parameters"]["archive_timeout"]
    assert int(timeout.removesuffix("s")) < 60
    data_dir = yaml.safe_load((PLATFORM / "infrastructure/postgresql/patroni.yml").read_text())[
        "postgresql"
    ]["data_dir"]
    assert f"pg1-path={data_dir}" in settings


def test_every_file_is_listed_and_every_listed_file_exists() -> None:
    """A manifest that no kustomization names is never applied, and nobody would notice."""
    listed: set[Path] = set()
    for kustomization in kustomizations():
        content = yaml.safe_load(kustomization.read_text())
        entries = [
            *content.get("resources", []),
            *content.get("components", []),
            *(each["path"] for each in content.get("patches", []) if "path" in each),
            *(
                file
                for generator in ("configMapGenerator", "secretGenerator")
                for each in content.get(generator, [])
                for file in each.get("files", [])
            ),
        ]
        for entry in entries:
            path = (kustomization.parent / entry).resolve()
            assert path.exists(), f"{kustomization}: {entry} does not exist"
            listed.add(path / "kustomization.yaml" if path.is_dir() else path)
    present = {path for path in PLATFORM.rglob("*") if path.is_file()}
    optional = {"production", "dev", "staging", "production-slow", "production-broken"}
    entrances = {PLATFORM / "environments" / name / "kustomization.yaml" for name in optional} | {
        PLATFORM / "components" / name / "kustomization.yaml"
        for name in ("archiving", "asynchronous")
    }
    entrances.add(PLATFORM / "restore-validation/kustomization.yaml")
    assert present - listed == (entrances - listed) | {PLATFORM / "README.md"}


def test_every_file_says_first_what_it_decides() -> None:
    """The first line of a file is a comment."""
    for path in PLATFORM.rglob("*"):
        if path.suffix in {".yaml", ".yml", ".conf", ".sh"}:
            assert path.read_text().startswith("# "), path


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environment_is_complete(environment: str) -> None:
    """Namespaces, infrastructure and the checkout, at the size of a small machine."""
    content = yaml.safe_load(
        (PLATFORM / "environments" / environment / "kustomization.yaml").read_text()
    )
    assert content["resources"] == [
        "../../namespaces",
        "../../infrastructure",
        f"../../apps/checkout/overlays/{environment}",
    ]
    assert "../../components/small-machine" in content["components"]
