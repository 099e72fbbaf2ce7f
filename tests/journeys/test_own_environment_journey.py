"""`harness run` against an environment of one's own: losses are assumed, nothing of it is broken.

The environment is a practice platform that this test starts beside the command: to the command it
is somebody's PostgreSQL and Redis, described in harness.toml.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.drivers import process, s3
from harness.drivers.clock import HostClock, wait_until
from harness.faults.places import Places
from harness.model.subject import ObjectStore, PgBackRest, RedisCluster
from harness.practice.object_store import EVIDENCE
from harness.practice.platform import Practice
from harness.seal.signing import create_key, read_public_key
from harness.seal.verifying import verify_runs

ROOT = Path(__file__).parents[2]
ENDS_WITHIN_S = 600
"""Several times what it takes on two idle cores: a limit, not a measurement."""

pytestmark = pytest.mark.timeout(ENDS_WITHIN_S + 60)


@pytest.fixture(scope="module")
def state() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="ho", dir="/var/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def practice(state: Path) -> Iterator[Practice]:
    """Somebody's servers and backups."""
    places = Places(state / "theirs")
    with (
        places.borrowed("practice") as place,
        Practice.running(place, 0.2, HostClock(), lambda _line: None) as running,
    ):
        yield running


def toml_of(store: ObjectStore, profile: str = "drill") -> str:
    return (
        f'{{ bucket = "{store.bucket}", prefix = "{store.prefix}", '
        f'endpoint_url = "{store.endpoint_url}", ca_file = "{store.ca_file}", path_style = true, '
        f'credentials_file = "{store.credentials_file}", profile = "{profile}" }}'
    )


def sealed_and_archived(practice: Practice, key: Path) -> list[str]:
    """With this key, and in the bucket `evidence`, which nobody has made."""
    store = practice.regions.primary.store(EVIDENCE)
    return [
        f'seal = {{ key = "{key}" }}',
        f"archive = {{ retention_days = 30, store = {toml_of(store, 'evidence')} }}",
    ]


def settings_of(practice: Practice, runs: Path, scratch: Path, key: Path | None = None) -> str:
    """harness.toml as its owner would write it."""
    orders, carts = practice.subjects
    assert isinstance(orders, PgBackRest)
    assert isinstance(carts, RedisCluster)
    assert orders.replica is not None
    assert carts.replica is not None
    lines = [
        "[environments.staging]",
        f'runs = "{runs}"',
        f'scratch = "{scratch}"',
        *([] if key is None else sealed_and_archived(practice, key)),
        "[[environments.staging.subjects]]",
        'driver = "pgbackrest"',
        'id = "orders"',
        f'stanza = "{orders.stanza}"',
        f'ledger = "{orders.ledger}"',
    ]
    for name, repository in (("primary", orders.primary), ("replica", orders.replica)):
        lines += [
            f"[environments.staging.subjects.{name}]",
            f'config = "{repository.config}"',
            f'passphrase_file = "{repository.passphrase_file}"',
            f"store = {toml_of(repository.store)}",
        ]
    lines += [
        "[[environments.staging.subjects]]",
        'driver = "redis-cluster"',
        'id = "carts"',
        f'ledger = "{carts.ledger}"',
        f"primary = {{ store = {toml_of(carts.primary.store)} }}",
        f"replica = {{ store = {toml_of(carts.replica.store)} }}",
    ]
    return "\n".join(lines) + "\n"


def living(practice: Practice) -> set[str]:
    """Their processes, by id: a server that was restarted has another one."""
    postmaster = (practice.postgres.data / "postmaster.pid").read_text(encoding="utf-8")
    regions = practice.regions
    return {postmaster.split()[0], str(regions.primary.pid), str(regions.replica.pid)}


