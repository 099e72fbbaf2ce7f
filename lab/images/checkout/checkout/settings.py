"""Decides whether the environment's settings are usable; all problems are told at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_HIGHEST_MS = 600_000
_HIGHEST_PORT = 65_535
_LOG_LEVELS = ("debug", "info", "warning", "error")


class SettingsError(ValueError):
    """Some settings are missing or unusable; the message has one line for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a program answers, and how it stops; seconds, as everywhere in this file."""

    address: str
    http_port: int
    version: str
    instance: str
    """Who publishes: the pod's name and a part that is new with every start."""
    log_level: str
    stop_delay: float
    """Not ready, but still answering, for so long: until no new request is sent here."""
    stop_timeout: float
    """Requests in flight are waited for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The Redis that carries events."""

    url: str = field(repr=False)
    channel: str
    timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """What a checkout costs, and how bad this version is."""

    cpu: float
    delay: float
    error_rate: float
    max_in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSettings:
    """All that the service is told from outside."""

    listening: Listening
    grpc_port: int
    database_url: str = field(repr=False)
    database_timeout: float
    database_pool: int
    redis_url: str = field(repr=False)
    redis_timeout: float
    redis_expiry: int
    broker: Broker
    behaviour: Behaviour
    health_interval: float
    health_stale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriberSettings:
    """All that the subscriber is told from outside."""

    listening: Listening
    broker: Broker
    health_stale: float


def read_checkout(environ: Mapping[str, str]) -> CheckoutSettings:
    """The service's settings, or an error that names every variable that is wrong."""
    return _checkout(_Reader(environ), strict=True)


def read_subscriber(environ: Mapping[str, str]) -> SubscriberSettings:
    """The subscriber's settings, or an error that names every variable that is wrong."""
    return _subscriber(_Reader(environ), strict=True)


def usage(program: str, read: Callable[[Mapping[str, str]], object]) -> str:
    """Help text: one line for each variable that `read` reads."""
    reader = _Reader({})
    if read is read_subscriber:
        _subscriber(reader, strict=False)
    else:
        _checkout(reader, strict=False)
    return "\n".join([f"usage: {program}", "", "Settings (environment):", *reader.described, ""])


def _checkout(reader: _Reader, *, strict: bool) -> CheckoutSettings:
    postgresql, redis = ("postgresql", "postgres"), ("redis", "rediss")
    settings = CheckoutSettings(
        listening=_listening(reader),
        grpc_port=reader.whole("GRPC_PORT", 9000, 1, _HIGHEST_PORT, "gRPC health"),
        database_url=reader.url("DATABASE_URL", postgresql, "where orders are kept"),
        database_timeout=reader.milliseconds("DATABASE_TIMEOUT_MS", 1000, "for one order, in all"),
        database_pool=reader.whole("DATABASE_POOL", 10, 1, 200, "most connections at once"),
        redis_url=reader.url("REDIS_URL", redis, "any node of the Redis cluster, or its Service"),
        redis_timeout=reader.milliseconds("REDIS_TIMEOUT_MS", 500, "for one order, in all"),
        redis_expiry=reader.whole("REDIS_EXPIRY_S", 86_400, 1, 31_536_000, "of an order's key"),
        broker=_broker(reader),
        behaviour=Behaviour(
            cpu=reader.milliseconds("CHECKOUT_CPU_MS", 0, "CPU time burnt per checkout"),
            delay=reader.milliseconds(
                "CHECKOUT_DELAY_MS", 0, "waited per checkout: a slow version"
            ),
            error_rate=reader.share("CHECKOUT_ERROR_RATE", 0.0, "answered 500: a broken version"),
            max_in_flight=reader.whole(
                "CHECKOUT_MAX_IN_FLIGHT", 200, 1, 100_000, "checkouts at once; more get 503"
            ),
        ),
        health_interval=reader.milliseconds("HEALTH_INTERVAL_MS", 1000, "between two questions"),
        health_stale=reader.milliseconds("HEALTH_STALE_MS", 3000, "ready without an answer"),
    )
    if settings.health_interval >= settings.health_stale:
        reader.problems.append("HEALTH_INTERVAL_MS: must be less than HEALTH_STALE_MS")
    if settings.grpc_port == settings.listening.http_port:
        reader.problems.append("GRPC_PORT: must differ from HTTP_PORT")
    if strict:
        reader.demand_no_problem()
    return settings


