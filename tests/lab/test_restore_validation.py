"""The weekly restore validation by its CronJob: what the StatefulSets wrote is restored, judged,
sealed, and put where nobody can change it.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, Command

from harness.drivers.clock import HostClock, wait_until
from harness.lab import object_stores
from harness.lab.lab import Lab
from harness.lab.layout import Role
from harness.lab.platform import INFRASTRUCTURE, VALIDATION, primary, seal_key
from harness.model.codec import from_json
from harness.model.judgement import Judgement
from harness.model.verdict import Verdict

WHERE = ("-n", VALIDATION)
CRON_JOB = "weekly-restore-validation"
RANDOM = "random-second"
THIRTY_DAYS_BACK = "oldest-promised"
"""The scenario that cannot succeed on a platform that is minutes old."""


def _in_the_ledgers_pod(lab: Lab, *words: str) -> str:
    """What a command says beside the evidence: the run's own pod has ended."""
    return lab.kubectl.call("exec", *WHERE, "deploy/ledger", "-c", "orders", "--", *words)


@pytest.fixture(scope="module")
def job(lab: Lab) -> Iterator[str]:
    """The Job of one run, which its CronJob started when its time had come; it has ended.

    The time is brought forward to the next minute, and put back when it has come.
    """
    wait_until(
        lambda: _archive_goes_on(lab), within_s=180, what="WAL of after the backup", every_s=2
    )
    schedule = lab.kubectl.get("cronjob", CRON_JOB, *WHERE)["spec"]["schedule"]
    _schedule(lab, "* * * * *")
    try:
        wait_until(lambda: _jobs(lab), within_s=120, what="the Job of the CronJob", every_s=1)
    finally:
        _schedule(lab, schedule)
    name = _jobs(lab)[0]
    try:
        wait_until(lambda: _ended(lab, name), within_s=1200, what="the end of the run", every_s=2)
        yield name
    finally:
        lab.kubectl.call("delete", "job", name, *WHERE)


@pytest.fixture(scope="module")
def run(lab: Lab, job: str) -> str:
    """The name of that run."""
    del job
    return _in_the_ledgers_pod(lab, "readlink", "/evidence/runs/latest").strip()


def _schedule(lab: Lab, when: str) -> None:
    patch = json.dumps({"spec": {"schedule": when}})
    lab.kubectl.call("patch", "cronjob", CRON_JOB, *WHERE, "--type=merge", "-p", patch)


def _jobs(lab: Lab) -> list[str]:
    """The Jobs that the CronJob itself made."""
    return [
        job["metadata"]["name"]
        for job in lab.kubectl.get("jobs", *WHERE)["items"]
        if any(
            owner["kind"] == "CronJob" and owner["name"] == CRON_JOB
            for owner in job["metadata"].get("ownerReferences", ())
        )
    ]


def _archive_goes_on(lab: Lab) -> bool:
    """From then on there is a window to draw a random second from."""
    words = ("exec", "-n", INFRASTRUCTURE, primary(lab), "--", "pgbackrest", "--stanza=platform")
    (stanza,) = json.loads(lab.kubectl.call(*words, "info", "--output=json"))
    backup: str = stanza["backup"][-1]["archive"]["stop"]
    newest: str = stanza["archive"][-1]["max"]
    return newest > backup


def _ended(lab: Lab, job: str) -> bool:
    conditions = lab.kubectl.get("job", job, *WHERE)["status"].get("conditions", [])
    return any(one["type"] in {"Complete", "Failed"} for one in conditions)


@pytest.fixture(scope="module")
def judged(lab: Lab, run: str) -> Judgement:
    """Its verdict, read from the volume that outlives it."""
    text = _in_the_ledgers_pod(lab, "cat", f"/evidence/runs/{run}/verdict.json")
    return from_json(text.encode(), Judgement)


def _before_the_ledger(judged: Judgement, subject: str | None) -> bool:
    """Whether the random second lay before the first write of the ledger.

    The window of a platform that is minutes old begins moments before the ledger does: a point
    in between shows nothing, and the judge rightly says so.
    """
    found = (one for one in judged.findings if one.id == f"point-in-time/{RANDOM}/{subject}")
    return any("no write was acknowledged before the point" in one.headline for one in found)


