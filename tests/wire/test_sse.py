"""Server-sent events: the grammar row by row, and that no cut of the bytes changes what is read."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import UpstreamOversize
from proxy.wire.sse import SseEvent, SseParser

BOM = b"\xef\xbb\xbf"
LIMIT = 64


def parse(*pieces: bytes, limit: int = 1 << 20) -> list[SseEvent]:
    parser = SseParser(limit)
    events = [event for piece in pieces for event in parser.feed(piece)]
    assert parser.failure is None
    return events


def outcome(pieces: list[bytes], limit: int) -> tuple[list[SseEvent], SseEvent | None, bool, int]:
    """All that can be seen of a parser that was fed *pieces*."""
    parser = SseParser(limit)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events, parser.end(), parser.failure is not None, parser.comments if parser.failure is None else 0


def model(text: bytes) -> list[SseEvent]:
    """The grammar once more, as plainly as can be: all bytes at once, line by line."""
    events: list[SseEvent] = []
    data: list[bytes] = []
    name = ""
    lines = text.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    for line in lines:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if not line:
            if data:
                events.append((b"\n".join(data), name))
            data, name = [], ""
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return events


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_line_ends_at_lf_cr_or_both(end: bytes) -> None:
    assert parse(b"data: a" + end + b"data: b" + end + end, b"data: c" + end + end) == [(b"a\nb", ""), (b"c", "")]


def test_no_other_character_ends_a_line() -> None:
    """`splitlines` would cut at all of these."""
    text = "a\u0085b\u2028c\u2029d\x0be\x0cf\x1cg".encode()
    assert parse(b"data: " + text + b"\n\n") == [(text, "")]


def test_a_cr_that_ends_a_piece_ends_the_line_at_once() -> None:
    parser = SseParser(LIMIT)
    assert parser.feed(b"data: a\r\r") == [(b"a", "")]


def test_an_lf_that_opens_the_next_piece_belongs_to_the_cr_before_it() -> None:
    """Read as a blank line it would cut the event in two."""
    assert parse(b"data: a\r", b"\ndata: b\r", b"\n\r", b"\n") == [(b"a\nb", "")]


def test_an_empty_piece_changes_nothing() -> None:
    assert parse(b"", b"data: a\r", b"", b"\ndata: b", b"", b"\n\n") == [(b"a\nb", "")]


@pytest.mark.parametrize("cut", range(4))
def test_one_leading_byte_order_mark_is_dropped(cut: int) -> None:
    text = BOM + b"data: a\n\n"
    assert parse(text[:cut], text[cut:]) == [(b"a", "")]


def test_a_second_byte_order_mark_is_not() -> None:
    assert parse(BOM + BOM + b"data: a\n\ndata: b\n\n") == [(b"b", "")]


def test_what_only_begins_as_a_byte_order_mark_is_kept() -> None:
    assert parse(b"\xef", b"\xbbdata: a\ndata: b\n\n") == [(b"b", "")]


def test_comments_are_counted_and_nothing_else() -> None:
    parser = SseParser(LIMIT)
    assert parser.feed(b": ping\n:\n\ndata: a\n: in between\ndata: b\n\n") == [(b"a\nb", "")]
    assert parser.comments == 3


@pytest.mark.parametrize(
    ("line", "data"),
    [
        (b"data: a", b"a"),
        (b"data:a", b"a"),
        (b"data:  a ", b" a "),
        (b"data:a:b: c", b"a:b: c"),
        (b"data:", b""),
        (b"data", b""),
    ],
)
def test_a_value_loses_one_leading_space_and_a_field_without_colon_is_empty(line: bytes, data: bytes) -> None:
    assert parse(line + b"\n\n") == [(data, "")]


@pytest.mark.parametrize(
    "line", [b"Data: a", b"DATA: a", b" data: a", b"data : a", b"id: 1", b"retry: 5", b"x: a", b"x"]
)
def test_other_names_are_ignored(line: bytes) -> None:
    assert parse(line + b"\n\n" + line + b"\ndata: b\n\n") == [(b"b", "")]


def test_the_event_name_is_kept_for_its_event_alone() -> None:
    assert parse(b"event: a\nevent: error\ndata: 1\n\ndata: 2\n\nevent: lost\n\ndata: 3\n\n") == [
        (b"1", "error"),
        (b"2", ""),
        (b"3", ""),
    ]


def test_a_blank_line_without_data_dispatches_nothing() -> None:
    assert parse(b"\n\n\nevent: a\n\ndata: a\n\n\n\n\ndata: b\n\n") == [(b"a", ""), (b"b", "")]


def test_bad_bytes_in_a_name_become_replacement_characters() -> None:
    assert parse(b"event: a\xff\xe2\x82\ndata: 1\n\n") == [(b"1", "a\ufffd\ufffd")]


@pytest.mark.parametrize("text", [b"data: a", b"data: a\n", b"data: b\r", b"event: e\ndata: a"])
def test_the_end_of_bytes_gives_the_pending_event_to_be_judged(text: bytes) -> None:
    parser = SseParser(LIMIT)
    assert parser.feed(b"data: 1\n\n" + text) == [(b"1", "")]
    pending = parser.end()
    assert pending is not None
    assert pending[0] == text.strip()[-1:]
    assert parser.end() is None


@pytest.mark.parametrize("text", [b"", b"data: a\n\n", b": ping\n", b"event: e\n", b"dat", BOM[:2]])
def test_the_end_of_bytes_gives_nothing_where_no_data_came(text: bytes) -> None:
    parser = SseParser(LIMIT)
    parser.feed(text)
    assert parser.end() is None


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"data: " + b"x" * LIMIT, id="line"),
        pytest.param(b": " + b"x" * LIMIT, id="comment"),
        pytest.param(b"data: " + b"x" * LIMIT + b"\n\n", id="bulk event"),
        pytest.param(b"data: xxxxxxxxx\n" * 7 + b"\n", id="event of several lines"),
        pytest.param(b"data\n" * (LIMIT + 2), id="event of empty lines"),
    ],
)
def test_a_line_or_event_over_the_limit_is_oversize_after_the_events_before_it(text: bytes) -> None:
    parser = SseParser(LIMIT)
    assert parser.feed(b"data: 1\n\n" + text + b"data: 2\n\n") == [(b"1", "")]
    assert isinstance(parser.failure, UpstreamOversize)
    assert parser.feed(b"data: 3\n\n") == []
    assert parser.end() is None


def test_a_line_and_an_event_at_the_limit_are_taken() -> None:
    line = b"data: " + b"x" * (LIMIT - 6)
    assert parse(line + b"\n\n", line + b"\r\n\r\n", limit=LIMIT) == [(line[6:], "")] * 2


def test_a_read_larger_than_the_limit_is_taken_if_its_events_are_not() -> None:
    assert parse(b"data: 1\n\n" * LIMIT, b"data: 1\n\n" * LIMIT, limit=LIMIT) == [(b"1", "")] * 2 * LIMIT


@pytest.mark.parametrize("unit", [b"x", b"data:\n", b"data: x\n", b": x\n", b"\xef"])
def test_memory_is_bounded_by_the_limit(unit: bytes) -> None:
    """Of a quarter of a million bytes that never make an event, no more is held than the limit and its like."""
    parser = SseParser(limit := 4096)
    tracemalloc.start()
    for _ in range(250_000 // len(unit) // 16):
        parser.feed(unit * 16)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 8 * limit


FIXTURES = [
    b"data: a\n\ndata: b\n\n",
    b"data: a\r\n\r\ndata: b\r\n\r\n\r\ndata: c\r\n\rdata: d\r\n\n\r\ndata: e\n\r\n\r\n",
    BOM + b": hi\r\n\r\nevent: x\r\ndata: {\r\ndata: }\r\n\r\ndata:1\r\rdata: 2\n\n",
    "data: é…\U0001f600\n\nevent: ü\ndata: \n\n".encode() + b"data: \xff\xe2\x82\n\n",
    b"\n\n\ndata: a\n\n\ndata: b\n\n\n\ndata: c\ndata: d\n\nid: 1\n\nretry: 2\ndata: e\n\ndata: tail",
    b"data: " + b"x" * 40 + b"\n\ndata: " + b"y" * 80 + b"\n\ndata: z\n\n",
]


@pytest.mark.parametrize("text", FIXTURES)
def test_no_single_cut_and_no_cutting_into_bytes_changes_the_result(text: bytes) -> None:
    whole = outcome([text], LIMIT)
    assert outcome([text[i : i + 1] for i in range(len(text))], LIMIT) == whole
    for cut in range(1, len(text)):
        assert outcome([text[:cut], text[cut:]], LIMIT) == whole


marks = st.sampled_from([b"", BOM])
pieces_of_streams = st.lists(
    st.sampled_from(
        [
            b"data: ",
            b"data:",
            b"data",
            b"event: e",
            b":",
            b"id: 1",
            b"{}",
            b"x" * 30,
            b"\n",
            b"\n\n",
            b"\r",
            b"\r\n",
            b"\r\n\r\n",
            b"data: x\r\n\r\n",
            b"data: x\n\n",
            b"\xff",
        ]
    )
    | st.binary(max_size=4),
    max_size=24,
)


@given(marks, pieces_of_streams, st.data())
def test_cuts_do_not_matter(mark: bytes, pieces: list[bytes], data: st.DataObject) -> None:
    text = mark + b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert outcome(parts, LIMIT) == outcome([text], LIMIT)


@given(marks, pieces_of_streams)
def test_both_paths_agree_with_the_grammar(mark: bytes, pieces: list[bytes]) -> None:
    """Whole reads take the bulk path where they can, single bytes never do."""
    text = mark + b"".join(pieces)
    expected = model(text)
    assert parse(text) == expected
    assert parse(*(text[i : i + 1] for i in range(len(text)))) == expected


@given(st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"").replace(b"\r", b"")), max_size=8))
def test_the_bulk_path_gives_back_what_was_framed(datas: list[bytes]) -> None:
    for end in (b"\n", b"\r\n"):
        text = b"".join(b"data: " + data + end * 2 for data in datas)
        assert parse(b"data: first\n\n", text) == [(b"first", "")] + [(data, "") for data in datas]
