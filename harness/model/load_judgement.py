"""What the judges say of a load test, beside its findings: what its pictures and tables show.

Times are seconds after the load's beginning; rates are requests per second.
"""

from __future__ import annotations

import msgspec

from harness.model.verdict import Verdict


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Bounded(_Value, frozen=True, kw_only=True):
    """A number, and the interval that it lies in with the confidence that its maker says."""

    value: float
    low: float
    high: float


class Latencies(_Value, frozen=True, kw_only=True):
    """Response times of right answers and of errors alike, from the intended beginning, seconds.

    Nearest rank: the smallest that at least so many percent do not exceed.
    """

    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    longest: float


class Injection(_Value, frozen=True, kw_only=True):
    """One load, as its samples say, and whether its generator kept up."""

    trial: str
    step: str
    rate: float
    """Scheduled arrivals per second, on average."""

    scheduled: int
    sent: int
    answered: int
    """With the right status and body."""

    errors: dict[str, int]
    """Answer -> how many: `WRONG_STATUS` -> 3."""

    latencies: Latencies | None
    """None: nothing was sent."""

    lag_p99_s: float | None
    lag_longest_s: float | None
    gates: tuple[str, ...]
    """Why the generator is not to be believed: lag, coverage, a lost worker; none: it is."""

    closed_loop: bool = False
    replicas: int | None = None

    @property
    def error_share(self) -> float:
        """Of what was sent."""
        return sum(self.errors.values()) / self.sent if self.sent else 0.0


class LoadPoint(_Value, frozen=True, kw_only=True):
    """One second of a load: one column of its picture."""

    at_s: float
    scheduled: int
    right: int
    wrong: int
    p50_s: float | None
    p95_s: float | None


class ScalePoint(_Value, frozen=True, kw_only=True):
    """One look at the cluster: one column of the picture, below the load's."""

    at_s: float
    wanted: int | None
    """status.desiredReplicas."""

    present: int | None
    ready: int | None
    endpoints: int | None
    cpu: float | None
    """Share of the request that all pods used, 0.7: 70 %."""

    memory: float | None
    quota: float | None
    """The fullest resource of the namespace's quotas, used / hard."""

    pending: int | None = None


class Decision(_Value, frozen=True, kw_only=True):
    """One decision of the autoscaler, recomputed from what it could see."""

    low_s: float
    high_s: float
    """Made between two looks."""

    before: int
    observed: int
    """desiredReplicas after it."""

    recomputed: tuple[int, ...]
    """What the algorithm gives for the metrics that it may have had: one, or a few."""

    explained: bool
    """Whether `observed` is among them."""

    because: tuple[str, ...]
    """The sum in words: utilisation, ratio, window, policy, limit."""


class Timing(_Value, frozen=True, kw_only=True):
    """One documented reading of a scaling period, and what was seen of it."""

    reading: str
    """`scale_up_period 60s as policy period`."""

    verdict: Verdict
    text: str


class AutoscalerSummary(_Value, frozen=True, kw_only=True):
    """How an autoscaler behaved in one trial."""

    trial: str
    decisions: tuple[Decision, ...]
    onset_s: tuple[float, float] | None
    """From the moment the load went above the target to the first wish for more: bounds."""

    to_maximum_s: tuple[float, float] | None
    """To all of the maximum ready."""

    back_s: tuple[float, float] | None
    """From the load's end to the minimum."""

    highest_wanted: int | None
    highest_ready: int | None
    overshoot: int | None
    """Replicas beyond what the settled state needed."""

    flaps: int
    """Changes of direction within one stabilisation window."""

    timings: tuple[Timing, ...] = ()
    notes: tuple[str, ...] = ()


class Headroom(_Value, frozen=True, kw_only=True):
    """One resource of one quota, against all that its services may ask for at once."""

    namespace: str
    quota: str
    resource: str
    """`requests.cpu`."""

    claimed: float
    with_surge: float
    """With the largest single rollout going on."""

    hard: float
    fits: bool
    parts: tuple[tuple[str, float], ...]
    """Controller -> its share of `claimed`, largest first."""

    out_of_reach: tuple[str, ...] = ()
    """Autoscaler maxima that do not fit alone beside the minima of the others."""


class CapacityPoint(_Value, frozen=True, kw_only=True):
    """The capacity that a search found for one number of replicas."""

    replicas: int
    holds: float | None
    """The highest rate that held; None: none did."""

    fails: float | None
    """The lowest that did not; None: it was never reached."""

    limited_by: str
    """Which objective failed at `fails`, or that the generator did."""

    probes: tuple[Injection, ...] = ()


class ScalabilityFit(_Value, frozen=True, kw_only=True):
    """The universal scalability law, X(N) = g N / (1 + a (N - 1) + b N (N - 1)).

    N. Gunther, "Guerrilla Capacity Planning", 2007, chapter 4.
    """

    rate_of_one: float
    """g."""

    contention: float
    """a."""

    coherency: float
    """b."""

    peak_replicas: float | None
    """Where more make it slower: sqrt((1 - a) / b); None: nowhere."""

    residual: float
    """Root mean square of the relative errors."""


class CapacitySummary(_Value, frozen=True, kw_only=True):
    """The capacities of one search, and the law that they follow."""

    trial: str
    points: tuple[CapacityPoint, ...]
    fit: ScalabilityFit | None
    note: str = ""
    """Why there is no fit, or what it may not be used for."""

    cost_per_million: float | None = None
    """At the best point: replicas x requests x hours for 10^6 requests, by the settings' prices."""


class Comparison(_Value, frozen=True, kw_only=True):
    """One number of this version against the last one's."""

    what: str
    """`capacity of 4 replicas`, `p95 of drive`."""

    before: Bounded
    now: Bounded
    change: Bounded
    """Relative: +0.10 is 10 % more."""

    verdict: Verdict
    text: str
    """With how small a difference could have been seen, where none was."""

    unit: str = ""
    """Of `before` and `now`: `s`, `requests/s`, or `1` for a share of all requests, whose change is
    in points and not relative. Empty: it is not said."""


class LoadSummary(_Value, frozen=True, kw_only=True):
    """All of a load test that is not a finding."""

    injections: tuple[Injection, ...] = ()
    """Of drives; those of searches are in their points."""

    seconds: dict[str, tuple[LoadPoint, ...]] = {}
    """Trial -> its load, second by second."""

    scales: dict[str, tuple[ScalePoint, ...]] = {}
    """Trial -> what the cluster did."""

    faults: dict[str, tuple[float, float | None]] = {}
    """Trial -> from when to when something was away."""

    autoscaler: tuple[AutoscalerSummary, ...] = ()
    capacity: tuple[CapacitySummary, ...] = ()
    headroom: tuple[Headroom, ...] = ()
    filled: tuple[str, ...] = ()
    """What the filling of the namespaces showed, one line for each."""

    compared: tuple[Comparison, ...] = ()
