"""The weekly restore validation: it can read the backups, and nothing else; every name exists."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from harness.backup.job import read_configuration
from harness.lab import object_stores, platform
from harness.lab.catalogue import platform_images
from harness.lab.lab import Lab
from harness.lab.layout import Layout, Role
from harness.model.subject import PgBackRest, RedisCluster
from harness.model.suite import Suite
from harness.practice import object_store
from harness.seal.signing import read_public_key, read_signer
from harness.settings import load_environment
from harness.suites import load_suite

ROOT = Path(__file__).parents[3]
PLATFORM = ROOT / "lab" / "platform"
VALIDATION = PLATFORM / "restore-validation"
ARCHIVING = PLATFORM / "components/archiving"

Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    """The objects in a file."""
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def of_kind(path: Path, kind: str) -> dict[str, Object]:
    """The objects of a kind in a file, by name."""
    return {each["metadata"]["name"]: each for each in documents(path) if each["kind"] == kind}


def weekly() -> Object:
    """The CronJob's specification."""
    found: Object = of_kind(VALIDATION / "cronjob.yaml", "CronJob")["weekly-restore-validation"]
    specification: Object = found["spec"]
    return specification


def snapshot() -> Object:
    """That of the daily snapshot of Redis."""
    specification: Object = of_kind(ARCHIVING / "redis-snapshot.yaml", "CronJob")["redis-snapshot"][
        "spec"
    ]
    return specification


def pods() -> dict[str, Object]:
    """What the pods of the namespace, and those of the snapshot, are made from."""
    ledger = of_kind(VALIDATION / "ledger.yaml", "Deployment")["ledger"]["spec"]
    return {
        "weekly-restore-validation": weekly()["jobTemplate"]["spec"]["template"],
        "ledger": ledger["template"],
        "redis-snapshot": snapshot()["jobTemplate"]["spec"]["template"],
    }


def generated(folder: Path, kind: str) -> dict[str, Object]:
    """The generators of a folder, by name."""
    content = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return {each["name"]: each for each in content[f"{kind}Generator"]}


def entries(generator: Object) -> set[str]:
    """The keys of what a generator makes."""
    files = {Path(file.split("=")[0]).name for file in generator.get("files", [])}
    return files | {literal.split("=")[0] for literal in generator.get("literals", [])}


# -- the run -------------------------------------------------------------------------------------


def test_it_runs_once_a_week_and_a_verdict_is_not_tried_again() -> None:
    """One at a time; a Job that failed stays Failed."""
    specification = weekly()
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", specification["schedule"])
    assert specification["concurrencyPolicy"] == "Forbid"
    job = specification["jobTemplate"]["spec"]
    assert job["backoffLimit"] == 0
    assert job["activeDeadlineSeconds"] > 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_it_runs_the_documented_suite_in_an_environment_that_exists() -> None:
    """Without leaving a scenario out; the settings file is the one that is mounted."""
    (container,) = pods()["weekly-restore-validation"]["spec"]["containers"]
    command, suite, *options = container["args"]
    assert command == "run"
    rehearsed = load_suite(suite, ROOT / "suites")
    assert isinstance(rehearsed, Suite)
    assert rehearsed.scenarios
    chosen = dict(zip(options[::2], options[1::2], strict=True))
    assert set(chosen) == {"--environment", "--settings"}
    settings = Path(chosen["--settings"])
    assert load_environment(chosen["--environment"], VALIDATION / settings.name).subjects
    (mount,) = [each for each in container["volumeMounts"] if each["name"] == "settings"]
    assert Path(mount["mountPath"]) == settings.parent


