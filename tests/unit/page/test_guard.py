"""Who may ask for what: each way in that is not meant is refused, and says why."""

from __future__ import annotations

from pathlib import Path

import pytest
from page_client import HOST, ORIGIN, TOKEN, Browser, other_token, page_of

from harness.page.guard import MOST_FORM_BYTES, MOST_SESSIONS, PAGE_POLICY, Sessions, is_token

PATHS = ("/", "/live", "/targets", "/coverage", "/runs/any", "/runs/any/files/run.json", "/none")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_shown_without_signing_in(tmp_path: Path, path: str) -> None:
    """Whether or not it exists."""
    answer = Browser(page_of(tmp_path)).get(path)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in"


def test_the_printed_address_signs_in(tmp_path: Path) -> None:
    """By a cookie that no script reads and no other site sends."""
    browser = Browser(page_of(tmp_path))
    answer = browser.get(f"/sign-in?token={TOKEN}")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert TOKEN not in cookie
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], f"{TOKEN}x", "ü", TOKEN.upper()])
def test_another_token_does_not(tmp_path: Path, token: str) -> None:
    """Nor does a part of it; an odd character is no crash."""
    browser = Browser(page_of(tmp_path))
    answer = browser.ask("GET", "/sign-in", {}, params={"token": token})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers
    assert not is_token(token, TOKEN)
    assert not is_token(token, "")


def test_the_token_may_be_typed(tmp_path: Path) -> None:
    """Into a form of ours."""
    browser = Browser(page_of(tmp_path))
    assert browser.post("/sign-in", {"token": "wrong"}).status_code == 403
    assert browser.post("/sign-in", {"token": TOKEN}).status_code == 200
    assert browser.get("/").status_code == 200


def test_signing_out_forgets_the_session(tmp_path: Path) -> None:
    """Whoever has the cookie then is nobody; a read-only page lets people go, too."""
    page = page_of(tmp_path)
    browser = Browser(page).signed_in()
    stolen = Browser(page, cookies=browser.cookies)
    assert browser.post("/sign-out", {"form_token": browser.form_token()}).status_code == 303
    assert stolen.get("/").status_code == 303


def test_a_made_up_session_is_none(tmp_path: Path) -> None:
    """Cookies are looked up, not believed."""
    browser = Browser(page_of(tmp_path), headers={"cookie": "harness=x"})
    assert browser.get("/").status_code == 303
    browser.headers["cookie"] = 'harness="\\'
    assert browser.get("/").status_code == 303


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost:8470", f"{HOST}.evil.example", ""],
)
def test_another_host_name_is_refused(tmp_path: Path, host: str) -> None:
    """A name that was made to lead here (DNS rebinding) is not ours."""
    browser = Browser(page_of(tmp_path)).signed_in()
    assert browser.ask("GET", "/", {"host": host}).status_code == 421


@pytest.mark.parametrize("peer", ["10.0.0.1", "192.0.2.7", "::ffff:10.0.0.1", "2001:db8::1", ""])
def test_another_machine_is_refused(tmp_path: Path, peer: str) -> None:
    """With the right token too; it is only told that the server lives."""
    browser = Browser(page_of(tmp_path), peer=peer)
    assert browser.get(f"/sign-in?token={TOKEN}").status_code == 403
    assert browser.get("/healthz").text == "ok\n"


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_let_in(tmp_path: Path, peer: str) -> None:
    """In every spelling."""
    assert Browser(page_of(tmp_path), peer=peer).signed_in().get("/").status_code == 200


def test_every_answer_forbids_what_the_page_does_not_need(tmp_path: Path) -> None:
    """The refusals, too."""
    browser = Browser(page_of(tmp_path))
    for answer in (
        browser.get("/"),
        browser.get("/sign-in"),
        browser.ask("GET", "/", {"host": "x"}),
    ):
        assert answer.headers["content-security-policy"] == PAGE_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in PAGE_POLICY


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(tmp_path: Path, method: str) -> None:
    """There is nothing that they could do."""
    browser = Browser(page_of(tmp_path)).signed_in()
    assert browser.ask(method, "/", {}).status_code == 405


@pytest.mark.parametrize("path", ["/live/notes", "/live/abort"])
def test_it_is_read_only_unless_told_otherwise(tmp_path: Path, path: str) -> None:
    """With everything else right."""
    browser = Browser(page_of(tmp_path)).signed_in()
    answer = browser.post(path, {"form_token": browser.form_token()})
    assert answer.status_code == 403
    assert "harness serve --operate" in answer.text


