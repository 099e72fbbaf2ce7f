"""Reads a block of YAML as statements; where it is no YAML, line by line by its indentation."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

import msgspec
import yaml

from harness.document.statement import Form, Statement

# libyaml's parser where PyYAML was built with it: ten times as fast.
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DRAWN = re.compile(r"[\u2500-\u257f]")
"""Box drawing: trees of folders and pictures."""

_DEEPEST = 200
"""Levels of mappings and lists: libyaml's time grows with their square."""

_SAYS = re.compile(r"[^\W_]")
_KEY = re.compile(
    r"(?P<key>\"[^\"]*\"|'[^']*'|[^\s:#\[\]{},&*!|>%@`-][^:#]*?)\s*:(?:\s+(?P<value>.*))?"
)
_DASH = re.compile(r"-(?:\s+|$)")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A block's statements, and why they were not read as YAML; empty: they were."""

    statements: tuple[Statement, ...]
    why: str = ""
    instead: str = ""


def read_yaml_block(lines: Sequence[str], *, first: int, section: str) -> Block:
    """The statements of a block whose first line is line `first` of the document.

    A block that is drawn, or that is one text, is read line by line; one that libyaml refuses by
    its indentation, so that `error_rate: > 5%` is still a key with its value.
    """
    if any(map(_DRAWN.search, lines)):
        said = ["" if line.lstrip().startswith("#") else line for line in lines]
        return read_lines(said, first=first, section=section, why="it is drawn, not YAML")
    reader = _Events(lines, first, section)
    try:
        # A tab or a control character is what libyaml refuses as well; it names the place.
        for event in yaml.parse("\n".join(lines), Loader=_LOADER):
            reader.take(event)
            if reader.depth > _DEEPEST:
                raise yaml.YAMLError(f"it has more than {_DEEPEST} levels")  # noqa: TRY301
    except yaml.YAMLError as error:
        return Block(
            statements=tuple(_by_indentation(lines, first, section)),
            why=f"it is no YAML: {_problem(error, first)}",
            instead="by indentation",
        )
    if reader.is_text:
        return read_lines(lines, first=first, section=section, why="it has no key and no list")
    return Block(statements=tuple(reader.statements))


def read_lines(lines: Sequence[str], *, first: int, section: str, why: str) -> Block:
    """Each line that has a letter or a digit as a statement of its own."""
    return Block(
        statements=tuple(
            Statement(
                line=first + index,
                section=section,
                path=(),
                text=line.strip(),
                whole=line.strip(),
                form=Form.LINE,
                block=first,
            )
            for index, line in enumerate(lines)
            if _SAYS.search(line)
        ),
        why=why,
        instead="line by line",
    )


@runtime_checkable
class _Mark(Protocol):
    line: int
    column: int


class _Level(msgspec.Struct):
    """A mapping or a list that is not over yet."""

    path: tuple[str, ...]
    start: tuple[int, int]
    is_list: bool
    is_flow: bool
    begin: int
    """How many statements there were before it."""

    is_key: bool = False
    """Whether it stands where a key does: YAML allows that (`? [a, b]`)."""

    key: str | None = None
    """Of a mapping: the key whose value comes next."""

    count: int = 0
    holds_levels: bool = False


