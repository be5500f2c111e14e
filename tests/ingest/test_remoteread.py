"""Remote read: chunks that survive a round trip, and servers that answer badly or not at all."""

from __future__ import annotations

import struct
from collections.abc import Callable

import google_crc32c
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from servers import Reply, Request, answering

from rulegen.core.series import STALE_BITS
from rulegen.core.spans import Span
from rulegen.errors import UpstreamError
from rulegen.ingest.prometheus import connect, fetch_samples
from rulegen.ingest.prometheus.remoteread import STREAMED, frames
from rulegen.ingest.prometheus.xorchunk import decode

SPAN = Span(0, 600_000)
BITS_64 = (1 << 64) - 1


def uvarint(value: int) -> bytes:
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def encode(times: list[int], values: list[int]) -> bytes:
    """tsdb/chunkenc/xor.go, slow and obvious: values as bit patterns, the stream as a text of 0 and 1."""
    bits, window = "", (-1, 0)
    for n, (time, value) in enumerate(zip(times, values, strict=True)):
        if n == 0:
            zigzag = (time << 1 ^ time >> 63) & BITS_64
            bits += "".join(f"{byte:08b}" for byte in uvarint(zigzag)) + f"{value:064b}"
            continue
        delta = time - times[n - 1]
        if n == 1:
            bits += "".join(f"{byte:08b}" for byte in uvarint(delta & BITS_64))
        else:
            change = delta - (times[n - 1] - times[n - 2])
            for prefix, size in (("10", 14), ("110", 17), ("1110", 20), ("1111", 64)):
                if change == 0:
                    bits += "0"
                    break
                if size == 64 or -((1 << (size - 1)) - 1) <= change <= 1 << (size - 1):
                    bits += prefix + f"{change & (1 << size) - 1:0{size}b}"
                    break
        xor = value ^ values[n - 1]
        if not xor:
            bits += "0"
            continue
        text = f"{xor:064b}"
        leading, trailing = min(31, len(text) - len(text.lstrip("0"))), len(text) - len(text.rstrip("0"))
        if 0 <= window[0] <= leading and trailing >= window[1]:
            bits += "10" + text[window[0] : 64 - window[1]]
        else:
            window = leading, trailing
            size = 64 - leading - trailing
            bits += f"11{leading:05b}{size & 63:06b}" + text[leading : 64 - trailing]
    bits += "0" * (-len(bits) % 8)
    return len(times).to_bytes(2, "big") + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


MOMENT = st.integers(-(1 << 61), 1 << 61) | st.integers(-(1 << 20), 1 << 20)
SPECIAL = [int(STALE_BITS), 0x7FF8000000000001, 0x7FF0 << 48, 0xFFF0 << 48, 1 << 63, 0]
VALUE = st.sampled_from(SPECIAL) | st.integers(0, BITS_64) | st.floats(width=32).map(lambda v: _pattern(v))


