"""Encodes and decodes the values as JSON, with paths as text and keys always in one order."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

Value = TypeVar("Value")


def decode_path(kind: type, value: object) -> object:
    """Msgspec's `dec_hook`: a path is its text."""
    if issubclass(kind, Path) and isinstance(value, str):
        return Path(value)
    raise NotImplementedError(f"no decoding of {kind}")


def encode_path(value: object) -> object:
    """Msgspec's `enc_hook`: a path is its text."""
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"no encoding of {type(value)}")


_encoder = msgspec.json.Encoder(enc_hook=encode_path, order="deterministic")


def to_json(value: object) -> bytes:
    """One line of JSON; equal values give equal bytes."""
    return _encoder.encode(value)


def to_indented_json(value: object) -> bytes:
    """JSON for people and for `diff`, ended by a line feed; equal values give equal bytes."""
    return msgspec.json.format(_encoder.encode(value), indent=2) + b"\n"


def from_json(content: bytes, kind: type[Value]) -> Value:
    """A value from JSON; raises msgspec.DecodeError or msgspec.ValidationError with the path."""
    return msgspec.json.decode(content, type=kind, dec_hook=decode_path)
