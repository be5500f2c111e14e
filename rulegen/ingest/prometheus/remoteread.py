"""Raw samples by Prometheus' remote read, in streamed chunks: as they are stored, staleness markers included.

The request is a ``prometheus.ReadRequest``, the answer a stream of frames: length as uvarint, CRC-32C of the message
as four bytes big-endian, the message, a ``prometheus.ChunkedReadResponse`` (prompb/remote.proto, prompb/types.proto,
storage/remote/chunked.go).

The handful of protobuf fields is read here: four messages of fixed depth need no generated code, unknown fields are
skipped as protobuf wants, and nothing is built from bytes that were not checked. The request must be a Snappy block;
a block may hold its bytes as they are, which is enough for a few matchers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import google_crc32c
import promql_parser as ast

from rulegen.core.labels import Labels
from rulegen.core.series import Series
from rulegen.core.spans import Span
from rulegen.errors import Problem, UnsupportedError, UpstreamError
from rulegen.ingest.prometheus.connection import BROKEN, Connection
from rulegen.ingest.prometheus.failures import TooMuch, shown, unreachable
from rulegen.ingest.prometheus.matrix import Matrix
from rulegen.ingest.prometheus.xorchunk import decode
from rulegen.promql.needs import Matcher, matchers_of
from rulegen.promql.parse import parse

PATH = "/api/v1/read"
FRAME_LIMIT = 64 << 20  # bytes; Prometheus' default is 1 MiB (--storage.remote.read-max-bytes-in-frame)
SAMPLES_LIMIT = 20_000_000  # of one answer: chunks pack up to four samples into a byte, so bytes alone bound nothing
STREAMED = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Read-Version": "0.1.0",
    "Accept": "*/*",
}
_TYPES = {"=": 0, "!=": 1, "=~": 2, "!~": 3}  # LabelMatcher.Type
_STREAMED_XOR_CHUNKS = 1  # ReadRequest.ResponseType
_XOR, _HISTOGRAM, _FLOAT_HISTOGRAM = 1, 2, 3  # Chunk.Encoding
_VARINT, _BYTES = 0, 2  # wire types
_FIXED = {1: 8, 5: 4}  # wire type → bytes


class NotOffered(Exception):
    """The server does not answer remote read in streamed chunks, or not to this question: ask in another way."""


def offered(conn: Connection) -> bool:
    """Does the server have remote read, and does it give series the labels that queries give them?

    Asked without a query, which costs the server nothing. Remote read adds the server's external labels to every
    series (and rewrites matchers that name them), queries do not: only a server whose configuration shows none
    counts.
    """
    try:
        with conn.exchange("POST", PATH, body=request((), Span(0, 0)), headers=HEADERS) as answer:
            if answer.status != 200 or not _is_streamed(answer.headers):
                return False
        config = conn.ask("/api/v1/status/config").data
    except (*BROKEN, UpstreamError):
        return False  # what is wrong, the queries that follow will see and say
    text = config.get("yaml") if isinstance(config, dict) else None
    # Prometheus writes the configuration itself, in one style, and leaves the key out where there are none.
    return isinstance(text, str) and not re.search(r"^\s*[\"']?external_labels\b", text, re.MULTILINE)


def matchers(selector: str) -> tuple[Matcher, ...]:
    """What an instant vector selector without modifiers asks for. Raises NotOffered for all else."""
    try:
        tree = parse(selector)
        if isinstance(tree, ast.VectorSelector) and tree.offset is None and tree.at is None:
            return matchers_of(tree)
    except (ValueError, UnsupportedError):
        pass  # a query will be told by the server what is wrong with it
    raise NotOffered(selector)


def read_chunks(conn: Connection, wanted: tuple[Matcher, ...], span: Span) -> Matrix:
    """The series that match, with every sample in ``span`` and maybe more around it: a Series for each chunk.

    Native histograms are a problem of their series. Raises NotOffered, TooMuch where a shorter span may succeed, and
    UpstreamError for an answer that is not what it says it is.
    """
    found: list[Series] = []
    problems: dict[Problem, None] = {}
    samples = 0
    try:
        with conn.exchange("POST", PATH, body=request(wanted, span), headers=HEADERS) as answer:
            if answer.status != 200 or not _is_streamed(answer.headers):
                raise NotOffered(f"{answer.status}")
            for frame in frames(answer.blocks):
                for labels, chunks in _series(frame):
                    for kind, data in chunks:
                        if kind in (_HISTOGRAM, _FLOAT_HISTOGRAM):
                            named = shown(str(labels), conn.credentials)
                            message = f"{named}: holds native histograms, which are not read"
                            problems[Problem(conn.url, 0, message)] = None
                            continue
                        if kind != _XOR:
                            raise ValueError(f"a chunk of the unknown kind {kind}")
                        one = Series(labels, *decode(data))
                        samples += len(one.times)
                        if samples > SAMPLES_LIMIT:
                            raise TooMuch(f"{conn.url}: the answer holds more than {SAMPLES_LIMIT} samples")
                        found.append(one)
    except BROKEN as error:
        raise unreachable(conn.url, error) from None
    except ValueError as error:
        said = shown(str(error), conn.credentials)
        raise UpstreamError(f"{conn.url}{PATH}: answered chunks that cannot be read: {said}") from None
    return Matrix(tuple(found), samples, tuple(problems))


def request(wanted: Iterable[Matcher], span: Span) -> bytes:
    """A ReadRequest for ``wanted`` in ``span`` (nothing wanted: without a query), as one Snappy block."""
    matching = b"".join(
        _message(3, _number(1, _TYPES[one.op]) + _message(2, one.name.encode()) + _message(3, one.value.encode()))
        for one in wanted
    )
    query = _message(1, _number(1, span.start) + _number(2, span.end) + matching) if matching else b""
    body = query + _number(2, _STREAMED_XOR_CHUNKS)
    # Snappy, format description: the length, then one literal whose length minus one stands in four bytes.
    return _uvarint(len(body)) + b"\xfc" + (len(body) - 1).to_bytes(4, "little") + body


def frames(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The messages of a stream, however it is cut into ``blocks``. Raises ValueError where it is short or wrong."""
    buffer = bytearray()
    for block in blocks:
        buffer += block
        at = 0
        while (head := _head(buffer, at)) is not None and head[0] + head[1] <= len(buffer):
            start, length, checksum = head
            at = start + length
            frame = bytes(memoryview(buffer)[start:at])
            if google_crc32c.value(frame) != checksum:
                raise ValueError("the checksum of a frame is wrong")
            yield frame
        del buffer[:at]
    if buffer:
        raise ValueError("the last frame is not whole")


