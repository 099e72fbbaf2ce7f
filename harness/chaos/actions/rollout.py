"""Rolls a Deployment out in another version: one that is broken, and looks healthy."""

from __future__ import annotations

import copy
import json

from harness.chaos.activity import action
from harness.chaos.injector import Fault, Injector, current
from harness.chaos.targets import Targets
from harness.drivers.kubernetes_objects import Object
from harness.errors import RefusedError
from harness.faults import self_heal
from harness.model.blow import Blow
from harness.model.cluster import Pod
from harness.model.fault import RestoreObject
from harness.model.workload import HttpWorkload

_API, _KIND = "apps/v1", "Deployment"
_WITHIN_S = 120.0
_HASH = "pod-template-hash"
"""Label that a Deployment puts on the pods of each template (Kubernetes documentation)."""


@action
def change_rollout(
    workload: str,
    version: str = "",
    environment: dict[str, str] | None = None,
    image: str = "",
) -> list[str]:
    """Changes the pod template of a workload's Deployment, as a release does.

    `version`: the template's label of that name; `environment`: variables of its main container to
    set; `image`: of that container. Witness: a pod of the new template is ready.
    Rollback: the template that it had before. Where Argo CD heals the Deployment, that is paused.
    """
    injector = current()
    targets = Targets(injector.config, injector.cluster)
    chosen = targets.http_workload(workload)
    pods = targets.all_pods(chosen)
    deployment = _deployment(injector, chosen)
    before = deployment["spec"]["template"]
    labels = {"version": version} if version else {}
    after = changed(before, chosen.container, environment or {}, labels, image)
    name = f"{chosen.namespace}/{chosen.deployment}"
    if after == before:
        raise RefusedError(f"deployment {name}: is so already, expected a change")
    there = injector.cluster.pods(chosen.namespace, chosen.pods)
    hashes = {pod.labels.get(_HASH, "") for pod in there}
    what = f"rollout of {name}: {version or image or 'another template'}"
    fault = Fault(
        subject=f"deployment:{name}",
        action=what,
        inverses=(
            RestoreObject(
                api_version=_API,
                kind=_KIND,
                namespace=chosen.namespace,
                name=str(chosen.deployment),
                before=json.dumps(before).encode(),
                pointer="/spec/template",
            ),
        ),
        strike=lambda: _patch(injector, chosen, deployment, after),
        seen=lambda: _serving(injector, chosen, hashes),
        within_s=_WITHIN_S,
    )
    # A rolling update keeps what its strategy says; the new version may still be bad in all pods.
    blow = Blow(action=what, pods=frozenset({f"{pods[0].namespace}/{pods[0].name}"}))
    # Paused first, and so given back last: Argo CD would undo the change, and then our undoing.
    injector.guard(blow)
    self_heal.pause(injector.cluster, deployment, injector.declare)
    return list(injector.inject(blow, [fault]))


def changed(
    template: Object,
    container: str | None,
    environment: dict[str, str],
    labels: dict[str, str],
    image: str,
) -> Object:
    """The pod template after the change; RefusedError where it has no such container."""
    after = copy.deepcopy(template)
    after.setdefault("metadata", {}).setdefault("labels", {}).update(labels)
    containers = after["spec"]["containers"]
    wanted = [one for one in containers if container in (None, one["name"])]
    if not wanted:
        names = ", ".join(one["name"] for one in containers)
        raise RefusedError(f"container {container!r}: not in the template, expected one of {names}")
    main = wanted[0]
    if image:
        main["image"] = image
    variables = main.get("env") or []
    for name, value in environment.items():
        given = [one for one in variables if one["name"] == name]
        if given:
            given[0].clear()
            given[0].update(name=name, value=value)
        else:
            variables.append({"name": name, "value": value})
    if variables:
        main["env"] = variables
    return after


def _deployment(injector: Injector, workload: HttpWorkload) -> Object:
    if not workload.deployment:
        raise RefusedError(f"workload {workload.id}: names no deployment, expected one to change")
    found = injector.cluster.get_object(_API, _KIND, workload.namespace, workload.deployment)
    if found is None:
        raise RefusedError(
            f"deployment {workload.namespace}/{workload.deployment}: not there, expected it"
        )
    return found


def _patch(injector: Injector, workload: HttpWorkload, before: Object, after: Object) -> None:
    injector.cluster.patch_object(
        _API,
        _KIND,
        workload.namespace,
        str(workload.deployment),
        [
            # What is given back later is what was there: nobody changed it since it was read.
            {"op": "test", "path": "/spec/template", "value": before["spec"]["template"]},
            {"op": "replace", "path": "/spec/template", "value": after},
        ],
    )


def _serving(injector: Injector, workload: HttpWorkload, known: set[str]) -> str | None:
    new: list[Pod] = [
        pod
        for pod in injector.cluster.pods(workload.namespace, workload.pods)
        if pod.labels.get(_HASH, "") not in known and pod.ready
    ]
    return f"pod {new[0].namespace}/{new[0].name} of the new template is ready" if new else None
