"""`harness serve` in a real Chromium: read without scripts, follow a run, note, abort, by keyboard.

The server is the command itself; who writes the run is the harness's own recorder.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import judged_runs
import psutil
import pytest
import running_days
from drill_process import DrillProcess
from msgspec.structs import replace
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from harness.cli.judging import report_of
from harness.drivers.clock import HostClock, wait_until
from harness.faults import drill_lock
from harness.model.history import Milestone
from harness.model.instant import Instant, seconds
from harness.report.html import render_html
from harness.store import RunDirectory

ROOT = Path(__file__).parents[2]

ANSWERS_WITHIN_S = 60
"""Several times what it takes on two busy cores: a limit, not a measurement."""

pytestmark = pytest.mark.timeout(300)

# Known to let a headless Chromium start as root in a container, and to keep it from calling home.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's; that it is missing is an error."""
    program = shutil.which("chromium")
    assert program is not None, "no chromium: make setup-test"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*FLAGS])
        yield browser
        browser.close()


@dataclass
class Served:
    """A server and where it is."""

    process: subprocess.Popen[str]
    address: str
    """With the token."""

    folder: Path

    @property
    def base(self) -> str:
        return self.address.partition("/sign-in")[0]

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    def sockets(self) -> int:
        """How many connections it has open."""
        connections = psutil.Process(self.process.pid).net_connections("tcp")
        return sum(one.status == psutil.CONN_ESTABLISHED for one in connections)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `harness serve` for the test's directories; ended afterwards."""
    begun: list[subprocess.Popen[str]] = []

    def started(*arguments: str) -> Served:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "harness", "serve", "--port", "0"),
                *("--runs", str(tmp_path / "runs"), "--state", str(tmp_path / "state")),
                *arguments,
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.stderr and process.stderr.read()
        return Served(process=process, address=address, folder=tmp_path)

    yield started
    for process in begun:
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def look(chromium: Browser) -> Iterator[Callable[..., Page]]:
    """A tab of a browser that has signed in; what a page's script says is an error."""
    contexts = []
    said: list[str] = []

    def opened(
        served: Served,
        path: str = "/",
        *,
        scripts: bool = True,
        scheme: Literal["light", "dark"] = "light",
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": 1280, "height": 860},
            java_script_enabled=scripts,
            color_scheme=scheme,
        )
        context.set_default_timeout(ANSWERS_WITHIN_S * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "console",
            lambda message: (
                said.append(message.text) if "Content Security" in message.text else None
            ),
        )
        page.goto(served.address)
        page.wait_for_url(f"{served.base}/")
        page.goto(f"{served.base}{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def stored(folder: Path, name: str) -> RunDirectory:
    """A judged run, with its report."""
    run = judged_runs.judged(name).run
    path = folder / "runs" / run.run
    shutil.copytree(judged_runs.JUDGED / name, path)
    directory = RunDirectory(path)
    directory.report.write_text(render_html(report_of(directory)), encoding="utf-8")
    directory.history.write_bytes(b"")
    return directory


def _unwrap_noscript(route: Route) -> None:
    """Chromium's parser leaves `noscript` closed also where Playwright has switched scripts off; a
    browser that is without them from the start reads what is in it.
    """
    answer = route.fetch(max_redirects=0)
    if "text/html" not in answer.headers.get("content-type", ""):
        route.fulfill(response=answer)
        return
    text = answer.text().replace("<noscript>", "").replace("</noscript>", "")
    route.fulfill(response=answer, body=text)


def outage(folder: Path) -> running_days.RunningDay:
    return running_days.in_an_outage(folder / "runs", folder / "state", HostClock().now())


def test_everything_is_read_without_scripts(
    serve: Callable[..., Served], look: Callable[..., Page], tmp_path: Path
) -> None:
    """Sign in, the list, a run, its report, targets, coverage, the run that goes on."""
    run = stored(tmp_path, "failing")
    with outage(tmp_path):
        page = look(serve(), scripts=False)
        page.route(re.compile("/live"), _unwrap_noscript)
        expect(page.get_by_role("heading", name="Runs", level=1)).to_be_visible()
        page.get_by_role("combobox", name="Verdict").select_option("FAIL")
        page.get_by_role("button", name="Show").click()
        page.get_by_role("link", name="weekly-restore on demo").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("3 of 9 targets failed")
        page.get_by_role("link", name="The whole report").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("3 of 9 targets failed")
        page.go_back()
        page.get_by_role("link", name="Targets", exact=True).click()
        expect(page.get_by_role("row").nth(2)).to_be_visible()
        page.get_by_role("link", name="rto", exact=True).click()
        expect(page.get_by_role("table")).to_contain_text("weekly-restore on demo")
        page.get_by_role("link", name="Coverage", exact=True).click()
        expect(page.locator("svg.coverage")).to_be_visible()
        page.get_by_role("link", name="Live", exact=True).click()
        expect(page.get_by_text("power cut of worker-2").first).to_be_visible()
        expect(page.get_by_text("loads itself again every 5 seconds")).to_be_visible()
        first = page.locator("header.now .kicker").inner_text()
        expect(page.locator("header.now .kicker")).not_to_have_text(
            first, timeout=ANSWERS_WITHIN_S * 1000
        )
        page.get_by_role("link", name="Stop that").click()
        expect(page.get_by_text("This page stands still")).to_be_visible()
    assert run.path.is_dir()


def test_the_live_page_follows_the_run(
    serve: Callable[..., Served], look: Callable[..., Page], tmp_path: Path
) -> None:
    """Opened before it begins; steps, what is broken, classes, clocks, its end, in two tabs."""
    served = serve("--operate")
    page = look(served, "/live")
    other = page.context.new_page()
    other.goto(f"{served.base}/live")
    for tab in (page, other):
        expect(tab.get_by_role("heading", level=1)).to_have_text("No run is going on")
    now = HostClock().now()
    with running_days.RunningDay(tmp_path / "runs", now) as day:
        for tab in (page, other):
            expect(tab.get_by_role("heading", level=1)).to_contain_text("Announce the game day")
            expect(tab.get_by_role("button", name="Abort the drill")).to_be_visible()
        day.first_trial()
        day.second_trial()
        intents = day.break_in(tmp_path / "state")
        day.probe(running_days.SECOND_TRIAL, running_days.NODE_FAULT_S, -140, _since(now))
        for tab in (page, other):
            expect(tab.locator(".broken")).to_contain_text("power cut of worker-2")
            expect(tab.locator("[aria-current=step]")).to_contain_text("loses power")
            expect(tab.locator("tr.down")).to_have_count(3)
            expect(tab.locator(".clock.running .subject")).to_have_text(["orders", "checkout"])
        expect(page.get_by_role("status")).not_to_be_empty()
        day._seen(140, Milestone.REDUNDANT, "orders", "all its replicas follow again")
        expect(page.locator(".events")).to_contain_text("all its replicas follow again")
        intents.done(intents.open()[0])
        expect(page.locator(".broken")).to_contain_text("Nothing that the harness broke")
        day.run.write(day.run.run_record, replace(day.record, ended=HostClock().now().utc))
        expect(page.get_by_text("It ended.")).to_be_visible()
        for form in (".note", ".abort-form"):
            expect(page.locator(form)).to_be_hidden()


def _since(now: Instant) -> float:
    return seconds(HostClock().monotonic_ns() - now.monotonic_ns)


def test_a_note_is_typed_while_the_page_changes(
    serve: Callable[..., Served], look: Callable[..., Page], tmp_path: Path
) -> None:
    """What is typed stays while all around it is replaced; it is on disk, and in the other tab."""
    with outage(tmp_path) as day:
        served = serve("--operate")
        page, reader = look(served, "/live"), look(served, "/live")
        page.get_by_label("Your name").fill("Ada")
        field = page.get_by_label("What you see or do")
        field.press_sequentially("<b>the shop ")
        before = page.locator("header.now .kicker").inner_text()
        expect(page.locator("header.now .kicker")).not_to_have_text(before)
        expect(field).to_be_focused()
        field.press_sequentially("is slow</b>")
        field.press("Enter")
        expect(page.locator(".notes")).to_contain_text("Ada <b>the shop is slow</b>")
        expect(reader.locator(".notes")).to_contain_text("<b>the shop is slow</b>")
        (note,) = day.run.read_notes()
        assert (note.who, note.text) == ("Ada", "<b>the shop is slow</b>")
        assert note.host == socket.gethostname()
        assert note.at.monotonic_ns <= HostClock().monotonic_ns()


def test_an_abort_is_asked_twice_by_keyboard_alone(
    serve: Callable[..., Served], look: Callable[..., Page], tmp_path: Path
) -> None:
    """The drill's process gets it and answers; a wrong name does nothing."""
    with outage(tmp_path) as day:
        name = day.run.path.name
        with DrillProcess(tmp_path / "state", "answers", name) as drill:
            page = look(serve("--operate"), "/live")
            _tab_to(page, "Abort the drill")
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", level=1)).to_have_text(f"Abort {name}?")
            expect(page.get_by_role("list").last).to_contain_text("power cut of worker-2")
            _tab_to(page, "type the name of the environment")
            page.keyboard.type("production")
            page.keyboard.press("Enter")
            expect(page.get_by_role("alert")).to_contain_text("Not aborted")
            assert drill.poll() is None
            _tab_to(page, "type the name of the environment")
            page.keyboard.type("staging")
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", level=1)).to_have_text(f"{name} stops")
            expect(page.get_by_role("main")).to_contain_text("power cut of worker-2")
            assert drill.wait(ANSWERS_WITHIN_S) == 143
        assert drill_lock.current(tmp_path / "state") is None
        assert [note.text for note in day.run.read_notes()] == ["aborted from the page"]


def _tab_to(page: Page, name: str) -> None:
    """Presses Tab until what has that name is focused, as somebody without a mouse does."""
    for _ in range(60):
        page.keyboard.press("Tab")
        said = page.evaluate(
            "() => { const it = document.activeElement; const labels = it.labels ?? [];"
            " return [it.textContent, ...[...labels].map(one => one.textContent)].join(' '); }"
        )
        if name in said:
            outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid", "what is focused must be seen"
            return
    raise AssertionError(f"no way to {name!r} by keyboard")


PAGES = ("/", "/runs/RUN", "/targets", "/targets/rto", "/coverage", "/live", "/live/abort")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_used_by_everybody(
    serve: Callable[..., Served],
    look: Callable[..., Page],
    tmp_path: Path,
    scheme: Literal["light", "dark"],
) -> None:
    """Names, landmarks, heads, contrast of 4.5:1 (WCAG 2.2, 1.4.3), no sideways scrolling."""
    run = stored(tmp_path, "failing")
    checks = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")
    with outage(tmp_path), DrillProcess(tmp_path / "state", "answers"):
        page = look(serve("--operate"), "/", scheme=scheme)
        base = page.url.rstrip("/")
        for path in PAGES:
            page.goto(f"{base}{path.replace('RUN', run.path.name)}")
            found = page.evaluate(checks)
            assert found == [], f"{path}: {found}"
            page.set_viewport_size({"width": 360, "height": 740})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 360, f"{path}: {wide} wide on a telephone"
            page.set_viewport_size({"width": 1280, "height": 860})
            expect(page.get_by_role("main")).to_have_count(1)
            expect(page.get_by_role("navigation", name="Pages")).to_have_count(1)
            page.keyboard.press("Tab")
            expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()


def test_the_checks_of_pages_find_what_is_wrong(chromium: Browser) -> None:
    """Each of them, planted once: a check that cannot fail says nothing."""
    checks = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8")
    page = chromium.new_page()
    page.set_content(
        "<html><body style='background:#fff'><h1>a</h1><h3>skipped</h3><main></main>"
        "<p style='color:#999'>faint</p><button></button><input><table><tr><th>x</th></tr></table>"
        "<a href='/'></a><p id='i'>1</p><p id='i'>2</p><svg></svg></body></html>"
    )
    found = " ".join(page.evaluate(checks))
    page.close()
    for planted in (
        "no language",
        "no title",
        "skips a level",
        "contrast",
        "button without a name",
        "input without a name",
        "link without a name",
        "no caption",
        "no scope",
        "twice",
        "svg",
    ):
        assert planted in found, planted


def test_nothing_of_the_files_of_a_run_is_run(
    serve: Callable[..., Served], look: Callable[..., Page], tmp_path: Path
) -> None:
    """A report that somebody put a script in, and what it would do with our cookie."""
    run = stored(tmp_path, "failing")
    evil = "<script>document.title='ran'</script><form action='/sign-out' method='post'><button>x"
    run.report.write_text(f"<!DOCTYPE html><title>still</title>{evil}", encoding="utf-8")
    page = look(serve())
    errors: list[str] = []
    tab = page.context.new_page()
    tab.on("console", lambda message: errors.append(message.text))
    tab.goto(f"{page.url}runs/{run.path.name}/files/report.html")
    assert tab.title() == "still"
    assert any("sandbox" in error.lower() for error in errors)
    tab.get_by_role("button").click()
    page.reload()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()


def test_ctrl_c_ends_the_streams_at_once(
    serve: Callable[..., Served], look: Callable[..., Page], tmp_path: Path
) -> None:
    """Exit code 0, the token is gone, and the page says that it stands still."""
    with outage(tmp_path):
        served = serve()
        page = look(served, "/live")
        expect(page.locator("tr.up, tr.unseen, tr.down").first).to_be_visible()
        wait_until(
            lambda: served.sockets() or None, within_s=ANSWERS_WITHIN_S, what="an open stream"
        )
        token = tmp_path / "state" / f"page-{served.port}.token"
        assert token.stat().st_mode & 0o777 == 0o600
        assert token.read_text(encoding="ascii").strip() in served.address
        served.process.send_signal(signal.SIGINT)
        out, err = served.process.communicate(timeout=ANSWERS_WITHIN_S)
        assert (served.process.returncode, out, err) == (0, "", "stopped\n")
        assert not token.exists()
        expect(page.get_by_text("The connection to the page is lost")).to_be_visible()


def test_clients_that_are_gone_leave_nothing_behind(
    serve: Callable[..., Served], look: Callable[..., Page], tmp_path: Path
) -> None:
    """No socket, no thread, no file: in the middle of an event, or before the first."""
    with outage(tmp_path):
        served = serve()
        page = look(served, "/live")
        cookie = "; ".join(f"{one['name']}={one['value']}" for one in page.context.cookies())
        page.close()
        process = psutil.Process(served.process.pid)
        request = (
            f"GET /live/events HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\n"
            f"Cookie: {cookie}\r\n\r\n"
        ).encode()
        _settled(served)
        files = process.num_fds()
        for received in (0, 1, 200, 5000):
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", served.port), ANSWERS_WITHIN_S) as one:
                    one.sendall(request)
                    got = 0
                    while got < received:
                        got += len(one.recv(received - got))
        _settled(served)
        wait_until(  # a look that nobody waits for any more ends in its thread
            lambda: process.num_fds() <= files or None,
            within_s=ANSWERS_WITHIN_S,
            what=f"{files} open files as before",
        )
        assert process.num_threads() <= _MOST_THREADS
        again = look(served, "/live")
        expect(again.locator("tr.unseen, tr.down, tr.up").first).to_be_visible()


_MOST_THREADS = 40
"""asyncio's own pool has min(32, processors + 4) threads; each stream that leaked would add one."""


def _settled(served: Served) -> None:
    wait_until(
        lambda: served.sockets() == 0 or None,
        within_s=ANSWERS_WITHIN_S,
        what="the server without connections",
    )


def test_a_taken_port_says_what_to_type(serve: Callable[..., Served]) -> None:
    """Exit code 2, and nothing is printed that could be opened."""
    served = serve()
    second = subprocess.run(
        [sys.executable, "-m", "harness", "serve", "--port", str(served.port)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=ANSWERS_WITHIN_S,
        check=False,
    )
    assert second.returncode == 2
    assert second.stdout == ""
    assert re.search(r"try: harness serve --port 0", second.stderr)
