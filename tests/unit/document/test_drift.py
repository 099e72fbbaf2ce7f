"""What a document and the targets do not have in common: each kind planted once, with its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import pytest

from harness.document.drift import About, Drift, Finding, drift
from harness.document.mapping import NO_MAPPING, DocumentMapping, check_names
from harness.document.markdown import read_markdown
from harness.document.quantities import quantities
from harness.document.show import next_command, written
from harness.errors import InputError
from harness.model.configuration import Unmeasured
from harness.model.target import (
    Kind,
    NoPromise,
    RecoveryPoint,
    RecoveryTime,
    Source,
    Target,
    TargetFile,
)
from harness.targets import load_target_files

TODAY = date(2026, 11, 26)
RTO = "recovery_time: < 5 minutes (RTO)"
RPO = "recovery_point: < 1 minute (RPO)"
SECTION = "High Availability"


def target(
    name: str = "rto", quote: str = RTO, under: str | None = None, minutes: int = 5
) -> Target:
    """A promise, as it is quoted."""
    return Target(
        id=name,
        covers=(Kind.POSTGRESQL,),
        objective=RecoveryTime(at_most=timedelta(minutes=minutes)),
        source=Source(section=SECTION, quote=quote, under=under),
    )


LOSS = Target(
    id="rpo",
    covers=(Kind.POSTGRESQL,),
    objective=RecoveryPoint(at_most=timedelta(minutes=1)),
    source=Source(section=SECTION, quote=RPO),
)


def compared(
    document: str,
    targets: Sequence[Target] = (target(),),
    *,
    mapping: DocumentMapping = NO_MAPPING,
    no_promises: Sequence[NoPromise] = (),
) -> Drift:
    """A document against targets."""
    files = [TargetFile(document="x.md", targets=tuple(targets), no_promises=tuple(no_promises))]
    return drift(read_markdown(document), files, today=TODAY, mapping=mapping)


def drifted(found: Drift) -> list[Finding]:
    """All findings that are no notes."""
    return [one for one in found.findings if one.is_drift]


def below(*lines: str, heading: str = SECTION) -> str:
    """A document of one section; its first line is line 3."""
    return "\n".join([f"# {heading}", "", *(f"- {line}" for line in lines), ""])


def test_an_empty_document_is_recognised_by_nothing() -> None:
    found = compared("")
    assert not found.recognised
    assert [one.about for one in drifted(found)] == [About.GONE]


def test_no_target_recognises_nothing() -> None:
    assert not compared(below(RTO), ()).recognised


def test_a_document_that_says_what_is_quoted() -> None:
    found = compared(below(RTO))
    assert found.recognised
    assert not found.drifted
    assert found.lines == {"rto": (3,)}
    assert next_command(found) == "next: harness targets check --feasibility"


@pytest.mark.parametrize(
    ("now", "difference"),
    [
        ("recovery_time: < 15 minutes (RTO)", ": 3 times as much"),
        ("recovery_time: < 5 (RTO)", "; it has no unit any more"),
        ("recovery_time: < 5 GB (RTO)", "; it is of another kind: bytes, not duration"),
        ("recovery_time: > 5 minutes (RTO)", "; at-least, not at-most"),
        ("recovery_time: at once", ""),
    ],
)
def test_what_changed_is_said_with_its_line(now: str, difference: str) -> None:
    (finding,) = drifted(compared(below("mode: Automatic", now), (target(), MODE)))
    assert (finding.about, finding.target, finding.line) == (About.CHANGED, "rto", 4)
    assert finding.says == f"says `- {now}`, the target quotes `{RTO}`{difference}"


MODE = Target(
    id="mode",
    covers=(Kind.POSTGRESQL,),
    objective=Unmeasured(why="y", needs="z"),
    source=Source(section=SECTION, quote="mode: Automatic"),
)


@pytest.mark.parametrize("now", ["recovery_time: < 300 s (RTO)", "recovery_time: < 5m (RTO)"])
def test_the_same_number_written_otherwise_is_a_note(now: str) -> None:
    found = compared(below(now))
    assert not found.drifted
    assert any("the same number, written otherwise" in one.says for one in found.findings)


def test_a_line_that_is_gone() -> None:
    found = drifted(compared(below(RTO), (target(), LOSS)))
    assert [(one.about, one.target, one.line) for one in found] == [(About.GONE, "rpo", None)]


def test_a_heading_that_is_called_otherwise() -> None:
    found = compared(below(RTO, RPO, heading="Availability"), (target(), LOSS))
    (finding,) = drifted(found)
    assert (finding.about, finding.line) == (About.MOVED, 1)
    assert '"Availability" has 2 of the 2 lines' in finding.says
    assert "--mapping FILE" in next_command(found)


def test_a_line_that_moved_to_another_section() -> None:
    text = below(RTO) + "\n" + below(RPO, heading="Elsewhere")
    (finding,) = drifted(compared(text, (target(), LOSS)))
    assert (finding.about, finding.target, finding.line) == (About.MOVED, "rpo", 7)


def test_two_lines_of_which_one_is_meant() -> None:
    (finding,) = drifted(compared(below(RTO, RTO)))
    assert finding.about is About.AMBIGUOUS
    assert finding.says.endswith("more than once (and line 4)")


def test_the_keys_above_tell_one_line_from_the_other() -> None:
    text = f"# {SECTION}\n\n```yaml\nprod:\n  {RTO}\ndev:\n  recovery_time: < 9 minutes\n```\n"
    found = compared(text, (target(under="prod"),))
    assert [(one.about, one.line) for one in drifted(found)] == [(About.NUMBER_WITHOUT_TARGET, 7)]


def test_what_no_target_quotes_is_named_by_whether_it_has_a_number() -> None:
    found = compared(below(RTO, "retention: 30 days", "mode: Automatic"))
    assert [(one.about, one.line) for one in drifted(found)] == [
        (About.NUMBER_WITHOUT_TARGET, 4),
        (About.SETTING_WITHOUT_TARGET, 5),
    ]


def test_what_promises_nothing_is_looked_for_by_nobody() -> None:
    nothing = NoPromise(section=SECTION, because="an example", quotes=("retention: 30 days",))
    assert not compared(below(RTO, "retention: 30 days"), no_promises=[nothing]).drifted


@pytest.mark.parametrize("quotes", [(), ("retention: 30 days",)])
def test_what_promised_nothing_and_is_gone(quotes: tuple[str, ...]) -> None:
    nothing = NoPromise(section="Examples", because="an example", quotes=quotes)
    (finding,) = drifted(compared(below(RTO), no_promises=[nothing]))
    assert finding.about is About.NO_PROMISE_GONE


def test_a_target_that_does_not_hold_what_it_quotes() -> None:
    (finding,) = drifted(compared(below(RTO), (target(minutes=6),)))
    assert (finding.about, finding.target, finding.line) == (About.DISAGREES, "rto", 3)


def test_a_mapping_names_another_heading() -> None:
    mapping = DocumentMapping(headings={SECTION: "Recovery"})
    assert not compared(below(RTO, heading="Recovery"), mapping=mapping).drifted


def test_a_mapping_names_another_line() -> None:
    mapping = DocumentMapping(
        targets={"rto": Source(section="Recovery", quote="We are back in 5 minutes.")}
    )
    text = "# Recovery\n\nWe are back in 5 minutes.\n"
    found = compared(text, mapping=mapping)
    assert not found.drifted
    assert found.lines == {"rto": (3,)}


def test_a_mapping_says_what_a_document_does_not_promise() -> None:
    mapping = DocumentMapping(not_in_document=("rpo",))
    found = compared(below(RTO), (target(), LOSS), mapping=mapping)
    assert not found.drifted
    assert any(one.target == "rpo" for one in found.findings)


def test_a_mapping_of_a_target_that_there_is_not() -> None:
    with pytest.raises(InputError, match="got target `nope`"):
        check_names(DocumentMapping(not_in_document=("nope",)), (target(),), "mapping.yaml")


@pytest.mark.parametrize("heading", ["\U0001f4c8 High Availability", "\ufffd high availability"])
def test_ornaments_and_lost_characters_do_not_hide_a_heading(heading: str) -> None:
    assert not compared(below(RTO, heading=heading)).drifted


def test_blocks_that_cannot_be_read_are_notes() -> None:
    found = compared(f"{below(RTO)}\n```yaml\nerror: > 5\n  - x: y: z\n```\n\ufffd\n")
    notes = [one.says for one in found.findings if one.about is About.NOTE]
    assert any("it is no YAML" in one for one in notes)
    assert any("characters that are lost" in one for one in notes)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (("Review Cycle: Quarterly", "Last Updated: November 1, 2026"), None),
        (
            ("Review Cycle: Quarterly", "Last Updated: February 7, 2026"),
            "past its review cycle by 200 days",
        ),
        (("Review Cycle: Quarterly", "Last Updated: 2027-01-01"), "is after today"),
        (("Review Cycle: Quarterly", "Last Updated: some day"), "is no date"),
        (("Review Cycle: now and then", "Last Updated: 2026-11-01"), "is no cycle"),
        (("Review Cycle: Quarterly",), "no date of the last review"),
        (("Last Updated: 2020-01-01",), None),
    ],
)
def test_the_review_of_a_document(lines: tuple[str, ...], says: str | None) -> None:
    nothing = NoPromise(section="Reviews", because="metadata")
    text = f"{below(RTO)}\n{below(*lines, heading='Reviews')}"
    found = drifted(compared(text, no_promises=[nothing]))
    assert [one.about for one in found] == ([About.REVIEW] if says else [])
    assert all(says in one.says for one in found if says)


def test_what_a_person_reads() -> None:
    text = below("recovery_time: < 15 minutes (RTO)", "retention: 30 days", "mode: Automatic")
    found = compared(text, (target(), LOSS))
    assert "\n".join(written(found, "platform.md")) == (
        "What the document says otherwise than its target quotes: 1\n"
        "platform.md:3: rto: says `- recovery_time: < 15 minutes (RTO)`, the target quotes "
        f"`{RTO}`: 3 times as much\n"
        "\n"
        "What the document no longer says: 1\n"
        f'platform.md: rpo: no line of "{SECTION}" says `{RPO}`\n'
        "\n"
        "Numbers without a target: 1\n"
        f'platform.md:4: no target for `- retention: 30 days` in "{SECTION}"\n'
        "\n"
        "Settings without a target: 1\n"
        f'platform.md:5: no target for `- mode: Automatic` in "{SECTION}"\n'
        "\n"
        "Notes (no drift): 1\n"
        "platform.md: no review is documented; looked for review_cycle, review_frequency, "
        "review_interval, review_period, review_every, last_reviewed, last_review, reviewed, "
        "review_date, last_updated, last_update, updated, last_modified, date, each with its "
        "value\n"
        "\n"
        "platform.md: 3 statements, 2 without a target; 1 of 2 targets tied by 0 of 2 quoted "
        "lines\n"
        "drift: 1 changed, 1 gone, 1 number-without-target, 1 setting-without-target"
    )


FILES = load_target_files(Path(__file__).parents[3] / "targets")
QUOTED = sorted(
    {
        (source.section, source.under or "", line)
        for file in FILES.values()
        for one in file.targets
        for source in one.sources
        for line in source.lines
    }
)


def _own_document() -> Iterator[tuple[str, tuple[str, str, str] | None]]:
    """Every line that the project's targets quote, below its heading and its keys."""
    section, under = "", ""
    for place in QUOTED:
        if place[0] != section:
            section, under = place[0], ""
            yield f"\n## {section}\n", None
        if place[1] != under:
            under = place[1]
            for depth, key in enumerate(under.split(".")):
                yield f"{'  ' * depth}- {key}:", None
        depth = len(under.split(".")) if under else 0
        # A comment of YAML would be a part of the value in a list.
        said = place[2].removeprefix("- ").partition("  #")[0]
        yield f"{'  ' * depth}- {said}", place


NUMBERED = [place for place in QUOTED if quantities(place[2]) and re.search(r"\d", place[2])]


@pytest.mark.parametrize("place", NUMBERED, ids=lambda one: f"{one[0]}: {one[2]}")
def test_any_number_of_the_document_that_changes_is_found_with_its_line(
    place: tuple[str, str, str],
) -> None:
    """Of the project's own targets: none of their numbers can change unseen."""
    lines: list[str] = []
    changed = 0
    for text, at in _own_document():
        line = text
        if at == place:
            line = re.sub(r"\d+", lambda found: str(int(found[0]) + 7001), text)
            changed = "\n".join([*lines, line]).count("\n") + 1
        lines.append(line)
    found = drift(read_markdown("\n".join(lines)), FILES.values(), today=TODAY)
    assert any(
        (one.line == changed or re.search(rf"\(and lines? .*\b{changed}\b", one.says))
        and one.about in (About.CHANGED, About.NUMBER_WITHOUT_TARGET)
        for one in drifted(found)
    )
