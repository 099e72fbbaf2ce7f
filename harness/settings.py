"""Reads harness.toml: the environments whose backups may be rehearsed, and which may be broken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from harness.decoding import read_toml
from harness.errors import InputError
from harness.model.cluster_settings import ControlPlaneSettings
from harness.model.load_test import LoadPods
from harness.model.masking import Masking
from harness.model.notice import Occasion
from harness.model.subject import ObjectStore, Subject
from harness.model.window import Window
from harness.model.workload import Workload

PRACTICE = "demo"
"""A built-in environment: the practice platform, whose backups may be damaged and lost."""

LAB = "lab"
"""A built-in environment: the lab's cluster, which may be broken (harness.lab.environment)."""


class Kubernetes(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The cluster of an environment, and under which conditions it may be broken at all."""

    context: str
    """Of the kubeconfig; never its current one."""

    cluster: str
    """UID of the namespace kube-system: a context that leads to another cluster is refused.
    `kubectl get namespace kube-system -o jsonpath={.metadata.uid}`"""

    kubeconfig: Path = Path("~/.kube/config")
    nodes: Literal["lab", "docker", "ec2", "none"] = "none"
    """What its machines are, for whoever switches them off; `none`: no machine is touched."""

    load_pods: LoadPods | None = None
    """What a drive of a load test is injected from that is to be injected `from_pods`; None: such a
    drive is refused."""

    helper_image: str = "busybox:1.37"
    """An image with sh, kill, ip and nsenter, for what must be done on a node."""

    production: bool = False
    """True: a drill needs `--production NAME`, and a time within `windows`."""

    control_plane: ControlPlaneSettings | None = None
    """What is known of its control plane, for predictions; the API does not tell it."""

    windows: tuple[Window, ...] = ()
    """When it may be broken, in UTC; none: at any time, or never where it is production."""


class Sealing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How every run of an environment is sealed when it ends (docs/evidence.md)."""

    key: Path | None = None
    """A private key in PEM, as `harness seal --new-key` makes it."""

    command: tuple[str, ...] = ()
    """In place of a key: signs its standard input, and prints the signature in base64."""

    public_key: Path | None = None
    """Of the command's key: what it signed is verified before it is kept."""

    timestamp: str | None = None
    """Address of a timestamp service (RFC 3161); None: only our own clock says when."""

    def __post_init__(self) -> None:
        if (self.key is None) == (not self.command):
            raise ValueError("seal: got both or neither of key and command, expected one")
        if bool(self.command) != (self.public_key is not None):
            raise ValueError("seal: expected public_key with command, and with nothing else")


class Archive(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where sealed runs are kept so that nobody can change them: a bucket with Object Lock."""

    store: ObjectStore
    """Its credentials need no right to delete, nor to bypass a lock (docs/evidence.md)."""

    retention_days: Annotated[int, msgspec.Meta(ge=1)]
    """How long each file is locked. For how long evidence is to be kept, your rules say."""

    mode: Literal["COMPLIANCE", "GOVERNANCE"] = "COMPLIANCE"
    """GOVERNANCE: whoever may bypass it can delete; evidence then rests on who that is."""


class _Notify(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="by"
):
    on: tuple[Occasion, ...] = (
        Occasion.FAIL,
        Occasion.INCONCLUSIVE,
        Occasion.RECOVERED,
        Occasion.NOT_KEPT,
    )
    """When it is told: not of a PASS after a PASS, unless asked for."""

    ca_file: Path | None = None
    """Whom its certificate is verified against; None: those that the system trusts."""


class Webhook(_Notify, frozen=True, kw_only=True, tag="webhook"):
    """A program that takes JSON: `harness.model.notice.Notice`."""

    url_file: Path
    """Holds the address, which may be a secret."""

    secret_file: Path | None = None
    """Holds what the body is signed with; None: it is not signed."""


class Slack(_Notify, frozen=True, kw_only=True, tag="slack"):
    """An incoming webhook of Slack, Mattermost, or what speaks alike."""

    url_file: Path
    """Holds the address, which is a secret."""


class Email(_Notify, frozen=True, kw_only=True, tag="email"):
    """A mail server that takes mail for others."""

    server: str
    sender: str
    to: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    port: int = 587
    starttls: bool = True
    user: str | None = None
    password_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.user is None) != (self.password_file is None):
            raise ValueError("notify: got one of user and password_file, expected both or neither")


Notify = Webhook | Slack | Email


class Metrics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the metrics of a run go when it ends, beside its own metrics.prom."""

    textfile: Path | None = None
    """Folder of node exporter's textfile collector."""

    pushgateway: str | None = None
    """Address of a Pushgateway."""

    ca_file: Path | None = None
    """Whom the gateway's certificate is verified against."""


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One environment: what it has to be restored, what it serves, where the harness may work."""

    subjects: tuple[Subject, ...] = ()
    """What can be restored; one table each: `[[environments.staging.subjects]]`."""

    workloads: tuple[Workload, ...] = ()
    """What clients use, for game days: `[[environments.staging.workloads]]`."""

    kubernetes: Kubernetes | None = None
    """Where the workloads run; None: nothing of it is ever broken."""

    runs: Path = Path("runs")
    """Where run directories are written."""

    seal: Sealing | None = None
    """How its runs are sealed: `[environments.staging.seal]`; None: they are not."""

    archive: Archive | None = None
    """Where its runs are put when they are sealed: `[environments.staging.archive]`. It may be all
    that an environment has: for whoever only reads the evidence.
    """

    metrics: Metrics | None = None
    """Where its runs' metrics are published: `[environments.staging.metrics]`."""

    notify: tuple[Notify, ...] = ()
    """Who is told of its runs: `[[environments.staging.notify]]`."""

    masking: Masking = Masking()
    """What is masked in logs and messages beside secrets: `[environments.staging.masking]`."""

    scratch: Path | None = None
    """Where restores are made: a disk with room for the largest subject, on a path that the
    servers' user may enter. None: the state directory (HARNESS_STATE_DIR)."""


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the track record is kept: `[track_record]`; without, in the folder of runs."""

    postgresql: str
    """Connection string of libpq; its password is in ~/.pgpass, or in PGPASSWORD."""

    origin: str | None = None
    """Of this folder of runs, among those that share the database; None: host and path. One that
    moves, or is mounted into pods, needs a name of its own."""

    def __post_init__(self) -> None:
        user, at, _ = self.postgresql.partition("://")[2].partition("@")
        if "password=" in self.postgresql or (at and ":" in user):
            raise ValueError("postgresql: got a password, expected it in ~/.pgpass")


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    environments: dict[str, Environment]
    track_record: TrackRecord | None = None


def load_track_record(path: Path) -> TrackRecord | None:
    """Where harness.toml has the track record kept; None: it says nothing, or is not there.

    Raises InputError where it is wrong.
    """
    return read_toml(path, _File).track_record if path.is_file() else None


def load_environment(name: str, path: Path) -> Environment:
    """The environment of that name in harness.toml.

    Raises InputError where it is not there, holds nothing, or takes a built-in's name.
    """
    environments = read_toml(path, _File).environments
    for taken in (PRACTICE, LAB):
        if taken in environments:
            raise InputError(f"{path}: $.environments.{taken}: the name is a built-in's")
    if name not in environments:
        known = ", ".join(sorted(environments)) or "none"
        raise InputError(
            f"environment: got {name!r}, expected {PRACTICE}, {LAB} or one of {path}: {known}",
            hint="harness run SUITE -e NAME",
        )
    environment = environments[name]
    where = f"{path}: $.environments.{name}"
    if not environment.subjects and not environment.workloads and environment.archive is None:
        raise InputError(f"{where}: got neither subjects nor workloads, expected one or more")
    if environment.workloads and environment.kubernetes is None:
        raise InputError(f"{where}.kubernetes: got none, expected the cluster of the workloads")
    _refuse_twice(f"{where}.subjects", [subject.id for subject in environment.subjects])
    _refuse_twice(f"{where}.workloads", [workload.id for workload in environment.workloads])
    return environment


def scratch_directories(path: Path) -> tuple[Path, ...]:
    """Where the environments of harness.toml make their restores, where that is their own disk;
    none where there is no such file. Raises InputError where it is wrong.
    """
    if not path.is_file():
        return ()
    chosen = (one.scratch for one in read_toml(path, _File).environments.values())
    return tuple(dict.fromkeys(scratch for scratch in chosen if scratch is not None))


def _refuse_twice(where: str, ids: list[str]) -> None:
    if len(set(ids)) != len(ids):
        raise InputError(f"{where}: an id is given twice: {ids}")
