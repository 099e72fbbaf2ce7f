"""Recoveries that settings predict: ranges, and the sums that they are. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from harness.model.cluster_settings import Span


class UnpredictableError(Exception):
    """Nothing is predicted, for this reason; never shown as an error."""


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """From a fault until right answers last, in seconds."""

    low_s: float
    high_s: float | None
    """None: never by itself."""

    because: tuple[str, ...]

    def then(self, following: Recovery) -> Recovery:
        """Both, one after the other."""
        return Recovery(
            low_s=self.low_s + following.low_s,
            high_s=(
                None
                if self.high_s is None or following.high_s is None
                else self.high_s + following.high_s
            ),
            because=(*self.because, *following.because),
        )

    def at_worst(self, other: Recovery) -> Recovery:
        """From the one's least to the longer one's most: which of them comes, shows only then."""
        return Recovery(
            low_s=self.low_s,
            high_s=_longer(self.high_s, other.high_s),
            because=(*self.because, *other.because),
        )

    def saying(self, text: str) -> Recovery:
        """With another line, and the same range."""
        return msgspec.structs.replace(self, because=(*self.because, text))


def part(low_s: float, high_s: float, what: str) -> Recovery:
    """One part of a sum: `0 to 2 s: loop_wait`."""
    shown = f"{low_s:g} s" if low_s == high_s else f"{low_s:g} to {high_s:g} s"
    return Recovery(low_s=low_s, high_s=high_s, because=(f"{shown}: {what}",))


def part_of(span: Span, what: str) -> Recovery:
    """A setting as a part of a sum."""
    return part(span.low_s, span.high_s, f"{what} ({span.source})")


NEVER = "never by itself"


def never(why: str) -> Recovery:
    """Not before somebody puts it back."""
    return Recovery(low_s=0, high_s=None, because=(f"{NEVER}: {why}",))


def untouched(why: str) -> Recovery:
    """No outage."""
    return Recovery(low_s=0, high_s=0, because=(why,))


def together(recoveries: Sequence[Recovery]) -> Recovery:
    """All that must be back: the longest of each bound; untouched where there is none."""
    hit = [one for one in recoveries if one.high_s != 0]
    if not hit:
        return recoveries[0] if recoveries else untouched("nothing of it is hit")
    return Recovery(low_s=max(one.low_s for one in hit), high_s=_longest(hit), because=_lines(hit))


def either(recoveries: Sequence[Recovery]) -> Recovery:
    """One of them: the least of the lows, the most of the highs; at least one is needed."""
    if not recoveries:
        raise ValueError("expected one recovery or more to choose from")
    by_length = sorted(recoveries, key=_most, reverse=True)
    lows = {(one.low_s, one.high_s) for one in recoveries}
    lines = by_length[0].because
    if len(lows) > 1:
        lines = ("by what is hit; the longest:", *lines)
    return Recovery(
        low_s=min(one.low_s for one in recoveries),
        high_s=_longest(recoveries),
        because=lines,
    )


def _longest(recoveries: Sequence[Recovery]) -> float | None:
    highs = [one.high_s for one in recoveries]
    return None if None in highs else max(high for high in highs if high is not None)


def _longer(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else max(one, other)


def _most(one: Recovery) -> float:
    return float("inf") if one.high_s is None else one.high_s


def _lines(recoveries: Sequence[Recovery]) -> tuple[str, ...]:
    """Those of what takes longest first, each once."""
    by_length = sorted(recoveries, key=_most, reverse=True)
    return tuple(dict.fromkeys(line for one in by_length for line in one.because))
