"""Puts faults of other tools on record, which no judge would otherwise know of (Chaos Mesh).

Their fault stands between two actions of ours: the first notes the time, the second has a witness.
What puts it back is theirs, too: their own rollback, and a duration that ends without us.
"""

from __future__ import annotations

from harness.chaos import context
from harness.chaos.activity import action
from harness.chaos.injector import Injector, current
from harness.chaos.targets import whole_number
from harness.drivers.kubernetes_objects import Object
from harness.errors import HarnessError, RefusedError

_began_ns: dict[str, int] = {}


@action
def fault_of_others_begins(subject: str) -> str:
    """Notes the time right before another tool breaks `subject` (`pod:shop/checkout`, ...)."""
    injector = current()
    context.require_guarded()
    _began_ns[subject] = injector.clock.monotonic_ns()
    return subject


@action
def fault_of_others_seen(  # noqa: PLR0913 - Chaos Toolkit passes each argument by its name
    subject: str,
    api_version: str,
    kind: str,
    name: str,
    namespace: str = "",
    condition: str = "AllInjected",
    within_s: int | str = 60,
) -> str:
    """Waits until an object of the API has a condition, and records the fault by it.

    Chaos Mesh says of each of its objects when all that it selected is broken, by the condition
    AllInjected (its manual, "Inspect Chaos Experiments"). Refused without `fault_of_others_begins`.
    """
    injector = current()
    if subject not in _began_ns:
        raise RefusedError(
            f"{subject}: nobody noted when its fault began, expected fault_of_others_begins before "
            "the other tool's action"
        )
    what = f"{kind} {namespace}/{name} {condition}"
    try:
        witnessed = injector.witnessed(
            _began_ns.pop(subject),
            lambda: _seen(injector, (api_version, kind, namespace, name), condition),
            within_s=whole_number("within_s", within_s),
            what=what,
        )
    except HarnessError:
        injector.record(subject, None)
        raise
    injector.record(subject, witnessed)
    return witnessed[1]


def _seen(injector: Injector, which: tuple[str, str, str, str], condition: str) -> str | None:
    found = injector.cluster.get_object(*which)
    if found is None or not _has(found, condition):
        return None
    return f"{which[1]} {which[2]}/{which[3]} is {condition}"


def _has(found: Object, condition: str) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(
        one.get("type") == condition and str(one.get("status")) == "True" for one in conditions
    )
