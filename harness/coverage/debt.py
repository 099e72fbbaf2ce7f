"""Chooses the drills that pay what is owed: the least time for all of it, the best one next. Pure.

What is owed is a weighted set cover: each target by one suite at least, each suite counted once,
the least time in all (Garey and Johnson, "Computers and Intractability", 1979, problem SP5). Suites
are few, so it is solved exactly, by branching on the target that the fewest suites answer and
bounding by the best choice so far: a greedy cover may grow when less is owed, and a debt must not.
The next drill is chosen greedily, by the most targets in an hour (Chvatal, "A Greedy Heuristic for
the Set-Covering Problem", Mathematics of Operations Research 4, 1979).
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta

import msgspec

from harness.model.coverage import Debt, Drill


def debt_of(owed: Sequence[str], drills: Sequence[Drill]) -> Debt:
    """What is owed, the cheapest drills that pay all of it that can be paid, and the next one."""
    payable = set(owed) & {target for drill in drills for target in drill.answers}
    chosen = by_ratio(payable, cheapest_cover(payable, drills))
    first = by_ratio(payable, drills)
    return Debt(
        owed=tuple(owed),
        takes=sum((drill.takes for drill in chosen), timedelta()),
        drills=chosen,
        next=first[0] if first else None,
        unpayable=tuple(target for target in owed if target not in payable),
    )


def cheapest_cover(owed: AbstractSet[str], drills: Sequence[Drill]) -> tuple[Drill, ...]:
    """The drills that together answer all of `owed` in the least time; of equals, the first.

    ValueError where one of `owed` is answered by none.
    """
    candidates = sorted(drills, key=lambda drill: (drill.takes, drill.command))
    found = _cover(frozenset(owed), _undominated(owed, candidates), None)
    if found is None:
        raise ValueError(f"no drill answers one of {sorted(owed)}")
    return found


def by_ratio(owed: AbstractSet[str], drills: Sequence[Drill]) -> tuple[Drill, ...]:
    """Drills in greedy order, the most still owed targets in an hour first, each with what it pays;
    without those that pay nothing more.
    """
    left, rest, order = set(owed), list(drills), []
    while left and rest:
        paying = [_paying(drill, left) for drill in rest]
        best = max(paying, key=lambda drill: (drill.per_hour, len(drill.pays)))
        if not best.pays:
            break
        del rest[paying.index(best)]
        left -= set(best.pays)
        order.append(best)
    return tuple(order)


def _paying(drill: Drill, owed: AbstractSet[str]) -> Drill:
    return msgspec.structs.replace(
        drill, pays=tuple(target for target in drill.answers if target in owed)
    )


def _undominated(owed: AbstractSet[str], drills: Sequence[Drill]) -> list[Drill]:
    """Without a drill that answers nothing more than one that takes no longer; cheapest first."""
    kept: list[Drill] = []
    for drill in drills:
        pays = owed & set(drill.answers)
        if pays and not any(pays <= set(other.answers) for other in kept):
            kept.append(drill)
    return kept


def _cover(
    owed: frozenset[str], drills: Sequence[Drill], below: timedelta | None
) -> tuple[Drill, ...] | None:
    """The cheapest cover that takes less than `below`; None: there is none."""
    if not owed:
        return ()
    hardest = min(
        owed, key=lambda target: (sum(target in drill.answers for drill in drills), target)
    )
    best: tuple[Drill, ...] | None = None
    for drill in drills:
        if hardest not in drill.answers or (below is not None and drill.takes >= below):
            continue
        left = None if below is None else below - drill.takes
        rest = _cover(owed - set(drill.answers), drills, left)
        if rest is not None:
            best = (drill, *rest)
            below = sum((one.takes for one in best), timedelta())
    return best