def _pattern(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


@given(st.lists(st.tuples(MOMENT, VALUE), max_size=60))
@settings(deadline=None)  # the first call compiles
def test_what_is_encoded_is_decoded(samples: list[tuple[int, int]]) -> None:
    """In any order of time, so that differences are negative too; NaN payloads are kept."""
    times, values = [time for time, _ in samples], [value for _, value in samples]
    found, patterns = decode(encode(times, values))
    assert found.tolist() == times
    assert patterns.view(np.uint64).tolist() == values


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_a_chunk_or_refused(data: bytes) -> None:
    try:
        times, values = decode(data)
    except ValueError as error:
        assert str(error).startswith("a chunk ")
    else:
        assert len(times) == len(values) == int.from_bytes(data[:2], "big")


def field(number: int, body: bytes | int) -> bytes:
    if isinstance(body, int):
        return uvarint(number << 3) + uvarint(body)
    return uvarint(number << 3 | 2) + uvarint(len(body)) + body


def series(data: bytes, kind: int = 1, name: bytes = b"m") -> bytes:
    labels = field(1, field(1, b"__name__") + field(2, name))
    return field(1, labels + field(2, field(1, 0) + field(2, 9) + field(3, kind) + field(4, data)))


def framed(message: bytes) -> bytes:
    return uvarint(len(message)) + google_crc32c.value(message).to_bytes(4, "big") + message


GOOD = framed(series(encode([1, 2, 700_000], [0, int(STALE_BITS), 0])))


def server(
    body: bytes, asked: list[Request] | None = None, config: str = "global: {}\n"
) -> Callable[[Request], Reply]:
    """Remote read answers ``body`` to every question but the first, which asks whether there is such a thing."""
    reads: list[int] = []

    def answer(request: Request) -> Reply:
        if asked is not None:
            asked.append(request)
        if request.path == "/api/v1/read":
            reads.append(1)
            return Reply(body if len(reads) > 1 else b"", headers={"Content-Type": STREAMED})
        if request.path == "/api/v1/status/config":
            return Reply('{"status":"success","data":{"yaml":"' + config.replace("\n", "\\n") + '"}}')
        return Reply('{"status":"success","data":{"resultType":"matrix","result":[]}}')

    return answer


def test_samples_are_cut_to_the_span_and_markers_kept() -> None:
    with answering(server(GOOD)) as url, connect(url) as conn:
        samples, problems = fetch_samples(conn, ["m"], SPAN)
    (one,) = samples
    assert problems == ()
    assert one.times.tolist() == [1, 2]
    assert one.values.view(np.uint64).tolist() == [0, int(STALE_BITS)]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (GOOD[:-1], "the last frame is not whole"),
        (b"\x80", "the last frame is not whole"),
        (b"\xff" * 20, "the length of a frame is no number"),
        (uvarint(1 << 40) + b"1234", "a frame is larger than 64 MiB"),
        (GOOD[:-1] + b"\x77", "the checksum of a frame is wrong"),
        (framed(b"\x0b"), "unknown type 3"),
        (framed(b"\x0a\x7f"), "a message ends within a field"),
        (framed(b"\x08\x01"), "a number where bytes belong"),
        (framed(series(b"", name=b"\xff")), "'utf-8' codec"),
        (framed(series(b"\xff\xff")), "a chunk ends before its last sample"),
        (framed(series(encode([2, 1], [0, 0]))), "times must increase strictly"),
        (framed(series(b"", kind=9)), "unknown kind 9"),
    ],
)
def test_a_bad_stream_is_one_line(body: bytes, said: str) -> None:
    with answering(server(body)) as url, connect(url) as conn, pytest.raises(UpstreamError) as caught:
        fetch_samples(conn, ["m"], SPAN)
    message = str(caught.value)
    assert message.startswith(f"{url}/api/v1/read: answered chunks that cannot be read: ")
    assert said in message
    assert message.isprintable()


def test_histograms_are_a_problem_of_their_series() -> None:
    with answering(server(framed(series(b"", kind=2)) + framed(series(b"", kind=3)))) as url, connect(url) as conn:
        samples, problems = fetch_samples(conn, ["m"], SPAN)
    assert len(samples) == 0
    assert problems[0].message == "m{}: holds native histograms, which are not read"


@pytest.mark.parametrize("status", [301, 400, 401, 404, 405, 415, 501, 503])
def test_without_remote_read_queries_are_asked(status: int) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        if request.path == "/api/v1/read":
            return Reply("", status, {"Location": "/elsewhere"})
        return Reply('{"status":"success","data":{"resultType":"matrix","result":[]}}')

    with answering(answer) as url, connect(url) as conn:
        fetch_samples(conn, ["m", "n"], SPAN)
    assert asked == ["/api/v1/read", "/api/v1/query", "/api/v1/query"]


def test_external_labels_mean_queries() -> None:
    """Remote read would add them to every series, queries do not."""
    asked: list[Request] = []
    with answering(server(GOOD, asked, "global:\n  external_labels:\n    replica: a\n")) as url, connect(url) as conn:
        fetch_samples(conn, ["m"], SPAN)
    assert [one.path for one in asked] == ["/api/v1/read", "/api/v1/status/config", "/api/v1/query"]
    assert asked[0].headers["X-Prometheus-Remote-Read-Version"] == "0.1.0"


def test_another_kind_of_answer_means_queries() -> None:
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        return Reply('{"status":"success","data":{"resultType":"matrix","result":[]}}')

    with answering(answer) as url, connect(url) as conn:
        fetch_samples(conn, ["m"], SPAN)
    assert asked == ["/api/v1/read", "/api/v1/query"]


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_frames_may_be_cut_anywhere(messages: list[bytes], size: int) -> None:
    stream = b"".join(map(framed, messages))
    assert list(frames(stream[at : at + size] for at in range(0, len(stream), size))) == messages
