"""Argo CD: finds the Applications that would undo a change, pauses them, and lets them go on.

Sources: Argo CD documentation, Resource Tracking (the annotation, and the labels of older
settings), Automated Sync Policy (`spec.syncPolicy.automated`; toggling it under an ApplicationSet),
Applications in any namespace (`namespace_name` as the name in a tracking id).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from harness.drivers.kubernetes import Cluster
from harness.drivers.kubernetes_objects import Object
from harness.errors import RefusedError
from harness.faults import pointer
from harness.faults.intents import Intents
from harness.model.fault import Intent, RestoreObject

API_VERSION = "argoproj.io/v1alpha1"
AUTOMATED = "/spec/syncPolicy/automated"

_TRACKING_ID = "argocd.argoproj.io/tracking-id"
_LABELS = ("argocd.argoproj.io/instance", "app.kubernetes.io/instance")
_DEEPEST = 10
"""Applications of Applications; deeper is a circle."""

Declare = Callable[[str, RestoreObject], Intent]
"""Writes an intent down: in words, and its inverse."""


def applications_over(changed: Object, applications: tuple[Object, ...]) -> tuple[Object, ...]:
    """The Applications that manage an object, the outermost first: an Application may itself be
    managed by another, which would put its sync policy back. Pure.
    """
    chain: list[Object] = []
    here = changed
    while (found := _managing(here, applications)) is not None:
        if found in chain or len(chain) == _DEEPEST:
            raise RefusedError(f"Applications manage each other: {_named(found)}")
        chain.append(found)
        here = found
    return tuple(reversed(chain))


def heals_itself(application: Object) -> bool:
    """Whether Argo CD synchronises it without being asked. Without `selfHeal` it does so on a
    change in Git only, which would undo a fault as well. Pure.
    """
    automated = pointer.at(application, AUTOMATED)
    if automated is pointer.MISSING or automated is None:
        return False
    return automated.get("enabled") is not False


def pause(cluster: Cluster, changed: Object, declare: Declare) -> tuple[Intent, ...]:
    """Takes `automated` from the sync policy of each Application over an object that is about to be
    changed, each written down before; the intents, of which healing gives it back.

    Raises RefusedError where it would not stay paused: an ApplicationSet puts it back.
    """
    chain = applications_over(changed, cluster.list_objects(API_VERSION, "Application"))
    paused = tuple(one for one in chain if heals_itself(one))
    for one in paused:
        _refuse_reverted(cluster, one)
    return tuple(_pause(cluster, one, declare) for one in paused)


def declaring(  # noqa: PLR0913 - what an intent consists of
    intents: Intents,
    *,
    run: str,
    trial: str,
    environment: str,
    cluster_uid: str,
    lasts: timedelta,
) -> Declare:
    """`declare` for `pause`, of one trial."""

    def declare(action: str, inverse: RestoreObject) -> Intent:
        return intents.declare(run, trial, environment, cluster_uid, action, inverse, lasts)

    return declare


def _pause(cluster: Cluster, application: Object, declare: Declare) -> Intent:
    metadata = application["metadata"]
    before = pointer.at(application, AUTOMATED)
    intent = declare(
        f"self-heal of Argo CD's Application {_named(application)} paused",
        RestoreObject(
            api_version=API_VERSION,
            kind="Application",
            namespace=metadata["namespace"],
            name=metadata["name"],
            before=json.dumps(before).encode(),
            pointer=AUTOMATED,
        ),
    )
    cluster.patch_object(
        API_VERSION,
        "Application",
        metadata["namespace"],
        metadata["name"],
        (
            {"op": "test", "path": AUTOMATED, "value": before},
            {"op": "remove", "path": AUTOMATED},
        ),
    )
    return intent


def _managing(managed: Object, applications: tuple[Object, ...]) -> Object | None:
    metadata = managed["metadata"]
    tracking = (metadata.get("annotations") or {}).get(_TRACKING_ID, "")
    labels = metadata.get("labels") or {}
    names = [tracking.partition(":")[0]] if tracking else [labels.get(one, "") for one in _LABELS]
    for name in filter(None, names):
        for one in applications:
            known = {one["metadata"]["name"], "{namespace}_{name}".format(**one["metadata"])}
            # Helm charts use app.kubernetes.io/instance for their own purposes.
            if name in known and (tracking or _lists(one, managed)):
                return one
    return None


def _lists(application: Object, managed: Object) -> bool:
    """Whether it says that the object is one of its resources; one that was never synchronised
    says nothing, and counts.
    """
    resources: list[dict[str, Any]] = (application.get("status") or {}).get("resources") or []
    metadata = managed["metadata"]
    wanted = (managed.get("kind"), metadata.get("namespace", ""), metadata["name"])
    return not resources or any(
        (one.get("kind"), one.get("namespace", ""), one.get("name")) == wanted for one in resources
    )


def _refuse_reverted(cluster: Cluster, application: Object) -> None:
    metadata = application["metadata"]
    for owner in metadata.get("ownerReferences") or ():
        if owner["kind"] != "ApplicationSet":
            continue
        found = cluster.get_object(
            API_VERSION, "ApplicationSet", metadata["namespace"], owner["name"]
        )
        if found is not None and not _leaves_alone(found):
            raise RefusedError(
                f"Application {_named(application)} heals itself, and ApplicationSet "
                f"{owner['name']} would put that back while it is paused",
                hint=f"in its spec: ignoreApplicationDifferences: [jsonPointers: [{AUTOMATED}]]",
            )


def _leaves_alone(application_set: Object) -> bool:
    spec = application_set.get("spec") or {}
    policy = (spec.get("syncPolicy") or {}).get("applicationsSync")
    if policy in ("create-only", "create-delete"):
        return True
    pointers = [
        one
        for rule in spec.get("ignoreApplicationDifferences") or ()
        for one in rule.get("jsonPointers") or ()
    ]
    paths = [
        one
        for rule in spec.get("ignoreApplicationDifferences") or ()
        for one in rule.get("jqPathExpressions") or ()
    ]
    return any(one == AUTOMATED or AUTOMATED.startswith(f"{one}/") for one in pointers) or any(
        one in (".spec.syncPolicy", ".spec.syncPolicy.automated") for one in paths
    )


def _named(application: Object) -> str:
    return "{namespace}/{name}".format(**application["metadata"])
