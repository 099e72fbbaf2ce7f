"""Says where another document than the targets' own has what they name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from harness.errors import InputError
from harness.model.target import NoPromise, Source, Target


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key with its value."""

    key: str
    section: str | None = None
    """None: anywhere."""


class DocumentMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping file."""

    headings: dict[str, str] = {}
    """Section of the targets -> the document's heading."""

    targets: dict[str, Source | tuple[Source, ...]] = {}
    """Target -> where the document says it, in place of all that the target names."""

    not_in_document: tuple[str, ...] = ()
    """Targets that the document does not promise, and need not."""

    no_promises: tuple[NoPromise, ...] = ()
    """Beside those of the targets."""

    reviewed: Place | None = None
    """When the document was read last; None: as it is usually called."""

    review_cycle: Place | None = None
    """How often it shall be read."""


NO_MAPPING = DocumentMapping()


def sources(target: Target, mapping: DocumentMapping) -> tuple[Source, ...]:
    """Where the document says a target, as the mapping has it."""
    if target.id in mapping.not_in_document:
        return ()
    named = mapping.targets.get(target.id)
    if named is not None:
        return named if isinstance(named, tuple) else (named,)
    return tuple(
        msgspec.structs.replace(one, section=_alias(one.section, mapping.headings))
        for one in target.sources
    )


def no_promises(known: Iterable[NoPromise], mapping: DocumentMapping) -> tuple[NoPromise, ...]:
    """What promises nothing, as the mapping has it."""
    return (
        *(
            msgspec.structs.replace(one, section=_alias(one.section, mapping.headings))
            for one in known
        ),
        *mapping.no_promises,
    )


def check_names(mapping: DocumentMapping, targets: Iterable[Target], where: str) -> None:
    """Raises InputError for a target that there is not: its place would be looked for by nobody."""
    known = {one.id for one in targets}
    for name in (*mapping.targets, *mapping.not_in_document):
        if name not in known:
            raise InputError(
                f"{where}: got target `{name}`, expected one of targets/",
                hint="harness targets list",
            )


def _alias(section: str, headings: Mapping[str, str]) -> str:
    return headings.get(section, section)
