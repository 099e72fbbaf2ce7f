"""Shows the plan of a load test to a person: what is sent, held, broken and expected. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.load_profile import Profile
from harness.model.load_test import Drive, Fill, LoadPlan, LoadTrial, Search
from harness.model.quantity import show_duration
from harness.report.load_wording import rate
from harness.report.wording import plural


def show_load_plan(plan: LoadPlan) -> str:
    """The plan in words: trials, expectations, blast radius, rights."""
    return "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: LoadPlan) -> Iterator[str]:
    yield (
        f"{plan.suite} in {plan.environment}: {len(plan.trials)} trials of {plan.workload.id} "
        f"{plan.version}; context {plan.cluster.context}, {plan.cluster.server}, Kubernetes "
        f"{plan.cluster.version}, cluster {plan.cluster.uid}"
    )
    yield f"compared with: {_baseline(plan)}"
    yield f"scaled by: {_autoscaler(plan)}"
    width = max((len(trial.id) for trial in plan.trials), default=0)
    for trial in plan.trials:
        yield f"  {trial.id:<{width}}  {trial.scenario.title}; {_what(plan, trial)}"
    if plan.expectations:
        yield "expected of the autoscaler, by its settings (nothing of it is measured):"
        yield from (f"  {line}" for line in plan.expectations)
    yield "blast radius:"
    yield from (f"  {line}" for line in plan.blast_radius)
    if plan.rights:
        yield (
            f"needs {len(plan.rights)} rights: harness plan {plan.suite} -e {plan.environment} "
            "--rbac NAMESPACE/SERVICEACCOUNT"
        )


def _baseline(plan: LoadPlan) -> str:
    if plan.baseline is None:
        return "nothing: no run of another version is stored"
    return f"{plan.baseline.version}, run {plan.baseline.run}"


def _autoscaler(plan: LoadPlan) -> str:
    one = plan.autoscaler
    if one is None:
        return "nothing: the service has no autoscaler"
    metrics = [
        f"{metric.resource} at {metric.utilization} %"
        for metric in one.metrics
        if metric.utilization is not None
    ]
    aims = ", ".join([*metrics, *one.other_metrics]) or "no metric that is known"
    return f"autoscaler {one.name}, {one.minimum} to {one.maximum} replicas, {aims}"


def _what(plan: LoadPlan, trial: LoadTrial) -> str:
    match trial.scenario:
        case Drive() as drive:
            return "; ".join(_drive(drive, trial))
        case Search() as search:
            return "; ".join(_search(search, trial))
        case Fill():
            namespaces = sorted({one.namespace for one in plan.settings.quotas})
            what = ", ".join(namespaces) or "the documented namespaces"
            return f"{what}, on fake nodes with a control plane of their own"


def _drive(drive: Drive, trial: LoadTrial) -> Iterator[str]:
    if trial.profile is None:
        yield f"{drive.profile}, a profile that is not known, to {trial.peak:g} requests/s"
    else:
        share = max(max(one.rate, one.end_rate) for one in trial.profile.stages)
        lasts = show_duration(trial.profile.lasts)
        yield (
            f"{drive.profile} to {rate(share * trial.peak)} requests/s for {lasts}, about "
            f"{_requests(trial.profile, trial.peak):,.0f} requests"
            if drive.locustfile is None
            else f"{drive.profile} to {share * trial.peak:.0f} users of {drive.locustfile} for "
            f"{lasts}, who wait for answers"
        ) + _injected_by(drive)
    if drive.replicas is not None:
        yield f"held at {drive.replicas} replicas, without the autoscaler"
    if drive.settle:
        yield f"then watched for {show_duration(drive.settle)}"
    if drive.away is not None:
        yield f"{drive.away} from {show_duration(drive.away_after)} on"


def _injected_by(drive: Drive) -> str:
    if drive.from_pods:
        return f", from {plural(drive.workers, 'pod')}"
    return f", of {drive.workers} workers" if drive.workers > 1 else ""


def _search(search: Search, trial: LoadTrial) -> Iterator[str]:
    yield (
        f"held at {', '.join(str(count) for count in search.replicas)} replicas, without the "
        "autoscaler"
    )
    first = (
        f"from {rate(search.start_rate)} requests/s on"
        if search.start_rate is not None
        else f"from a tenth of {rate(trial.peak)} requests/s on"
    )
    yield (
        f"{first} the rate doubles until one fails, then the bracket is halved to "
        f"{search.resolution:.0%}; {show_duration(search.probe)} at each rate, "
        f"{show_duration(search.rest)} between two"
    )


def _requests(profile: Profile, peak: float) -> float:
    """The integral of the rate: how many arrivals are to be expected."""
    return sum(
        (one.rate + one.end_rate) / 2 * one.hold.total_seconds() * peak for one in profile.stages
    )
