"""Puts the documented platform on a lab: the S3 beside it, then one environment by Kustomize."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from harness.certificates import write
from harness.drivers.clock import wait_until
from harness.errors import DeadlineExceededError, InputError, SurroundingsError
from harness.lab import object_stores
from harness.lab.boot import Service
from harness.lab.lab import Lab
from harness.lab.layout import Machine, Role
from harness.lab.sources import source
from harness.model.codec import from_json
from harness.seal.signing import create_key

_S3_WITHIN_S = 120.0
_READY_WITHIN_S = 600.0
_ARCHIVING_WITHIN_S = 120.0
_BACKED_UP_WITHIN_S = 300.0
_STANZA = "platform"
_REDIS_SNAPSHOT = "redis-snapshot"
_WEEKLY_RUN = "weekly-restore-validation"
INFRASTRUCTURE = "infrastructure"
VALIDATION = "restore-validation"
"""Where restores are rehearsed; also the folder of what is in it."""


def overlays() -> tuple[str, ...]:
    """The environments that can be installed."""
    return tuple(sorted(path.parent.name for path in _environments().glob("*/kustomization.yaml")))


def install(lab: Lab, overlay: str, narrate: Callable[[str], None]) -> None:
    """Installs or updates an environment; returns when all of it is ready and backed up.

    Raises InputError for an unknown overlay, and SurroundingsError that says which pods are not
    ready and why.
    """
    if overlay not in overlays():
        raise InputError(
            f"no overlay {overlay!r}, expected one of {', '.join(overlays())}",
            hint="harness lab up --overlay production",
        )
    narrate("starting the S3 beside the cluster: two regions")
    ready = _object_stores(lab)
    narrate(f"installing the platform, environment {overlay}")
    lab.kubectl.call("apply", "-k", _kustomization(lab, overlay, ready), within_s=120)
    last = ""

    def is_ready() -> bool:
        nonlocal last
        try:
            waiting = _not_ready(lab)
        except SurroundingsError as error:  # as when a leader is chosen: ask again
            waiting = [str(error)]
        said = f"{len(waiting)} still to come: {', '.join(waiting[:4])}"
        if waiting and said != last:
            narrate(said)
            last = said
        return not waiting

    try:
        wait_until(is_ready, within_s=_READY_WITHIN_S, what="the platform ready", every_s=1)
    except DeadlineExceededError as error:
        raise SurroundingsError(
            f"{error}: {', '.join(_not_ready(lab))}\n{_pods_and_events(lab)}",
            hint="harness lab exec -- kubectl get pods --all-namespaces",
        ) from error
    _begin_archiving(lab)
    narrate("PostgreSQL archives to the S3 beside the cluster")
    _have_backups(lab)
    narrate("both databases have a backup in the S3 beside the cluster")


def primary(lab: Lab) -> str:
    """The pod that is PostgreSQL's primary now, by the Endpoints that Patroni keeps.

    Raises SurroundingsError where there is none.
    """
    endpoints = lab.kubectl.get("endpoints", "postgresql-primary", "-n", INFRASTRUCTURE)
    for subset in endpoints.get("subsets", ()):
        for address in subset.get("addresses", ()):
            return str(address["targetRef"]["name"])
    raise SurroundingsError(
        "PostgreSQL has no primary now",
        hint="harness lab exec -- kubectl -n infrastructure get pods",
    )


def seal_key(lab: Lab) -> Path:
    """The private key that this lab's weekly runs are sealed with; `.pub` beside it is public."""
    return lab.machines.directories.root / "platform" / "seal.pem"


def _have_seal_key(lab: Lab) -> None:
    """Made once: what was sealed before a second install is still verified with it."""
    key = seal_key(lab)
    if not key.exists():
        key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        create_key(key)


def _object_stores(lab: Lab) -> object_stores.Ready:
    """Starts the regions where they do not run, and returns how they are reached."""
    (outside,) = lab.layout.of(Role.OUTSIDE)
    data = lab.machines.directories.machine(outside.name) / "s3"
    data.mkdir(mode=0o755, exist_ok=True)
    _start_object_stores(lab, outside, data)
    ready = data / "ready.json"
    try:
        wait_until(ready.is_file, within_s=_S3_WITHIN_S, what="the S3 beside the cluster")
    except DeadlineExceededError as error:
        logs = lab.machines.log_tails(outside)
        raise SurroundingsError(f"{error}\n{logs}", hint="harness lab down") from error
    return from_json(ready.read_bytes(), object_stores.Ready)


