"""The weekly restore validation as a Job: what the StatefulSets wrote is restored and judged."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Command

from harness.drivers.clock import wait_until
from harness.lab import object_stores
from harness.lab.lab import Lab
from harness.lab.layout import Role
from harness.lab.platform import INFRASTRUCTURE, VALIDATION, primary
from harness.model.codec import from_json
from harness.model.judgement import Judgement
from harness.model.verdict import Verdict

WHERE = ("-n", VALIDATION)
JOB = "by-hand"
RANDOM = "random-second"
THIRTY_DAYS_BACK = "oldest-promised"
"""The scenario that cannot succeed on a platform that is minutes old."""


def _in_the_ledgers_pod(lab: Lab, *words: str) -> str:
    """What a command says beside the evidence: the run's own pod has ended."""
    return lab.kubectl.call("exec", *WHERE, "deploy/ledger", "-c", "orders", "--", *words)


@pytest.fixture(scope="module")
def run(lab: Lab) -> Iterator[str]:
    """One run, started by hand, to its end; its name."""
    wait_until(
        lambda: _archive_goes_on(lab), within_s=180, what="WAL of after the backup", every_s=2
    )
    lab.kubectl.call("create", "job", JOB, "--from=cronjob/weekly-restore-validation", *WHERE)
    try:
        wait_until(lambda: _ended(lab), within_s=1200, what="the end of the run", every_s=2)
        yield _in_the_ledgers_pod(lab, "readlink", "/evidence/runs/latest").strip()
    finally:
        lab.kubectl.call("delete", "job", JOB, *WHERE)


def _archive_goes_on(lab: Lab) -> bool:
    """From then on there is a window to draw a random second from."""
    words = ("exec", "-n", INFRASTRUCTURE, primary(lab), "--", "pgbackrest", "--stanza=platform")
    (stanza,) = json.loads(lab.kubectl.call(*words, "info", "--output=json"))
    backup: str = stanza["backup"][-1]["archive"]["stop"]
    newest: str = stanza["archive"][-1]["max"]
    return newest > backup


def _ended(lab: Lab) -> bool:
    conditions = lab.kubectl.get("job", JOB, *WHERE)["status"].get("conditions", [])
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


def test_the_job_failed_as_its_verdict_says_and_said_why(lab: Lab, run: str) -> None:
    """Exit code 1; the log ends with the report, and the evidence is on the volume."""
    pods = lab.kubectl.get("pods", *WHERE, "-l", f"job-name={JOB}")["items"]
    (status,) = [pod["status"]["containerStatuses"][0] for pod in pods]
    assert status["state"]["terminated"]["exitCode"] == 1
    assert run in lab.kubectl.call("logs", *WHERE, f"job/{JOB}")
    files = _in_the_ledgers_pod(lab, "ls", f"/evidence/runs/{run}").split()
    assert {"history.jsonl", "junit.xml", "metrics.prom", "report.html"} <= set(files)


def test_its_service_account_may_do_nothing_with_the_api(lab: Lab) -> None:
    """Nor is a token of it in the pod."""
    account = f"system:serviceaccount:{VALIDATION}:weekly-restore-validation"
    for verb, what in (("get", "secrets"), ("list", "pods"), ("create", "pods/exec")):
        asked = lab.kubectl.run("auth", "can-i", verb, what, *WHERE, f"--as={account}")
        assert asked.stdout.strip() == "no"
    template = lab.kubectl.get("cronjob", "weekly-restore-validation", *WHERE)
    pod = template["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert not any("projected" in volume for volume in pod["volumes"])


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
    pod = lab.kubectl.get("cronjob", "weekly-restore-validation", *WHERE)["spec"]["jobTemplate"]
    volumes = {one["name"]: one for one in pod["spec"]["template"]["spec"]["volumes"]}
    secret = lab.kubectl.get("secret", volumes["backup-readers"]["secret"]["secretName"], *WHERE)
    authority = lab.kubectl.get("configmap", volumes["s3-authority"]["configMap"]["name"], *WHERE)
    (tmp_path / "credentials").write_bytes(base64.b64decode(secret["data"]["credentials"]))
    (tmp_path / "ca.crt").write_text(authority["data"]["ca.crt"])
    (outside,) = lab.layout.of(Role.OUTSIDE)
    ports = (str(object_stores.PRIMARY_PORT), str(object_stores.REPLICA_PORT))
    program = (sys.executable, "-c", WRITE, str(tmp_path), outside.address, *ports)
    said = harness("lab", "exec", "--", *program).stdout
    assert said.splitlines() == ["read True", "refused True"] * 2
