"""Reads and changes one Kubernetes cluster through its API: the calls that a drill needs, typed.

An answer of 403 is a RefusedError that names the missing right, 401 a RefusedError, all else that
is no success a SurroundingsError. Reads are repeated where the connection breaks or the server is
overloaded; changes never are: they may have been made.
"""

from __future__ import annotations

import enum
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from harness.drivers import kubernetes_objects as read
from harness.drivers.clock import HostClock, wait_until
from harness.drivers.kubernetes_connection import (
    Answer,
    Connection,
    ConnectionBrokenError,
    Transport,
    decoded,
)
from harness.drivers.kubernetes_objects import Object
from harness.errors import RefusedError, SurroundingsError
from harness.model.cluster import ClusterAccess, Identity, Node, Pod, Snapshot, State
from harness.model.snapshot import KINDS, flattened

NAMESPACE = "harness-drill"
"""Where everything is that the harness itself makes in a cluster."""

DRILL_LABEL = "harness.dev/drill"
"""On everything of it: the run that it is of."""

_PAGE = "500"
_PAUSES_S = (0.1, 0.5, 1.5)
"""Before each repetition of a read."""

_OK = 200
_NOT_FOUND = 404
_CONFLICT = 409
_GONE = 410
_INVALID = 422
_TOO_MANY = 429
_SERVER_ERROR = 500


class ChangedMeanwhileError(SurroundingsError):
    """An object is not as a change expected it: somebody else was quicker, or it is not allowed."""


class OtherClusterError(RefusedError):
    """Another cluster answers than the one that was written down."""


class Evicted(enum.StrEnum):
    """What came of asking for an eviction."""

    DONE = "done"
    """It is taken: the pod ends within its grace period."""

    REFUSED = "refused"
    """A PodDisruptionBudget has no room for it now."""

    GONE = "gone"
    """That pod is not there any more."""


class EvictionAnswer(NamedTuple):
    """What the Eviction API said, and in which words."""

    outcome: Evicted
    message: str


