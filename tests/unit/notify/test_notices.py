"""Notices: when something is told, what it says on one screen, and that no secret is in it."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_runs import NAMES, expect, judged
from msgspec.structs import replace

from harness.decoding import read_toml
from harness.errors import InputError
from harness.model.codec import to_indented_json
from harness.model.notice import Notice, Occasion
from harness.model.verdict import Verdict
from harness.notify.composing import compose
from harness.notify.metrics import with_evidence, write_textfile
from harness.notify.sending import named, signature, wanted
from harness.report.notice import render_slack, render_text, subject
from harness.settings import Email, Slack, Webhook, _File

EXPECTED = Path(__file__).parent / "expected"
LAST = datetime(2026, 11, 15, 4, 30, tzinfo=UTC)


def notice(name: str, before: Verdict | None = Verdict.PASS, not_kept: str | None = None) -> Notice:
    return compose(
        judged(name), path="/srv/runs/x", before=before, last_success=LAST, not_kept=not_kept
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_message(name: str) -> None:
    expect(EXPECTED / f"{name}.txt", render_text(notice(name)))
    expect(EXPECTED / f"{name}.slack", render_slack(notice(name)))
    expect(EXPECTED / f"{name}.json", to_indented_json(notice(name)).decode())


@pytest.mark.parametrize(
    ("verdict", "before", "not_kept", "expected"),
    [
        (Verdict.PASS, Verdict.PASS, None, Occasion.PASS),
        (Verdict.PASS, None, None, Occasion.PASS),
        (Verdict.PASS, Verdict.FAIL, None, Occasion.RECOVERED),
        (Verdict.PASS, Verdict.INCONCLUSIVE, None, Occasion.RECOVERED),
        (Verdict.PASS, Verdict.FAIL, "disk full", Occasion.NOT_KEPT),
        (Verdict.FAIL, Verdict.FAIL, "disk full", Occasion.FAIL),
        (Verdict.INCONCLUSIVE, Verdict.PASS, None, Occasion.INCONCLUSIVE),
    ],
)
def test_the_worst_that_is_to_be_told_is_the_occasion(
    verdict: Verdict, before: Verdict | None, not_kept: str | None, expected: Occasion
) -> None:
    report = judged("passing")
    report = dataclasses.replace(report, judgement=replace(report.judgement, verdict=verdict))
    found = compose(report, path="x", before=before, last_success=None, not_kept=not_kept)
    assert found.occasion is expected


def test_a_pass_after_a_pass_is_told_only_where_asked_for() -> None:
    quiet = Slack(url_file=Path("x"))
    loud = Slack(url_file=Path("x"), on=(Occasion.PASS,))
    assert not wanted(quiet, notice("passing"))
    assert wanted(loud, notice("passing"))
    assert wanted(quiet, notice("passing", before=Verdict.FAIL))
    assert wanted(quiet, notice("passing", not_kept="disk full"))
    assert wanted(quiet, notice("failing"))
    assert wanted(quiet, notice("nothing"))


def test_a_run_of_nothing_is_no_pass() -> None:
    said = render_text(notice("nothing"))
    assert said.startswith("INCONCLUSIVE: weekly-restore on demo\n")
    assert "last PASS  2026-11-15 04:30:00 UTC" in said


def test_no_success_on_record_is_said() -> None:
    found = compose(judged("failing"), path="x", before=None, last_success=None, not_kept=None)
    assert "last PASS  none on record" in render_text(found)


def test_it_fits_one_screen() -> None:
    many = judged("failing")
    findings = tuple(
        replace(one, id=f"{one.id}/{n}") for n in range(60) for one in many.judgement.findings
    )
    many = dataclasses.replace(many, judgement=replace(many.judgement, findings=findings))
    found = compose(many, path="x", before=None, last_success=None, not_kept="disk full")
    said = render_text(found)
    assert len(said.splitlines()) <= 40
    assert "FAILED  ... and 175 more" in said
    assert "EVIDENCE  disk full" in said


@given(st.text())
def test_nothing_from_outside_means_anything_to_slack(hostile: str) -> None:
    """No mention, no link, and no end of the block: whatever a finding is called."""
    found = notice("failing")
    found = replace(found, headline=hostile, failed=(replace(found.failed[0], headline=hostile),))
    said = render_slack(found)
    assert "<" not in said
    assert ">" not in said
    assert said.count("```") == 2
    assert said.endswith("```")
    assert "\n" not in subject(replace(found, suite=hostile))


def test_the_signature_is_over_time_and_body() -> None:
    """RFC 2104; another time or another body has another one."""
    made = signature(b"key", "1795000000", b"{}")
    computed = hmac.new(b"key", b"1795000000.{}", hashlib.sha256).hexdigest()
    assert made == f"sha256={computed}"
    assert made != signature(b"key", "1795000001", b"{}")
    assert made != signature(b"key", "1795000000", b"{ }")


def test_what_is_told_is_named_without_its_secret() -> None:
    assert named(Slack(url_file=Path("/etc/harness/slack"))) == (
        "Slack webhook of /etc/harness/slack"
    )
    assert "pass" not in named(
        Email(server="mail", sender="a@b", to=("c@d",), user="u", password_file=Path("pass"))
    )


def test_the_settings_as_their_owner_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "harness.toml"
    file.write_text("""
