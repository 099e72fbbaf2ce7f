"""Ties each line that a target quotes to the line of a document that says it."""

from __future__ import annotations

import enum
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import msgspec

from harness.document.mapping import NO_MAPPING, DocumentMapping, sources
from harness.document.markdown import read_markdown
from harness.document.quantities import Quantity, quantities, without_quantities
from harness.document.statement import Document, Form, Statement, key_of, section_of, value_of
from harness.model.target import NoPromise, Source, Target


class State(enum.StrEnum):
    """What became of a quoted line."""

    FOUND = "found"
    CHANGED = "changed"
    """The same key, or the same words, in the same place, with something else."""

    REWORDED = "reworded"
    """The same numbers in the same place, written otherwise: `300 s` for `5 minutes`."""

    MOVED = "moved"
    """The same, in another section or below other keys."""

    GONE = "gone"
    AMBIGUOUS = "ambiguous"
    """Several lines of its place say it, and only one is meant."""


class Tie(msgspec.Struct, frozen=True, kw_only=True):
    """One quoted line, and where the document has it."""

    target: str
    source: Source
    quote: str
    state: State
    statements: tuple[Statement, ...] = ()
    """What says it; where it changed, what is there now."""

    @property
    def lines(self) -> tuple[int, ...]:
        """Of the document, from 1; none where it is gone."""
        return tuple(dict.fromkeys(one.line for one in self.statements))


class Renamed(msgspec.Struct, frozen=True, kw_only=True):
    """A section that is not in the document, while another says what targets quote of it."""

    section: str
    now: str
    line: int
    tied: int
    """How many quoted lines the other section says, of `quoted`."""

    quoted: int


class Ties(msgspec.Struct, frozen=True, kw_only=True):
    """All quoted lines of all targets."""

    ties: tuple[Tie, ...]
    renamed: tuple[Renamed, ...] = ()


def lines(document_text: str, targets: Iterable[Target]) -> dict[str, int]:
    """Target -> the line, from 1, of a document that says it; none for what is not found."""
    found: dict[str, int] = {}
    for one in tie(read_markdown(document_text), targets).ties:
        if one.state in (State.FOUND, State.MOVED) and one.lines:
            found.setdefault(one.target, one.lines[0])
    return found


def tie(
    document: Document, targets: Iterable[Target], mapping: DocumentMapping = NO_MAPPING
) -> Ties:
    """Ties all quoted lines.

    First each is looked for as it is quoted, where it is quoted from. What is not found is then
    looked for among the statements that no other quote has: the same key or words with another
    value, and the same in another place. So no line is said to have changed into one that
    is quoted itself.
    """
    asked = [
        (target.id, source, index, quote)
        for target in targets
        for source in sources(target, mapping)
        for index, quote in enumerate(source.lines)
    ]
    places = _Places(document)
    renamed = _renamed([(source, quote) for _, source, _, quote in asked], places, document)
    now = {one.section: one.now for one in renamed}
    exact = [
        places.saying(quote, now.get(source.section, source.section), source.under)
        for _, source, _, quote in asked
    ]
    used = {id(one) for hits in exact for one in hits}
    return Ties(
        ties=tuple(
            _tied(name, source, index, quote, hits, now)
            if hits
            else _missed(name, source, quote, places, used, now)
            for (name, source, index, quote), hits in zip(asked, exact, strict=True)
        ),
        renamed=renamed,
    )


def covered(
    document: Document, known: Iterable[NoPromise]
) -> tuple[frozenset[int], tuple[tuple[NoPromise, str], ...]]:
    """Which statements, by their place in the document, promise nothing; and which quotes of
    `known` the document does not say.
    """
    places = _Places(document)
    at = {id(one): index for index, one in enumerate(document.statements)}
    found: set[int] = set()
    stale: list[tuple[NoPromise, str]] = []
    for one in known:
        within = places.of(one.section)
        if not one.quotes:
            found.update(at[id(statement)] for statement in within)
            if not within:
                stale.append((one, ""))
        for quote in one.quotes:
            hits = places.saying(quote, one.section, None)
            found.update(at[id(statement)] for statement in hits)
            if not hits:
                stale.append((one, quote))
    return frozenset(found), tuple(stale)


