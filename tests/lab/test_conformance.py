"""A conformance check as its user meets it: a verdict for every promise, judged again to the same
bytes; with the rights that the plan prints, with less, and killed in the middle.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import ROOT, Command

from harness.drivers.clock import wait_until
from harness.lab.environment import inside_kubeconfig
from harness.lab.lab import Lab
from harness.model.configuration import CONFIGURATION
from harness.targets import load_targets

CHECK = ("conformance", "-e", "lab")
EITHER = (0, 1, 3)
"""What the lab is found to be is no matter of these tests."""

ACCOUNT = "looker"
Judged = dict[str, Any]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(scope="module")
def judged(lab: Lab, harness: Command, runs: Path) -> Judged:
    """One whole check of the lab."""
    assert lab.kubectl.ready()
    done = harness("run", *CHECK, "--json", "--runs", str(runs), within_s=600, exits=EITHER)
    return dict(json.loads(done.stdout))


def of(judgement: Judged, check: str) -> list[Judged]:
    return [one for one in judgement["findings"] if one["check"] == check]


def test_every_promise_has_a_verdict(judged: Judged) -> None:
    """One or more findings of each, all of them of different names."""
    asked = {
        one.id for one in load_targets(ROOT / "targets") if isinstance(one.objective, CONFIGURATION)
    }
    assert asked
    assert asked <= {one["target"] for one in judged["findings"]}
    names = [one["id"] for one in judged["findings"]]
    assert len(set(names)) == len(names)


def test_no_promise_is_left_for_want_of_a_check(judged: Judged) -> None:
    """Neither unbuilt nor stumbling: what is INCONCLUSIVE says what is missing."""
    for one in judged["findings"]:
        assert "no check of it is built" not in one["headline"], one["id"]
        assert "its judge failed" not in one["headline"], one["headline"]


def test_the_check_itself_was_whole(judged: Judged) -> None:
    assert {one["id"]: one["verdict"] for one in of(judged, "drill")} == {
        "drill/clean-up": "PASS",
        "drill/end": "PASS",
        "drill/looks": "PASS",
        "drill/record": "PASS",
        "drill/objects": "PASS",
    }


def test_what_the_lab_lacks_is_never_a_pass(judged: Judged) -> None:
    """It has neither Argo CD nor Dapr nor a VerticalPodAutoscaler."""
    for check in ("sync-policy", "sync-wave", "dapr-annotations", "vertical-autoscaler"):
        found = of(judged, check)
        assert found, check
        assert "PASS" not in {one["verdict"] for one in found}, found


def test_it_is_judged_again_to_the_same_bytes(judged: Judged, harness: Command, runs: Path) -> None:
    """Without the cluster: from what was written down."""
    run = (runs / "latest").resolve()
    before = {name: (run / name).read_bytes() for name in ("verdict.json", "report.html")}
    harness("analyse", str(run), exits=EITHER)
    assert {name: (run / name).read_bytes() for name in before} == before
    assert judged["verdict"] == json.loads(before["verdict.json"])["verdict"]


def test_no_secret_is_written_down(judged: Judged, lab: Lab, runs: Path) -> None:
    """Nothing that any Secret of the lab holds is in the run's directory."""
    assert judged
    values = {
        value.encode()
        for one in lab.kubectl.get("secrets", "-A")["items"]
        for value in (one.get("data") or {}).values()
        if len(value) > 8
    }
    assert values
    written = b"".join(
        path.read_bytes() for path in (runs / "latest").resolve().rglob("*") if path.is_file()
    )
    assert not [value for value in values if value in written]


def test_no_pod_stays(judged: Judged, lab: Lab) -> None:
    assert judged
    assert lab.kubectl.get("pods", "-A", "-l", "harness.dev/drill")["items"] == []


def test_while_a_drill_goes_on_nothing_is_looked_at(
    lab: Lab, harness: Command, tmp_path: Path
) -> None:
    """It would be the drill's damage that is seen."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": "elsewhere_1_game-day", "renewTime": now, "leaseDurationSeconds": 120}
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "harness-drill", "namespace": "harness-drill"},
        "spec": spec,
    }
    lab.kubectl.run("create", "namespace", "harness-drill")
    lab.kubectl.call("apply", "-f", "-", stdin=yaml.safe_dump(lease).encode())
    try:
        done = harness("run", *CHECK, "--runs", str(tmp_path), exits=(4,))
    finally:
        lab.kubectl.call("delete", "lease", "harness-drill", "-n", "harness-drill")
    assert "elsewhere_1_game-day" in done.stderr


# --- as an account of its own ----------------------------------------------------------------


@pytest.fixture(scope="module")
def roles(lab: Lab, harness: Command) -> list[Judged]:
    """What the plan prints for an account, without the namespaces that the lab does not have."""
    said = harness("plan", *CHECK, "--rbac", f"harness-drill/{ACCOUNT}").stdout
    there = {one["metadata"]["name"] for one in lab.kubectl.get("namespaces")["items"]}
    return [
        one
        for one in yaml.safe_load_all(said)
        if one["metadata"].get("namespace", "") in {"", "harness-drill", *there}
    ]


@pytest.fixture
def account(
    lab: Lab, state: Path, roles: list[Judged], tmp_path: Path
) -> Iterator[tuple[Path, list[Judged]]]:
    """Settings of an environment that is the lab, as that account; and its roles, to be applied."""
    drill = ("-n", "harness-drill")
    lab.kubectl.run("create", "namespace", "harness-drill")
    lab.kubectl.run("create", "serviceaccount", ACCOUNT, *drill)
    token = lab.kubectl.call("create", "token", ACCOUNT, *drill).strip()
    kubeconfig = tmp_path / "kubeconfig"
    content = yaml.safe_load(inside_kubeconfig(state).read_text())
    content["users"] = [{"name": ACCOUNT, "user": {"token": token}}]
    content["contexts"][0]["context"]["user"] = ACCOUNT
    kubeconfig.write_text(yaml.safe_dump(content))
    kubeconfig.chmod(0o600)
    uid = lab.kubectl.get("namespace", "kube-system")["metadata"]["uid"]
    settings = tmp_path / "harness.toml"
    settings.write_text(
        f"""\
