"""Takes the pictures of docs/page.md from `harness serve` itself, in Chromium.

`PYTHONPATH=.:tests/histories .venv/bin/python tests/journeys/page_pictures.py`
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import judged_runs
import running_days
from playwright.sync_api import Browser, sync_playwright

from harness.cli.judging import report_of
from harness.drivers.clock import HostClock, boot_id
from harness.ledger.append import JournalAppender
from harness.ledger.journal import Header, Type
from harness.model.instant import Instant, seconds
from harness.model.note import Note, SignedIn
from harness.page.notes import take_note
from harness.report.html import render_html
from harness.store import RunDirectory

ROOT = Path(__file__).parents[2]
SIZE = {"width": 1280, "height": 900}

NOTES = (
    (-131, "Grace", "The shop shows its error page, not a spinner"),
    (-96, "Ada", "On-call answered at once and has the runbook open"),
    (-40, "Grace", "Carts are fine; orders cannot be placed"),
)
LEDGERS = {"carts-wait0": (9_100, 0), "carts-wait1": (8_700, 41), "orders": (4_800, 611)}
"""Name -> writes that were acknowledged, and that were not."""


def store(runs: Path, name: str) -> str:
    """A judged run of tests/histories; its name."""
    record = judged_runs.judged(name).run
    shutil.copytree(judged_runs.JUDGED / name, runs / record.run)
    run = RunDirectory(runs / record.run)
    run.report.write_text(render_html(report_of(run)), encoding="utf-8")
    run.history.write_bytes(b"")
    return record.run


def people_and_writers(day: running_days.RunningDay, now: Instant) -> None:
    """Notes and journals of the run that goes on."""
    for name, (acknowledged, others) in LEDGERS.items():
        (day.run.ledger / name).mkdir()
        header = Header(
            subject=name,
            client=1,
            seed=1,
            boot_id=boot_id(),
            started=now.utc,
            server="7301",
            durability="synchronous_commit=on",
        )
        journal = JournalAppender(day.run.ledger / name, header)
        for number in range(acknowledged + others):
            journal.invoke()
            refused = Type.FAIL if number % 7 else Type.INDETERMINATE
            journal.complete(Type.OK if number < acknowledged else refused)
    for second, who, text in NOTES:
        day.clock.at(second)
        take_note(
            day.run,
            Note(
                at=day.clock.now(),
                host=socket.gethostname(),
                who=who,
                signed_in=SignedIn.TOKEN,
                text=text,
            ),
        )


def take(browser: Browser, address: str, run: str, day: running_days.RunningDay) -> None:
    """Both, while the run is written on."""
    base = address.partition("/sign-in")[0]
    page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
    page.goto(address)
    page.wait_for_url(f"{base}/")
    page.goto(f"{base}/runs/{run}")
    page.screenshot(path=ROOT / "docs" / "page-run.png")
    page.goto(f"{base}/live")
    began_ns, written_s = day.clock.at(0).monotonic_ns(), 0.0
    for _ in range(20):
        until_s = seconds(HostClock().monotonic_ns() - began_ns)
        day.probe(running_days.SECOND_TRIAL, running_days.NODE_FAULT_S, written_s, until_s)
        written_s = until_s
        page.wait_for_timeout(200)
    page.screenshot(path=ROOT / "docs" / "page-live.png")


def main() -> None:
    """Writes docs/page-run.png and docs/page-live.png."""
    program = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        runs, state = Path(name) / "runs", Path(name) / "state"
        run = store(runs, "failing")
        now = HostClock().now()
        with running_days.in_an_outage(runs, state, now) as day:
            people_and_writers(day, now)
            server = subprocess.Popen(
                [
                    *(sys.executable, "-m", "harness", "serve", "--port", "0", "--operate"),
                    *("--runs", str(runs), "--state", str(state)),
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                text=True,
            )
            try:
                if server.stdout is None:
                    raise AssertionError("its address is read from a pipe")
                browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
                take(browser, server.stdout.readline().strip(), run, day)
                browser.close()
            finally:
                server.send_signal(signal.SIGINT)
                server.communicate(timeout=10)


if __name__ == "__main__":
    main()