def _tied(  # noqa: PLR0913 - a quote and what was found
    name: str,
    source: Source,
    index: int,
    quote: str,
    hits: tuple[Statement, ...],
    now: dict[str, str],
) -> Tie:
    state = State.MOVED if source.section in now else State.FOUND
    # The first quote is the target's own line; the further ones are "all that say so".
    if index == 0 and len({one.line for one in hits}) > 1:
        state = State.AMBIGUOUS
    return Tie(target=name, source=source, quote=quote, state=state, statements=hits)


def _missed(  # noqa: PLR0913 - a quote and where it may be
    name: str,
    source: Source,
    quote: str,
    places: _Places,
    used: set[int],
    now: dict[str, str],
) -> Tie:
    section = now.get(source.section, source.section)

    def left(found: Iterable[Statement]) -> tuple[Statement, ...]:
        return tuple(one for one in found if id(one) not in used)

    for state, found in (
        (State.CHANGED, left(places.like(quote, section, source.under))),
        (State.MOVED, left(places.anywhere(quote))),
    ):
        if found:
            same = state is State.CHANGED and all(_says_the_same(quote, one) for one in found)
            return Tie(
                target=name,
                source=source,
                quote=quote,
                state=State.REWORDED if same else state,
                statements=found,
            )
    return Tie(target=name, source=source, quote=quote, state=State.GONE)


def quoted_quantities(quote: str) -> tuple[Quantity, ...]:
    """The quantities of a quoted line: of its value, where it has a key."""
    asked = _quote(quote)
    match = _KEYED.fullmatch(re.sub(r"^-\s+", "", quote.strip()).replace("*", ""))
    return quantities(match["value"], match["key"]) if match else quantities(quote, asked.key)


def _says_the_same(quote: str, statement: Statement) -> bool:
    asked = _quote(quote)
    before, now = quoted_quantities(quote), quantities(statement.text, statement.key)
    return (
        bool(before)
        and len(before) == len(now)
        and all(
            one.same_number(other) and one.comparator is other.comparator
            for one, other in zip(before, now, strict=True)
        )
        and _words(asked.value) == _words(value_of(statement.text))
    )


def _words(text: str) -> str:
    """Without numbers, comparators' signs and what is in brackets."""
    bare = re.sub(r"\([^)]*\)", "", without_quantities(text))
    return " ".join(re.findall(r"[^\W_]+", bare))


class _Quote(msgspec.Struct, frozen=True):
    key: str
    """Empty: it has none."""

    value: str
    whole: str
    words: re.Pattern[str]
    like: re.Pattern[str] | None
    """Its words with any numbers; None: it says no number."""


_KEYED = re.compile(r"(?P<key>[^:]{1,80}?)\s*:\s+(?P<value>\S.*)")


@lru_cache(maxsize=4096)
def _quote(quote: str) -> _Quote:
    bare = re.sub(r"^-\s+", "", quote.strip())
    match = _KEYED.fullmatch(bare.replace("*", ""))
    template = without_quantities(value_of(bare))
    return _Quote(
        key=key_of(match["key"]) if match else "",
        # A comment is none of the value (YAML 1.2.2, section 6.6).
        value=value_of(re.sub(r"\s#.*$", "", match["value"])) if match else value_of(bare),
        whole=value_of(bare),
        words=_bounded(value_of(bare)),
        like=_bounded(template) if quantities(bare) and template.strip("# ") else None,
    )


def _bounded(words: str) -> re.Pattern[str]:
    """The words as such: `replicas: 1` is neither in `replicas: 10` nor in `min_replicas: 1`."""
    before = r"(?<![\w.])" if re.match(r"\w", words) else ""
    after = r"(?!\w|\.\d|%)" if re.search(r"\w$", words) else ""
    return re.compile(before + re.escape(words) + after)


