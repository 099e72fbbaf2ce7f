"""Lists of the same things must name the same things: namespaces, services, environments, ports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from harness.feasibility.finding import Finding, Harm, Word, once
from harness.feasibility.ground import Ground
from harness.model.configuration import (
    ContainerPorts,
    DaprAnnotations,
    HealthProbe,
    Namespace,
    NamespacePattern,
    RepositoryLayout,
    Services,
    SyncPolicy,
    SyncWave,
)

RULE = "lists-agree"
LAW = "Two lists of the same things name the same things, as many as are counted."
NEEDS = (
    "services listed twice or counted, namespaces with a pattern of their names, environments with "
    "a repository's layout, or ports that are opened and asked"
)

_SERVICE = "{service}"
_CALLED = (
    {"dev", "development"},
    {"test", "testing"},
    {"stage", "staging"},
    {"prod", "production"},
)
"""What environments are called in short and in full. By beginnings `product` would be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a place of the document names, all of it."""

    name: str
    """`namespaces`."""

    members: frozenset[str]
    targets: tuple[str, ...]


def agree(one: Listing, other: Listing) -> Finding:
    """Two lists of the same things."""
    missing_there, missing_here = one.members - other.members, other.members - one.members
    word = Word.CONTRADICTION if missing_here or missing_there else Word.HOLDS
    parts = [
        f"{left.name} alone name {', '.join(sorted(missing))}"
        for left, missing in ((one, missing_there), (other, missing_here))
        if missing
    ]
    return Finding(
        rule=RULE,
        about=f"{one.name}, {other.name}",
        word=word,
        says="; ".join(parts) or f"{one.name} and {other.name} name the same services",
        sum=f"{len(one.members)} in {one.name}, {len(other.members)} in {other.name}, "
        f"{len(one.members & other.members)} in both",
        targets=once(*one.targets, *other.targets),
        harm=Harm.OUTAGE if word is Word.CONTRADICTION else Harm.DOCUMENT,
        why="What no namespace has has no place to run, no quota and no policy; what no wave "
        "brings is not there after a rebuild from Git.",
        resolve="Name each service in both lists." if parts else "",
        assumes=("each list is whole",) if parts else (),
    )


def look(ground: Ground) -> Iterator[Finding]:
    """Each two lists, each count of a list and each pattern of its names."""
    namespaces = Listing(
        name="namespaces",
        members=frozenset(
            plain(name) for one in ground.said(Namespace) for name in one.objective.services
        ),
        targets=tuple(one.id for one in ground.said(Namespace)),
    )
    waves = Listing(
        name="sync waves",
        members=frozenset(
            plain(name) for one in ground.said(SyncWave) for name in one.objective.services
        ),
        targets=tuple(one.id for one in ground.said(SyncWave)),
    )
    if namespaces.members and waves.members:
        yield agree(namespaces, waves)
    yield from _counted(ground, namespaces, waves)
    yield from _patterns(ground)
    yield from _environments(ground)
    yield from _ports(ground)


def plain(name: str) -> str:
    """`Auth Service`, `auth-service` and `auth` are one."""
    return re.sub(r"[ -]service$", "", name.strip().lower())


def _counted(ground: Ground, *listings: Listing) -> Iterator[Finding]:
    named = frozenset().union(*(one.members for one in listings))
    if not named:
        return
    for count in ground.said(Services):
        documented = count.objective.count
        word = Word.HOLDS if len(named) == documented else Word.CONTRADICTION
        sign = "=" if word is Word.HOLDS else "<" if len(named) < documented else ">"
        yield Finding(
            rule=RULE,
            about=f"{count.id}, named",
            word=word,
            says=f"{documented} services are counted, {len(named)} are named",
            sum=" + ".join(f"{len(new)} {name}" for name, new in _new_ones(listings) if new)
            + f" = {len(named)} named {sign} {documented} counted",
            targets=once(count.id, *(target for one in listings for target in one.targets)),
            harm=Harm.DOCUMENT,
            times=documented / len(named) if len(named) < documented else None,
            why="A service that is counted and named nowhere has no namespace, no quota and no "
            "place in a rebuild; quotas are then sums over too few services.",
            resolve="" if word is Word.HOLDS else "Name all services, or correct the count.",
            assumes=("data stores and the platform's own programs count as services, too",)
            if len(named) < documented
            else (),
        )


def _new_ones(listings: tuple[Listing, ...]) -> Iterator[tuple[str, frozenset[str]]]:
    seen: frozenset[str] = frozenset()
    for one in listings:
        called = f"in {one.name}" if not seen else f"in {one.name} only"
        yield called, one.members - seen
        seen |= one.members


def _patterns(ground: Ground) -> Iterator[Finding]:
    """A namespace called after a service has that service in it."""
    for pattern in ground.said(NamespacePattern):
        if _SERVICE not in pattern.objective.pattern:
            continue
        before, _, after = pattern.objective.pattern.partition(_SERVICE)
        shape = re.compile(f"{re.escape(before)}(.+){re.escape(after)}")
        matching = [
            (one, matched[1])
            for one in ground.said(Namespace)
            if (matched := shape.fullmatch(one.objective.name))
        ]
        if not matching:
            continue
        wrong = [
            (one, name)
            for one, name in matching
            if plain(name) not in {plain(service) for service in one.objective.services}
        ]
        others = sorted({name for one, _ in matching for name in one.objective.services})
        yield Finding(
            rule=RULE,
            about=f"{pattern.id}, namespaces",
            word=Word.CONTRADICTION if wrong else Word.HOLDS,
            says=f"{pattern.objective.pattern} gives {before}{others[0] if others else ''}{after}; "
            f"documented is {', '.join(one.objective.name for one, _ in matching)}",
            sum=f"{len(matching)} namespaces of that ending hold {len(others)} services; "
            f"{len(wrong)} are called after none of theirs",
            targets=once(pattern.id, *(one.id for one, _ in matching)),
            harm=Harm.DOCUMENT,
            why="Quotas, policies and sync policies select namespaces by their names. Whoever "
            "follows the pattern makes namespaces that none of them selects.",
            resolve="A pattern of what the namespaces are called after, such as a domain; or a "
            "namespace for each service, with quotas and policies for each."
            if wrong
            else "",
        )


def _environments(ground: Ground) -> Iterator[Finding]:
    """What is synced from Git has its place wherever other environments have theirs."""
    layouts = ground.said(RepositoryLayout)
    policies = {_ending(one.objective.namespaces): one for one in ground.said(SyncPolicy)}
    policies.pop("", None)
    if not layouts or len(policies) < 2:  # with one alone nothing says what others would have
        return
    places: dict[str, set[str]] = {}
    for layout in layouts:
        for path in layout.objective.paths:
            for environment in policies:
                template = _template(path, environment)
                if template is not None:
                    places.setdefault(template, set()).add(environment)
    if not places:
        return
    for environment, policy in policies.items():
        missing = sorted(one for one, there in places.items() if environment not in there)
        if len(missing) == len(places):
            word = Word.CONTRADICTION
        else:
            word = Word.TIGHT if missing else Word.HOLDS
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        yield Finding(
            rule=RULE,
            about=f"{policy.id}, repository",
            word=word,
            says=f"{environment} has {len(places) - len(missing)} of the {len(places)} places "
            f"in Git that environments have" + (f"; it lacks {shown}" if missing else ""),
            sum=f"{len(places)} places - {len(missing)} without {environment} = "
            f"{len(places) - len(missing)}",
            targets=once(policy.id, *(one.id for one in layouts)),
            harm=Harm.OUTAGE,
            why="What is synced from Git is what Git has: an environment without a place there "
            "cannot be synced, nor be rebuilt from it.",
            resolve=f"Add {environment} to the documented layout, or say from where it is synced."
            if missing
            else "",
            assumes=("the documented layout is whole",) if missing else (),
        )


def _ending(glob: str) -> str:
    return glob.rpartition("-")[2] if "-" in glob else ""


def _template(path: str, environment: str) -> str | None:
    """A path with the environment's name taken out of it; None where it is not in it."""
    parts = re.split(r"([/.-])", path)
    found = [place for place, part in enumerate(parts) if _is_called(part, environment)]
    if not found:
        return None
    for place in found:
        parts[place] = "{environment}"
    return "".join(parts)


def _is_called(part: str, environment: str) -> bool:
    one, other = part.lower(), environment.lower()
    return one == other or any({one, other} <= same for same in _CALLED)


def _ports(ground: Ground) -> Iterator[Finding]:
    """What is asked on a port must listen there."""
    opened = ground.said(ContainerPorts)
    if not opened:
        return
    ports = {port for one in opened for port in one.objective.ports.values()}
    asked = [(one.id, one.objective.port) for one in ground.said(HealthProbe)]
    for one in ground.said(DaprAnnotations):
        given = one.objective.annotations.get("dapr.io/app-port", "")
        if given.isdigit():
            asked.append((one.id, int(given)))
    for target, port in asked:
        there = port in ports
        yield Finding(
            rule=RULE,
            about=f"{target}, ports",
            word=Word.HOLDS if there else Word.CONTRADICTION,
            says=f"port {port} is asked, {', '.join(map(str, sorted(ports)))} are opened",
            sum=f"{port} {'is' if there else 'is not'} one of {sorted(ports)}",
            targets=once(target, *(one.id for one in opened)),
            harm=Harm.OUTAGE,
            why="Where nothing listens, a probe fails and a sidecar waits for ever.",
            resolve="" if there else "Open the port, or ask one that is open.",
        )
