"""Which quantities a text says: durations, sizes, cores, shares and plain numbers, in SI units."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from harness.model.quantity import bytes_of


class Measure(enum.StrEnum):
    """What is counted."""

    DURATION = "duration"
    """Seconds."""

    BYTES = "bytes"
    CORES = "cores"
    SHARE = "share"
    """Of one: 5 % is 0.05."""

    NUMBER = "number"
    """No unit is written."""


class Comparator(enum.StrEnum):
    """How the text limits it."""

    AT_MOST = "at-most"
    """`<` and `<=` alike: no measurement tells one from the other."""

    AT_LEAST = "at-least"
    ABOUT = "about"
    EXACTLY = "exactly"


class Quantity(msgspec.Struct, frozen=True, kw_only=True):
    """One number of a text with its unit."""

    measure: Measure
    value: float
    """In seconds, bytes, cores, of one, or as it is written."""

    comparator: Comparator = Comparator.EXACTLY
    unit: str = ""
    """As it is written; empty: none is, or the key names it (`periodSeconds`)."""

    def same_number(self, other: Quantity) -> bool:
        """Whether both are the same amount, however they are written."""
        return self.measure is other.measure and abs(self.value - other.value) <= 1e-9 * max(
            abs(self.value), abs(other.value)
        )


_DAY = 86_400
_UNITS = {
    "%": (Measure.SHARE, 0.01),
    "percent": (Measure.SHARE, 0.01),
    "core": (Measure.CORES, 1),
    "vcpu": (Measure.CORES, 1),
    "vCPU": (Measure.CORES, 1),
    "cpu": (Measure.CORES, 1),
    "millicore": (Measure.CORES, 0.001),
    "B": (Measure.BYTES, 1),
    "byte": (Measure.BYTES, 1),
    "ms": (Measure.DURATION, 0.001),
    "millisecond": (Measure.DURATION, 0.001),
    "s": (Measure.DURATION, 1),
    "sec": (Measure.DURATION, 1),
    "second": (Measure.DURATION, 1),
    "m": (Measure.DURATION, 60),
    "min": (Measure.DURATION, 60),
    "minute": (Measure.DURATION, 60),
    "h": (Measure.DURATION, 3600),
    "hr": (Measure.DURATION, 3600),
    "hour": (Measure.DURATION, 3600),
    "d": (Measure.DURATION, _DAY),
    "day": (Measure.DURATION, _DAY),
    "w": (Measure.DURATION, 7 * _DAY),
    "week": (Measure.DURATION, 7 * _DAY),
    # A month and a year have no one length: the longest, as nobody is late within it.
    "month": (Measure.DURATION, 31 * _DAY),
    "quarter": (Measure.DURATION, 92 * _DAY),
    "year": (Measure.DURATION, 366 * _DAY),
}
"""In small letters and without the `s` of several, but for signs of one or two letters."""

_CYCLES = {
    "hourly": "hour",
    "daily": "day",
    "nightly": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
    "annually": "year",
}
_SIZE = re.compile(r"(?P<suffix>[KMGTP]i|[kKMGTP])(?P<byte>B?)")

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?!\d|\.\d|,\d{3})"
# Not within a name (AES-256, HTTP/2, wave_0, redis:7), an address or a version of three parts.
_START = r"(?<![\w.])(?<![A-Za-z][-/:])(?<!\d[/:])"
_QUANTITY = re.compile(
    rf"{_START}(?P<number>{_NUMBER})(?P<unit>\s?%|\s?[A-Za-z]+(?!\w))?(?P<plus>\+)?(?![\w])"
)
_RANGE = re.compile(r"\s*(?:-|\u2013|to|\.\.\.?)\s*")
_BEFORE = {
    Comparator.AT_MOST: r"<=?|≤|at most|up to|max(?:imum|\.)?(?: of)?|no more than|not more than"
    r"|within|under|below|less than|fewer than",
    Comparator.AT_LEAST: r">=?|≥|at least|min(?:imum|\.)?(?: of)?|no less than|no fewer than"
    r"|more than|over|above",
    Comparator.ABOUT: r"~|≈|about|around|circa|approximately|approx\.?",
}
_COMPARATORS = {
    name: re.compile(rf"(?:^|[^\w])(?:{words})\s*$", re.IGNORECASE)
    for name, words in _BEFORE.items()
}
_CYCLE = re.compile(rf"(?<![\w-])(?P<word>{'|'.join(_CYCLES)})(?![\w-])", re.IGNORECASE)
_MONTHS = (
    "Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    "|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?"
)
_NO_QUANTITY = re.compile(
    rf"(?:{_MONTHS})\.? \d{{1,2}},? \d{{4}}|\d{{1,2}}\.? (?:{_MONTHS})\.? \d{{4}}"
    r"|\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{4}|\d{1,2}:\d\d(?::\d\d)?"
    r"|[A-Za-z][\w+.-]*://\S+|\]\([^)]*\)"
)
"""Dates, times of day, addresses and where links go: digits that are no amount."""

_KEY_UNIT = re.compile(r"(?P<unit>milliseconds|seconds|minutes|hours|days|ms)$", re.IGNORECASE)


def quantities(text: str, key: str = "") -> tuple[Quantity, ...]:
    """All quantities of a text, in their order.

    `key`: what the text is the value of. Only it tells whether `100m` is a tenth of a core
    (Kubernetes documentation, "CPU resource units") or 100 minutes, and that `periodSeconds: 10`
    is a duration. A size with `i` is binary, one without is decimal (IEC 80000-13): 100 GB is less
    than 100Gi.
    """
    if not text:
        return ()
    text = _NO_QUANTITY.sub(lambda found: " " * len(found[0]), text)
    return tuple(quantity for _, quantity in sorted(_found(text, key), key=lambda one: one[0]))


def _found(text: str, key: str) -> Iterator[tuple[int, Quantity]]:
    for match in _CYCLE.finditer(text):
        measure, seconds = _UNITS[_CYCLES[match["word"].casefold()]]
        yield (
            match.start(),
            Quantity(
                measure=measure,
                value=float(seconds),
                comparator=Comparator.AT_MOST,
                unit=match["word"],
            ),
        )
    matches = list(_QUANTITY.finditer(text))
    for index, match in enumerate(matches):
        written = (match["unit"] or "").strip()
        known = _unit(written, key)
        if known is None and written and match["unit"] == written:
            continue  # Letters at the digits that are no unit: a name, such as 3x.
        if known is None and index + 1 < len(matches):
            following = matches[index + 1]
            # "10 to 15 minutes": the first has the unit of the second.
            if _RANGE.fullmatch(text[match.end("number") : following.start()]):
                written = (following["unit"] or "").strip()
                known = _unit(written, key)
        measure, factor = known or _of_key(key)
        before = text[max(0, match.start() - 20) : match.start()]
        yield (
            match.start(),
            Quantity(
                measure=measure,
                # Exact until the end: 99.9 % is the float that 0.999 is.
                value=float(Decimal(match["number"].replace(",", "")) * Decimal(str(factor))),
                comparator=Comparator.AT_LEAST if match["plus"] else _comparator(before),
                unit=written if known else "",
            ),
        )


def _unit(written: str, key: str) -> tuple[Measure, float] | None:
    """What a unit counts, and how many of it one is."""
    if written == "m" and "cpu" in key.casefold():
        return Measure.CORES, 0.001
    if size := _SIZE.fullmatch(written):
        # Networks and disks write KB and GB; Kubernetes writes k and G: both are decimal.
        suffix = "k" if size["suffix"] == "K" else size["suffix"]
        return Measure.BYTES, float(bytes_of(f"1{suffix}"))
    if written in _UNITS:
        return _UNITS[written]
    return _UNITS.get(written.casefold().removesuffix("s")) if len(written) > 2 else None


def _of_key(key: str) -> tuple[Measure, float]:
    if found := _KEY_UNIT.search(key):
        known = _unit(found["unit"].casefold(), "")
        if known is not None:
            return known
    return (Measure.CORES, 1.0) if key.casefold() in ("cpu", "cores") else (Measure.NUMBER, 1.0)


def _comparator(before: str) -> Comparator:
    for name, pattern in _COMPARATORS.items():
        if pattern.search(before):
            return name
    return Comparator.EXACTLY


def without_quantities(text: str) -> str:
    """The words of a text, in small letters, with `#` for each amount: what stays when only a
    number changes. Comparators are words and stay.
    """
    text = _CYCLE.sub("#", text)
    text = _QUANTITY.sub(_mark, text)
    return " ".join(text.casefold().split())


def _mark(found: re.Match[str]) -> str:
    written = found["unit"] or ""
    return "# " if _unit(written.strip(), "cpu") else f"#{written}"