[environments.looked]
runs = "{tmp_path / "runs"}"
[environments.looked.kubernetes]
context = "{content["contexts"][0]["name"]}"
cluster = "{uid}"
kubeconfig = "{kubeconfig}"
helper_image = "harness.local/busybox:lab"
[[environments.looked.workloads]]
kind = "http"
id = "checkout"
namespace = "core-business-prod"
pods = "app=checkout"
service = "checkout"
port = 8000
"""
    )
    yield settings, roles
    for one in reversed(roles):
        if one["kind"] != "Namespace":
            namespace = one["metadata"].get("namespace")
            where = ("-n", namespace) if namespace else ()
            lab.kubectl.run("delete", one["kind"], one["metadata"]["name"], *where)
    lab.kubectl.run("delete", "serviceaccount", ACCOUNT, *drill)


def look(harness: Command, settings: Path, *more: str) -> Judged:
    words = (sys.executable, "-m", "harness", "run", "conformance", "-e", "looked")
    done = harness(
        *("lab", "exec", "--", *words, "--settings", str(settings), "--json", *more),
        within_s=600,
        exits=EITHER,
    )
    return dict(json.loads(done.stdout))


def test_the_planned_rights_suffice(
    lab: Lab, harness: Command, account: tuple[Path, list[Judged]]
) -> None:
    settings, roles = account
    lab.kubectl.call("apply", "-f", "-", stdin=yaml.safe_dump_all(roles).encode())
    found = {one["id"]: one for one in of(look(harness, settings), "drill")}
    assert {name: one["verdict"] for name, one in found.items()} == dict.fromkeys(found, "PASS")


def test_hidden_objects_are_inconclusive_and_named(
    lab: Lab, harness: Command, account: tuple[Path, list[Judged]]
) -> None:
    """Without the right to list Secrets nothing is said of their age, and all else as before."""
    settings, roles = account
    for one in roles:
        for rule in one.get("rules", ()):
            rule["resources"] = [name for name in rule["resources"] if name != "secrets"]
    lab.kubectl.call("apply", "-f", "-", stdin=yaml.safe_dump_all(roles).encode())
    judgement = look(harness, settings, "--only", "objects")
    (objects,) = [one for one in of(judgement, "drill") if one["id"] == "drill/objects"]
    assert objects["verdict"] == "INCONCLUSIVE"
    assert "Secret: the account may not list them" in objects["headline"]
    rotation = of(judgement, "secret-rotation")
    assert rotation
    assert "PASS" not in {one["verdict"] for one in rotation}
    said = [line for one in rotation for line in (one["headline"], *one["detail"])]
    assert any("Secret" in line and "may not list" in line for line in said), said
    assert "PASS" in {one["verdict"] for one in of(judgement, "drill")}


# --- cut off ---------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_cut_off_it_leaves_nothing(
    number: signal.Signals, lab: Lab, state: Path, harness: Command, tmp_path: Path
) -> None:
    """Interrupted it removes its pods itself; of a killed one `harness recover` does, and the next
    check is not kept from beginning.
    """
    words = ("run", *CHECK, "--only", "connections", "--runs", str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *words],
        cwd=ROOT,
        env={**os.environ, "HARNESS_STATE_DIR": str(state)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def pods() -> list[Any]:
        return list(lab.kubectl.get("pods", "-A", "-l", "harness.dev/drill")["items"])

    try:
        wait_until(lambda: pods() or None, within_s=120, what="a pod of the look", every_s=0.2)
        process.send_signal(number)
        returned = process.wait(timeout=120)
    finally:
        process.kill()
        process.wait(timeout=30)
    if number is signal.SIGINT:
        assert returned == 130
        history = (tmp_path / "latest" / "history.jsonl").read_text()
        assert '"run-ended","interrupted":"SIGINT"' in history
    else:
        harness("recover")
    assert pods() == []
    judgement = json.loads(
        harness(
            *("run", *CHECK, "--only", "objects", "--json", "--runs", str(tmp_path)),
            within_s=300,
            exits=EITHER,
        ).stdout
    )
    assert {one["verdict"] for one in of(judgement, "drill")} == {"PASS"}