def test_both_databases_come_back_from_their_statefulsets_backups(judged: Judgement) -> None:
    """In every scenario, from both regions, whole, and within the documented times."""
    restores = [one for one in judged.restores if one.scenario != THIRTY_DAYS_BACK]
    assert {(one.scenario, one.subject) for one in restores} == {
        (scenario, subject)
        for scenario in ("random-second", "latest-backup", "replica-region", "whole-loss")
        for subject in ("orders", "carts")
    }
    for restore in restores:
        if restore.scenario == RANDOM and _before_the_ledger(judged, restore.subject):
            assert restore.verdict is Verdict.INCONCLUSIVE, restore
            continue
        assert restore.verdict is Verdict.PASS, restore
        assert restore.restored_bytes
        assert restore.levels


def test_what_is_lost_is_measured_by_the_ledger(judged: Judgement) -> None:
    """Writes were acknowledged, some after the last WAL or AOF that was shipped."""
    for restore in judged.restores:
        if restore.scenario in {"latest-backup", "replica-region", "whole-loss"}:
            assert restore.acknowledged_records
            assert restore.rpa_s is not None
            assert restore.rpa_s <= 60


def test_nothing_fails_but_what_a_young_platform_cannot_have(judged: Judgement) -> None:
    """Thirty days of backups: the two retentions, and the restore to the oldest point of them."""
    for finding in judged.findings:
        if finding.scenario == RANDOM and _before_the_ledger(judged, finding.subject):
            assert finding.verdict is not Verdict.FAIL, finding
        elif finding.check != "retention" and finding.scenario != THIRTY_DAYS_BACK:
            assert finding.verdict is Verdict.PASS, finding
    failed = {one.id for one in judged.findings if one.verdict is Verdict.FAIL}
    assert {"retention/orders", "retention/carts"} <= failed
    assert judged.verdict is Verdict.FAIL


def test_the_checks_of_the_backups_pass_on_the_first_day(judged: Judgement) -> None:
    """Schedule, continuity, encryption, the other region, and locks: each was asked and passed."""
    asked = {one.check for one in judged.findings}
    assert {
        "backup-frequency",
        "continuity",
        "encryption",
        "replication",
        "immutability",
    } <= asked


def test_the_job_failed_as_its_verdict_says_and_said_why(lab: Lab, job: str, run: str) -> None:
    """Exit code 1; the log ends with the report, and the evidence is on the volume."""
    pods = lab.kubectl.get("pods", *WHERE, "-l", f"job-name={job}")["items"]
    (status,) = [pod["status"]["containerStatuses"][0] for pod in pods]
    assert status["state"]["terminated"]["exitCode"] == 1
    assert run in lab.kubectl.call("logs", *WHERE, f"job/{job}")
    files = _in_the_ledgers_pod(lab, "ls", f"/evidence/runs/{run}").split()
    assert {"history.jsonl", "junit.xml", "metrics.prom", "report.html"} <= set(files)


def test_its_evidence_is_sealed_in_the_locked_bucket_and_verifies_elsewhere(
    lab: Lab, harness: Command, job: str, run: str, tmp_path: Path
) -> None:
    """A copy from the bucket, with the public key only, without any network; and one byte of it."""
    said = lab.kubectl.call("logs", *WHERE, f"job/{job}")
    assert f"sealed: {run}" in said
    assert "archived: s3://evidence/restore-validation/" in said
    secret = _secret(lab, "backup-readers")
    (tmp_path / "credentials").write_bytes(base64.b64decode(secret["credentials"]))
    shutil.copy(seal_key(lab).with_name("seal.pem.pub"), tmp_path)
    (outside,) = lab.layout.of(Role.OUTSIDE)
    settings = tmp_path / "harness.toml"
    settings.write_text(f"""
[environments.platform.archive]
retention_days = 400
[environments.platform.archive.store]
bucket = "evidence"
prefix = "restore-validation"
endpoint_url = "https://{outside.address}:{object_stores.PRIMARY_PORT}"
ca_file = "{tmp_path / "ca.crt"}"
path_style = true
credentials_file = "{tmp_path / "credentials"}"
profile = "evidence"
""")
    (tmp_path / "ca.crt").write_text(_authority(lab))
    program = ("lab", "exec", "--", sys.executable, "-m", "harness", "archive")
    where = ("--environment", "platform", "--settings", str(settings))
    (listed,) = harness(*program, "list", *where).stdout.splitlines()
    assert listed.startswith(run)
    until = re.search(r"locked until (\S+) \(COMPLIANCE\)", listed)
    assert until is not None
    days = (date.fromisoformat(until.group(1)) - HostClock().now().utc.date()).days
    assert days in {399, 400}
    harness(*program, "fetch", run, str(tmp_path / "copy"), *where)
    copy = tmp_path / "copy" / run
    verified = _verified_offline(copy, tmp_path / "seal.pem.pub")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.startswith(f"INTACT  {run}: verdict FAIL")
    verdict = copy / "verdict.json"
    verdict.write_text(verdict.read_text().replace('"FAIL"', '"PASS"', 1))
    forged = _verified_offline(copy, tmp_path / "seal.pem.pub")
    assert forged.returncode == 1
    assert "CHANGED  verdict.json: was changed" in forged.stdout


