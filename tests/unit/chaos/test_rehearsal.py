"""A restore that is rehearsed under a fault: its Job, what is read of it, and what ends it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drills import Drill, running
from kubernetes_api import Object

from harness.chaos import rehearsal
from harness.chaos.actions import restores, services
from harness.chaos.activity import failures
from harness.drivers.kubernetes import DRILL_LABEL
from harness.errors import RefusedError, SurroundingsError
from harness.model.codec import from_json
from harness.model.history import RestoreRehearsed, StepFailed
from harness.model.judgement import Judgement
from harness.model.subject import Region
from harness.model.verdict import Verdict

JUDGED = Path(__file__).parents[2] / "histories" / "judged" / "passing" / "verdict.json"
SCENARIO = "replica-region"
ARGUMENTS = ["run", "weekly-restore", "--environment", "platform"]


def cronjob(arguments: list[str] | None = None, containers: int = 1) -> Object:
    container: Object = {"name": "harness", "image": "harness"}
    container["args"] = ARGUMENTS if arguments is None else arguments
    template = {
        "metadata": {"labels": {"app": "weekly"}},
        "spec": {"restartPolicy": "Never", "containers": [container] * containers},
    }
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": 14400, "template": template}
    return {
        "metadata": {"namespace": "drills", "name": "weekly"},
        "spec": {"schedule": "0 4 * * 0", "jobTemplate": {"spec": spec}},
    }


def judged() -> Object:
    """A judgement of one scenario, from the other region."""
    found: Object = json.loads(JUDGED.read_bytes())
    found["findings"] = [
        {
            **found["findings"][0],
            "id": f"{check}/{SCENARIO}/orders",
            "check": check,
            "subject": "orders",
            "scenario": SCENARIO,
            "verdict": verdict,
        }
        for check, verdict in (("recovery-time", "PASS"), ("recovery-point", "FAIL"))
    ] + [{**found["findings"][0], "id": "continuity/orders", "scenario": None}]
    found["restores"] = [{**found["restores"][0], "scenario": SCENARIO, "region": "replica"}]
    return found


def log(judgement: Object | None = None) -> str:
    """As a pod's log has it: one line of standard error came between those of the verdict."""
    lines = json.dumps(judgement or judged(), indent=2).splitlines()
    lines.insert(len(lines) // 2, "report: /evidence/runs/20261126T0200Z/report.html")
    narration = ["checking the backups of orders in the replica region", "  orders: list ..."]
    return "\n".join([*narration, *lines, ""])


# --- the Job -------------------------------------------------------------------------------------


def test_the_job_is_the_cronjobs_with_one_scenario_of_it() -> None:
    source = cronjob()
    job = rehearsal.job_of(source, "drills", "weekly-drill-1", SCENARIO, 600, {"a": "b"})
    assert job["metadata"] == {
        "name": "weekly-drill-1",
        "namespace": "drills",
        "labels": {"a": "b"},
    }
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["args"] == [*ARGUMENTS, "--only", SCENARIO, "--json"]
    assert container["image"] == "harness"
    assert source == cronjob(), "the CronJob itself is left as it was"


def test_the_job_ends_and_goes_without_us() -> None:
    spec = rehearsal.job_of(cronjob(), "drills", "one", SCENARIO, 600, {})["spec"]
    assert spec["activeDeadlineSeconds"] == 600
    assert spec["ttlSecondsAfterFinished"] == rehearsal.KEPT_S
    assert spec["backoffLimit"] == 0


@pytest.mark.parametrize("arguments", [[], ["backup"], ["-c", "harness run weekly-restore"]])
def test_a_cronjob_that_runs_no_suite_is_refused(arguments: list[str]) -> None:
    with pytest.raises(RefusedError, match="expected those of `harness`"):
        rehearsal.job_of(cronjob(arguments), "drills", "one", SCENARIO, 600, {})


def test_a_cronjob_of_several_containers_is_refused() -> None:
    with pytest.raises(RefusedError, match="got 2 containers"):
        rehearsal.job_of(cronjob(containers=2), "drills", "one", SCENARIO, 600, {})


@pytest.mark.parametrize(
    ("conditions", "ended"),
    [
        ([], False),
        ([{"type": "FailureTarget", "status": "True"}], False),
        ([{"type": "Failed", "status": "False"}], False),
        ([{"type": "Failed", "status": "True"}], True),
        ([{"type": "Complete", "status": "True"}], True),
    ],
)
def test_when_it_has_ended(conditions: list[Object], ended: bool) -> None:  # noqa: FBT001
    assert rehearsal.ended({"status": {"conditions": conditions}}) is ended


# --- its verdict ---------------------------------------------------------------------------------


def test_the_verdict_is_read_from_between_the_narration() -> None:
    judgement = rehearsal.judgement_in(log())
    assert judgement == from_json(json.dumps(judged()).encode(), Judgement)
    assert [one.verdict for one in rehearsal.findings_of(judgement, SCENARIO)] == [
        Verdict.PASS,
        Verdict.FAIL,
    ]
    assert rehearsal.regions_of(judgement, SCENARIO) == (Region.REPLICA,)
    assert rehearsal.evidence_in(log()) == "/evidence/runs/20261126T0200Z"


def test_of_another_scenario_nothing_is_taken() -> None:
    judgement = rehearsal.judgement_in(log())
    assert rehearsal.findings_of(judgement, "whole-loss") == ()
    assert rehearsal.regions_of(judgement, "whole-loss") == ()


def test_without_a_verdict_its_last_words_are_told() -> None:
    with pytest.raises(SurroundingsError, match="last words: error: no such environment"):
        rehearsal.judgement_in("checking\nerror: no such environment\n\n")
    with pytest.raises(SurroundingsError, match="last words: nothing"):
        rehearsal.judgement_in("")


def test_half_a_verdict_is_none() -> None:
    """A pod that was killed while it printed."""
    with pytest.raises(SurroundingsError, match="cannot be read"):
        rehearsal.judgement_in(log()[:-40])


# --- the action ----------------------------------------------------------------------------------


def cluster_that_rehearses(drill: Drill, said: str, *, pods: int = 1) -> None:
    """The Job's controller, and its pod, which writes `said`."""
    drill.api.put("cronjobs", cronjob())

    def lives() -> None:
        for (plural, _, name), job in list(drill.api.objects.items()):
            if plural != "jobs" or "status" in job:
                continue
            job["status"] = {"conditions": [{"type": "Failed", "status": "True"}]}
            for number in range(pods):
                pod = running("drills", f"{name}-{number}", "worker-1", app="weekly")
                pod["metadata"]["labels"]["job-name"] = name
                drill.api.put("pods", pod)
                drill.api._logs[f"{name}-{number}"] = said

    drill.api.lives = lives


def rehearsed(drill: Drill) -> RestoreRehearsed:
    (fact,) = [one for one in drill.facts() if isinstance(one, RestoreRehearsed)]
    return fact


def test_its_own_verdict_is_recorded_and_the_job_is_gone(the_drill: Drill) -> None:
    """The Job is Failed, as its verdict is: what counts is the verdict."""
    cluster_that_rehearses(the_drill, log())
    services.stop_service("s3-primary", subject="region:primary")
    restores.rehearse("drills", "weekly", SCENARIO)
    fact = rehearsed(the_drill)
    assert fact.error is None
    assert [one.verdict for one in fact.findings] == [Verdict.PASS, Verdict.FAIL]
    assert fact.regions == (Region.REPLICA,)
    assert fact.evidence == "/evidence/runs/20261126T0200Z"
    assert fact.began_ns < fact.ended_ns
    assert (fact.away, fact.back) == (("s3-primary of outside",), ())
    assert not any(plural == "jobs" for plural, _, _ in the_drill.api.objects)
    assert not failures()


def test_the_job_says_whose_it_is(the_drill: Drill) -> None:
    cluster_that_rehearses(the_drill, log())
    made: list[Object] = []
    put = the_drill.api.put

    def watched(plural: str, content: Object) -> Object:
        if plural == "jobs":
            made.append(content)
        return put(plural, content)

    the_drill.api.put = watched  # type: ignore[method-assign]
    restores.rehearse("drills", "weekly", SCENARIO)
    assert made[0]["metadata"]["labels"] == {DRILL_LABEL: "run-1"}
    assert made[0]["metadata"]["name"].startswith("weekly-drill-")


def test_what_came_back_meanwhile_is_told(the_drill: Drill) -> None:
    cluster_that_rehearses(the_drill, log())
    services.stop_service("s3-primary", subject="region:primary")
    the_drill.machines.start_service("outside", "s3-primary")
    restores.rehearse("drills", "weekly", SCENARIO)
    assert rehearsed(the_drill).back == ("s3-primary of outside",)


@pytest.mark.parametrize(
    ("said", "pods", "error"),
    [
        ("error: cannot connect\n", 1, "last words: error: cannot connect"),
        (log(), 0, "got 0 pods, expected one"),
        (log(), 2, "got 2 pods, expected one"),
    ],
)
def test_a_restore_without_a_verdict_is_an_error_on_record(
    the_drill: Drill, said: str, pods: int, error: str
) -> None:
    """The experiment goes on: its clients are watched all the same."""
    cluster_that_rehearses(the_drill, said, pods=pods)
    restores.rehearse("drills", "weekly", SCENARIO)
    fact = rehearsed(the_drill)
    assert error in str(fact.error)
    assert fact.findings == ()
    assert any(isinstance(one, StepFailed) for one in the_drill.facts())
    assert not failures()
    assert not any(plural == "jobs" for plural, _, _ in the_drill.api.objects)


def test_without_a_cronjob_nothing_is_made(the_drill: Drill) -> None:
    restores.rehearse("drills", "weekly", SCENARIO)
    assert "cronjob drills/weekly: not there" in str(rehearsed(the_drill).error)
    assert not the_drill.api.changes


def test_a_job_that_may_not_be_made_is_an_error_on_record(the_drill: Drill) -> None:
    cluster_that_rehearses(the_drill, log())
    the_drill.api.forbidden.add("post jobs")
    restores.rehearse("drills", "weekly", SCENARIO)
    assert "cannot post" in str(rehearsed(the_drill).error)


def test_a_job_that_somebody_deletes_is_an_error_on_record(the_drill: Drill) -> None:
    the_drill.api.put("cronjobs", cronjob())

    def lives() -> None:
        for key in [one for one in the_drill.api.objects if one[0] == "jobs"]:
            del the_drill.api.objects[key]

    the_drill.api.lives = lives
    restores.rehearse("drills", "weekly", SCENARIO)
    assert "deleted by somebody else" in str(rehearsed(the_drill).error)
