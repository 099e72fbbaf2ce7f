"""Gives the JSON schemas of verdict.json and run.json, as kept in reports/schema/. Pure."""

from __future__ import annotations

import msgspec

from harness.model.judgement import Judgement
from harness.model.run import RunRecord

SCHEMAS: dict[str, type] = {"verdict.schema.json": Judgement, "run.schema.json": RunRecord}
"""File name in reports/schema/ -> what a file of that kind contains."""


def render_schema(name: str) -> bytes:
    """The JSON Schema (draft 2020-12) of one of SCHEMAS, indented, keys in one order."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **msgspec.json.schema(SCHEMAS[name]),
    }
    return msgspec.json.format(msgspec.json.encode(schema, order="deterministic"), indent=2) + b"\n"
