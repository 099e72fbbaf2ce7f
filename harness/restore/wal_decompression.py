"""Decompresses one WAL file in memory, by the extension that an archiving tool gave it.

Zstandard and LZ4 by their C libraries, which pgBackRest itself is linked with; Python 3.11 has
neither.
"""

from __future__ import annotations

import bz2
import ctypes
import lzma
import zlib

from harness.errors import RestoreError

_LZ4_FRAME_VERSION = 100  # LZ4F_VERSION of lz4frame.h


def decompress(name: str, content: bytes, size_bytes: int) -> bytes:
    """The content of `name`, of at most `size_bytes`; as it is where its extension says nothing.

    Raises RestoreError where it is damaged or the C library is not installed.
    """
    try:
        if name.endswith(".gz"):
            return zlib.decompress(content, wbits=31)
        if name.endswith(".bz2"):
            return bz2.decompress(content)
        if name.endswith(".xz"):
            return lzma.decompress(content)
    except (zlib.error, lzma.LZMAError, OSError, ValueError) as error:
        raise RestoreError(f"WAL file {name}: cannot be decompressed: {error}") from error
    if name.endswith(".zst"):
        return _zstd(name, content, size_bytes)
    if name.endswith(".lz4"):
        return _lz4(name, content, size_bytes)
    if name.endswith(".snappy"):
        raise RestoreError(f"WAL file {name}: snappy is not read here")
    return content


def _zstd(name: str, content: bytes, size_bytes: int) -> bytes:
    library = _library("zstd")
    library.ZSTD_decompress.restype = ctypes.c_size_t
    library.ZSTD_getErrorName.restype = ctypes.c_char_p
    buffer = ctypes.create_string_buffer(size_bytes)
    code = library.ZSTD_decompress(
        buffer, ctypes.c_size_t(size_bytes), content, ctypes.c_size_t(len(content))
    )
    if library.ZSTD_isError(ctypes.c_size_t(code)):
        said = library.ZSTD_getErrorName(ctypes.c_size_t(code)).decode()
        raise RestoreError(f"WAL file {name}: cannot be decompressed: {said}")
    return buffer.raw[:code]


def _lz4(name: str, content: bytes, size_bytes: int) -> bytes:
    library = _library("lz4")
    library.LZ4F_decompress.restype = ctypes.c_size_t
    library.LZ4F_getErrorName.restype = ctypes.c_char_p
    context = ctypes.c_void_p()
    library.LZ4F_createDecompressionContext(ctypes.byref(context), _LZ4_FRAME_VERSION)
    buffer = ctypes.create_string_buffer(size_bytes)
    written, read = ctypes.c_size_t(size_bytes), ctypes.c_size_t(len(content))
    try:
        code = library.LZ4F_decompress(
            context, buffer, ctypes.byref(written), content, ctypes.byref(read), None
        )
    finally:
        library.LZ4F_freeDecompressionContext(context)
    if library.LZ4F_isError(ctypes.c_size_t(code)):
        said = library.LZ4F_getErrorName(ctypes.c_size_t(code)).decode()
        raise RestoreError(f"WAL file {name}: cannot be decompressed: {said}")
    if code:  # how many bytes it would still take
        raise RestoreError(f"WAL file {name}: cannot be decompressed: it is cut short")
    return buffer.raw[: written.value]


def _library(name: str) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(f"lib{name}.so.1")
    except OSError as error:
        raise RestoreError(
            f"lib{name}.so.1: no such program library, needed to read the archive's WAL",
            hint=f"apt-get install lib{name}*1",
        ) from error
