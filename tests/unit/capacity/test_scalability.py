"""The law is found again in capacities that follow it, and none is found in too few."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.capacity.scalability import cost_per_million, fit, rate
from harness.model.autoscaling import ContainerResources, Resource
from harness.model.load_judgement import ScalabilityFit
from harness.model.quota import Claim

COUNTS = (1, 2, 4, 8, 10)


@given(st.floats(1, 1000), st.floats(0, 0.5), st.floats(0, 0.02))
def test_a_law_is_found_again(of_one: float, contention: float, coherency: float) -> None:
    """From capacities without error."""
    law = ScalabilityFit(
        rate_of_one=of_one,
        contention=contention,
        coherency=coherency,
        peak_replicas=None,
        residual=0,
    )
    found = fit([(count, rate(law, count)) for count in COUNTS])
    assert found is not None
    assert found.rate_of_one == pytest.approx(of_one, rel=1e-6)
    assert found.contention == pytest.approx(contention, abs=1e-6)
    assert found.coherency == pytest.approx(coherency, abs=1e-6)
    assert found.residual == pytest.approx(0, abs=1e-6)


def test_too_few_points_are_no_law() -> None:
    """The vacuous case; one number of replicas tried thrice is one point."""
    assert fit([]) is None
    assert fit([(1, 10), (2, 20)]) is None
    assert fit([(1, 10), (1, 11), (1, 12)]) is None
    assert fit([(1, 0), (2, 0), (4, 0)]) is None


def test_what_grows_more_than_its_replicas_has_no_negative_contention() -> None:
    """Noise is not read as a service that helps itself."""
    found = fit([(1, 10), (2, 21), (4, 44)])
    assert found is not None
    assert found.contention == 0
    assert found.coherency == 0
    assert found.peak_replicas is None
    assert found.residual > 0


def test_a_peak_is_where_more_replicas_make_it_slower() -> None:
    """sqrt((1 - a) / b)."""
    law = ScalabilityFit(
        rate_of_one=10, contention=0.1, coherency=0.01, peak_replicas=None, residual=0
    )
    found = fit([(count, rate(law, count)) for count in COUNTS])
    assert found is not None
    assert found.peak_replicas == pytest.approx(90**0.5, rel=1e-3)


def claim(cores: float) -> Claim:
    container = ContainerResources(
        name="a", requests={Resource.CPU: cores, Resource.MEMORY: 2.0**30}
    )
    return Claim(namespace="shop", controller="Deployment/a", replicas=1, containers=(container,))


def test_a_million_requests_cost_what_their_replicas_ask_for() -> None:
    """2 replicas of half a core and 1 GiB at 100 requests/s: 10 000 s."""
    got = cost_per_million([(2, 100.0)], claim(0.5), per_core_hour=0.04, per_gibibyte_hour=0.01)
    assert got == pytest.approx(2 * (0.5 * 0.04 + 0.01) * 10_000 / 3600)
    assert cost_per_million([], claim(0.5), per_core_hour=1, per_gibibyte_hour=1) is None
    assert cost_per_million([(1, 1.0)], claim(0), per_core_hour=1, per_gibibyte_hour=0) is None
