"""Gives the JSON schemas of what others read, as kept in reports/schema/. Pure."""

from __future__ import annotations

import msgspec

from harness.model.judgement import Judgement
from harness.model.note import Note
from harness.model.notice import Notice
from harness.model.run import RunRecord
from harness.seal.statement import Statement

SCHEMAS: dict[str, type] = {
    "note.schema.json": Note,
    "notice.schema.json": Notice,
    "run.schema.json": RunRecord,
    "statement.schema.json": Statement,
    "verdict.schema.json": Judgement,
}
"""File name in reports/schema/ -> what it describes: a line of notes.jsonl, what a webhook is sent,
run.json, what a seal states, verdict.json.
"""


def render_schema(name: str) -> bytes:
    """The JSON Schema (draft 2020-12) of one of SCHEMAS, indented, keys in one order."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(SCHEMAS[name]),
    }
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2) + b"\n"
