"""Decides the Jobs and ConfigMaps of a load from pods: deploy/load, made fit for one load. Pure.

All of it ends and goes without anybody: a Job has a deadline and is deleted after its end, and the
rest belongs to the master's Job (Kubernetes documentation, Jobs, and garbage collection).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.drivers.kubernetes_objects import Object
from harness.errors import InputError
from harness.model.load_test import LoadPods

MASTER, WORKER = "load-master", "load-worker"
"""Names of the Jobs in deploy/load."""

CONFIG, LOCUSTFILE = "load.json", "locustfile.py"
"""Files of the ConfigMaps, which the Jobs mount at /config."""

_KEPT_S = 600
"""How long a Job that has ended stays where nobody is left to delete it."""


@dataclass(frozen=True, kw_only=True)
class PodManifests:
    """Who injects one load."""

    jobs: Mapping[str, Object]
    """Of deploy/load, by their names there."""

    pods: LoadPods
    name: str
    """Unique; of every object, with what it is."""

    namespace: str
    labels: Mapping[str, str]
    """On Jobs and pods, so that whoever clears up finds them."""

    lasts_s: int
    """A deadline, from the Job's start."""

    def named(self, role: str) -> str:
        """Of a role's Job and ConfigMap."""
        return f"{role}-{self.name}"

    def master(self) -> Object:
        """The Job of the master."""
        return self._job(MASTER)

    def workers(self, count: int, belongs_to: Object) -> Object:
        """The Job of the workers, which goes with the master's."""
        job = self._job(WORKER)
        job["metadata"]["ownerReferences"] = [_owner(belongs_to)]
        spec = job["spec"]
        spec |= {"completions": count, "parallelism": count}
        container = spec["template"]["spec"]["containers"][0]
        limits = {"cpu": self.pods.cpu, "memory": self.pods.memory}
        requests = limits | {"cpu": self.pods.cpu_request or self.pods.cpu}
        container["resources"] = {"requests": requests, "limits": limits}
        return job

    def config(self, role: str, files: Mapping[str, str], belongs_to: Object) -> Object:
        """What a role is told; it goes with the master's Job."""
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": self.named(role),
                "namespace": self.namespace,
                "ownerReferences": [_owner(belongs_to)],
            },
            "data": dict(files),
        }

    def _job(self, role: str) -> Object:
        job = copy.deepcopy(dict(self.jobs[role]))
        job["metadata"] = {
            "name": self.named(role),
            "namespace": self.namespace,
            "labels": dict(self.labels),
        }
        spec = job["spec"]
        spec |= {"activeDeadlineSeconds": self.lasts_s, "ttlSecondsAfterFinished": _KEPT_S}
        template = spec["template"]
        template["metadata"]["labels"] |= self.labels
        template["spec"]["containers"][0]["image"] = self.pods.image
        for volume in template["spec"]["volumes"]:
            if "configMap" in volume:
                volume["configMap"] = {"name": self.named(role)}
        return job


def jobs_in(objects: Iterable[Object], named: str) -> dict[str, Object]:
    """The Jobs of master and workers among objects; InputError where one is missing."""
    found = {one["metadata"]["name"]: one for one in objects if one["kind"] == "Job"}
    for role in (MASTER, WORKER):
        if role not in found:
            raise InputError(f"{named}: got no Job {role}, expected those of deploy/load")
    return found


def _owner(job: Object) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
    }
