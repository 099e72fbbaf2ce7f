"""The manifests of a filling: pods that ask for what a claim's pods ask for, whatever made them."""

from __future__ import annotations

from typing import Any

from harness.load.fake_pods import LABEL, deployment, name_of, resource_quota
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.quantity import amount_of
from harness.model.quota import Claim, QuotaLimit

SERVICE = ContainerResources(
    name="service",
    requests={Resource.CPU: 0.5, Resource.MEMORY: 512 * 2.0**20},
    limits={Resource.CPU: 2.0, Resource.MEMORY: 2 * 2.0**30},
)
SIDECAR = ContainerResources(name="proxy", limits={Resource.CPU: 0.3}, sidecar=True)
OVERHEAD = ContainerResources(name="(pod overhead)", requests={Resource.CPU: 0.25})


def made(*containers: ContainerResources, controller: str = "Deployment/checkout") -> Any:  # noqa: ANN401
    return deployment(
        Claim(namespace="shop", controller=controller, replicas=10, containers=containers)
    )


def test_a_controller_has_all_the_replicas_that_it_may_have() -> None:
    """Under a name by which its pods are found."""
    manifest = made(SERVICE)
    assert manifest["spec"]["replicas"] == 10
    assert manifest["metadata"]["namespace"] == "shop"
    assert manifest["metadata"]["name"] == name_of("Deployment/checkout")
    labels = {LABEL: name_of("Deployment/checkout")}
    assert manifest["spec"]["selector"]["matchLabels"] == labels
    assert manifest["spec"]["template"]["metadata"]["labels"] == labels


def test_its_pods_ask_for_exactly_what_the_claim_says() -> None:
    """As quantities that the API reads back to the same numbers."""
    (container,) = made(SERVICE)["spec"]["template"]["spec"]["containers"]
    for kind, amounts in (("requests", SERVICE.requests), ("limits", SERVICE.limits)):
        read = {name: amount_of(text) for name, text in container["resources"][kind].items()}
        assert read == {str(resource): amount for resource, amount in amounts.items()}


def test_a_sidecar_runs_beside_the_others() -> None:
    """An init container that is restarted always; else a quota would count only the largest."""
    pod = made(SERVICE, SIDECAR)["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["containers"]] == ["container-1"]
    (sidecar,) = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["resources"] == {"requests": {}, "limits": {"cpu": "300m"}}


def test_what_is_no_container_is_counted_as_one() -> None:
    """Its name would not be a valid one."""
    pod = made(SERVICE, OVERHEAD)["spec"]["template"]["spec"]
    assert [one["name"] for one in pod["containers"]] == ["container-1", "container-2"]


def test_pods_meet_the_restricted_standard() -> None:
    """Kubernetes documentation, Pod Security Standards: else the namespace refuses them, not its
    quota.
    """
    pod = made(SERVICE, SIDECAR)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*pod["containers"], *pod["initContainers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_two_kinds_may_have_one_name() -> None:
    """A Deployment and a StatefulSet called alike are two controllers."""
    assert name_of("Deployment/redis") != name_of("StatefulSet/redis")


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    """Labels have at most 63 characters, and so has a ReplicaSet's name as one."""
    one, other = name_of(f"Deployment/{'a' * 200}b"), name_of(f"Deployment/{'a' * 200}c")
    assert one != other
    assert len(one) == len(other) == 50


def test_a_quota_keeps_its_figures() -> None:
    """Whole numbers, thousandths and bytes."""
    hard = {"requests.cpu": 2.5, "limits.cpu": 50.0, "limits.memory": 100 * 2.0**30, "pods": 7.0}
    manifest = resource_quota(QuotaLimit(namespace="shop", name="compute", hard=hard))
    assert manifest["metadata"] == {"name": "compute", "namespace": "shop"}
    assert {name: amount_of(text) for name, text in manifest["spec"]["hard"].items()} == hard
    assert manifest["spec"]["hard"]["requests.cpu"] == "2500m"
