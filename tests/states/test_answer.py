"""From the upstream's events to what the caller reads: stop strings, single calls, legacy calls, usage, choices."""

from typing import Any

import pytest

from proxy.testing.frames import finish_of_stream, text_of_stream
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.sessions import FakeSessionStore
from proxy.testing.walk import path

HELLO = Upstream.answers("Hello.")
TOOLS = [{"type": "function", "function": {"name": name}} for name in ("now", "place")]
Body = dict[str, Any]


# --- stop strings


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_ends_before_a_stop_string(play: Play, *, stream: bool) -> None:
    x = await play(Upstream.answers("One EN", "D two"), body={"stop": "END"}, stream=stream)

    assert path(x).endswith("tool_parse render done")
    assert (x.text, x.finish) == ("One ", "stop")


async def test_the_upstream_is_cancelled_at_a_stop_string(play: Play) -> None:
    """Nobody will read the rest, and it would be paid for."""
    walk = play.begin(
        Upstream.answers("One END", " two").then_stalls(),
        body={"stop": "END"},
        sessions=lambda clock: FakeSessionStore(clock, commit_s=1),
    )
    await walk.until("render")
    assert walk.world.upstreams["main"].live == 0

    x = await walk.end()
    assert (x.text, x.finish, x.done, x.clock.passed_s) == ("One ", "stop", True, 1)


async def test_a_collected_answer_is_cut_as_well(play: Play) -> None:
    x = await play(Upstream.answers("One END", " two").then_stalls(), body={"stop": "END"}, stream=False)

    assert (x.text, x.finish, x.clock.passed_s) == ("One ", "stop", 0)


async def test_what_may_be_the_beginning_of_a_stop_string_is_held_back_until_it_is_not(play: Play) -> None:
    walk = play.begin(Upstream.answers("One EN").then_waits(5).then_says("ough"), body={"stop": "END"})
    await walk.until("stream")
    await walk.clock.advance(1)
    assert walk.text == "One "

    x = await walk.end()
    assert (x.text, x.finish) == ("One ENough", "stop")


async def test_it_is_told_when_the_answer_ends_with_it(play: Play) -> None:
    x = await play(Upstream.answers("One EN"), body={"stop": "END"})

    assert (x.text, x.done) == ("One EN", True)


async def test_arguments_are_never_cut(play: Play) -> None:
    x = await play(Upstream.calls("now", {"say": "END"}), body={"stop": "END", "tools": TOOLS})

    assert (x.tool_calls, x.finish) == ([("now", '{"say":"END"}')], "tool_calls")


async def test_an_upstream_that_knows_stop_strings_is_told_them(play: Play) -> None:
    """It has cut the answer itself; a second cut would be ours alone."""
    x = await play(Upstream.answers("One END two"), body={"stop": "END"}, kind="openai")

    assert x.text == "One END two"
    assert x.turns[0].request.body["stop"] == "END"


# --- calls


async def test_a_single_call_is_the_first_whole_one(play: Play) -> None:
    two = Upstream.calls("now", {"zone": "UTC"}).then_calls("place").then_stalls()
    x = await play(two, body={"parallel_tool_calls": False, "tools": TOOLS})

    assert (x.tool_calls, x.finish, x.clock.passed_s) == ([("now", '{"zone":"UTC"}')], "tool_calls", 0)


async def test_nothing_follows_a_single_call(play: Play) -> None:
    x = await play(Upstream.calls("now").then_says("Well?"), body={"parallel_tool_calls": False, "tools": TOOLS})

    assert (x.text, x.tool_calls) == ("", [("now", "{}")])


async def test_calls_in_parallel_are_the_default(play: Play) -> None:
    x = await play(Upstream.calls("now").then_calls("place"), body={"tools": TOOLS})

    assert [name for name, _ in x.tool_calls] == ["now", "place"]


async def test_a_call_makes_a_stop_a_call(play: Play) -> None:
    x = await play(Upstream.calls("now").then_finishes("stop"))

    assert x.finish == "tool_calls"


