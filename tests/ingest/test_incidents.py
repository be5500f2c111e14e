from __future__ import annotations

from pathlib import Path

import pytest

from rulegen.core.incident import Incident
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.errors import InputError, Problem
from rulegen.ingest.incidents import parse_judged, read_incidents, record

A = Incident("A", Span(1000, 2000), Labels({"service": "cart"}))
B = Incident("B", Span(3000, 4500))

GOOD = {
    "plain.csv": "id,start,end,service\nA,1,2,cart\nB,3,4.5,\n",
    "any-order.csv": "service,end,id,start\n,4.5,B,3\ncart,2,A,1\n",
    "header-case.csv": "ID,Start,END,service\nA,1,2,cart\nB,3,4.5,\n",
    "bom-crlf.csv": "\ufeffid,start,end,service\r\nA,1,2,cart\r\nB,3,4.5,\r\n",
    "quoted.csv": 'id,start,end,service\n"A","1",2,"cart"\nB,3,4.5,""\n',
    "blank-lines.csv": "\nid,start,end,service\n\nA,1,2,cart\n , , , \nB,3,4.5,\n\n",
    "rfc3339.csv": "id,start,end,service\nA,1970-01-01T00:00:01Z,1970-01-01 00:00:02,cart\n"
    "B,3,1970-01-01T01:00:04.5+01:00,\n",
    "no-ending": "id,start,end,service\nA,1,2,cart\nB,3,4.5,\n",
    "list.yaml": "- {id: A, start: 1, end: 2, service: cart}\n- id: B\n  start: 3\n  end: 4.5\n",
    "under-a-key.yml": "incidents:\n- ID: A\n  start: 1970-01-01 00:00:01\n  end: '2'\n  service: cart\n"
    "- {id: B, start: 3, end: 4.5}\n",
    "list.json": '[{"id": "A", "start": 1, "end": 2, "service": "cart"}, {"id": "B", "start": 3, "end": 4.5}]',
}


@pytest.mark.parametrize("name", GOOD)
def test_ways_to_write_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(GOOD[name].encode())
    assert read_incidents(path) == ((A, B), ())


# A good incident first, then the bad one: problems name the line, the good one is kept.
PROBLEMS = {
    "A,9,9,\n": (3, 'incident "A": this id was given before, in line 2'),
    "B,4,3,\n": (3, 'incident "B": ends (3) before it starts (4)'),
    "B,,3,\n": (3, 'incident "B": no start'),
    "B,3,soon,\n": (
        3,
        "incident \"B\": end: not a time: 'soon' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    ),
    "B,1661140434000,1661140434001,\n": (
        3,
        'incident "B": start: time 1661140434000 is after the year 9999; '
        "Unix times are seconds here, this looks like milliseconds",
    ),
    " ,3,4,\n": (3, "an incident without an id"),
    "B,3,4\n": (3, "3 cells in a table of 4 columns (quote a cell that holds a comma)"),
    "\nB,3,4,a,b\n": (4, "5 cells in a table of 4 columns (quote a cell that holds a comma)"),
}


@pytest.mark.parametrize("row", PROBLEMS)
def test_a_bad_row_among_good_ones(row: str, tmp_path: Path) -> None:
    path = tmp_path / "incidents.csv"
    path.write_text("id,start,end,service\nA,1,2,cart\n" + row)
    assert read_incidents(path) == ((A,), (Problem(str(path), *PROBLEMS[row]),))


YAML_PROBLEMS = {
    "- B\n": "an incident should be a mapping with id, start and end",
    "- {id: B, start: 3, end: [4]}\n": '"end" should be a single value',
    "- {id: B, id: C, start: 3, end: 4}\n": '"id" is given twice',
    "- {id: B, start: 3, end: 4, root cause: x}\n": '"root cause" is not a label name (letters, digits and _)',
    "- {id: B, start: 3}\n": 'incident "B": no end',
    "- {start: 3, end: 4}\n": "an incident without an id",
}


@pytest.mark.parametrize("row", YAML_PROBLEMS)
def test_a_bad_yaml_row_among_good_ones(row: str, tmp_path: Path) -> None:
    path = tmp_path / "incidents.yaml"
    path.write_text("- {id: A, start: 1, end: 2, service: cart}\n" + row)
    assert read_incidents(path) == ((A,), (Problem(str(path), 2, YAML_PROBLEMS[row]),))


UNUSABLE = {
    "no-columns.csv": (
        "name,start\nA,1\n",
        ':1: no column "id" (the header reads: name, start)',
        ':1: no column "end" (the header reads: name, start)',
    ),
    "column-twice.csv": ("id,start,end,pod,pod\n", ':1: column "pod" is given twice'),
    "blank.csv": ("\n \n", ": no table: the first line should name the columns (id,start,end,…)"),
    "quote.csv": ('id,start,end\nA,1,2\n"B,3,4\n', ":3: not a CSV table: unexpected end of data"),
    "all-bad.csv": (
        "id,start,end\nA,2,1\n,1,2\n",
        ':2: incident "A": ends (1) before it starts (2)',
        ":3: an incident without an id",
    ),
    "no-list.yaml": ("a: b\n", ":1: no list of incidents (id, start, end, labels…)"),
    "broken.yaml": (
        "- {id: A\n",
        ":2: not YAML: while parsing a flow mapping, expected ',' or '}', but got '<stream end>'",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used(name: str, tmp_path: Path) -> None:
    text, *messages = UNUSABLE[name]
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_incidents(path)
    assert caught.value.messages == tuple(f"{path}{message}" for message in messages)


def test_a_column_that_cannot_be_a_label_is_named_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / "incidents.csv"
    path.write_text("id,start,end,service,root cause\nA,1,2,cart,disk full\n")
    wrong = 'column "root cause" is left out: not a label name (letters, digits and _)'
    assert read_incidents(path) == ((A,), (Problem(str(path), 1, wrong),))


def test_hostile_labels_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "incidents.csv"
    value = 'a"}) or vector(1) #\n{{ .X }}'
    path.write_text('id,start,end,service\nA,1,2,"' + value.replace('"', '""') + '"\n')
    (incident,), problems = read_incidents(path)
    assert incident.labels["service"] == value and not problems


def test_the_record_is_kept_from_the_first_start_to_the_last_end_unless_told() -> None:
    assert record((B, A)).incidents == (A, B)
    assert record((B, A)).judged == (Span(1000, 4500),)
    assert record((A,), (Span(0, 5), Span(3, 9))).judged == (Span(0, 9),)
    assert record(()).judged == ()
    assert record((), (Span(0, 5),)).judged == (Span(0, 5),)


def test_judged() -> None:
    assert parse_judged("1..2.5") == Span(1000, 2500)
    assert parse_judged("1970-01-01T00:00:00Z .. 1970-01-01T00:00:01Z") == Span(0, 1000)
    for text, message in {
        "1": "not a time span: '1' (write START..END, each Unix seconds or RFC 3339)",
        "2..1": "ends (1) before it starts (2)",
        "..1": "not a time: '' (write Unix seconds or RFC 3339, as 2024-05-01T10:00:00Z)",
    }.items():
        with pytest.raises(ValueError) as caught:
            parse_judged(text)
        assert str(caught.value) == message


def test_the_shop_record(shared_data: Path) -> None:
    incidents, problems = read_incidents(shared_data / "nezha-onlineboutique" / "incidents.csv")
    assert len(incidents) == 56 and not problems
    assert incidents[0].labels.keys() == {"pod", "service", "kind"}
