"""Shows Locust what an injector did, in blocks, so that its web page and CSV files say so.

For people who watch: Locust keeps two digits of a response time (locust.stats,
bucket_response_time). What is judged are the samples.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from locust import stats as locust_stats
from locust.stats import RequestStats, StatsEntry, StatsError

from harness.capacity.percentiles import Samples, response_s, sent
from harness.model.instant import Instant
from harness.model.sample import Answer


def show(
    statistics: RequestStats, method: str, name: str, samples: Samples, began: Instant
) -> None:
    """Adds samples to what Locust has counted; `began`: the zero of their times."""
    went = sent(samples)
    if not len(went):
        return
    failed = went[went["answer"] != Answer.OK]
    entry = _entry(statistics, method, name, went, failed, began)
    statistics.total.extend(entry)
    statistics.entries[(name, method)].extend(entry)
    for answer, count in zip(*np.unique(failed["answer"], return_counts=True), strict=True):
        error = Answer(answer).name
        key = StatsError.create_key(method, name, error)
        known = statistics.errors.setdefault(key, StatsError(method, name, error))
        known.occurrences += int(count)
        known.last_seen = entry.last_request_timestamp
        known.first_seen = known.first_seen or known.last_seen


def _entry(  # noqa: PLR0913 - what an entry is made of
    statistics: RequestStats,
    method: str,
    name: str,
    went: Samples,
    failed: Samples,
    began: Instant,
) -> StatsEntry:
    milliseconds = np.rint(response_s(went) * 1000).astype(np.int64)
    entry = StatsEntry(statistics, name, method)
    entry.num_requests = len(went)
    entry.num_failures = len(failed)
    entry.total_response_time = int(milliseconds.sum())
    entry.min_response_time = int(milliseconds.min())
    entry.max_response_time = int(milliseconds.max())
    for taken, count in zip(*np.unique(milliseconds, return_counts=True), strict=True):
        entry.response_times[locust_stats.bucket_response_time(int(taken))] += int(count)
    for second, count in _by_second(went, began).items():
        entry.num_reqs_per_sec[second] = count
    for second, count in _by_second(failed, began).items():
        entry.num_fail_per_sec[second] = count
    entry.last_request_timestamp = _wall_s(int(went["ended"].max()), began)
    return entry


def _by_second(samples: Samples, began: Instant) -> dict[int, int]:
    """Second of the epoch -> how many ended in it."""
    seconds = (samples["ended"] // 1000 + int(_wall_s(0, began) * 1_000_000)) // 1_000_000
    found, counts = np.unique(seconds, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _wall_s(after_ns: int, began: Instant) -> float:
    return (began.utc + timedelta(microseconds=after_ns // 1000)).timestamp()
