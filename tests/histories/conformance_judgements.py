"""A judged conformance check as its report shows it: every kind of row once, made by hand.

- a promise that is kept, one that is not, one that a hidden kind keeps from being judged, one that
  no check sees, one that nothing was found about;
- one with many findings, and a name that would be markup;
- one that the document says twice, and one that the project adds.
"""

from __future__ import annotations

from datetime import timedelta

import conformances as make
from constructors import NOW
from msgspec.structs import replace

from harness.model.configuration import (
    AccessControl,
    Component,
    ContainerResources,
    ControlPlane,
    SecretRotation,
    Size,
    Unmeasured,
)
from harness.model.judgement import Judgement
from harness.model.run import RUN_FORMAT, RunRecord
from harness.model.target import Source, Target
from harness.model.verdict import Finding, Measure, Verdict
from harness.report.summary import Report

_SMALL = Size(cpu="500m", memory="512Mi")

MASTERS = make.promise(ControlPlane(masters=3), "masters", "Cluster Topology")
SIZES = replace(
    make.promise(
        ContainerResources(requests=_SMALL, limits=Size(cpu="1", memory="1Gi")),
        "container-resources",
        "Container Configuration",
    ),
    also=(Source(section="Resource Quotas", quote="limits: 1 core", under="per_service"),),
)
RBAC = make.promise(AccessControl(mode="RBAC"), "access-control", "Security")
ROTATION = make.promise(SecretRotation(at_most=timedelta(days=90)), "secret-rotation", "Security")
BENCHMARK = make.promise(
    Unmeasured(why="nothing runs a benchmark of the CIS", needs="kube-bench on every node"),
    "cis-benchmark",
    "Security",
)
LOKI = replace(
    make.promise(Component(name="Loki"), "loki", "Observability"),
    source=None,
    note="Logs are what a restore is looked into by.",
)
TARGETS = (MASTERS, SIZES, RBAC, ROTATION, BENCHMARK, LOKI)


def report() -> Report:
    """All of it."""
    findings = (
        _found(
            SIZES,
            Verdict.FAIL,
            "checkout: asks for 250m of cpu, expected 500m",
            subject="core-business-prod/checkout",
            detail=("requests.cpu 250m", "limits.cpu 1", "of 3 pods", "all of one Deployment"),
            measures=(Measure(name="requested cpu", unit="1", value=0.25),),
            advice="kubectl -n core-business-prod get deployment checkout -o yaml",
        ),
        _found(
            ROTATION,
            Verdict.INCONCLUSIVE,
            "Secret: the account may not list them",
            advice="harness plan conformance -e lab --rbac ACCOUNT",
        ),
        _found(
            BENCHMARK,
            Verdict.INCONCLUSIVE,
            "cis-benchmark: no check sees it: nothing runs a benchmark of the CIS; needed: "
            "kube-bench on every node",
        ),
        _found(
            LOKI,
            Verdict.INCONCLUSIVE,
            "no pod of Loki, [bold]<b>nor a Service</b>",
        ),
        _drill("objects", Verdict.INCONCLUSIVE, "objects: 1 of 24 kinds were not read: Secret"),
        _found(MASTERS, Verdict.PASS, "3 masters, all ready", evidence=(1,)),
        *(
            _found(SIZES, Verdict.PASS, f"{name}: as documented", subject=f"shop/{name}")
            for name in ("cart", "catalogue", "search", "stock")
        ),
        _drill("end", Verdict.PASS, "drill: the run ended in order"),
    )
    return Report(
        judgement=Judgement(
            format=1,
            suite="conformance",
            environment="lab",
            verdict=Verdict.FAIL,
            findings=findings,
            restores=(),
            predictions=(),
        ),
        run=record("20261124T030000Z-conformance-lab"),
        plan=make.plan(*TARGETS),
    )


def nothing() -> Report:
    """Cut off before anything was seen, of a document without a promise that a look answers."""
    return Report(
        judgement=Judgement(
            format=1,
            suite="conformance",
            environment="lab",
            verdict=Verdict.INCONCLUSIVE,
            findings=(_drill("end", Verdict.INCONCLUSIVE, "drill: the run was cut off"),),
            restores=(),
            predictions=(),
        ),
        run=replace(record("20261124T030000Z-conformance-lab"), ended=None),
        plan=make.plan(),
    )


def _found(
    target: Target,
    verdict: Verdict,
    headline: str,
    *,
    subject: str | None = None,
    detail: tuple[str, ...] = (),
    measures: tuple[Measure, ...] = (),
    advice: str | None = None,
    evidence: tuple[int, ...] = (),
) -> Finding:
    check = str(type(target.objective).__struct_config__.tag)
    return Finding(
        id="/".join(filter(None, (check, target.id, subject))),
        check=check,
        target=target.id,
        subject=subject,
        scenario=None,
        verdict=verdict,
        headline=headline,
        detail=detail,
        measures=measures,
        advice=advice,
        evidence=evidence,
    )


def _drill(name: str, verdict: Verdict, headline: str) -> Finding:
    return Finding(
        id=f"drill/{name}",
        check="drill",
        target=None,
        subject=None,
        scenario=None,
        verdict=verdict,
        headline=headline,
    )


def record(name: str) -> RunRecord:
    """Of a check that took 42 s."""
    return RunRecord(
        format=RUN_FORMAT,
        run=name,
        suite="conformance",
        environment="lab",
        started=NOW,
        ended=NOW + timedelta(seconds=42),
        user="sre",
        host="bastion",
        argv=("harness", "run", "conformance", "-e", "lab"),
        git_head="0123456789abcdef0123456789abcdef01234567",
        git_dirty=False,
        versions={"harness": "0.1.0"},
        settings=(),
        practice=False,
        seed=7,
    )
