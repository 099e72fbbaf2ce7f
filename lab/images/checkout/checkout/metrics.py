"""Counts what the service does, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)

# A counter that began again says so by its value.
disable_created_metrics()  # type: ignore[no-untyped-call]

# Close around 500 ms, the document's limit for a canary's answers.
BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4),
    *(0.45, 0.475, 0.5, 0.525, 0.55, 0.6, 0.75, 1.0, 2.0, 5.0),
)


class Metrics:
    """The checkout service's metrics; `version` tells a canary from the others."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._version = version
        self._requests = Counter(
            "checkout_requests",
            "Answers by route and status code.",
            ("route", "code", "version"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "checkout_request_seconds",
            "Time to answer, by route.",
            ("route", "version"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "checkout_requests_in_flight", "Requests being answered.", registry=self.registry
        )
        self.ready = Gauge("checkout_ready", "1 while ready.", registry=self.registry)
        self._failures = Counter(
            "checkout_dependency_failures",
            "What was asked of a dependency in vain.",
            ("dependency",),
            registry=self.registry,
        )

    def answered(self, route: str, code: int, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(route, str(code), self._version).inc()
        self._seconds.labels(route, self._version).observe(seconds)

    def failed(self, dependency: str) -> None:
        """A dependency did not do what it was asked."""
        self._failures.labels(dependency).inc()


class SubscriberMetrics:
    """The subscriber's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter("subscriber_messages", "Messages received.", registry=self.registry)
        self.unreadable = Counter(
            "subscriber_unreadable", "Messages that are no events.", registry=self.registry
        )
        self.connections = Counter(
            "subscriber_connections", "Subscriptions made.", registry=self.registry
        )
        self.gaps = Gauge(
            "subscriber_gaps",
            "Times that numbers were skipped, for good or not.",
            registry=self.registry,
        )
        self.missing = Gauge(
            "subscriber_missing", "Messages sent that have not come.", registry=self.registry
        )
        self.repeated = Gauge(
            "subscriber_repeated", "Messages that came again.", registry=self.registry
        )
        self.publishers = Gauge(
            "subscriber_publishers", "Processes heard of.", registry=self.registry
        )
        self.subscribed = Gauge(
            "subscriber_subscribed", "1 while subscribed.", registry=self.registry
        )
