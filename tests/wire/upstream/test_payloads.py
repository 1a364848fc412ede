"""Payloads: what the kinds with streams of their own build upon."""

from proxy.errors import UpstreamProtocolError
from proxy.wire.upstream import PayloadReader


def test_objects_are_given_with_the_names_of_their_events() -> None:
    reader = PayloadReader(1000)
    stream = b'data: {"a":1}\n\nevent: text-delta\ndata: {"b":2}\n\nevent: x\ndata:  {"c":\ndata: 3}\n\n'
    assert list(reader.feed(stream)) == [({"a": 1}, ""), ({"b": 2}, "text-delta"), ({"c": 3}, "x")]
    assert reader.begun


def test_an_error_event_that_is_no_object_is_given_as_one() -> None:
    reader = PayloadReader(1000)
    assert list(reader.feed(b"event: error\ndata: boom\n\nevent: error\ndata:\n\n")) == [
        ({"error": "boom"}, "error"),
        ({"error": "error"}, "error"),
    ]


def test_the_end_mark_is_the_end() -> None:
    reader = PayloadReader(1000)
    assert list(reader.feed(b'data: {"a":1}\n\ndata: [DONE]\n\ndata: {"b":2}\n\ndata: {broken\n\n')) == [({"a": 1}, "")]
    assert (reader.done, reader.failure) == (True, None)
    assert (list(reader.feed(b'data: {"b":2}\n\n')), list(reader.end())) == ([], [])


def test_payloads_before_a_fault_are_given() -> None:
    reader = PayloadReader(1000)
    assert list(reader.feed(b'data: {"a":1}\n\ndata: {broken\n\ndata: {"b":2}\n\n')) == [({"a": 1}, "")]
    assert isinstance(reader.failure, UpstreamProtocolError)
    assert (list(reader.feed(b'data: {"b":2}\n\n')), list(reader.end())) == ([], [])


def test_only_events_and_comments_are_a_beginning() -> None:
    reader = PayloadReader(1000)
    assert list(reader.feed(b"\n\nid: 1\n\ndata: {")) == []
    assert (list(reader.end()), reader.begun) == ([], False)
    reader = PayloadReader(1000)
    assert list(reader.feed(b": ping\n")) == []
    assert reader.begun
