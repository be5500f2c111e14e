"""Files → text: plain or gzip, told apart by content, with one clear error for whatever is wrong with the file."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from rulegen.errors import InputError

FilePath = str | os.PathLike[str]

GIB = 1 << 30
LIMIT = 4 * GIB  # of a stream of lines, unpacked
DOCUMENT_LIMIT = 64 << 20  # of a file that has to be held whole
MAX_LINE = 16 << 20
_BLOCK = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: FilePath, limit: int = LIMIT) -> Iterator[str]:
    """The lines of ``path`` without their ``\\n``, unpacked on the way, never held all at once.

    Raises InputError as :func:`read_text` does and for a line of more than ``MAX_LINE`` bytes, possibly after some
    lines have been given.
    """
    count = 0
    for block in read_whole_lines(path, limit):
        lines = decode(path, block.removesuffix(b"\n"), count + 1).split("\n")
        count += len(lines)
        yield from lines


def read_whole_lines(path: FilePath, limit: int = LIMIT) -> Iterator[bytes]:
    """The bytes of ``path`` cut behind line ends; only the last block may lack its ``\n``. Not yet decoded.

    Raises InputError as :func:`read_lines` does, but for what is not UTF-8.
    """
    rest, count = b"", 0
    for block in _blocks(path, limit):
        whole, newline, tail = block.rpartition(b"\n")
        if not newline:
            rest += block
            if len(rest) > MAX_LINE:
                raise InputError(f"{os.fspath(path)}:{count + 1}: a line of more than {_size(MAX_LINE)}")
            continue
        lines = rest + whole + newline
        count += lines.count(b"\n")
        rest = tail
        yield lines
    if rest:
        yield rest


def read_text(path: FilePath, limit: int = DOCUMENT_LIMIT) -> str:
    """The whole of ``path`` as text, line ends and byte order mark as they are. gzip is unpacked.

    Raises InputError when the file is missing, empty, a directory, unreadable, a truncated or broken gzip, larger
    than ``limit`` bytes unpacked, or not UTF-8 (with the line).
    """
    return decode(path, b"".join(_blocks(path, limit)), 1)


def decode(path: FilePath, data: bytes, first_line: int) -> str:
    """``data``, which begins at ``first_line`` of ``path``, as text. Raises InputError for what is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        byte = data[error.start]
        raise InputError(f"{os.fspath(path)}:{line}: not UTF-8 text (byte 0x{byte:02x})") from None


def _blocks(path: FilePath, limit: int) -> Iterator[bytes]:
    name = os.fspath(path)
    size = 0
    try:
        for block in _unpacked(Path(path)):
            size += len(block)
            if size > limit:
                raise InputError(f"{name}: more than {_size(limit)} of text; cut the history into smaller files")
            yield block
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{name}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{name}: is a directory; a file is needed here") from None
    except PermissionError:
        raise InputError(f"{name}: no permission to read it") from None
    except EOFError:
        raise InputError(f"{name}: the gzip file is cut off; copy or download it again") from None
    except zlib.error as error:
        raise InputError(f"{name}: the gzip file is broken ({error}); copy or download it again") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the path
        raise InputError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not size:
        raise InputError(f"{name}: the file is empty")


def _unpacked(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        data = file.read(_BLOCK)
        if not data.startswith(_GZIP_MAGIC):
            while data:
                yield data
                data = file.read(_BLOCK)
            return
        # Not the gzip module: it wants a file that can seek, and `--metrics <(…)` is a pipe.
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while data:
            yield member.decompress(data, _BLOCK)
            if member.eof:  # another gzip member may follow; zero padding may end the file
                data = member.unused_data.lstrip(b"\0") or file.read(_BLOCK).lstrip(b"\0")
                if data:
                    member = zlib.decompressobj(zlib.MAX_WBITS | 16)
            else:
                data = member.unconsumed_tail or file.read(_BLOCK)
        if not member.eof:
            raise EOFError


def _size(count: int) -> str:
    return f"{count // GIB} GiB" if count >= GIB else f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"
