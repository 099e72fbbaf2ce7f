"""Renders notices: plain text for e-mail, Slack's text, JSON for programs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.model.notice import Notice, Occasion, Problem
from harness.report.wording import printable, when

_SHOWN = 5
"""Problems of a kind that are told; how many more there are is said."""

_SAYS = {
    Occasion.FAIL: "FAIL",
    Occasion.INCONCLUSIVE: "INCONCLUSIVE",
    Occasion.RECOVERED: "PASS again",
    Occasion.NOT_KEPT: "PASS, evidence not kept",
    Occasion.PASS: "PASS",
}


def subject(notice: Notice) -> str:
    """One line: `FAIL: weekly-restore on staging`."""
    return printable(f"{_SAYS[notice.occasion]}: {notice.suite} on {notice.environment}")


def render_text(notice: Notice) -> str:
    """The whole message; equal input gives equal text."""
    return "\n".join(printable(line) for line in _lines(notice)) + "\n"


def render_slack(notice: Notice) -> str:
    """The same as Slack's mrkdwn: a line in bold, and a block in which nothing has a meaning.

    `&`, `<` and `>` are what Slack would take for entities, links and mentions (api.slack.com,
    "Formatting text for app surfaces"); a run of three backticks would end the block.
    """
    body = render_text(notice).replace("```", "'''")
    for meant, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        body = body.replace(meant, entity)
    title = subject(notice).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"*{title.replace('*', ' ')}*\n```\n{body}```"


def _lines(notice: Notice) -> Iterator[str]:
    yield subject(notice)
    yield notice.headline
    yield ""
    yield from _problems("FAILED", notice.failed)
    yield from _problems("NOT JUDGED", notice.inconclusive)
    if notice.not_kept is not None:
        yield f"EVIDENCE  {notice.not_kept}"
    if notice.occasion not in {Occasion.PASS, Occasion.RECOVERED}:
        last = "none on record" if notice.last_success is None else when(notice.last_success)
        yield f"last PASS  {last}"
    yield f"run        {notice.run}" + (
        "" if notice.ended is None else f", ended {when(notice.ended)}"
    )
    yield f"evidence   {notice.evidence}"
    yield f"look       {notice.next}"
    if notice.occasion not in {Occasion.PASS, Occasion.RECOVERED}:
        yield f"runbook    {notice.runbook}"


def _problems(word: str, problems: Iterable[Problem]) -> Iterator[str]:
    found = list(problems)
    for one in found[:_SHOWN]:
        since = "" if one.since is None else f" (since {when(one.since)})"
        yield f"{word}  {one.headline}{since}"
        if one.advice is not None:
            yield f"  try: {one.advice}"
    if len(found) > _SHOWN:
        yield f"{word}  ... and {len(found) - _SHOWN} more"
