"""Load tests: the scenarios of a suite, and the ordered trials that a plan makes of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec

from harness.model.autoscaling import AutoscalerSettings, Timings
from harness.model.cluster import Identity
from harness.model.game_day import Caps, ExperimentTrial
from harness.model.load_profile import Profile
from harness.model.quota import CapacitySettings
from harness.model.target import Target
from harness.model.workload import HttpWorkload, Workload


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Drive(_Value, frozen=True, kw_only=True, tag_field="kind", tag="drive"):
    """A load by a profile, against the service as it is or with a fault."""

    id: str
    title: str
    profile: str
    """File name below loadtests/profiles/, without `.yaml`."""

    peak: float | None = None
    """Requests per second that the profile's 1.0 is; None: the environment's `peak_rate`. With a
    locustfile: users, and never None."""

    workers: int = 1
    """Processes of the generator, each with its share of one schedule."""

    from_pods: bool = False
    """Each worker is a pod of the cluster, as the environment's `load_pods` says; else all are on
    the machine of who runs the harness."""

    locustfile: str | None = None
    """A locustfile beside the profiles' folder, as `checkout_closed_loop.py`: its users wait for
    answers, and `peak` is how many there are at 1.0. None: the workload's request, by a schedule
    that waits for nothing."""

    replicas: int | None = None
    """The autoscaler is held at so many; None: it is free."""

    settle: timedelta = timedelta()
    """How long the cluster is watched after the load, as for an autoscaler's way down."""

    away: str | None = None
    """An experiment of experiments/ that goes on while the load does (N-1); None: nothing."""

    away_after: timedelta = timedelta(seconds=30)
    """From the load's beginning to the fault."""


class Search(_Value, frozen=True, kw_only=True, tag_field="kind", tag="search"):
    """The highest rate that holds the objectives, for each number of replicas."""

    id: str
    title: str
    replicas: tuple[int, ...] = (1, 2, 4, 8, 10)
    start_rate: float | None = None
    """Of the first probe; None: a tenth of the peak."""

    probe: timedelta = timedelta(seconds=20)
    """How long a rate is held."""

    rest: timedelta = timedelta(seconds=3)
    """Between two probes: queues empty."""

    resolution: float = 0.1
    """The search ends when the bounds are so near each other, as a share of the lower one."""


class Fill(_Value, frozen=True, kw_only=True, tag_field="kind", tag="fill"):
    """Every namespace filled with its services at full size on fake nodes, until it refuses."""

    id: str
    title: str


LoadScenario = Drive | Search | Fill


class LoadTest(_Value, frozen=True, kw_only=True, tag_field="kind", tag="load-test"):
    """One file of suites/ with `kind: load-test`."""

    suite: str
    title: str
    workload: str
    """Id of the service of the environment that is driven."""

    scenarios: tuple[LoadScenario, ...]
    caps: Caps = Caps()
    cost_per_core_hour: float | None = None
    """In any currency; None: no cost is told."""

    cost_per_gibibyte_hour: float | None = None

    def __post_init__(self) -> None:
        if not self.scenarios:
            raise ValueError(f"suite {self.suite} has no scenario")
        ids = [one.id for one in self.scenarios]
        if len(set(ids)) != len(ids):
            raise ValueError(f"suite {self.suite} names a scenario twice: {ids}")


class Locustfile(_Value, frozen=True, kw_only=True):
    """A user's own locustfile, as it was when the plan was made."""

    path: str
    content: str


class LoadPods(_Value, frozen=True, kw_only=True):
    """What a load is injected from, where it is injected from pods."""

    image: str
    """The harness's (deploy/Dockerfile)."""

    cpu: str = "2"
    """Limit of each worker: one processor for what injects, one for Locust."""

    cpu_request: str | None = None
    """None: as the limit. Less lets a worker onto a node that is full, where it may wait for a
    processor: the gate on the generator's lag tells."""

    memory: str = "512Mi"
    manifests: Path = Path("deploy/load")
    """The Jobs of master and workers."""


class LoadTrial(_Value, frozen=True, kw_only=True):
    """One scenario, with all that was still open decided."""

    id: str
    """Names files of the run directory."""

    scenario: LoadScenario
    profile: Profile | None
    """Of a drive."""

    peak: float
    seed: int
    locustfile: Locustfile | None = None
    away: ExperimentTrial | None = None


class Baseline(_Value, frozen=True, kw_only=True):
    """An earlier run, of the version before; its record is copied into the run's `baseline/`."""

    run: str
    version: str


class LoadPlan(_Value, frozen=True, kw_only=True, tag_field="plan", tag="load-test"):
    """All that a load test's conduct needs, and all that its judges need beside the history."""

    suite: str
    title: str
    environment: str
    cluster: Identity
    workload: HttpWorkload
    workloads: tuple[Workload, ...]
    caps: Caps
    targets: tuple[Target, ...]
    trials: tuple[LoadTrial, ...]
    autoscaler: AutoscalerSettings | None
    """None: the service has none."""

    timings: Timings
    settings: CapacitySettings
    version: str
    """Of the service: its image, or its label `version`; names the baseline it is compared with."""

    baseline: Baseline | None
    """The run that this one is compared with; None: there is none yet."""

    cost_per_core_hour: float | None
    cost_per_gibibyte_hour: float | None
    blast_radius: tuple[str, ...]
    rights: tuple[str, ...] = ()
    pods: LoadPods | None = None
    """What a load is injected from that is injected from pods."""

    expectations: tuple[str, ...] = ()
    """What arithmetic says beforehand, beside which the measurement is printed."""