def test_what_is_rehearsed_is_what_is_backed_up() -> None:
    """The same bucket, prefixes, stanza and encryption as the writers', in both regions."""
    orders, carts = load_environment("platform", VALIDATION / "harness.toml").subjects
    assert isinstance(orders, PgBackRest)
    assert isinstance(carts, RedisCluster)
    assert orders.replica is not None
    assert carts.replica is not None
    written = pgbackrest(ARCHIVING / "pgbackrest.conf")
    assert orders.stanza in written
    for repository, name in ((orders.primary, ""), (orders.replica, "-replica")):
        read = pgbackrest(VALIDATION / repository.config.name)["global"]
        for key in ("repo1-path", "repo1-s3-bucket", "repo1-cipher-type", "repo1-s3-uri-style"):
            assert read[key] == written["global"][key]
        assert read["repo1-path"] == f"/{repository.store.prefix}"
        assert read["repo1-s3-endpoint"] == f"s3{name}.infrastructure.svc"
        assert repository.store.endpoint_url == f"https://{read['repo1-s3-endpoint']}"
    for file in ("ship-aof.json", "snapshot.json"):
        job = read_configuration(ARCHIVING / file)
        assert (job.store.bucket, job.store.prefix) == (
            carts.primary.store.bucket,
            carts.primary.store.prefix,
        )
        assert job.cluster
    assert carts.replica.store.prefix == carts.primary.store.prefix
    bootstrap = (PLATFORM / "infrastructure/postgresql/post-init.sh").read_text()
    assert f"CREATE DATABASE {orders.database} " in bootstrap


def pgbackrest(path: Path) -> configparser.ConfigParser:
    """A configuration file of pgBackRest."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(path.read_text())
    return parser


def test_evidence_outlives_the_pod_and_what_was_restored_does_not() -> None:
    """Runs and ledger are on the claim; scratch servers on a volume that goes with the pod."""
    claims = of_kind(VALIDATION / "evidence.yaml", "PersistentVolumeClaim")
    environment = load_environment("platform", VALIDATION / "harness.toml")
    for name in ("weekly-restore-validation", "ledger"):
        pod = pods()[name]["spec"]
        volumes = {each["name"]: each for each in pod["volumes"]}
        assert volumes["evidence"]["persistentVolumeClaim"]["claimName"] in claims
        for container in pod["containers"]:
            mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
            assert environment.runs.is_relative_to(mounts["evidence"])
    for subject in environment.subjects:
        assert subject.ledger == Path("/evidence/ledger") / subject.id
    assert "folder=/evidence/ledger\n" in (VALIDATION / "keep-ledger.sh").read_text()
    volumes = {
        each["name"]: each for each in pods()["weekly-restore-validation"]["spec"]["volumes"]
    }
    assert "emptyDir" in volumes["scratch"]


# -- least privilege -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["weekly-restore-validation", "ledger", "redis-snapshot"])
def test_no_pod_can_call_the_api_or_change_its_own_files(name: str) -> None:
    """No token, no user that is root, no capability, a read-only root file system."""
    pod = pods()[name]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any("hostPath" in volume for volume in pod["volumes"])
    for container in pod["containers"]:
        security = container["securityContext"]
        assert security["readOnlyRootFilesystem"] is True
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_the_service_accounts_have_no_rights() -> None:
    """Neither a role nor a binding is in the namespace, nor in the component."""
    accounts = {
        **of_kind(VALIDATION / "cronjob.yaml", "ServiceAccount"),
        **of_kind(VALIDATION / "ledger.yaml", "ServiceAccount"),
    }
    for name in ("weekly-restore-validation", "ledger"):
        assert pods()[name]["spec"]["serviceAccountName"] in accounts
    assert all(each["automountServiceAccountToken"] is False for each in accounts.values())
    for folder in (VALIDATION, ARCHIVING):
        for path in folder.glob("*.yaml"):
            assert not any("Role" in str(each.get("kind")) for each in documents(path)), path


def test_the_namespace_is_restricted_and_bounded() -> None:
    """A run and the ledger fit its quota, with nothing left for a second run."""
    objects = documents(VALIDATION / "namespace.yaml")
    (namespace,) = [each for each in objects if each["kind"] == "Namespace"]
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    (quota,) = [each for each in objects if each["kind"] == "ResourceQuota"]
    hard = quota["spec"]["hard"]
    containers = [
        container
        for name in ("weekly-restore-validation", "ledger")
        for container in pods()[name]["spec"]["containers"]
    ]
    for resource in ("cpu", "memory"):
        for kind in ("requests", "limits"):
            asked = sum(amount(each["resources"][kind][resource]) for each in containers)
            assert asked <= amount(hard[f"{kind}.{resource}"])
    run = pods()["weekly-restore-validation"]["spec"]["containers"][0]["resources"]["limits"]
    assert 2 * amount(run["memory"]) + amount("256Mi") * 2 > amount(hard["limits.memory"])


def amount(quantity: str) -> Decimal:
    """Cores, or bytes."""
    factors = {"m": Decimal("0.001"), "Mi": Decimal(2**20), "Gi": Decimal(2**30)}
    for suffix, factor in factors.items():
        if quantity.endswith(suffix):
            return Decimal(quantity.removesuffix(suffix)) * factor
    return Decimal(quantity)


def test_the_run_reaches_the_s3_and_no_database() -> None:
    """By policy: DNS for both, the S3 for the run, the databases for the ledger; no way in."""
    policies = {
        name: each["spec"]
        for name, each in of_kind(VALIDATION / "networkpolicies.yaml", "NetworkPolicy").items()
    }
    assert policies["nothing-else"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert all("ingress" not in policy for policy in policies.values())
    for name in ("weekly-restore-validation", "ledger"):
        labels = pods()[name]["metadata"]["labels"]
        assert policies[name]["podSelector"]["matchLabels"] == labels
    (way,) = policies["weekly-restore-validation"]["egress"]
    assert [list(peer) for peer in way["to"]] == [["ipBlock"]]
    assert [port["port"] for port in way["ports"]] == [
        object_stores.PRIMARY_PORT,
        object_stores.REPLICA_PORT,
    ]
    reached = {
        (peer["podSelector"]["matchLabels"]["app"], port["port"])
        for way in policies["ledger"]["egress"]
        for peer in way["to"]
        for port in way["ports"]
    }
    assert reached == {("postgresql", 5432), ("redis", 6379)}


def test_backups_are_read_by_an_identity_that_cannot_write() -> None:
    """The profiles are those of the file, and the lab gives them the drill's keys."""
    profiles = configparser.ConfigParser(interpolation=None)
    profiles.read(VALIDATION / "credentials")
    environment = load_environment("platform", VALIDATION / "harness.toml")
    assert environment.archive is not None
    assert environment.archive.store.profile == "evidence"
    named = {
        repository.store.profile
        for subject in environment.subjects
        for repository in (subject.primary, subject.replica)
        if repository is not None
    }
    assert named == {"drill", "drill-replica"}
    assert named | {"evidence"} == set(profiles.sections())
    assert "Write" not in object_store._ACTIONS["drill"]
    assert "Admin" not in object_store._ACTIONS["drill"]
    # ... and evidence by one that reaches its own bucket only.
    assert all(one.endswith(":evidence") for one in object_store._ACTIONS["evidence"])


