"""Puts numbers, times and objectives into words, alike in every renderer. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import assert_never

from harness.model.judgement import LedgerLoss, PhaseBar, RecoveredBy, RestoreSummary
from harness.model.quantity import show_bytes, show_duration
from harness.model.target import (
    AutoscalerRange,
    AutoscalerUtilization,
    Availability,
    BackupFrequency,
    Encryption,
    ErrorRate,
    Immutability,
    Integrity,
    Latency,
    Objective,
    QualityOfService,
    Quota,
    RecoveryPoint,
    RecoveryTime,
    Replicas,
    Replication,
    Retention,
    ScalingPeriod,
    TrafficSwitch,
    Volume,
)
from harness.model.verdict import Measure
from harness.report.configuration_wording import configuration, configuration_subject

NOT_MEASURED = "not measured"

# Everything that XML 1.0 (section 2.2, production [2] Char) forbids, the C1 controls, which
# terminals obey, and the characters that turn the direction of the text around them.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """`text` on one line, without what a terminal would obey or XML refuse.

    Object names, server messages and invariants come from outside: an escape sequence in one must
    not rewrite the line above it, nor a NUL make junit.xml unreadable.
    """
    return _UNPRINTABLE.sub("\ufffd", " ".join(text.splitlines()).replace("\t", " "))


def when(moment: datetime) -> str:
    """A moment in UTC to the second: `2026-11-24 01:02:03 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def duration(seconds: float) -> str:
    """Seconds as `0.42 s`, `47.3 s`, `5 min 0.4 s`, `2 h 3 min`.

    Finer than `show_duration` between a minute and an hour: 300.4 s against an RTO of 300 s is a
    miss, and must not read `5 min`.
    """
    if not 60 <= seconds < 3600:
        return show_duration(seconds)
    minutes, rest = divmod(round(seconds * 10), 600)
    if minutes == 60:
        return "1 h"
    return f"{minutes} min" if rest == 0 else f"{minutes} min {rest / 10:g} s"


def span(low: float, high: float) -> str:
    """Two bounds in seconds: `7.8..8.02 s`, `1 min 58.2..59.4 s`; one where they read alike."""
    first, last = duration(low), duration(high)
    if first == last:
        return last
    same_minute = low >= 60 and high < 3600 and low // 60 == high // 60
    if low >= 1 and high < 60:
        return f"{first.removesuffix(' s')}..{last}"
    if same_minute and first.endswith(" s"):
        return f"{first.removesuffix(' s')}..{last.split(' min ')[-1]}"
    return f"{first}..{last}"


def recovery_time(restore: RestoreSummary) -> str:
    """The RTA with its bounds; `> 10 min` where it was not recovered by then (censored)."""
    if restore.rta_low_s is None:
        return NOT_MEASURED
    if restore.rta_high_s is None:
        return f"> {duration(restore.rta_low_s)}"
    return span(restore.rta_low_s, restore.rta_high_s)


def after(seconds: float) -> str:
    """A time after the fault; what is less than half a millisecond is at once."""
    return "0 s" if abs(seconds) < 0.0005 else duration(seconds)


def way_time(low_s: float | None, high_s: float | None) -> str:
    """A recovery time with its bounds; `> 1 min` where it was not back by itself by then."""
    if low_s is None:
        return NOT_MEASURED
    if high_s is None:
        return f"> {duration(low_s)}"
    return f"at most {duration(high_s)}" if low_s <= 0 else span(low_s, high_s)


def predicted(low_s: float | None, high_s: float | None) -> str:
    """`17 s to 34 s`, `never by itself`, `no outage`; `-` where nothing was predicted."""
    if low_s is None:
        return "-"
    if high_s is None:
        return "never by itself"
    if high_s == 0:
        return "no outage"
    return duration(high_s) if low_s == high_s else f"{_whole_zero(low_s)} to {duration(high_s)}"


def by_itself(by: RecoveredBy) -> str:
    """Whether it was back by itself, in a word or two; our rollback is never `yes`."""
    match by:
        case RecoveredBy.ITSELF:
            return "yes"
        case RecoveredBy.NO_OUTAGE:
            return "no outage"
        case RecoveredBy.ROLLBACK:
            return "no: our rollback"
        case RecoveredBy.NOTHING:
            return "no: never"
        case RecoveredBy.UNKNOWN:
            return "unknown"
        case _:
            assert_never(by)


def loss_of(loss: LedgerLoss | None) -> str:
    """`nothing, seen to 0.1 s`, `41 of 1,204 writes, RPA 3.2 s`; `-` where there is no ledger."""
    if loss is None:
        return "-"
    if loss.lost_records is None or loss.rpa_s is None:
        return NOT_MEASURED
    if not loss.lost_records:
        return f"nothing, seen to {duration(loss.rpa_s)}"
    of = "" if loss.acknowledged_records is None else f" of {loss.acknowledged_records:,}"
    return f"{loss.lost_records:,}{of} writes, RPA {duration(loss.rpa_s)}"


def loss_in_short(loss: LedgerLoss | None) -> str:
    """`none`, `41 (3.2 s)`: for a narrow column."""
    if loss is None:
        return "-"
    if loss.lost_records is None or loss.rpa_s is None:
        return NOT_MEASURED
    return f"{loss.lost_records:,} ({duration(loss.rpa_s)})" if loss.lost_records else "none"


def recovery_point(restore: RestoreSummary) -> str:
    """The RPA by time: `12.3 s`, `0 s`."""
    return NOT_MEASURED if restore.rpa_s is None else _whole_zero(restore.rpa_s)


def lost_writes(restore: RestoreSummary) -> str | None:
    """The RPA by count: `41 of 1,204 writes`; None where there is no ledger."""
    if restore.lost_records is None:
        return None
    if restore.acknowledged_records is None:
        return plural(restore.lost_records, "write")
    return f"{restore.lost_records:,} of {plural(restore.acknowledged_records, 'write')}"


def time_to_verified(restore: RestoreSummary) -> str:
    """From the fault to the end of the last verification level."""
    return "not verified" if restore.verified_s is None else duration(restore.verified_s)


def extent(bars: list[PhaseBar]) -> float:
    """Seconds from the first start to the last end of one or more bars."""
    return max(bar.end_s for bar in bars) - min(bar.start_s for bar in bars)


def amount(value: float, unit: str) -> str:
    """A number with its unit as a person reads it."""
    match unit:
        case "s":
            return _whole_zero(value)
        case "bytes":
            return show_bytes(value)
        case "1":
            return f"{value:.4g}"
        case _:
            return f"{_figure(value)} {unit}"


def measure(number: Measure) -> str:
    """`8.02 s (7.8..8.02 s)`: its bounds where they say more, and whether it is a prediction.

    A count's unit is left out where the name has it: `objects missing` is `37`.
    """
    if number.value is None:
        censored = number.low is not None and number.low > 0
        return f"> {_amount_named(number, number.low or 0.0)}" if censored else NOT_MEASURED
    text = _amount_named(number, number.value)
    if number.low is not None and number.high is not None and number.low < number.high:
        bounds = (
            span(number.low, number.high)
            if number.unit == "s"
            else f"{_amount_named(number, number.low)}..{_amount_named(number, number.high)}"
        )
        text = text if bounds == text else f"{text} ({bounds})"
    elif number.low is not None and number.high is None:
        text = f"> {_amount_named(number, number.low)}"
    return f"{text}, predicted" if number.predicted else text


def _amount_named(number: Measure, value: float) -> str:
    named = number.unit not in {"s", "bytes", "1"} and number.unit in number.name
    return _figure(value) if named else amount(value, number.unit)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() else f"{value:,.4g}"


def of_resource(value: float, resource: str) -> str:
    """An amount of a quota: `2.5` cores, `3 GiB`, `12` pods."""
    if "memory" in resource or "storage" in resource:
        return show_bytes(value)
    return f"{value:,.4g}"


def objective(promise: Objective) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """What a target promises, in a few words."""
    match promise:
        case RecoveryTime():
            return f"RTO: back within {show_duration(promise.at_most)}"
        case RecoveryPoint():
            return f"RPO: at most {show_duration(promise.at_most)} of writes lost"
        case BackupFrequency():
            late = show_duration(promise.grace)
            return f"a backup every {show_duration(promise.every)}, at most {late} late"
        case Retention(point_in_time=True):
            return f"any second of the last {show_duration(promise.at_least)} can be restored"
        case Retention():
            return f"backups reach back {show_duration(promise.at_least)}"
        case Encryption():
            return f"every object is encrypted with {promise.algorithm}"
        case Replication():
            behind = show_duration(promise.lag_at_most)
            return f"the replica region is whole, at most {behind} behind"
        case Immutability():
            return f"no backup can be deleted for {show_duration(promise.at_least)}"
        case Integrity():
            return "restored data is the data that was written"
        case Volume():
            return f"one instance holds up to {promise.size}"
        case Latency():
            return f"p{promise.percentile:g} of response times at most {_ms(promise.at_most)}"
        case ErrorRate():
            return f"at most {promise.at_most:.4g} of requests without a right answer"
        case Availability():
            return f"usable {promise.at_least * 100:.6g} % of the time"
        case AutoscalerRange():
            return f"an autoscaler from {promise.minimum} to {promise.maximum} replicas"
        case AutoscalerUtilization():
            return f"scaled to use {promise.percent} % of the requested {promise.resource}"
        case ScalingPeriod():
            return f"scaling {promise.direction}: {show_duration(promise.period)}"
        case Replicas():
            return f"{plural(promise.count, 'replica')} of each service in {promise.namespaces}"
        case Quota():
            where = promise.namespace or "all namespaces together"
            return f"{where}: up to {promise.cores:g} cores and {promise.memory}"
        case QualityOfService():
            return f"{promise.services} are {promise.qos}"
        case TrafficSwitch():
            return f"all traffic is with a new version within {show_duration(promise.at_most)}"
        case _:
            return configuration(promise)


def _ms(value: timedelta) -> str:
    return f"{value.total_seconds() * 1000:g} ms"


def subject_of(promise: Objective) -> str:
    """The name of a target for the headline: `recovery time`, `encryption`."""
    match promise:
        case (
            RecoveryTime()
            | RecoveryPoint()
            | BackupFrequency()
            | Encryption()
            | Volume()
            | Latency()
            | ErrorRate()
            | Availability()
            | AutoscalerRange()
            | AutoscalerUtilization()
            | ScalingPeriod()
            | Replicas()
            | Quota()
            | QualityOfService()
            | TrafficSwitch()
        ):
            return str(promise.__struct_config__.tag).replace("-", " ")
        case Retention():
            return "point-in-time retention" if promise.point_in_time else "retention"
        case Replication():
            return "cross-region replication"
        case Immutability():
            return "protection from deletion"
        case Integrity():
            return "data integrity"
        case _:
            return configuration_subject(promise)


def evidence(sequence_numbers: Iterable[int]) -> str:
    """Sequence numbers of history.jsonl, shortest form: `3, 7-9, 12`."""
    runs: list[tuple[int, int]] = []
    for number in sorted(set(sequence_numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def plural(count: int, noun: str) -> str:
    """`1 trial`, `2 trials`, `1,204 writes`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


_MASKED = {
    "secret": "secrets",
    "email": "e-mail addresses",
    "address": "IP addresses",
    "literal": "values in SQL",
}


def masked(counts: Mapping[str, int]) -> str:
    """What was masked in a run's logs and messages, and what was left as it was."""
    found = [f"{_MASKED.get(name, name)}: {count:,}" for name, count in counts.items() if count]
    said = (
        f"in logs and messages, {', '.join(found)}; a token is the same value in this run only"
        if found
        else "nothing: no secret and no personal data was recognised in logs and messages"
    )
    off = [words for name, words in _MASKED.items() if name not in counts]
    return f"{said}; switched off: {', '.join(off)}" if off else said


def listed(names: Iterable[str], most: int = 3) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 2 more`."""
    shown = list(names)
    if len(shown) > most + 1:
        shown = [*shown[:most], f"{len(shown) - most} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _whole_zero(seconds: float) -> str:
    return "0 s" if seconds == 0 else duration(seconds)
