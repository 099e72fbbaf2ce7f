"""Decides from sequence numbers which messages a subscriber never got."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_REMEMBERED = 1_000_000
"""Numbers per publisher that a late message can still fill in; further ones stay missing."""


@dataclass(slots=True)
class _Publisher:
    highest: int
    missing: set[int] = field(default_factory=set)


class Sequences:
    """Counts messages by publisher, each with numbers of its own.

    A publisher's first message that is seen is where counting starts: what was sent before is not
    lost. Messages may overtake each other, so a number is missing only until it comes. Messages
    lost at a publisher's end are not noticed: nothing follows that would show it.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.gaps = 0
        self.repeated = 0
        self._forgotten = 0
        self._publishers: dict[str, _Publisher] = {}

    @property
    def missing(self) -> int:
        """The messages that were sent and have not come."""
        return self._forgotten + sum(len(known.missing) for known in self._publishers.values())

    @property
    def publishers(self) -> int:
        """The processes that messages came from."""
        return len(self._publishers)

    def see(self, publisher: str, number: int) -> None:
        """A message came."""
        self.messages += 1
        known = self._publishers.get(publisher)
        if known is None:
            self._publishers[publisher] = _Publisher(number)
        elif number > known.highest:
            self._skip(known, number)
            known.highest = number
        elif number in known.missing:
            known.missing.remove(number)
        else:
            self.repeated += 1

    def _skip(self, known: _Publisher, number: int) -> None:
        skipped = range(known.highest + 1, number)
        if not skipped:
            return
        self.gaps += 1
        room = max(0, MOST_REMEMBERED - len(known.missing))
        known.missing.update(skipped[:room])
        self._forgotten += len(skipped[room:])