class _Places:
    """The statements of a document, by where they are and what they say."""

    def __init__(self, document: Document) -> None:
        self._sections: dict[str, list[Statement]] = defaultdict(list)
        self._keys: dict[tuple[str, str], list[Statement]] = defaultdict(list)
        self._wholes: dict[str, list[Statement]] = defaultdict(list)
        self._headings = {_name(one.section) for one in document.headings}
        for one in document.statements:
            self._sections[_name(one.section)].append(one)
            for key in one.keys:
                self._keys[key, value_of(one.text)].append(one)
            if not one.keys:
                self._wholes[value_of(one.text)].append(one)

    def has(self, section: str) -> bool:
        """Whether the document has such a heading."""
        return _name(section) in self._headings

    def of(self, section: str) -> Sequence[Statement]:
        """All statements below a heading, or below several that are called the same."""
        return self._sections.get(_name(section), ())

    def saying(self, quote: str, section: str, under: str | None) -> tuple[Statement, ...]:
        """What says a quote in its place; where some are the quote, none that only contain it."""
        asked = _quote(quote)
        same, within = [], []
        for one in self._below(section, under):
            keys = one.keys
            if asked.key and keys:
                if asked.key in keys and value_of(one.text) == asked.value:
                    same.append(one)
            elif not keys and value_of(one.text) == asked.whole:
                same.append(one)
            elif asked.words.search(value_of(one.whole)):
                within.append(one)
        return tuple(same or within)

    def like(self, quote: str, section: str, under: str | None) -> tuple[Statement, ...]:
        """What has the key of a quote, or its words with other numbers, in its place."""
        asked = _quote(quote)
        if asked.key and (
            found := tuple(one for one in self._below(section, under) if asked.key in one.keys)
        ):
            return found
        if asked.like is None:
            return ()
        return tuple(
            one
            for one in self._below(section, under)
            if asked.like.search(without_quantities(value_of(one.whole)))
        )

    def anywhere(self, quote: str) -> tuple[Statement, ...]:
        """What is a quote, in any place."""
        asked = _quote(quote)
        if asked.key:
            return tuple(self._keys.get((asked.key, asked.value), ()))
        return tuple(self._wholes.get(asked.whole, ()))

    def _below(self, section: str, under: str | None) -> Iterator[Statement]:
        return (one for one in self.of(section) if under is None or _is_under(one, under))


def _is_under(statement: Statement, under: str) -> bool:
    path = ".".join(statement.path)
    if path == under or path.startswith(f"{under}."):
        return True
    # A table has no keys above its rows: one of its own is the last of those.
    return statement.form is Form.CELL and key_of(under.rpartition(".")[2]) in statement.keys


def _name(section: str) -> str:
    return " ".join(section_of(section).split()).casefold()


def _renamed(
    asked: Sequence[tuple[Source, str]], places: _Places, document: Document
) -> tuple[Renamed, ...]:
    """Sections that the document has not, with the one that says most of what is quoted of them:
    at least half, and more than any other.
    """
    quoted: dict[str, set[tuple[str, str | None]]] = defaultdict(set)
    for source, quote in asked:
        if not places.has(source.section):
            quoted[source.section].add((quote, source.under))
    lines = {one.section: one.line for one in reversed(document.headings)}
    found = []
    for section, quotes in quoted.items():
        votes = Counter(
            now
            for quote, _ in quotes
            for now in {one.section for one in places.anywhere(quote)}
            if now in lines
        )
        (now, tied), *others = votes.most_common(2) or [("", 0)]
        if 2 * tied >= len(quotes) and all(count < tied for _, count in others):
            found.append(
                Renamed(section=section, now=now, line=lines[now], tied=tied, quoted=len(quotes))
            )
    return tuple(found)
