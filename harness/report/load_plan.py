"""Shows the plan of a load test to a person: what is sent, held, broken and expected. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.load_test import Drive, Fill, LoadPlan, LoadTrial, Search
from harness.model.quantity import show_duration


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
    width = max(len(trial.id) for trial in plan.trials)
    for trial in plan.trials:
        yield f"  {trial.id:<{width}}  {trial.scenario.title}; {_what(trial)}"
    if plan.expectations:
        yield "expected of the autoscaler, by its settings:"
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


def _what(trial: LoadTrial) -> str:
    match trial.scenario:
        case Drive() as drive:
            lasts = show_duration(trial.profile.lasts) if trial.profile is not None else "0 s"
            settle = f", then watched for {show_duration(drive.settle)}" if drive.settle else ""
            away = f"; {drive.away} meanwhile" if drive.away is not None else ""
            return f"{drive.profile} to {trial.peak:g} requests/s for {lasts}{settle}{away}"
        case Search() as search:
            held = ", ".join(str(count) for count in search.replicas)
            return f"{held} replicas, {show_duration(search.probe)} at each rate"
        case Fill():
            return "on fake nodes"