@pytest.mark.parametrize("stream", [True, False])
async def test_legacy_functions_are_answered_as_a_function_call(play: Play, *, stream: bool) -> None:
    """Legacy in, legacy out: the first call only."""
    two = Upstream.calls("now", {"zone": "UTC"}).then_calls("place")
    x = await play(two, body={"functions": [{"name": "now"}, {"name": "place"}]}, stream=stream)

    if stream:
        pieces = [chunk["choices"][0]["delta"].get("function_call") for chunk in x.chunks]
        told = [piece for piece in pieces if piece]
        assert told[0] == {"name": "now", "arguments": ""}
        assert "".join(piece["arguments"] for piece in told) == '{"zone":"UTC"}'
    else:
        assert x.json["choices"][0]["message"]["function_call"] == {"name": "now", "arguments": '{"zone":"UTC"}'}
        assert "tool_calls" not in x.json["choices"][0]["message"]
    assert x.finish == "function_call"


# --- usage


async def test_usage_is_the_upstreams_own(play: Play) -> None:
    x = await play(HELLO.then_reports_usage(3, 4), stream=False)

    assert x.json["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


async def test_usage_that_nobody_counted_is_estimated_and_says_so(play: Play) -> None:
    x = await play(HELLO, stream=False)

    usage = x.json["usage"]
    assert usage["estimated"] is True
    assert usage["prompt_tokens"] > 0
    assert usage["completion_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


async def test_usage_is_in_a_stream_for_those_who_ask(play: Play) -> None:
    asked = await play(HELLO.then_reports_usage(3, 4), body={"stream_options": {"include_usage": True}})
    unasked = await play(HELLO.then_reports_usage(3, 4))

    assert asked.chunks[-1]["choices"] == []
    assert asked.chunks[-1]["usage"]["total_tokens"] == 7
    assert all(chunk["usage"] is None for chunk in asked.chunks[:-1])
    assert all("usage" not in chunk for chunk in unasked.chunks)


# --- choices, reasoning


@pytest.mark.parametrize("stream", [True, False])
async def test_several_choices_are_kept_apart(play: Play, *, stream: bool) -> None:
    two = Upstream().then_says("A", choice=0).then_says("B", choice=1).then_says("a", choice=0)
    two = two.then_finishes("stop", choice=0).then_finishes("length", choice=1)
    x = await play(two, kind="openai", body={"n": 2}, stream=stream)

    if stream:
        assert [text_of_stream(x.body, choice) for choice in (0, 1)] == ["Aa", "B"]
        assert [finish_of_stream(x.body, choice) for choice in (0, 1)] == ["stop", "length"]
    else:
        told = [(each["message"]["content"], each["finish_reason"]) for each in x.json["choices"]]
        assert told == [("Aa", "stop"), ("B", "length")]


async def test_several_choices_are_refused_where_the_kind_knows_one(play: Play) -> None:
    x = await play(body={"n": 2})

    assert (x.status, x.code, x.error["param"]) == (400, "unsupported_value", "n")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
async def test_reasoning_is_told_in_the_field_that_is_configured(play: Play, field: str) -> None:
    x = await play(Upstream.thinks("Hm.").then_says("Yes."), model={"reasoning_field": field}, stream=False)

    assert x.json["choices"][0]["message"][field] == "Hm."


@pytest.mark.parametrize("stream", [True, False])
async def test_or_not_at_all(play: Play, *, stream: bool) -> None:
    x = await play(Upstream.thinks("Hm.").then_says("Yes."), model={"reasoning_field": "off"}, stream=stream)

    assert b"Hm." not in x.body
    assert x.text == "Yes."


# --- what is sent


async def test_an_answer_is_asked_for_as_the_caller_asked(play: Play) -> None:
    assert (await play(HELLO)).turns[0].stream is True
    assert (await play(HELLO, stream=False)).turns[0].stream is False


async def test_it_is_streamed_where_a_clock_must_see_progress(play: Play) -> None:
    """A whole answer that takes long looks like a stall, and another candidate would be asked in vain."""
    x = await play(HELLO, stream=False, fallbacks=[HELLO])

    assert x.turns[0].stream is True


async def test_the_limit_of_output_of_the_entry_is_passed_on(play: Play) -> None:
    x = await play(HELLO, model={"max_output_tokens": 7})

    assert x.turns[0].max_output_tokens == 7


async def test_the_callers_headers_reach_the_adapter(play: Play) -> None:
    x = await play(HELLO, headers={"x-team": "blue"})

    assert x.turns[0].caller_headers["x-team"] == "blue"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_draining_daemon_ends_its_connections(play: Play, *, stream: bool) -> None:
    world = play.world(HELLO)
    world.gateway.draining = True
    x = await world.begin(stream=stream).end()

    assert x.client.headers["Connection"] == "close"
