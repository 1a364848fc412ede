"""The laws that every dialect keeps, as functions of a dialect's name; `test_laws` tries them on each row."""

import json
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise

from proxy.dialects import DIALECTS, DialectOptions, PastCall, Toolset
from proxy.wire.events import ReasoningDelta, TextDelta, ToolCallDelta, Usage
from proxy.wire.upstream import ChunkReader
from tests.dialects.worlds import (
    Call,
    calls_of,
    cut,
    dumped,
    finish_of,
    is_object,
    merged,
    run,
    text_of,
    text_of_call,
)

SPACE = " \t\r\n"


def split_means_nothing(dialect: str, toolset: Toolset, text: str, at: list[int], finish: str) -> None:
    """Law 1: parse(any split) = parse(whole)."""
    whole = merged(run(dialect, toolset, [text], finish))

    assert merged(run(dialect, toolset, cut(text, at), finish)) == whole


def bytes_may_be_cut_anywhere(dialect: str, toolset: Toolset, text: str, at: list[int], byte_cuts: list[int]) -> None:
    """Law 1, down to bytes inside a code point: the answer comes as server-sent events, cut at any byte."""
    chunks = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in cut(text, at) if piece]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = "".join(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in chunks).encode()
    body += b"data: [DONE]\n\n"
    edges = sorted({0, len(body), *(edge % len(body) for edge in byte_cuts)})
    reader = ChunkReader(
        n=1,
        max_event_bytes=10**6,
        make_call_id=str,
        text="delta",
        arguments="delta",
        think_tags=False,
        credential="none",
    )
    decoder = DIALECTS[dialect].decoder(toolset, DialectOptions())
    out = []
    for start, end in pairwise(edges):
        out += decoder.feed(reader.feed(body[start:end]))
    out += decoder.feed(reader.end())
    out += decoder.end()

    assert merged(out) == merged(run(dialect, toolset, [text]))


def nothing_is_lost(dialect: str, toolset: Toolset, text: str, at: list[int], finish: str) -> None:
    """Law 2: an answer without calls comes out as it came in."""
    events = run(dialect, toolset, cut(text, at), finish)
    if not any(isinstance(event, ToolCallDelta) for event in events) and "final" not in text:
        assert text_of(events) == text


def text_around_calls_stays(dialect: str, toolset: Toolset, calls: list[Call], texts: list[str], at: list[int]) -> None:
    """Law 2: text before, between and behind calls comes out in its place, but for the space next to calls."""
    pieces: list[str] = []
    for (name, arguments), text in zip(calls, texts, strict=False):
        pieces += [text, "\n", text_of_call(dialect, name, dumped(arguments)), "\n"]
    pieces.append(texts[len(calls)])
    found = merged(run(dialect, toolset, cut("".join(pieces), at)))
    expected: list[tuple[str, str]] = []
    for (name, _), text in zip(calls, texts, strict=False):
        expected += [("text", text.strip(SPACE)), ("call", name)]
    expected.append(("text", texts[len(calls)].strip(SPACE)))

    told = [(kind, rest[-1] if kind == "text" else rest[1]) for kind, *rest in found if kind in ("text", "call")]
    assert told == [each for each in expected if each[1]]


def plain_text_flows(dialect: str, toolset: Toolset, pieces: list[str]) -> None:
    """Law 3: text without a character that may begin a call leaves in the step in which it came."""
    decoder = DIALECTS[dialect].decoder(toolset, DialectOptions())
    came = left = ""
    for piece in pieces:
        came += piece
        left += text_of(decoder.feed([TextDelta(piece)]))

        assert left == came.rstrip(SPACE)
    assert left + text_of(decoder.end()) == came


def nothing_is_held_beyond_the_end(dialect: str, toolset: Toolset, text: str) -> None:
    """Law 3: at the end nothing stays behind, and nothing comes twice."""
    decoder = DIALECTS[dialect].decoder(toolset, DialectOptions())
    told = [*(decoder.feed([TextDelta(text)]) if text else []), *decoder.end()]

    assert decoder.end() == [] or not list(decoder.end())
    assert merged(told) == [each for each in merged(run(dialect, toolset, [text])) if each[0] != "finish"]


def undeclared_tools_are_text(dialect: str, calls: list[Call], other: Toolset, at: list[int]) -> None:
    """Law 4: a call of a tool that this request does not declare is text, and so is every call without tools."""
    text = "\n".join(text_of_call(dialect, name, dumped(arguments)) for name, arguments in calls)
    for toolset in (other, Toolset()):
        events = run(dialect, toolset, cut(text, at))

        assert calls_of(events) == []
        assert text_of(events) == text