[environments.staging.metrics]
textfile = "/var/lib/node-exporter"
pushgateway = "https://push.example.com"

[[environments.staging.notify]]
by = "slack"
url_file = "/etc/harness/slack"

[[environments.staging.notify]]
by = "webhook"
url_file = "/etc/harness/hook"
secret_file = "/etc/harness/hook-secret"
on = ["fail"]

[[environments.staging.notify]]
by = "email"
server = "mail.example.com"
sender = "harness@example.com"
to = ["oncall@example.com"]
""")
    (found,) = read_toml(file, _File).environments.values()
    slack, webhook, email = found.notify
    assert isinstance(slack, Slack)
    assert isinstance(webhook, Webhook)
    assert webhook.on == (Occasion.FAIL,)
    assert isinstance(email, Email)
    assert (email.port, email.starttls) == (587, True)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('by = "pager"', "pager"),
        ('by = "slack"', "url_file"),
        ('by = "email"\nserver = "m"\nsender = "a"\nto = []', "to"),
        ('by = "email"\nserver = "m"\nsender = "a"\nto = ["b"]\nuser = "u"', "password_file"),
        ('by = "slack"\nurl_file = "x"\non = ["sometimes"]', "sometimes"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, line: str, says: str) -> None:
    file = tmp_path / "harness.toml"
    file.write_text(f"[[environments.staging.notify]]\n{line}\n")
    with pytest.raises(InputError, match=says):
        read_toml(file, _File)


def test_whether_evidence_is_kept_is_a_series_only_where_it_was_to_be() -> None:
    words = {"environment": "staging", "suite": "weekly-restore"}
    assert with_evidence("x 1\n", kept=None, **words) == "x 1\n"
    for kept, value in ((True, 1), (False, 0)):
        said = with_evidence("x 1\n", kept=kept, **words)
        assert said.endswith(
            f'harness_evidence_kept{{environment="staging",suite="weekly-restore"}} {value}\n'
        )


def test_the_textfile_is_there_at_once_and_for_others_to_read(tmp_path: Path) -> None:
    path = write_textfile(tmp_path, "x 1\n", environment="staging", suite="weekly-restore")
    assert path.name == "harness-staging-weekly-restore.prom"
    assert path.read_text() == "x 1\n"
    assert path.stat().st_mode & 0o777 == 0o644
    write_textfile(tmp_path, "x 2\n", environment="staging", suite="weekly-restore")
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
    with pytest.raises(InputError, match="cannot be written"):
        write_textfile(tmp_path / "none", "x", environment="e", suite="s")


def test_the_json_holds_what_a_program_needs() -> None:
    said = json.loads(to_indented_json(notice("failing")))
    assert said["verdict"] == "FAIL"
    assert said["failed"][0]["advice"]
    assert said["last_success"].startswith("2026-11-15T04:30:00")
