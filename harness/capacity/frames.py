"""Puts what a load and what its cluster did on one clock: tables, and the points of pictures. Pure.

The only module that uses pandas. Times are seconds after the load's beginning, on the monotonic
clock of the machine that injected and looked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.model.autoscaling import QuotaUse, Resource, ScaledPod, Sighting, Usage
from harness.model.instant import NANOSECONDS_PER_SECOND, seconds
from harness.model.load_judgement import LoadPoint, ScalePoint
from harness.model.sample import Answer

Samples = npt.NDArray[Any]
"""Of harness.model.sample.DTYPE, in any order."""

LOAD = ("scheduled", "right", "wrong", "p50_s", "p95_s")
SCALE = ("wanted", "present", "ready", "endpoints", "cpu", "memory", "quota", "pending")

_ENDED = ("Succeeded", "Failed")


# --- the load --------------------------------------------------------------------------------


def load_frame(samples: Samples, lasts_s: float) -> pd.DataFrame:
    """The columns LOAD for each second of a load, by the second in which a request was due.

    A second without one has counts of 0 and no response times. `wrong` are errors to a user; what
    the generator did not send (UNSENT) is scheduled, and neither right nor wrong, nor timed.
    Response times are those of right answers and errors alike, by nearest rank (model.Latencies).
    """
    due = samples["intended"] // NANOSECONDS_PER_SECOND
    last = int(due.max()) + 1 if len(due) else 0
    index = pd.RangeIndex(max(last, ceil(lasts_s)), name="at_s")
    sent = samples["answer"] != Answer.UNSENT
    right = samples["answer"] == Answer.OK
    seconds_of = pd.DataFrame({"at_s": due, "right": right, "wrong": sent & ~right})
    counted = seconds_of.groupby("at_s").agg(
        scheduled=("right", "size"), right=("right", "sum"), wrong=("wrong", "sum")
    )
    frame = counted.reindex(index, fill_value=0).astype("int64")
    timed = pd.Series(
        (samples["ended"] - samples["intended"])[sent] / NANOSECONDS_PER_SECOND, index=due[sent]
    )
    for name, percent in (("p50_s", 50), ("p95_s", 95)):
        frame[name] = _nearest_rank(timed, percent).reindex(index)
    return frame


def _nearest_rank(timed: pd.Series[float], percent: int) -> pd.Series[float]:
    """For each index, the smallest that at least so many percent of its values do not exceed."""
    if timed.empty:
        return pd.Series(dtype="float64")
    ordered = timed.sort_values()
    groups = ordered.groupby(level=0)
    # In whole numbers: a share times a count may be a little more than it should be.
    rank = -(-percent * groups.transform("size") // 100)
    return ordered[(groups.cumcount() + 1 == rank).to_numpy()]


def load_points(samples: Samples, lasts_s: float) -> tuple[LoadPoint, ...]:
    """`load_frame` as the points of a picture, one for each second."""
    return tuple(
        LoadPoint(
            at_s=float(at_s),
            scheduled=int(scheduled),
            right=int(right),
            wrong=int(wrong),
            p50_s=_number(p50_s),
            p95_s=_number(p95_s),
        )
        for at_s, scheduled, right, wrong, p50_s, p95_s in load_frame(samples, lasts_s).itertuples()
    )


# --- the cluster -----------------------------------------------------------------------------


def scale_frame(sightings: Sequence[Sighting], began_ns: int) -> pd.DataFrame:
    """The columns SCALE for each look, at the middle of it; what was not read is NaN.

    `began_ns` is the load's beginning. Looks before it have negative times: what was there then.
    """
    index = pd.Index(
        [seconds((one.began_ns + one.ended_ns) // 2 - began_ns) for one in sightings],
        name="at_s",
        dtype="float64",
    )
    rows = [_row(one) for one in sightings]
    return pd.DataFrame(rows, index=index, columns=list(SCALE), dtype="float64")


def _row(look: Sighting) -> tuple[float | None, ...]:
    """SCALE of one look. Terminating pods and those that ended serve nobody."""
    pods = None
    if look.pods is not None:
        pods = [one for one in look.pods if not one.terminating and one.phase not in _ENDED]
    return (
        wanted(look),
        None if pods is None else len(pods),
        None if pods is None else sum(one.ready for one in pods),
        look.endpoints,
        _used(look, pods, Resource.CPU),
        _used(look, pods, Resource.MEMORY),
        None if look.quotas is None else fullest(look.quotas),
        None if pods is None else sum(one.phase == "Pending" for one in pods),
    )


def wanted(look: Sighting) -> int | None:
    """Replicas that its autoscaler wants, else those that its controller is to have where there is
    no autoscaler; None where that could not be read.
    """
    if look.autoscaler is not None:
        return look.autoscaler.desired
    return None if "autoscaler" in look.unread else look.replicas


def _used(look: Sighting, pods: Sequence[ScaledPod] | None, resource: Resource) -> float | None:
    return None if pods is None or look.usages is None else used(pods, look.usages, resource)


def used(pods: Sequence[ScaledPod], usages: Sequence[Usage], resource: Resource) -> float | None:
    """What all measured pods used of what they asked for: sum over sum, as the autoscaler has it
    (pkg/controller/podautoscaler/metrics/utilization.go, GetResourceUtilizationRatio).

    None where none was measured, or one of them asks for nothing: the autoscaler then fails.
    """
    by_name = {one.pod: one for one in usages}
    measured = [one for one in pods if one.name in by_name]
    asked = 0.0
    for pod in measured:
        for container in pod.containers:
            if resource not in container.requests:
                return None
            asked += container.requests[resource]
    amount = sum(
        of_container.get(resource, 0.0)
        for pod in measured
        for of_container in by_name[pod.name].containers.values()
    )
    return amount / asked if asked else None


def fullest(quotas: Sequence[QuotaUse]) -> float | None:
    """The highest used / hard of all resources of all quotas; None: there is none. A hard limit of
    0 is left out: nothing can be a share of it.
    """
    return max(
        (
            one.used.get(resource, 0.0) / hard
            for one in quotas
            for resource, hard in one.hard.items()
            if hard > 0
        ),
        default=None,
    )


def scale_points(sightings: Sequence[Sighting], began_ns: int) -> tuple[ScalePoint, ...]:
    """`scale_frame` as the points of a picture, one for each look."""
    points = []
    for at_s, *row in scale_frame(sightings, began_ns).itertuples():
        numbers: Mapping[str, float | None] = dict(zip(SCALE, map(_number, row), strict=True))
        points.append(
            ScalePoint(
                at_s=float(at_s),
                wanted=_whole(numbers["wanted"]),
                present=_whole(numbers["present"]),
                ready=_whole(numbers["ready"]),
                endpoints=_whole(numbers["endpoints"]),
                cpu=numbers["cpu"],
                memory=numbers["memory"],
                quota=numbers["quota"],
                pending=_whole(numbers["pending"]),
            )
        )
    return tuple(points)


# --- both ------------------------------------------------------------------------------------


def on_one_clock(load: pd.DataFrame, scale: pd.DataFrame) -> pd.DataFrame:
    """Each second of a load beside the newest that was seen of the cluster by the second's end.

    Each column by itself: usages are read less often than pods. NaN before the first look.
    """
    ends = load.reset_index()
    ends["until_s"] = ends["at_s"] + 1.0
    looks = scale.sort_index().ffill().rename_axis("until_s").reset_index()
    return pd.merge_asof(ends, looks, on="until_s").set_index("at_s").drop(columns="until_s")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
