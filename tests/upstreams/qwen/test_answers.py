"""What comes back: judged by what it is, whatever was asked for, and wherever it breaks off."""

import asyncio

import pytest

from proxy.errors import (
    ConversationLost,
    InsufficientQuota,
    UpstreamAuthFailed,
    UpstreamBusy,
    UpstreamChallenge,
    UpstreamContentFiltered,
    UpstreamDisconnected,
    UpstreamEmptyAnswer,
    UpstreamFailed,
    UpstreamOversize,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirected,
    UpstreamRejected,
    UpstreamTruncated,
)
from proxy.ports import UpstreamCall
from proxy.testing.qwen import FUNCTION_FRAMES, Refuses, Says
from proxy.wire.events import Finished, Opened, ReasoningDelta, StreamEvent, TextDelta, Usage

CODE = Refuses.with_code


async def drained(call: UpstreamCall, events: list[StreamEvent]) -> None:
    """Take all that comes, up to the error in which it ends."""
    try:
        while not call.complete:
            events += await call.receive()
    finally:
        call.close()


GUARD = {"ret": ["FAIL_SYS_USER_VALIDATE", "x"], "data": {"url": "https://h/_____tmd_____/punish"}}

TABLE = [
    (Refuses(cut="eof"), UpstreamDisconnected),
    (Refuses(cut="reset"), UpstreamDisconnected),
    (Refuses(401, {}), UpstreamAuthFailed),
    (Refuses(403, {}), UpstreamAuthFailed),
    (CODE("Unauthorized"), UpstreamAuthFailed),
    (CODE("invalid_token"), UpstreamAuthFailed),
    (Refuses.page(), UpstreamChallenge),
    (Refuses.page(503), UpstreamChallenge),
    (Refuses.page(content_type="application/json"), UpstreamChallenge),
    (Refuses.page(content_type="text/event-stream"), UpstreamChallenge),
    (Refuses(200, GUARD), UpstreamChallenge),
    (Refuses(302, b"", headers={"Location": "/login"}), UpstreamRedirected),
    (Refuses(200, b"hello", "text/plain"), UpstreamProtocolError),
    (Refuses(200, b"{broken"), UpstreamProtocolError),
    (Refuses(200, {"success": True, "data": {}}), UpstreamProtocolError),
    (Refuses(200, b""), UpstreamDisconnected),
    (Refuses(429, {}), UpstreamRateLimited),
    (CODE("RateLimited"), UpstreamRateLimited),
    (CODE("RateLimited", "Daily limit reached.", num=4), InsufficientQuota),
    (CODE("RateLimited", "Daily limit reached.", num=4, status=429), InsufficientQuota),
    (CODE("quota_limit"), InsufficientQuota),
    (Refuses.busy(), UpstreamBusy),
    (Refuses.busy().at(400), UpstreamBusy),
    (CODE("Bad_Request", "parent_id x is not exist"), ConversationLost),
    (CODE("Not_Found"), ConversationLost),
    (Refuses(404, {}), ConversationLost),
    (CODE("data_inspection_failed"), UpstreamContentFiltered),
    (Refuses(500, {}), UpstreamFailed),
    (Refuses(504, b"gateway", "text/plain"), UpstreamFailed),
    (CODE("Something", "else"), UpstreamRejected),
    (Refuses(422, {}), UpstreamRejected),
]


@pytest.mark.parametrize(("answer", "error"), TABLE)
@pytest.mark.parametrize("stream", [True, False])
async def test_every_row_of_the_table_for_a_completion(connect, answer, error, stream):
    line = await connect()
    line.site.answers(answer, answer)  # a pooled connection that is found dead is replaced, unseen

    with pytest.raises(error) as raised:
        await line.ask(stream=stream)
    assert type(raised.value) is error


