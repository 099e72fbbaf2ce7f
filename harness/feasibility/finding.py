"""What a rule found: the sum written out, what it rests on, how bad it is, and what to do."""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from harness.model.target import Source


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Word(enum.StrEnum):
    """What arithmetic says of some promises together. It says nothing of any one of them."""

    CONTRADICTION = "contradiction"
    """As they are documented they cannot all be kept, whatever is deployed."""

    TIGHT = "tight"
    """They can all be kept, but only under a condition that the document does not state."""

    HOLDS = "holds"
    """They were compared, and nothing stands against them."""


class Harm(enum.StrEnum):
    """What is lost first where nobody resolves it; the worst is first."""

    DATA = "data"
    """Acknowledged work is lost."""

    OUTAGE = "outage"
    """A recovery takes longer than promised, or a service does not work at all."""

    CAPACITY = "capacity"
    """Pods are refused, or a service does not grow as far as promised."""

    ROLLOUT = "rollout"
    """A deployment goes otherwise than promised."""

    SIGHT = "sight"
    """A fault or a missed promise is not seen."""

    DOCUMENT = "document"
    """Readers are misled; nothing breaks by itself."""


class Finding(_Value, frozen=True, kw_only=True):
    """Some promises, compared."""

    rule: str
    """`time-budgets-add`."""

    about: str
    """What tells it from the rule's other findings: `rto, rebuild from Git`."""

    word: Word
    says: str
    """One line for a person."""

    sum: str
    """What was compared, written out: `5 min + 30 min = 35 min > 5 min`."""

    targets: tuple[str, ...]
    """Ids of the targets that it rests on, in the order of the sum, each once."""

    harm: Harm
    times: float | None = None
    """How many times over the limit, where both are amounts; None: it is no matter of amounts."""

    why: str
    """Why that is so, with what is not in the document."""

    resolve: str
    """What would resolve it; empty where it holds."""

    assumes: tuple[str, ...] = ()
    """What it was read to mean, and what else would make it true."""

    sources: tuple[str, ...] = ()
    """Where facts that are not in the document are from."""

    telling: tuple[str, ...] = ()
    """Words by which the lines that matter are known among all of a target's: `cpu`."""

    @property
    def id(self) -> str:
        """Stable between two looks at the same document."""
        return f"{self.rule}/{self.about}".replace(" ", "-").replace(",", "")


class Examined(_Value, frozen=True, kw_only=True):
    """One rule, and all that it compared."""

    rule: str
    law: str
    """In one sentence."""

    needs: str
    """Which facts it compares."""

    findings: tuple[Finding, ...]

    @property
    def vacuous(self) -> bool:
        """Whether there was nothing to compare: then it found no contradiction, and no consistency
        either.
        """
        return not self.findings


class Quoted(_Value, frozen=True, kw_only=True):
    """A line of the document that a finding rests on."""

    target: str
    line: int | None
    """None: no document was given, or it does not say it any more."""

    text: str


class Feasibility(_Value, frozen=True, kw_only=True):
    """All that was compared."""

    examined: tuple[Examined, ...]
    sources: dict[str, tuple[Source, ...]] = {}
    """Target -> where the document says it."""

    lines: dict[str, tuple[Quoted, ...]] = {}
    """Target -> the lines that say it; none where no document was given."""

    grounds: tuple[str, ...] = ()
    """What was known beside the targets, and what was not: settings, measured rates."""

    def of(self, word: Word) -> tuple[Finding, ...]:
        """The findings of that word, the worst first."""
        return worst_first(
            one for rule in self.examined for one in rule.findings if one.word is word
        )

    @property
    def compared(self) -> int:
        """How many comparisons were made in all."""
        return sum(len(one.findings) for one in self.examined)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """By what is lost, then by how far it is beyond its limit, then by name."""
    harms = list(Harm)
    return tuple(
        sorted(findings, key=lambda one: (harms.index(one.harm), -(one.times or 0.0), one.id))
    )


def once(*ids: str | None) -> tuple[str, ...]:
    """Ids in their order, each once."""
    return tuple(dict.fromkeys(one for one in ids if one))
