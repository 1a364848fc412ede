"""When headers leave, what leaves meanwhile, and answers that are collected before they are told."""

import pytest

from proxy.testing.frames import read_stream
from proxy.testing.play import Play
from proxy.testing.script import Upstream
from proxy.testing.walk import path
from statechart.vocabulary import State

ANSWERED = "tool_parse render done"
SPARE = Upstream.answers("Spare.")
ONCE = {"attempts": 1}


# --- commit


async def test_status_and_headers_are_held_back_until_the_first_delta(play: Play) -> None:
    """A failure before that still has a status of its own."""
    walk = play.begin(Upstream.opens().then_pings(2).then_waits(14).then_says("Hello."))
    await walk.until(State.UPSTREAM)
    await walk.clock.advance(13)
    assert not walk.client.committed

    x = await walk.end()
    assert (x.status, x.text, read_stream(x.body).pings) == (200, "Hello.", 0)


async def test_ids_alone_do_not_commit(play: Play) -> None:
    walk = play.begin(Upstream.opens().then_stalls())
    await walk.clock.advance(5)

    assert not walk.client.committed
    walk.client.leave()
    await walk.end()


async def test_a_long_silence_commits_and_is_filled_with_pings(play: Play) -> None:
    """Clients and proxies between us must see that somebody is at work."""
    walk = play.begin(Upstream.waits(50).then_says("Hello."))
    await walk.until(State.UPSTREAM)
    await walk.clock.advance(16)
    assert (walk.status, walk.body) == (200, b": ping\n")
    assert walk.client.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert walk.client.headers["X-Accel-Buffering"] == "no"

    x = await walk.end()
    assert x.body.startswith(b": ping\n" * 3 + b"data: ")
    assert (x.text, x.done) == ("Hello.", True)


async def test_an_attempt_is_still_lawful_after_the_commit(play: Play) -> None:
    """What counts is whether a delta has left, not whether headers have."""
    x = await play(Upstream.waits(20).then_fails(500), Upstream.answers("Hello."))

    assert path(x) == f"validate auth session upstream backoff upstream stream {ANSWERED}"
    assert (x.status, x.text, x.done) == (200, "Hello.", True)


async def test_and_so_is_another_candidate(play: Play) -> None:
    x = await play(Upstream.waits(20).then_fails(500), fallbacks=[SPARE], retry=ONCE, clocks={"failover": 0})

    assert (x.status, x.text, x.done) == (200, "Spare.", True)


async def test_after_the_commit_a_failure_is_told_in_the_stream(play: Play) -> None:
    x = await play(Upstream.waits(20).then_fails(500), retry=ONCE)

    stream = read_stream(x.body)
    assert (x.status, stream.chunks, stream.done) == (200, (), False)
    assert stream.error["code"] == "upstream_error"


async def test_the_time_to_the_commit_is_counted_over_all_attempts(play: Play) -> None:
    x = await play(Upstream.waits(10).then_fails(500), Upstream.waits(10).then_fails(500), retry={"attempts": 2})

    assert (x.status, x.code) == (200, "upstream_error")


async def test_it_is_not_counted_before_somebody_was_asked(play: Play) -> None:
    x = await play(Upstream.waits(10).then_fails(500), body_s=20, retry=ONCE)

    assert (x.status, x.code) == (502, "upstream_error")


async def test_a_commit_that_is_switched_off_never_comes(play: Play) -> None:
    x = await play(Upstream.waits(100).then_fails(500), retry=ONCE, clocks={"commit_headers_after": 0})

    assert x.status == 502


async def test_an_answer_in_one_piece_commits_with_its_body_alone(play: Play) -> None:
    x = await play(Upstream.waits(100).then_fails(500), stream=False, retry=ONCE)

    assert (x.status, x.code) == (502, "upstream_error")


async def test_pings_fill_the_silences_of_a_stream(play: Play) -> None:
    x = await play(Upstream.answers("Hel").then_waits(50).then_says("lo."))

    assert (x.text, read_stream(x.body).pings) == ("Hello.", 3)


async def test_pings_that_are_switched_off_do_not_come(play: Play) -> None:
    x = await play(Upstream.waits(50).then_says("Hel").then_waits(50).then_says("lo."), clocks={"heartbeat": 0})

    assert read_stream(x.body).pings == 1, "the commit itself needs a byte"


async def test_nothing_follows_the_end(play: Play) -> None:
    walk = play.begin(Upstream.answers("Hello."))
    x = await walk.end()
    await x.clock.advance(60)

    assert x.body.endswith(b"data: [DONE]\n\n")


# --- assured