@pytest.mark.parametrize(("answer", "error"), TABLE)
async def test_the_creation_of_a_chat_is_judged_by_the_same_table(connect, answer, error):
    line = await connect()
    line.site.creations(answer)

    with pytest.raises(error) as raised:
        await line.ask()
    assert type(raised.value) is error
    assert line.site.completions == []


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ({"error": {"code": "quota_limit", "details": "no", "num": 1}, "response_id": "r"}, InsufficientQuota),
        ({"error": {"code": "RateLimited", "details": "no"}}, UpstreamRateLimited),
        ({"success": False, "data": {"code": "Bad", "details": "The chat is in progress!"}}, UpstreamBusy),
        ({"error": {"code": "Not_Found"}}, ConversationLost),
        ({"error": {"code": "Unauthorized"}}, UpstreamAuthFailed),
        ({"error": {"code": "internal"}}, UpstreamRejected),
        ({"response.stopped": {}}, UpstreamRejected),
        (GUARD, UpstreamChallenge),
    ],
)
@pytest.mark.parametrize("text", ["", "It is"])
async def test_an_error_in_the_stream_comes_after_what_came_before_it(connect, told, error, text):
    line = await connect()
    line.site.answers(Says(text, last=told))
    call = await line.open()
    events: list[StreamEvent] = []
    with pytest.raises(error):
        await drained(call, events)

    assert [each.text for each in events if isinstance(each, TextDelta)] == ([text] if text else [])
    assert call.node is None


async def test_the_content_filter_after_output_ends_the_answer_and_leaves_no_node(connect):
    line = await connect()
    line.site.answers(Says("It is", last={"error": {"code": "data_inspection_failed"}}))
    answered = await line.ask()

    assert (answered.text, answered.events[-1], answered.node) == ("It is", Finished("content_filter"), None)


