"""Amounts with a unit: Kubernetes quantities for sizes, ISO 8601 for durations. No bare number."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

# Suffixes of the Kubernetes quantity grammar (apimachinery, pkg/api/resource/quantity.go).
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_DECIMAL = {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<suffix>[KMGTP]i|[kMGTP])")


def bytes_of(size: str) -> int:
    """The bytes of a Kubernetes quantity such as `100Gi`; ValueError where the unit is missing."""
    match = _SIZE.fullmatch(size)
    if match is None:
        raise ValueError(f"got {size!r}, expected a size with its unit, such as 100Gi or 1.5Ti")
    return int(float(match["number"]) * (_BINARY | _DECIMAL)[match["suffix"]])


_AMOUNT = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))"
    r"(?:(?P<suffix>[KMGTPE]i|[numkMGTPE])|[eE](?P<exponent>[+-]?\d+))?"
)
_FRACTIONS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def amount_of(quantity: str | float) -> float:
    """The number that a quantity of the Kubernetes API is: cores, bytes or a count.

    `500m` is 0.5, `128Mi` 134217728, `1e3` and `1k` are 1000; a number of JSON is itself. The
    grammar is that of apimachinery, pkg/api/resource/quantity.go. ValueError for anything else.
    """
    if isinstance(quantity, int | float):
        return float(quantity)
    match = _AMOUNT.fullmatch(quantity)
    if match is None:
        raise ValueError(f"got {quantity!r}, expected a quantity such as 500m, 128Mi or 1e3")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    if suffix.endswith("i"):
        return float(number * 2 ** (10 * ("KMGTPE".index(suffix[0]) + 1)))
    # Exact until the end: 100m is the float that 0.1 is.
    return float(number.scaleb(int(match["exponent"] or _FRACTIONS[suffix])))


_SECONDS = {
    "y": 365 * 86400.0,
    "w": 7 * 86400.0,
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "µs": 1e-6,
    "ns": 1e-9,
}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ms|us|µs|ns|[ywdhms])")


def duration_s(text: str) -> float:
    """Seconds of a duration as programs of a cluster write it: `40s`, `1m30s`, `15d`.

    The units are those of Go (time.ParseDuration) and of Prometheus (documentation, Configuration,
    `duration`), whose year has 365 days. ValueError for anything else.
    """
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"got {text!r}, expected a duration such as 40s or 1m30s")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def show_bytes(count: float) -> str:
    """A byte count for a person: binary units, three significant digits."""
    for suffix in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or suffix == "TiB":
            return f"{count:.0f} {suffix}" if suffix == "B" else f"{count:.3g} {suffix}"
        count /= 1024
    raise AssertionError("unreachable: the last unit always returns")


def show_duration(duration: timedelta | float) -> str:
    """A duration for a person: `0.42 s`, `47.3 s`, `5 min 40 s`, `30 d`; a float is seconds."""
    total = duration.total_seconds() if isinstance(duration, timedelta) else duration
    if total < 0:
        return f"-{show_duration(-total)}"
    if total < 60:
        return f"{total:.2g} s" if total < 1 else f"{total:.3g} s"
    whole = round(total)
    parts = [(whole // 86_400, "d"), (whole // 3600 % 24, "h"), (whole // 60 % 60, "min")]
    parts.append((whole % 60, "s"))
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2])
