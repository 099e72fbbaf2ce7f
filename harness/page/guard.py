"""Who may ask the page for what: hosts, peers, sign-in, and requests that change something. ASGI.

In its order, before any route: the peer, the Host header (against DNS rebinding), the method, then
who asks. A request that changes something must come from a page of ours (Origin, or else
Sec-Fetch-Site: Fetch Metadata, W3C 2021) and carry the session's form token.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.model.note import MOST_CHARACTERS_OF_A_NAME, SignedIn

MOST_SESSIONS = 256
MOST_FORM_BYTES = 16_384
MOST_QUERY_BYTES = 2_048
MOST_FORM_FIELDS = 10

_PUBLIC = ("/sign-in", "/static/page.css", "/static/report.css", "/static/icon.svg")
_SESSION = ("/sign-in", "/sign-out")
"""Forms that change nothing but who asks."""

HEALTH = "/healthz"

PAGE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy (Level 3, W3C) of our own pages: nothing inline, nothing of others."""

_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: then a browser sends `Origin: null` with forms (Fetch, "append a request
    # Origin header").
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the page is reached, and by whom."""

    hosts: frozenset[str]
    """Values of the Host header that are ours, in lower case."""

    origins: frozenset[str]
    """Of our own pages: `http://127.0.0.1:8470`."""

    token: str = ""
    """That signs in; empty behind a proxy."""

    proxy_header: str | None = None
    """Header in which a proxy on this host names the person whom it signed in; None: no proxy."""

    operate: bool = False
    """Notes may be written and the drill aborted; else everything is read-only."""

    cookie: str = "harness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """Who asks."""

    session: str
    """Of the cookie; behind a proxy, the person's name."""

    name: str | None
    """As the proxy has it; None: with a token nobody has a name."""

    form_token: str

    @property
    def signed_in(self) -> SignedIn:
        """How."""
        return SignedIn.TOKEN if self.name is None else SignedIn.PROXY


@dataclass(slots=True)
class Sessions:
    """Who has signed in since the server began; the oldest go where there are too many."""

    _secret: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def begin(self) -> str:
        """A new session's id."""
        session = secrets.token_urlsafe(32)
        self._known[session] = None
        while len(self._known) > MOST_SESSIONS:
            self._known.popitem(last=False)
        return session

    def knows(self, session: str) -> bool:
        """Whether it was begun here. Ids are random: that a look-up takes longer tells nothing."""
        return session in self._known

    def end(self, session: str) -> None:
        """Signs out."""
        self._known.pop(session, None)

    def visitor(self, session: str, name: str | None) -> Visitor:
        """A visitor with the form token of that session."""
        of = "proxy" if name is not None else "token"
        token = hmac.new(self._secret, f"{of}:{session}".encode(), hashlib.sha256).hexdigest()
        return Visitor(session=session, name=name, form_token=token)


class Refused(Exception):  # noqa: N818 - what it is, not an error of ours
    """A request that is not served; the message says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


class Guard:
    """ASGI middleware around the whole page."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions) -> None:
        self._app = app
        self._access = access
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves, refuses, or asks to sign in."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # a WebSocket: there is none here, and it is not accepted

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            answer = self._asked(scope)
        except Refused as refused:
            answer = PlainTextResponse(f"{refused.why}\n", status_code=refused.status)
        await (answer or self._app)(scope, receive, send_with_headers)

    def _asked(self, scope: Scope) -> Response | None:
        """An answer in place of the page's, or None where the page may answer; raises Refused."""
        headers, path = Headers(scope=scope), scope["path"]
        if path == HEALTH and scope["method"] in {"GET", "HEAD"}:
            return PlainTextResponse("ok\n")
        self._require_well_addressed(scope, headers)
        if scope["method"] == "POST":
            self._require_our_page(headers)
        visitor = self._visitor(headers)
        scope.setdefault("state", {})["visitor"] = visitor
        if visitor is None and path not in _PUBLIC:
            if self._access.proxy_header is not None:
                raise Refused(403, f"the proxy did not say who asks ({self._access.proxy_header})")
            if scope["method"] == "POST" or path == "/live/events":
                raise Refused(403, "sign in first")
            return RedirectResponse("/sign-in", status_code=303)
        if scope["method"] == "POST" and path not in _SESSION and not self._access.operate:
            raise Refused(403, "read-only: start it with `harness serve --operate` to change this")
        return None

    def _require_well_addressed(self, scope: Scope, headers: Headers) -> None:
        if not _is_local(scope.get("client")):
            raise Refused(403, "only this machine may ask, or the proxy on it")
        if [one.lower() for one in headers.getlist("host")] not in [
            [host] for host in self._access.hosts
        ]:
            raise Refused(421, "this is not a name of this server")
        if len(scope["query_string"]) > MOST_QUERY_BYTES:
            raise Refused(414, "the address is too long")
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            raise Refused(405, "only GET, HEAD and POST are known here")

    def _require_our_page(self, headers: Headers) -> None:
        origins = headers.getlist("origin")
        if origins:
            if len(origins) == 1 and origins[0].lower() in self._access.origins:
                return
            raise Refused(403, "this came from another site")
        if headers.getlist("sec-fetch-site") != ["same-origin"]:
            raise Refused(403, "this came from another site, or from no browser")

    def _visitor(self, headers: Headers) -> Visitor | None:
        if self._access.proxy_header is not None:
            names = headers.getlist(self._access.proxy_header)
            if len(names) != 1 or not names[0].strip():
                return None
            name = names[0].strip()[:MOST_CHARACTERS_OF_A_NAME]
            return self._sessions.visitor(name, name)
        session = _cookie(headers, self._access.cookie)
        if session is None or not self._sessions.knows(session):
            return None
        return self._sessions.visitor(session, None)


def visitor_of(request: Request) -> Visitor:
    """Who asks; the guard let nobody else through."""
    visitor = request.state.visitor
    if not isinstance(visitor, Visitor):
        raise Refused(403, "sign in first")
    return visitor


def is_token(given: str, token: str) -> bool:
    """Whether it is the token that signs in, in a time that does not tell how much of it is."""
    return bool(token) and hmac.compare_digest(given.encode(), token.encode())


async def form_of(request: Request) -> Mapping[str, str]:
    """The fields of a form that was sent; raises Refused where it is too large or is none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise Refused(415, "this is no form")
    content = b""
    async for block in request.stream():
        content += block
        if len(content) > MOST_FORM_BYTES:
            raise Refused(413, "the form is too large")
    try:
        fields = parse_qs(
            content.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(content),
            errors="strict",
            max_num_fields=MOST_FORM_FIELDS,
        )
    except ValueError as error:
        raise Refused(400, "the form cannot be read") from error
    if any(len(values) != 1 for values in fields.values()):
        raise Refused(400, "a field of the form is given twice")
    return {name: values[0] for name, values in fields.items()}


async def checked_form(request: Request) -> Mapping[str, str]:
    """The fields of a form of this visitor's own page; raises Refused otherwise."""
    fields = await form_of(request)
    expected = visitor_of(request).form_token
    if not hmac.compare_digest(fields.get("form_token", "").encode(), expected.encode()):
        raise Refused(403, "the form is of another session: load the page again")
    return fields


def _cookie(headers: Headers, name: str) -> str | None:
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[name].value if name in cookies else None


def _is_local(client: Iterable[object] | None) -> bool:
    """Whether the peer's own address, not a header's, is of this machine."""
    host = str(next(iter(client), "")) if client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