@pytest.mark.parametrize("form", ["sse", "json"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("content_type", [None, "application/json", "text/event-stream"])
async def test_json_and_streams_are_read_right_whatever_was_asked_for_or_declared(connect, form, stream, content_type):
    line = await connect()
    line.site.answers(Says(("It is", " sunny."), form=form, content_type=content_type))
    answered = await line.ask(stream=stream)
    (exchange,) = line.site.chat.exchanges

    assert answered.text == "It is sunny."
    assert isinstance(answered.events[0], Opened)
    assert answered.events[-1] == Finished("stop")
    assert answered.node["response_id"] == exchange.response_id


async def test_byte_by_byte_it_is_the_same_answer(connect):
    line = await connect(thinking="on")
    says = Says(("Süß", " und 🌞."), thinking=("hm", "…"), first=FUNCTION_FRAMES)
    line.site.answers(says, Says(says.text, thinking=says.thinking, first=says.first, bytewise=True))
    whole, pieces = await line.ask(), await line.ask()

    assert whole.events[1:] == pieces.events[1:]
    assert (whole.text, whole.reasoning) == ("Süß und 🌞.", "hm…")


async def test_the_sites_own_tools_do_not_show(connect):
    line = await connect()
    line.site.answers(Says("Yes.", first=FUNCTION_FRAMES))

    assert (await line.ask()).text == "Yes."


async def test_thinking_and_its_summaries_are_reasoning(connect):
    line = await connect(thinking="on")
    line.site.answers(Says("Yes.", thinking=("hm",), summaries=(("A",), ("A", "B"))))
    answered = await line.ask()

    assert [each for each in answered.events if isinstance(each, ReasoningDelta)] == [
        ReasoningDelta("hm"),
        ReasoningDelta("A"),
        ReasoningDelta("\nB"),
    ]
    assert answered.text == "Yes."


async def test_text_in_the_last_event_is_not_lost(connect):
    line = await connect()
    line.site.answers(Says(("It is", " sunny."), in_finish=True))

    assert (await line.ask()).text == "It is sunny."


@pytest.mark.parametrize("ends", ["eof", "reset"])
@pytest.mark.parametrize("after", [0, 1, 2, 3])
async def test_a_cut_at_any_event_is_never_an_end(connect, ends, after):
    """The connection of this site always just ends: only its own word tells a whole answer from a cut one."""
    line = await connect()
    line.site.answers(Says(("It is", " sunny."), ends=ends, after=after))
    if after == 0:
        with pytest.raises(UpstreamDisconnected):
            await line.open()
        return
    call = await line.open()
    with pytest.raises(UpstreamTruncated):
        await drained(call, [])

    assert call.node is None


@pytest.mark.parametrize("ends", ["eof", "reset"])
async def test_a_body_that_breaks_off_is_no_answer(connect, ends):
    line = await connect(upstream_stream="match")
    line.site.answers(Says(ends=ends))

    with pytest.raises((UpstreamTruncated, UpstreamProtocolError)):
        await line.ask(stream=False)


async def test_the_first_delta_is_there_before_the_second_exists(connect):
    """An answer that was buffered whole has its headers at its end."""
    line = await connect()
    line.site.answers(Says("It is", ends="stall", after=2))
    call = await line.open()
    async with asyncio.timeout(5):
        while not any(isinstance(each, TextDelta) for each in await call.receive()):
            pass
    call.close()


async def test_usage_is_told_before_the_finish_and_never_made_up(connect):
    line = await connect()
    line.site.answers(Says(("a", "b")), Says("a", usage=False))

    assert (await line.ask()).events[-2:] == [Usage(21, 2, 23, {"cached_tokens": 0}, None), Finished("stop")]
    assert not any(isinstance(each, Usage) for each in (await line.ask()).events)


async def test_without_usage_the_connection_may_stay_open_no_longer_than_the_tail(connect):
    line = await connect()
    line.site.answers(Says("a", usage=False, stays_open=True))
    call = await line.open()
    while not call.finishing:
        await call.receive()

    assert list(call.settle()) == [Finished("stop")]
    assert call.node is not None
    call.close()
    assert line.site.stops == []


async def test_an_end_mark_is_understood_where_it_comes(connect):
    line = await connect()
    line.site.answers(Says("a", mark=True))

    assert (await line.ask()).events[-1] == Finished("stop")


async def test_an_empty_answer_is_an_error_unless_accepted(connect):
    line = await connect()
    line.site.answers("")
    with pytest.raises(UpstreamEmptyAnswer):
        await line.ask()

    accepting = await connect(empty_answer="accept")
    accepting.site.answers("")
    answered = await accepting.ask()
    assert (answered.text, answered.events[-1], answered.node) == ("", Finished("stop"), None)


async def test_an_answer_of_another_chat_is_refused(connect):
    line = await connect()
    line.site.answers(Says("Theirs.", chat_id="another"))
    call = await line.open()

    with pytest.raises(UpstreamProtocolError):
        await call.receive()
    call.close()


async def test_an_empty_chat_id_in_the_stream_is_ours(connect):
    line = await connect()
    line.site.answers(Says("Ours.", chat_id=""))

    assert (await line.ask()).node["chat_id"] == line.site.chat.id


async def test_ids_in_every_event_serve_where_response_created_is_missing(connect):
    line = await connect()
    line.site.answers(Says("a", tells_created=False))
    answered = await line.ask()
    (exchange,) = line.site.chat.exchanges

    assert (answered.node["parent_id"], answered.node["response_id"]) == (exchange.parent_id, exchange.response_id)


async def test_a_finish_reason_that_is_told_is_told_on(connect):
    line = await connect()
    line.site.answers(Says("a", finish_reason="length"))

    assert (await line.ask()).events[-1] == Finished("length")


async def test_what_is_too_large_is_refused(connect, monkeypatch):
    line = await connect()
    line.adapter._max_event_bytes = 2000
    line.adapter._max_answer_bytes = 2000
    line.site.answers(Says("x" * 3000), Says("x" * 3000, form="json"))

    for _ in range(2):
        with pytest.raises(UpstreamOversize):
            await line.ask()


async def test_a_page_that_is_cut_off_is_still_a_challenge(connect):
    line = await connect()
    line.site.answers(Refuses(200, b"<html>" + b"x" * 200_000, "text/html"))

    with pytest.raises(UpstreamChallenge):
        await line.ask()


@pytest.mark.parametrize("answer", [Refuses.page(), CODE("Other", "umid-token-1 and abcdef12, said the page")])
async def test_pages_cookies_and_tokens_reach_neither_caller_nor_log(connect, answer):
    line = await connect()
    line.site.answers(answer)

    with pytest.raises(Exception, match=r"\w") as raised:
        await line.ask()
    told = f"{raised.value.message} {raised.value.detail}"
    assert "umid-token-1" not in told
    assert "abcdef12" not in told
    assert "cookie" not in told
    assert "<" not in told
