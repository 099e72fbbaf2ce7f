"""Makes a Job that rehearses one restore of a CronJob that is there, and reads what its pod says.

Pure. The Job is what the CronJob would make, with two more arguments: `--only SCENARIO` and
`--json`, by which `harness run` prints its verdict.json.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import msgspec

from harness.drivers.kubernetes_objects import Object
from harness.errors import RefusedError, SurroundingsError
from harness.model.codec import from_json
from harness.model.history import RehearsedFinding
from harness.model.judgement import Judgement
from harness.model.subject import Region

KEPT_S = 600
"""How long the Job and its log stay where nobody is left to delete it (ttlSecondsAfterFinished)."""

_REPORT = "report: "
"""How `harness run` says on standard error where its report is."""


def job_of(  # noqa: PLR0913 - what a Job is made of
    cronjob: Object, namespace: str, name: str, scenario: str, within_s: int, labels: dict[str, str]
) -> Object:
    """The Job; it is not tried again, ends after `within_s` seconds, and goes by itself.

    Raises RefusedError where the CronJob's container does not call `harness run` by its arguments.
    """
    spec = copy.deepcopy(cronjob["spec"]["jobTemplate"]["spec"])
    named = f"cronjob {namespace}/{cronjob['metadata']['name']}"
    containers = spec["template"]["spec"]["containers"]
    if len(containers) != 1:
        raise RefusedError(f"{named}: got {len(containers)} containers, expected one")
    arguments = containers[0].get("args") or []
    if arguments[:1] != ["run"]:
        raise RefusedError(
            f"{named}: its container's arguments are {arguments}, expected those of `harness`: "
            "run SUITE --environment ENVIRONMENT"
        )
    containers[0]["args"] = [*arguments, "--only", scenario, "--json"]
    spec |= {
        "backoffLimit": 0,
        "activeDeadlineSeconds": within_s,
        "ttlSecondsAfterFinished": KEPT_S,
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


def ended(job: Object) -> bool:
    """Whether it is Complete or Failed, by its own conditions; which of them says nothing of a
    restore.
    """
    conditions: Sequence[Mapping[str, str]] = (job.get("status") or {}).get("conditions") or ()
    return any(
        one["type"] in {"Complete", "Failed"} and one["status"] == "True" for one in conditions
    )


def judgement_in(said: str) -> Judgement:
    """The verdict.json that a run printed; SurroundingsError where there is none, or not all of it.

    A pod's log has standard output and standard error together, line by line. The JSON is indented:
    from its first line on, what begins otherwise than JSON is narration in between.
    """
    lines = said.splitlines()
    begins = [number for number, line in enumerate(lines) if line == "{"]
    if not begins:
        last = next((line for line in reversed(lines) if line.strip()), "nothing")
        raise SurroundingsError(f"the run printed no verdict; its last words: {last.strip()}")
    found = [line for line in lines[begins[-1] :] if line[:1] in {"{", "}", " "}]
    try:
        return from_json("\n".join(found).encode(), Judgement)
    except msgspec.DecodeError as error:
        raise SurroundingsError(f"the run's verdict cannot be read: {error}") from error


def evidence_in(said: str) -> str | None:
    """Where the run says that its directory is; None: it does not say."""
    reports = [line for line in said.splitlines() if line.startswith(_REPORT)]
    return reports[-1].removeprefix(_REPORT).rpartition("/")[0] if reports else None


def findings_of(judgement: Judgement, scenario: str) -> tuple[RehearsedFinding, ...]:
    """What it found of one scenario."""
    return tuple(
        RehearsedFinding(
            id=one.id,
            check=one.check,
            subject=one.subject,
            verdict=one.verdict,
            headline=one.headline,
        )
        for one in judgement.findings
        if one.scenario == scenario
    )


def regions_of(judgement: Judgement, scenario: str) -> tuple[Region, ...]:
    """From which regions the scenario's restores were made."""
    return tuple(sorted({one.region for one in judgement.restores if one.scenario == scenario}))