class Cluster:
    """One cluster, reached as one account. May be used by several threads."""

    def __init__(
        self, transport: Transport, context: str, pause: Callable[[float], None] = time.sleep
    ) -> None:
        """`pause` waits between two attempts of a read, in seconds."""
        self._send = transport
        self._context = context
        self._pause = pause
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    @classmethod
    def connect(cls, kubeconfig: Path, context: str) -> Cluster:
        """Prepares connections; none is opened yet. Errors as Connection.by_kubeconfig."""
        return cls(Connection.by_kubeconfig(kubeconfig, context), context)

    @classmethod
    def of(cls, access: ClusterAccess) -> Cluster:
        """The cluster that was written down; RefusedError where another one answers now."""
        cluster = cls.connect(access.kubeconfig, access.identity.context)
        cluster.require(access.identity.uid)
        return cluster

    @classmethod
    def in_cluster(cls) -> Cluster:
        """The cluster of the pod that this runs in."""
        return cls(Connection.in_cluster(), "in-cluster")

    def identity(self) -> Identity:
        """Which cluster answers."""
        return Identity(
            context=self._context,
            server=self._send.server,
            uid=self.uid(),
            version=str(self._get("/version").get("gitVersion", "")),
        )

    def uid(self) -> str:
        """Of the namespace kube-system."""
        return str(self._get("/api/v1/namespaces/kube-system")["metadata"]["uid"])

    def require(self, uid: str) -> None:
        """OtherClusterError, a RefusedError, where the cluster that answers is another one."""
        got = self.uid()
        if got != uid:
            raise OtherClusterError(
                f"context {self._context} leads to cluster {got}, expected {uid}: nothing is "
                "touched there",
                hint="point the context at the cluster that the drill was on",
            )

    # --- what is there -----------------------------------------------------------------------

    def state(self, namespaces: Sequence[str] | None = None) -> State:
        """Nodes, pods and disruption budgets; of these namespaces, or of all."""
        pods: list[Pod] = []
        budgets = []
        for namespace in (None,) if namespaces is None else namespaces:
            pods += [read.pod(one) for one in self.list_objects("v1", "Pod", namespace)]
            budgets += [
                read.budget(one)
                for one in self.list_objects("policy/v1", "PodDisruptionBudget", namespace)
            ]
        return State(
            nodes=self.nodes(),
            pods=tuple(pods),
            budgets=tuple(one for one in budgets if one is not None),
        )

    def nodes(self) -> tuple[Node, ...]:
        """All nodes."""
        return tuple(read.node(one) for one in self.list_objects("v1", "Node"))

    def node(self, name: str) -> Node | None:
        """One node; None where the API knows none of that name."""
        found = self.get_object("v1", "Node", "", name)
        return None if found is None else read.node(found)

    def pods(self, namespace: str, selector: str = "") -> tuple[Pod, ...]:
        """The pods of a namespace that a label selector chooses."""
        return tuple(
            read.pod(one) for one in self.list_objects("v1", "Pod", namespace, selector=selector)
        )

    def pod(self, namespace: str, name: str) -> Pod | None:
        """One pod; None where there is none of that name."""
        found = self.get_object("v1", "Pod", namespace, name)
        return None if found is None else read.pod(found)

    def lease_renewed(self, node: str) -> datetime | None:
        """When its kubelet last said that it lives, by that node's own clock; None: never.

        A Lease in kube-node-lease, renewed every 10 s (Kubernetes documentation, Nodes,
        Heartbeats).
        """
        lease = self.get_object("coordination.k8s.io/v1", "Lease", "kube-node-lease", node)
        return None if lease is None else read.time(lease["spec"].get("renewTime"))

    def snapshot(self) -> Snapshot:
        """All that a drill must leave as it was (harness.model.snapshot says what that is)."""
        objects = {
            (api_version, kind): self.list_objects(api_version, kind) for api_version, kind in KINDS
        }
        return Snapshot(
            taken=HostClock().now().utc, facts=flattened(objects, leave_out=(NAMESPACE,))
        )

    def allowed(  # noqa: PLR0913 - the six that a right consists of
        self,
        verb: str,
        group: str,
        resource: str,
        subresource: str = "",
        namespace: str = "",
        name: str = "",
    ) -> bool:
        """Whether this account may; `namespace` empty asks for all of them."""
        asked = {
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "namespace": namespace,
            "name": name,
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
        }
        # A POST that changes nothing, so that it may be repeated.
        answer = self._repeated("POST", path, body=review)
        return bool((_succeeded(answer, path).get("status") or {}).get("allowed"))

    # --- pods and nodes ----------------------------------------------------------------------

    def delete_pod(self, namespace: str, name: str, uid: str, grace_s: int) -> bool:
        """Deletes exactly that pod; False where it, with that uid, is not there any more."""
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        answer = self._send(
            "DELETE",
            path,
            body={"gracePeriodSeconds": grace_s, "preconditions": {"uid": uid}},
        )
        if answer.status in (_NOT_FOUND, _CONFLICT):
            return False
        _succeeded(answer, path)
        return True

    def evict(self, namespace: str, name: str, uid: str) -> EvictionAnswer:
        """Asks the Eviction API for exactly that pod; a budget's refusal is an answer, no error.

        A budget refuses by 429 with the cause DisruptionBudget (Kubernetes documentation,
        API-initiated Eviction); 429 without it is an overloaded server, a SurroundingsError.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
        answer = self._send(
            "POST",
            path,
            body={
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": name, "namespace": namespace},
                "deleteOptions": {"preconditions": {"uid": uid}},
            },
        )
        if answer.status in (_NOT_FOUND, _CONFLICT):
            return EvictionAnswer(Evicted.GONE, _message(answer))
        if answer.status == _TOO_MANY and "DisruptionBudget" in _causes(answer):
            return EvictionAnswer(Evicted.REFUSED, _message(answer))
        _succeeded(answer, path)
        return EvictionAnswer(Evicted.DONE, "the eviction was accepted")

    def set_unschedulable(self, node: str, unschedulable: bool) -> None:  # noqa: FBT001 - the one thing it sets
        """Cordons or uncordons a node; again changes nothing."""
        path = f"/api/v1/nodes/{node}"
        # `null` takes the field away, as `kubectl uncordon` does.
        change = {"spec": {"unschedulable": True if unschedulable else None}}
        _succeeded(
            self._send("PATCH", path, body=change, content_type="application/merge-patch+json"),
            path,
        )

    def run_helper_pod(
        self,
        node: str,
        image: str,
        command: Sequence[str],
        within_s: float,
        *,
        run: str = "none",
    ) -> str:
        """Runs a command on a node, as its root and in its own process and network namespaces, by
        a privileged pod that no taint and no scheduler keeps away; what it printed.

        The pod is gone when this returns. Raises SurroundingsError where the command fails, with
        its last words, and DeadlineExceededError where it does not end in time.
        """
        self.ensure_namespace()
        name = f"helper-{secrets.token_hex(4)}"
        self.create_object(_helper_pod(name, node, image, command, within_s, run))
        try:
            pod = wait_until(
                lambda: self._ended(name),
                within_s=within_s,
                what=f"helper pod {name} on {node}",
                every_s=0.1,
                hint=f"kubectl --namespace {NAMESPACE} describe pod {name}",
            )
            said = self.log(NAMESPACE, name)
        finally:
            self._send(
                "DELETE",
                f"/api/v1/namespaces/{NAMESPACE}/pods/{name}",
                body={"gracePeriodSeconds": 0},
            )
        if pod.phase != "Succeeded":
            last = said.strip().rpartition("\n")[2] or "no output"
            raise SurroundingsError(f"helper pod on {node}: {command[0]}: {last}")
        return said

    def log(self, namespace: str, pod: str) -> str:
        """All that the container of a pod wrote, standard output and error as they came; of a pod
        with several containers an error.
        """
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        answer = self._repeated("GET", path)
        if answer.status != _OK:
            _succeeded(answer, path)
        return answer.body.decode("utf-8", "replace")

    def ask_pod(self, namespace: str, pod: str, port: int, path: str) -> bytes:
        """What an HTTP server in a pod answers, by way of the API server: no connection of our own
        goes into the cluster's network. SurroundingsError where the answer is not 200.
        """
        whole = f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy/{path}"
        answer = self._send("GET", whole)
        if answer.status != _OK:
            raise SurroundingsError(
                f"{whole}: {answer.status} {answer.body[:200].decode('utf-8', 'replace')}",
                hint=f"kubectl auth can-i get pods/proxy -n {namespace}",
            )
        return answer.body

    def remove_helper_pods(self, run: str) -> tuple[str, ...]:
        """Deletes the pods that a killed run left, in whatever namespace; their names."""
        left = self.pods("", f"{DRILL_LABEL}={label_value(run)}")
        for one in left:
            self.delete_pod(one.namespace, one.name, one.uid, grace_s=0)
        return tuple(f"pod {one.namespace}/{one.name}" for one in left)

    def ensure_namespace(self) -> None:
        """Makes the harness's own namespace where it is missing; privileged pods may run in it
        (Kubernetes documentation, Pod Security Standards).
        """
        if self.get_object("v1", "Namespace", "", NAMESPACE) is not None:
            return
        level = dict.fromkeys(("enforce", "audit", "warn"), "privileged")
        labels = {f"pod-security.kubernetes.io/{mode}": value for mode, value in level.items()}
        try:
            self.create_object(
                {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {
                        "name": NAMESPACE,
                        "labels": {"app.kubernetes.io/managed-by": "harness", **labels},
                    },
                }
            )
        except ChangedMeanwhileError:
            return  # another process made it just now

    # --- any object --------------------------------------------------------------------------

    def get_object(self, api_version: str, kind: str, namespace: str, name: str) -> Object | None:
        """One object as the API has it; None where it, or its kind, does not exist."""
        collection = self._collection(api_version, kind, namespace)
        if collection is None:
            return None
        path = f"{collection}/{name}"
        answer = self._repeated("GET", path)
        return None if answer.status == _NOT_FOUND else _succeeded(answer, path)

    def list_objects(
        self, api_version: str, kind: str, namespace: str | None = None, *, selector: str = ""
    ) -> tuple[Object, ...]:
        """All objects of a kind, of one namespace or of all; none where the kind does not exist."""
        path = self._collection(api_version, kind, namespace or "")
        return () if path is None else tuple(self._pages(path, selector))

    def has_kind(self, api_version: str, kind: str) -> bool:
        """Whether the API has objects of that kind, as the resource metrics API may be missing."""
        return self._resource(api_version, kind) is not None

    def create_object(self, content: Object) -> Object:
        """Makes an object; ChangedMeanwhileError where there is one of that name."""
        metadata = content["metadata"]
        path = self._required(content["apiVersion"], content["kind"], metadata.get("namespace", ""))
        return _succeeded(self._send("POST", path, body=content), path)

    def patch_object(
        self,
        api_version: str,
        kind: str,
        namespace: str,
        name: str,
        operations: Sequence[Mapping[str, object]],
    ) -> Object:
        """Applies a JSON patch (RFC 6902), all of it or nothing.

        ChangedMeanwhileError where a `test` of it fails, or the API does not allow the result.
        """
        path = f"{self._required(api_version, kind, namespace)}/{name}"
        answer = self._send(
            "PATCH",
            path,
            body=[dict(one) for one in operations],
            content_type="application/json-patch+json",
        )
        return _succeeded(answer, path)

    def delete_object(self, api_version: str, kind: str, namespace: str, name: str) -> bool:
        """Deletes an object and what belongs to it; False where it is not there."""
        path = f"{self._required(api_version, kind, namespace)}/{name}"
        # A Job's pods would else stay (pkg/registry/batch/job, DefaultGarbageCollectionPolicy).
        answer = self._send("DELETE", path, body={"propagationPolicy": "Background"})
        if answer.status == _NOT_FOUND:
            return False
        _succeeded(answer, path)
        return True

    # --- the wire ----------------------------------------------------------------------------

    def _collection(self, api_version: str, kind: str, namespace: str) -> str | None:
        """The path of a kind's objects; None where the API has no such kind."""
        found = self._resource(api_version, kind)
        if found is None:
            return None
        plural, namespaced = found
        inside = f"/namespaces/{namespace}" if namespaced and namespace else ""
        return f"{_group_path(api_version)}{inside}/{plural}"

    def _required(self, api_version: str, kind: str, namespace: str) -> str:
        path = self._collection(api_version, kind, namespace)
        if path is None:
            raise SurroundingsError(f"the API has no {kind} of {api_version}")
        return path

    def _resource(self, api_version: str, kind: str) -> tuple[str, bool] | None:
        """Its plural and whether it is in a namespace, from the API's own list."""
        key = (api_version, kind)
        if key not in self._resources:
            path = _group_path(api_version)
            answer = self._repeated("GET", path)
            if answer.status == _NOT_FOUND:
                return None
            for one in _succeeded(answer, path).get("resources") or ():
                if "/" not in one["name"]:
                    self._resources[api_version, one["kind"]] = (one["name"], one["namespaced"])
        return self._resources.get(key)

    def _pages(self, path: str, selector: str) -> Iterator[Object]:
        query = {"limit": _PAGE, **({"labelSelector": selector} if selector else {})}
        following = ""
        while True:
            more = {"continue": following} if following else {}
            page = self._get(path, query={**query, **more})
            yield from page.get("items") or ()
            following = (page.get("metadata") or {}).get("continue") or ""
            if not following:
                return

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        return _succeeded(self._repeated("GET", path, query=query), path)

    def _repeated(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> Answer:
        """A read: asked again where no answer came, or the server could not give one."""
        for pause_s in _PAUSES_S:
            try:
                answer = self._send(method, path, query=query, body=body)
            except ConnectionBrokenError:
                pass
            else:
                if answer.status < _SERVER_ERROR and answer.status != _TOO_MANY:
                    return answer
            self._pause(pause_s)
        return self._send(method, path, query=query, body=body)

    def _ended(self, name: str) -> Pod | None:
        pod = self.pod(NAMESPACE, name)
        if pod is None:
            raise SurroundingsError(f"helper pod {name} was deleted by somebody else")
        return pod if pod.phase in ("Succeeded", "Failed") else None


def _group_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _succeeded(answer: Answer, path: str) -> Object:
    """The content of an answer that is a success; its error otherwise."""
    if _OK <= answer.status < 300:
        return decoded(answer)
    message = _message(answer)
    if answer.status == 403:
        raise RefusedError(
            f"not allowed: {message}", hint="harness plan SUITE -e ENVIRONMENT  # prints the rights"
        )
    if answer.status == 401:
        raise RefusedError(f"the API does not know who asks: {message}")
    kind = (
        ChangedMeanwhileError
        if answer.status in (_CONFLICT, _INVALID, _GONE)
        else SurroundingsError
    )
    raise kind(f"the API answered {answer.status} to {path}: {message}")


def _status(answer: Answer) -> Object:
    try:
        content = json.loads(answer.body or b"{}")
    except ValueError:
        return {"message": answer.body[:200].decode("utf-8", "replace").strip()}
    return content if isinstance(content, dict) else {}


def _message(answer: Answer) -> str:
    return str(_status(answer).get("message") or "no message")


def _causes(answer: Answer) -> tuple[str, ...]:
    details = _status(answer).get("details") or {}
    return tuple(str(one.get("reason")) for one in details.get("causes") or ())


def label_value(text: str) -> str:
    """A text as a label's value may be: at most 63 letters, digits, `-`, `_` and `.`."""
    kept = "".join(
        one if one.isascii() and (one.isalnum() or one in "-_.") else "-" for one in text
    )
    return kept[-63:].strip("-_.")


def _helper_pod(  # noqa: PLR0913 - as run_helper_pod
    name: str, node: str, image: str, command: Sequence[str], within_s: float, run: str
) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {DRILL_LABEL: label_value(run)},
        },
        "spec": {
            "nodeName": node,
            "hostPID": True,
            "hostNetwork": True,
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            # A harness that is killed leaves a pod that ends nevertheless.
            "activeDeadlineSeconds": max(1, int(within_s)),
            "automountServiceAccountToken": False,
            "priorityClassName": "system-node-critical",
            "tolerations": [{"operator": "Exists"}],
            "containers": [
                {
                    "name": "helper",
                    "image": image,
                    "imagePullPolicy": "IfNotPresent",
                    "command": list(command),
                    "securityContext": {"privileged": True},
                }
            ],
        },
    }
