"""Chunks read by a template: nothing but a shorter way to the same events."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire.upstream import ChunkReader
from proxy.wire.upstream.template import Template

LIMIT = 400
HEAD = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": ",", "system_fingerprint": "fp"}
ROLE = b'data: {"id":"x","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'
FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"


def chunk(text: Any, key: str = "content", **more: Any) -> bytes:
    choice = {"index": 0, "delta": {key: text}, "logprobs": None, "finish_reason": None}
    return b"data: %b\n\n" % orjson.dumps({**HEAD, "choices": [choice], **more})


def outcome(pieces: Sequence[bytes], **options: Any) -> tuple[Any, ...]:
    """All that can be seen of a reader, after each piece."""
    reader = ChunkReader(max_event_bytes=LIMIT, make_call_id=lambda: "made", **options)
    seen = []
    for piece in pieces:
        events = reader.feed(piece)
        failure = reader.failure and (type(reader.failure), reader.failure.detail)
        seen.append(([(type(event), event) for event in events], reader.complete, reader.finishing, failure))
    return seen, reader.end(), reader.failure and type(reader.failure), reader.had_events, reader.anomalies


def without_templates(pieces: Sequence[bytes], **options: Any) -> tuple[Any, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "read", lambda *_: None)
        return outcome(pieces, **options)


def hits(pieces: Sequence[bytes], **options: Any) -> int:
    """How many of *pieces* were read by a template."""
    found: list[object] = []
    read = Template.read

    def spying(template: Template, piece: bytes) -> Any:
        event = read(template, piece)
        found.extend([event] if event is not None else [])
        return event

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "read", spying)
        outcome(pieces, **options)
    return len(found)


texts = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", ",", ":", "x", "fp", "content", '"', "\\", '\\"', "?", "\n\n", "data: ", "\u2028", "{[", "\x00"]
    ),
)
WRITTEN = [
    b"",
    b'"',
    b'a","b',
    b'a":"b',
    b'"\n"',
    b'"a\nb"',
    b'"a\rb"',
    b' "a"',
    b'"a" ',
    b"null",
    b'"\xff"',
    b'"\\ud83d"',
]
chunks = st.one_of(
    texts.map(chunk),
    texts.map(lambda text: chunk(text, "reasoning_content")),
    texts.map(lambda text: chunk(text, seen=text)),
    texts.map(lambda text: chunk(text, created=2)),
    texts.map(lambda text: chunk(text)[:-1]),
    texts.map(lambda text: chunk(text).replace(b"\n", b"\r\n")),
    texts.map(lambda text: chunk(text, error={"message": text})),
    texts.map(lambda text: chunk("x" * LIMIT + text)),
    st.tuples(texts, texts).map(lambda two: chunk(two[0]) + chunk(two[1])),
    st.sampled_from(WRITTEN).map(lambda written: chunk("MARK").replace(b'"MARK"', written)),
    st.sampled_from([ROLE, FINISH, USAGE, DONE, b": ping\n\n", b"data: ", b"\n", b"\r"]),
)
plain = st.lists(texts.map(chunk), min_size=2, max_size=4)
streams = st.tuples(plain, st.lists(chunks, max_size=3), plain, st.lists(chunks, max_size=6)).map(
    lambda parts: [ROLE, *(piece for part in parts for piece in part)]
)


@settings(max_examples=200)
@given(streams)
def test_templates_change_nothing_but_the_time_it_takes(pieces: list[bytes]) -> None:
    assert outcome(pieces) == without_templates(pieces)


@pytest.mark.deep
@settings(max_examples=20_000)
@given(streams)
def test_templates_change_nothing_however_long_one_looks(pieces: list[bytes]) -> None:
    assert outcome(pieces) == without_templates(pieces)


@pytest.mark.parametrize("key", ["content", "reasoning_content"])
def test_from_the_third_chunk_of_one_shape_on_a_template_does_it(key: str) -> None:
    assert hits([ROLE, *(chunk(f"word {number}", key) for number in range(10)), FINISH, DONE]) == 8


def test_a_text_that_also_stands_elsewhere_is_found_where_it_counts_or_not_at_all() -> None:
    pieces = [ROLE, chunk("fp"), chunk("fp"), chunk(","), chunk(","), chunk("x"), chunk("x"), chunk("y"), chunk("z")]
    assert outcome(pieces) == without_templates(pieces)
    assert hits(pieces) >= 1


def test_what_changes_from_chunk_to_chunk_needs_no_template() -> None:
    assert hits([ROLE, *(chunk("a", obfuscation="z" * number) for number in range(10))]) == 0


def test_another_shape_is_learnt_in_its_turn() -> None:
    seconds = [chunk(f"word {number}", created=1 + number // 5) for number in range(10)]
    assert hits([ROLE, *seconds]) == 6


@pytest.mark.parametrize("options", [{"text": "snapshot"}, {"think_tags": True}])
def test_where_a_chunk_is_not_read_by_itself_there_is_none(options: Any) -> None:
    assert hits([ROLE, *(chunk("a" * number) for number in range(1, 9))], **options) == 0


def test_after_the_finish_nothing_is_read_as_before_it() -> None:
    pieces = [ROLE, chunk("a"), chunk("b"), chunk("c"), FINISH, chunk("d"), chunk("e"), chunk("f"), USAGE, chunk("g")]
    assert outcome(pieces) == without_templates(pieces)
    assert hits(pieces) == 1
