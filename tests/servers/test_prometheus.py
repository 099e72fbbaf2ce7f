"""A real Prometheus takes the metrics of runs, the rules, every panel and the console."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from judged_runs import judged
from msgspec.structs import replace

from harness.drivers import process
from harness.drivers.clock import wait_until
from harness.drivers.loopback import ADDRESS, free_ports
from harness.model.verdict import Verdict
from harness.notify.metrics import with_evidence
from harness.report.openmetrics import render_metrics
from harness.report.summary import Report

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules.yaml"
DASHBOARD = ROOT / "deploy/grafana/dashboard.json"
EXPRESSIONS = sorted(
    {
        (panel["title"], target["expr"])
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel["targets"]
    }
)


@dataclass
class Prometheus:
    """A Prometheus that has taken the metrics of four runs."""

    url: str

    def query(self, expression: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=10)
        said = answer.json()
        assert said["status"] == "success", said
        result: list[dict[str, Any]] = said["data"]["result"]
        return result

    def firing(self) -> set[str]:
        alerts = httpx.get(f"{self.url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


def _metrics(name: str) -> str:
    report = judged(name)
    if name == "failing":  # it is of the same suite and environment as the one that passes
        report = Report(
            judgement=replace(report.judgement, environment="staging"),
            run=report.run,
            plan=report.plan,
        )
    text = render_metrics(report)
    return with_evidence(
        text,
        environment=report.judgement.environment,
        suite=report.judgement.suite,
        kept=report.judgement.verdict is Verdict.PASS,
    )


NAMES = ("passing", "failing", "game-day", "load-test")


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    for name in NAMES:
        (folder / f"{name}.prom").write_text(_metrics(name))
    handler = partial(_Quiet, directory=str(folder))
    server = ThreadingHTTPServer((ADDRESS, 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    (port,) = free_ports(1)
    jobs = [
        {
            "job_name": name,
            "metrics_path": f"/{name}.prom",
            "static_configs": [{"targets": [f"{ADDRESS}:{server.server_port}"]}],
        }
        for name in NAMES
    ]
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": jobs,
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    child = process.start(
        [
            "prometheus",
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={ADDRESS}:{port}",
            f"--web.console.templates={ROOT / 'deploy/prometheus/consoles'}",
            "--web.console.libraries=/etc/prometheus/console_libraries",
        ],
        directory=folder,
        log=folder / "prometheus.log",
    )
    found = Prometheus(url=f"http://{ADDRESS}:{port}")

    def taken() -> bool:
        try:
            return len(found.query("count by (job) (harness_verdict)")) == len(NAMES)
        except (httpx.HTTPError, ValueError):
            return False

    try:
        wait_until(taken, within_s=60, what="the metrics of all runs in Prometheus")
        yield found
    finally:
        process.stop(child)
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass

    def guess_type(self, path: object) -> str:
        del path
        return "text/plain; version=0.0.4"


@pytest.mark.parametrize(("panel", "expression"), EXPRESSIONS)
def test_every_panel_of_the_dashboard_shows_something(
    prometheus: Prometheus, panel: str, expression: str
) -> None:
    """A panel whose metric has another name than ours would be empty for ever."""
    asked = expression.replace("$environment", ".*").replace("$suite", ".*")
    assert prometheus.query(asked), (panel, asked)


def test_the_alerts_of_a_failed_run_fire_in_the_real_program(prometheus: Prometheus) -> None:
    """Those that wait before they fire are tried by promtool, which need not wait."""
    expected = {"RehearsalFailed", "EvidenceNotKept"}
    wait_until(lambda: expected <= prometheus.firing(), within_s=60, what="the alerts")
    assert "RestoreValidationNeverRan" not in prometheus.firing()


def test_the_console_shows_what_failed(prometheus: Prometheus) -> None:
    page = httpx.get(f"{prometheus.url}/consoles/rehearsals.html", timeout=10)
    assert page.status_code == 200, page.text
    assert "recovery-point/latest-backup/sessions" in page.text
    assert re.search(r'<td class="FAIL">FAIL</td>', page.text)
    assert "error" not in page.text.lower().replace("error-rate", "")


def test_each_alert_fires_once_and_is_silent_on_its_twin() -> None:
    """By promtool: rules_test.yaml plants each."""
    alerts = {
        rule["alert"]
        for group in yaml.safe_load(RULES.read_text())["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    tested: dict[str, set[bool]] = {name: set() for name in alerts}
    for test in yaml.safe_load((RULES.parent / "rules_test.yaml").read_text())["tests"]:
        for one in test["alert_rule_test"]:
            tested[one["alertname"]].add(bool(one["exp_alerts"]))
    assert {name for name, fired in tested.items() if fired != {True, False}} == set()
    for words in (["check", "rules", "rules.yaml"], ["test", "rules", "rules_test.yaml"]):
        done = subprocess.run(
            ["promtool", *words], cwd=RULES.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