async def test_an_assured_stream_survives_a_cut(play: Play) -> None:
    """It is collected first, so that nothing of the broken answer has been told."""
    x = await play(Upstream.answers("Hel").then_breaks(), Upstream.answers("Hello."), model={"delivery": "assured"})

    assert path(x) == f"validate auth session upstream read backoff upstream read {ANSWERED}"
    assert (x.status, x.text, x.finish, x.done) == (200, "Hello.", "stop", True)
    assert x.client.headers["Content-Type"].startswith("text/event-stream")


async def test_the_caller_may_ask_for_it(play: Play) -> None:
    x = await play(Upstream.answers("Hel").then_breaks(), Upstream.answers("Hello."), headers={"x-delivery": "assured"})

    assert (x.text, x.done) == ("Hello.", True)


async def test_and_may_ask_to_have_it_live(play: Play) -> None:
    x = await play(Upstream.answers("Hel").then_breaks(), headers={"x-delivery": "live"}, model={"delivery": "assured"})

    assert path(x).endswith("stream upstream_error")


async def test_an_assured_stream_goes_to_another_candidate_after_a_stall(play: Play) -> None:
    x = await play(Upstream.answers("Hel").then_stalls(), fallbacks=[SPARE], model={"delivery": "assured"})

    assert (x.text, x.done) == ("Spare.", True)


async def test_pings_fill_the_time_in_which_it_is_collected(play: Play) -> None:
    slow = Upstream.answers("Hel").then_waits(50).then_says("lo.")
    x = await play(slow, model={"delivery": "assured"})

    assert (x.text, read_stream(x.body).pings) == ("Hello.", 3)
    assert x.body.startswith(b": ping\n")


async def test_an_assured_stream_tells_the_same_as_a_live_one(play: Play) -> None:
    script = Upstream.thinks("Hm.").then_says("One ", "moment.").then_calls("now", {"zone": "UTC"}).then_calls("place")
    script = script.then_reports_usage(3, 4)
    live = await play(script, body={"stream_options": {"include_usage": True}})
    assured = await play(script, body={"stream_options": {"include_usage": True}}, headers={"x-delivery": "assured"})

    assert (assured.text, assured.tool_calls, assured.finish) == (live.text, live.tool_calls, live.finish)
    assert assured.chunks[-1]["usage"] == live.chunks[-1]["usage"]


async def test_one_that_fails_before_the_commit_has_a_status(play: Play) -> None:
    x = await play(Upstream.answers("Hel").then_breaks(), retry=ONCE, model={"delivery": "assured"})

    assert path(x) == "validate auth session upstream read upstream_error"
    assert (x.status, x.code) == (502, "upstream_truncated")


async def test_an_unknown_delivery_is_refused(play: Play) -> None:
    x = await play(headers={"x-delivery": "express"})

    assert (x.status, x.code, x.error["param"]) == (400, "invalid_value", "x-delivery")


async def test_an_answer_larger_than_what_is_held_in_memory_is_not_assured(play: Play) -> None:
    x = await play(
        Upstream.answers("x" * 1000, "x" * 1000),
        model={"delivery": "assured"},
        server={"max_answer_bytes": 1500, "max_event_bytes": 1024},
    )

    assert (x.status, x.code) == (502, "upstream_oversize")


# --- streamed and not


@pytest.mark.parametrize(
    "script",
    [
        Upstream.answers("Hello", " there."),
        Upstream.calls("now", {"zone": "UTC"}),
        Upstream.answers("One moment.").then_calls("now").then_calls("place", {"of": "me"}),
        Upstream.thinks("Hm.").then_says("Yes."),
        Upstream.answers("Hel").then_finishes("length"),
        Upstream.finishes("stop"),
        Upstream.declines("No."),
    ],
    ids=["text", "call", "text and calls", "reasoning", "length", "empty", "refusal"],
)
async def test_an_answer_is_the_same_streamed_or_not(play: Play, script: Upstream) -> None:
    script = script.then_reports_usage(3, 4)
    streamed = await play(script, body={"stream_options": {"include_usage": True}})
    whole = await play(script, stream=False)
    message = whole.json["choices"][0]["message"]

    assert streamed.text == (message["content"] or "")
    assert streamed.finish == whole.finish
    assert streamed.tool_calls == [
        (call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls", [])
    ]
    assert streamed.chunks[-1]["usage"] == whole.json["usage"]


async def test_one_read_of_the_upstream_is_one_write_to_the_caller(play: Play) -> None:
    x = await play(Upstream.answers("a", "b", "c"))

    assert [piece.count(b'"content":"') for piece in x.client.writes] == [2, 1, 1, 0], "the first with the role"
