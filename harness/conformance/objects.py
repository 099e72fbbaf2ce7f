"""Reads the objects of a cluster that promises are about; the API is asked for lists, nothing else.

What is secret is not kept: of a Secret the name, the type, its age; of a ConfigMap, beside that,
the keys that are configuration files.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.drivers.kubernetes import Cluster
from harness.errors import HarnessError, RecordError, RefusedError
from harness.model.codec import to_json
from harness.model.conformance import KINDS, Objects, ObjectsRead

FORBIDDEN = "not allowed"
"""How harness.drivers.kubernetes begins an answer of 403."""

_FILES = (".yml", ".yaml", ".conf")
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Where `kubectl apply` keeps all that it was given: of a Secret, its data
(Kubernetes documentation, Declarative Management of Kubernetes Objects).
"""


def read_objects(
    cluster: Cluster, observations: Path, record: Callable[[ObjectsRead], None]
) -> Objects:
    """All objects of every kind of KINDS that the cluster has and the account may list, by
    namespace and name.

    Each kind is written to `observations/objects-<kind>.json` before its fact is recorded; one that
    cannot be read is a fact that says why. RecordError where the disk takes no more.
    """
    objects: Objects = {}
    for api_version, kind in KINDS:
        fact, found = _read(cluster, api_version, kind)
        if fact.file is not None:
            try:
                (observations / fact.file).write_bytes(to_json(found) + b"\n")
            except OSError as error:
                raise RecordError(
                    f"{observations / fact.file}: {error.strerror}", hint=f"df {observations}"
                ) from error
            objects[kind] = found
        record(fact)
    return objects


def _read(
    cluster: Cluster, api_version: str, kind: str
) -> tuple[ObjectsRead, tuple[dict[str, Any], ...]]:
    def nothing(
        *, served: bool = True, forbidden: bool = False, error: str | None = None
    ) -> tuple[ObjectsRead, tuple[dict[str, Any], ...]]:
        return ObjectsRead(
            api_version=api_version,
            kind=kind,
            file=None,
            count=0,
            served=served,
            forbidden=forbidden,
            error=error,
        ), ()

    try:
        if not cluster.has_kind(api_version, kind):
            return nothing(served=False)
        listed = cluster.list_objects(api_version, kind)
    except RefusedError as error:
        return nothing(forbidden=str(error).startswith(FORBIDDEN), error=str(error))
    except HarnessError as error:
        return nothing(error=str(error))
    found = tuple(sorted((kept(kind, one) for one in listed), key=_place))
    return ObjectsRead(
        api_version=api_version, kind=kind, file=f"objects-{kind}.json", count=len(found)
    ), found


def kept(kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """What of one object is kept as evidence.

    `metadata.managedFields`, which say who wrote which field when, go; of a Secret those entries
    stay, without their fields, that own its data: by their `time` it was last written at the
    latest. Its creation alone would make one that was rotated in place look old.
    """
    metadata = dict(given.get("metadata") or {})
    managed = metadata.pop("managedFields", None) or ()
    if kind not in ("Secret", "ConfigMap"):
        return {**given, "metadata": metadata}
    if annotations := metadata.get("annotations"):
        metadata["annotations"] = {
            key: value for key, value in annotations.items() if key != _LAST_APPLIED
        }
    if kind == "Secret":
        metadata["managedFields"] = [
            {key: one[key] for key in ("manager", "operation", "time") if key in one}
            for one in managed
            if {"f:data", "f:stringData"} & set(one.get("fieldsV1") or ())
        ]
        return {"metadata": metadata, **({"type": given["type"]} if "type" in given else {})}
    files = {key: text for key, text in (given.get("data") or {}).items() if key.endswith(_FILES)}
    return {"metadata": metadata, "data": files}


def _place(one: dict[str, Any]) -> tuple[str, str]:
    return str(one["metadata"].get("namespace", "")), str(one["metadata"].get("name", ""))