def _start_object_stores(lab: Lab, outside: Machine, data: Path) -> None:
    program = (sys.executable, "-m", "harness.lab.object_stores", str(data), outside.address)
    path = f"PYTHONPATH={Path(__file__).parents[2]}"
    services = [Service(name="s3", argv=("env", path, *program))]
    for name in object_stores.PORTS:
        gateway = data / f"{name}.cfg"
        gateway.write_text(object_stores.gateway(outside, name), encoding="utf-8")
        services.append(Service(name=name, argv=("haproxy", "-db", "-f", str(gateway))))
    for service in services:
        if not (lab.machines.directories.services(outside.name) / service.name).exists():
            lab.machines.add_service(outside, service)


def _kustomization(lab: Lab, overlay: str, ready: object_stores.Ready) -> Path:
    """Writes the layers above an environment that say which S3 it is backed up to."""
    (outside,) = lab.layout.of(Role.OUTSIDE)
    top = lab.machines.directories.root / "platform"
    _have_seal_key(lab)
    for name in ("archiving", "s3"):
        (top / name).mkdir(mode=0o700, parents=True, exist_ok=True)

    def relative(path: Path) -> str:
        return os.path.relpath(path, top / "archiving")  # a base cannot be named absolutely

    _write_yaml(
        top / "archiving" / "kustomization.yaml",
        {
            "resources": [
                relative(_environments() / overlay),
                relative(source("platform", VALIDATION)),
            ],
            "components": [relative(source("platform", "components", "archiving"))],
        },
    )
    files = _files_with_keys(ready)
    passphrase = _cipher_pass(top)
    for name, content in files.items():
        write(top / "s3" / name, content.encode(), 0o600)
    shutil.copy(ready.ca_file, top / "s3" / "ca.crt")
    shutil.copy(seal_key(lab), top / "s3" / "seal.pem")

    def merged(name: str, namespace: str, **content: list[str]) -> dict[str, Any]:
        return {"name": name, "namespace": namespace, "behavior": "merge", **content}

    readers = ["pgbackrest.conf", "pgbackrest-replica.conf", "credentials=reader-credentials"]
    _write_yaml(
        top / "s3" / "kustomization.yaml",
        {
            "resources": ["../archiving"],
            "configMapGenerator": [
                merged("s3-authority", namespace, files=["ca.crt"])
                for namespace in (INFRASTRUCTURE, VALIDATION)
            ],
            "secretGenerator": [
                merged(
                    "pgbackrest-secrets",
                    INFRASTRUCTURE,
                    literals=[
                        f"PGBACKREST_REPO1_S3_KEY={ready.writer.access_key}",
                        f"PGBACKREST_REPO1_S3_KEY_SECRET={ready.writer.secret_key}",
                        f"PGBACKREST_REPO1_CIPHER_PASS={passphrase}",
                    ],
                ),
                merged(
                    "redis-backup-writer", INFRASTRUCTURE, files=["credentials=writer-credentials"]
                ),
                merged(
                    "backup-readers",
                    VALIDATION,
                    files=readers,
                    literals=[f"passphrase={passphrase}"],
                ),
                merged("seal-key", VALIDATION, files=["seal.pem"]),
            ],
            "patches": [*_addresses(outside)],
        },
    )
    return top / "s3"


def _files_with_keys(ready: object_stores.Ready) -> dict[str, str]:
    """Files of Secrets, by name: what the sources say, with the keys of this lab's S3."""

    def configuration(name: str, keys: object_stores.Keys) -> str:
        text = source("platform", VALIDATION, name).read_text(encoding="utf-8")
        return f"{text}repo1-s3-key={keys.access_key}\nrepo1-s3-key-secret={keys.secret_key}\n"

    return {
        "pgbackrest.conf": configuration("pgbackrest.conf", ready.reader),
        "pgbackrest-replica.conf": configuration("pgbackrest-replica.conf", ready.replica_reader),
        "reader-credentials": _credentials(
            {
                "drill": ready.reader,
                "drill-replica": ready.replica_reader,
                "evidence": ready.evidence,
            }
        ),
        "writer-credentials": _credentials({"backup": ready.writer}),
    }


def _credentials(profiles: Mapping[str, object_stores.Keys]) -> str:
    """An AWS shared credentials file."""
    return "".join(
        f"[{profile}]\naws_access_key_id = {keys.access_key}\n"
        f"aws_secret_access_key = {keys.secret_key}\n"
        for profile, keys in profiles.items()
    )


