"""The page's routes: what is read for each, and what is shown of it. Starlette.

Everything but notes and the abort is read-only. The guard (harness.page.guard) stands before all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path

from markupsafe import Markup
from securesystemslib.signer import Key
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import ASGIApp

from harness.errors import HarnessError
from harness.faults import drill_lock
from harness.model.coverage import Coverage
from harness.model.note import MOST_CHARACTERS, MOST_CHARACTERS_OF_A_NAME, Note
from harness.model.run import RunRecord
from harness.model.target import Target
from harness.model.verdict import Verdict
from harness.page import files
from harness.page.feed import Feed, Shown, TooManyStreamsError
from harness.page.following import Follower
from harness.page.guard import (
    Access,
    Guard,
    Refused,
    Sessions,
    Visitor,
    checked_form,
    form_of,
    is_token,
    visitor_of,
)
from harness.page.notes import take_note
from harness.page.runs import ListedRun, Runs, report_of_listed
from harness.page.views import page, regions
from harness.ports import Clock
from harness.report.coverage_page import coverage_section
from harness.report.coverage_wording import headline as coverage_headline
from harness.report.coverage_wording import under_headline
from harness.report.summary import figures, headline, limits, target_rows
from harness.report.trend_picture import draw_trend
from harness.report.wording import objective
from harness.seal.signing import open_envelope, read_statement
from harness.seal.statement import STATEMENT, SealedRun
from harness.seal.verifying import verify_run
from harness.store import RunDirectory
from harness.track_record.compose import Asked, detail
from harness.track_record.intake import ask
from harness.track_record.questions import of_one

_log = logging.getLogger(__name__)

RUNS_ON_A_PAGE = 100
COVERAGE_LASTS_S = 60
"""How long a coverage that was made is shown while no run changes: periods are of days."""

Cover = Callable[[Sequence[str]], tuple[Coverage, Sequence[Target]]]
"""Environments, or none for those of the stored runs -> their coverage; raises HarnessError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """What the page shows, and where it is."""

    runs: Path
    state: Path
    """Where drills say that they go on, and what they broke."""

    cover: Cover
    keys: tuple[Key, ...] = ()
    """Public keys that seals are verified with; none: the page only says what a seal says."""

    environments: tuple[str, ...] = ()
    """Whose targets and coverage are shown; none: those of the stored runs."""


@dataclass(slots=True)
class _Covered:
    stamp: int
    at: datetime
    coverage: Coverage
    targets: Sequence[Target]