def _verified_offline(copy: Path, key: Path) -> subprocess.CompletedProcess[str]:
    """`harness verify` in a network namespace that has nothing in it."""
    program = (sys.executable, "-m", "harness", "verify", str(copy), "--key", str(key))
    return subprocess.run(
        ["unshare", "--net", *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _secret(lab: Lab, name: str) -> dict[str, str]:
    """What a Secret that the run's pod mounts holds; its name has a digest at its end."""
    volumes = _volumes(lab)
    secret = lab.kubectl.get("secret", volumes[name]["secret"]["secretName"], *WHERE)
    data: dict[str, str] = secret["data"]
    return data


def _authority(lab: Lab) -> str:
    """The certificate that the S3 is known by."""
    name = _volumes(lab)["s3-authority"]["configMap"]["name"]
    return str(lab.kubectl.get("configmap", name, *WHERE)["data"]["ca.crt"])


def _volumes(lab: Lab) -> dict[str, Any]:
    pod = lab.kubectl.get("cronjob", CRON_JOB, *WHERE)["spec"]["jobTemplate"]["spec"]["template"]
    return {one["name"]: one for one in pod["spec"]["volumes"]}


def test_its_service_account_may_do_nothing_with_the_api(lab: Lab) -> None:
    """Nor is a token of it in the pod."""
    account = f"system:serviceaccount:{VALIDATION}:{CRON_JOB}"
    for verb, what in (("get", "secrets"), ("list", "pods"), ("create", "pods/exec")):
        asked = lab.kubectl.run("auth", "can-i", verb, what, *WHERE, f"--as={account}")
        assert asked.stdout.strip() == "no"
    assert not any("projected" in volume for volume in _volumes(lab).values())


WRITE = """
import sys
from pathlib import Path
from harness.drivers import s3
from harness.errors import StoreError
from harness.model.subject import ObjectStore
address, *ports = sys.argv[2:]
for profile, port in zip(("drill", "drill-replica"), ports, strict=True):
    store = ObjectStore(
        bucket="backups", endpoint_url=f"https://{address}:{port}",
        ca_file=Path(sys.argv[1]) / "ca.crt", path_style=True,
        credentials_file=Path(sys.argv[1]) / "credentials", profile=profile,
    )
    client = s3.connect(store)
    print("read", any(s3.list_objects(client, store)))
    try:
        s3.put_bytes(client, store, "platform/damage", b"x")
    except StoreError as error:
        print("refused", "AccessDenied" in str(error) or error)
"""


def test_its_s3_identities_can_read_and_not_write(
    lab: Lab, harness: Command, tmp_path: Path
) -> None:
    """In both regions; with the very keys that the run has."""
    credentials = _secret(lab, "backup-readers")["credentials"]
    (tmp_path / "credentials").write_bytes(base64.b64decode(credentials))
    (tmp_path / "ca.crt").write_text(_authority(lab))
    (outside,) = lab.layout.of(Role.OUTSIDE)
    ports = (str(object_stores.PRIMARY_PORT), str(object_stores.REPLICA_PORT))
    program = (sys.executable, "-c", WRITE, str(tmp_path), outside.address, *ports)
    said = harness("lab", "exec", "--", *program).stdout
    assert said.splitlines() == ["read True", "refused True"] * 2