def _addresses(outside: Machine) -> Iterator[dict[str, Any]]:
    """Patches that say where the regions are: to Services, and to who may call nothing else."""

    def patch(kind: str, name: str, values: Mapping[str, object]) -> dict[str, Any]:
        operations = [
            {"op": "replace", "path": path, "value": value} for path, value in values.items()
        ]
        return {
            "target": {"kind": kind, "name": name},
            "patch": yaml.safe_dump(operations),
        }

    ports = {"s3": object_stores.PRIMARY_PORT, "s3-replica": object_stores.REPLICA_PORT}
    for name, port in ports.items():
        values = {"/endpoints/0/addresses/0": outside.address, "/ports/0/port": port}
        yield patch("EndpointSlice", name, values)
    network = f"{outside.address}/32"
    yield patch("NetworkPolicy", _WEEKLY_RUN, {"/spec/egress/0/to/0/ipBlock/cidr": network})


def _cipher_pass(top: Path) -> str:
    """The passphrase of this lab's backups: made once, or a second install could not read them."""
    file = top / "cipher-pass"
    if not file.exists():
        write(file, secrets.token_urlsafe(32).encode(), 0o600)
    return file.read_text(encoding="ascii")


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    write(path, yaml.safe_dump(content, sort_keys=False).encode(), 0o600)


def _not_ready(lab: Lab) -> list[str]:
    """The workloads that are not there as they should be, by name."""
    waiting = []
    workloads = lab.kubectl.get("deployments,statefulsets,jobs", "--all-namespaces")["items"]
    for one in workloads:
        if one["metadata"].get("ownerReferences"):  # of a schedule: what one run came to is its own
            continue
        status, spec = one["status"], one["spec"]
        name = f"{one['kind'].lower()}/{one['metadata']['name']}"
        if one["kind"] == "Job":
            if status.get("succeeded", 0) < spec.get("completions", 1):
                waiting.append(name)
        elif (
            status.get("readyReplicas", 0) < spec["replicas"]
            or status.get("updatedReplicas", 0) < spec["replicas"]
            or status.get("observedGeneration", 0) < one["metadata"]["generation"]
        ):
            waiting.append(f"{name} {status.get('readyReplicas', 0)}/{spec['replicas']}")
    return waiting or ([] if workloads else ["anything"])


def _begin_archiving(lab: Lab) -> None:
    """Makes the repository where it is not there yet, and waits until a WAL segment arrived."""

    def archives() -> bool:
        try:
            pod = primary(lab)
        except SurroundingsError:
            return False
        words = ("exec", "-n", INFRASTRUCTURE, pod, "--", "pgbackrest", f"--stanza={_STANZA}")
        made = lab.kubectl.run(*words, "stanza-create")
        return made.returncode == 0 and lab.kubectl.run(*words, "check").returncode == 0

    wait_until(
        archives,
        within_s=_ARCHIVING_WITHIN_S,
        what="PostgreSQL archiving to the S3 beside the cluster",
        every_s=2,
        hint="harness lab exec -- kubectl -n infrastructure logs postgresql-0",
    )


def _have_backups(lab: Lab) -> None:
    """Waits until each database has a backup; the first ones do not wait for the night."""
    where = ("-n", INFRASTRUCTURE)
    first = f"{_REDIS_SNAPSHOT}-first"
    if lab.kubectl.run("get", "job", first, *where).returncode != 0:
        lab.kubectl.call("create", "job", first, f"--from=cronjob/{_REDIS_SNAPSHOT}", *where)

    def backed_up() -> bool:
        status = lab.kubectl.get("job", first, *where)["status"]
        return bool(status.get("succeeded")) and bool(_postgresql_backups(lab))

    wait_until(
        backed_up,
        within_s=_BACKED_UP_WITHIN_S,
        what="a backup of PostgreSQL and one of Redis",
        every_s=1,
        hint=f"harness lab exec -- kubectl -n infrastructure logs job/{first}",
    )


def _postgresql_backups(lab: Lab) -> list[Any]:
    try:
        pod = primary(lab)
    except SurroundingsError:
        return []
    done = lab.kubectl.run(
        *("exec", "-n", INFRASTRUCTURE, pod, "--", "pgbackrest", f"--stanza={_STANZA}"),
        *("info", "--output=json"),
    )
    return [
        backup
        for stanza in (json.loads(done.stdout) if done.returncode == 0 else ())
        for backup in stanza["backup"]
    ]


def _pods_and_events(lab: Lab) -> str:
    pods = lab.kubectl.run("get", "pods", "--all-namespaces", "-o", "wide").stdout
    events = lab.kubectl.run(
        *("get", "events", "--all-namespaces", "--field-selector=type=Warning"),
        "--sort-by=.lastTimestamp",
    ).stdout
    return pods + "\n".join(events.splitlines()[-15:])


def _environments() -> Path:
    return source("platform", "environments")
