"""Decodes YAML, TOML and JSON files into values; unknown keys and bare numbers are refused."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Hashable
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar

import msgspec
import yaml

from harness.errors import InputError
from harness.model.codec import decode_path, from_json

Value = TypeVar("Value")


class _UniqueKeys(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice; YAML 1.2.2 section 3.2.1.3 forbids it, PyYAML
    silently keeps the last.
    """

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's
    ) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key `{key}` is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, kind: type[Value] | UnionType) -> Value:
    """The content of a YAML file as a value of `kind`.

    Raises InputError that names the file, the path within it, what was got and expected.
    """
    try:
        content = yaml.load(_text(path), Loader=_UniqueKeys)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {_one_line(str(error))}") from error
    return _convert(path, content, kind)


def read_toml(path: Path, kind: type[Value]) -> Value:
    """The content of a TOML file as a value of `kind`; raises InputError as `read_yaml`."""
    try:
        content = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    return _convert(path, content, kind)


def read_json(path: Path, kind: type[Value]) -> Value:
    """The content of a JSON file that the harness wrote; raises InputError as `read_yaml`."""
    try:
        return from_json(path.read_bytes(), kind)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error


def _convert(path: Path, content: object, kind: type[Value] | UnionType) -> Value:
    try:
        converted: Value = msgspec.convert(content, kind, dec_hook=decode_path)
    except msgspec.ValidationError as error:
        message = str(error)
        hint = None
        if "Expected `duration`, got" in message or "Invalid ISO8601 duration" in message:
            hint = "write the duration with its unit, in ISO 8601: PT5M, PT90S, P1D, P30D"
        raise InputError(f"{path}: {_at_path_first(message)}", hint=hint) from error
    return converted


def _at_path_first(message: str) -> str:
    """Msgspec's `problem - at `$.path`` as `$.path: problem`, the way compilers say it."""
    match = re.fullmatch(r"(?P<problem>.*) - at `(?P<where>.*)`", message, re.DOTALL)
    return f"{match['where']}: {match['problem']}" if match else f"$: {message}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
