"""Reads Markdown as statements: blocks of YAML, tables, lists, `**Key**: value`, prose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.document.quantities import quantities
from harness.document.statement import (
    Document,
    Form,
    Heading,
    Statement,
    Unread,
    section_of,
)
from harness.document.yaml_block import Block, read_lines, read_yaml_block

_YAML = ("", "yaml", "yml", "json")
_KEY = re.compile(
    r"(?:\*\*|__)(?P<bold>[^*_][^*]*?)(?::(?:\*\*|__)|(?:\*\*|__)\s*:)\s*(?P<told>\S.*)"
    r"|(?P<key>[^\W\d_][\w /()-]{0,40}?):\s+(?P<value>\S.*)"
)
_DEEPEST = 60
"""Levels of lists and quotations, two for each item: markdown-it reads each within the other, so
that its own stack is the limit.
"""

_ADDRESS = re.compile(r"\s{0,3}\[[^\]]+\]:\s")
"""Where a link goes (CommonMark 0.31, section 4.7): markdown-it keeps it out of the blocks."""

_SAYS = re.compile(r"[^\W_]")
_LINES = re.compile(r"\r\n|\r|\n")
"""What ends a line in Markdown (CommonMark 0.31, section 2.1): str.splitlines knows of more."""


def read_markdown(text: str) -> Document:
    """All statements of a document; what is read otherwise than it is written is named.

    Blocks are those of CommonMark with GitHub's tables; YAML at the very top is front matter.
    """
    lines = _LINES.split(text)
    reader = _Reader(lines)
    begin = reader.front_matter()
    # Lines are all that is needed: what is within them, emphasis and links, is not parsed.
    parser = MarkdownIt("commonmark").enable("table")
    parser.options["maxNesting"] = _DEEPEST
    parser.core.ruler.enableOnly(["normalize", "block"])
    # Blank lines in its place keep the numbers of the lines below.
    tokens = parser.parse("\n" * begin + "\n".join(lines[begin:]))
    reader.read(tokens)
    reader.name_unread(tokens, begin)
    return Document(
        statements=tuple(reader.statements),
        headings=tuple(reader.headings),
        unread=tuple(reader.unread),
        damaged=tuple(n for n, line in enumerate(lines, 1) if "\ufffd" in line),
    )


class _Reader:
    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        self._section = ""
        self.statements: list[Statement] = []
        self.headings: list[Heading] = []
        self.unread: list[Unread] = []

    def front_matter(self) -> int:
        """Reads YAML between `---` at the top; how many lines it has."""
        if self._lines[0].rstrip() != "---":
            return 0
        for end in range(1, len(self._lines)):
            if self._lines[end].rstrip() in ("---", "..."):
                block = read_yaml_block(self._lines[1:end], first=2, section="")
                if block.why:
                    return 0  # A rule, and text below it.
                self.statements += block.statements
                return end + 1
        return 0

    def read(self, tokens: Sequence[Token]) -> None:
        """Adds what each block says."""
        index = 0
        while index < len(tokens):
            token = tokens[index]
            if token.type == "heading_open":
                self._heading(token, tokens[index + 1])
                index += 1
            elif token.type == "fence":
                self._fence(token)
            elif token.type in ("code_block", "html_block"):
                self._other(token)
            elif token.type == "table_open":
                index = self._table(tokens, index)
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                index = self._list(tokens, index, ())
            elif token.type == "inline":
                self._paragraph(token)
            index += 1

    def name_unread(self, tokens: Sequence[Token], begin: int) -> None:
        """Names what is within no block: what is nested too deeply is left out without a word."""
        within = set(range(begin))
        for token in tokens:
            if token.type in ("inline", "fence", "code_block", "html_block"):
                within.update(range(*_range(token)))
        left = [
            index
            for index, line in enumerate(self._lines)
            if index not in within and _SAYS.search(line) and not _ADDRESS.match(line)
        ]
        for _, group in groupby(enumerate(left), key=lambda one: one[1] - one[0]):
            lines = [line for _, line in group]
            self.unread.append(
                Unread(
                    line=lines[0] + 1,
                    lines=len(lines),
                    why="it is nested too deeply",
                    instead="not at all",
                )
            )

    def _heading(self, token: Token, inline: Token) -> None:
        self._section = section_of(inline.content)
        self.headings.append(Heading(line=_line(token), section=self._section))
        # A heading is a statement where it has a number that is not its own.
        title = re.sub(r"^\W*\d+(?:\.\d+)*[.)]?\s+", "", inline.content)
        if quantities(title):
            self.statements.append(
                Statement(
                    line=_line(token),
                    section=self._section,
                    path=(),
                    text=title,
                    whole=inline.content.strip(),
                    form=Form.PROSE,
                    block=_line(token),
                )
            )

    def _fence(self, token: Token) -> None:
        first, end = _range(token)
        closed = end - first >= 2 and self._lines[end - 1].strip(" >").startswith(token.markup)
        lines = token.content.removesuffix("\n").split("\n")
        language = token.info.strip().split(" ")[0].casefold()
        if language in _YAML:
            block = read_yaml_block(lines, first=first + 2, section=self._section)
        else:
            block = read_lines(
                lines, first=first + 2, section=self._section, why=f"it is {language}, not YAML"
            )
        self._add(block, first + 1, end - first)
        if not closed:
            self.unread.append(
                Unread(
                    line=first + 1,
                    lines=end - first,
                    why=f"`{token.markup}` is never closed, so that all below it is taken for it",
                    instead=block.instead or "as YAML",
                )
            )

    def _other(self, token: Token) -> None:
        first, end = _range(token)
        why = "it is HTML" if token.type == "html_block" else "it is indented code"
        lines = self._lines[first:end]
        if token.type == "html_block" and re.fullmatch(
            r"\s*<!--.*-->\s*", "\n".join(lines), re.DOTALL
        ):
            return
        self._add(
            read_lines(lines, first=first + 1, section=self._section, why=why),
            first + 1,
            end - first,
        )

    def _add(self, block: Block, line: int, lines: int) -> None:
        self.statements += block.statements
        if block.why and block.statements:
            self.unread.append(Unread(line=line, lines=lines, why=block.why, instead=block.instead))

    def _table(self, tokens: Sequence[Token], index: int) -> int:
        headings: list[str] = []
        cells: list[str] = []
        in_head, begin = True, _line(tokens[index])
        while tokens[index].type != "table_close":
            token = tokens[index]
            if token.type == "thead_close":
                headings, in_head = cells, False
            elif token.type == "tr_open":
                cells, line = [], _line(token)
            elif token.type == "inline":
                cells.append(token.content.strip())
            elif token.type == "tr_close" and not in_head and cells:
                self._row(headings, cells, line, begin)
            index += 1
        return index

    def _row(self, headings: Sequence[str], cells: Sequence[str], line: int, begin: int) -> None:
        label = _bare(cells[0])
        for heading, cell in zip(headings[1:], cells[1:], strict=False):
            if _SAYS.search(cell):
                path = (label, _bare(heading))
                self.statements.append(
                    Statement(
                        line=line,
                        section=self._section,
                        path=path,
                        text=cell,
                        whole=f"{path[0]}, {path[1]}: {cell}",
                        form=Form.CELL,
                        block=begin,
                    )
                )

    def _list(self, tokens: Sequence[Token], index: int, path: tuple[str, ...]) -> int:
        close = tokens[index].type.replace("_open", "_close")
        level, begin, labels = tokens[index].level, _line(tokens[index]), path
        index += 1
        while not (tokens[index].type == close and tokens[index].level == level):
            token = tokens[index]
            if token.type == "list_item_open":
                labels = path
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                index = self._list(tokens, index, labels)
            elif token.type == "fence":
                self._fence(token)
            elif token.type == "table_open":
                index = self._table(tokens, index)
            elif token.type in ("code_block", "html_block"):
                self._other(token)
            elif token.type == "inline":
                for said in self._said(token, path, begin, Form.ITEM):
                    self.statements.append(said)
                    if labels == path:
                        labels = (
                            said.path if said.form is Form.SETTING else (*path, _bare(said.text))
                        )
            index += 1
        return index

    def _paragraph(self, token: Token) -> None:
        self.statements += self._said(token, (), _line(token), Form.PROSE)

    def _said(
        self, token: Token, path: tuple[str, ...], block: int, form: Form
    ) -> Iterator[Statement]:
        first = _line(token)
        for offset, line in enumerate(token.content.split("\n")):
            body = line.strip()
            if not _SAYS.search(body):
                continue
            match = _KEY.fullmatch(body)
            key = _bare(match["bold"] or match["key"]) if match else ""
            yield Statement(
                line=first + offset,
                section=self._section,
                path=(*path, key) if match else path,
                text=(match["told"] or match["value"]) if match else body,
                whole=self._lines[first + offset - 1].strip(),
                form=Form.SETTING if match else form if offset == 0 else Form.PROSE,
                block=block,
            )


def _bare(words: str) -> str:
    return re.sub(r"[*`]", "", words).strip().strip(":").strip()


def _range(token: Token) -> tuple[int, int]:
    if token.map is None:
        raise AssertionError(f"markdown-it gives every block its lines, but not {token.type}")
    return token.map[0], token.map[1]


def _line(token: Token) -> int:
    return _range(token)[0] + 1
