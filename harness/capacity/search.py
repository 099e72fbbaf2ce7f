"""Searches the highest rate that holds: which rate to try next, after what was measured so far.

First the rate doubles until one fails, then the bracket between the highest that held and the
lowest that failed is halved. So no rate is ever more than twice one that held, but for the first
(Nighthawk's adaptive load controller does the same). Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.model.load_judgement import CapacityPoint, Injection
from harness.model.load_test import LoadTrial
from harness.model.load_test import Search as Scenario
from harness.model.target import ErrorRate, Latency, Target

_FIRST = 0.1
"""Of the peak: the first rate, where the scenario says none."""

_AT_MOST = 16
"""Probes of one number of replicas: a service whose answers contradict each other ends so, too."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """The rules of one search."""

    start_rate: float
    resolution: float
    objectives: tuple[Latency | ErrorRate, ...]

    @classmethod
    def of(cls, scenario: Scenario, trial: LoadTrial, targets: Iterable[Target]) -> Search:
        """By the objectives of the targets that a rate can miss."""
        return cls(
            start_rate=scenario.start_rate or _FIRST * trial.peak,
            resolution=scenario.resolution,
            objectives=tuple(
                one.objective for one in targets if isinstance(one.objective, Latency | ErrorRate)
            ),
        )

    def next_rate(self, probes: Sequence[Injection]) -> float | None:
        """The rate to try next, requests per second; None: the search has ended.

        A rate at which the generator was not to be believed is tried once more; then the search
        ends. One that failed is tried once more, too: a hiccup of a shared machine is no capacity.
        Where it held the second time, it holds.
        """
        if not probes:
            return self.start_rate
        last = probes[-1]
        again = sum(1 for one in probes if one.rate == last.rate) > 1
        if last.gates:
            return None if again else last.rate
        if self.missed(last) and not again:
            return last.rate
        holds, fails = self.bracket(probes)
        return None if len(probes) >= _AT_MOST else self._beyond(last.rate, holds, fails)

    def _beyond(self, rate: float, holds: float | None, fails: float | None) -> float | None:
        if fails is None:
            return rate * 2
        if holds is None:
            # Not even the first: downwards, to an end.
            return fails / 2 if fails > self.start_rate / 8 else None
        return None if (fails - holds) / holds <= self.resolution else (holds + fails) / 2

    def bracket(self, probes: Sequence[Injection]) -> tuple[float | None, float | None]:
        """The highest rate that held, and the lowest above it that failed when it was tried again;
        None: none did.
        """
        tried: dict[float, list[Injection]] = {}
        for one in probes:
            tried.setdefault(one.rate, []).append(one)
        held = [
            rate
            for rate, its in tried.items()
            if any(not one.gates and not self.missed(one) for one in its)
        ]
        holds = max(held, default=None)
        failed = [
            rate
            for rate, its in tried.items()
            if len(its) > 1 and not its[-1].gates and self.missed(its[-1])
        ]
        fails = min((rate for rate in failed if holds is None or rate > holds), default=None)
        return holds, fails

    def missed(self, probe: Injection) -> tuple[str, ...]:
        """Which objectives a rate did not hold; none: it held."""
        found = []
        for one in self.objectives:
            match one:
                case Latency():
                    if (slow := _percentile(probe, one.percentile)) is None:
                        found.append("no request was answered")
                    elif slow > (limit := one.at_most.total_seconds()):
                        found.append(
                            f"p{one.percentile:g} {slow * 1000:.0f} ms > {limit * 1000:.0f} ms"
                        )
                case ErrorRate():
                    if probe.error_share > one.at_most:
                        found.append(f"errors {probe.error_share:.1%} > {one.at_most:.1%}")
        return tuple(found)

    def point(self, replicas: int, probes: Sequence[Injection]) -> CapacityPoint:
        """What the search found."""
        holds, fails = self.bracket(probes)
        limited = next((one.gates for one in reversed(probes) if one.gates), ())
        if fails is not None:
            limited_by = "; ".join(self.missed([one for one in probes if one.rate == fails][-1]))
        elif limited:
            limited_by = f"the generator: {limited[0]}"
        else:
            limited_by = "nothing: no rate failed twice"
        return CapacityPoint(
            replicas=replicas, holds=holds, fails=fails, limited_by=limited_by, probes=tuple(probes)
        )


def _percentile(probe: Injection, percentile: float) -> float | None:
    """Of those that an injection has; the next higher one where it has not this."""
    if probe.latencies is None:
        return None
    known = {
        50.0: probe.latencies.p50,
        90.0: probe.latencies.p90,
        95.0: probe.latencies.p95,
        99.0: probe.latencies.p99,
        99.9: probe.latencies.p999,
        100.0: probe.latencies.longest,
    }
    return next(value for percent, value in known.items() if percent >= percentile)