@dataclass(slots=True)
class Page:
    """One server's page; its methods are the routes."""

    shelf: Shelf
    access: Access
    clock: Clock
    sessions: Sessions = field(default_factory=Sessions)
    runs: Runs = field(init=False)
    feed: Feed = field(init=False)
    _follower: Follower = field(init=False)
    _covered: _Covered | None = field(init=False, default=None)
    _covering: threading.Lock = field(default_factory=threading.Lock)
    _verifying: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        self.runs = Runs(self.shelf.runs)
        self._follower = Follower(self.shelf.runs, self.shelf.state, self.clock)
        self.feed = Feed(self._shown)

    def app(self) -> ASGIApp:
        """The whole page with its guard."""
        routes = [
            Route("/", self.run_list),
            Route("/runs/{run}", self.one_run),
            Route("/runs/{run}/seal", self.seal),
            Route("/runs/{run}/files/{name:path}", self.run_file),
            Route("/targets", self.targets),
            Route("/targets/{target}", self.one_target),
            Route("/coverage", self.coverage),
            Route("/live", self.live),
            Route("/live/events", self.live_events),
            Route("/live/notes", self.note, methods=["POST"]),
            Route("/live/abort", self.abort_question),
            Route("/live/abort", self.abort, methods=["POST"]),
            Route("/sign-in", self.sign_in, methods=["GET", "POST"]),
            Route("/sign-out", self.sign_out, methods=["POST"]),
            Route("/static/{name}", self.static),
        ]
        app = Starlette(
            routes=routes,
            exception_handlers={
                Refused: self._refused,
                404: self._not_found,
                405: self._wrong_method,
                HarnessError: self._not_readable,
            },
        )
        app.router.redirect_slashes = False
        return Guard(app, self.access, self.sessions)

    def _page(self, request: Request, template: str, **values: object) -> HTMLResponse:
        visitor = getattr(request.state, "visitor", None)
        return HTMLResponse(page(template, visitor, operate=self.access.operate, **values))

    def _refusal(self, request: Request, template: str, status: int, **values: object) -> Response:
        answer = self._page(request, template, **values)
        answer.status_code = status
        return answer

    # --- runs --------------------------------------------------------------------------------

    async def run_list(self, request: Request) -> Response:
        """The newest first; by suite, environment and verdict."""
        asked = request.query_params
        every = await asyncio.to_thread(self.runs.all)
        chosen = {name: asked.get(name, "") for name in ("suite", "environment", "verdict")}
        found = [run for run in every if _is_chosen(run, chosen)]
        before = asked.get("before", "")
        rest = [run for run in found if not before or run.name < before]
        shown = rest[:RUNS_ON_A_PAGE]
        records = [run.record for run in every if run.record is not None]
        return self._page(
            request,
            "runs",
            runs=shown,
            total=len(every),
            found=len(found),
            chosen=chosen,
            suites=sorted({record.suite for record in records}),
            environments=sorted({record.environment for record in records}),
            verdicts=[*Verdict],
            more=shown[-1].name if len(rest) > len(shown) else None,
            newest=not before,
            folder=str(self.shelf.runs),
            now=self.clock.now().utc,
        )

    async def one_run(self, request: Request) -> Response:
        """One run: its findings, the worst first, what it says of targets, its seal, its files."""
        run = await self._run(request)
        listed, more = await asyncio.to_thread(files.listed, run.directory)
        values: dict[str, object] = {
            "run": run,
            "files": listed,
            "more_files": more,
            "names": {file.name for file in listed},
            "notes": (),
            "trouble": run.trouble,
            "seal": await asyncio.to_thread(_sealed_says, run),
            "keys": bool(self.shelf.keys),
            "judged": False,
        }
        try:
            values["notes"] = await asyncio.to_thread(RunDirectory(run.directory).read_notes)
            if run.verdict is not None:
                values |= await asyncio.to_thread(_of_judged, run)
        except HarnessError as error:
            values["trouble"] = str(error)
        return self._page(request, "run", **values)

    async def seal(self, request: Request) -> Response:
        """Verifies the seal of a run with the keys that the server was given, now."""
        run = await self._run(request)
        if not self.shelf.keys:
            raise Refused(404, "no public key: start it with `harness serve --key seal.pem.pub`")
        async with self._verifying:  # one at a time: it reads every byte of the run
            found = await asyncio.to_thread(verify_run, run.directory, self.shelf.keys)
        return self._page(request, "seal", run=run, found=found, now=self.clock.now().utc)

    async def run_file(self, request: Request) -> Response:
        """A file of a run, by its name in the listing."""
        run = await self._run(request)
        name = request.path_params["name"]
        file = await asyncio.to_thread(files.find, run.directory, name)
        if file is None:
            raise Refused(404, "the run has no such file")
        try:
            return files.response(run.directory, file, keep="keep" in request.query_params)
        except OSError as error:
            raise Refused(404, "the run has no such file") from error

    async def _run(self, request: Request) -> ListedRun:
        run = await asyncio.to_thread(self.runs.find, request.path_params["run"])
        if run is None:
            raise Refused(404, "there is no such run")
        return run

    # --- targets and coverage ------------------------------------------------------------------

    async def targets(self, request: Request) -> Response:
        """Every documented target with its latest verdict and the runs that proved it."""
        covered = await asyncio.to_thread(self._cover)
        return self._page(
            request,
            "targets",
            coverage=covered.coverage,
            promises={one.id: objective(one.objective) for one in covered.targets},
            quotes={one.id: one.source for one in covered.targets},
            stored={run.name for run in await asyncio.to_thread(self.runs.all)},
        )

    async def one_target(self, request: Request) -> Response:
        """The history of one target: what each run said of it, and what it measured."""
        covered = await asyncio.to_thread(self._cover)
        wanted = request.path_params["target"]
        target = next((one for one in covered.targets if one.id == wanted), None)
        if target is None:
            raise Refused(404, "there is no such target")
        row = next(one for one in covered.coverage.targets if one.target == target.id)
        every = await asyncio.to_thread(self.runs.all)
        lines = [
            (run, trace)
            for run in every
            if run.record is not None and run.ended is not None
            for trace in run.traces
            if trace.target == target.id
        ]
        return self._page(
            request,
            "target",
            target=target,
            row=row,
            now=covered.coverage.now,
            lines=lines[:RUNS_ON_A_PAGE],
            left_out=max(0, len(lines) - RUNS_ON_A_PAGE),
            trends=await asyncio.to_thread(self._trends, target.id),
        )

    def _trends(self, target: str) -> tuple[Markup, ...]:
        """The picture of each of its trends that has a line to draw."""
        rows, _ = ask(self.runs.folder, of_one(target))
        found = detail(target, rows, Asked(now=self.clock.now().utc))
        return tuple(
            Markup(draw_trend(one, name=f"trend{number}"))  # noqa: S704 - it escapes all text
            for number, one in enumerate(found.trends)
            if len(one.points) > 1
        )

    async def coverage(self, request: Request) -> Response:
        """What is proved, and what is owed."""
        covered = await asyncio.to_thread(self._cover)
        return self._page(
            request,
            "coverage",
            coverage=covered.coverage,
            headline=coverage_headline(covered.coverage),
            under=under_headline(covered.coverage),
            section=coverage_section(covered.coverage, name="coverage", styled=False),
        )

    def _cover(self) -> _Covered:
        """Made once for each change of the runs, and once a minute."""
        with self._covering:
            now, stamp = self.clock.now().utc, self.runs.stamp()
            known = self._covered
            if (
                known is None
                or known.stamp != stamp
                or (now - known.at).total_seconds() > COVERAGE_LASTS_S
            ):
                environments = self.shelf.environments or tuple(
                    sorted(
                        {
                            run.record.environment
                            for run in self.runs.all()
                            if run.record is not None
                        }
                    )
                )
                coverage, targets = self.shelf.cover(environments)
                known = _Covered(stamp=stamp, at=now, coverage=coverage, targets=targets)
                self._covered = known
            return known

    # --- the run that goes on --------------------------------------------------------------------

    def _shown(self) -> Shown:
        """One look at the run that goes on; called in a thread, never twice at once."""
        view = self._follower.look()
        return Shown(view=view, regions=regions(view))

    async def live(self, request: Request) -> Response:
        """The page as it is now; a script keeps it so, or the browser loads it again."""
        shown = await self.feed.now()
        view = shown.view
        return self._page(
            request,
            "live",
            view=view,
            regions=shown.regions,
            still="still" in request.query_params,
            most=MOST_CHARACTERS,
            most_name=MOST_CHARACTERS_OF_A_NAME,
            last=next(iter(await asyncio.to_thread(self.runs.all)), None) if view is None else None,
        )

    async def live_events(self, request: Request) -> Response:
        """The changes of the live page, as they come."""
        stream = self.feed.stream(request.headers.get("last-event-id"))
        try:
            first = await anext(stream)
        except TooManyStreamsError:
            return PlainTextResponse("too many people watch\n", status_code=503)

        async def events() -> AsyncGenerator[bytes, None]:
            async with contextlib.aclosing(stream):
                yield first
                async for event in stream:
                    yield event

        return StreamingResponse(
            events(),
            media_type="text/event-stream",
            headers={"cache-control": "no-store", "x-accel-buffering": "no"},
        )

    async def note(self, request: Request) -> Response:
        """Adds a note to the run that goes on; its name stands in the form, so that it is no other
        one's.
        """
        form = await checked_form(request)
        visitor = visitor_of(request)
        who = visitor.name or form.get("who", "").strip()
        await asyncio.to_thread(
            self._take_note, form.get("run", ""), who, form.get("text", "").strip(), visitor
        )
        return RedirectResponse("/live#notes", status_code=303)

    def _take_note(self, name: str, who: str, text: str, visitor: Visitor) -> None:
        run = self.runs.find(name)
        if run is None:
            raise Refused(404, "there is no such run")
        try:
            note = Note(
                at=self.clock.now(),
                host=socket.gethostname(),
                who=who,
                signed_in=visitor.signed_in,
                text=text,
            )
        except ValueError as error:
            raise Refused(400, str(error)) from error
        try:
            take_note(RunDirectory(run.directory), note)
        except HarnessError as error:
            raise Refused(409, str(error)) from error

    async def abort_question(self, request: Request) -> Response:
        """What an abort would do, asked once more."""
        if not self.access.operate:
            raise Refused(403, "read-only: `harness abort` stops the drill from a terminal")
        drill = await asyncio.to_thread(drill_lock.current, self.shelf.state)
        view = (await self.feed.now()).view
        broken = () if view is None or drill is None or view.run != drill.run else view.broken
        return self._page(request, "abort", drill=drill, broken=broken, wrong=None)

    async def abort(self, request: Request) -> Response:
        """Does what `harness abort RUN` does, where the environment's name was typed."""
        form = await checked_form(request)
        drill = await asyncio.to_thread(drill_lock.current, self.shelf.state)
        typed = form.get("environment", "").strip()
        if drill is not None and typed != drill.environment:
            return self._refusal(request, "abort", 400, drill=drill, broken=(), wrong=typed)
        visitor = visitor_of(request)
        try:
            stopped, stopping = await asyncio.to_thread(
                drill_lock.abort, self.shelf.state, form.get("run", "")
            )
        except HarnessError as error:
            raise Refused(409, f"{error}; try: {error.hint}") from error
        _log.warning("%s aborts %s", visitor.name or "somebody with the token", stopped.run)
        who = visitor.name or form.get("who", "").strip() or "somebody with the token"
        with contextlib.suppress(Refused):  # it may have ended already; it is aborted all the same
            await asyncio.to_thread(
                self._take_note, stopped.run, who, "aborted from the page", visitor
            )
        return self._page(request, "aborted", drill=stopped, stopping=stopping)

    # --- signing in --------------------------------------------------------------------------

    async def sign_in(self, request: Request) -> Response:
        """By the token of the address that was printed, or typed into a form."""
        if self.access.proxy_header is not None:
            return RedirectResponse("/", status_code=303)
        given = request.query_params.get("token")
        if request.method == "POST":
            given = (await form_of(request)).get("token", "").strip()
        if given is None:
            return self._page(request, "sign-in", wrong=False)
        if not is_token(given, self.access.token):
            return self._refusal(request, "sign-in", 403, wrong=True)
        # A page and no redirect: a browser that came from another site (a link in a chat) would
        # follow a redirect without the cookie, which is SameSite=Strict.
        answer = self._page(request, "signed-in")
        answer.set_cookie(
            self.access.cookie,
            self.sessions.begin(),
            httponly=True,
            samesite="strict",
            path="/",
        )
        return answer

    async def sign_out(self, request: Request) -> Response:
        """Forgets the session."""
        await checked_form(request)
        self.sessions.end(visitor_of(request).session)
        answer = RedirectResponse("/sign-in", status_code=303)
        answer.delete_cookie(self.access.cookie, path="/", httponly=True, samesite="strict")
        return answer

    # --- the rest ------------------------------------------------------------------------------

    async def static(self, request: Request) -> Response:
        """Our own style, script and icon."""
        known = _STATIC.get(request.path_params["name"])
        if known is None:
            raise Refused(404, "there is no such file")
        content = (resources.files(known[0]) / known[1]).read_bytes()
        return Response(content, media_type=known[2])

    async def _refused(self, request: Request, refused: Exception) -> Response:
        if not isinstance(refused, Refused):
            raise refused
        return self._refusal(request, "refused", refused.status, why=refused.why, hint=None)

    async def _not_found(self, request: Request, _error: Exception) -> Response:
        return self._refusal(request, "refused", 404, why="there is no such page", hint=None)

    async def _wrong_method(self, request: Request, _error: Exception) -> Response:
        return self._refusal(request, "refused", 405, why="that cannot be done here", hint=None)

    async def _not_readable(self, request: Request, error: Exception) -> Response:
        hint = getattr(error, "hint", None)
        return self._refusal(request, "refused", 500, why=str(error), hint=hint)


