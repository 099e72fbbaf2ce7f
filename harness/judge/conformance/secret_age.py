"""Decides whether Secrets were written within the documented time. Pure.

The age of a certificate that a server shows is looked at by harness.judge.conformance.tls.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.judge.answer import Answer, utc_text
from harness.judge.conformance.evidence import ConformanceEvidence, JudgeFunction
from harness.judge.conformance.services import Object, place_of, said
from harness.model.configuration import SecretRotation
from harness.model.quantity import show_duration
from harness.model.target import Target
from harness.model.verdict import Finding, Measure, Verdict

_KIND = "Secret"
_NO_CREDENTIALS = frozenset({"helm.sh/release.v1"})
"""Types of Secrets that hold no key: what a release was installed with."""

_NAMED = 10
_ADVICE = "kubectl get secrets --all-namespaces --sort-by=.metadata.creationTimestamp"


def judge(run: ConformanceEvidence, target: Target, objective: SecretRotation) -> Iterator[Finding]:
    """The oldest of all, by when its data was last written."""
    yield said(run, target, _answer(run, objective), kinds=(_KIND,), part="secrets")


def _answer(run: ConformanceEvidence, objective: SecretRotation) -> Answer:
    secrets = [one for one in run.of_kind(_KIND) if one.get("type") not in _NO_CREDENTIALS]
    read, unread = run.read_of(_KIND), run.unread(_KIND)
    if read is None or unread or not secrets:
        return Answer(
            verdict=Verdict.INCONCLUSIVE,
            headline=unread[0] if unread else "Secrets: the cluster has none",
            advice=_ADVICE,
        )
    looked = read.at.utc
    by_age = sorted(((looked - written(one), place_of(one)) for one in secrets), reverse=True)
    oldest, name = by_age[0]
    late = [(age, one) for age, one in by_age if age > objective.at_most]
    expected = f"expected at most {show_duration(objective.at_most)}"
    measure = Measure(name="age of the oldest Secret", unit="s", value=oldest.total_seconds())
    if late:
        lines = [f"{one}: written {show_duration(age)} ago" for age, one in late]
        more = len(lines) - _NAMED
        return Answer(
            verdict=Verdict.FAIL,
            headline=f"{len(late)} of {len(secrets)} Secrets are older, {expected}: {lines[0]}",
            detail=(*lines[:_NAMED], *((f"and {more} more",) if more > 0 else ())),
            measures=(measure,),
            since=looked - oldest + objective.at_most,
            advice=_ADVICE,
        )
    return Answer(
        verdict=Verdict.PASS,
        headline=f"the oldest of {len(secrets)} Secrets was written {show_duration(oldest)} ago "
        f"({name}), {expected}",
        measures=(measure,),
        strength=f"seen {utc_text(looked)}: whether the next rotation comes by itself it does not "
        "say",
    )


def written(secret: Object) -> datetime:
    """When its data was last written, by who is on record as having done so; else its creation."""
    metadata = secret["metadata"]
    times = [one["time"] for one in metadata.get("managedFields") or () if "time" in one]
    return max(datetime.fromisoformat(one) for one in (*times, metadata["creationTimestamp"]))


JUDGES: dict[type, JudgeFunction] = {SecretRotation: judge}
