"""What the checkout service accepts as settings, and how it says what it does not."""

from __future__ import annotations

import importlib
import re

import pytest

settings = importlib.import_module("checkout.settings")

GOOD = {
    "DATABASE_URL": "postgresql://shop:hush@pg-primary:5432/shop",
    "REDIS_URL": "redis://redis:6379",
    "BROKER_URL": "redis://broker",
}


def problems(**changes: str) -> str:
    """What is said about good settings with these changes."""
    with pytest.raises(settings.SettingsError) as caught:
        settings.read_checkout({**GOOD, **changes})
    return str(caught.value)


def test_the_three_addresses_are_all_that_is_required() -> None:
    """With them the service is the normal version, on the documented ports."""
    read = settings.read_checkout(GOOD)
    assert (read.listening.http_port, read.grpc_port) == (8000, 9000)
    assert (read.behaviour.cpu, read.behaviour.delay, read.behaviour.error_rate) == (0, 0, 0)


def test_all_problems_are_told_at_once() -> None:
    """One line each, with what was expected."""
    with pytest.raises(settings.SettingsError) as caught:
        settings.read_checkout({"CHECKOUT_CPU_MS": "much", "LOG_LEVEL": "loud"})
    text = str(caught.value)
    for name in (*GOOD, "CHECKOUT_CPU_MS", "LOG_LEVEL"):
        assert f"  {name}: " in text
    assert text.startswith("5 unusable setting(s)")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHECKOUT_ERROR_RATE", "1.5"),
        ("CHECKOUT_ERROR_RATE", "nan"),
        ("CHECKOUT_DELAY_MS", "-1"),
        ("CHECKOUT_DELAY_MS", "inf"),
        ("DATABASE_POOL", "2.5"),
        ("DATABASE_POOL", "0"),
        ("HTTP_PORT", "70000"),
        ("GRPC_PORT", "8000"),
        ("HEALTH_INTERVAL_MS", "3000"),
    ],
)
def test_numbers_outside_their_range_are_refused(name: str, value: str) -> None:
    assert f"{name}: " in problems(**{name: value})


@pytest.mark.parametrize(
    "url", ["mysql://h/d", "pg-primary", "postgresql://", "postgresql://h:port/d"]
)
def test_what_is_no_url_of_the_database_is_refused(url: str) -> None:
    assert "DATABASE_URL: is no such URL" in problems(DATABASE_URL=url)


def test_no_password_is_shown() -> None:
    """Neither in a message nor where settings are printed."""
    assert "hush" not in problems(DATABASE_URL="mysql://shop:hush@h/d")
    assert "hush" not in repr(settings.read_checkout(GOOD))


def test_milliseconds_become_seconds() -> None:
    read = settings.read_checkout({**GOOD, "CHECKOUT_DELAY_MS": "400", "REDIS_TIMEOUT_MS": "250"})
    assert (read.behaviour.delay, read.redis_timeout) == (0.4, 0.25)


def test_an_empty_variable_is_as_good_as_none() -> None:
    """Templates leave them so."""
    assert settings.read_checkout({**GOOD, "HTTP_PORT": ""}).listening.http_port == 8000


def test_two_starts_are_two_publishers() -> None:
    """Each numbers its own events from one: the name must not come again."""
    names = {settings.read_checkout({**GOOD, "POD_NAME": "p"}).listening.instance for _ in "ab"}
    assert len(names) == 2
    assert all(name.startswith("p-") for name in names)


def test_the_subscriber_needs_the_broker_only() -> None:
    read = settings.read_subscriber({"BROKER_URL": "redis://broker"})
    assert read.broker.channel == settings.read_checkout(GOOD).broker.channel
    with pytest.raises(settings.SettingsError, match="BROKER_URL"):
        settings.read_subscriber({})


def test_help_names_every_variable_once() -> None:
    text = settings.usage("python -m checkout", settings.read_checkout)
    names = re.findall(r"^  ([A-Z_]+) ", text, re.MULTILINE)
    assert set(GOOD) <= set(names)
    assert len(names) == len(set(names))