_STATIC = {
    "page.css": ("harness.page", "static/page.css", "text/css"),
    "page.js": ("harness.page", "static/page.js", "text/javascript"),
    "icon.svg": ("harness.page", "static/icon.svg", "image/svg+xml"),
    "report.css": ("harness.report", "templates/report.css", "text/css"),
    "coverage.css": ("harness.report", "templates/coverage.css", "text/css"),
}


def _is_chosen(run: ListedRun, chosen: dict[str, str]) -> bool:
    record: RunRecord | None = run.record
    said = {
        "suite": record.suite if record is not None else "",
        "environment": record.environment if record is not None else "",
        "verdict": run.verdict.value if run.verdict is not None else "",
    }
    return all(not wanted or said[name] == wanted for name, wanted in chosen.items())


def _of_judged(run: ListedRun) -> dict[str, object]:
    report = report_of_listed(run)
    return {
        "judged": True,
        "headline": headline(report),
        "figures": figures(report),
        "rows": target_rows(report),
        "limits": limits(report),
        "failed": report.of(Verdict.FAIL),
        "inconclusive": report.of(Verdict.INCONCLUSIVE),
        "passed": report.of(Verdict.PASS),
        "targets": {target.id: target for target in report.plan.targets},
    }


def _sealed_says(run: ListedRun) -> SealedRun | None:
    """What the seal says, without a look at its signature; None: there is none, or it is torn."""
    if not run.sealed:
        return None
    try:
        content = (run.directory / STATEMENT).read_bytes()
        return read_statement(open_envelope(content, ())).predicate
    except (OSError, ValueError):
        return None