def no_half_call(dialect: str, toolset: Toolset, call: Call, *, end: int, finish: str, at: list[int]) -> None:
    """Law 5: a call that is cut is whole all the same, or never told as finished."""
    name, arguments = call
    text = text_of_call(dialect, name, dumped(arguments))[:end]
    events = run(dialect, toolset, cut(text, at), finish)
    for _name, told in calls_of(events):
        if is_object(told):
            assert finish != "stop" or equal(json.loads(told), arguments) or set(json.loads(told)) < set(arguments)
        else:
            assert finish_of(events) in ("length", finish if finish == "content_filter" else "length")
    if finish in ("length", "content_filter"):
        assert finish_of(events) == finish


def arguments_are_objects_of_declared_tools(dialect: str, toolset: Toolset, text: str, at: list[int]) -> None:
    """Laws 4, 6 and 8: whatever comes, what is told as a call has a declared name and one JSON object."""
    events = run(dialect, toolset, cut(text, at))
    names = {each.name for each in toolset.tools}
    starts = [event for event in events if isinstance(event, ToolCallDelta) and event.name is not None]

    assert [event.index for event in starts] == list(range(len(starts)))
    assert len({event.id for event in starts}) == len(starts)
    for name, arguments in calls_of(events):
        assert name in names
        assert is_object(arguments) or finish_of(events) == "length"


def round_trip(dialect: str, toolset: Toolset, calls: list[Call], at: list[int]) -> None:
    """Laws 6 and 7: what is written comes back: names, values, their types, and the order of everything."""
    text = "\n".join(text_of_call(dialect, name, dumped(arguments)) for name, arguments in calls)
    found = calls_of(run(dialect, toolset, cut(text, at)))

    assert [name for name, _ in found] == [name for name, _ in calls], text
    for (_, told), (_, arguments) in zip(found, calls, strict=True):
        assert equal(json.loads(told), arguments), text


def equal(one: object, other: object) -> bool:
    """Equal values of equal types: 1 is not true, and the order of members stays."""
    return json.dumps(one) == json.dumps(other)


def any_events_will_do(dialect: str, toolset: Toolset, text: str, at: list[int], options: DialectOptions) -> None:
    """Law 8: no order of events, and no setting, makes a decoder raise; what is no text passes."""
    decoder = DIALECTS[dialect].decoder(toolset, options)
    pieces = cut(text, at)
    out = []
    for number, piece in enumerate(pieces):
        out += decoder.feed([ReasoningDelta("hm"), TextDelta(piece)] if piece else [])
        out += decoder.feed([ToolCallDelta(number, f"call_{number}", "theirs", "{}"), Usage(1, 2, 3)])
    out += decoder.end()
    starts = [event.index for event in out if isinstance(event, ToolCallDelta) and event.name is not None]

    assert sum(isinstance(event, Usage) for event in out) == len(pieces)
    assert starts == list(range(len(starts)))


def block_is_stable(dialect: str, toolset: Toolset) -> None:
    """The same tools give the same words, without tools there are none, and reading them aloud calls nothing."""
    block = DIALECTS[dialect].block(toolset)

    assert block == DIALECTS[dialect].block(toolset)
    assert DIALECTS[dialect].block(Toolset()) == ""
    for tool in toolset.tools:
        assert tool.name in block


def arguments_that_are_no_object_can_be_told(dialect: str, name: str, arguments: str) -> None:
    """A history may hold anything."""
    assert name in DIALECTS[dialect].call_text(PastCall(name, arguments))


# --- law 9


def cpu_s(dialect: str, toolset: Toolset, text: str, piece_chars: int) -> float:
    """Seconds of this process, the least of some runs."""
    pieces = [text[start : start + piece_chars] for start in range(0, len(text), piece_chars)]

    def once() -> float:
        began = time.process_time()
        run(dialect, toolset, pieces, "length")
        return time.process_time() - began

    return min(once() for _ in range(2))


def time_is_linear(dialect: str, toolset: Toolset, hostile: Callable[[int], str], piece_chars: int, size: int) -> None:
    """Law 9: eight times the text takes about eight times as long; a quadratic step would make it 64."""
    for _attempt in range(3):
        little = max(cpu_s(dialect, toolset, hostile(size), piece_chars), 1e-4)
        much = cpu_s(dialect, toolset, hostile(8 * size), piece_chars)
        if much < 20 * little:
            return
    raise AssertionError(f"{little:.4f} s became {much:.4f} s")


def memory_is_bounded(dialect: str, toolset: Toolset, text: str, piece_chars: int) -> None:
    """Law 9: at most three times the text, besides what every decoder takes."""
    decoder = DIALECTS[dialect].decoder(toolset, DialectOptions(max_call_bytes=len(text)))
    tracemalloc.start()
    for start in range(0, len(text), piece_chars):
        decoder.feed([TextDelta(text[start : start + piece_chars])])
    decoder.end()
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 3 * len(text) + 200_000
