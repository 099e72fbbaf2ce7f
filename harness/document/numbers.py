"""Whether a target's objective has the numbers that the target itself quotes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec

from harness.document.quantities import Measure, Quantity, quantities
from harness.document.ties import quoted_quantities
from harness.model.configuration import Unmeasured
from harness.model.target import Target


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """A number that a target quotes, and its objective has not."""

    target: str
    quote: str
    quantity: Quantity


def disagreements(targets: Iterable[Target]) -> tuple[Disagreement, ...]:
    """All quoted numbers without their like in the objective.

    Not looked at: targets whose `note` says why they read the document otherwise; targets without
    a measurement; and `also`, which may say a part of what another target is about.
    """
    return tuple(
        Disagreement(target=one.id, quote=quote, quantity=quantity)
        for one in targets
        if one.source is not None and one.note is None
        if not isinstance(one.objective, Unmeasured)
        for quote in one.source.lines
        for quantity in quoted_quantities(quote)
        if not any(_same(quantity, other) for other in numbers(one.objective))
    )


def numbers(value: object, key: str = "") -> Iterator[Quantity]:
    """Every number of an objective, whatever kind it is."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from numbers(getattr(value, name), name)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from numbers(one, str(name))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from numbers(one, key)
    elif isinstance(value, timedelta):
        yield Quantity(measure=Measure.DURATION, value=value.total_seconds())
    elif isinstance(value, str):
        yield from quantities(value, key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield Quantity(
            measure=Measure.CORES if key == "cores" else Measure.NUMBER, value=float(value)
        )


def _same(quoted: Quantity, held: Quantity) -> bool:
    if quoted.measure is Measure.SHARE and held.measure is Measure.NUMBER:
        # Objectives keep shares of one (`at_most: 0.05`) or percents (`percent: 70`); of what is
        # lost or of what is left.
        held_as = (held.value, held.value / 100, 1 - held.value)
        return any(abs(quoted.value - one) < 1e-9 for one in held_as)
    return quoted.same_number(held)
