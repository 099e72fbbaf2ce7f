"""Which connections are tried for a policy, and how what pods print is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import conformances
import pytest
from kubernetes_api import StandInApi

from harness.conformance.connections import (
    NAME,
    OUTSIDER,
    Destination,
    look,
    read_out,
    script,
    tries,
)
from harness.conformance.ground import Ground
from harness.conformance.probe_pods import Said, Source
from harness.model.cluster import ClusterAccess
from harness.model.configuration import Flow, NetworkPolicyAllows
from harness.model.conformance import ConnectionTried, Look, Objects

POLICY = NetworkPolicyAllows(
    namespace="shop",
    app="checkout",
    ingress=Flow(namespaces=("shop", "platform"), ports=(8000,)),
    egress=Flow(namespaces=("data",), ports=(6379,)),
)
CHECKOUT = Source("shop", "checkout")
DNS = Destination(NAME, 53, "")


def pod(namespace: str, app: str, address: str, *ports: int, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - as the API has it
    """A pod that is ready and listens."""
    return {
        "metadata": {"namespace": namespace, "name": app, "labels": {"app": app}},
        "spec": {
            "containers": [{"ports": [{"containerPort": port} for port in ports]}],
            "hostNetwork": more.get("host", False),
        },
        "status": {
            "podIP": address,
            "conditions": [{"type": "Ready", "status": more.get("ready", "True")}],
        },
    }


OBJECTS: Objects = {
    "Namespace": tuple({"metadata": {"name": one}} for one in ("shop", "platform", "data")),
    "Pod": (
        pod("shop", "checkout", "10.0.0.1", 8000),
        pod("data", "redis", "10.0.0.2", 6379, 9121),
        pod("data", "away", "10.0.0.3", 6379, ready="False"),
        pod("data", "exporter", "10.0.0.4", 6379, host=True),
        pod("search", "search", "10.0.0.5", 8000),
    ),
    "Service": (
        {
            "metadata": {"namespace": "default", "name": "kubernetes"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443}]},
        },
    ),
}
REDIS = Destination("10.0.0.2", 6379, "data", "redis")
EXPORTER = Destination("10.0.0.2", 9121, "data", "redis")
SHOP = Destination("10.0.0.1", 8000, "shop", "checkout")
API = Destination("10.96.0.1", 443, "default")


def test_allowed_and_refused_are_tried_and_the_outsider_tries_what_is_refused() -> None:
    """Of each kind; the outsider's tries show that a destination answers somebody."""
    assert tries([POLICY], OBJECTS) == {
        CHECKOUT: tuple(sorted((DNS, REDIS, API, EXPORTER, SHOP))),
        OUTSIDER: tuple(sorted((DNS, API, EXPORTER, SHOP))),
        Source("shop", ""): (SHOP,),
        Source("platform", ""): (SHOP,),
    }


def test_the_same_for_two_policies_is_tried_once() -> None:
    """The document may say it twice."""
    assert tries([POLICY, POLICY], OBJECTS) == tries([POLICY], OBJECTS)


def test_a_policy_of_a_namespace_that_is_not_there_is_not_tried() -> None:
    """No pod can be made in it."""
    assert tries([POLICY], {**OBJECTS, "Namespace": ()}) == {}


def test_ports_of_services_count_where_pods_declare_none() -> None:
    """A containerPort is information only (Kubernetes API, Container)."""
    silent = pod("data", "redis", "10.0.0.2")
    service = {
        "metadata": {"namespace": "data", "name": "redis"},
        "spec": {
            "selector": {"app": "redis"},
            "ports": [{"port": 6379, "targetPort": 6379}, {"port": 1, "targetPort": "named"}],
        },
    }
    objects = {**OBJECTS, "Pod": (silent,), "Service": (service,)}
    assert REDIS in tries([POLICY], objects)[CHECKOUT]