def _head(buffer: bytearray, at: int) -> tuple[int, int, int] | None:
    """(where the message starts, its length, its checksum); None where the bytes end before."""
    head = bytes(buffer[at : at + 10])
    if all(byte >= 128 for byte in head):  # the number goes on, or has not begun
        if len(head) == 10:
            raise ValueError("the length of a frame is no number")
        return None
    length, start = _read_varint(memoryview(head), 0)
    if length > FRAME_LIMIT:
        raise ValueError(f"a frame is larger than {FRAME_LIMIT >> 20} MiB")
    start += at
    if start + 4 > len(buffer):
        return None
    return start + 4, length, int.from_bytes(buffer[start : start + 4], "big")


def _series(frame: bytes) -> Iterator[tuple[Labels, list[tuple[int, memoryview]]]]:
    """Each ChunkedSeries of a ChunkedReadResponse: labels, and (kind, bytes) of its chunks."""
    for part in _parts(memoryview(frame), 1):
        labels: dict[str, str] = {}
        chunks: list[tuple[int, memoryview]] = []
        for number, value in _fields(part):
            if number == 1:
                pair = dict(_fields(_bytes(value)))
                name, text = (str(_bytes(pair.get(at, memoryview(b""))), "utf-8") for at in (1, 2))
                if name in labels:
                    raise ValueError("a series names a label twice")
                labels[name] = text
            elif number == 2:
                chunk = dict(_fields(_bytes(value)))
                chunks.append((_integer(chunk.get(3, 0)), _bytes(chunk.get(4, memoryview(b"")))))
        yield Labels(labels), chunks


def _parts(data: memoryview, wanted: int) -> Iterator[memoryview]:
    return (_bytes(value) for number, value in _fields(data) if number == wanted)


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a protobuf message: bytes as a view of them, all else as unsigned numbers."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _read_varint(data, at)
        elif wire in _FIXED:
            length = _FIXED[wire]
        else:
            raise ValueError(f"a message has a field of the unknown type {wire}")
        if length > len(data) - at:
            raise ValueError("a message ends within a field")
        inner = data[at : at + length]
        at += length
        yield number, inner if wire == _BYTES else int.from_bytes(inner, "little")


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("a message ends within a number")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a message holds a number of more than 64 bits")


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise ValueError("a message holds a number where bytes belong")
    return value


def _integer(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise ValueError("a message holds bytes where a number belongs")
    return value


def _number(number: int, value: int) -> bytes:
    return _uvarint(number << 3 | _VARINT) + _uvarint(value & (1 << 64) - 1)


def _message(number: int, body: bytes) -> bytes:
    return _uvarint(number << 3 | _BYTES) + _uvarint(len(body)) + body


def _uvarint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _is_streamed(headers: Mapping[str, str]) -> bool:
    said = [part.strip() for part in headers.get("content-type", "").split(";")]
    return all(part in said for part in STREAMED.split("; "))
