"""The record: what can't be read is a miss, and never an error."""

from dataclasses import fields

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.sessions.record import Record

RECORD = Record("sess_1", "scope", "up", "m", "aaaaaaaa", {"chat_id": "c", "n": 1, "none": None}, 3, 1000, 2000, "d")
NEEDED = ("v", "session_id", "scope", "upstream", "model", "caller", "ids", "turns", "created_ms", "updated_ms")
STORED = orjson.loads(RECORD.encoded())


def test_a_record_comes_back_as_it_was() -> None:
    for record in (RECORD, RECORD.left_open(), RECORD.passed_by()):
        assert Record.decoded(record.encoded()) == record
    assert RECORD.left_open().open
    assert RECORD.passed_by().passed


def test_the_fields_are_those_that_are_promised() -> None:
    assert STORED["v"] == 1
    assert {"upstream", "model", "ids", "turns", "created_ms", "updated_ms"} <= STORED.keys()


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        orjson.dumps({**STORED, "v": 2}),
        orjson.dumps({**STORED, "v": "1"}),
        *(orjson.dumps({name: value for name, value in STORED.items() if name != missing}) for missing in NEEDED),
        orjson.dumps({**STORED, "ids": "chat"}),
        orjson.dumps({**STORED, "turns": "3"}),
        orjson.dumps({**STORED, "turns": True}),
        orjson.dumps({**STORED, "session_id": None}),
    ],
)
def test_what_is_of_another_version_or_broken_is_a_miss(stored: bytes) -> None:
    assert Record.decoded(stored) is None


def test_nothing_is_a_miss() -> None:
    assert Record.decoded(None) is None


def test_fields_that_a_later_version_has_added_are_not_minded() -> None:
    assert Record.decoded(orjson.dumps({**STORED, "later": [1]})) == RECORD


def test_fields_that_an_earlier_one_did_not_have_are_what_they_would_be() -> None:
    earlier = {name: value for name, value in STORED.items() if name not in ("asked", "shown", "passed", "open")}
    found = Record.decoded(orjson.dumps(earlier))

    assert found is not None
    assert (found.shown, found.passed, found.open) == (False, False, False)


@given(st.binary(max_size=60))
def test_whatever_is_stored_there_it_is_read_or_missed(stored: bytes) -> None:
    assert Record.decoded(stored) is None


def test_every_field_is_stored() -> None:
    assert {field.name for field in fields(Record)} == STORED.keys() - {"v"}