# -- the ledger ----------------------------------------------------------------------------------


def test_the_ledgers_role_owns_a_schema_and_nothing_else() -> None:
    """Its password is the same on both sides; the checkout's tables are not granted to it."""
    bootstrap = (PLATFORM / "infrastructure/postgresql/post-init.sh").read_text()
    assert "CREATE SCHEMA ledger AUTHORIZATION ledger;" in bootstrap
    # What the servers are doing, which a drill must see; nothing of what is in their tables.
    assert re.findall("GRANT .*", bootstrap) == ["GRANT pg_monitor TO ledger;"]
    assert "SUPERUSER" not in bootstrap
    passwords = generated(PLATFORM / "infrastructure/postgresql", "secret")["postgresql-passwords"]
    literals = dict(each.split("=", 1) for each in passwords["literals"])
    (own,) = generated(VALIDATION, "secret")["ledger-password"]["literals"]
    assert own == f"password={literals['ledger']}"
    (statefulset,) = documents(PLATFORM / "infrastructure/postgresql/statefulset.yaml")
    (container,) = statefulset["spec"]["template"]["spec"]["containers"]
    (variable,) = [each for each in container["env"] if each["name"] == "LEDGER_PASSWORD"]
    assert variable["valueFrom"]["secretKeyRef"]["key"] == "ledger"


def test_the_ledger_writes_to_each_subject_that_is_rehearsed() -> None:
    """One container each; the hosts are Services of the infrastructure."""
    containers = pods()["ledger"]["spec"]["containers"]
    subjects = [
        one.id for one in load_environment("platform", VALIDATION / "harness.toml").subjects
    ]
    assert [each["command"][-1] for each in containers] == subjects
    services = {
        each["metadata"]["name"]
        for name in ("postgresql", "redis")
        for each in documents(PLATFORM / f"infrastructure/{name}/services.yaml")
    }
    hosts = [
        variable["value"]
        for container in containers
        for variable in container["env"]
        if variable["name"].endswith("HOST")
    ]
    assert len(hosts) == len(subjects)
    assert {host.removesuffix(".infrastructure.svc") for host in hosts} <= services
    script = (VALIDATION / "keep-ledger.sh").read_text()
    assert all(f"  {subject})" in script for subject in subjects)