class _Events:
    """Makes statements of a parser's events. Nodes would be made by recursion, which libyaml's
    binding does without a limit: a line of `[` ends the process. An alias says nothing: what its
    anchor said is there already, and a few lines of them could say it a billion times.
    """

    def __init__(self, lines: Sequence[str], first: int, section: str) -> None:
        self._lines, self._first, self._section = lines, first, section
        self._levels: list[_Level] = []
        self.statements: list[Statement] = []
        self.is_text = False
        """Whether a document of it is one text, neither a mapping nor a list."""

    def take(self, event: yaml.Event) -> None:
        """Adds what one event says."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.AliasEvent):
            self._place("*")
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end(event)

    def _place(self, key: str) -> tuple[str, ...] | None:
        """The path of a value; None: it is a key."""
        if not self._levels:
            return ()
        level = self._levels[-1]
        if level.is_list:
            level.count += 1
            return (*level.path, str(level.count - 1))
        if level.key is None:
            level.key = key
            return None
        path, level.key = (*level.path, level.key), None
        return path

    def _start(self, event: yaml.CollectionStartEvent) -> None:
        path = self._place("?")
        above = self._levels[-1] if self._levels else None
        if above is not None:
            above.holds_levels = True
        self._levels.append(
            _Level(
                path=path if path is not None else (*(above.path if above else ()), "?"),
                start=_at(event.start_mark),
                is_list=isinstance(event, yaml.SequenceStartEvent),
                is_flow=bool(event.flow_style),
                begin=len(self.statements),
                is_key=path is None,
            )
        )

    def _end(self, event: yaml.CollectionEndEvent) -> None:
        level = self._levels.pop()
        is_short = (
            level.is_list
            and level.is_flow
            and not level.holds_levels
            and level.start[0] == _at(event.end_mark)[0]
        )
        # `[wave_0, wave_1]` is one value of its key.
        if is_short and level.path:
            del self.statements[level.begin :]
            line, begin = level.start
            text = self._lines[line][begin : _at(event.end_mark)[1]]
            self._add(line, level.path, text)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self.is_text |= not self._levels and bool(event.value)
        path = self._place(event.value)
        if path is None or not event.value:
            return
        (first, begin), (last, end) = _at(event.start_mark), _at(event.end_mark)
        if first == last:
            self._add(first, path, event.value)
            return
        # `|` and `>` stand a line above their text.
        for line in range(first + (event.style in ("|", ">")), min(last + 1, len(self._lines))):
            text = self._lines[line]
            text = text[begin if line == first else 0 : end if line == last else None].strip()
            if _SAYS.search(text):
                self._add(line, path, text, is_part=True)

    def _add(self, line: int, path: tuple[str, ...], text: str, *, is_part: bool = False) -> None:
        is_item = bool(self._levels) and self._levels[-1].is_list
        self.statements.append(
            Statement(
                line=self._first + line,
                section=self._section,
                path=path,
                text=text,
                whole=self._lines[line].strip(),
                form=Form.LINE if is_part else Form.ITEM if is_item else Form.SETTING,
                block=self._first,
            )
        )

    @property
    def depth(self) -> int:
        """How many mappings and lists are not over yet."""
        return len(self._levels)


def _at(mark: object) -> tuple[int, int]:
    """Line and column, from 0: PyYAML's two parsers have marks of their own."""
    if not isinstance(mark, _Mark):
        raise TypeError(f"PyYAML gives every event of a text its marks, got {mark!r}")
    return mark.line, mark.column


def _by_indentation(lines: Sequence[str], first: int, section: str) -> Iterator[Statement]:
    above: list[tuple[int, str]] = []
    counts: dict[tuple[str, ...], int] = {}
    for index, line in enumerate(lines):
        body = line.strip()
        if not _SAYS.search(body) or body.startswith("#"):
            continue
        depth = len(line.expandtabs()) - len(line.expandtabs().lstrip())
        is_item = False
        while len(above) < _DEEPEST and (dash := _DASH.match(body)):
            is_item = True
            # A list may stand as deep as its key (YAML 1.2.2, section 8.2.3).
            while above and (
                above[-1][0] > depth or (above[-1][0] == depth and above[-1][1].isdecimal())
            ):
                above.pop()
            path = tuple(key for _, key in above)
            counts[path] = counts.get(path, -1) + 1
            above.append((depth, str(counts[path])))
            body, depth = body[dash.end() :], depth + dash.end()
        if not is_item:
            while above and above[-1][0] >= depth:
                above.pop()
        path = tuple(key for _, key in above)
        match = _KEY.fullmatch(body)
        form, text = (Form.ITEM if is_item else Form.LINE), body
        if match:
            key = match["key"].strip("\"'")
            path, form = (*path, key), Form.SETTING
            text = re.sub(r"(?:^|\s+)#.*$", "", match["value"] or "").strip()
            text = text[1:-1] if re.fullmatch(r"\"[^\"]*\"|'[^']*'", text) else text
            above.append((depth, key))
        if text:
            yield Statement(
                line=first + index,
                section=section,
                path=path,
                text=text,
                whole=line.strip(),
                form=form,
                block=first,
            )


def _problem(error: yaml.YAMLError, first: int) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {first + error.problem_mark.line}: {error.problem}"
    return (
        "nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
    )