@pytest.mark.parametrize("path", ["/live/notes", "/live/abort", "/sign-out"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": f"https://{HOST}"},
        {"origin": "http://127.0.0.1:8471"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    ],
)
def test_a_form_of_another_site_is_refused(
    tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    """Even with the form's token."""
    browser = Browser(page_of(tmp_path, operate=True)).signed_in()
    fields = {"form_token": browser.form_token(), "run": "x", "environment": "x"}
    answer = browser.ask("POST", path, headers, data=fields)
    assert answer.status_code == 403
    assert "another site" in answer.text


@pytest.mark.parametrize("path", ["/live/notes", "/live/abort", "/sign-out"])
def test_a_form_without_its_sessions_token_is_refused(tmp_path: Path, path: str) -> None:
    """Missing, made up, or of another session."""
    page = page_of(tmp_path, operate=True)
    browser, other = Browser(page).signed_in(), Browser(page).signed_in()
    for token in ({"run": "x"}, {"form_token": ""}, {"form_token": other_token()}):
        assert browser.post(path, token).status_code == 403
    answer = browser.post(path, {"form_token": other.form_token()})
    assert answer.status_code == 403
    assert "another session" in answer.text
    assert browser.get("/").status_code == 200


def test_forms_are_bounded_and_must_be_forms(tmp_path: Path) -> None:
    """Nothing is read without an end."""
    browser = Browser(page_of(tmp_path, operate=True)).signed_in()
    origin = {"origin": ORIGIN}
    urlencoded = {**origin, "content-type": "application/x-www-form-urlencoded"}
    path = "/live/notes"
    assert browser.ask("POST", path, origin, json={}).status_code == 415
    large = b"text=" + b"x" * MOST_FORM_BYTES
    assert browser.ask("POST", path, urlencoded, content=large).status_code == 413
    for torn in (b"form_token", b"a=%ff", b"\xff=1", b"&".join([b"a=1"] * 11), b"a=1&a=2"):
        assert browser.ask("POST", path, urlencoded, content=torn).status_code == 400
    assert browser.get("/?" + "x" * 3000).status_code == 414


def test_the_proxy_says_who_asks(tmp_path: Path) -> None:
    """And nobody needs a token; its forms are checked all the same."""
    page = page_of(
        tmp_path,
        proxy_header="X-Forwarded-User",
        operate=True,
        host="drills.example.com",
        origin="https://drills.example.com",
    )
    ada = Browser(page, base="https://drills.example.com", headers={"x-forwarded-user": "ada"})
    eve = Browser(page, base="https://drills.example.com", headers={"x-forwarded-user": "eve"})
    assert "ada" in ada.get("/").text
    assert ada.get("/sign-in").status_code == 303
    assert ada.get(f"/sign-in?token={TOKEN}").status_code == 303
    assert ada.ask("GET", "/", {"host": HOST}).status_code == 421
    token = ada.get("/live/abort").text
    assert "No drill is going on" in token
    forged = eve.post("/live/notes", {"form_token": page.sessions.visitor("ada", "ada").form_token})
    assert "another session" in forged.text


@pytest.mark.parametrize("headers", [{}, {"x-forwarded-user": ""}, {"x-forwarded-user": " "}])
def test_a_proxy_that_does_not_say_who_is_refused(tmp_path: Path, headers: dict[str, str]) -> None:
    """Nobody is let in as somebody."""
    page = page_of(tmp_path, proxy_header="X-Forwarded-User")
    answer = Browser(page, headers=headers).get("/")
    assert answer.status_code == 403
    assert "X-Forwarded-User" in answer.text


def test_two_names_are_refused(tmp_path: Path) -> None:
    """The proxy adds its own to one that somebody sent."""
    page = page_of(tmp_path, proxy_header="X-Forwarded-User")
    answer = Browser(page, more_headers=[("x-forwarded-user", name) for name in "ab"]).get("/")
    assert answer.status_code == 403


def test_a_name_of_another_machine_is_not_believed(tmp_path: Path) -> None:
    """Only a proxy on this machine names people."""
    page = page_of(tmp_path, proxy_header="X-Forwarded-User")
    browser = Browser(page, peer="10.0.0.9", headers={"x-forwarded-user": "ada"})
    assert browser.get("/").status_code == 403


def test_the_oldest_session_goes_where_there_are_too_many() -> None:
    """Memory is bounded."""
    sessions = Sessions()
    first = sessions.begin()
    for _ in range(MOST_SESSIONS):
        sessions.begin()
    assert not sessions.knows(first)
    assert sessions.knows(sessions.begin())


def test_a_form_token_is_of_one_session_of_one_server() -> None:
    """And that of a person is not that of a session with the same name."""
    one, other = Sessions(), Sessions()
    assert one.visitor("s", None) == one.visitor("s", None)
    assert one.visitor("s", None).form_token != one.visitor("t", None).form_token
    assert one.visitor("s", None).form_token != one.visitor("s", "s").form_token
    assert one.visitor("s", None).form_token != other.visitor("s", None).form_token
