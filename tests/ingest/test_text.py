from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rulegen.errors import InputError
from rulegen.ingest import text
from rulegen.ingest.text import read_lines, read_text

PACKED = gzip.compress(b"first\nsecond\n")

BAD_FILES = {
    "empty": (b"", "{path}: the file is empty"),
    "empty-gzip": (gzip.compress(b""), "{path}: the file is empty"),
    "latin-1": (b"one\ntw\xe9\n", "{path}:2: not UTF-8 text (byte 0xe9)"),
    "cut-utf8": ("one\ntw€".encode()[:-1], "{path}:2: not UTF-8 text (byte 0xe2)"),
    "cut-gzip": (PACKED[:-9], "{path}: the gzip file is cut off; copy or download it again"),
    "cut-gzip-checksum": (PACKED[:-1], "{path}: the gzip file is cut off; copy or download it again"),
    "cut-gzip-header": (PACKED[:5], "{path}: the gzip file is cut off; copy or download it again"),
    "broken-gzip": (
        PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:],
        "{path}: the gzip file is broken (Error -3 while decompressing data: incorrect data check); "
        "copy or download it again",
    ),
}


@pytest.fixture(params=[read_text, lambda path, **more: list(read_lines(path, **more))], ids=["text", "lines"])
def read(request: pytest.FixtureRequest) -> Callable[..., object]:
    return request.param


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_message(name: str, read: Callable[..., object], tmp_path: Path) -> None:
    data, message = BAD_FILES[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read(path)
    assert caught.value.messages == (message.format(path=path),)


def test_a_path_that_is_no_file(tmp_path: Path, read: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").write_text("x")
    for path, message in {
        "./none": "./none: no such file",
        "./folder": "./folder: is a directory; a file is needed here",
        "file/inner": "file/inner: no such file",
        "a\0b": "a\0b: cannot be read: embedded null byte",
    }.items():
        with pytest.raises(InputError) as caught:
            read(path)
        assert caught.value.messages == (message,), "the path stands in the message as it was given"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path, read: Callable[..., object]) -> None:
    path = tmp_path / "locked"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(InputError, match="no permission to read it"):
        read(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_a_limit_stops_a_bomb_before_it_is_unpacked(
    pack: Callable[[bytes], bytes], tmp_path: Path, read: Callable[..., object]
) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(pack(b"0" * (5 << 20)))
    with pytest.raises(InputError) as caught:
        read(path, limit=2 << 20)
    assert caught.value.messages == (f"{path}: more than 2 MiB of text; cut the history into smaller files",)


@pytest.mark.parametrize(
    "data", [b"a\nb\n" * 3, b"a\r\nb\r\n", b"a", b"\n", b"\xef\xbb\xbfa\n", "é\u2028€\n".encode()]
)
def test_text_stays_as_it_is(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    for packed in (data, gzip.compress(data), gzip.compress(data[:1]) + gzip.compress(data[1:]) + b"\0\0"):
        path.write_bytes(packed)
        assert read_text(path).encode() == data


@given(data=st.text("ab\n\r€", min_size=1), block=st.integers(1, 7))
def test_lines_are_the_text_wherever_a_block_ends(
    data: str, block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes(data.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "_BLOCK", block)
        lines = list(read_lines(path))
    assert lines == data.removesuffix("\n").split("\n")


def test_a_line_number_counts_the_blocks_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "_BLOCK", 4)
    path = tmp_path / "file"
    path.write_bytes(b"one\ntwo\nthree\nfo\xffur\n")
    with pytest.raises(InputError, match=r":4: not UTF-8 text \(byte 0xff\)"):
        list(read_lines(path))


def test_a_line_without_end_stops_early(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"a\n" + b"b" * (20 << 20))
    with pytest.raises(InputError) as caught:
        list(read_lines(path))
    assert caught.value.messages == (f"{path}:2: a line of more than 16 MiB",)


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    """``--metrics <(curl …)``: a file that cannot seek."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(PACKED,), daemon=True)
    writer.start()
    assert list(read_lines(path)) == ["first", "second"]
    writer.join(timeout=20)