def test_a_policy_that_allows_any_egress_has_one_try_of_it() -> None:
    """Nothing of it is refused."""
    anywhere = NetworkPolicyAllows(
        namespace="shop",
        app="checkout",
        ingress=POLICY.ingress,
        egress=Flow(namespaces=(), ports=()),
    )
    found = tries([anywhere], OBJECTS)
    assert len([one for one in found[CHECKOUT] if one != DNS]) == 1
    assert API not in found[OUTSIDER]


def test_addresses_are_quoted_in_the_script() -> None:
    """They come from an API: nothing of them is run."""
    text = script([Destination("$(reboot)", 80, "data"), Destination("a b", 53, "")])
    assert "try 0 tcp '$(reboot)' 80 &" in text
    assert "try 1 name 'a b' &" in text


@pytest.mark.parametrize(
    ("line", "connected", "refused"),
    [
        ("0|0|", True, False),
        ("0|1|nc: can't connect to remote host (10.0.0.2): Connection refused", False, True),
        ("0|1|nc: timed out", False, False),
        ("0|143|", False, False),
        ("nonsense", None, False),
        ("", None, False),
    ],
)
def test_what_a_pod_printed_is_read(line: str, connected: bool | None, refused: bool) -> None:  # noqa: FBT001 - expected
    """A pod that said nothing of a try could not try it."""
    (fact,) = read_out(CHECKOUT, [REDIS], Said(line + "\n", None))
    assert (fact.connected, fact.refused) == (connected, refused)
    assert fact.destination == "10.0.0.2:6379"


@pytest.mark.parametrize(
    ("line", "answered"),
    [
        ("0|0|Name: kubernetes.default", True),
        ("0|1|server can't find kubernetes.default: NXDOMAIN", True),
        ("0|1|;; connection timed out; no servers could be reached", False),
        ("0|143|", False),
    ],
)
def test_a_server_that_knows_no_such_name_answered(line: str, answered: bool) -> None:  # noqa: FBT001 - expected
    """It is DNS that is asked about, not the name."""
    (fact,) = read_out(CHECKOUT, [DNS], Said(line, None))
    assert (fact.connected, fact.port, fact.destination) == (answered, 53, NAME)


def test_a_pod_that_was_not_run_tried_nothing() -> None:
    """With the reason in each of its tries."""
    facts = read_out(CHECKOUT, [REDIS, API], Said("", "exceeded quota"))
    assert {(one.connected, one.detail) for one in facts} == {(None, "exceeded quota")}


def ground(api: StandInApi, facts: list[Look], stops: str | None = None) -> Ground:
    """The stand-in's cluster and one policy."""
    return Ground(
        plan=conformances.plan(conformances.promise(POLICY), looks=("connections",)),
        cluster=api.cluster(),
        access=ClusterAccess(
            kubeconfig=Path("k"),
            identity=conformances.CLUSTER,
            provider="none",
            helper_image="busybox",
        ),
        objects=OBJECTS,
        run="run-1",
        record=facts.append,
        should_stop=lambda: stops,
    )


def test_a_look_records_every_try_and_leaves_no_pod() -> None:
    """Four pods, and all that they tried."""
    api, facts = StandInApi(), list[Look]()
    api.helper = lambda _pod: ("Succeeded", "".join(f"{one}|0|\n" for one in range(5)))
    look(ground(api, facts))
    tried = [one for one in facts if isinstance(one, ConnectionTried)]
    assert len(tried) == len(facts) == 11
    assert all(one.connected for one in tried)
    assert not [key for key in api.objects if key[0] == "pods"]
    assert len([one for one in api.changes if one.startswith("POST") and "pods" in one]) == 4


def test_a_look_that_must_stop_makes_nothing() -> None:
    """The lease of drills is somebody else's."""
    api, facts = StandInApi(), list[Look]()
    look(ground(api, facts, stops="the lease was lost"))
    assert (facts, api.changes) == ([], [])
