"""The result does not depend on where the bytes are cut, whatever the bytes are."""

import tracemalloc
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.wire.upstream import ChunkReader
from proxy.wire.upstream.answer import Answer

LIMIT = 2048


def chunk(**choice: Any) -> bytes:
    return b"data: %b\n\n" % orjson.dumps({"id": "x", "choices": [{"index": 0, "delta": {}} | choice]})


def text(content: Any) -> bytes:
    return chunk(delta={"content": content})


def call(**fragment: Any) -> bytes:
    return chunk(delta={"tool_calls": [fragment]})


STOP = chunk(finish_reason="stop")
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2}}\n\n'
DONE = b"data: [DONE]\n\n"
NORMAL = text("Hel") + text("lo \U0001f600…") + STOP + USAGE + DONE
TOOLS = call(index=0, id="c", function={"name": "f", "arguments": ""}) + call(index=0, function={"arguments": "{}"})

STREAMS = {
    "normal": NORMAL,
    "comments, a name, an id": b": hi\n\nid: 1\nretry: 5\nevent: x\n" + NORMAL,
    "CR LF": NORMAL.replace(b"\n", b"\r\n"),
    "CR": NORMAL.replace(b"\n", b"\r"),
    "byte order mark": b"\xef\xbb\xbf" + NORMAL,
    "bad bytes": b'data: {"choices":[{"delta":{"content":"\xff\xf0\x9f\x98"}}]}\n\n' + DONE,
    "one call": TOOLS + chunk(finish_reason="tool_calls") + DONE,
    "parallel calls": call(id="a", function={"name": "f"})
    + TOOLS
    + call(id="a", function={"arguments": {"x": 1}})
    + DONE,
    "sloppy": b'data:{"choices":[{"text":"a","finish_reason":""}]}\r\n\ndata:\n\ndata: noise\n\n'
    + STOP
    + text("b")
    + DONE,
    "error": text("a") + b'event: error\ndata: {"message":"boom","code":429}\n\n' + text("b"),
    "malformed": text("a") + b"data: {broken\n\n" + text("b"),
    "oversize": text("a") + text("x" * LIMIT) + text("b"),
    "truncated": text("a") + text("b")[:-9],
    "cut in a call": TOOLS + call(index=0, function={"arguments": "{"}) + DONE,
    "no end mark": text("a") + STOP,
    "no last blank line": text("a") + DONE[:-2],
    "after the end": STOP + USAGE + text("late") + text("later") + DONE,
    "empty": b"data: {}\n\n" + DONE,
    "nothing": b": ping\n",
}


def outcome(stream: bytes, cuts: Sequence[int] = (), **options: Any) -> tuple[Any, ...]:
    """All that can be seen of a reader that was fed *stream* in pieces."""
    reader = ChunkReader(max_event_bytes=LIMIT, make_call_id=lambda: "made", **options)
    events: list[Any] = []
    for start, stop in pairwise([0, *cuts, len(stream)]):
        events += reader.feed(stream[start:stop])
    fed = (reader.complete, reader.finishing)
    events += reader.end()
    failure = reader.failure and (type(reader.failure), reader.failure.message, reader.failure.detail)
    return events, fed, failure, reader.complete, reader.had_events, reader.anomalies


@pytest.mark.parametrize("options", [{}, {"think_tags": True}])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_no_single_cut_and_no_cutting_into_bytes_changes_the_result(stream: bytes, options: Any) -> None:
    whole = outcome(stream, **options)
    assert outcome(stream, range(1, len(stream)), **options) == whole
    for cut in range(1, len(stream)):
        assert outcome(stream, [cut], **options) == whole