# -- the backups ---------------------------------------------------------------------------------


def test_both_databases_are_backed_up_daily() -> None:
    """Redis by a CronJob; PostgreSQL by whichever member is the primary when a day is over."""
    assert re.fullmatch(r"\d+ \d+ \* \* \*", snapshot()["schedule"])
    script = (ARCHIVING / "back-up-daily.sh").read_text()
    assert "every=$((24 * 60 * 60))" in script
    assert "is_primary || continue" in script


def test_the_sidecars_take_no_more_than_the_main_containers_left_them() -> None:
    """With them, a pod of the small machine asks for a round share; requests are limits."""
    small = {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]["containers"][0]
        for each in documents(PLATFORM / "components/small-machine/infrastructure.yaml")
    }
    whole = {"postgresql": ("0.3", "1Gi"), "redis": ("0.075", "512Mi")}
    for name, (cpu, memory) in whole.items():
        (patch,) = documents(ARCHIVING / f"{name}.yaml")
        template = patch["spec"]["template"]
        main, sidecar = template["spec"]["containers"]
        assert main["name"] == small[name]["name"]
        default = template["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"]
        assert default == main["name"]
        own, added = small[name]["resources"]["limits"], sidecar["resources"]["limits"]
        assert sidecar["resources"]["requests"] == added
        assert amount(own["cpu"]) + amount(added["cpu"]) == Decimal(cpu)
        assert amount(own["memory"]) + amount(added["memory"]) == amount(memory)


def test_shipping_stays_within_the_documented_minute_and_knows_points_in_time() -> None:
    """The AOF is in /data, where it is shipped from; Redis notes times in it."""
    job = read_configuration(ARCHIVING / "ship-aof.json")
    assert job.task == "ship-aof"
    assert job.every.total_seconds() <= 10
    settings = (PLATFORM / "infrastructure/redis/redis.conf").read_text().splitlines()
    (node,) = job.nodes
    assert f"dir {node.directory}" in settings
    assert "aof-timestamp-enabled yes" in settings
    assert read_configuration(ARCHIVING / "snapshot.json").task == "snapshot"