def test_the_weekly_suite_leaves_somebodys_environment_alone(
    practice: Practice, state: Path, tmp_path: Path
) -> None:
    """It passes, inflicts nothing, and the servers never noticed; its evidence is sealed.

    Nobody made the bucket for it: that is told, and the result is shown all the same. Once it is
    there, the run is archived, and a copy of it verifies.
    """
    settings = tmp_path / "harness.toml"
    key, public = create_key(tmp_path / "seal.pem")
    text = settings_of(practice, tmp_path / "runs", state / "scratch", key)
    settings.write_text(text, encoding="utf-8")
    servers = living(practice)
    where = ("-e", "staging", "--settings", str(settings))

    def harness(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=ROOT,
            env={**os.environ, "HARNESS_STATE_DIR": str(state / "ours")},
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN_S,
            check=False,
        )

    done = harness("run", "weekly-restore", *where, "--json")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "NOT ARCHIVED: s3://evidence/" in done.stderr
    assert json.loads(done.stdout)["verdict"] == "PASS"
    history = (tmp_path / "runs" / "latest" / "history.jsonl").read_text(encoding="utf-8")
    faults = [
        entry["fact"]
        for entry in map(json.loads, history.splitlines())
        if entry["fact"]["event"] == "fault-injected"
    ]
    assert faults
    assert all(fault["assumed"] for fault in faults)
    assert living(practice) == servers
    assert Places(state / "ours").declared() == ()
    assert Places(state / "scratch").declared() == ()
    assert "\nsealed: " in done.stderr
    chain = verify_runs(tmp_path / "runs", [read_public_key(public)])
    assert chain.holds
    (run,) = chain.runs
    assert run.statement is not None
    assert run.statement.predicate.history.lines == len(history.splitlines())
    assert run.statement.predicate.history.chained
    owner = practice.regions.primary.store(EVIDENCE, profile="admin")
    s3.connect(owner).create_bucket(Bucket=EVIDENCE, ObjectLockEnabledForBucket=True)
    kept = harness("archive", "put", *where, "--all")
    assert kept.returncode == 0, kept.stderr
    assert f"archived: s3://evidence/{run.run} " in kept.stderr
    listed = harness("archive", "list", *where)
    assert listed.stdout.startswith(f"{run.run}  archived ")
    assert listed.stdout.endswith(" (COMPLIANCE)  same\n")
    fetched = harness("archive", "fetch", run.run, str(tmp_path / "copy"), *where)
    assert fetched.returncode == 0, fetched.stderr
    verified = harness("verify", fetched.stdout.strip(), "--key", str(public))
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.startswith(f"INTACT  {run.run}: verdict PASS")


def test_what_a_killed_run_left_on_both_disks_is_removed_by_recover(
    practice: Practice, state: Path, tmp_path: Path
) -> None:
    """SIGKILL amid a restore: the prober's place and the scratch disk of the environment are found
    through harness.toml, and nothing of somebody else's is touched.
    """
    settings = tmp_path / "harness.toml"
    text = settings_of(practice, tmp_path / "runs", state / "scratch")
    settings.write_text(text, encoding="utf-8")
    servers = living(practice)
    environment = {**os.environ, "HARNESS_STATE_DIR": str(state / "ours")}
    arguments = ("run", "weekly-restore", "-e", "staging", "--settings", str(settings))
    with subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments, "--only", "latest-backup"],
        cwd=ROOT,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stderr is not None
        assert any("replay" in line for line in child.stderr), "it ended before"
        (scratch,) = Places(state / "scratch").declared()
        # The server is started after the line, and goes on where the harness does not.
        wait_until(
            lambda: list(process.working_below(scratch.directory / "data")),
            within_s=20,
            what="a server on the scratch disk",
        )
        child.send_signal(signal.SIGKILL)
    assert Places(state / "scratch").abandoned() == (scratch,)
    assert Places(state / "ours").abandoned()
    done = subprocess.run(
        [sys.executable, "-m", "harness", "recover", "--settings", str(settings)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"directory {scratch.directory}" in done.stdout
    for where in ("ours", "scratch"):
        assert Places(state / where).declared() == ()
        assert list(process.working_below(state / where)) == []
    assert living(practice) == servers