def _subscriber(reader: _Reader, *, strict: bool) -> SubscriberSettings:
    settings = SubscriberSettings(
        listening=_listening(reader),
        broker=_broker(reader),
        health_stale=reader.milliseconds("HEALTH_STALE_MS", 3000, "ready without an answer"),
    )
    if strict:
        reader.demand_no_problem()
    return settings


def _listening(reader: _Reader) -> Listening:
    pod = reader.text("POD_NAME", "checkout", "named in events")
    return Listening(
        # A container's network is its own: who may reach it is a NetworkPolicy's matter.
        address=reader.text("BIND_ADDRESS", "0.0.0.0", "listened on"),  # noqa: S104
        http_port=reader.whole("HTTP_PORT", 8000, 1, _HIGHEST_PORT, "HTTP"),
        version=reader.text("VERSION", "v1", "said in answers and metrics"),
        instance=f"{pod}-{uuid.uuid4().hex[:8]}",
        log_level=reader.choice("LOG_LEVEL", "info", _LOG_LEVELS, "least that is logged"),
        stop_delay=reader.milliseconds("STOP_DELAY_MS", 2000, "not ready before it stops"),
        stop_timeout=reader.milliseconds("STOP_TIMEOUT_MS", 15_000, "for requests in flight"),
    )


def _broker(reader: _Reader) -> Broker:
    return Broker(
        url=reader.url("BROKER_URL", ("redis", "rediss"), "the Redis that carries events"),
        channel=reader.text("BROKER_CHANNEL", "checkout.orders", "events are published there"),
        timeout=reader.milliseconds("BROKER_TIMEOUT_MS", 500, "for one event"),
    )


class _Reader:
    """Reads variables one by one; collects what is wrong, and what each is for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []
        self.described: list[str] = []

    def demand_no_problem(self) -> None:
        if self.problems:
            lines = "\n".join(f"  {problem}" for problem in self.problems)
            raise SettingsError(f"{len(self.problems)} unusable setting(s):\n{lines}")

    def text(self, name: str, default: str, meaning: str) -> str:
        self._describe(name, default, meaning)
        return self._environ.get(name) or default

    def choice(self, name: str, default: str, allowed: tuple[str, ...], meaning: str) -> str:
        self._describe(name, default, f"{meaning}: {', '.join(allowed)}")
        value = (self._environ.get(name) or default).lower()
        if value not in allowed:
            self.problems.append(f"{name}: got {value!r}, expected one of {', '.join(allowed)}")
        return value

    def url(self, name: str, schemes: tuple[str, ...], meaning: str) -> str:
        """A URL that is required. Its value is in no message: it may hold a password."""
        expected = f"expected {schemes[0]}://[USER:PASSWORD@]HOST[:PORT]/..."
        self._describe(name, "required", meaning)
        value = self._environ.get(name, "")
        if not value:
            self.problems.append(f"{name}: is not set, {expected}")
            return value
        try:
            parts = urlsplit(value)
            usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            self.problems.append(f"{name}: is no such URL, {expected}")
        return value

    def milliseconds(self, name: str, default: int, meaning: str) -> float:
        """A duration that people give in milliseconds, in seconds."""
        return self._number(name, default, 0, _HIGHEST_MS, meaning) / 1000

    def share(self, name: str, default: float, meaning: str) -> float:
        return self._number(name, default, 0, 1, meaning)

    def whole(self, name: str, default: int, lowest: int, highest: int, meaning: str) -> int:
        value = self._number(name, default, lowest, highest, meaning)
        if not value.is_integer():
            self.problems.append(f"{name}: got {value}, expected a whole number")
        return int(value)

    def _number(
        self, name: str, default: float, lowest: float, highest: float, meaning: str
    ) -> float:
        self._describe(name, str(default), meaning)
        given = self._environ.get(name)
        if not given:
            return float(default)
        try:
            value = float(given)
        except ValueError:
            value = float("nan")
        if not lowest <= value <= highest:  # also where it is not a number
            self.problems.append(
                f"{name}: got {given!r}, expected a number from {lowest} to {highest}"
            )
            return float(default)
        return value

    def _describe(self, name: str, default: str, meaning: str) -> None:
        self.described.append(f"  {name:<23} {default:<16} {meaning}")