def test_the_harness_image_is_made_of_what_it_copies() -> None:
    """Every file that its Dockerfile copies is an input; tests and documents are none."""
    (image,) = [each for each in platform_images() if each.name == "harness"]
    assert image.context == ROOT
    assert image.ignore == ROOT / "deploy/Dockerfile.dockerignore"
    inputs = {path.relative_to(ROOT) for path in image.inputs}
    copied = {
        Path(word)
        for line in image.dockerfile.read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied
    assert all(any(path.is_relative_to(given) for given in inputs) for path in copied)
    kept = {line[1:] for line in image.ignore.read_text().splitlines() if line.startswith("!")}
    assert {Path(name) for name in kept} >= copied
    assert not inputs & {Path("tests"), Path("docs")}
    for pod in pods().values():
        assert {each["image"] for each in pod["spec"]["containers"]} == {image.reference}


# -- names ---------------------------------------------------------------------------------------


def references(node: object) -> Iterator[tuple[str, str]]:
    """(kind, name) of every ConfigMap and Secret that is used."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key in {"configMap", "secret", "secretKeyRef"} and isinstance(value, dict):
                kind = "configMap" if key == "configMap" else "secret"
                yield kind, value.get("name") or value["secretName"]
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_configmap_and_secret_exists_in_its_namespace() -> None:
    """In restore-validation by its own generators, in infrastructure by the component's."""
    folders = {
        "weekly-restore-validation": VALIDATION,
        "ledger": VALIDATION,
        "redis-snapshot": ARCHIVING,
    }
    for name, pod in pods().items():
        used = set(references(pod))
        assert used
        for kind, referred in used:
            assert referred in generated(folders[name], kind), (name, referred)


def test_every_file_that_settings_name_is_mounted() -> None:
    """The paths in harness.toml and in pgBackRest's and the backup job's files."""
    secrets = entries(generated(VALIDATION, "secret")["backup-readers"])
    mounted = {f"/etc/backup/{name}" for name in secrets} | {"/etc/s3/ca.crt", "/etc/seal/seal.pem"}
    text = "".join(
        (VALIDATION / name).read_text()
        for name in ("harness.toml", "pgbackrest.conf", "pgbackrest-replica.conf")
    )
    assert set(re.findall(r"/etc/[\w./-]+[\w]", text)) == mounted
    writer = entries(generated(ARCHIVING, "secret")["redis-backup-writer"]) | {"ca.crt"}
    for file in ("ship-aof.json", "snapshot.json"):
        store = json.loads((ARCHIVING / file).read_text())["store"]
        for key in ("ca_file", "credentials_file"):
            assert Path(store[key]).parent == Path("/etc/backup")
            assert Path(store[key]).name in writer


# -- what the lab puts on top --------------------------------------------------------------------


@pytest.fixture
def kustomization(tmp_path: Path) -> Path:
    """The layers that `lab up --overlay production` writes, for a lab that nobody started."""
    (tmp_path / "authority.crt").write_text("the authority")
    lab = SimpleNamespace(
        layout=Layout(masters=3, workers=3, zones=3),
        machines=SimpleNamespace(directories=SimpleNamespace(root=tmp_path / "lab")),
    )

    def keys(name: str) -> object_stores.Keys:
        return object_stores.Keys(access_key=f"{name}-key", secret_key=f"{name}-secret")

    ready = object_stores.Ready(
        ca_file=tmp_path / "authority.crt",
        bucket=object_stores.BUCKET,
        writer=keys("writer"),
        reader=keys("reader"),
        replica_reader=keys("replica"),
        evidence=keys("evidence"),
    )
    return platform._kustomization(cast("Lab", lab), "production", ready)


def test_the_lab_replaces_every_practice_secret_of_the_backups(kustomization: Path) -> None:
    """The readers' files hold the readers' keys only; the writer's are in infrastructure."""
    content = yaml.safe_load((kustomization / "kustomization.yaml").read_text())
    merged = {(each["namespace"], each["name"]): each for each in content["secretGenerator"]}
    readers = merged["restore-validation", "backup-readers"]
    assert entries(readers) == entries(generated(VALIDATION, "secret")["backup-readers"])
    for given in readers["files"]:
        text = (kustomization / given.split("=")[-1]).read_text()
        assert "writer" not in text
        assert "practice" not in text
        if "replica" in given:
            assert "replica-key" in text
            assert "reader-key" not in text
        assert ("evidence-key" in text) == ("credentials" in given)
    assert merged["infrastructure", "redis-backup-writer"]
    assert (kustomization / "writer-credentials").stat().st_mode & 0o077 == 0
    assert "reader" not in (kustomization / "writer-credentials").read_text()
    assert "s3-authority" in {each["name"] for each in content["configMapGenerator"]}


def test_the_lab_seals_with_a_key_of_its_own(kustomization: Path) -> None:
    """Made once: the private one is in the Secret, the public one beside it, for reviewers."""
    content = yaml.safe_load((kustomization / "kustomization.yaml").read_text())
    merged = {(each["namespace"], each["name"]): each for each in content["secretGenerator"]}
    assert entries(merged["restore-validation", "seal-key"]) == entries(
        generated(VALIDATION, "secret")["seal-key"]
    )
    given = kustomization / "seal.pem"
    assert given.stat().st_mode & 0o077 == 0
    public = read_public_key(kustomization.parent / "seal.pem.pub")
    assert read_signer(given).public_key.keyid == public.keyid


def test_the_lab_says_where_the_regions_are(kustomization: Path) -> None:
    """Both Services and the policy get the address of the machine outside."""
    content = yaml.safe_load((kustomization / "kustomization.yaml").read_text())
    (outside,) = Layout(masters=3, workers=3, zones=3).of(Role.OUTSIDE)
    targets = {(each["target"]["kind"], each["target"]["name"]) for each in content["patches"]}
    assert targets == {
        ("EndpointSlice", "s3"),
        ("EndpointSlice", "s3-replica"),
        ("NetworkPolicy", "weekly-restore-validation"),
    }
    assert all(outside.address in each["patch"] for each in content["patches"])
    services = of_kind(ARCHIVING / "s3.yaml", "Service")
    assert {f"{name}.infrastructure.svc" for name in services} == set(object_stores.NAMES)