KEYS = (
    *("id", "choices", "delta", "message", "text", "index", "content", "reasoning", "refusal", "tool_calls"),
    *("function", "name", "arguments", "finish_reason", "usage", "prompt_tokens", "completion_tokens", "error"),
    *("type", "code", "function_call", "system_fingerprint", "x"),
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from(["", "a", "stop", "error", "<think>", "</think>", "{"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
deltas = st.fixed_dictionaries({}, optional={"content": values, "reasoning": values, "tool_calls": st.lists(values)})
choices = st.fixed_dictionaries(
    {"delta": deltas | values}, optional={"index": st.just(0) | values, "finish_reason": values}
)
chunks = st.fixed_dictionaries(
    {"choices": st.lists(choices, max_size=2) | values}, optional={"usage": values, "x": values}
)
events = st.one_of(
    chunks.map(lambda value: b"data: %b\n\n" % orjson.dumps(value)),
    values.map(lambda value: b"data: %b\n\n" % orjson.dumps(value)),
    st.sampled_from(list(STREAMS.values())),
    st.sampled_from([DONE, STOP, USAGE, text("a"), TOOLS, b"event: error\n", b"\r", b"\n", b"data: "]),
    st.binary(max_size=8),
)


@settings(max_examples=50)
@given(st.lists(events, max_size=5), st.data(), st.sampled_from(["delta", "snapshot"]), st.integers(1, 2))
def test_cuts_do_not_matter_and_nothing_is_raised(parts: list[bytes], data: st.DataObject, mode: str, n: int) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    options: dict[str, Any] = {"text": mode, "arguments": mode, "n": n, "think_tags": n == 2}
    assert outcome(stream, cuts, **options) == outcome(stream, **options)


@pytest.mark.deep
@settings(max_examples=5_000)
@given(st.lists(events, max_size=8), st.data(), st.sampled_from(["delta", "snapshot"]), st.integers(1, 3))
def test_cuts_do_not_matter_however_long_one_looks(parts: list[bytes], data: st.DataObject, mode: str, n: int) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    options: dict[str, Any] = {"text": mode, "arguments": mode, "n": n, "think_tags": n == 2}
    assert outcome(stream, cuts, **options) == outcome(stream, **options)


@settings(max_examples=50)
@given(st.lists(events, max_size=5))
def test_the_short_way_and_the_long_way_agree(parts: list[bytes]) -> None:
    """Plain text takes a short way through; it must be nothing but shorter."""
    stream = b"".join(parts)
    short = outcome(stream)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Answer, "take_plain", lambda *_: False)
        assert outcome(stream) == short


@settings(max_examples=50)
@given(st.lists(st.one_of(events, st.binary(max_size=64)), max_size=6))
def test_every_answer_ends_once(parts: list[bytes]) -> None:
    """Whole or broken, never both, never neither; a whole one ends in the ends of its choices."""
    told, _fed, failure, complete, _had_events, _anomalies = outcome(b"".join(parts))
    names = [type(event).__name__ for event in told]
    assert complete is (failure is None)
    assert ("Finished" in names) is complete
    assert names.count("Finished") <= 1


ENDLESS: dict[str, Callable[[int], bytes]] = {
    "a line": lambda _: b"x" * 64,
    "an event": lambda _: b"data: {\n",
    "comments": lambda _: b": ping\n",
    "white space": lambda _: text("\n "),
    "arguments": lambda _: call(index=0, id="c", function={"name": "f", "arguments": '{"x":['}),
    "chunks without choices": lambda number: b'data: {"k%d":1,"choices":[]}\n\n' % number,
    "ever new keys": lambda number: (
        b'data: {"k%d":"v","choices":[{"delta":{"content":"a","d%d":1}}]}\n\n' % (number, number)
    ),
    "finish reasons": lambda number: chunk(finish_reason=f"w{number}"),
    "usage": lambda number: b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":1}}\n\n' % number,
    "late ids": lambda number: call(index=0, id=f"id{number}"),
}


@pytest.mark.parametrize("make", ENDLESS.values(), ids=ENDLESS)
def test_memory_is_bounded_however_long_a_stream_runs(make: Callable[[int], bytes]) -> None:
    reader = ChunkReader(max_event_bytes=LIMIT, make_call_id=lambda: "made", think_tags=True)
    for number in range(1500):
        reader.feed(make(number))
    tracemalloc.start()
    for number in range(1500, 4500):
        reader.feed(make(number))
    held_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert held_bytes < 150_000  # some keys that orjson caches, and less than 256 pieces of arguments
